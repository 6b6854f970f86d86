// Package agent knows the coding agents: how each is started, what it is told, and what its output means.
//
// It has two ends. In the service, Agents turns a job into the files of an attempt's in/ directory, the
// prompt among them. Inside the container, a Parser turns what the agent prints into neutral events and
// says in the end how the run ended. Both are plain functions over their input: no network, no clock, and
// nothing that survives a crash. docs/agents.md is the manual of what is decided here.
package agent
