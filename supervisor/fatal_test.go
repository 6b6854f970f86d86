package supervisor_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rs/zerolog"
	"github.com/thejerf/suture/v4"

	"devs-webhook/actors"
	"devs-webhook/internal/store"
	"devs-webhook/messages"
	"devs-webhook/supervisor"
)

// faultyStore is the real store whose calls fail as a test wants. Fail is asked with the call's name, and the
// slot if it has one.
type faultyStore struct {
	fragileStore
	fail func(call, slot string) error
}

func (s faultyStore) Current(ctx context.Context, slot string) (a messages.Attempt, t messages.Task, ok bool, err error) {
	if err := s.fail("Current", slot); err != nil {
		return a, t, false, err
	}
	return s.fragileStore.Current(ctx, slot)
}

func (s faultyStore) Claim(ctx context.Context, id messages.TaskID, slot, runtime string) (a messages.Attempt, t messages.Task, err error) {
	if err := s.fail("Claim", slot); err != nil {
		return a, t, err
	}
	return s.fragileStore.Claim(ctx, id, slot, runtime)
}

func (s faultyStore) Decide(ctx context.Context, d messages.Decision) (messages.Decision, messages.TaskID, error) {
	if err := s.fail("Decide", ""); err != nil {
		return d, "", err
	}
	return s.fragileStore.Decide(ctx, d)
}

func (s faultyStore) AppendEvents(ctx context.Context, a messages.AttemptRef, events []messages.AgentEvent) error {
	if err := s.fail("AppendEvents", ""); err != nil {
		return err
	}
	return s.fragileStore.AppendEvents(ctx, a, events)
}

func (s faultyStore) View(ctx context.Context, id messages.TaskID) (messages.View, error) {
	if err := s.fail("View", ""); err != nil {
		return messages.View{}, err
	}
	return s.fragileStore.View(ctx, id)
}

func (s faultyStore) Forget(ctx context.Context, now time.Time) (int, error) {
	if err := s.fail("Forget", ""); err != nil {
		return 0, err
	}
	return s.fragileStore.Forget(ctx, now)
}

// plant is a tree with a faulty store.
type plant struct {
	bundle
	parts supervisor.Parts
	log   syncBuffer
}

type syncBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (s *syncBuffer) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.Write(p)
}

func (s *syncBuffer) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.String()
}

// newPlant makes a tree that does not run yet. It must be called in a bubble.
func newPlant(t *testing.T, w *world, fail func(call, slot string) error) *plant {
	t.Helper()
	dir := t.TempDir()
	st, err := store.Open(t.Context(), dir, store.Options{Log: zerolog.Nop()})
	if err != nil {
		t.Fatal(err)
	}
	p := &plant{bundle: bundle{t: t, world: w, store: st, ended: make(chan error, 1)}}
	p.parts = supervisor.Parts{
		Store:  faultyStore{fragileStore: fragileStore{Store: st, bomb: w.bomb}, fail: fail},
		GitHub: w, Git: w, Runtime: w, Agents: w, Outputs: w, Writer: w, Model: w, Sessions: w, Intake: w, Reader: reading{w},
		Disk:  func() error { return nil },
		Rules: actors.Rules{MentionedUser: "bot", AllowedOwners: []string{"octo"}},
		Slots: []string{"eamonn", "harry"}, Limits: messages.Limits{Wall: time.Hour}, StateDir: dir,
		ProgressAfter: time.Hour, TidyEvery: time.Hour, KeepOutputs: time.Hour, Log: zerolog.New(&p.log),
		Fatal: func(err error) int {
			if errors.Is(err, store.ErrCorrupt) {
				return 4
			}
			return 0
		},
		Events: func(e suture.Event) {
			p.mu.Lock()
			defer p.mu.Unlock()
			p.events = append(p.events, e)
		},
	}
	return p
}

func (p *plant) run() {
	p.tree = supervisor.New(p.parts)
	ctx, cancel := context.WithCancel(context.Background())
	p.stop = cancel
	go func() { p.ended <- p.tree.Serve(ctx) }()
}

// seen are the events so far.
func (p *plant) seen() []suture.Event {
	p.mu.Lock()
	defer p.mu.Unlock()
	return append([]suture.Event(nil), p.events...)
}

