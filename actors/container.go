package actors

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/rs/zerolog"

	"devs-webhook/messages"
)

// ContainerStore is what a container actor needs of the store.
type ContainerStore interface {
	Claim(ctx context.Context, id messages.TaskID, slot, runtime string) (messages.Attempt, messages.Task, error)
	Current(ctx context.Context, slot string) (messages.Attempt, messages.Task, bool, error)
	AppendEvents(ctx context.Context, a messages.AttemptRef, events []messages.AgentEvent) error
	Finish(ctx context.Context, o messages.Outcome) error
}

// Runtime runs attempts, one per slot. Every method may be called again after a crash in the middle of it.
type Runtime interface {
	// Name is docker or process.
	Name() string
	// Find says what the runtime holds under the slot's name.
	Find(ctx context.Context, slot string) (messages.Found, error)
	// Create makes the attempt's container with its input inside, not started; messages.ErrNameTaken if the
	// slot's name is in use.
	Create(ctx context.Context, l messages.Launch) error
	// Start starts what Create made.
	Start(ctx context.Context, slot string) error
	// Follow emits the events with a number above after, in order and without repeats, until the attempt has
	// ended (nil) or ctx is done. It attaches again by itself.
	Follow(ctx context.Context, slot string, after int64, emit func(messages.AgentEvent)) error
	// Collect copies what came out into dir, after the end.
	Collect(ctx context.Context, slot, dir string) (messages.Exit, error)
	// Stop ends the attempt, gently first.
	Stop(ctx context.Context, slot string) error
	// Remove takes everything of the slot's attempt away. Nothing there is success.
	Remove(ctx context.Context, slot string) error
}

// Workspace makes what an attempt starts from.
type Workspace interface {
	Bundle(ctx context.Context, task messages.Task, path string) (messages.Base, error)
}

// Threads reads the thread that a task belongs to.
type Threads interface {
	Comments(ctx context.Context, repo messages.Repo, number int) ([]messages.Comment, error)
}

// Lender lends the model's API to an attempt, without its key.
type Lender interface {
	// Lend gives the attempt access, and makes void what it was lent before.
	Lend(ctx context.Context, slot string, a messages.AttemptRef) (messages.Access, error)
}

// Sessions keeps the agents' sessions, one per thread.
type Sessions interface {
	// Take copies the thread's session to path and gives its id; empty if there is none.
	Take(thread, path string) (session string, err error)
	// Keep keeps an archive that came out of a container as the thread's session.
	Keep(thread, session, archive string) error
	// Drop forgets the thread's session.
	Drop(thread string) error
}

// Agents writes what the agent is given.
type Agents interface {
	WriteInput(dir string, job messages.Job) error
}

// Outputs reads what came out of a container, which may be hostile in every byte.
type Outputs interface {
	Read(dir string, a messages.AttemptRef) (Output, error)
}

// Output is what came out of a container, checked for form. Nothing of it is trusted beyond the agent's
// own work.
type Output struct {
	Result    messages.Result
	HasResult bool
	Intents   messages.Intents
	Refused   []string
	Events    []messages.AgentEvent
	HasBundle bool   // as work.bundle in the directory
	Session   string // archive of the agent's session, empty if there is none
}

// ContainerParts are a container actor's neighbours and settings; all but Fatal are required.
type ContainerParts struct {
	Store     ContainerStore
	Runtime   Runtime
	Workspace Workspace
	Threads   Threads
	Model     Lender
	Sessions  Sessions
	Agents    Agents
	Outputs   Outputs
	Processor messages.Bell // rung when the slot is free
	Report    messages.Bell // rung when there is something to report
	StateDir  string        // attempts/ below it is ours
	Limits    messages.Limits
	Fatal     Fatal
	Log       zerolog.Logger
}

// Container runs the tasks of one slot, one at a time. What is under way is in the store and in the
// runtime; the actor may die at any line and finds it again.
type Container struct {
	ContainerParts
	name  string
	inbox <-chan messages.ToContainer // made by the supervisor; outlives every Serve

	// Only touched by the goroutine that runs Serve, and meant to outlive its panics.
	panicked messages.AttemptRef // the attempt at which Serve panicked last
	panics   int                 // how often it did so at this attempt
}

