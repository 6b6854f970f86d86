// Package runner is what runs inside an attempt's container, as its main process: the same program as the
// service, started as `devs-webhook runner --dir {run}`. It makes the workspace, starts the agent, holds it to its
// limits, and leaves what came of it in {run}/out.
//
// It runs once and from the beginning: after a crash in the middle nothing is picked up, a new attempt has a new
// directory. out/result.json is written last and whole, so whoever finds it has all of the rest. Nothing here is
// a secret from the agent, which runs as the same user and can forge all of it; what must hold against the agent
// is checked outside.
//
// Run owns its process: it catches signals, becomes the parent of every orphan below it, reaps all children and
// in the end kills all of them.
package runner
