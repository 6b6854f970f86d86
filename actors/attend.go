package actors

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"devs-webhook/messages"
)

const (
	wishEvery  = 5 * time.Second        // how often the store is asked for a cancel whose message was lost
	eventsWait = 250 * time.Millisecond // how long an event may wait for company before it is stored
	eventsMost = 64                     // events stored in one transaction
)

// attend does work in a goroutine of its own while the mailbox stays attended. A cancel of the task ends
// the work's context with errCancelled, and that is the error then. The goroutine has ended when attend
// returns.
func (r *run) attend(ctx context.Context, work func(ctx context.Context) error) error {
	within, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	done := start(func() error { return work(within) })
	wish := time.NewTicker(wishEvery)
	defer wish.Stop()
	for {
		select {
		case err := <-done:
			return r.ended(within, err)
		case <-ctx.Done():
			return r.ended(within, <-done)
		case m := <-r.inbox:
			if c, ok := m.(messages.Cancel); ok && c.Task == r.task.ID && !r.cancelled {
				cancel(errCancelled)
			}
		case <-wish.C:
			if !r.cancelled && r.wished(ctx) {
				cancel(errCancelled)
			}
		}
	}
}

// ended gives the work's error, or errCancelled if that is what ended it. Work that succeeded nevertheless
// has succeeded.
func (r *run) ended(within context.Context, err error) error {
	var panicked *panicError
	if err == nil || errors.As(err, &panicked) {
		return err
	}
	if errors.Is(context.Cause(within), errCancelled) {
		return errCancelled
	}
	return err
}

// wished asks the store whether the task is to be cancelled. Its error shows elsewhere.
func (r *run) wished(ctx context.Context) bool {
	_, task, ok, err := r.Store.Current(ctx, r.name)
	return err == nil && ok && task.CancelledBy != ""
}

// storeEvents follows the agent and stores its events in small batches. If the store fails it ends: whoever
// follows again begins behind the last event that was stored.
func (r *run) storeEvents(ctx context.Context) error {
	within, cancel := context.WithCancel(ctx)
	events := make(chan messages.AgentEvent, eventsMost)
	done := start(func() error {
		return r.Runtime.Follow(within, r.name, r.lastSeq, func(e messages.AgentEvent) {
			select {
			case events <- e:
			case <-within.Done():
			}
		})
	})
	followed := false
	defer func() {
		cancel()
		if !followed {
			<-done
		}
	}()
	return r.batch(within, events, done, &followed)
}

// batch stores events until the follower is done, and then what is left. followed says that it was done.
func (r *run) batch(ctx context.Context, events <-chan messages.AgentEvent, done <-chan error, followed *bool) error {
	tick := time.NewTicker(eventsWait)
	defer tick.Stop()
	var held []messages.AgentEvent
	for {
		select {
		case e := <-events:
			if held = append(held, e); len(held) < eventsMost {
				continue
			}
		case <-tick.C:
		case err := <-done:
			*followed = true
			for len(events) > 0 {
				held = append(held, <-events)
			}
			if ctx.Err() != nil {
				return err // what is left is emitted again the next time
			}
			return errors.Join(err, r.append(ctx, held))
		}
		if err := r.append(ctx, held); err != nil {
			return err
		}
		held = held[:0]
	}
}

// append stores events that are newer than what is stored, few at a time, since everybody else's writes wait
// meanwhile.
func (r *run) append(ctx context.Context, events []messages.AgentEvent) error {
	var fresh []messages.AgentEvent
	last := r.lastSeq
	for _, e := range events {
		if e.Seq > last {
			fresh = append(fresh, e)
			last = e.Seq
		}
	}
	for some := range slices.Chunk(fresh, eventsMost) {
		if err := r.Store.AppendEvents(ctx, r.attempt.AttemptRef, some); err != nil {
			return fmt.Errorf("store events of %s: %w", r.attempt.AttemptRef, err)
		}
		r.lastSeq = some[len(some)-1].Seq
	}
	return nil
}
