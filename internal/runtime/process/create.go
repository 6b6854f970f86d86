//go:build unix

package process

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"

	"devs-webhook/internal/runtime"
	"devs-webhook/messages"
)

// creating is the prefix of a directory that is not whole yet, and removing of one that is not wanted any
// more. No slot's name begins with a dot.
const (
	creating = ".creating-"
	removing = ".removing-"
)

// Create makes the slot's directory with its input inside, not started. It is made under another name
// and renamed at the end, so a crash in between leaves nothing that Find would see.
// messages.ErrNameTaken if the slot has one.
func (r *Runtime) Create(ctx context.Context, l messages.Launch) error {
	target, err := r.dir(l.Slot)
	if err != nil {
		return fmt.Errorf("create: %w", err)
	}
	if _, err := os.Lstat(string(target)); err == nil {
		return fmt.Errorf("create %s: %w", l.Slot, messages.ErrNameTaken)
	}
	r.drafting.Lock()
	defer r.drafting.Unlock()
	draft := slotDir(filepath.Join(r.opts.Dir, creating+l.Slot))
	if err := removeTree(string(draft)); err != nil {
		return fmt.Errorf("create %s: %w", l.Slot, err)
	}
	if err := draft.fill(ctx, l); err != nil {
		return errors.Join(fmt.Errorf("create %s: %w", l.Slot, err), removeTree(string(draft)))
	}
	// Renaming onto a directory with something in it is refused: the name is the mutex.
	err = os.Rename(string(draft), string(target))
	if errors.Is(err, fs.ErrExist) || errors.Is(err, syscall.ENOTEMPTY) {
		return errors.Join(fmt.Errorf("create %s: %w", l.Slot, messages.ErrNameTaken), removeTree(string(draft)))
	}
	if err != nil {
		return fmt.Errorf("create %s: %w", l.Slot, err)
	}
	return runtime.SyncDir(r.opts.Dir)
}

func (d slotDir) fill(ctx context.Context, l messages.Launch) error {
	for _, name := range []string{runtime.OutDir, runtime.WorkDir, runtime.HomeDir} {
		if err := os.MkdirAll(d.path("run", name), 0o700); err != nil {
			return err
		}
	}
	if err := copyTree(ctx, l.InputDir, d.path("run", runtime.InDir)); err != nil {
		return fmt.Errorf("copy input: %w", err)
	}
	text, err := json.Marshal(marker{Attempt: l.Attempt})
	if err != nil {
		return err
	}
	return writeDurable(d.path("attempt.json"), text)
}

// copyTree copies directories and regular files: the service wrote them, so anything else is a fault of
// ours.
func copyTree(ctx context.Context, from, to string) error {
	root, err := os.OpenRoot(from)
	if err != nil {
		return err
	}
	defer func() { _ = root.Close() }()
	return fs.WalkDir(root.FS(), ".", func(name string, entry fs.DirEntry, err error) error {
		if err == nil {
			err = ctx.Err()
		}
		if err != nil {
			return err
		}
		target := filepath.Join(to, filepath.FromSlash(name))
		switch {
		case entry.IsDir():
			return os.Mkdir(target, 0o700)
		case entry.Type().IsRegular():
			return copyFile(root, name, target)
		}
		return fmt.Errorf("%s is neither a file nor a directory", name)
	})
}

func copyFile(root *os.Root, name, target string) error {
	from, err := root.Open(name)
	if err != nil {
		return err
	}
	defer func() { _ = from.Close() }()
	to, err := os.OpenFile(target, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	_, err = io.Copy(to, from)
	return errors.Join(err, to.Close())
}

// writeDurable writes a file that is whole after a crash, or not there.
func writeDurable(path string, text []byte) error {
	f, err := os.OpenFile(path+".new", os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(text)
	if err = errors.Join(err, f.Sync(), f.Close()); err != nil {
		return err
	}
	if err := os.Rename(path+".new", path); err != nil {
		return err
	}
	return runtime.SyncDir(filepath.Dir(path))
}

// removeTree is os.RemoveAll for a tree whose directories may be read-only. It follows no link.
func removeTree(path string) error {
	if err := os.RemoveAll(path); err == nil {
		return nil
	}
	err := filepath.WalkDir(path, func(name string, entry fs.DirEntry, err error) error {
		if entry != nil && entry.IsDir() {
			// Before its entries are read; WalkDir calls again with an error if they could not be.
			return os.Chmod(name, 0o700)
		}
		return nil
	})
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("open up directory: %w", err)
	}
	return os.RemoveAll(path)
}
