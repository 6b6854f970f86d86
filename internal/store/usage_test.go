package store

import (
	"context"
	"database/sql"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/rs/zerolog"

	"devs-webhook/messages"
)

// hash is the form of a token's hash, told apart by one letter.
func hash(letter string) string { return strings.Repeat(letter, 64) }

// byToken is the open attempt that a token belongs to, or a zero one.
func byToken(t *testing.T, s *Store, hash string) messages.AttemptRef {
	t.Helper()
	a, found, err := s.AttemptByToken(t.Context(), hash)
	must(t, err)
	equal(t, "found", found, a.AttemptRef != messages.AttemptRef{})
	return a.AttemptRef
}

// A token belongs to one open attempt, outlives a restart, and dies with the attempt.
func TestToken(t *testing.T) {
	dir := t.TempDir()
	s := openedIn(t, dir)
	first := claimed(t, s, queued(t, s, 1), "a")
	second := claimed(t, s, queued(t, s, 2), "b")
	none := messages.AttemptRef{}
	equal(t, "attempt without a token", byToken(t, s, ""), none)
	must(t, s.SetToken(t.Context(), first, hash("1")))
	must(t, s.SetToken(t.Context(), second, hash("2")))
	if err := s.SetToken(t.Context(), second, hash("1")); err == nil {
		t.Error("two open attempts have one token")
	}
	must(t, s.Close())
	s = openedIn(t, dir)
	equal(t, "first", byToken(t, s, hash("1")), first)
	equal(t, "second", byToken(t, s, hash("2")), second)
	equal(t, "nobody's", byToken(t, s, hash("3")), none)

	must(t, s.SetToken(t.Context(), first, hash("4"))) // its container is made again
	equal(t, "replaced", byToken(t, s, hash("1")), none)
	equal(t, "in its place", byToken(t, s, hash("4")), first)
	must(t, s.SetToken(t.Context(), second, ""))
	equal(t, "taken away", byToken(t, s, hash("2")), none)
	equal(t, "attempt without a token", byToken(t, s, ""), none)

	must(t, s.Finish(t.Context(), ended(first, messages.EndSucceeded)))
	equal(t, "after its end", byToken(t, s, hash("4")), none)
	var kept int
	must(t, s.db.QueryRow("SELECT count(*) FROM attempts WHERE token_hash = ?", hash("4")).Scan(&kept))
	equal(t, "hashes kept after the end", kept, 0)
	if err := s.SetToken(t.Context(), first, hash("5")); !errors.Is(err, messages.ErrNotOpen) {
		t.Errorf("token for an attempt that has ended: %v", err)
	}
	must(t, s.SetToken(t.Context(), second, hash("4"))) // nobody has it any more
	equal(t, "of another", byToken(t, s, hash("4")), second)
}

// Usage adds up, per attempt, also after its end, and is read wherever attempts are.
func TestUsage(t *testing.T) {
	s := opened(t)
	id := queued(t, s, 1)
	ref := claimed(t, s, id, "a")
	other := claimed(t, s, queued(t, s, 2), "b")
	one := messages.Usage{Requests: 1, Input: 10, Output: 20, CacheRead: 30, CacheWrite: 40, CostUSD: 0.5}
	must(t, s.SetToken(t.Context(), ref, hash("1")))
	for range 2 {
		must(t, s.AddUsage(t.Context(), ref, one))
	}
	want := messages.Usage{Requests: 2, Input: 20, Output: 40, CacheRead: 60, CacheWrite: 80, CostUSD: 1}
	current, _, _, err := s.Current(t.Context(), "a")
	must(t, err)
	equal(t, "usage of the slot's attempt", current.Usage, want)
	by, _, err := s.AttemptByToken(t.Context(), hash("1"))
	must(t, err)
	equal(t, "usage by token", by.Usage, want)
	open := value(s.OpenAttempts(t.Context()))(t)
	equal(t, "usage of an open attempt", open[0].Usage, want)
	equal(t, "usage of the other", open[1].Usage, messages.Usage{})
	must(t, s.Finish(t.Context(), ended(ref, messages.EndSucceeded)))
	must(t, s.AddUsage(t.Context(), ref, one))
	want = messages.Usage{Requests: 3, Input: 30, Output: 60, CacheRead: 90, CacheWrite: 120, CostUSD: 1.5}
	equal(t, "usage in the view", viewed(t, s, id).Attempts[0].Usage, want)
	equal(t, "usage in why", value(s.Why(t.Context(), "delivery-key-1"))(t).Attempts[0].Usage, want)
	other.Number = 9
	if err := s.AddUsage(t.Context(), other, one); !errors.Is(err, ErrUnknownTask) {
		t.Errorf("usage of an attempt that is not there: %v", err)
	}
}

// A file of version 1, with an attempt that runs, is brought up to date, after a copy.
func TestMigrationFromVersion1(t *testing.T) {
	dir := t.TempDir()
	ctx := context.Background()
	old := value(open(ctx, dir, Options{Log: zerolog.Nop()}, steps()[:1]))(t)
	id := queued(t, old, 1)
	must(t, old.Close())
	path := filepath.Join(dir, dataFile)
	must(t, execute(path, "UPDATE tasks SET state = 'running', attempt = 1"))
	must(t, execute(path, `INSERT INTO attempts (task, number, slot, runtime, started_at, last_seq) VALUES ('`+string(id)+`', 1, 'a', 'docker', 1, 7)`))
	if _, err := OpenReader(ctx, dir); !errors.Is(err, ErrTooOld) {
		t.Errorf("reader of version 1: %v", err)
	}
	s := openedIn(t, dir)
	a, _, found, err := s.Current(ctx, "a")
	must(t, err)
	equal(t, "attempt found", found, true)
	equal(t, "last event", a.LastSeq, 7)
	equal(t, "usage", a.Usage, messages.Usage{})
	must(t, s.SetToken(ctx, a.AttemptRef, hash("1")))
	equal(t, "by token", byToken(t, s, hash("1")), a.AttemptRef)
	must(t, s.AddUsage(ctx, a.AttemptRef, messages.Usage{Requests: 1, CostUSD: 0.25}))
	must(t, s.Close())
	_, err = os.Stat(path + ".v1.bak")
	must(t, err)
	copied := value(sql.Open("sqlite", path+".v1.bak"))(t)
	defer copied.Close()
	var version int
	must(t, copied.QueryRow("PRAGMA user_version").Scan(&version))
	equal(t, "version of the copy", version, 1)
	equal(t, "usage after another start", viewed(t, openedIn(t, dir), id).Attempts[0].Usage.CostUSD, 0.25)
}
