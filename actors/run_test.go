package actors_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"devs-webhook/messages"
)

// TestSilentRuntimeIsWaitedFor with growing pauses: the attempt may be running there.
func TestSilentRuntimeIsWaitedFor(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorkshop(t)
		w.engine.work = 0
		r, id := w.start()
		r.stopped()
		w.engine.before = func(name string) error {
			if name == "Find" && len(w.engine.times("Find")) < 12 {
				return &messages.LaterError{Err: errors.New("no route to engine")}
			}
			return nil
		}
		r = serve(t, w.container())
		time.Sleep(5 * time.Minute)
		synctest.Wait()
		if at := w.engine.times("Find"); !slices.Equal(at, []time.Duration{0, 0, 0, 1, 3, 7, 15, 31, 63, 123, 183, 243}) {
			t.Errorf("looked after %d s", at)
		}
		w.engine.hold(messages.FoundExited, messages.AttemptRef{Task: id, Number: 1})
		v := w.pass(id, time.Minute)
		if v.Task.State != messages.TaskDone || len(v.Attempts) != 1 {
			t.Errorf("%s after %d attempts", v.Task.State, len(v.Attempts))
		}
		r.silent()
	})
}

// TestCancelIsNotedWhileTheRuntimeIsSilent, and carried out when it answers.
func TestCancelIsNotedWhileTheRuntimeIsSilent(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorkshop(t)
		w.engine.work = 0
		w.engine.before = func(name string) error {
			if n := len(w.engine.times("Find")); name == "Find" && n > 1 && n < 5 {
				return errors.New("no route to engine")
			}
			return nil
		}
		r, id := w.start()
		w.inbox <- messages.Cancel{Task: id}
		v := w.pass(id, time.Minute)
		if v.Task.State != messages.TaskCancelled || len(w.engine.times("Stop")) != 1 {
			t.Errorf("%s after %s", v.Task.State, w.engine.story())
		}
		r.silent()
	})
}

// TestOutputThatCannotBeTakenIsTriedAgain: the agent's work is not thrown away for it.
func TestOutputThatCannotBeTakenIsTriedAgain(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorkshop(t)
		w.engine.before = func(name string) error {
			if name == "Collect" && len(w.engine.times("Collect")) < 4 {
				return errors.New("disk full")
			}
			return nil
		}
		r, id := w.start()
		v := w.pass(id, time.Hour)
		if at := w.engine.times("Collect"); v.Task.State != messages.TaskDone || !slices.Equal(at, []time.Duration{60, 61, 63, 67}) {
			t.Errorf("%s, tried at %d s", v.Task.State, at)
		}
		r.silent()
	})
}

// TestOverdueAgentIsStopped five minutes after the runner's own limit, counted from the attempt's start and
// not from that of the service.
func TestOverdueAgentIsStopped(t *testing.T) {
	t.Parallel()
	for _, restart := range []bool{false, true} {
		t.Run(fmt.Sprint("restart ", restart), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorkshop(t)
				w.engine.work, w.limits.Wall = 0, time.Minute
				r, id := w.start()
				if restart {
					time.Sleep(2 * time.Minute)
					r.stopped()
					r = serve(t, w.container())
				}
				v := w.pass(id, 10*time.Minute)
				if at := w.engine.times("Stop"); !slices.Equal(at, []time.Duration{6 * 60}) {
					t.Errorf("stopped at %d s", at)
				}
				if v.Outcome == nil || v.Outcome.Ending != messages.EndTimedOutWall || v.Task.State != messages.TaskFailed || v.Outcome.Bundle == "" {
					t.Errorf("%s %+v", v.Task.State, v.Outcome)
				}
				if n := len(w.engine.times("Start")); n != 1 {
					t.Errorf("it was started %d times", n)
				}
				r.silent()
			})
		})
	}
}

// TestStopLeavesTheAgentRunning, and the next life attaches to it.
func TestStopLeavesTheAgentRunning(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorkshop(t)
		r, id := w.start()
		time.Sleep(10 * time.Second)
		if took := r.stopped(); took != 0 {
			t.Errorf("the stop took %v", took)
		}
		if f, _ := w.engine.Find(t.Context(), ""); f.State != messages.FoundRunning {
			t.Errorf("the agent is %s", f.State)
		}
		r.silent()
		r = serve(t, w.container())
		v := w.pass(id, time.Hour)
		if n := len(w.engine.times("Start")); v.Task.State != messages.TaskDone || len(v.Attempts) != 1 || n != 1 {
			t.Errorf("%s after %d attempts and %d starts", v.Task.State, len(v.Attempts), n)
		}
		r.silent()
	})
}

// TestMailOfABusyContainer: a cancel of another task and an offer are dropped.
func TestMailOfABusyContainer(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorkshop(t)
		other := newTask(t, w.store.Store, request("other", 2))
		r, id := w.start()
		for _, m := range []messages.ToContainer{messages.Cancel{Task: other}, messages.Run{Task: other}} {
			w.inbox <- m
			synctest.Wait()
			if len(w.inbox) != 0 {
				t.Fatal("the mail was not taken")
			}
		}
		v := w.pass(id, time.Hour)
		if v.Task.State != messages.TaskDone || len(w.engine.times("Stop")) != 0 {
			t.Errorf("%s after %s", v.Task.State, w.engine.story())
		}
		if o := view(t, w.store.Store, other); o.Task.State != messages.TaskQueued || o.Task.Attempt != 0 {
			t.Errorf("the other one is %s", o.Task.State)
		}
		// Nothing runs any more: a late cancel and a late offer do nothing.
		w.inbox <- messages.Cancel{Task: id}
		synctest.Wait()
		w.offer(id)
		if v := view(t, w.store.Store, id); v.Task.State != messages.TaskDone || len(v.Attempts) != 1 {
			t.Errorf("afterwards it is %s", v.Task.State)
		}
		select {
		case <-w.bell:
		default:
			t.Error("the processor was not told that the slot is free")
		}
		r.silent()
	})
}

