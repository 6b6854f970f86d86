package store

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"devs-webhook/messages"
)

func TestClaim(t *testing.T) {
	s := opened(t)
	id := queued(t, s, 1)
	a, task, err := s.Claim(t.Context(), id, "eamonn", "docker")
	must(t, err)
	want := messages.Attempt{
		AttemptRef: messages.AttemptRef{Task: id, Number: 1}, Slot: "eamonn", Runtime: "docker", Open: true, StartedAt: a.StartedAt,
	}
	equal(t, "attempt", a, want)
	equal(t, "state", task.State, messages.TaskRunning)
	equal(t, "number", task.Attempt, 1)
	if task.StartedAt.IsZero() || len(task.Requests) != 1 {
		t.Errorf("task: %+v", task)
	}
	again, current, some, err := s.Current(t.Context(), "eamonn")
	must(t, err)
	if !some || again != a || current.ID != id {
		t.Errorf("current: %+v %+v %v", again, current, some)
	}
	if _, _, some, err := s.Current(t.Context(), "harry"); some || err != nil {
		t.Errorf("current of an idle slot: %v %v", some, err)
	}
	if list := value(s.OpenAttempts(t.Context()))(t); len(list) != 1 || list[0] != a {
		t.Errorf("open attempts: %+v", list)
	}
}

func TestClaimRefused(t *testing.T) {
	s := opened(t)
	id := queued(t, s, 1)
	ref := claimed(t, s, id, "eamonn")
	_, follow := decided(t, s, "f", asked("follow", 1, "more")) // same thread
	other := queued(t, s, 2)
	later := queued(t, s, 3)
	must(t, s.Finish(t.Context(), messages.Outcome{
		Attempt: claimed(t, s, later, "darren"), Ending: messages.EndModelBusy, Retry: true, NotBefore: time.Now().Add(time.Hour),
	}))
	refused := func(what string, id messages.TaskID, slot string, want error) {
		t.Helper()
		before := viewed(t, s, other)
		if _, _, err := s.Claim(t.Context(), id, slot, "docker"); !errors.Is(err, want) {
			t.Errorf("%s: %v", what, err)
		}
		equal(t, what+": state of the other", viewed(t, s, other).Task.State, before.Task.State)
		equal(t, what+": attempts", len(viewed(t, s, other).Attempts), 0)
	}
	refused("running already", id, "harry", messages.ErrNotClaimable)
	refused("thread is running", follow, "harry", messages.ErrNotClaimable)
	refused("slot is busy", other, "eamonn", messages.ErrNotClaimable)
	refused("not due", later, "harry", messages.ErrNotClaimable)
	refused("unknown", "aaaaaaaaaaaa", "harry", ErrUnknownTask)
	must(t, s.Finish(t.Context(), ended(ref, messages.EndSucceeded)))
	refused("ended", id, "harry", messages.ErrNotClaimable)
	claimed(t, s, follow, "eamonn")
	claimed(t, s, other, "harry")
}

// While a task waits for another attempt, the thread's follow-up does not overtake it, and takes in what comes.
func TestRetryGoesFirst(t *testing.T) {
	s := opened(t)
	id := queued(t, s, 1)
	ref := claimed(t, s, id, "eamonn")
	_, follow := decided(t, s, "f", asked("follow", 1, "more"))
	must(t, s.Finish(t.Context(), messages.Outcome{Attempt: ref, Ending: messages.EndContainerLost, Retry: true, Counts: true}))
	if _, _, err := s.Claim(t.Context(), follow, "eamonn", "docker"); !errors.Is(err, messages.ErrNotClaimable) {
		t.Errorf("the follow-up overtook: %v", err)
	}
	if list := value(s.Runnable(t.Context(), 9))(t); len(list) != 1 || list[0].ID != id {
		t.Errorf("runnable: %+v", list)
	}
	_, merged := decided(t, s, "m", asked("more", 1, "and more"))
	equal(t, "merged into", merged, follow)
	a, task, err := s.Claim(t.Context(), id, "eamonn", "docker")
	must(t, err)
	equal(t, "attempt", a.Number, 2)
	equal(t, "failures", task.Failures, 1)
	must(t, s.Finish(t.Context(), ended(a.AttemptRef, messages.EndSucceeded)))
	claimed(t, s, follow, "eamonn")
}

