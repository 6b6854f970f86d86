package actors_test

import (
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"devs-webhook/messages"
)

// everySecond is a text that always has something new.
func everySecond(_ messages.View, now time.Time) string { return fmt.Sprint(now.Unix()) }

// TestScheduleOfProgress: a comment after 45 s, edited 10 s later, 30 s after that, and then each minute.
func TestScheduleOfProgress(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		d := newDesk(t)
		d.progress, d.text = 45*time.Second, everySecond
		id := d.task("k", 1)
		r := d.serve()
		time.Sleep(4 * time.Minute)
		synctest.Wait()
		made := d.times("create progress")
		if len(made) != 1 || made[0] < 45 || made[0] > 50 {
			t.Fatalf("made at %v s", made)
		}
		at(t, "edited", d.times("update progress"), made[0]+10, made[0]+40, made[0]+100, made[0]+160)
		d.end(id, "")
		d.bell.Ring()
		synctest.Wait()
		if !strings.HasSuffix(d.story(), "create final, fold progress") {
			t.Errorf("the acts were: %s", d.story())
		}
		time.Sleep(2 * time.Minute)
		synctest.Wait()
		if n := len(d.times("update progress")); n != 4 {
			t.Errorf("%d edits at last", n)
		}
		r.silent()
	})
}

// TestProgressIsEditedWhenItChanges, and not because time has passed.
func TestProgressIsEditedWhenItChanges(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		d := newDesk(t)
		d.progress = 5 * time.Second
		d.text = func(v messages.View, _ time.Time) string { return string(v.Task.State) }
		id := d.task("k", 1)
		d.serve()
		time.Sleep(3 * time.Minute)
		synctest.Wait()
		at(t, "edited", d.times("update progress"))
		a, _, err := d.store.Store.Claim(t.Context(), id, "eamonn", "docker")
		if err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Minute)
		synctest.Wait()
		if n := len(d.times("update progress")); n != 1 {
			t.Errorf("%d edits after %s had started", n, a.AttemptRef)
		}
	})
}

// TestNoProgressOfATaskThatEndedSooner, nor of a test event.
func TestNoProgressOfATaskThatEndedSooner(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		d := newDesk(t)
		d.progress = 45 * time.Second
		id := d.task("k", 1)
		test := request("test", 2)
		test.Trigger, test.Object.ID = "test", 0
		newTask(t, d.store.Store, test)
		d.serve()
		time.Sleep(40 * time.Second)
		synctest.Wait()
		d.end(id, "")
		time.Sleep(time.Minute)
		synctest.Wait()
		if got := d.story(); got != "create final" {
			t.Errorf("the acts were: %s", got)
		}
	})
}

// TestScarceWritesAreKeptForAnswers: no progress comment is made or edited, and one that was never made is
// not made to be folded.
func TestScarceWritesAreKeptForAnswers(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		d := newDesk(t)
		d.progress, d.text = 5*time.Second, everySecond
		var scarce atomic.Bool
		d.scarce = scarce.Load
		shown := d.task("shown", 1)
		r := d.serve()
		time.Sleep(11 * time.Second)
		synctest.Wait()
		scarce.Store(true)
		unshown, later := d.task("unshown", 2), d.task("later", 3)
		time.Sleep(3 * time.Minute)
		synctest.Wait()
		if got := d.story(); got != "create progress" {
			t.Errorf("the acts were: %s", got)
		}
		d.end(shown, "")
		d.end(unshown, "")
		d.bell.Ring()
		synctest.Wait()
		if got := d.story(); got != "create progress, create final, create final, fold progress" {
			t.Errorf("the acts were: %s", got)
		}
		if e := d.effect(unshown, messages.EffectProgress); e.State != messages.EffectSkipped {
			t.Errorf("%+v", e)
		}
		scarce.Store(false)
		time.Sleep(2 * time.Minute)
		synctest.Wait()
		if d.posted(later, messages.EffectProgress) != 1 {
			t.Error("no progress is shown when writes are spare again")
		}
		r.silent()
	})
}

// TestProgressThatIsNoLongerWanted: its task is cancelled while its text is made.
func TestProgressThatIsNoLongerWanted(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		d := newDesk(t)
		d.progress = time.Second
		id := d.task("k", 1)
		d.text = func(messages.View, time.Time) string {
			if _, err := d.store.CancelTask(t.Context(), id, "the operator"); err != nil {
				t.Error(err)
			}
			return "working"
		}
		r := d.serve()
		time.Sleep(10 * time.Second)
		synctest.Wait()
		if got := d.story(); got != "create final" {
			t.Errorf("the acts were: %s", got)
		}
		if strings.Contains(d.log.String(), `"level":"error"`) {
			t.Errorf("it was called an error: %s", d.log.String())
		}
		r.silent()
	})
}

// TestProgressThatSomebodyDeleted is not made again.
func TestProgressThatSomebodyDeleted(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		d := newDesk(t)
		d.progress, d.text = 5*time.Second, everySecond
		id := d.task("k", 1)
		r := d.serve()
		time.Sleep(11 * time.Second)
		synctest.Wait()
		d.mu.Lock()
		clear(d.comments)
		d.mu.Unlock()
		time.Sleep(2 * time.Minute)
		synctest.Wait()
		d.end(id, "")
		d.bell.Ring()
		synctest.Wait()
		if got := d.story(); got != "create progress, update progress, create final" {
			t.Errorf("the acts were: %s", got)
		}
		r.silent()
	})
}

// TestProgressThatMayHaveBeenMadeIsFolded: GitHub's answer to it was lost, and then its task ended.
func TestProgressThatMayHaveBeenMadeIsFolded(t *testing.T) {
	t.Parallel()
	for _, made := range []bool{true, false} {
		synctest.Test(t, func(t *testing.T) {
			d := newDesk(t)
			id := d.task("k", 1)
			time.Sleep(2 * time.Second)
			if _, err := d.store.StartProgress(t.Context(), time.Second); err != nil {
				t.Fatal(err)
			}
			if err := d.store.Store.EffectTrying(t.Context(), d.effect(id, messages.EffectProgress).ID); err != nil {
				t.Fatal(err)
			}
			if made {
				d.post(id, messages.EffectProgress, "working")
			}
			d.end(id, "")
			d.serve()
			want, state := "create final, find progress, fold progress", messages.EffectDone
			if !made {
				want, state = "create final, find progress", messages.EffectSkipped
			}
			if got := d.story(); got != want || d.effect(id, messages.EffectProgress).State != state {
				t.Errorf("made %v: %s, it is %s", made, got, d.effect(id, messages.EffectProgress).State)
			}
		})
	}
}
