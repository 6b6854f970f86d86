package actors_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"devs-webhook/actors"
	"devs-webhook/messages"
)

// cellar is a janitor with its neighbours.
type cellar struct {
	t     *testing.T
	store *storeWith
	dir   string
	sweep func(keep func(messages.AttemptRef) bool) (int, error)
	log   logbook
}

func newCellar(t *testing.T) *cellar {
	t.Helper()
	return &cellar{t: t, store: &storeWith{Store: openStore(t)}, dir: t.TempDir()}
}

func (c *cellar) Sweep(_ context.Context, keep func(messages.AttemptRef) bool) (int, error) {
	if c.sweep == nil {
		return 0, nil
	}
	return c.sweep(keep)
}

func (c *cellar) janitor() *actors.Janitor {
	return actors.NewJanitor(actors.JanitorParts{
		Store: c.store, Runtime: c, StateDir: c.dir, Every: time.Hour, KeepOut: 24 * time.Hour, Fatal: fatal, Log: c.log.logger(),
	})
}

// output makes the directory of an attempt that was last touched so long ago.
func (c *cellar) output(name string, age time.Duration) {
	c.t.Helper()
	path := filepath.Join(c.dir, "attempts", name)
	if err := os.MkdirAll(filepath.Join(path, "out"), 0o700); err != nil {
		c.t.Fatal(err)
	}
	when := time.Now().Add(-age)
	if err := os.Chtimes(path, when, when); err != nil {
		c.t.Fatal(err)
	}
}

// outputs are the directories that are there.
func (c *cellar) outputs() (names []string) {
	c.t.Helper()
	entries, err := os.ReadDir(filepath.Join(c.dir, "attempts"))
	if err != nil {
		c.t.Fatal(err)
	}
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return names
}

// claimed makes a task with an open attempt.
func (c *cellar) claimed(key string, issue int) messages.AttemptRef {
	c.t.Helper()
	id := newTask(c.t, c.store.Store, request(key, issue))
	a, _, err := c.store.Store.Claim(c.t.Context(), id, "slot of "+key, "docker")
	if err != nil {
		c.t.Fatal(err)
	}
	return a.AttemptRef
}

// finished ends an attempt; reported performs all its effects.
func (c *cellar) finished(a messages.AttemptRef, reported bool) messages.AttemptRef {
	c.t.Helper()
	o := messages.Outcome{Attempt: a, Ending: messages.EndSucceeded, Bundle: "work.bundle"}
	if err := c.store.Store.Finish(c.t.Context(), o); err != nil {
		c.t.Fatal(err)
	}
	for _, e := range view(c.t, c.store.Store, a.Task).Effects {
		if !reported {
			break
		}
		if err := c.store.EffectDone(c.t.Context(), e.ID, e); err != nil {
			c.t.Fatal(err)
		}
	}
	return a
}

const old = 48 * time.Hour

// TestOutputsThatAreNeededStay: of an open attempt, of one whose work is not published yet, of a recent one,
// and whatever is not ours.
func TestOutputsThatAreNeededStay(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c := newCellar(t)
		open := c.claimed("open", 1).String()
		pending := c.finished(c.claimed("pending", 2), false).String()
		recent := c.finished(c.claimed("recent", 3), true).String()
		done := c.finished(c.claimed("done", 4), true).String()
		want := []string{
			open, pending, recent,
			"aaaaaaaaaaaa", "aaaaaaaaaaaa-", "aaaaaaaaaaaa-0", "aaaaaaaaaaaa--1", "aaaaaaaaaaaa-+1", "aaaaaaaaaaaa-01",
			"aaaaaaaaaaaa-1-2", "aaaaaaaaaaaa-1.new", "-1",
		}
		for _, name := range append(want, done, "forgotten111-2") {
			age := old
			if name == recent {
				age = 23 * time.Hour
			}
			c.output(name, age)
		}
		r := serve(t, c.janitor())
		synctest.Wait()
		slices.Sort(want)
		if got := c.outputs(); !slices.Equal(got, want) {
			t.Errorf("left are %q", got)
		}
		time.Sleep(2 * time.Hour) // two rounds later the recent one is old
		synctest.Wait()
		if slices.Contains(c.outputs(), recent) {
			t.Error("the recent one is still there")
		}
		r.silent()
	})
}

