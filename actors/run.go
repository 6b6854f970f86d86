package actors

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/rs/zerolog"

	"devs-webhook/messages"
)

// run is one open attempt on its way to its end. It lives as long as one call of Container.run; all that
// must survive is elsewhere.
type run struct {
	*Container
	attempt   messages.Attempt
	task      messages.Task
	log       zerolog.Logger
	lastSeq   int64 // of the events in the store
	tries     int   // failures of the runtime in a row
	started   bool  // the agent was started in this life, so that nothing found means that it was lost
	cancelled bool  // somebody wants it to end
	overdue   bool  // the wall limit and its margin have passed
}

// errCancelled is the cause of a context that ends because somebody cancelled the task.
var errCancelled = errors.New("task was cancelled")

// toEnd takes the attempt from step to step until it has ended. One at which the actor keeps panicking is
// given up like one that failed, since it would keep the slot from everybody.
func (r *run) toEnd(ctx context.Context) error {
	ended, err := false, error(nil)
	if r.panics > maxPanics {
		ended, err = r.finish(ctx, r.outcome(messages.EndInternal, "The service itself failed at it, again and again.", messages.Exit{}))
	}
	for !ended && err == nil {
		ended, err = r.step(ctx)
	}
	if ended {
		r.Report.Ring()
	}
	return err
}

// step looks at what the runtime holds and does the next thing.
func (r *run) step(ctx context.Context) (ended bool, err error) {
	found, err := r.Runtime.Find(ctx, r.name)
	if err != nil {
		return false, r.waitForRuntime(ctx, err)
	}
	if found.State != messages.FoundNothing && found.Attempt != r.attempt.AttemptRef {
		// Of an attempt that has ended: its outcome is stored, or its store is gone.
		r.log.Info().Str("found", found.Attempt.String()).Msg("leftover removed")
		return false, r.orWait(ctx, r.Runtime.Remove(ctx, r.name))
	}
	switch found.State {
	case messages.FoundNothing:
		if r.lastSeq > 0 || r.started {
			return r.finish(ctx, r.outcome(messages.EndContainerLost, "The container was gone before it had ended.", messages.Exit{Lost: true}))
		}
		return r.launch(ctx)
	case messages.FoundCreated:
		return false, r.orWait(ctx, r.Runtime.Remove(ctx, r.name))
	case messages.FoundRunning:
		return false, r.follow(ctx)
	case messages.FoundExited:
		return r.collect(ctx)
	default:
		return false, fmt.Errorf("runtime found %q in %s", found.State, r.name)
	}
}

// launch prepares the input, makes the container and starts it.
func (r *run) launch(ctx context.Context) (ended bool, err error) {
	if r.cancelled {
		return r.finish(ctx, r.outcome(messages.EndCancelled, "It had not started yet.", messages.Exit{}))
	}
	err = r.attend(ctx, r.begin)
	var refused *messages.RefusedError
	var later *messages.LaterError
	var panicked *panicError
	switch {
	case err == nil:
		r.tries, r.started = 0, true
		r.log.Info().Str("runtime", r.Runtime.Name()).Msg("agent started")
		return false, nil
	case ctx.Err() != nil:
		return false, ctx.Err()
	case errors.Is(err, messages.ErrNameTaken):
		return false, r.waitForRuntime(ctx, err) // and then look who it is
	case errors.Is(err, errCancelled):
		r.cancelled = true
		return false, nil
	case errors.As(err, &panicked):
		return false, err
	case errors.As(err, &refused):
		r.log.Warn().Err(err).Msg("attempt refused")
		return r.finish(ctx, r.refuse(refused))
	case errors.As(err, &later):
		r.log.Warn().Err(err).Msg("attempt put off")
		return r.finish(ctx, r.putOff(later))
	default:
		r.log.Error().Err(err).Msg("attempt not started")
		return r.finish(ctx, r.outcome(messages.EndInternal, "The service could not start it.", messages.Exit{}))
	}
}

