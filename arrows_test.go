package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"devs-webhook/config"
	"devs-webhook/internal/store"
	"devs-webhook/messages"
	"devs-webhook/supervisor"
)

// The service in these tests is the real one, in a process of its own, with one difference: it kills itself
// with SIGKILL right before or right after one call to the outside, once.
const (
	killAtVariable = "TEST_KILL_AT" // such as "before Create", or "nowhere"
	killedFile     = "killed"       // in the state directory: it has been done
)

// serveUntilKilled is what main's serve does, with the killer around the adapters.
func serveUntilKilled() int {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	dev, port := true, 0
	cfg, err := loadConfig(config.Flags{Dev: &dev, Port: &port})
	if err != nil {
		return fault(err)
	}
	log := newLogger(cfg, os.Stderr)
	st, err := openStore(ctx, cfg, log)
	if err != nil {
		return fault(err)
	}
	parts, err := buildParts(ctx, cfg, st, log)
	if err != nil {
		return fault(err)
	}
	k := &killer{at: os.Getenv(killAtVariable), file: filepath.Join(cfg.State.Dir, killedFile)}
	service := newService(cfg, st, parts)
	parts.Store = killerStore{Store: parts.Store, kill: k}
	parts.Runtime = killerRuntime{Runtime: parts.Runtime, kill: k}
	parts.GitHub = killerGitHub{GitHub: parts.GitHub, kill: k}
	parts.Git = killerGit{Git: parts.Git, kill: k}
	return fault(errors.Join(serveParts(ctx, cfg, parts, service, log, os.Stdout), st.Close()))
}

func fault(err error) int {
	if err == nil {
		return 0
	}
	fmt.Fprintln(os.Stderr, err)
	return 1
}

type killer struct{ at, file string }

func (k *killer) pass(where string) {
	if k.at != where {
		return
	}
	// O_EXCL: once. A second life goes through.
	f, err := os.OpenFile(k.file, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return
	}
	f.Close()
	_ = syscall.Kill(os.Getpid(), syscall.SIGKILL) // does not return
	select {}
}

func (k *killer) around(name string, f func()) {
	k.pass("before " + name)
	f()
	k.pass("after " + name)
}

type killerStore struct {
	supervisor.Store
	kill *killer
}

func (s killerStore) Accept(ctx context.Context, d messages.Delivery) (again bool, err error) {
	s.kill.around("Accept", func() { again, err = s.Store.Accept(ctx, d) })
	return again, err
}

func (s killerStore) Decide(ctx context.Context, in messages.Decision) (d messages.Decision, id messages.TaskID, err error) {
	s.kill.around("Decide", func() { d, id, err = s.Store.Decide(ctx, in) })
	return d, id, err
}

func (s killerStore) Claim(ctx context.Context, id messages.TaskID, slot, runtime string) (a messages.Attempt, t messages.Task, err error) {
	s.kill.around("Claim", func() { a, t, err = s.Store.Claim(ctx, id, slot, runtime) })
	return a, t, err
}

func (s killerStore) AppendEvents(ctx context.Context, a messages.AttemptRef, e []messages.AgentEvent) (err error) {
	s.kill.around("AppendEvents", func() { err = s.Store.AppendEvents(ctx, a, e) })
	return err
}

func (s killerStore) Finish(ctx context.Context, o messages.Outcome) (err error) {
	s.kill.around("Finish", func() { err = s.Store.Finish(ctx, o) })
	return err
}

func (s killerStore) EffectDone(ctx context.Context, id int64, e messages.Effect) (err error) {
	s.kill.around("EffectDone "+string(e.Kind), func() { err = s.Store.EffectDone(ctx, id, e) })
	return err
}

type killerRuntime struct {
	supervisor.Runtime
	kill *killer
}

func (r killerRuntime) Create(ctx context.Context, l messages.Launch) (err error) {
	r.kill.around("Create", func() { err = r.Runtime.Create(ctx, l) })
	return err
}

func (r killerRuntime) Start(ctx context.Context, slot string) (err error) {
	r.kill.around("Start", func() { err = r.Runtime.Start(ctx, slot) })
	return err
}

func (r killerRuntime) Collect(ctx context.Context, slot, dir string) (exit messages.Exit, err error) {
	r.kill.around("Collect", func() { exit, err = r.Runtime.Collect(ctx, slot, dir) })
	return exit, err
}

func (r killerRuntime) Remove(ctx context.Context, slot string) (err error) {
	r.kill.around("Remove", func() { err = r.Runtime.Remove(ctx, slot) })
	return err
}

type killerGitHub struct {
	supervisor.GitHub
	kill *killer
}

func (g killerGitHub) CreateComment(ctx context.Context, repo messages.Repo, number int, task messages.TaskID, kind messages.EffectKind, body string) (id int64, url string, err error) {
	g.kill.around("CreateComment "+string(kind), func() { id, url, err = g.GitHub.CreateComment(ctx, repo, number, task, kind, body) })
	return id, url, err
}

