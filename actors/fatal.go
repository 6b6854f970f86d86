package actors

import "github.com/thejerf/suture/v4"

// FatalError ends the program with Code: what no restart can mend. An actor returns it from Serve.
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
