package session_test

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"
	"time"

	"go.uber.org/goleak"

	"devs-webhook/internal/session"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const (
	first  = "11111111-2222-4333-8444-555555555555"
	second = "99999999-2222-4333-8444-555555555555"
)

func write(t *testing.T, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "session.tar")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// take gives the thread's session and its content.
func take(t *testing.T, s *session.Sessions, thread string) (id, text string) {
	t.Helper()
	to := filepath.Join(t.TempDir(), "session.tar")
	id, err := s.Take(thread, to)
	if err != nil {
		t.Fatal(err)
	}
	content, err := os.ReadFile(to)
	if id != "" && err != nil {
		t.Fatal(err)
	}
	return id, string(content)
}

func TestThreadGoesOnWithItsNewestSession(t *testing.T) {
	s := session.New(filepath.Join(t.TempDir(), "sessions"))
	if id, _ := take(t, s, "1#1"); id != "" {
		t.Errorf("a session from nowhere: %s", id)
	}
	for _, one := range []struct{ thread, id, text string }{{"1#1", first, "old"}, {"1#2", first, "other"}, {"1#1", second, "new"}, {"1#1", second, "newer"}} {
		if err := s.Keep(one.thread, one.id, write(t, one.text)); err != nil {
			t.Fatal(err)
		}
	}
	if id, text := take(t, s, "1#1"); id != second || text != "newer" {
		t.Errorf("%s %q", id, text)
	}
	if id, text := take(t, s, "1#2"); id != first || text != "other" {
		t.Errorf("%s %q", id, text)
	}
	if err := s.Drop("1#1"); err != nil {
		t.Fatal(err)
	}
	if id, _ := take(t, s, "1#1"); id != "" {
		t.Errorf("dropped, and still there: %s", id)
	}
}

func TestHostileArchivesAreRefused(t *testing.T) {
	s := session.New(t.TempDir())
	link := filepath.Join(t.TempDir(), "session.tar")
	if err := os.Symlink("/etc/passwd", link); err != nil {
		t.Fatal(err)
	}
	for name, err := range map[string]error{
		"link":      s.Keep("1#1", first, link),
		"directory": s.Keep("1#1", first, t.TempDir()),
		"large":     s.Keep("1#1", first, write(t, string(bytes.Repeat([]byte("x"), 20<<20+1)))),
		"no uuid":   s.Keep("1#1", "../../x", write(t, "x")),
	} {
		if err == nil {
			t.Errorf("%s: taken", name)
		}
	}
	if id, _ := take(t, s, "1#1"); id != "" {
		t.Errorf("something was kept: %s", id)
	}
}

// TestHalfWrittenSessionIsNone: a crash in the middle of Keep.
func TestHalfWrittenSessionIsNone(t *testing.T) {
	dir := t.TempDir()
	s := session.New(dir)
	if err := s.Keep("1#1", first, write(t, "whole")); err != nil {
		t.Fatal(err)
	}
	places, err := os.ReadDir(dir)
	if err != nil || len(places) != 1 {
		t.Fatal(places, err)
	}
	if err := os.WriteFile(filepath.Join(dir, places[0].Name(), second+".new"), []byte("ha"), 0o600); err != nil {
		t.Fatal(err)
	}
	if id, text := take(t, s, "1#1"); id != first || text != "whole" {
		t.Errorf("%s %q", id, text)
	}
}

func TestOldSessionsAreForgotten(t *testing.T) {
	s := session.New(t.TempDir())
	if err := s.Keep("1#1", first, write(t, "x")); err != nil {
		t.Fatal(err)
	}
	if n, err := s.Sweep(time.Now().Add(-time.Hour)); n != 0 || err != nil {
		t.Errorf("%d %v", n, err)
	}
	if n, err := s.Sweep(time.Now().Add(time.Hour)); n != 1 || err != nil {
		t.Errorf("%d %v", n, err)
	}
	if id, _ := take(t, s, "1#1"); id != "" {
		t.Errorf("still there: %s", id)
	}
}
