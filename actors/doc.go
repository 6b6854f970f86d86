// Package actors holds the loops of the program, one file each: the webhook source, the processor, the
// container (one per name), the reporter and the janitor.
//
// The store is the truth, a channel is a knock, an actor is a loop that may die at any line. Serve picks
// up what an earlier Serve left, and then works through one select; it keeps nothing in memory that would
// be false after a crash. Each actor declares the narrow interfaces that it needs beside itself and never
// imports what implements them. Only package supervisor makes actors, and their mailboxes, which outlive
// every Serve.
package actors