func TestFinish(t *testing.T) {
	for _, c := range []struct {
		outcome  messages.Outcome
		wish     bool
		state    messages.TaskState
		effects  string
		failures int
		ending   messages.Ending
	}{
		{messages.Outcome{Ending: messages.EndSucceeded}, false, messages.TaskDone, "final", 0, messages.EndSucceeded},
		{messages.Outcome{Ending: messages.EndSucceeded, Bundle: "b"}, false, messages.TaskDone, "publish final", 0, messages.EndSucceeded},
		{messages.Outcome{Ending: messages.EndAgentFailed, Counts: true}, false, messages.TaskFailed, "final", 1, messages.EndAgentFailed},
		{messages.Outcome{Ending: messages.EndTimedOutWall, Bundle: "b"}, false, messages.TaskFailed, "publish final", 0, messages.EndTimedOutWall},
		{messages.Outcome{Ending: messages.EndCancelled}, true, messages.TaskCancelled, "final", 0, messages.EndCancelled},
		{messages.Outcome{Ending: messages.EndSucceeded}, true, messages.TaskDone, "final", 0, messages.EndSucceeded},
		{messages.Outcome{Ending: messages.EndModelBusy, Retry: true, Counts: true}, false, messages.TaskQueued, "", 1, messages.EndModelBusy},
		{messages.Outcome{Ending: messages.EndModelBusy, Retry: true, Bundle: "b"}, false, messages.TaskQueued, "", 0, messages.EndModelBusy},
		{messages.Outcome{Ending: messages.EndModelBusy, Retry: true}, true, messages.TaskCancelled, "final", 0, messages.EndCancelled},
	} {
		t.Run(fmt.Sprintf("%s retry=%v wish=%v", c.outcome.Ending, c.outcome.Retry, c.wish), func(t *testing.T) {
			s := opened(t)
			id := queued(t, s, 1)
			c.outcome.Attempt = claimed(t, s, id, "eamonn")
			if c.wish {
				equal(t, "state after the wish", value(s.CancelTask(t.Context(), id, "ann"))(t), messages.TaskRunning)
			}
			must(t, s.Finish(t.Context(), c.outcome))
			v := viewed(t, s, id)
			equal(t, "state", v.Task.State, c.state)
			equal(t, "failures", v.Task.Failures, c.failures)
			equal(t, "ending", v.Attempts[0].Ending, c.ending)
			equal(t, "outcome's ending", v.Outcome.Ending, c.ending)
			equal(t, "outcome's bundle", v.Outcome.Bundle, c.outcome.Bundle)
			equal(t, "open", v.Attempts[0].Open, false)
			equal(t, "ended", !v.Task.EndedAt.IsZero(), c.state.Final())
			var made strings.Builder
			for _, e := range v.Effects[1:] { // the first is the reaction
				made.WriteString(" " + string(e.Kind))
			}
			equal(t, "effects", made.String(), map[bool]string{true: " " + c.effects}[c.effects != ""])
			if err := s.Finish(t.Context(), c.outcome); !errors.Is(err, messages.ErrNotOpen) {
				t.Errorf("second finish: %v", err)
			}
			equal(t, "effects after the second finish", len(viewed(t, s, id).Effects), len(v.Effects))
		})
	}
}

