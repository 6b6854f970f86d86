package store

import (
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"devs-webhook/messages"
)

// due lists the kinds of the due effects.
func due(t *testing.T, s *Store) (out string) {
	t.Helper()
	for _, e := range value(s.DueEffects(t.Context(), 10))(t) {
		out += " " + string(e.Kind)
	}
	return out
}

// apply performs an effect as the reporter does.
func apply(t *testing.T, s *Store, e, result messages.Effect) {
	t.Helper()
	must(t, s.EffectTrying(t.Context(), e.ID))
	must(t, s.EffectDone(t.Context(), e.ID, result))
}

// The order: publish, then final, then reactions; progress only when the final one is there to point to.
func TestEffectOrder(t *testing.T) {
	s := opened(t)
	id := queued(t, s, 1)
	equal(t, "started", value(s.StartProgress(t.Context(), -time.Second))(t), 1)
	equal(t, "started again", value(s.StartProgress(t.Context(), -time.Second))(t), 0)
	equal(t, "while queued", due(t, s), " reaction progress")
	progress := effectOf(t, s, id, messages.EffectProgress)
	apply(t, s, progress, messages.Effect{RemoteID: 11, Digest: "d1", NextAt: time.Now().Add(time.Hour)})
	equal(t, "after the first progress", due(t, s), " reaction")
	equal(t, "state", effectOf(t, s, id, messages.EffectProgress).State, messages.EffectOpen)
	must(t, s.Finish(t.Context(), messages.Outcome{Attempt: claimed(t, s, id, "eamonn"), Ending: messages.EndSucceeded, Bundle: "b"}))
	equal(t, "after the end", due(t, s), " publish reaction")
	publish := effectOf(t, s, id, messages.EffectPublish)
	must(t, s.EffectTrying(t.Context(), publish.ID))
	must(t, s.EffectLater(t.Context(), publish.ID, time.Now().Add(time.Hour), true, "502"))
	equal(t, "while publish waits", due(t, s), " reaction")
	must(t, s.EffectFailed(t.Context(), publish.ID, "refused"))
	equal(t, "after publish was given up", due(t, s), " final reaction")
	apply(t, s, effectOf(t, s, id, messages.EffectFinal), messages.Effect{RemoteID: 12, URL: "u"})
	equal(t, "after final", due(t, s), " reaction progress")
	apply(t, s, progress, messages.Effect{Digest: "d2", NextAt: progress.NextAt})
	equal(t, "after the last progress", due(t, s), " reaction")
	p := effectOf(t, s, id, messages.EffectProgress)
	if p.State != messages.EffectDone || p.RemoteID != 11 || p.Digest != "d2" || p.Tries != 2 || p.Ambiguous || p.DoneAt.IsZero() {
		t.Errorf("progress: %+v", p)
	}
	for comment, want := range map[int64]bool{11: true, 12: true, 13: false, 0: false} {
		equal(t, "ours", value(s.IsOurs(t.Context(), 7, comment))(t), want)
		equal(t, "ours in another repository", value(s.IsOurs(t.Context(), 8, comment))(t), false)
	}
}

// What people wait for comes first, whoever was first.
func TestEffectOrderBetweenTasks(t *testing.T) {
	s := opened(t)
	a, b := queued(t, s, 1), queued(t, s, 2)
	value(s.CancelTask(t.Context(), a, "ann"))(t)
	must(t, s.Finish(t.Context(), messages.Outcome{Attempt: claimed(t, s, b, "eamonn"), Ending: messages.EndSucceeded, Bundle: "b"}))
	equal(t, "due", due(t, s), " publish final reaction reaction")
	equal(t, "some", len(value(s.DueEffects(t.Context(), 3))(t)), 3)
}

func TestEffectSkippedUnblocksFinal(t *testing.T) {
	s := opened(t)
	id := queued(t, s, 1)
	must(t, s.Finish(t.Context(), messages.Outcome{Attempt: claimed(t, s, id, "eamonn"), Ending: messages.EndSucceeded, Bundle: "b"}))
	must(t, s.EffectSkipped(t.Context(), effectOf(t, s, id, messages.EffectPublish).ID))
	equal(t, "due", due(t, s), " final reaction")
}

func TestEffectTrying(t *testing.T) {
	s := opened(t)
	id := queued(t, s, 1)
	e := effectOf(t, s, id, messages.EffectReaction)
	must(t, s.EffectTrying(t.Context(), e.ID))
	if e = effectOf(t, s, id, messages.EffectReaction); !e.Ambiguous || e.Tries != 1 || e.State != messages.EffectPending {
		t.Errorf("after a try: %+v", e)
	}
	must(t, s.EffectLater(t.Context(), e.ID, time.Now(), false, "403"))
	if e = effectOf(t, s, id, messages.EffectReaction); e.Ambiguous || e.Error != "403" {
		t.Errorf("after a clear no: %+v", e)
	}
	must(t, s.EffectSkipped(t.Context(), e.ID))
	if err := s.EffectTrying(t.Context(), e.ID); !errors.Is(err, messages.ErrEffectClosed) {
		t.Errorf("try of a skipped effect: %v", err)
	}
	must(t, s.EffectDone(t.Context(), e.ID, messages.Effect{RemoteID: 3}))
	must(t, s.EffectFailed(t.Context(), e.ID, "no"))
	must(t, s.EffectLater(t.Context(), e.ID, time.Now(), true, "no"))
	if got := effectOf(t, s, id, messages.EffectReaction); got.State != messages.EffectSkipped || got.RemoteID != 0 || got.Error != "403" {
		t.Errorf("a closed effect changed: %+v", got)
	}
	if err := s.EffectTrying(t.Context(), 999); !errors.Is(err, ErrUnknownEffect) {
		t.Errorf("unknown effect: %v", err)
	}
}

