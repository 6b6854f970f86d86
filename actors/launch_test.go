package actors_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"devs-webhook/messages"
)

func TestOneOrderFromClaimToRemoval(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorkshop(t)
		w.store.finish = func(messages.Outcome) error { return w.engine.called("(outcome)") }
		r, id := w.start()
		v := w.pass(id, time.Hour)
		const story = "Find Create Start Find Follow Find Collect (outcome) Remove"
		if got := w.engine.story(); got != story {
			t.Errorf("the calls were %s", got)
		}
		ref := messages.AttemptRef{Task: id, Number: 1}
		if o := v.Outcome; v.Task.State != messages.TaskDone || o.Bundle != "attempts/"+ref.String()+"/out/work.bundle" || o.Base.Target != "main" {
			t.Errorf("%s %+v", v.Task.State, o)
		}
		if _, err := os.Stat(w.path(ref, "in")); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("the input is still there: %v", err)
		}
		if _, err := os.Stat(w.path(ref, "out")); err != nil {
			t.Errorf("the output is gone: %v", err)
		}
		select {
		case <-w.report:
		default:
			t.Error("the reporter was not rung")
		}
		r.silent()
	})
}

// TestLaunchThatFails: what becomes of the task, by the kind of error and wherever it comes from.
func TestLaunchThatFails(t *testing.T) {
	t.Parallel()
	plain := errors.New("open /var/lib/secret: permission denied")
	for _, one := range []struct {
		name   string
		err    error
		ending messages.Ending
		counts bool
		retry  time.Duration // 0: none
		detail string
		short  bool // at one place only
	}{
		{"refused", &messages.RefusedError{Ending: messages.EndCloneFailed, Why: "It is empty.", Err: plain}, messages.EndCloneFailed, true, 0, "It is empty.", true},
		{"refused by a fault of ours", &messages.RefusedError{Ending: messages.EndInternal, Why: "No."}, messages.EndInternal, true, 0, "No.", true},
		{"refused without an ending", &messages.RefusedError{Why: "No."}, messages.EndInternal, true, 0, "No.", true},
		{"later", &messages.LaterError{Ending: messages.EndCloneFailed, Err: errQuiet}, messages.EndCloneFailed, false, 5 * time.Second, "GitHub is quiet", false},
		{"later without an ending", &messages.LaterError{Err: errQuiet}, messages.EndInternal, false, 5 * time.Second, "GitHub is quiet", true},
		{"later at a time", &messages.LaterError{After: 20 * time.Minute, Err: errQuiet}, messages.EndInternal, false, 20 * time.Minute, "GitHub is quiet", true},
		{"plain", plain, messages.EndInternal, true, 5 * time.Second, "The service could not start it.", false},
	} {
		for _, place := range []string{"Create", "Start", "Bundle", "Comments", "WriteInput"} {
			if one.short && place != "Create" {
				continue
			}
			t.Run(one.name+" at "+place, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					w := newWorkshop(t)
					fails := func(name string) error {
						if name == place {
							return fmt.Errorf("do it: %w", one.err)
						}
						return nil
					}
					w.prepare = func(_ context.Context, step string) error { return fails(step) }
					w.engine.before = fails
					r, id := w.start()
					v := view(t, w.store.Store, id)
					o := v.Outcome
					if o == nil || o.Ending != one.ending || o.Counts != one.counts || !strings.HasSuffix(o.Detail, one.detail) {
						t.Fatalf("%s %+v", v.Task.State, o)
					}
					if strings.Contains(o.Detail, "/var/lib") {
						t.Errorf("the detail tells too much: %s", o.Detail)
					}
					state, notBefore := messages.TaskFailed, time.Time{}
					if one.retry > 0 {
						state, notBefore = messages.TaskQueued, time.Now().Add(one.retry)
					}
					if v.Task.State != state || !v.Task.NotBefore.Equal(notBefore) {
						t.Errorf("%s, not before %v", v.Task.State, time.Until(v.Task.NotBefore))
					}
					if f, _ := w.engine.Find(t.Context(), ""); f.State != messages.FoundNothing {
						t.Errorf("it left a container that is %s", f.State)
					}
					r.silent()
				})
			})
		}
	}
}

