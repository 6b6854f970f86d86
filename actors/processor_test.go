package actors_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"devs-webhook/actors"
	"devs-webhook/internal/store"
	"devs-webhook/messages"
)

// office is a processor with its neighbours.
type office struct {
	t         *testing.T
	store     *storeWith
	reader    *reader
	authority *authority
	rules     actors.Rules
	inboxes   []chan messages.ToContainer
	bell      messages.Bell
	report    messages.Bell
	disk      func() error
	log       logbook
}

func newOffice(t *testing.T, slots int) *office {
	t.Helper()
	o := &office{
		t: t, store: &storeWith{Store: openStore(t)}, reader: &reader{}, authority: &authority{},
		rules: actors.Rules{MentionedUser: "bot", AllowedOwners: []string{"octo"}},
		bell:  messages.NewBell(), report: messages.NewBell(), disk: func() error { return nil },
	}
	for range slots {
		o.inboxes = append(o.inboxes, make(chan messages.ToContainer, 1))
	}
	return o
}

// serve runs the processor and waits until it is idle.
func (o *office) serve() *running {
	o.t.Helper()
	var slots []actors.Slot
	for i, inbox := range o.inboxes {
		slots = append(slots, actors.Slot{Name: fmt.Sprintf("slot%d", i), Inbox: inbox})
	}
	r := serve(o.t, actors.NewProcessor(actors.ProcessorParts{
		Store: o.store, Policy: actors.NewPolicy(o.rules, o.reader, o.authority), Disk: func() error { return o.disk() },
		Slots: slots, Bell: o.bell, Report: o.report, Fatal: fatal, Log: o.log.logger(),
	}))
	synctest.Wait()
	return r
}

// deliver puts a delivery in as a source does.
func (o *office) deliver(id string, r messages.Request) {
	o.t.Helper()
	deliver(o.t, o.store.Store, id, r)
	o.bell.Ring()
}

func (o *office) why(delivery string) store.Why {
	o.t.Helper()
	return why(o.t, o.store.Store, delivery)
}

// chat is an event that asks for nothing.
func chat() messages.Request {
	return messages.Request{Repo: hello, Thread: messages.Thread{Number: 1}}
}

// hang answers when the question is given up.
func hang(ctx context.Context, _ messages.Repo, _ messages.User) (bool, error) {
	<-ctx.Done()
	return false, ctx.Err()
}

func TestSlowAnswerDelaysNoOther(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		o := newOffice(t, 1)
		o.authority.canWrite = func(ctx context.Context, repo messages.Repo, u messages.User) (bool, error) {
			if repo.Name == "slow" {
				return hang(ctx, repo, u)
			}
			return true, nil
		}
		r := o.serve()
		o.deliver("learn who we are", chat())
		synctest.Wait()
		for i := range 3 {
			slow := request(fmt.Sprint("slow", i), i+1)
			slow.Repo.Name = "slow"
			o.deliver(slow.Key, slow)
		}
		o.deliver("quick", request("quick", 9))
		synctest.Wait() // no time passes
		if w := o.why("quick"); w.Decision != messages.DecidedTask {
			t.Errorf("the quick one is %s: %s", w.Decision, w.Reason)
		}
		select {
		case <-o.inboxes[0]:
		default:
			t.Error("its task was not offered")
		}
		time.Sleep(10 * time.Second)
		synctest.Wait()
		if w := o.why("slow0"); w.Reason != messages.ReasonGitHubSilent || w.NextTryAt.IsZero() {
			t.Errorf("the slow one: %s %s", w.Decision, w.Reason)
		}
		r.silent()
	})
}

// TestBacklogOfQuestionsDelaysNoAnswerThatNeedsNone: what can be decided here is, however many wait before it.
// And the rows of those that wait are not read again for each answer.
func TestBacklogOfQuestionsDelaysNoAnswerThatNeedsNone(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		o := newOffice(t, 0)
		o.authority.canWrite = func(context.Context, messages.Repo, messages.User) (bool, error) {
			time.Sleep(time.Second)
			return false, nil
		}
		o.deliver("learn who we are", chat())
		o.serve()
		rows := 0
		o.store.undecided = func(d []messages.Delivery) { rows += len(d) }
		for i := range 100 {
			deliver(t, o.store.Store, fmt.Sprint(i), request(fmt.Sprint(i), i+1))
		}
		o.deliver("behind", chat())
		synctest.Wait()
		if w := o.why("behind"); w.Decision != messages.DecidedIgnored {
			t.Errorf("the one behind is %s: %s", w.Decision, w.Reason)
		}
		time.Sleep(25 * time.Second)
		synctest.Wait()
		if n, err := o.store.Counts(t.Context()); err != nil || n.Undecided != 0 {
			t.Errorf("%d are undecided, %v", n.Undecided, err)
		}
		if rows > 1000 {
			t.Errorf("%d rows were read", rows)
		}
	})
}

