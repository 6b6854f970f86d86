package actors

import (
	"context"
	"fmt"
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
	KeepOut  time.Duration // how long an attempt's output stays on the disk
	Log      zerolog.Logger
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
// tidying up is never urgent.
func (j *Janitor) Serve(ctx context.Context) error {
	tick := time.NewTicker(j.Every)
	defer tick.Stop()
	for {
		j.round(ctx)
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-tick.C:
		}
	}
}

func (j *Janitor) round(ctx context.Context) {
	within, cancel := context.WithTimeout(ctx, 5*time.Minute)
	defer cancel()
	for name, sweep := range map[string]func(context.Context) (int, error){
		"rows": j.rows, "runtime": j.runtime, "outputs": j.outputs,
	} {
		n, err := sweep(within)
		if ctx.Err() != nil {
			return
		}
		if err != nil {
			j.Log.Warn().Err(err).Str("what", name).Msg("tidying failed")
		}
		if n > 0 {
			j.Log.Info().Int("removed", n).Str("what", name).Msg("tidied up")
		}
	}
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

// outputs removes the directories of attempts that ended long ago and have nothing left to publish.
func (j *Janitor) outputs(ctx context.Context) (int, error) {
	open, err := j.open(ctx)
	if err != nil {
		return 0, err
	}
	dir := filepath.Join(j.StateDir, "attempts")
	entries, err := os.ReadDir(dir)
	if os.IsNotExist(err) {
		return 0, nil
	}
	if err != nil {
		return 0, fmt.Errorf("list attempts: %w", err)
	}
	removed := 0
	for _, e := range entries {
		a, ok := parseAttempt(e.Name())
		info, err := e.Info()
		if !ok || err != nil || open[a] || time.Since(info.ModTime()) < j.KeepOut {
			continue
		}
		if pending, err := j.Store.Pending(ctx, a.Task); err != nil || pending {
			continue
		}
		if err := os.RemoveAll(filepath.Join(dir, e.Name())); err != nil {
			return removed, fmt.Errorf("remove an old output: %w", err)
		}
		removed++
	}
	return removed, nil
}

// parseAttempt reads a directory's name; see messages.AttemptRef.String.
func parseAttempt(name string) (messages.AttemptRef, bool) {
	task, number, ok := strings.Cut(name, "-")
	n, err := strconv.Atoi(number)
	return messages.AttemptRef{Task: messages.TaskID(task), Number: n}, ok && err == nil && n > 0
}
