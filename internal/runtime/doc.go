// Package runtime holds what the runtimes have in common: the layout of an attempt's directory, reading
// the runner's events, and saving what comes out. The runtimes themselves, places where an attempt can
// run, are the packages docker and process; one suite of tests, runtimetest, holds for both.
//
// Nothing that comes out of an attempt is trusted: the agent has the runner's user id and can forge all
// of it. So every reader here has a limit, follows no link, and goes on after nonsense.
package runtime
