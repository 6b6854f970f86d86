package actors_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"devs-webhook/messages"
)

// TestOrderOfEffects: the work before the answer that tells of it, and the answer before the progress
// comment that links to it.
func TestOrderOfEffects(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		d := newDesk(t)
		d.progress = time.Second
		id := newTask(t, d.store.Store, request("k", 1))
		r := d.serve()
		time.Sleep(5 * time.Second)
		synctest.Wait()
		d.end(id, "work.bundle")
		d.bell.Ring()
		synctest.Wait()
		const story = "react eyes to issue_comment of #1, create progress, push, find pull, create pull into main, create final, fold progress"
		if got := d.story(); got != story {
			t.Errorf("the acts were: %s", got)
		}
		if p := d.answers[id]; p.Number != 7 || p.URL != "pull url" || p.Branch == "" || p.Files != 3 {
			t.Errorf("the answer was told %+v", p)
		}
		for _, e := range view(t, d.store.Store, id).Effects {
			if e.State != messages.EffectDone {
				t.Errorf("%s is %s", e.Kind, e.State)
			}
		}
		r.silent()
	})
}

// TestFinalGoesBeforeReactionsAndProgress of others: somebody waits for it.
func TestFinalGoesBeforeReactionsAndProgress(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		d := newDesk(t)
		d.progress = time.Second
		newTask(t, d.store.Store, request("k", 1))
		time.Sleep(2 * time.Second)
		if _, err := d.store.StartProgress(t.Context(), d.progress); err != nil {
			t.Fatal(err)
		}
		d.end(d.task("ended", 2), "")
		d.serve()
		const story = "create final, react eyes to issue_comment of #1, create progress"
		if got := d.story(); got != story {
			t.Errorf("the acts were: %s", got)
		}
	})
}

// TestTryThatMayHaveBeenAppliedIsLookedFor, and made once in the end.
func TestTryThatMayHaveBeenAppliedIsLookedFor(t *testing.T) {
	t.Parallel()
	reset := &messages.AmbiguousError{Err: errors.New("connection reset")}
	for _, applied := range []bool{true, false} {
		for _, err := range []error{reset, errors.New("something else")} {
			t.Run(fmt.Sprintf("applied %v after %v", applied, err), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					d := newDesk(t)
					id := d.task("k", 1)
					d.end(id, "")
					creates, looks := 0, 0
					d.before = func(_ context.Context, name string, _ messages.TaskID) error {
						switch name {
						case "create final":
							if creates++; creates == 1 {
								if applied {
									d.post(id, messages.EffectFinal, "done")
								}
								return fmt.Errorf("post: %w", err)
							}
						case "find final":
							if looks++; looks == 1 {
								return &messages.AmbiguousError{Err: errors.New("no answer")} // of a mere look
							}
						}
						return nil
					}
					r := d.serve()
					if e := d.effect(id, messages.EffectFinal); !e.Ambiguous || e.Tries != 1 {
						t.Errorf("after the first try: %+v", e)
					}
					time.Sleep(time.Minute)
					synctest.Wait()
					e := d.effect(id, messages.EffectFinal)
					if e.State != messages.EffectDone || e.RemoteID == 0 || d.posted(id, messages.EffectFinal) != 1 {
						t.Errorf("%+v, %d comments", e, d.posted(id, messages.EffectFinal))
					}
					if story := d.story(); applied && story != "create final, find final, find final" {
						t.Errorf("the acts were: %s", story)
					}
					r.silent()
				})
			})
		}
	}
}

// TestWhatBecomesOfAnEffect by the kind of error.
func TestWhatBecomesOfAnEffect(t *testing.T) {
	t.Parallel()
	for _, one := range []struct {
		name      string
		err       error
		state     messages.EffectState
		after     time.Duration
		ambiguous bool
		said      string
	}{
		{"later", &messages.LaterError{Err: errQuiet}, messages.EffectPending, 2 * time.Second, false, "GitHub is quiet"},
		{"later at a time", &messages.LaterError{After: 30 * time.Minute, Err: errQuiet}, messages.EffectPending, 30 * time.Minute, false, "GitHub is quiet"},
		{"ambiguous", &messages.AmbiguousError{Err: errQuiet}, messages.EffectPending, 2 * time.Second, true, "GitHub is quiet"},
		{"plain", errQuiet, messages.EffectPending, 2 * time.Second, true, "GitHub is quiet"},
		{"refused", &messages.RefusedError{Why: "The thread is locked.", Err: errQuiet}, messages.EffectFailed, 0, true, "The thread is locked."},
		{"not found", messages.ErrNotFound, messages.EffectFailed, 0, true, "GitHub does not know the thread"},
	} {
		t.Run(one.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				d := newDesk(t)
				id := d.task("k", 1)
				d.end(id, "")
				d.before = func(context.Context, string, messages.TaskID) error { return fmt.Errorf("post: %w", one.err) }
				r := d.serve()
				e := d.effect(id, messages.EffectFinal)
				if e.State != one.state || e.Ambiguous != one.ambiguous || !strings.Contains(e.Error, one.said) || e.Tries != 1 {
					t.Errorf("%+v", e)
				}
				if wait := time.Until(e.NextAt); one.state == messages.EffectPending && wait != one.after {
					t.Errorf("again in %v", wait)
				}
				r.silent()
			})
		})
	}
}