// begin does what launch asks for.
func (r *run) begin(ctx context.Context) error {
	if err := r.prepare(ctx); err != nil {
		return err
	}
	launch := messages.Launch{Slot: r.name, Attempt: r.attempt.AttemptRef, Repo: r.task.Repo.FullName(), InputDir: r.inputDir()}
	if err := r.Runtime.Create(ctx, launch); err != nil {
		return err
	}
	return r.Runtime.Start(ctx, r.name)
}

// follow stores the events of the running agent until it has ended, somebody cancels, or its time and the
// margin are over.
func (r *run) follow(ctx context.Context) error {
	if r.cancelled || r.overdue {
		return r.orWait(ctx, r.Runtime.Stop(ctx, r.name))
	}
	left := time.Until(r.attempt.StartedAt.Add(r.Limits.Wall + followMost))
	within, cancel := context.WithTimeoutCause(ctx, left, errOverdue)
	defer cancel()
	err := r.attend(within, r.storeEvents)
	switch {
	case err == nil:
		r.tries = 0
		return nil // it has ended; the next look says how
	case ctx.Err() != nil:
		r.log.Info().Msg("agent left running")
		return ctx.Err()
	case errors.Is(context.Cause(within), errOverdue):
		r.overdue = true
		return nil
	case errors.Is(err, errCancelled):
		r.cancelled = true
		return nil
	case errors.Is(err, messages.ErrNotFound):
		return nil
	case r.Fatal.is(err):
		return err
	default:
		return r.waitForRuntime(ctx, err)
	}
}

var errOverdue = errors.New("attempt is past its limit")

// collect takes the output out of the ended container and stores the outcome.
func (r *run) collect(ctx context.Context) (ended bool, err error) {
	var exit messages.Exit
	var out Output
	err = r.attend(ctx, func(ctx context.Context) error {
		var err error
		if exit, err = r.Runtime.Collect(ctx, r.name, r.outputDir()); err != nil {
			return err
		}
		out, err = r.Outputs.Read(r.outputDir(), r.attempt.AttemptRef)
		return err
	})
	var panicked *panicError
	switch {
	case errors.Is(err, errCancelled):
		r.cancelled = true
		return false, nil // it has ended anyway: collect again
	case errors.As(err, &panicked):
		return false, err
	case err != nil:
		return false, r.waitForRuntime(ctx, fmt.Errorf("collect the output: %w", err))
	}
	if err := r.append(ctx, out.Events); err != nil {
		return false, err
	}
	r.keepSession(out)
	return r.finish(ctx, r.judge(exit, out))
}

// finish stores the outcome, which ends the attempt, and then removes what the runtime still holds.
func (r *run) finish(ctx context.Context, o messages.Outcome) (ended bool, err error) {
	err = r.Store.Finish(ctx, o)
	if err != nil && !errors.Is(err, messages.ErrNotOpen) {
		return false, fmt.Errorf("finish %s: %w", o.Attempt, err)
	}
	r.log.Info().Str("ending", string(o.Ending)).Bool("again", o.Retry).Str("detail", o.Detail).
		Dur("dur", time.Since(r.attempt.StartedAt)).Msg("task finished")
	// From here on the attempt is over whatever happens: what stays behind is removed when it is met.
	if err := r.Runtime.Remove(ctx, r.name); err != nil {
		r.log.Warn().Err(err).Msg("container not removed")
	}
	r.clean(r.attempt.AttemptRef)
	return true, nil
}

// orWait passes success on and waits after a failure of the runtime.
func (r *run) orWait(ctx context.Context, err error) error {
	if err == nil {
		r.tries = 0
		return nil
	}
	return r.waitForRuntime(ctx, err)
}

// waitForRuntime waits with growing pauses for a runtime that does not answer: the attempt may be running
// there, so the slot stays with it. A cancel is noted meanwhile.
func (r *run) waitForRuntime(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	pause := backoff(time.Second, time.Minute, r.tries)
	r.tries++
	r.log.Warn().Err(err).Dur("again_in", pause).Msg("runtime did not answer")
	err = r.attend(ctx, func(ctx context.Context) error {
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-time.After(pause):
			return nil
		}
	})
	if errors.Is(err, errCancelled) {
		r.cancelled = true
		return nil
	}
	return err
}
