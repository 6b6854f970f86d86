package store

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rs/zerolog"
	"modernc.org/sqlite"

	"devs-webhook/messages"
)

// hold keeps the writer busy until the returned function is called, so that what is written meanwhile becomes
// one batch.
func hold(t *testing.T, s *Store) (release func()) {
	t.Helper()
	held, free := make(chan struct{}), make(chan struct{})
	var wg sync.WaitGroup
	wg.Go(func() {
		err := do1(context.Background(), s.writer, "hold", func(*tx) error {
			close(held)
			<-free
			return nil
		})
		if err != nil {
			t.Error(err)
		}
	})
	<-held
	return func() {
		close(free)
		wg.Wait()
	}
}

func put(key string) func(*tx) error {
	return func(t *tx) error { return t.set(key, "x") }
}

// A write that fails, breaks a rule of the schema or panics takes nobody along, and leaves no half of itself.
func TestOneFailureAmongMany(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, err := Open(t.Context(), t.TempDir(), Options{})
		must(t, err)
		defer s.Close()
		wrong := errors.New("wrong")
		writes := map[string]func(*tx) error{
			"good": put("good"), "better": put("better"), "best": put("best"),
			"fails":  func(t *tx) error { return errors.Join(t.set("half", "x"), wrong) },
			"panics": func(t *tx) error { _ = t.set("half", "x"); panic("boom") },
			"breaks": func(t *tx) error {
				_ = t.set("half", "x")
				_, err := t.exec("INSERT INTO tasks (id, thread, repo_id, test, branch, state, queued_at) VALUES ('a', 1, 1, 0, '', 'asleep', 0)")
				return err
			},
		}
		release := hold(t, s)
		results := make(map[string]error)
		var mu sync.Mutex
		var wg sync.WaitGroup
		for name, fn := range writes {
			wg.Go(func() {
				err := do1(context.Background(), s.writer, name, fn)
				mu.Lock()
				defer mu.Unlock()
				results[name] = err
			})
		}
		synctest.Wait() // all are queued
		equal(t, "queued", len(s.writer.queue), len(writes))
		release()
		wg.Wait()
		for name := range writes {
			good := strings.HasPrefix(name, "good") || strings.HasPrefix(name, "be")
			equal(t, name+" succeeded", results[name] == nil, good)
			if got := value(s.Setting(t.Context(), name))(t); (got == "x") != good {
				t.Errorf("%s is %q", name, got)
			}
		}
		if !errors.Is(results["fails"], wrong) || !strings.Contains(fmt.Sprint(results["panics"]), "boom") {
			t.Errorf("errors: %v", results)
		}
		equal(t, "half", value(s.Setting(t.Context(), "half"))(t), "")
	})
}

// A write whose caller has gone while it waited is not run.
func TestCancelledWhileQueued(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, err := Open(t.Context(), t.TempDir(), Options{})
		must(t, err)
		defer s.Close()
		release := hold(t, s)
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		err = do1(ctx, s.writer, "wait", put("late"))
		if !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("waiting: %v", err)
		}
		if err := do1(ctx, s.writer, "begin", put("late")); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("after the end: %v", err)
		}
		release()
		must(t, s.Healthy(t.Context())) // the queue is empty now
		equal(t, "setting", value(s.Setting(t.Context(), "late"))(t), "")
		if _, err := s.Undecided(ctx, 1); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("reading: %v", err)
		}
	})
}

// Close commits what is queued; what comes later is refused, by everything.
func TestClose(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dir := t.TempDir()
		s, err := Open(t.Context(), dir, Options{})
		must(t, err)
		release := hold(t, s)
		var wg sync.WaitGroup
		for i := range 10 {
			wg.Go(func() {
				if err := do1(context.Background(), s.writer, "write", put(fmt.Sprint(i))); err != nil {
					t.Errorf("write %d: %v", i, err)
				}
			})
		}
		synctest.Wait()
		wg.Go(func() {
			if err := s.Close(); err != nil {
				t.Error(err)
			}
		})
		synctest.Wait()
		if err := s.SetSetting(t.Context(), "late", "x"); !errors.Is(err, ErrClosed) {
			t.Errorf("while closing: %v", err)
		}
		release()
		wg.Wait()
		must(t, s.Close())
		refusedAfterClose(t, s)
		equal(t, "log is empty", unclean(dir+"/"+dataFile), false)
		s = openedIn(t, dir)
		for i := range 10 {
			equal(t, "setting", value(s.Setting(t.Context(), fmt.Sprint(i)))(t), "x")
		}
	})
}

