//go:build unix

package process

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"devs-webhook/messages"
)

// slotDir is the path of a slot's directory, as the package's comment draws it.
type slotDir string

func (d slotDir) path(name ...string) string {
	return filepath.Join(append([]string{string(d)}, name...)...)
}
func (d slotDir) run() string { return d.path("run") }

// marker is attempt.json.
type marker struct {
	Attempt messages.AttemptRef `json:"attempt"`
}

// attempt reads whose the directory is. fs.ErrNotExist if there is none; zero if nobody could tell.
func (d slotDir) attempt() (messages.AttemptRef, error) {
	text, err := os.ReadFile(d.path("attempt.json"))
	if errors.Is(err, fs.ErrNotExist) {
		if _, err := os.Lstat(string(d)); err != nil {
			return messages.AttemptRef{}, err
		}
		return messages.AttemptRef{}, nil
	}
	if err != nil {
		return messages.AttemptRef{}, fmt.Errorf("read attempt: %w", err)
	}
	var m marker
	if json.Unmarshal(text, &m) != nil {
		return messages.AttemptRef{}, nil
	}
	return m.Attempt, nil
}

func (d slotDir) state() (messages.FoundState, error) {
	child, err := d.child()
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return messages.FoundCreated, nil
	case err != nil:
		return "", err
	}
	alive, err := child.alive()
	if err != nil {
		return "", err
	}
	if alive {
		return messages.FoundRunning, nil
	}
	return messages.FoundExited, nil
}

// child reads who runs here, or did. fs.ErrNotExist if nobody was started, or will be.
func (d slotDir) child() (identity, error) {
	text, err := os.ReadFile(d.path("pid"))
	if err != nil {
		return identity{}, fmt.Errorf("read pid file: %w", err)
	}
	if len(text) == 0 {
		return identity{}, fmt.Errorf("read pid file: %w", fs.ErrNotExist) // closed
	}
	pid, start, _ := strings.Cut(strings.TrimSpace(string(text)), "\n")
	number, err := strconv.Atoi(pid)
	if err != nil || number <= 1 {
		return identity{}, fmt.Errorf("read pid file: %q is no process number", pid)
	}
	return identity{pid: number, start: startTime(start)}, nil
}

// closeStart makes sure that no child that has not noted down yet who it is will begin, by an empty pid
// file.
func (d slotDir) closeStart() error {
	f, err := os.OpenFile(d.path("pid"), os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if errors.Is(err, fs.ErrExist) || errors.Is(err, fs.ErrNotExist) {
		return nil // one is known, or the directory is gone
	}
	if err != nil {
		return fmt.Errorf("close pid file: %w", err)
	}
	return f.Close()
}

// exitCode reads the runner's exit code. fs.ErrNotExist if it left none.
func (d slotDir) exitCode() (int, os.FileInfo, error) {
	text, err := os.ReadFile(d.path("exit"))
	if err != nil {
		return 0, nil, err
	}
	code, err := strconv.Atoi(strings.TrimSpace(string(text)))
	if err != nil {
		return 0, nil, fmt.Errorf("read exit code: %w", err)
	}
	info, err := os.Stat(d.path("exit"))
	return code, info, err
}
