// Package supervisor makes the mailboxes, wires the actors and builds the tree that restarts them. It is
// the only place that knows suture's Spec, and the only one that makes actors.
//
// Each container has a supervisor of its own, because suture's failure count and pause belong to the
// supervisor and not to the service: under a shared one a healthy neighbour would wait for a failing one.
//
// What must outlive the actors stays outside the tree: the store, the listeners and the mailboxes.
package supervisor
