package supervisor_test

import (
	"context"
	"time"

	"devs-webhook/internal/store"
	"devs-webhook/messages"
	"devs-webhook/supervisor"
)

// fragileStore is the real store whose calls may panic, before or after the commit.
type fragileStore struct {
	*store.Store
	bomb *bomb
}

var _ supervisor.Store = fragileStore{}

func (s fragileStore) Undecided(ctx context.Context, limit int) (d []messages.Delivery, err error) {
	s.bomb.around("Undecided", func() { d, err = s.Store.Undecided(ctx, limit) })
	return d, err
}

func (s fragileStore) Decide(ctx context.Context, in messages.Decision) (d messages.Decision, id messages.TaskID, err error) {
	s.bomb.around("Decide", func() { d, id, err = s.Store.Decide(ctx, in) })
	return d, id, err
}

func (s fragileStore) Runnable(ctx context.Context, limit int) (t []messages.Task, err error) {
	s.bomb.around("Runnable", func() { t, err = s.Store.Runnable(ctx, limit) })
	return t, err
}

func (s fragileStore) SetSetting(ctx context.Context, key, value string) (err error) {
	s.bomb.around("SetSetting", func() { err = s.Store.SetSetting(ctx, key, value) })
	return err
}

func (s fragileStore) Claim(ctx context.Context, id messages.TaskID, slot, runtime string) (a messages.Attempt, t messages.Task, err error) {
	s.bomb.around("Claim", func() { a, t, err = s.Store.Claim(ctx, id, slot, runtime) })
	return a, t, err
}

func (s fragileStore) Current(ctx context.Context, slot string) (a messages.Attempt, t messages.Task, ok bool, err error) {
	s.bomb.around("Current", func() { a, t, ok, err = s.Store.Current(ctx, slot) })
	return a, t, ok, err
}

func (s fragileStore) AppendEvents(ctx context.Context, a messages.AttemptRef, e []messages.AgentEvent) (err error) {
	s.bomb.around("AppendEvents", func() { err = s.Store.AppendEvents(ctx, a, e) })
	return err
}

func (s fragileStore) Finish(ctx context.Context, o messages.Outcome) (err error) {
	s.bomb.around("Finish", func() { err = s.Store.Finish(ctx, o) })
	return err
}

func (s fragileStore) DueEffects(ctx context.Context, limit int) (e []messages.Effect, err error) {
	s.bomb.around("DueEffects", func() { e, err = s.Store.DueEffects(ctx, limit) })
	return e, err
}

func (s fragileStore) EffectTrying(ctx context.Context, id int64) (err error) {
	s.bomb.around("EffectTrying", func() { err = s.Store.EffectTrying(ctx, id) })
	return err
}

func (s fragileStore) EffectDone(ctx context.Context, id int64, e messages.Effect) (err error) {
	s.bomb.around("EffectDone", func() { err = s.Store.EffectDone(ctx, id, e) })
	return err
}

func (s fragileStore) EffectLater(ctx context.Context, id int64, next time.Time, ambiguous bool, problem string) (err error) {
	s.bomb.around("EffectLater", func() { err = s.Store.EffectLater(ctx, id, next, ambiguous, problem) })
	return err
}

func (s fragileStore) View(ctx context.Context, id messages.TaskID) (v messages.View, err error) {
	s.bomb.around("View", func() { v, err = s.Store.View(ctx, id) })
	return v, err
}

func (s fragileStore) StartProgress(ctx context.Context, after time.Duration) (n int, err error) {
	s.bomb.around("StartProgress", func() { n, err = s.Store.StartProgress(ctx, after) })
	return n, err
}

func (s fragileStore) Forget(ctx context.Context, now time.Time) (int, error) {
	f, err := s.Store.Forget(ctx, now, store.Keep{})
	return f.Deliveries, err
}

func (s fragileStore) Pending(context.Context, messages.TaskID) (bool, error) { return true, nil }