// TestPauseThatGitHubAsksForIsKept, to the second, however often the bell rings.
func TestPauseThatGitHubAsksForIsKept(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		d := newDesk(t)
		id := d.task("k", 1)
		d.end(id, "")
		d.before = func(context.Context, string, messages.TaskID) error {
			if len(d.times("create final")) < 3 {
				return &messages.LaterError{After: 2 * time.Minute, Err: errQuiet}
			}
			return nil
		}
		d.serve()
		for range 40 {
			d.bell.Ring()
			time.Sleep(7 * time.Second)
		}
		synctest.Wait()
		at(t, "tried", d.times("create final"), 0, 120, 240)
		if d.posted(id, messages.EffectFinal) != 1 {
			t.Error("it was not posted once")
		}
	})
}

// TestPausesGrow, also of what the store does not count as a try: an edit.
func TestPausesGrow(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		d := newDesk(t)
		d.progress = 5 * time.Second
		id := d.task("k", 1)
		d.before = func(_ context.Context, name string, _ messages.TaskID) error {
			if name == "fold progress" && len(d.times(name)) < 8 {
				return &messages.LaterError{Err: errQuiet}
			}
			return nil
		}
		r := d.serve()
		time.Sleep(12 * time.Second)
		synctest.Wait()
		d.end(id, "")
		d.bell.Ring()
		time.Sleep(5 * time.Minute)
		synctest.Wait()
		at(t, "folded", d.times("fold progress"), 12, 16, 20, 28, 44, 76, 140, 268)
		if e := d.effect(id, messages.EffectProgress); e.State != messages.EffectDone {
			t.Errorf("%+v", e)
		}
		r.silent()
	})
}

// TestPanicOfOneEffectStopsNoOther.
func TestPanicOfOneEffectStopsNoOther(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		d := newDesk(t)
		bad, good := d.task("bad", 1), d.task("good", 2)
		var mended atomic.Bool
		panics := 0
		d.final = func(v messages.View) {
			if v.Task.ID == bad && !mended.Load() {
				panics++
				panic("no words for this")
			}
		}
		d.end(bad, "")
		d.end(good, "")
		r := d.serve()
		if d.posted(good, messages.EffectFinal) != 1 {
			t.Error("the good one was not answered")
		}
		if e := d.effect(bad, messages.EffectFinal); e.State != messages.EffectPending || e.Error != "panic: no words for this" {
			t.Errorf("%+v", e)
		}
		time.Sleep(2 * time.Minute)
		synctest.Wait()
		if panics != 6 { // after 0, 2, 6, 14, 30 and 62 s
			t.Errorf("it was tried %d times in two minutes", panics)
		}
		mended.Store(true)
		time.Sleep(10 * time.Second)
		synctest.Wait()
		if d.posted(bad, messages.EffectFinal) != 1 {
			t.Error("the bad one was not answered when it could be")
		}
		r.silent()
	})
}

// TestFatalErrorEndsTheReporter.
func TestFatalErrorEndsTheReporter(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		d := newDesk(t)
		d.end(d.task("k", 1), "")
		d.store.trying = func() error { return fmt.Errorf("begin: %w", errBroken) }
		if err := d.reporter().Serve(t.Context()); !errors.Is(err, errBroken) {
			t.Errorf("it ended with %v", err)
		}
		if d.story() != "" {
			t.Errorf("GitHub was called: %s", d.story())
		}
	})
}

// TestStopInTheMiddleOfAnEffect leaves the note that it may have been applied.
func TestStopInTheMiddleOfAnEffect(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		d := newDesk(t)
		id := d.task("k", 1)
		d.end(id, "")
		d.before = func(ctx context.Context, _ string, _ messages.TaskID) error {
			<-ctx.Done()
			d.post(id, messages.EffectFinal, "done") // it arrived all the same
			return &messages.LaterError{Err: ctx.Err()}
		}
		d.serve().stopped()
		if e := d.effect(id, messages.EffectFinal); e.State != messages.EffectPending || !e.Ambiguous {
			t.Errorf("%+v", e)
		}
		d.before = nil
		d.serve()
		if e := d.effect(id, messages.EffectFinal); e.State != messages.EffectDone || d.posted(id, messages.EffectFinal) != 1 {
			t.Errorf("%+v", e)
		}
	})
}
