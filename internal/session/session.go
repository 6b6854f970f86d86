// Package session keeps the sessions of agents, one per thread, so that a thread's next task goes on with
// what the agent knew. A session is an archive that a container made: it is kept as it came, never opened
// here, and given back only to another container.
//
// It is used by container actors, of which one at most works for a thread. A crash leaves the older or the
// newer session, whole.
package session

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"time"
)

// maxSize is the size of the largest session that is kept.
const maxSize = 20 << 20

// Sessions keeps sessions below a directory of the service's own.
type Sessions struct{ dir string }

// New makes a keeper of sessions. It touches nothing yet.
func New(dir string) *Sessions { return &Sessions{dir: dir} }

// place is the directory of a thread's session. Its name is a digest, because a thread's key is no file
// name.
func (s *Sessions) place(thread string) string {
	sum := sha256.Sum256([]byte(thread))
	return filepath.Join(s.dir, hex.EncodeToString(sum[:16]))
}

// id is what agents call a session: a UUID.
var id = regexp.MustCompile(`^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$`)

const ending = ".tar"

// Keep keeps the archive as the thread's session, in place of an older one.
func (s *Sessions) Keep(thread, session, archive string) error {
	if !id.MatchString(session) {
		return fmt.Errorf("keep session: %q is no UUID", session)
	}
	dir := s.place(thread)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return fmt.Errorf("keep session: %w", err)
	}
	next := filepath.Join(dir, session+".new")
	if err := copyFile(archive, next); err != nil {
		return fmt.Errorf("keep session: %w", err)
	}
	if err := os.Rename(next, filepath.Join(dir, session+ending)); err != nil {
		return fmt.Errorf("keep session: %w", err)
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		return fmt.Errorf("keep session: %w", err)
	}
	for _, e := range entries {
		if e.Name() != session+ending {
			err = errors.Join(err, os.Remove(filepath.Join(dir, e.Name())))
		}
	}
	return err
}

// Take copies the thread's session to path and gives its id; an empty id means that there is none.
func (s *Sessions) Take(thread, path string) (session string, err error) {
	entries, err := os.ReadDir(s.place(thread))
	if errors.Is(err, fs.ErrNotExist) {
		return "", nil
	}
	if err != nil {
		return "", fmt.Errorf("take session: %w", err)
	}
	var newest time.Time
	for _, e := range entries {
		name, whole := strings.CutSuffix(e.Name(), ending)
		info, err := e.Info()
		if whole && id.MatchString(name) && err == nil && info.ModTime().After(newest) {
			session, newest = name, info.ModTime()
		}
	}
	if session == "" {
		return "", nil
	}
	if err := copyFile(filepath.Join(s.place(thread), session+ending), path); err != nil {
		return "", fmt.Errorf("take session: %w", err)
	}
	return session, nil
}

// Drop forgets the thread's session.
func (s *Sessions) Drop(thread string) error {
	if err := os.RemoveAll(s.place(thread)); err != nil {
		return fmt.Errorf("drop session: %w", err)
	}
	return nil
}

// Sweep forgets sessions that nobody has gone on with since before, and says how many.
func (s *Sessions) Sweep(before time.Time) (removed int, err error) {
	entries, err := os.ReadDir(s.dir)
	if errors.Is(err, fs.ErrNotExist) {
		return 0, nil
	}
	if err != nil {
		return 0, fmt.Errorf("list sessions: %w", err)
	}
	for _, e := range entries {
		info, err := e.Info()
		if err != nil || info.ModTime().After(before) {
			continue
		}
		if err := os.RemoveAll(filepath.Join(s.dir, e.Name())); err != nil {
			return removed, fmt.Errorf("forget a session: %w", err)
		}
		removed++
	}
	return removed, nil
}

// copyFile copies a regular file of bounded size durably, following no link.
func copyFile(from, to string) error {
	in, err := os.OpenFile(from, os.O_RDONLY|syscall.O_NOFOLLOW|syscall.O_NONBLOCK, 0)
	if err != nil {
		return err
	}
	defer in.Close()
	info, err := in.Stat()
	if err != nil {
		return err
	}
	if !info.Mode().IsRegular() || info.Size() > maxSize {
		return fmt.Errorf("the archive is no file of at most %d MiB", maxSize>>20)
	}
	out, err := os.OpenFile(to, os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	_, err = io.Copy(out, io.LimitReader(in, maxSize))
	return errors.Join(err, out.Sync(), out.Close())
}
