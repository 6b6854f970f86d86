// Package docker runs attempts in containers of a Docker engine: one container per attempt, named after
// the slot, so that the engine itself refuses a second one. It may be called by one container actor per
// slot and by the janitor, at the same time.
//
// The package keeps nothing that a crash could lose. What there is, the engine knows: the container's
// name says the slot, its labels say whose attempt it is, its state says how far it came. Everything
// goes in and comes out as tar archives through the API, never by a bind mount, so that a remote engine
// works too.
//
// An attempt owns one volume, new each time and mounted at /devs; its directory is /devs/run. The runner
// is in a volume of its own at /devs/bin, read-only and named by the binary's hash, so that an attempt of
// an older release keeps its own.
// A slot has one network, which outlives the attempts and is its container's only one. It is internal
// unless Options.Egress says otherwise, and its default route leads to an address that nobody has: beyond
// its own subnet, in which there is nobody but itself and the engine's machine at the network's gateway
// address, the container gets no answer. That needs no packet filter, and a container without capabilities
// cannot give itself another route. What does need one: whatever listens on all addresses of the engine's
// machine can be reached at the gateway address too.
package docker
