package store

import (
	"errors"
	"strings"
	"testing"
	"time"

	"devs-webhook/messages"
)

// start is the time of the first request in the table.
var start = time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)

// TestDecide is the table of decisions: what is there, what is asked, what comes of it.
func TestDecide(t *testing.T) {
	at := func(minutes int, r messages.Request) messages.Request {
		r.At = start.Add(time.Duration(minutes) * time.Minute)
		return r
	}
	edit := func(r messages.Request) messages.Request { r.OnlyReplace = true; return r }
	first := at(0, asked("first", 1, "fix the bug"))
	claim := func(t *testing.T, s *Store) { claimed(t, s, messages.TaskIDOf("first"), "eamonn") }
	finish := func(o messages.Outcome) func(*testing.T, *Store) {
		return func(t *testing.T, s *Store) {
			o.Attempt = claimed(t, s, messages.TaskIDOf("first"), "eamonn")
			must(t, s.Finish(t.Context(), o))
		}
	}
	for _, c := range []struct {
		name   string
		before func(*testing.T, *Store) // after the first request, which made a task
		ask    messages.Request
		reason messages.Reason
		task   string // the key that names the task
		texts  string // of that task's requests, joined by |
	}{
		{"another thread", nil, at(1, asked("second", 2, "fix the bug")), messages.ReasonAccepted, "second", "fix the bug"},
		{"same event, other delivery", nil, first, messages.ReasonAlreadyRequested, "first", "fix the bug"},
		{"same event, surrounding space", nil, at(0, asked("first", 1, " fix the bug\n")), messages.ReasonAlreadyRequested, "first", "fix the bug"},
		{"edited while queued", nil, edit(at(1, asked("first", 1, "fix it well"))), messages.ReasonReplaced, "first", "fix it well"},
		{"edited elsewhere than in the instruction", nil, edit(at(1, asked("first", 1, "fix the bug"))), messages.ReasonReplaced, "first", "fix the bug"},
		{"edited to bring the mention in again", nil, at(1, asked("first", 1, "fix it well")), messages.ReasonReplaced, "first", "fix it well"},
		{"older state of the text, late", nil, at(-1, asked("first", 1, "fix")), messages.ReasonAlreadyRequested, "first", "fix the bug"},
		{"older edit, late", nil, edit(at(-1, asked("first", 1, "fix"))), messages.ReasonAlreadyRequested, "first", "fix the bug"},
		{"edited while running", claim, edit(at(1, asked("first", 1, "fix it well"))), messages.ReasonEditNotNew, "first", "fix the bug"},
		{"other text while running", claim, at(1, asked("first", 1, "fix it well")), messages.ReasonAlreadyRequested, "first", "fix the bug"},
		{"edit of what was never asked", nil, edit(at(1, asked("second", 1, "more"))), messages.ReasonEditNotNew, "", ""},
		{"same text, same thread", nil, at(1, asked("second", 1, "\nfix the bug ")), messages.ReasonJoined, "first", "fix the bug"},
		{"other text, same thread", nil, at(1, asked("second", 1, "and the tests")), messages.ReasonMerged, "first", "fix the bug|and the tests"},
		{"thread is running", claim, at(1, asked("second", 1, "and the tests")), messages.ReasonAccepted, "second", "and the tests"},
		{
			"thread is queued for a retry", finish(messages.Outcome{Ending: messages.EndContainerLost, Retry: true}),
			at(1, asked("second", 1, "and the tests")), messages.ReasonMerged, "first", "fix the bug|and the tests",
		},
		{
			"thread is done", finish(messages.Outcome{Ending: messages.EndSucceeded}),
			at(1, asked("second", 1, "fix the bug")), messages.ReasonAccepted, "second", "fix the bug",
		},
		{"asked again after the end", finish(messages.Outcome{Ending: messages.EndAgentFailed}), first, messages.ReasonAlreadyRequested, "first", "fix the bug"},
		{
			"edited after the end", finish(messages.Outcome{Ending: messages.EndSucceeded}),
			edit(at(1, asked("first", 1, "again"))), messages.ReasonEditNotNew, "first", "fix the bug",
		},
		{"asked again after cancelling", func(t *testing.T, s *Store) {
			equal(t, "state", value(s.CancelTask(t.Context(), messages.TaskIDOf("first"), "ann"))(t), messages.TaskCancelled)
		}, first, messages.ReasonAlreadyRequested, "first", "fix the bug"},
		{"keys forgotten, task kept", func(t *testing.T, s *Store) {
			finish(messages.Outcome{Ending: messages.EndSucceeded})(t, s)
			must(t, do1(t.Context(), s.writer, "forget keys", func(t *tx) error {
				_, err := t.exec("DELETE FROM keys")
				return err
			}))
		}, first, messages.ReasonAlreadyRequested, "first", "fix the bug"},
		{"edit of a text that joined", func(t *testing.T, s *Store) {
			d, _ := decided(t, s, "joins", at(1, asked("second", 1, "fix the bug")))
			equal(t, "reason", d.Reason, messages.ReasonJoined)
		}, edit(at(2, asked("second", 1, "fix it well"))), messages.ReasonReplaced, "first", "fix it well"},
		{"edit of a merged request", func(t *testing.T, s *Store) {
			decided(t, s, "merges", at(1, asked("second", 1, "and the tests")))
		}, edit(at(2, asked("second", 1, "no tests"))), messages.ReasonReplaced, "first", "fix the bug|no tests"},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := opened(t)
			if d, id := decided(t, s, "first", first); d.Reason != messages.ReasonAccepted || id != messages.TaskIDOf("first") {
				t.Fatalf("first: %+v", d)
			}
			if c.before != nil {
				c.before(t, s)
			}
			d, id := decided(t, s, "asked", c.ask)
			checkDecision(t, s, d, c.reason)
			if c.task == "" {
				equal(t, "task", id, "")
				return
			}
			equal(t, "task", id, messages.TaskIDOf(c.task))
			var texts []string
			for _, r := range viewed(t, s, id).Task.Requests {
				texts = append(texts, r.Instruction)
			}
			equal(t, "texts", strings.Join(texts, "|"), c.texts)
		})
	}
}

