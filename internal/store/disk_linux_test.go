package store

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/rs/zerolog"
)

// A file system that really runs full: writes are refused with ErrFull, the store stays open and whole, and
// goes on as soon as there is room. Needs the right to mount a tmpfs.
func TestDiskRunsFull(t *testing.T) {
	dir := t.TempDir()
	if err := syscall.Mount("store-test", dir, "tmpfs", 0, "size=4m"); err != nil {
		t.Skipf("cannot mount a small file system: %v", err)
	}
	defer func() { must(t, syscall.Unmount(dir, 0)) }()
	ballast := filepath.Join(dir, "ballast")
	must(t, os.WriteFile(ballast, make([]byte, 2<<20), 0o600))
	s, err := Open(t.Context(), filepath.Join(dir, "state"), Options{Log: zerolog.Nop()})
	must(t, err)
	acked := 0
	for ; err == nil; acked++ {
		d := delivery(fmt.Sprint("d", acked))
		d.Body = make([]byte, 20000)
		_, err = s.Accept(t.Context(), d)
	}
	acked--
	if !errors.Is(err, ErrFull) || acked < 5 {
		t.Errorf("after %d deliveries: %v", acked, err)
	}
	var bad error
	for range 50 { // the rest of the room goes, and it is still the same answer
		if bad = s.Healthy(t.Context()); bad != nil {
			break
		}
	}
	if bad != nil && !errors.Is(bad, ErrFull) {
		t.Errorf("healthy: %v", bad)
	}
	equal(t, "undecided while full", len(value(s.Undecided(t.Context(), 1000))(t)), acked)
	must(t, os.Remove(ballast))
	must(t, s.Healthy(t.Context()))
	_, err = s.Accept(t.Context(), delivery("after"))
	must(t, err)
	must(t, s.Close())
	s, err = Open(t.Context(), filepath.Join(dir, "state"), Options{Log: zerolog.Nop()})
	must(t, err)
	equal(t, "undecided afterwards", len(value(s.Undecided(t.Context(), 1000))(t)), acked+1)
	must(t, s.Close())
}