func refusedAfterClose(t *testing.T, s *Store) {
	t.Helper()
	ctx := t.Context()
	for name, err := range map[string]error{
		"healthy":   s.Healthy(ctx),
		"accept":    func() error { _, err := s.Accept(ctx, delivery("x")); return err }(),
		"undecided": func() error { _, err := s.Undecided(ctx, 1); return err }(),
		"counts":    func() error { _, err := s.Counts(ctx); return err }(),
		"finish":    s.Finish(ctx, messages.Outcome{}),
		"forget":    func() error { _, err := s.Forget(ctx, time.Now(), Keep{}); return err }(),
	} {
		if !errors.Is(err, ErrClosed) {
			t.Errorf("%s after close: %v", name, err)
		}
	}
}

// pages sets the most pages that the file may have: a full disk for SQLite.
func pages(t *testing.T, s *Store, n int) {
	t.Helper()
	must(t, do1(context.Background(), s.writer, "set quota", func(t *tx) error {
		_, err := t.w.conn.ExecContext(context.Background(), fmt.Sprint("PRAGMA max_page_count = ", n))
		return err
	}))
}

// On a full disk a write is refused with ErrFull, what was there stays, small writes that still fit go
// through beside large ones, and with room everything works again.
func TestFullDisk(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, err := Open(t.Context(), t.TempDir(), Options{Log: zerolog.Nop()})
		must(t, err)
		defer s.Close()
		queued(t, s, 1)
		var count int
		must(t, s.db.QueryRow("PRAGMA page_count").Scan(&count))
		pages(t, s, count+2)
		large := delivery("large")
		large.Body = make([]byte, 1<<20)
		if _, err := s.Accept(t.Context(), large); !errors.Is(err, ErrFull) {
			t.Errorf("alone: %v", err)
		}
		release := hold(t, s)
		results := make([]error, 6)
		var wg sync.WaitGroup
		for i := range results {
			wg.Go(func() {
				if i%2 == 0 {
					results[i] = s.SetSetting(context.Background(), fmt.Sprint(i), "small")
					return
				}
				d := large
				d.ID = fmt.Sprint("large-", i)
				_, results[i] = s.Accept(context.Background(), d)
			})
		}
		synctest.Wait()
		release()
		wg.Wait()
		for i, err := range results {
			if i%2 == 0 && err != nil || i%2 == 1 && !errors.Is(err, ErrFull) {
				t.Errorf("write %d: %v", i, err)
			}
		}
		equal(t, "undecided", len(value(s.Undecided(t.Context(), 9))(t)), 0)
		pages(t, s, 1<<30)
		_, err = s.Accept(t.Context(), large)
		must(t, err)
		must(t, s.Healthy(t.Context()))
		equal(t, "body", len(value(s.Undecided(t.Context(), 9))(t)[0].Body), 1<<20)
		equal(t, "tasks", len(value(s.Tasks(t.Context(), Filter{}))(t)), 1)
	})
}

// Another program that holds the file's write lock makes the store busy, and nothing else.
func TestBusy(t *testing.T) {
	dir := t.TempDir()
	s := openedIn(t, dir)
	must(t, do1(t.Context(), s.writer, "be impatient", func(t *tx) error {
		_, err := t.w.conn.ExecContext(context.Background(), "PRAGMA busy_timeout = 1")
		return err
	}))
	other := value(handle(dir+"/"+dataFile, nil))(t)
	defer other.Close()
	conn := value(other.Conn(t.Context()))(t)
	defer conn.Close()
	_, err := conn.ExecContext(t.Context(), "BEGIN IMMEDIATE")
	must(t, err)
	if err := s.Healthy(t.Context()); !errors.Is(err, ErrBusy) {
		t.Errorf("while locked: %v", err)
	}
	_, err = s.Counts(t.Context()) // reading goes on
	must(t, err)
	_, err = conn.ExecContext(t.Context(), "ROLLBACK")
	must(t, err)
	must(t, s.Healthy(t.Context()))
}

func TestClassify(t *testing.T) {
	for code, want := range map[int]error{
		5: ErrBusy, 6: ErrBusy, 517: ErrBusy, 13: ErrFull, 11: ErrCorrupt, 26: ErrCorrupt, 267: ErrCorrupt,
		8: ErrReadOnly, 14: ErrReadOnly, 10: ErrIO, 1034: ErrIO, 19: nil, 2067: nil, 1: nil,
	} {
		if got := kindOfCode(code); got != want {
			t.Errorf("%s is %v, not %v", sqlite.ErrorCodeString[code], got, want)
		}
	}
}