// checkDecision checks the reason, the kind that belongs to it, and that both were recorded.
func checkDecision(t *testing.T, s *Store, d messages.Decision, reason messages.Reason) {
	t.Helper()
	kind := messages.DecidedTask
	if reason == messages.ReasonAlreadyRequested || reason == messages.ReasonEditNotNew {
		kind = messages.DecidedIgnored
	}
	equal(t, "reason", d.Reason, reason)
	equal(t, "kind", d.Kind, kind)
	w := value(s.Why(t.Context(), d.Delivery))(t)
	equal(t, "recorded reason", w.Reason, reason)
	equal(t, "recorded kind", w.Decision, kind)
	if w.DecidedAt.IsZero() {
		t.Error("no time of decision")
	}
}

func TestDecideReactions(t *testing.T) {
	s := opened(t)
	first := asked("a", 1, "do it")
	_, id := decided(t, s, "a", first)
	decided(t, s, "a-again", first)
	decided(t, s, "joins", asked("bb", 1, "do it"))
	merged := asked("ccc", 1, "and this")
	merged.Object = first.Object // the same comment, by another trigger
	decided(t, s, "merges", merged)
	var keys []string
	for _, e := range viewed(t, s, id).Effects {
		equal(t, "kind", e.Kind, messages.EffectReaction)
		keys = append(keys, e.Key)
	}
	if len(keys) != 2 || keys[0] == keys[1] {
		t.Errorf("reactions: %v", keys)
	}
	_, err := s.Accept(t.Context(), delivery("quiet"))
	must(t, err)
	_, quiet, err := s.Decide(t.Context(), messages.Decision{Delivery: "quiet", Kind: messages.DecidedTask, Request: asked("q", 2, "x")})
	must(t, err)
	equal(t, "effects without React", len(viewed(t, s, quiet).Effects), 0)
}

func TestDecideRefusesNonsense(t *testing.T) {
	s := opened(t)
	if _, _, err := s.Decide(t.Context(), messages.Decision{Delivery: "nowhere", Kind: messages.DecidedCommand}); !errors.Is(err, ErrUnknownDelivery) {
		t.Errorf("unknown delivery: %v", err)
	}
	_, err := s.Accept(t.Context(), delivery("d"))
	must(t, err)
	for _, d := range []messages.Decision{
		{Delivery: "d", Kind: messages.Undecided},
		{Delivery: "d"},
		{Delivery: "d", Kind: messages.DecidedTask},
		{Delivery: "d", Kind: messages.DecidedTask, Request: messages.Request{Key: "k"}},
	} {
		if _, _, err := s.Decide(t.Context(), d); err == nil {
			t.Errorf("%+v was taken", d)
		}
	}
	equal(t, "undecided", len(value(s.Undecided(t.Context(), 9))(t)), 1)
	d, id, err := s.Decide(t.Context(), messages.Decision{Delivery: "d", Kind: messages.DecidedCommand, Reason: messages.ReasonAccepted, Detail: "cancelled"})
	must(t, err)
	if d.Kind != messages.DecidedCommand || id != "" {
		t.Errorf("command: %+v %s", d, id)
	}
}

// A test event never mixes with real requests of the same thread: one would be hidden, or the other shown.
func TestTestEventsStayApart(t *testing.T) {
	s := opened(t)
	probe := asked("probe", 1, "do it")
	probe.Trigger = "test"
	_, hidden := decided(t, s, "probe", probe)
	d, real := decided(t, s, "real", asked("real", 1, "do it"))
	equal(t, "reason", d.Reason, messages.ReasonAccepted)
	if a, b := viewed(t, s, hidden).Task, viewed(t, s, real).Task; !a.Test() || b.Test() || a.ThreadKey == b.ThreadKey {
		t.Errorf("tasks: %+v %+v", a, b)
	}
	must(t, s.Finish(t.Context(), messages.Outcome{Attempt: claimed(t, s, hidden, "eamonn"), Ending: messages.EndSucceeded, Bundle: "b"}))
	for _, e := range viewed(t, s, hidden).Effects {
		if e.Kind != messages.EffectReaction {
			t.Errorf("effect of a test event: %+v", e)
		}
	}
}