// TestThreadThatIsGoneIsNoHindrance: it is read for context only.
func TestThreadThatIsGoneIsNoHindrance(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorkshop(t)
		w.prepare = func(_ context.Context, step string) error {
			if step == "Comments" {
				return fmt.Errorf("read: %w", messages.ErrNotFound)
			}
			return nil
		}
		_, id := w.start()
		if v := w.pass(id, time.Hour); v.Task.State != messages.TaskDone {
			t.Errorf("it is %s", v.Task.State)
		}
	})
}

// TestSurroundingsMayTakeADay: the pauses grow to five minutes, and after a day from the first attempt the
// task is given up. How long it had waited for its turn does not count.
func TestSurroundingsMayTakeADay(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorkshop(t)
		var tries atomic.Int64
		w.prepare = func(context.Context, string) error {
			later := &messages.LaterError{Ending: messages.EndCloneFailed, Err: errQuiet}
			if tries.Add(1) > 9 {
				later.After = 3 * time.Hour
			}
			return later
		}
		id := w.task()
		r := serve(t, w.container())
		time.Sleep(30 * time.Hour)
		began := time.Now()
		v := w.pass(id, 48*time.Hour)
		took := time.Since(began)
		if v.Task.State != messages.TaskFailed || v.Outcome.Ending != messages.EndCloneFailed || v.Task.Failures != 1 {
			t.Errorf("%s %s after %d failures", v.Task.State, v.Outcome.Ending, v.Task.Failures)
		}
		if took < 24*time.Hour || took > 27*time.Hour {
			t.Errorf("it was given up after %v", took)
		}
		var pauses []int
		for i := range 8 {
			pauses = append(pauses, int(v.Attempts[i+1].StartedAt.Sub(v.Attempts[i].EndedAt)/time.Second))
		}
		if want := []int{5, 10, 20, 40, 80, 160, 300, 300}; !slices.Equal(pauses, want) {
			t.Errorf("the pauses were %v", pauses)
		}
		r.silent()
	})
}

// TestTakenName is looked at: a leftover goes, and what cannot be seen is waited for.
func TestTakenName(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorkshop(t)
		var creates atomic.Int64
		w.engine.before = func(name string) error {
			if name == "Create" && creates.Add(1) == 1 { // somebody was quicker
				w.engine.hold(messages.FoundRunning, messages.AttemptRef{Task: "aaaaaaaaaaaa", Number: 3})
			}
			if name == "Create" && creates.Load() < 6 && creates.Load() > 1 {
				return fmt.Errorf("create: %w", messages.ErrNameTaken)
			}
			return nil
		}
		r, id := w.start()
		v := w.pass(id, time.Hour)
		if v.Task.State != messages.TaskDone || len(v.Attempts) != 1 {
			t.Errorf("%s after %d attempts", v.Task.State, len(v.Attempts))
		}
		// The leftover's removal is a success, and the pauses begin anew.
		if at := w.engine.times("Create"); !slices.Equal(at, []time.Duration{0, 1, 2, 4, 8, 16}) {
			t.Errorf("tried at %d s", at)
		}
		r.silent()
	})
}

