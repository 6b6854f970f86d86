package messages

import (
	"errors"
	"time"
)

// ErrNotClaimable is what the store answers to a claim of a task that is not queued, not due, or whose
// thread or slot is busy: the offer was late. Nothing has changed.
var ErrNotClaimable = errors.New("not claimable")

// ErrNotOpen is what the store answers to a write for an attempt that has already ended.
var ErrNotOpen = errors.New("attempt is not open")

// ErrEffectClosed is what the store answers to the begin of a try of an effect that was done or given up, or
// is no longer wanted: do not try it.
var ErrEffectClosed = errors.New("effect is closed")

// ErrNameTaken is what a runtime answers if the slot's name is in use: look with Find what is there.
var ErrNameTaken = errors.New("name is taken")

// ErrNotFound is what GitHub answers for something that is not there, or that the token may not see.
var ErrNotFound = errors.New("not found")

// LaterError is a failure of the surroundings, not of the work: try again, and do not count it. After is
// the time that the other side asked for, 0 if it did not say.
type LaterError struct {
	After  time.Duration
	Ending Ending // what it would be called if the task had to be given up for it
	Err    error
}

// Error gives the cause.
func (e *LaterError) Error() string { return e.Err.Error() }

// Unwrap gives the cause.
func (e *LaterError) Unwrap() error { return e.Err }

// AmbiguousError is a failure after which the other side may have done what was asked: a time-out, a
// reset, a 5xx. Look before trying again.
type AmbiguousError struct{ Err error }

// Error gives the cause.
func (e *AmbiguousError) Error() string { return e.Err.Error() }

// Unwrap gives the cause.
func (e *AmbiguousError) Unwrap() error { return e.Err }

// RefusedError is a no that another try does not change. Why is a sentence for people: it holds no path
// of this machine and no secret.
type RefusedError struct {
	Ending Ending
	Why    string
	Err    error // for the log; may be nil
}

// Error gives the sentence and the cause.
func (e *RefusedError) Error() string {
	if e.Err == nil {
		return e.Why
	}
	return e.Why + ": " + e.Err.Error()
}

// Unwrap gives the cause.
func (e *RefusedError) Unwrap() error { return e.Err }