func TestFourQuestionsAtOnce(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		o := newOffice(t, 0)
		var now, most atomic.Int64
		o.authority.canWrite = func(context.Context, messages.Repo, messages.User) (bool, error) {
			if n := now.Add(1); n > most.Load() {
				most.Store(n)
			}
			time.Sleep(time.Second)
			now.Add(-1)
			return true, nil
		}
		o.serve()
		for i := range 12 {
			o.deliver(fmt.Sprint(i), request(fmt.Sprint(i), i+1))
		}
		time.Sleep(3 * time.Second)
		synctest.Wait()
		n, err := o.store.Counts(t.Context())
		if err != nil || n.Undecided != 0 || most.Load() != 4 {
			t.Errorf("%d are undecided, %d questions at once, %v", n.Undecided, most.Load(), err)
		}
	})
}

// TestErrorIsNeitherYesNorNo: the delivery waits, longer each time, and is decided when GitHub answers.
func TestErrorIsNeitherYesNorNo(t *testing.T) {
	t.Parallel()
	for name, one := range map[string]struct {
		err   error
		asked []time.Duration
	}{
		"an error":             {errQuiet, []time.Duration{0, 5, 15, 35, 75, 155, 315, 615, 915}},
		"an error with a time": {&messages.LaterError{After: 7 * time.Minute, Err: errQuiet}, []time.Duration{0, 420, 840, 1260, 1680, 2100, 2520, 2940, 3360}},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				o := newOffice(t, 1)
				began := time.Now()
				var asked []time.Duration
				o.authority.canWrite = func(context.Context, messages.Repo, messages.User) (bool, error) {
					asked = append(asked, time.Since(began)/time.Second)
					if len(asked) < len(one.asked) {
						return false, fmt.Errorf("ask: %w", one.err)
					}
					return true, nil
				}
				r := o.serve()
				o.deliver("d1", request("d1", 1))
				synctest.Wait()
				w := o.why("d1")
				if w.Decision != messages.Undecided || w.Reason != messages.ReasonGitHubSilent || w.Detail != "ask: GitHub is quiet" {
					t.Errorf("%s %s %q", w.Decision, w.Reason, w.Detail)
				}
				time.Sleep(2 * time.Hour)
				synctest.Wait()
				if !slices.Equal(asked, one.asked) {
					t.Errorf("asked after %d s", asked)
				}
				if w := o.why("d1"); w.Decision != messages.DecidedTask {
					t.Errorf("it is %s at last", w.Decision)
				}
				r.silent()
			})
		})
	}
}

// TestPanickingRulesStopNobody: at both places where they are called, before and after it is known who we are.
func TestPanickingRulesStopNobody(t *testing.T) {
	t.Parallel()
	for _, place := range []string{"read", "judge"} {
		t.Run(place, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				o := newOffice(t, 0)
				var mended atomic.Bool
				var calls atomic.Int64
				rule := func(r messages.Request) {
					if r.Key == "bad" && !mended.Load() {
						calls.Add(1)
						panic("no rule for this")
					}
				}
				o.reader.judge = func(r messages.Request, _ actors.Identity) { rule(r) }
				if place == "read" {
					o.reader.read = func(payload []byte) { rule(messages.Request{Key: strings.Split(string(payload), `"`)[3]}) }
				}
				deliver(t, o.store.Store, "bad", request("bad", 1))
				deliver(t, o.store.Store, "good", request("good", 2))
				r := o.serve()
				o.deliver("next", request("next", 3))
				synctest.Wait()
				if w := o.why("bad"); w.Reason != messages.ReasonInternal || w.Detail != "panic: no rule for this" {
					t.Errorf("the bad one: %s %q", w.Reason, w.Detail)
				}
				for _, id := range []string{"good", "next"} {
					if w := o.why(id); w.Decision != messages.DecidedTask {
						t.Errorf("%s is %s: %s", id, w.Decision, w.Reason)
					}
				}
				time.Sleep(time.Hour)
				synctest.Wait()
				if n := calls.Load(); n > 50 {
					t.Errorf("the rules were called %d times in an hour", n)
				}
				mended.Store(true)
				time.Sleep(5 * time.Minute)
				synctest.Wait()
				if w := o.why("bad"); w.Decision != messages.DecidedTask {
					t.Errorf("it is %s at last", w.Decision)
				}
				r.silent()
			})
		})
	}
}