// TestEventsAreStoredInSmallBatches: few in one transaction, none twice, whoever repeats them.
func TestEventsAreStoredInSmallBatches(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorkshop(t)
		for seq := range int64(500) {
			e := messages.AgentEvent{Seq: seq + 1, Kind: messages.EventWords, Text: "working"}
			if seq < 300 {
				w.engine.emit = append(w.engine.emit, e)
			}
			w.output.Events = append(w.output.Events, e) // the record has all of them
		}
		var stored []int64
		batches := 0
		w.store.append = func(events []messages.AgentEvent) error {
			batches++
			if len(events) == 0 || len(events) > 64 {
				t.Errorf("%d events in one transaction", len(events))
			}
			for _, e := range events {
				stored = append(stored, e.Seq)
			}
			return nil
		}
		r, id := w.start()
		time.Sleep(time.Second)
		synctest.Wait()
		if v := view(t, w.store.Store, id); v.Last.Seq != 300 {
			t.Errorf("while it works %d events are stored", v.Last.Seq)
		}
		r.stopped() // the next life begins behind them
		serve(t, w.container())
		v := w.pass(id, time.Hour)
		if v.Last.Seq != 500 || len(stored) != 500 || batches > 12 || !slices.IsSorted(stored) {
			t.Errorf("event %d is the last of %d that were stored in %d batches", v.Last.Seq, len(stored), batches)
		}
	})
}

// TestStoreThatFailsLosesNoEvent, and does not stop the agent: they are asked for again.
func TestStoreThatFailsLosesNoEvent(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorkshop(t)
		for seq := range int64(200) {
			w.engine.emit = append(w.engine.emit, messages.AgentEvent{Seq: seq + 1, Kind: messages.EventWords})
		}
		calls := 0
		w.store.append = func([]messages.AgentEvent) error {
			if calls++; calls == 2 {
				return errors.New("no room to write")
			}
			return nil
		}
		r, id := w.start()
		time.Sleep(5 * time.Second)
		synctest.Wait()
		events, err := w.store.Events(t.Context(), messages.AttemptRef{Task: id, Number: 1}, 0, 1000)
		if err != nil || len(events) != 200 {
			t.Errorf("while it works %d events are stored, %v", len(events), err)
		}
		if v := w.pass(id, time.Hour); v.Task.State != messages.TaskDone || len(w.engine.times("Start")) != 1 {
			t.Errorf("%s after %s", v.Task.State, w.engine.story())
		}
		r.silent()
	})
}

// TestFatalErrorEndsTheContainer and leaves the agent running.
func TestFatalErrorEndsTheContainer(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorkshop(t)
		w.engine.emit = []messages.AgentEvent{{Seq: 1, Kind: messages.EventWords}}
		w.store.append = func([]messages.AgentEvent) error { return fmt.Errorf("append: %w", errBroken) }
		id := w.task()
		w.inbox <- messages.Run{Task: id}
		if err := w.container().Serve(t.Context()); !errors.Is(err, errBroken) {
			t.Errorf("it ended with %v", err)
		}
		if f, _ := w.engine.Find(t.Context(), ""); f.State != messages.FoundRunning {
			t.Errorf("the agent is %s", f.State)
		}
	})
}

// TestMissingBase: work of which it is not known what it builds on is not published; its words are.
func TestMissingBase(t *testing.T) {
	t.Parallel()
	for name, spoil := range map[string]func(path string) error{
		"gone":    os.Remove,
		"damaged": func(path string) error { return os.WriteFile(path, []byte("{"), 0o600) },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorkshop(t)
				w.output.Result.Words = "I did it."
				r, id := w.start()
				if err := spoil(w.path(messages.AttemptRef{Task: id, Number: 1}, "base.json")); err != nil {
					t.Fatal(err)
				}
				v := w.pass(id, time.Hour)
				if v.Task.State != messages.TaskDone || v.Outcome.Bundle != "" || v.Outcome.Result.Words == "" {
					t.Errorf("%s %+v", v.Task.State, v.Outcome)
				}
				for _, e := range v.Effects {
					if e.Kind == messages.EffectPublish {
						t.Error("it is to be published")
					}
				}
				r.silent()
			})
		})
	}
}

// TestOutcomeThatWasStoredIsNotStoredTwice: the answer of the first write was lost.
func TestOutcomeThatWasStoredIsNotStoredTwice(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorkshop(t)
		w.store.finish = func(o messages.Outcome) error {
			w.store.finish = nil
			return w.store.Store.Finish(context.Background(), o)
		}
		r, id := w.start()
		v := w.pass(id, time.Hour)
		if n := len(w.engine.times("Remove")); v.Task.State != messages.TaskDone || len(v.Attempts) != 1 || n != 1 {
			t.Errorf("%s after %d attempts, %d removals", v.Task.State, len(v.Attempts), n)
		}
		r.silent()
	})
}
