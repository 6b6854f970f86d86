package supervisor

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/rs/zerolog"
	"github.com/thejerf/suture/v4"

	"devs-webhook/actors"
	"devs-webhook/messages"
)

// Store is all that the actors need of the store.
type Store interface {
	actors.Acceptor
	actors.ProcessorStore
	actors.ContainerStore
	actors.ReporterStore
	actors.JanitorStore
	CancelTask(ctx context.Context, id messages.TaskID, by string) (messages.TaskState, error)
}

// GitHub is all that the actors need of GitHub.
type GitHub interface {
	actors.Authority
	actors.Threads
	actors.GitHub
}

// Git is all that the actors need of git.
type Git interface {
	actors.Workspace
	actors.Pusher
}

// Runtime runs attempts and removes leftovers.
type Runtime interface {
	actors.Runtime
	actors.Sweeper
}

// Door is a listener with what it serves.
type Door struct {
	Name     string
	Listener actors.Listener
	// Handler is made from the tree, whose source and slots it may offer.
	Handler HandlerFor
}

// Parts are what the tree is built from; main makes them. All are required but Fatal and Events.
type Parts struct {
	Store   Store
	GitHub  GitHub
	Git     Git
	Runtime Runtime
	Agents  actors.Agents
	Outputs actors.Outputs
	Model   actors.Lender
	// Sessions are kept per thread.
	Sessions actors.Sessions
	Writer   actors.Writer
	Intake   actors.Door
	Reader   actors.Reader
	Disk     func() error // says why no task may start now

	Rules         actors.Rules
	Slots         []string // the pool
	Drain         []string // slots that have left the pool with work in hand
	Limits        messages.Limits
	StateDir      string
	ProgressAfter time.Duration
	TidyEvery     time.Duration
	KeepOutputs   time.Duration
	// Forget are further things that the janitor forgets when they have not been used since before.
	Forget map[string]func(ctx context.Context, before time.Time) (removed int, err error)
	Doors  []Door

	// Fatal gives the exit code of an error of an actor that no restart can mend, and 0 for every other; if it
	// is nil there is none.
	Fatal  func(err error) (exitCode int)
	Events func(suture.Event) // sees what the supervisors see; may be nil
	Log    zerolog.Logger
}

// Tree is the running program, but for the store and the listeners.
type Tree struct {
	root      *suture.Supervisor
	store     Store
	intake    *actors.Intake
	webhook   *actors.Webhook
	inboxes   map[string]chan messages.ToContainer // one place each; they outlive their actors
	processor messages.Bell
	report    messages.Bell
}

// New builds the tree; nothing runs yet.
func New(p Parts) *Tree {
	t := &Tree{
		store:     p.Store,
		inboxes:   map[string]chan messages.ToContainer{},
		processor: messages.NewBell(),
		report:    messages.NewBell(),
	}
	t.intake = &actors.Intake{Door: p.Intake, Store: p.Store, Processor: t.processor}
	t.webhook = actors.NewWebhook(t.intake, p.Log)
	hook := eventHook(p.Log, p.Events)

	t.root = suture.New("root", spec(rootTimeout, hook))
	t.root.Add(t.sources(p, hook))
	t.root.Add(t.pool(p, hook)) // makes the mailboxes that the processor writes to
	t.root.Add(p.one("processor", actors.NewProcessor(actors.ProcessorParts{
		Store: p.Store, Policy: actors.NewPolicy(p.Rules, p.Reader, p.GitHub), Disk: p.Disk, Slots: t.slots(p.Slots),
		Bell: t.processor, Report: t.report, Fatal: p.Fatal, Log: p.Log,
	}), hook))
	t.root.Add(p.one("reporter", actors.NewReporter(actors.ReporterParts{
		Store: p.Store, GitHub: p.GitHub, Pusher: p.Git, Writer: p.Writer,
		Bell: t.report, ProgressAfter: p.ProgressAfter, Fatal: p.Fatal, Log: p.Log,
	}), hook))
	t.root.Add(p.one("upkeep", actors.NewJanitor(actors.JanitorParts{
		Store: p.Store, Runtime: p.Runtime, StateDir: p.StateDir, Every: p.TidyEvery, KeepOut: p.KeepOutputs,
		Disk: p.Disk, More: p.Forget, Fatal: p.Fatal, Log: p.Log,
	}), hook))
	return t
}

// one gives an actor a supervisor of its own.
func (p Parts) one(name string, service actor, hook suture.EventHook) *suture.Supervisor {
	s := suture.New(name, spec(leafTimeout, hook))
	s.Add(ending{service, p.Fatal, p.Log})
	return s
}

func (t *Tree) sources(p Parts, hook suture.EventHook) *suture.Supervisor {
	sources := suture.New("sources", spec(midTimeout, hook))
	for _, door := range p.Doors {
		sources.Add(p.one("door "+door.Name, actors.NewHTTPDoor(door.Name, door.Listener, door.Handler(t), p.Log), hook))
	}
	return sources
}

func (t *Tree) pool(p Parts, hook suture.EventHook) *suture.Supervisor {
	pool := suture.New("pool", spec(midTimeout, hook))
	for _, name := range append(append([]string{}, p.Slots...), p.Drain...) {
		inbox := make(chan messages.ToContainer, 1)
		t.inboxes[name] = inbox
		pool.Add(p.one(name, actors.NewContainer(name, inbox, actors.ContainerParts{
			Store: p.Store, Runtime: p.Runtime, Workspace: p.Git, Threads: p.GitHub, Model: p.Model, Sessions: p.Sessions, Agents: p.Agents,
			Outputs: p.Outputs, Processor: t.processor, Report: t.report, StateDir: p.StateDir, Limits: p.Limits,
			Fatal: p.Fatal, Log: p.Log,
		}), hook))
	}
	return pool
}

// slots are those that the processor may give work to: a draining one is not among them.
func (t *Tree) slots(names []string) []actors.Slot {
	var slots []actors.Slot
	for _, name := range names {
		slots = append(slots, actors.Slot{Name: name, Inbox: t.inboxes[name]})
	}
	return slots
}

// Serve runs the tree until ctx is done or an actor ends it with a *actors.FatalError, which is returned
// then. When ctx is done every actor has let go, or 7 s have passed.
func (t *Tree) Serve(ctx context.Context) error {
	err := t.root.Serve(ctx)
	if ctx.Err() != nil {
		if late, _ := t.root.UnstoppedServiceReport(); len(late) > 0 {
			return fmt.Errorf("%d actors did not stop in time", len(late))
		}
		return nil
	}
	var fatal *actors.FatalError
	if errors.As(err, &fatal) {
		return fatal
	}
	return fmt.Errorf("the tree ended: %w", err)
}