func TestCancel(t *testing.T) {
	s := opened(t)
	id := queued(t, s, 1)
	equal(t, "state", value(s.CancelTask(t.Context(), id, "ann"))(t), messages.TaskCancelled)
	equal(t, "again", value(s.CancelTask(t.Context(), id, "bob"))(t), messages.TaskCancelled)
	v := viewed(t, s, id)
	equal(t, "by", v.Task.CancelledBy, "ann")
	equal(t, "final", effectOf(t, s, id, messages.EffectFinal).State, messages.EffectPending)
	if _, _, err := s.Claim(t.Context(), id, "eamonn", "docker"); !errors.Is(err, messages.ErrNotClaimable) {
		t.Errorf("claim: %v", err)
	}
	running := queued(t, s, 2)
	claimed(t, s, running, "eamonn")
	for _, by := range []string{"ann", "bob"} {
		equal(t, "state", value(s.CancelTask(t.Context(), running, by))(t), messages.TaskRunning)
	}
	equal(t, "by", viewed(t, s, running).Task.CancelledBy, "ann")
	if _, err := s.CancelTask(t.Context(), "aaaaaaaaaaaa", "ann"); !errors.Is(err, ErrUnknownTask) {
		t.Errorf("unknown task: %v", err)
	}
}

func TestEvents(t *testing.T) {
	s := opened(t)
	id := queued(t, s, 1)
	ref := claimed(t, s, id, "eamonn")
	at := time.Date(2026, 1, 1, 0, 0, 0, 5, time.UTC)
	event := func(seq int64) messages.AgentEvent {
		return messages.AgentEvent{Seq: seq, At: at, Kind: messages.EventTool, Tool: "edit", Text: fmt.Sprint("file ", seq), Failed: seq == 2}
	}
	must(t, s.AppendEvents(t.Context(), ref, []messages.AgentEvent{event(1), event(2)}))
	changed := event(2)
	changed.Text = "forged"
	must(t, s.AppendEvents(t.Context(), ref, []messages.AgentEvent{changed, event(3)}))
	must(t, s.AppendEvents(t.Context(), ref, []messages.AgentEvent{event(1)})) // a view that begins a little earlier
	list := value(s.Events(t.Context(), ref, 1, 10))(t)
	if len(list) != 2 || list[0] != event(2) || list[1] != event(3) {
		t.Errorf("events: %+v", list)
	}
	a, _, _, err := s.Current(t.Context(), "eamonn")
	must(t, err)
	equal(t, "last number", a.LastSeq, 3)
	equal(t, "last event", viewed(t, s, id).Last, event(3))
	must(t, s.Finish(t.Context(), ended(ref, messages.EndSucceeded)))
	for _, late := range []messages.AttemptRef{ref, {Task: id, Number: 2}, {Task: "nowhere", Number: 1}} {
		if err := s.AppendEvents(t.Context(), late, []messages.AgentEvent{event(4)}); !errors.Is(err, messages.ErrNotOpen) {
			t.Errorf("%s: %v", late, err)
		}
	}
	equal(t, "events", len(value(s.Events(t.Context(), ref, 0, 10))(t)), 3)
}

// The turn goes round: a flood in one repository does not starve the others.
func TestRunnableGoesRound(t *testing.T) {
	s := opened(t)
	ids := make(map[messages.TaskID]string)
	ask := func(repo int64, number int) messages.TaskID {
		r := asked(fmt.Sprint(repo, "/", number), number, "do it")
		r.Repo = messages.Repo{ID: repo, Owner: "octo", Name: fmt.Sprint("r", repo)}
		_, id := decided(t, s, r.Key, r)
		ids[id] = r.Key
		return id
	}
	for n := 1; n <= 4; n++ {
		ask(1, n)
	}
	ask(3, 1)
	ask(2, 1)
	ask(2, 2)
	turn := func(limit int) (out string) {
		for _, task := range value(s.Runnable(t.Context(), limit))(t) {
			out += " " + ids[task.ID]
		}
		return out
	}
	equal(t, "all", turn(10), " 1/1 2/1 3/1 1/2 2/2 1/3 1/4")
	equal(t, "some", turn(4), " 1/1 2/1 3/1 1/2")
	equal(t, "two", turn(2), " 1/1 2/1")
	claimed(t, s, messages.TaskIDOf("1/1"), "eamonn")
	equal(t, "after a start in 1", turn(10), " 2/1 3/1 1/2 2/2 1/3 1/4")
	claimed(t, s, messages.TaskIDOf("2/1"), "harry")
	equal(t, "after a start in 2", turn(10), " 3/1 1/2 2/2 1/3 1/4")
	equal(t, "none", turn(0), "")
}