// What the reporter wrote before a task ended is not its last word.
func TestProgressThatMissedTheEnd(t *testing.T) {
	s := opened(t)
	id := queued(t, s, 1)
	value(s.StartProgress(t.Context(), -time.Second))(t)
	p := effectOf(t, s, id, messages.EffectProgress)
	must(t, s.EffectTrying(t.Context(), p.ID)) // with the text of a queued task
	equal(t, "state", value(s.CancelTask(t.Context(), id, "ann"))(t), messages.TaskCancelled)
	must(t, s.EffectDone(t.Context(), p.ID, messages.Effect{RemoteID: 1, NextAt: time.Now().Add(time.Minute)}))
	equal(t, "state", effectOf(t, s, id, messages.EffectProgress).State, messages.EffectOpen)
	must(t, s.EffectSkipped(t.Context(), effectOf(t, s, id, messages.EffectFinal).ID))
	equal(t, "due", due(t, s), " reaction progress")
	apply(t, s, p, messages.Effect{State: messages.EffectDone})
	equal(t, "state", effectOf(t, s, id, messages.EffectProgress).State, messages.EffectDone)
}

// A progress comment that was not begun when its task ended is never written.
func TestProgressNotBegun(t *testing.T) {
	s := opened(t)
	id := queued(t, s, 1)
	value(s.StartProgress(t.Context(), -time.Second))(t)
	p := effectOf(t, s, id, messages.EffectProgress)
	value(s.CancelTask(t.Context(), id, "ann"))(t)
	equal(t, "state", effectOf(t, s, id, messages.EffectProgress).State, messages.EffectSkipped)
	if err := s.EffectTrying(t.Context(), p.ID); !errors.Is(err, messages.ErrEffectClosed) {
		t.Errorf("try: %v", err)
	}
}

func TestStartProgress(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := opened(t)
		probe := asked("probe", 9, "do it")
		probe.Trigger = "test"
		decided(t, s, "probe", probe)
		done, running := queued(t, s, 1), queued(t, s, 2)
		must(t, s.Finish(t.Context(), ended(claimed(t, s, done, "eamonn"), messages.EndSucceeded)))
		claimed(t, s, running, "eamonn")
		time.Sleep(45 * time.Second)
		equal(t, "too early", value(s.StartProgress(t.Context(), 45*time.Second))(t), 0)
		fresh := queued(t, s, 3)
		time.Sleep(time.Second)
		equal(t, "started", value(s.StartProgress(t.Context(), 45*time.Second))(t), 1)
		equal(t, "of the running", effectOf(t, s, running, messages.EffectProgress).State, messages.EffectPending)
		equal(t, "of the fresh", effectOf(t, s, fresh, messages.EffectProgress).State, "")
		equal(t, "of the done", effectOf(t, s, done, messages.EffectProgress).State, "")
	})
}

func TestNextEffect(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := opened(t)
		id := queued(t, s, 1)
		if _, some, err := s.NextEffect(t.Context()); some || err != nil {
			t.Errorf("next: %v %v", some, err)
		}
		at := time.Now().Add(30 * time.Second)
		e := effectOf(t, s, id, messages.EffectReaction)
		must(t, s.EffectLater(t.Context(), e.ID, at, false, "slow down"))
		equal(t, "due", due(t, s), "")
		if got, some, err := s.NextEffect(t.Context()); !some || !got.Equal(at) || err != nil {
			t.Errorf("next: %v %v %v", got, some, err)
		}
		time.Sleep(30 * time.Second)
		equal(t, "due", due(t, s), " reaction")
	})
}

// An open progress comment is due as soon as its task is tried again.
func TestRetryShowsProgress(t *testing.T) {
	s := opened(t)
	id := queued(t, s, 1)
	value(s.StartProgress(t.Context(), -time.Second))(t)
	apply(t, s, effectOf(t, s, id, messages.EffectProgress), messages.Effect{RemoteID: 1, NextAt: time.Now().Add(time.Hour)})
	equal(t, "before", due(t, s), " reaction")
	must(t, s.Finish(t.Context(), messages.Outcome{Attempt: claimed(t, s, id, "eamonn"), Ending: messages.EndModelBusy, Retry: true}))
	equal(t, "after", due(t, s), " reaction progress")
}
