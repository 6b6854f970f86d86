package git

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"
)

func TestSweep(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	if err := s.git.Sweep(t.Context(), time.Now()); err != nil {
		t.Errorf("of a directory that is not there: %v", err)
	}
	s.take(t, s.issue())
	now := time.Now()
	old := now.Add(-2 * time.Hour)
	for name, at := range map[string]time.Time{
		"making-old": old, "quarantine-old": old, "making-new": now, "quarantine-new": now, "43.git": old, "somebody's": old,
	} {
		path := filepath.Join(s.opts.Dir, name)
		write(t, filepath.Join(path, "objects", "pack", "x"), "x")
		// A directory's time is that of its own entries: what lies deeper does not move it.
		if err := errors.Join(os.Chmod(filepath.Join(path, "objects", "pack", "x"), 0o400), os.Chtimes(path, at, at)); err != nil {
			t.Fatal(err)
		}
	}
	if err := errors.Join(os.Chtimes(filepath.Join(s.opts.Dir, "42.git"), old, old), s.git.Sweep(t.Context(), now.Add(-time.Hour))); err != nil {
		t.Fatal(err)
	}
	want := []string{"42.git", "43.git", "making-new", "quarantine-new", "somebody's"}
	if got := names(t, s.opts.Dir); !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
}

// A link with such a name is removed, and not what it leads to.
func TestSweepFollowsNoLink(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.take(t, s.issue())
	kept := filepath.Join(t.TempDir(), "kept")
	write(t, filepath.Join(kept, "x"), "x")
	if err := os.Symlink(kept, filepath.Join(s.opts.Dir, "making-link")); err != nil {
		t.Fatal(err)
	}
	if err := s.git.Sweep(t.Context(), time.Now().Add(time.Hour)); err != nil || !exists(filepath.Join(kept, "x")) || exists(filepath.Join(s.opts.Dir, "making-link")) {
		t.Error(err)
	}
	s.take(t, s.issue())
}
