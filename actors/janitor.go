package actors

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/rs/zerolog"

	"devs-webhook/messages"
)

// JanitorStore is what the janitor needs of the store.
type JanitorStore interface {
	// Forget removes what is old enough by the store's own rules, and says how many rows.
	Forget(ctx context.Context, now time.Time) (int, error)
	OpenAttempts(ctx context.Context) ([]messages.Attempt, error)
	// Pending says whether the task has effects that are not performed yet.
	Pending(ctx context.Context, id messages.TaskID) (bool, error)
}

// Sweeper removes a runtime's leftovers, but for those that keep wants.
type Sweeper interface {
	Sweep(ctx context.Context, keep func(messages.AttemptRef) bool) (removed int, err error)
}

// JanitorParts are the janitor's neighbours and settings.
type JanitorParts struct {
	Store    JanitorStore
	Runtime  Sweeper
	StateDir string
	Every    time.Duration // between two rounds
	KeepOut  time.Duration // how long an attempt's output, or a thread's session, stays on the disk
	Disk     func() error  // says that the disk is short: then outputs that nobody waits for go at once; may be nil
	// More are further things that are forgotten when they have not been used since before.
	More  map[string]func(ctx context.Context, before time.Time) (removed int, err error)
	Fatal Fatal // may be nil
	Log   zerolog.Logger
}

// Janitor forgets what is old: rows, leftovers of the runtime, outputs of attempts. It never touches what
// an open attempt or a waiting effect needs.
type Janitor struct{ JanitorParts }

// NewJanitor makes the actor.
func NewJanitor(parts JanitorParts) *Janitor {
	parts.Log = parts.Log.With().Str("actor", "janitor").Logger()
	return &Janitor{parts}
}

// String names the actor.
func (j *Janitor) String() string { return "janitor" }

// Serve makes a round at once and then on a timer. What fails in a round is logged and tried in the next:
// tidying up is never urgent. Only an error that ends the program comes back.
func (j *Janitor) Serve(ctx context.Context) error {
	tick := time.NewTicker(j.Every)
	defer tick.Stop()
	for {
		if err := j.round(ctx); err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-tick.C:
		}
	}
}

func (j *Janitor) round(ctx context.Context) error {
	within, cancel := context.WithTimeout(ctx, 5*time.Minute)
	defer cancel()
	sweeps := map[string]func(context.Context) (int, error){"rows": j.rows, "runtime": j.runtime, "outputs": j.outputs}
	for name, forget := range j.More {
		sweeps[name] = func(ctx context.Context) (int, error) { return forget(ctx, time.Now().Add(-j.KeepOut)) }
	}
	for name, sweep := range sweeps {
		n, err := sweep(within)
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if j.Fatal.is(err) {
			return fmt.Errorf("tidy up %s: %w", name, err)
		}
		if err != nil {
			j.Log.Warn().Err(err).Str("what", name).Msg("tidying failed")
		}
		if n > 0 {
			j.Log.Info().Int("removed", n).Str("what", name).Msg("tidied up")
		}
	}
	return nil
}

func (j *Janitor) rows(ctx context.Context) (int, error) { return j.Store.Forget(ctx, time.Now()) }

func (j *Janitor) runtime(ctx context.Context) (int, error) {
	open, err := j.open(ctx)
	if err != nil {
		return 0, err
	}
	return j.Runtime.Sweep(ctx, func(a messages.AttemptRef) bool {
		if open[a] {
			return true
		}
		// It may have been claimed since the list was made: ask again rather than remove a fresh one.
		now, err := j.open(ctx)
		return err != nil || now[a]
	})
}

func (j *Janitor) open(ctx context.Context) (map[messages.AttemptRef]bool, error) {
	attempts, err := j.Store.OpenAttempts(ctx)
	if err != nil {
		return nil, fmt.Errorf("list open attempts: %w", err)
	}
	open := map[messages.AttemptRef]bool{}
	for _, a := range attempts {
		open[a.AttemptRef] = true
	}
	return open, nil
}

// outputs removes the directories of attempts that ended long ago and have nothing left to publish. One that
// cannot be removed keeps none of the others.
func (j *Janitor) outputs(ctx context.Context) (removed int, err error) {
	dir := filepath.Join(j.StateDir, "attempts")
	entries, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return 0, nil
	}
	if err != nil {
		return 0, fmt.Errorf("list attempts: %w", err)
	}
	// After the directories: an attempt is claimed before it has one, so that none that is open is missed.
	open, err := j.open(ctx)
	if err != nil {
		return 0, err
	}
	keep := j.KeepOut
	if j.Disk != nil && j.Disk() != nil {
		keep = 0
	}
	var failed []error
	for _, e := range entries {
		a, ok := parseAttempt(e.Name())
		info, err := e.Info()
		if !ok || err != nil || open[a] || time.Since(info.ModTime()) < keep {
			continue
		}
		pending, err := j.Store.Pending(ctx, a.Task)
		if err == nil && !pending {
			if err = os.RemoveAll(filepath.Join(dir, e.Name())); err == nil {
				removed++
			}
		}
		if err != nil {
			failed = append(failed, fmt.Errorf("remove the output of %s: %w", a, err))
		}
	}
	return removed, errors.Join(failed...)
}

// parseAttempt reads a directory's name; see messages.AttemptRef.String.
func parseAttempt(name string) (messages.AttemptRef, bool) {
	task, number, ok := strings.Cut(name, "-")
	n, err := strconv.Atoi(number)
	a := messages.AttemptRef{Task: messages.TaskID(task), Number: n}
	return a, ok && err == nil && task != "" && n > 0 && a.String() == name
}
