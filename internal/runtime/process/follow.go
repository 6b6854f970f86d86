//go:build unix

package process

import (
	"context"
	"errors"
	"fmt"
	"os"
	"syscall"
	"time"

	"devs-webhook/internal/runtime"
	"devs-webhook/messages"
)

// Follow passes on the events numbered above after, in order and without repeats, until the runner has
// exited (nil) or ctx is done. It reads the events file, which belongs to the agent as much as to the
// runner: it may be cut, replaced or gone. messages.ErrNotFound if the attempt is gone.
func (r *Runtime) Follow(ctx context.Context, slot string, after int64, emit func(messages.AgentEvent)) error {
	d, err := r.dir(slot)
	if err != nil {
		return err
	}
	tail := tail{dir: d, events: runtime.NewEvents(after, emit)}
	tick := time.NewTicker(r.opts.Poll)
	defer tick.Stop()
	for {
		found, err := r.Find(ctx, slot)
		if err != nil {
			return fmt.Errorf("follow %s: %w", slot, err)
		}
		// The file is read after the state was: what is there after the end is all there is.
		if err := tail.read(ctx); err != nil {
			return fmt.Errorf("follow %s: %w", slot, err)
		}
		switch found.State {
		case messages.FoundNothing:
			return fmt.Errorf("follow %s: %w", slot, messages.ErrNotFound)
		case messages.FoundCreated:
			return fmt.Errorf("follow %s: it was not started", slot)
		case messages.FoundExited:
			return nil
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-r.reaped(slot): // nil, and so never ready, for the child of an earlier life
		case <-tick.C:
		}
	}
}

// reaped is closed when the slot's child has been reaped; nil if it is not a child of this life.
func (r *Runtime) reaped(slot string) chan struct{} {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.children[slot]
}

// tail reads a file that grows.
type tail struct {
	dir    slotDir
	events *runtime.Events
	last   os.FileInfo // the file that offset is of
	offset int64
}

// read takes what is new. A file that is not there, or not one, has nothing new.
func (t *tail) read(ctx context.Context) error {
	f, info, err := openOut(t.dir, runtime.EventsFile)
	if err != nil {
		return nil
	}
	defer func() { _ = f.Close() }()
	if t.last == nil || !os.SameFile(t.last, info) || info.Size() < t.offset {
		t.events.Restart()
		t.offset = 0
	}
	t.last = info
	buf := make([]byte, 64<<10)
	for ctx.Err() == nil {
		n, err := f.ReadAt(buf, t.offset)
		t.offset += int64(n)
		_, _ = t.events.Write(buf[:n])
		if err != nil || n == 0 {
			break
		}
	}
	return ctx.Err()
}

var errNotRegular = errors.New("not a regular file")

// openOut opens a file of out/ for reading. It leaves the attempt's directory by no link, and does not
// hang on a pipe.
func openOut(d slotDir, name string) (*os.File, os.FileInfo, error) {
	root, err := os.OpenRoot(d.run())
	if err != nil {
		return nil, nil, err
	}
	defer func() { _ = root.Close() }()
	path := runtime.OutDir + "/" + name
	seen, err := root.Lstat(path)
	if err != nil {
		return nil, nil, err
	}
	if !seen.Mode().IsRegular() {
		return nil, nil, errNotRegular
	}
	f, err := root.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return nil, nil, err
	}
	info, err := f.Stat()
	if err == nil && (!info.Mode().IsRegular() || !os.SameFile(seen, info)) {
		err = errNotRegular
	}
	if err != nil {
		return nil, nil, errors.Join(err, f.Close())
	}
	return f, info, nil
}