func TestNextRunnable(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := opened(t)
		id, began := queued(t, s, 1), time.Now()
		if _, some, err := s.NextRunnable(t.Context()); some || err != nil {
			t.Errorf("next: %v %v", some, err)
		}
		due := time.Now().Add(10 * time.Minute)
		must(t, s.Finish(t.Context(), messages.Outcome{
			Attempt: claimed(t, s, id, "eamonn"), Ending: messages.EndModelQuota, Detail: "the model's quota is used up", Retry: true, NotBefore: due,
		}))
		equal(t, "runnable before", len(value(s.Runnable(t.Context(), 9))(t)), 0)
		if at, some, err := s.NextRunnable(t.Context()); !some || !at.Equal(due) || err != nil {
			t.Errorf("next: %v %v %v", at, some, err)
		}
		task := viewed(t, s, id).Task
		equal(t, "note", task.Note, "the model's quota is used up")
		equal(t, "not before", task.NotBefore.Equal(due), true)
		time.Sleep(10 * time.Minute)
		equal(t, "runnable after", len(value(s.Runnable(t.Context(), 9))(t)), 1)
		if _, some, _ := s.NextRunnable(t.Context()); some {
			t.Error("what is due already is not the next")
		}
		a, task, err := s.Claim(t.Context(), id, "eamonn", "docker")
		must(t, err)
		equal(t, "start of the task", task.StartedAt.Equal(began), true)
		equal(t, "start of the attempt", a.StartedAt.Equal(due), true)
		if task.Note != "" || !task.NotBefore.IsZero() {
			t.Errorf("claimed: %+v", task)
		}
	})
}

func TestTasks(t *testing.T) {
	s := opened(t)
	a, b, c := queued(t, s, 1), queued(t, s, 2), queued(t, s, 3)
	must(t, s.Finish(t.Context(), ended(claimed(t, s, b, "eamonn"), messages.EndSucceeded)))
	claimed(t, s, c, "eamonn")
	for _, f := range []struct {
		filter Filter
		want   []messages.TaskID
	}{
		{Filter{}, []messages.TaskID{c, b, a}},
		{Filter{Limit: 1}, []messages.TaskID{c}},
		{Filter{States: []messages.TaskState{messages.TaskQueued, messages.TaskRunning}}, []messages.TaskID{c, a}},
		{Filter{RepoID: 7, Number: 2}, []messages.TaskID{b}},
		{Filter{RepoID: 8}, nil},
	} {
		var got []messages.TaskID
		for _, task := range value(s.Tasks(t.Context(), f.filter))(t) {
			got = append(got, task.ID)
		}
		equal(t, fmt.Sprintf("%+v", f.filter), fmt.Sprint(got), fmt.Sprint(f.want))
	}
	counts := value(s.Counts(t.Context()))(t)
	if counts.Queued != 1 || counts.Running != 1 || counts.Done != 1 || counts.Failed != 0 || counts.Keys != 3 ||
		counts.EffectsPending != 4 || counts.Undecided != 0 || counts.OldestQueued.IsZero() || !counts.OldestUndecided.IsZero() {
		t.Errorf("counts: %+v", counts)
	}
	if len(counts.Repos) != 1 || counts.Repos[0] != (RepoCount{ID: 7, Repo: "octo/hello", Queued: 1, Running: 1}) {
		t.Errorf("repositories: %+v", counts.Repos)
	}
	equal(t, "ahead", viewed(t, s, queued(t, s, 4)).Ahead, 1)
}