// TestDamagedStoreEndsTheProgram, whoever meets it and however deep in the tree: every actor ends, and the
// exit code comes out at the top. A running agent is left alone.
func TestDamagedStoreEndsTheProgram(t *testing.T) {
	t.Parallel()
	for call, actor := range map[string]string{
		"Decide": "processor", "Claim": "container eamonn", "Current": "container eamonn",
		"AppendEvents": "container eamonn", "View": "reporter", "Forget": "janitor",
	} {
		t.Run(call, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				p := newPlant(t, newWorld(), func(name, _ string) error {
					if name == call {
						return fmt.Errorf("read page 7: %w", store.ErrCorrupt)
					}
					return nil
				})
				p.parts.Slots = []string{"eamonn"}
				p.run()
				p.ask("d1", 1, "fix it")
				began := time.Now()
				err := <-p.ended
				took := time.Since(began)
				var fatal *actors.FatalError
				if !errors.As(err, &fatal) || fatal.Code != 4 || !errors.Is(err, store.ErrCorrupt) {
					t.Errorf("the tree ended with %v", err)
				}
				if took > 2*time.Second {
					t.Errorf("it took %v", took)
				}
				said := fmt.Sprintf(`"actor":%q,"exit_code":4,"message":"actor ended the program"`, actor)
				if got := p.log.String(); strings.Count(got, said) != 1 {
					t.Errorf("the log does not say %s once:\n%s", said, got)
				}
				for _, e := range p.seen() {
					t.Errorf("the supervisor saw: %s", e)
				}
				if c := p.world.slots["eamonn"]; call == "AppendEvents" && (c == nil || c.found.State != messages.FoundRunning) {
					t.Error("the agent does not run on")
				}
				p.stop()
				if err := p.store.Close(); err != nil {
					t.Error(err)
				}
			})
		})
	}
}

// TestOtherErrorsAreRestarted: what a restart may mend ends nobody.
func TestOtherErrorsAreRestarted(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		failed := map[string]bool{}
		var mu sync.Mutex
		p := newPlant(t, newWorld(), func(call, _ string) error {
			mu.Lock()
			defer mu.Unlock()
			if failed[call] {
				return nil
			}
			failed[call] = true
			return store.ErrBusy
		})
		p.run()
		id := p.ask("d1", 1, "fix it")
		p.wait(id)
		p.oneOfEach(id)
		if len(p.seen()) < 3 {
			t.Errorf("only %d failures were seen", len(p.seen()))
		}
		p.close()
	})
}

// TestFailuresOfAContainerDelayNoNeighbour: one fails a hundred times, and the other's restart comes at once.
func TestFailuresOfAContainerDelayNoNeighbour(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var mu sync.Mutex
		bad := 0
		var died, back time.Time // of the neighbour
		p := newPlant(t, newWorld(), func(call, slot string) error {
			mu.Lock()
			defer mu.Unlock()
			switch {
			case call == "Current" && slot == "eamonn":
				bad++
				return errors.New("no such page")
			case call == "Claim" && died.IsZero():
				died = time.Now()
				panic("neighbour")
			case call == "Current" && !died.IsZero() && back.IsZero():
				back = time.Now()
			}
			return nil
		})
		p.run()
		for range 1000 {
			mu.Lock()
			enough := bad >= 100
			mu.Unlock()
			if enough {
				break
			}
			time.Sleep(time.Second)
		}
		id := p.ask("d1", 1, "fix it")
		p.wait(id)
		mu.Lock()
		if bad < 100 || died.IsZero() || !back.Equal(died) {
			t.Errorf("after %d failures the neighbour was away for %v", bad, back.Sub(died))
		}
		mu.Unlock()
		p.close()
	})
}

// TestHangingActorDoesNotHoldTheStop for longer than its time, and is the only one that is accused.
func TestHangingActorDoesNotHoldTheStop(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		release := make(chan struct{})
		p := newPlant(t, newWorld(), func(call, slot string) error {
			if call == "Claim" && slot == "eamonn" {
				<-release
			}
			return nil
		})
		p.parts.Slots = []string{"eamonn"}
		p.run()
		p.ask("d1", 1, "fix it")
		time.Sleep(time.Second)
		began := time.Now()
		p.stop()
		err := <-p.ended
		if took := time.Since(began); took > 7*time.Second || err != nil {
			t.Errorf("the stop took %v: %v", took, err)
		}
		late := p.seen()
		if len(late) != 1 {
			t.Fatalf("the supervisors saw %v", late)
		}
		if e, ok := late[0].(suture.EventStopTimeout); !ok || e.ServiceName != "container eamonn" {
			t.Errorf("the supervisors saw %v", late[0])
		}
		close(release)
		synctest.Wait()
		if err := p.store.Close(); err != nil {
			t.Error(err)
		}
	})
}
