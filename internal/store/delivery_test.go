package store

import (
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"devs-webhook/messages"
)

func TestAcceptOnce(t *testing.T) {
	s := opened(t)
	for i, want := range []bool{false, true, true} {
		d := delivery("one")
		if i > 0 {
			d.Body = []byte("another body")
		}
		repeated, err := s.Accept(t.Context(), d)
		must(t, err)
		equal(t, "repeated", repeated, want)
	}
	list := value(s.Undecided(t.Context(), 10))(t)
	if len(list) != 1 || string(list[0].Body) != `{"id":"one"}` || list[0].Event != "issue_comment" || list[0].Source != "webhook" {
		t.Fatalf("undecided: %+v", list)
	}
	w := value(s.Why(t.Context(), "one"))(t)
	equal(t, "times received", w.TimesReceived, 3)
	equal(t, "reason", w.Reason, messages.ReasonNotLooked)
}

func TestAcceptKeepsTimesAndEmptyBodies(t *testing.T) {
	s := opened(t)
	at := time.Date(2026, 3, 4, 5, 6, 7, 89, time.UTC)
	_, err := s.Accept(t.Context(), messages.Delivery{ID: "x", Event: "ping", Source: "sqs", ReceivedAt: at})
	must(t, err)
	d := value(s.Undecided(t.Context(), 1))(t)[0]
	if !d.ReceivedAt.Equal(at) || len(d.Body) != 0 {
		t.Errorf("delivery: %+v", d)
	}
	if _, err := s.Accept(t.Context(), messages.Delivery{}); err == nil {
		t.Error("a delivery without id was taken")
	}
}

// A delivery that was refused for a reason that may have been mended is decided again when it is sent again;
// any other decision stays.
func TestAcceptAgain(t *testing.T) {
	s := opened(t)
	for _, reason := range messages.Reasons() {
		id := string(reason)
		_, err := s.Accept(t.Context(), delivery(id))
		must(t, err)
		_, _, err = s.Decide(t.Context(), messages.Decision{Delivery: id, Kind: messages.DecidedIgnored, Reason: reason, Detail: "no", Summary: "s"})
		must(t, err)
		again := delivery(id)
		again.Body = []byte("newer")
		again.ReceivedAt = again.ReceivedAt.Add(time.Hour)
		repeated, err := s.Accept(t.Context(), again)
		must(t, err)
		equal(t, "repeated", repeated, true)
		list := value(s.Undecided(t.Context(), 10))(t)
		if !reason.Again() {
			equal(t, id+": undecided", len(list), 0)
			continue
		}
		if len(list) != 1 || string(list[0].Body) != "newer" || !list[0].ReceivedAt.Equal(again.ReceivedAt) {
			t.Errorf("%s: undecided: %+v", id, list)
		}
		w := value(s.Why(t.Context(), id))(t)
		if w.Decision != messages.Undecided || w.Reason != messages.ReasonNotLooked || w.Detail != "" || !w.DecidedAt.IsZero() {
			t.Errorf("%s: %+v", id, w)
		}
		_, _, err = s.Decide(t.Context(), messages.Decision{Delivery: id, Kind: messages.DecidedIgnored, Reason: messages.ReasonPing})
		must(t, err)
	}
}

func TestAcceptAgainAfterTask(t *testing.T) {
	s := opened(t)
	_, id := decided(t, s, "d", asked("k", 1, "do it"))
	_, err := s.Accept(t.Context(), delivery("d"))
	must(t, err)
	equal(t, "undecided", len(value(s.Undecided(t.Context(), 10))(t)), 0)
	d, again, err := s.Decide(t.Context(), messages.Decision{Delivery: "d", Kind: messages.DecidedIgnored, Reason: messages.ReasonPing})
	must(t, err)
	if again != id || d.Kind != messages.DecidedTask || d.Reason != messages.ReasonAccepted || d.Repo.FullName() != "octo/hello" {
		t.Errorf("second decision: %+v %s", d, again)
	}
}

func TestPutOff(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := opened(t)
		for _, id := range []string{"a", "b", "c"} {
			_, err := s.Accept(t.Context(), delivery(id))
			must(t, err)
		}
		if _, some, err := s.NextUndecided(t.Context()); some || err != nil {
			t.Errorf("something is put off: %v", err)
		}
		due := time.Now().Add(time.Minute)
		must(t, s.PutOff(t.Context(), "a", messages.ReasonGitHubSilent, "timeout", due))
		must(t, s.PutOff(t.Context(), "b", messages.ReasonGitHubSilent, "timeout", due.Add(time.Hour)))
		if at, some, err := s.NextUndecided(t.Context()); !some || !at.Equal(due) || err != nil {
			t.Errorf("next is %v %v %v", at, some, err)
		}
		if list := value(s.Undecided(t.Context(), 10))(t); len(list) != 1 || list[0].ID != "c" {
			t.Errorf("undecided: %+v", list)
		}
		time.Sleep(time.Minute)
		list := value(s.Undecided(t.Context(), 10))(t)
		if len(list) != 2 || list[0].ID != "a" || list[0].Tries != 1 {
			t.Errorf("undecided, oldest first: %+v", list)
		}
		w := value(s.Why(t.Context(), "b"))(t)
		if w.Reason != messages.ReasonGitHubSilent || w.Detail != "timeout" || w.Tries != 1 || !w.NextTryAt.Equal(due.Add(time.Hour)) {
			t.Errorf("why: %+v", w)
		}
		if err := s.PutOff(t.Context(), "x", messages.ReasonInternal, "", due); !errors.Is(err, ErrUnknownDelivery) {
			t.Errorf("unknown delivery: %v", err)
		}
	})
}

// Putting off what another life has decided changes nothing.
func TestPutOffDecided(t *testing.T) {
	s := opened(t)
	decided(t, s, "d", asked("k", 1, "do it"))
	must(t, s.PutOff(t.Context(), "d", messages.ReasonInternal, "late", time.Now()))
	w := value(s.Why(t.Context(), "d"))(t)
	equal(t, "reason", w.Reason, messages.ReasonAccepted)
}
