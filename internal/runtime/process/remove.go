//go:build unix

package process

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"devs-webhook/messages"
)

// Remove kills what runs in the slot and takes its directory away. Nothing there is no error.
func (r *Runtime) Remove(ctx context.Context, slot string) error {
	d, err := r.dir(slot)
	if err != nil {
		return err
	}
	// Renamed first, so that a half-removed one is not to be seen.
	gone := slotDir(filepath.Join(r.opts.Dir, removing+slot))
	if err := r.discard(ctx, gone); err != nil { // of an earlier Remove that did not get to its end
		return fmt.Errorf("remove %s: %w", slot, err)
	}
	switch err = os.Rename(string(d), string(gone)); {
	case err == nil:
		err = r.discard(ctx, gone)
	case errors.Is(err, fs.ErrNotExist):
		err = nil
	}
	if err != nil {
		return fmt.Errorf("remove %s: %w", slot, err)
	}
	return r.join(ctx, slot)
}

// discard kills what still runs in a directory that nobody wants any more, and deletes it.
func (r *Runtime) discard(ctx context.Context, d slotDir) error {
	if err := d.closeStart(); err != nil {
		return err
	}
	child, err := d.child()
	if err == nil {
		err = r.killFamily(ctx, child)
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return removeTree(string(d))
}

// Sweep removes the directories that keep does not want, and what was half made or half removed. keep is
// asked about each attempt after it was seen, and must look at the store then, not before.
func (r *Runtime) Sweep(ctx context.Context, keep func(messages.AttemptRef) bool) (removed int, err error) {
	entries, err := os.ReadDir(r.opts.Dir)
	if errors.Is(err, fs.ErrNotExist) {
		return 0, nil
	}
	if err != nil {
		return 0, fmt.Errorf("sweep: %w", err)
	}
	var errs []error
	for _, entry := range entries {
		done, err := r.sweepOne(ctx, entry.Name(), keep)
		if done {
			removed++
		}
		errs = append(errs, err)
	}
	return removed, errors.Join(errs...)
}

func (r *Runtime) sweepOne(ctx context.Context, name string, keep func(messages.AttemptRef) bool) (bool, error) {
	d := slotDir(filepath.Join(r.opts.Dir, name))
	switch {
	case strings.HasPrefix(name, creating):
		r.drafting.Lock() // what is there now, nobody works at
		defer r.drafting.Unlock()
		err := removeTree(string(d))
		return err == nil, err
	case strings.HasPrefix(name, removing):
		err := r.discard(ctx, d)
		return err == nil, err
	case strings.HasPrefix(name, "."):
		return false, nil
	}
	ref, err := d.attempt()
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	if err != nil || (ref != messages.AttemptRef{} && keep(ref)) {
		return false, err
	}
	err = r.Remove(ctx, name)
	return err == nil, err
}
