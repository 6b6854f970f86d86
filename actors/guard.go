package actors

import (
	"fmt"
	"runtime/debug"
)

// panicError is a panic of a goroutine that an actor started, or of one piece of work, as an error: a
// supervisor recovers only the goroutine that runs Serve.
type panicError struct {
	value any
	stack []byte
}

// Error gives the value without the stack, which is for the debug log.
func (e *panicError) Error() string { return fmt.Sprintf("panic: %v", e.value) }

// internalError is a fault of ours that has nothing to do with what GitHub said.
type internalError struct{ error }

// Unwrap gives the cause.
func (e *internalError) Unwrap() error { return e.error }

// guard runs f and turns a panic into an error.
func guard(f func() error) (err error) {
	defer func() {
		if v := recover(); v != nil {
			err = &panicError{value: v, stack: debug.Stack()}
		}
	}()
	return f()
}

// start runs f in a goroutine of its own and reports its end, a panic included, on the channel. Whoever
// starts one reads the channel before it returns from Serve.
func start(f func() error) <-chan error {
	done := make(chan error, 1)
	go func() { done <- guard(f) }()
	return done
}