// TestDecisionThatTheStoreRefusesStopsNobody: a request without a key is none that the store can carry out.
func TestDecisionThatTheStoreRefusesStopsNobody(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		o := newOffice(t, 0)
		tries := 0
		o.store.decide = func(d messages.Decision) error {
			if d.Request.Key == "" {
				tries++
			}
			return nil
		}
		bad := request("", 1)
		deliver(t, o.store.Store, "bad", bad)
		deliver(t, o.store.Store, "good", request("good", 2))
		r := o.serve()
		if w := o.why("bad"); w.Decision != messages.Undecided || w.Reason != messages.ReasonInternal {
			t.Errorf("the bad one is %s: %s", w.Decision, w.Reason)
		}
		if w := o.why("good"); w.Decision != messages.DecidedTask {
			t.Errorf("the good one is %s: %s", w.Decision, w.Reason)
		}
		time.Sleep(time.Minute)
		synctest.Wait()
		if tries != 4 { // after 0, 5, 15 and 35 s
			t.Errorf("it was tried %d times in a minute", tries)
		}
		r.silent()
	})
}

// TestFatalErrorEndsTheProcessor, wherever the store says it; it is not put off.
func TestFatalErrorEndsTheProcessor(t *testing.T) {
	t.Parallel()
	for name, breaks := range map[string]func(*storeWith){
		"a decision": func(s *storeWith) {
			s.decide = func(messages.Decision) error { return fmt.Errorf("decide: %w", errBroken) }
		},
		"a question": func(s *storeWith) { s.isOurs = func() error { return fmt.Errorf("look up: %w", errBroken) } },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				o := newOffice(t, 0)
				breaks(o.store)
				deliver(t, o.store.Store, "d1", request("d1", 1))
				p := actors.NewProcessor(actors.ProcessorParts{
					Store: o.store, Policy: actors.NewPolicy(o.rules, o.reader, o.authority), Disk: o.disk,
					Bell: o.bell, Report: o.report, Fatal: fatal, Log: o.log.logger(),
				})
				if err := p.Serve(t.Context()); !errors.Is(err, errBroken) {
					t.Errorf("it ended with %v", err)
				}
			})
		})
	}
}

// TestQuestionsAreJoinedAtTheEnd: no question outlives Serve.
func TestQuestionsAreJoinedAtTheEnd(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		o := newOffice(t, 0)
		var under atomic.Int64
		o.authority.canWrite = func(ctx context.Context, repo messages.Repo, u messages.User) (bool, error) {
			under.Add(1)
			defer under.Add(-1)
			ok, err := hang(ctx, repo, u)
			time.Sleep(2 * time.Second) // until it has hung up
			return ok, err
		}
		r := o.serve()
		for i := range 6 {
			o.deliver(fmt.Sprint(i), request(fmt.Sprint(i), i+1))
		}
		synctest.Wait()
		if n := under.Load(); n != 4 {
			t.Fatalf("%d questions are under way", n)
		}
		if took := r.stopped(); under.Load() != 0 || took != 2*time.Second {
			t.Errorf("%d questions after the end, which took %v", under.Load(), took)
		}
		o.authority.canWrite = nil
		o.serve() // asks again
		if n, err := o.store.Counts(t.Context()); err != nil || n.Undecided != 0 {
			t.Errorf("%d are undecided in the next life, %v", n.Undecided, err)
		}
	})
}

// TestDueDuringALookIsNotMissed: a delivery falls due while the processor is busy with its look.
func TestDueDuringALookIsNotMissed(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		o := newOffice(t, 1)
		o.authority.canWrite = func(context.Context, messages.Repo, messages.User) (bool, error) { return false, errQuiet }
		o.serve()
		o.deliver("d1", request("d1", 1))
		synctest.Wait()
		o.authority.canWrite = nil
		time.Sleep(4 * time.Second)
		synctest.Wait()
		o.store.openAttempts = func() { time.Sleep(2 * time.Second) }
		o.bell.Ring() // a look from 4 s to 6 s; the delivery is due at 5 s
		time.Sleep(10 * time.Second)
		synctest.Wait()
		if w := o.why("d1"); w.Decision != messages.DecidedTask {
			t.Errorf("it is %s", w.Decision)
		}
	})
}
