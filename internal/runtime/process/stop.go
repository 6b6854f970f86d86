//go:build unix

package process

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"syscall"
	"time"
)

// killed is the exit code of what SIGKILL ended, as a shell tells it.
const killed = 128 + int(syscall.SIGKILL)

// Stop ends what runs in the slot, the runner and all that it started: SIGTERM to the runner's session, a
// grace, SIGKILL. It returns when all of it has ended, also if there was nothing to end.
func (r *Runtime) Stop(ctx context.Context, slot string) error {
	d, err := r.dir(slot)
	if err != nil {
		return err
	}
	child, err := d.child()
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("stop %s: %w", slot, err)
	}
	if err := r.end(ctx, d, child); err != nil {
		return fmt.Errorf("stop %s: %w", slot, err)
	}
	return r.join(ctx, slot)
}

// end is Stop for a child: it waits for its end after the SIGTERM, and makes it after the grace.
func (r *Runtime) end(ctx context.Context, d slotDir, child identity) error {
	alive, err := child.alive()
	if err != nil {
		return err
	}
	if !alive {
		return r.killFamily(ctx, child)
	}
	// The whole group: the runner is not the leader, and stands in it.
	if err := syscall.Kill(-child.pid, syscall.SIGTERM); err != nil && !errors.Is(err, syscall.ESRCH) {
		return err
	}
	ended, err := r.await(ctx, child, r.opts.StopGrace)
	if err != nil {
		return err
	}
	if err := r.killFamily(ctx, child); err != nil || ended {
		return err
	}
	if _, _, err := d.exitCode(); errors.Is(err, fs.ErrNotExist) {
		// The wrapper went too. That it was us who ended it is known, so it is not lost.
		return writeDurable(d.path("exit"), fmt.Appendln(nil, killed))
	}
	return nil
}

// await waits until child has ended, at most for limit.
func (r *Runtime) await(ctx context.Context, child identity, limit time.Duration) (ended bool, err error) {
	over := time.NewTimer(limit)
	defer over.Stop()
	tick := time.NewTicker(min(r.opts.Poll, 20*time.Millisecond))
	defer tick.Stop()
	for {
		alive, err := child.alive()
		if err != nil || !alive {
			return !alive, err
		}
		select {
		case <-ctx.Done():
			return false, ctx.Err()
		case <-over.C:
			return false, nil
		case <-tick.C:
		}
	}
}

// killFamily kills what child leads, or has left behind, and returns when all of it has ended. They are
// stopped first: what is stopped has no more children, and stays the parent of those it has.
func (r *Runtime) killFamily(ctx context.Context, child identity) error {
	family := make(map[identity]bool)
	for grown := true; grown; {
		members, err := child.family()
		if err != nil {
			return err
		}
		grown = false
		for _, p := range members {
			if !family[p] {
				family[p], grown = true, true
				if err := signal(p, syscall.SIGSTOP); err != nil {
					return err
				}
			}
		}
	}
	for p := range family {
		if err := signal(p, syscall.SIGKILL); err != nil {
			return err
		}
	}
	for p := range family {
		if err := awaitEnd(ctx, p); err != nil {
			return err
		}
	}
	return nil
}

// signal sends a signal to a process, if it still runs.
func signal(p identity, s syscall.Signal) error {
	if err := syscall.Kill(p.pid, s); err != nil && !errors.Is(err, syscall.ESRCH) {
		return fmt.Errorf("signal process %d: %w", p.pid, err)
	}
	return nil
}

// awaitEnd waits until a process that was killed has ended.
func awaitEnd(ctx context.Context, p identity) error {
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for {
		if alive, err := p.alive(); !alive || err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-tick.C:
		}
	}
}

// join waits until a child of this life has been reaped.
func (r *Runtime) join(ctx context.Context, slot string) error {
	reaped := r.reaped(slot)
	if reaped == nil {
		return nil
	}
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-reaped:
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.children[slot] == reaped {
		delete(r.children, slot)
	}
	return nil
}