// TestAttemptThatIsClaimedMeanwhileIsKept: its directory is there when the list of open ones is read.
func TestAttemptThatIsClaimedMeanwhileIsKept(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c := newCellar(t)
		a := c.claimed("k", 1)
		c.output(a.String(), old) // as if a clock had been set
		lists := 0
		c.store.attempts = func(list []messages.Attempt) ([]messages.Attempt, error) {
			lists++
			if _, err := os.Stat(filepath.Join(c.dir, "attempts", a.String())); err != nil {
				t.Errorf("it was removed before list %d", lists)
			}
			return list, nil
		}
		serve(t, c.janitor())
		synctest.Wait()
		if got := c.outputs(); lists == 0 || len(got) != 1 {
			t.Errorf("left are %q after %d lists", got, lists)
		}
	})
}

// TestSweepKeepsWhatIsOpen, asks again about what is not on its list, and keeps what it cannot ask about.
func TestSweepKeepsWhatIsOpen(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c := newCellar(t)
		open, ended := c.claimed("open", 1), c.finished(c.claimed("ended", 2), true)
		swept := false
		c.sweep = func(keep func(messages.AttemptRef) bool) (int, error) {
			swept = true
			fresh := c.claimed("fresh", 3) // after the list was made
			if !keep(open) || !keep(fresh) || keep(ended) || keep(messages.AttemptRef{Task: open.Task, Number: 2}) || keep(messages.AttemptRef{}) {
				t.Errorf("kept: %v %v %v", keep(open), keep(fresh), keep(ended))
			}
			c.store.attempts = func([]messages.Attempt) ([]messages.Attempt, error) { return nil, errors.New("disk error") }
			if !keep(ended) {
				t.Error("what it cannot ask about is removed")
			}
			c.store.attempts = nil
			return 1, nil
		}
		serve(t, c.janitor())
		synctest.Wait()
		if !swept {
			t.Error("the runtime was not swept")
		}
	})
}

// TestTidyingGoesOnAfterErrors: each fault is told, and keeps neither the rest of the round nor the next one.
func TestTidyingGoesOnAfterErrors(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c := newCellar(t)
		bad := c.finished(c.claimed("bad", 1), true)
		c.output(bad.String(), old)
		c.output("0000before11-1", old)
		c.output("zzzzbehind11-1", old)
		rounds := 0
		var mended atomic.Bool
		c.store.forget = func() error { rounds++; return errors.New("no room to write") }
		c.sweep = func(func(messages.AttemptRef) bool) (int, error) { return 0, errors.New("no engine") }
		c.store.pending = func(id messages.TaskID) error {
			if id == bad.Task && !mended.Load() {
				return errors.New("cannot be read")
			}
			return nil
		}
		r := serve(t, c.janitor())
		synctest.Wait()
		if got := c.outputs(); !slices.Equal(got, []string{bad.String()}) {
			t.Errorf("left are %q", got)
		}
		for _, said := range []string{"no room to write", "no engine", "remove the output of " + bad.String() + ": cannot be read"} {
			if !strings.Contains(c.log.String(), said) {
				t.Errorf("it was not told: %s", said)
			}
		}
		mended.Store(true)
		time.Sleep(time.Hour)
		synctest.Wait()
		if got := c.outputs(); len(got) > 0 || rounds != 2 {
			t.Errorf("left are %q after %d rounds", got, rounds)
		}
		r.silent()
	})
}

// TestFatalErrorEndsTheJanitor, though tidying is never urgent.
func TestFatalErrorEndsTheJanitor(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c := newCellar(t)
		c.store.forget = func() error { return fmt.Errorf("forget: %w", errBroken) }
		if err := c.janitor().Serve(t.Context()); !errors.Is(err, errBroken) {
			t.Errorf("it ended with %v", err)
		}
	})
}
