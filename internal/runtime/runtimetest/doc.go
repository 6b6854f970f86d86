// Package runtimetest is the suite that every runtime must pass: the order of calls of a container actor,
// what it finds after a kill between any two of them, and what a hostile attempt can do to it. It is for
// tests only.
package runtimetest