// NewContainer makes the actor of the slot with this name.
func NewContainer(name string, inbox <-chan messages.ToContainer, parts ContainerParts) *Container {
	parts.Log = parts.Log.With().Str("actor", "container").Str("container", name).Logger()
	return &Container{ContainerParts: parts, name: name, inbox: inbox}
}

// String names the actor.
func (c *Container) String() string { return "container " + c.name }

// Serve ends the attempt that an earlier Serve left, and then works through the mailbox. When ctx is done
// it lets go: a running agent runs on, and the next Serve attaches to it.
func (c *Container) Serve(ctx context.Context) error {
	if err := c.resume(ctx); err != nil {
		return err
	}
	for {
		c.Processor.Ring()
		select {
		case <-ctx.Done():
			return ctx.Err()
		case m := <-c.inbox:
			if err := c.handle(ctx, m); err != nil {
				return err
			}
		}
	}
}

func (c *Container) resume(ctx context.Context) error {
	attempt, task, ok, err := c.Store.Current(ctx, c.name)
	if err != nil {
		return fmt.Errorf("look for an open attempt: %w", err)
	}
	if !ok {
		return nil // whatever the runtime still holds goes when the next attempt meets it, or by the janitor
	}
	c.Log.Info().Str("task", string(task.ID)).Int("attempt", attempt.Number).Msg("attempt picked up")
	return c.run(ctx, attempt, task)
}

func (c *Container) handle(ctx context.Context, m messages.ToContainer) error {
	switch m := m.(type) {
	case messages.Run:
		attempt, task, err := c.Store.Claim(ctx, m.Task, c.name, c.Runtime.Name())
		if errors.Is(err, messages.ErrNotClaimable) {
			return nil // the offer came late
		}
		if err != nil {
			return fmt.Errorf("claim %s: %w", m.Task, err)
		}
		c.Log.Info().Str("task", string(task.ID)).Int("attempt", attempt.Number).Str("repo", task.Repo.FullName()).Msg("task started")
		c.Report.Ring()
		return c.run(ctx, attempt, task)
	case messages.Cancel:
		return nil // nothing runs here any more
	default:
		return fmt.Errorf("unknown message %T", m)
	}
}

// run takes an open attempt to its end, from wherever it stands: the one order and its list of states.
//
//	claimed → create → put archives → start → wait → collect → outcome and outbox → remove
//
// What the runtime holds says where it stands. Nothing there: it begins (again). Created: a crash came
// before the start, so it is removed and made again. Running: attach. Exited: collect. Only the outcome's
// commit closes the attempt; what is left in the runtime after it is removed when it is met.
func (c *Container) run(ctx context.Context, a messages.Attempt, t messages.Task) error {
	r := &run{Container: c, attempt: a, task: t, lastSeq: a.LastSeq, cancelled: t.CancelledBy != ""}
	r.log = c.Log.With().Str("task", string(t.ID)).Int("attempt", a.Number).Str("repo", t.Repo.FullName()).Logger()
	if c.panicked != a.AttemptRef {
		c.panicked, c.panics = a.AttemptRef, 0
	}
	c.panics++ // taken back below, unless a panic comes before
	err := r.toEnd(ctx)
	if _, ok := errors.AsType[*panicError](err); !ok {
		c.panics--
	}
	return err
}

// dir is where the service keeps an attempt's input and output.
func (c *Container) dir(a messages.AttemptRef) string {
	return filepath.Join(c.StateDir, "attempts", a.String())
}

// outcomePath is a bundle's path as an outcome stores it: below the state directory, so that the state
// may be moved.
func outcomePath(a messages.AttemptRef) string {
	return filepath.Join("attempts", a.String(), "out", "work.bundle")
}

// clean removes an ended attempt's input; its output is kept for the reporter and the janitor.
func (c *Container) clean(a messages.AttemptRef) {
	if err := os.RemoveAll(filepath.Join(c.dir(a), "in")); err != nil {
		c.Log.Warn().Err(err).Msg("input not removed")
	}
}

// followMost bounds how long the service itself waits beyond the runner's own wall limit.
const followMost = 5 * time.Minute