func (g killerGitHub) CreatePull(ctx context.Context, repo messages.Repo, branch, base, title, body string, draft bool) (number int, url string, err error) {
	g.kill.around("CreatePull", func() { number, url, err = g.GitHub.CreatePull(ctx, repo, branch, base, title, body, draft) })
	return number, url, err
}

type killerGit struct {
	supervisor.Git
	kill *killer
}

func (g killerGit) Push(ctx context.Context, t messages.Task, base messages.Base, bundle string) (p messages.Published, err error) {
	g.kill.around("Push", func() { p, err = g.Git.Push(ctx, t, base, bundle) })
	return p, err
}

// TestEveryArrowSurvivesAKill kills the service at each arrow of the one order, on each runtime. The next
// life finishes the work: the agent has run once, and everything visible is there once.
func TestEveryArrowSurvivesAKill(t *testing.T) {
	arrows := []string{
		"after Accept", "before Decide", "after Decide", "before Claim", "after Claim", "before Create", "after Create",
		"before Start", "after Start", "before AppendEvents", "after AppendEvents", "before Collect", "after Collect",
		"before Finish", "after Finish", "before Remove", "after Remove", "before Push", "after Push", "before CreatePull", "after CreatePull",
		"before EffectDone publish", "after EffectDone publish", "before CreateComment final", "after CreateComment final",
		"before EffectDone final", "after EffectDone final",
		"before CreateComment progress", "after CreateComment progress", "after EffectDone reaction",
	}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	for _, runtime := range runtimes(t) {
		for _, arrow := range arrows {
			t.Run(runtime+" "+arrow, func(t *testing.T) {
				t.Parallel()
				// The agent counts its runs outside of its workspace's life: in what it says.
				s := newSite(t, runtime, "PROGRESS_AFTER=0s")
				s.start(self, killAtVariable+"="+arrow)
				number := s.github.OpenIssue(s.repo, s.person, "Login without an account", wish)
				if code := s.wait(); code != -1 {
					t.Fatalf("the service was not killed %s: exit code %d\n%s", arrow, code, s.log)
				}
				s.start(self, killAtVariable+"="+arrow)
				if arrow == "after Accept" { // killed before it answered: GitHub shows a failure, and somebody redelivers
					if err := s.github.Redeliver(s.delivery("issues")); err != nil {
						t.Fatal(err)
					}
				}
				s.until(number, "the answer", answered(1))
				why := s.settled(s.delivery("issues"))
				s.once(number)
				if len(why.Attempts) != 1 || why.Attempts[0].Ending != messages.EndSucceeded {
					t.Errorf("attempts: %+v", why.Attempts)
				}
				s.noGaps(why)
			})
		}
	}
}

// noGaps checks that the agent's events are stored without a gap or a repeat.
func (s *site) noGaps(why store.Why) {
	s.t.Helper()
	s.stop()
	r, err := store.OpenReader(context.Background(), filepath.Join(s.dir, "state"))
	if err != nil {
		s.t.Fatal(err)
	}
	defer r.Close()
	events, err := r.Events(context.Background(), why.Attempts[0].AttemptRef, 0, 10000)
	if err != nil || len(events) < 5 {
		s.t.Errorf("%d events, %v", len(events), err)
	}
	for i, e := range events {
		if e.Seq != int64(i+1) {
			s.t.Errorf("event %d has number %d", i+1, e.Seq)
		}
	}
}

// TestKillInTheMiddleOfARun kills the service while the agent works: the next life attaches to it.
func TestKillInTheMiddleOfARun(t *testing.T) {
	for _, runtime := range runtimes(t) {
		t.Run(runtime, func(t *testing.T) {
			t.Parallel()
			s := newSite(t, runtime, "PROGRESS_AFTER=0s", "AGENT=command",
				`AGENT_COMMAND=i=0; while [ $i -lt 40 ]; do echo "step $i"; i=$((i+1)); sleep 0.1; done; echo done >>login.sh`)
			s.start(binary)
			number := s.github.OpenIssue(s.repo, s.person, "Take your time", wish)
			for range 3 {
				s.eventsAbove(s.delivery("issues"))
				s.kill()
				s.start(binary)
			}
			s.until(number, "the answer", answered(1))
			why := s.settled(s.delivery("issues"))
			s.once(number)
			if len(why.Attempts) != 1 {
				t.Errorf("%d attempts", len(why.Attempts))
			}
			s.noGaps(why)
		})
	}
}

// eventsAbove waits until more of the agent's events are stored than when the service was started.
func (s *site) eventsAbove(delivery string) {
	s.t.Helper()
	admin := newAdminClient(filepath.Join(s.dir, "state"), "", "", "")
	first := int64(-1)
	for range 3000 {
		var told struct {
			Attempts []messages.Attempt `json:"attempts"`
		}
		err := admin.Call(s.t.Context(), http.MethodGet, "/why/"+delivery, nil, &told)
		if err == nil && len(told.Attempts) == 1 {
			seq := told.Attempts[0].LastSeq
			if first < 0 {
				first = seq
			}
			if seq > first+2 {
				return
			}
		}
		<-time.After(10 * time.Millisecond)
	}
	s.t.Fatalf("no new events were stored\n%s", s.log)
}
