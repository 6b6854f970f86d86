package actors

import (
	"fmt"
	"os"
	"path/filepath"
	"time"

	"devs-webhook/messages"
)

const (
	// maxFailures is how many attempts that count may fail before the task is given up.
	maxFailures = 3
	// giveUpAfter is how long the surroundings (GitHub, the engine) may keep a task from starting.
	giveUpAfter = 24 * time.Hour
	// maxPanics is how often the actor may panic at one attempt before it gives the attempt up.
	maxPanics = 3
)

// outcome makes the outcome of an attempt that ended like this, with the policy of its ending: which
// endings are tried again, and when.
func (r *run) outcome(ending messages.Ending, detail string, exit messages.Exit) messages.Outcome {
	if ending == "" { // of an error whose maker did not know that a task would end by it
		ending = messages.EndInternal
	}
	o := messages.Outcome{Attempt: r.attempt.AttemptRef, Ending: ending, Detail: detail, Exit: exit}
	if ending == messages.EndSucceeded || ending == messages.EndCancelled {
		return o
	}
	o.Counts = true
	if again, after := retry(ending, r.task.Failures); again && r.task.Failures+1 < maxFailures && !r.cancelled {
		o.Retry, o.NotBefore = true, time.Now().Add(after)
	}
	return o
}

// retry says whether an ending is worth another attempt, and after what time: those whose cause lies
// outside the agent's work and may have gone by then.
func retry(ending messages.Ending, failures int) (again bool, after time.Duration) {
	switch ending {
	case messages.EndContainerLost, messages.EndInternal, messages.EndResultInvalid:
		return true, backoff(5*time.Second, time.Minute, failures)
	case messages.EndModelBusy:
		return true, backoff(time.Minute, 15*time.Minute, failures)
	default:
		return false, 0
	}
}

// refuse is the outcome of an attempt that was not let start for a reason that stays.
func (r *run) refuse(refused *messages.RefusedError) messages.Outcome {
	o := r.outcome(refused.Ending, refused.Why, messages.Exit{})
	o.Retry, o.NotBefore = false, time.Time{}
	return o
}

// putOff is the outcome of an attempt that the surroundings did not let start: it does not count.
func (r *run) putOff(later *messages.LaterError) messages.Outcome {
	o := r.outcome(later.Ending, later.Error(), messages.Exit{})
	if time.Since(r.task.StartedAt) > giveUpAfter { // since its first attempt: its turn may have come late
		o.Retry, o.NotBefore = false, time.Time{}
		return o
	}
	pause := max(later.After, backoff(5*time.Second, 5*time.Minute, r.attempt.Number-1))
	o.Retry, o.Counts, o.NotBefore = true, false, time.Now().Add(pause)
	return o
}

// judge makes the outcome of an ended container. Exit code, memory and times are the engine's; the rest is
// the agent's own word about its own work, and its bundle goes through quarantine before it is pushed.
func (r *run) judge(exit messages.Exit, out Output) messages.Outcome {
	ending, detail := out.Result.Ending, out.Result.Detail
	switch {
	case r.cancelled:
		ending, detail = messages.EndCancelled, ""
	case r.overdue:
		ending, detail = messages.EndTimedOutWall, "The runner did not end in time and was stopped."
	case !out.HasResult && exit.OutOfMemory:
		ending, detail = messages.EndOutOfMemory, "The container ran out of memory."
	case !out.HasResult && exit.Lost:
		ending, detail = messages.EndContainerLost, "It ended without a result."
	case !out.HasResult:
		ending, detail = messages.EndContainerLost, fmt.Sprintf("It ended with exit code %d and without a result.", exit.Code)
	case ending == messages.EndAgentFailed && exit.OutOfMemory:
		ending, detail = messages.EndOutOfMemory, "A process of the agent ran out of memory."
	}
	o := r.outcome(ending, detail, exit)
	if r.sessionLost(out.Result) && !o.Retry {
		o.Retry, o.Counts, o.NotBefore = true, false, time.Now()
	}
	o.Result, o.Intents, o.Refused = out.Result, out.Intents, out.Refused
	base, err := r.readBase()
	if err != nil {
		r.log.Error().Err(err).Msg("base not read")
	}
	o.Base = base
	if out.HasBundle && base.Commit != "" && !o.Retry && ending != messages.EndCancelled {
		o.Bundle = outcomePath(r.attempt.AttemptRef)
	}
	return o
}

// sessionLost says whether the run ended because its session could not be gone on with. The session is
// forgotten then, so that the next attempt begins a new one, and this happens once.
func (r *run) sessionLost(result messages.Result) bool {
	if !result.SessionLost || r.cancelled {
		return false
	}
	if _, err := os.Stat(filepath.Join(r.inputDir(), "session.tar")); err != nil {
		return false // it had none: whoever says so lies
	}
	if err := r.Sessions.Drop(r.task.ThreadKey); err != nil {
		r.log.Warn().Err(err).Msg("session not forgotten")
		return false
	}
	return true
}

// keepSession keeps what the agent knows for the thread's next task. It is never worth failing for. One that
// has grown too long for the model would only make the next task fail in the same way.
func (r *run) keepSession(out Output) {
	if out.Result.Ending == messages.EndPromptTooLong {
		if err := r.Sessions.Drop(r.task.ThreadKey); err != nil {
			r.log.Warn().Err(err).Msg("session not forgotten")
		}
		return
	}
	if out.Session == "" || out.Result.Session == "" || r.task.Test() {
		return
	}
	if err := r.Sessions.Keep(r.task.ThreadKey, out.Result.Session, out.Session); err != nil {
		r.log.Warn().Err(err).Msg("session not kept")
	}
}