// TestPanicIsPickedUp where it came; one that comes again and again fails the attempt, and then the task,
// so that the slot is free for others.
func TestPanicIsPickedUp(t *testing.T) {
	t.Parallel()
	for _, place := range []string{"WriteInput", "Find", "Follow", "Collect"} {
		for _, forever := range []bool{false, true} {
			if place == "Follow" && forever {
				continue
			}
			t.Run(fmt.Sprint(place, " forever ", forever), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					w := newWorkshop(t)
					var panics atomic.Int64
					breaks := func(name string) error {
						if name == place && (panics.Load() == 0 || forever) {
							panics.Add(1)
							panic("broken")
						}
						return nil
					}
					w.prepare = func(_ context.Context, step string) error { return breaks(step) }
					w.engine.before = breaks
					r, id := w.start()
					v := w.pass(id, time.Hour)
					switch {
					case place == "Follow": // recovered, and taken for an engine that does not answer
						if v.Task.State != messages.TaskDone || len(v.Attempts) != 1 {
							t.Errorf("%s after %d attempts", v.Task.State, len(v.Attempts))
						}
						r.silent()
					case !forever:
						if v.Task.State != messages.TaskDone || len(v.Attempts) != 1 || len(r.failures()) != 1 {
							t.Errorf("%s after %d attempts and %d restarts", v.Task.State, len(v.Attempts), len(r.failures()))
						}
					default:
						if v.Task.State != messages.TaskFailed || len(v.Attempts) != 3 || v.Outcome.Ending != messages.EndInternal || panics.Load() != 9 {
							t.Errorf("%s after %d attempts and %d panics: %+v", v.Task.State, len(v.Attempts), panics.Load(), v.Outcome)
						}
					}
				})
			})
		}
	}
}

// TestCancelWhileTheInputIsMade: no container is made for it.
func TestCancelWhileTheInputIsMade(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorkshop(t)
		w.prepare = func(ctx context.Context, _ string) error { <-ctx.Done(); return context.Cause(ctx) }
		r, id := w.start()
		if _, err := w.store.CancelTask(t.Context(), id, "the operator"); err != nil {
			t.Fatal(err)
		}
		w.inbox <- messages.Cancel{Task: id}
		synctest.Wait()
		v := view(t, w.store.Store, id)
		if v.Task.State != messages.TaskCancelled || v.Outcome.Ending != messages.EndCancelled || strings.Contains(w.engine.story(), "Create") {
			t.Errorf("%s after %s", v.Task.State, w.engine.story())
		}
		r.silent()
	})
}

// TestCreatedContainerIsMadeAgain: a crash came before its start, so its input may be half there.
func TestCreatedContainerIsMadeAgain(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorkshop(t)
		id := w.task()
		a, _, err := w.store.Store.Claim(t.Context(), id, "eamonn", "docker")
		if err != nil {
			t.Fatal(err)
		}
		w.engine.hold(messages.FoundCreated, a.AttemptRef)
		serve(t, w.container())
		v := w.pass(id, time.Hour)
		const story = "Find Remove Find Create Start Find Follow Find Collect Remove"
		if got := w.engine.story(); got != story || v.Task.State != messages.TaskDone || len(v.Attempts) != 1 {
			t.Errorf("%s after %d attempts: %s", v.Task.State, len(v.Attempts), got)
		}
	})
}

// TestVanishedContainer: one that this life started was lost; one of which nothing is known may never have
// been, so that the attempt begins again.
func TestVanishedContainer(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorkshop(t)
		w.engine.before = func(name string) error {
			if name == "Follow" { // it never says a word
				w.engine.hold(messages.FoundNothing, messages.AttemptRef{})
			}
			return nil
		}
		r, id := w.start()
		v := w.pass(id, time.Hour)
		if v.Task.State != messages.TaskFailed || len(v.Attempts) != 3 || v.Outcome.Ending != messages.EndContainerLost || !v.Outcome.Exit.Lost {
			t.Errorf("%s after %d attempts: %+v", v.Task.State, len(v.Attempts), v.Outcome)
		}
		r.silent()
	})
	synctest.Test(t, func(t *testing.T) {
		w := newWorkshop(t)
		id := w.task()
		if _, _, err := w.store.Store.Claim(t.Context(), id, "eamonn", "docker"); err != nil {
			t.Fatal(err)
		}
		serve(t, w.container())
		if v := w.pass(id, time.Hour); v.Task.State != messages.TaskDone || len(v.Attempts) != 1 {
			t.Errorf("%s after %d attempts", v.Task.State, len(v.Attempts))
		}
	})
}
