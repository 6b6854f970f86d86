package store

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"
	"testing/synctest"
	"time"

	"devs-webhook/messages"
)

// rows counts a table.
func rows(t *testing.T, s *Store, table string) int {
	t.Helper()
	return value(look(t.Context(), &s.reader, "count", func(q *reading) (n int, err error) {
		return n, q.row("SELECT count(*) FROM "+table, nil, &n)
	}))(t)
}

// forgotten runs Forget as of now.
func forgotten(t *testing.T, s *Store) Forgotten {
	t.Helper()
	return value(s.Forget(t.Context(), time.Now(), Keep{}))(t)
}

// A delivery and its task fade in steps, and are known until the last one.
func TestForget(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := opened(t)
		id := queued(t, s, 1)
		ref := claimed(t, s, id, "eamonn")
		must(t, s.AppendEvents(t.Context(), ref, []messages.AgentEvent{{Seq: 1, Kind: messages.EventWords, Text: "secret words"}}))
		_, err := s.Accept(t.Context(), delivery("ping"))
		must(t, err)
		_, _, err = s.Decide(t.Context(), messages.Decision{Delivery: "ping", Kind: messages.DecidedIgnored, Reason: messages.ReasonPing})
		must(t, err)
		_, err = s.Accept(t.Context(), delivery("undecided"))
		must(t, err)
		time.Sleep(500 * day) // nothing that is unfinished goes, however old
		f := forgotten(t, s)
		equal(t, "with an unfinished task", f, Forgotten{Payloads: 2, Deliveries: 2, Keys: 2})
		equal(t, "payloads", rows(t, s, "payloads"), 1)
		must(t, s.Finish(t.Context(), messages.Outcome{
			Attempt: ref, Ending: messages.EndSucceeded, Bundle: "b", Detail: "secret detail",
			Result: messages.Result{Words: "secret words", Turns: 5},
		}))
		time.Sleep(15 * day)
		equal(t, "with effects to come", forgotten(t, s), Forgotten{})
		for _, e := range viewed(t, s, id).Effects {
			must(t, s.EffectSkipped(t.Context(), e.ID))
		}
		equal(t, "after 14 days", forgotten(t, s), Forgotten{Transcripts: 1, Texts: 1})
		v := viewed(t, s, id)
		r := v.Task.Requests[0]
		if r.Instruction != "" || r.Thread.Title != "" || r.Thread.Body != "" || r.Requester.Login != "ann" || r.Thread.Number != 1 {
			t.Errorf("request: %+v", r)
		}
		if v.Outcome.Result.Words != "" || v.Outcome.Detail != "" || v.Outcome.Result.Turns != 5 || v.Last.Text != "" {
			t.Errorf("outcome: %+v %+v", v.Outcome, v.Last)
		}
		time.Sleep(386 * day)
		equal(t, "after 400 days", forgotten(t, s), Forgotten{Tasks: 1, Keys: 1})
		for _, table := range []string{"tasks", "requests", "attempts", "outcomes", "effects", "threads", "thread_members", "keys", "seen"} {
			equal(t, table, rows(t, s, table), 0)
		}
		equal(t, "undecided", len(value(s.Undecided(t.Context(), 9))(t)), 1)
	})
}

// Payloads go at their time: those of ignored deliveries after a day, others after a week.
func TestForgetPayloads(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := opened(t)
		queued(t, s, 1)
		for id, reason := range map[string]messages.Reason{"ping": messages.ReasonPing, "no": messages.ReasonNoPermission} {
			_, err := s.Accept(t.Context(), delivery(id))
			must(t, err)
			_, _, err = s.Decide(t.Context(), messages.Decision{Delivery: id, Kind: messages.DecidedIgnored, Reason: reason})
			must(t, err)
		}
		time.Sleep(day)
		equal(t, "after a day", forgotten(t, s), Forgotten{})
		time.Sleep(time.Second)
		equal(t, "after a day and a bit", forgotten(t, s), Forgotten{Payloads: 2})
		equal(t, "kept", value(s.Why(t.Context(), "no"))(t).PayloadKept, false)
		repeated, err := s.Accept(t.Context(), delivery("no"))
		must(t, err)
		equal(t, "repeated", repeated, true)
		equal(t, "undecided", len(value(s.Undecided(t.Context(), 9))(t)), 1)
		time.Sleep(6 * day)
		equal(t, "after a week", forgotten(t, s), Forgotten{Payloads: 1})
	})
}

// Ids and keys are known for longer than what they named.
func TestKeysOutliveTheirRows(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := opened(t)
		id := queued(t, s, 1)
		must(t, s.Finish(t.Context(), ended(claimed(t, s, id, "eamonn"), messages.EndSucceeded)))
		for _, e := range viewed(t, s, id).Effects {
			must(t, s.EffectSkipped(t.Context(), e.ID))
		}
		keep := Keep{Ignored: 1, Payloads: 1, Transcripts: 1, History: 1, Keys: 1} // as short as can be said
		time.Sleep(day)
		f := value(s.Forget(t.Context(), time.Now(), keep))(t)
		equal(t, "forgotten", f, Forgotten{Payloads: 1, Transcripts: 1, Texts: 1, Tasks: 1, Deliveries: 1})
		repeated, err := s.Accept(t.Context(), delivery("delivery-key-1"))
		must(t, err)
		equal(t, "repeated", repeated, true)
		equal(t, "deliveries", rows(t, s, "deliveries"), 0)
		d, same := decided(t, s, "other", asked("key-1", 1, "do it"))
		equal(t, "reason", d.Reason, messages.ReasonAlreadyRequested)
		equal(t, "task", same, id)
		time.Sleep(30 * day)
		value(s.Forget(t.Context(), time.Now(), keep))(t)
		repeated, err = s.Accept(t.Context(), delivery("delivery-key-1"))
		must(t, err)
		equal(t, "repeated after 30 days", repeated, false)
	})
}

// Forgotten text is not left in the free pages of the file.
func TestForgottenTextIsOverwritten(t *testing.T) {
	dir := t.TempDir()
	s := openedIn(t, dir)
	d := delivery("d")
	d.Body = bytes.Repeat([]byte("unforgettable "), 2000)
	_, err := s.Accept(t.Context(), d)
	must(t, err)
	_, _, err = s.Decide(t.Context(), messages.Decision{Delivery: "d", Kind: messages.DecidedIgnored, Reason: messages.ReasonPing})
	must(t, err)
	must(t, s.Close())
	if !bytes.Contains(file(t, dir), []byte("unforgettable unforgettable")) {
		t.Fatal("the payload is not in the file")
	}
	s = openedIn(t, dir)
	value(s.Forget(t.Context(), time.Now().Add(2*day), Keep{}))(t)
	must(t, s.Close())
	if bytes.Contains(file(t, dir), []byte("unforgettable unforgettable")) {
		t.Error("the payload is still in the file")
	}
}

func file(t *testing.T, dir string) []byte {
	t.Helper()
	return value(os.ReadFile(filepath.Join(dir, dataFile)))(t)
}
