package actors

import "github.com/thejerf/suture/v4"

// FatalError ends the program with Code: what no restart can mend. An actor's Serve ends with it.
type FatalError struct {
	Code int // of the exit codes that docs/operations.md lists
	Err  error
}

// Error gives the cause.
func (e *FatalError) Error() string { return e.Err.Error() }

// Unwrap gives the cause.
func (e *FatalError) Unwrap() error { return e.Err }

// Is makes the supervisor end the tree.
func (e *FatalError) Is(target error) bool { return target == suture.ErrTerminateSupervisorTree }

// Fatal gives the exit code of an error that neither a restart nor another try can mend, and 0 for every
// other. nil knows none. An actor asks it before it puts an error off, and returns a fatal one from Serve.
type Fatal func(err error) (exitCode int)

// is says whether the error ends the program.
func (f Fatal) is(err error) bool { return f != nil && err != nil && f(err) != 0 }
