package actors_test

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"devs-webhook/actors"
	"devs-webhook/messages"
)

// call is a call of the engine, and when it came.
type call struct {
	name string
	at   time.Duration // since the engine was made
}

// engine is a runtime with one slot that keeps what it holds, as a real one does. Before is asked first: its
// error is the call's, which does nothing then.
type engine struct {
	before func(name string) error
	emit   []messages.AgentEvent // what an agent says, at once
	exit   messages.Exit
	work   time.Duration // an agent's; 0: until it is stopped

	made time.Time

	mu    sync.Mutex
	calls []call
	found messages.Found
	done  chan struct{} // closed when the agent has ended
}

func newEngine() *engine {
	return &engine{made: time.Now(), found: messages.Found{State: messages.FoundNothing}, work: time.Minute}
}

func (f *engine) called(name string) error {
	f.mu.Lock()
	f.calls = append(f.calls, call{name, time.Since(f.made)})
	f.mu.Unlock()
	if f.before == nil {
		return nil
	}
	return f.before(name)
}

// story is the calls in order, without how often one was repeated.
func (f *engine) story() string {
	f.mu.Lock()
	defer f.mu.Unlock()
	var names []string
	for _, c := range f.calls {
		names = append(names, c.name)
	}
	return strings.Join(names, " ")
}

// times are the seconds at which a call came.
func (f *engine) times(name string) (at []time.Duration) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, c := range f.calls {
		if c.name == name {
			at = append(at, c.at/time.Second)
		}
	}
	return at
}

// hold puts something under the slot's name, or takes it away.
func (f *engine) hold(state messages.FoundState, a messages.AttemptRef) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.set(state, a)
}

func (f *engine) set(state messages.FoundState, a messages.AttemptRef) {
	if f.done != nil && f.found.State == messages.FoundRunning {
		close(f.done)
	}
	f.found, f.done = messages.Found{State: state, Attempt: a}, make(chan struct{})
}

func (f *engine) Name() string { return "docker" }

func (f *engine) Find(context.Context, string) (messages.Found, error) {
	err := f.called("Find")
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.found, err
}

func (f *engine) Create(_ context.Context, l messages.Launch) error {
	if err := f.called("Create"); err != nil {
		return err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.found.State != messages.FoundNothing {
		return messages.ErrNameTaken
	}
	f.set(messages.FoundCreated, l.Attempt)
	return nil
}

func (f *engine) Start(context.Context, string) error {
	if err := f.called("Start"); err != nil {
		return err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.found.State != messages.FoundCreated {
		return nil
	}
	f.set(messages.FoundRunning, f.found.Attempt)
	if done := f.done; f.work > 0 {
		time.AfterFunc(f.work, func() {
			f.mu.Lock()
			defer f.mu.Unlock()
			if f.done == done && f.found.State == messages.FoundRunning {
				f.set(messages.FoundExited, f.found.Attempt)
			}
		})
	}
	return nil
}

func (f *engine) Follow(ctx context.Context, _ string, after int64, emit func(messages.AgentEvent)) error {
	if err := f.called("Follow"); err != nil {
		return err
	}
	f.mu.Lock()
	done, state := f.done, f.found.State
	f.mu.Unlock()
	if state == messages.FoundNothing {
		return messages.ErrNotFound
	}
	for _, e := range f.emit {
		if e.Seq > after {
			emit(e)
		}
	}
	if state == messages.FoundExited {
		return nil
	}
	select {
	case <-done:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (f *engine) Collect(context.Context, string, string) (messages.Exit, error) {
	return f.exit, f.called("Collect")
}

func (f *engine) Stop(context.Context, string) error {
	if err := f.called("Stop"); err != nil {
		return err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.found.State == messages.FoundRunning {
		f.set(messages.FoundExited, f.found.Attempt)
	}
	return nil
}

func (f *engine) Remove(context.Context, string) error {
	if err := f.called("Remove"); err != nil {
		return err
	}
	f.hold(messages.FoundNothing, messages.AttemptRef{})
	return nil
}

// workshop is a container with its neighbours. Prepare is asked at each step of the input, by name.
type workshop struct {
	t       *testing.T
	dir     string
	store   *storeWith
	engine  *engine
	prepare func(ctx context.Context, step string) error
	output  actors.Output
	limits  messages.Limits
	inbox   chan messages.ToContainer
	bell    messages.Bell // the processor's
	report  messages.Bell
	log     logbook
	session string                                  // of the thread
	read    func(messages.AttemptRef) actors.Output // in place of output, if it is set
}

func newWorkshop(t *testing.T) *workshop {
	t.Helper()
	return &workshop{
		t: t, dir: t.TempDir(), store: &storeWith{Store: openStore(t)}, engine: newEngine(),
		output: actors.Output{HasResult: true, HasBundle: true, Result: messages.Result{Ending: messages.EndSucceeded}},
		limits: messages.Limits{Wall: time.Hour},
		inbox:  make(chan messages.ToContainer, 1), bell: messages.NewBell(), report: messages.NewBell(),
	}
}

func (w *workshop) step(ctx context.Context, name string) error {
	if w.prepare == nil {
		return nil
	}
	return w.prepare(ctx, name)
}

func (w *workshop) Bundle(ctx context.Context, _ messages.Task, path string) (messages.Base, error) {
	if err := w.step(ctx, "Bundle"); err != nil {
		return messages.Base{}, err
	}
	return messages.Base{Commit: strings.Repeat("a", 40), Target: "main"}, os.WriteFile(path, []byte("bundle"), 0o600)
}

func (w *workshop) Comments(ctx context.Context, _ messages.Repo, _ int) ([]messages.Comment, error) {
	return nil, w.step(ctx, "Comments")
}

func (w *workshop) WriteInput(string, messages.Job) error {
	return w.step(context.Background(), "WriteInput")
}

func (w *workshop) Lend(context.Context, string, messages.AttemptRef) (messages.Access, error) {
	return messages.Access{}, w.step(context.Background(), "Lend")
}

func (w *workshop) Take(thread, path string) (string, error) {
	if w.session == "" {
		return "", nil
	}
	return w.session, os.WriteFile(path, []byte(thread), 0o600)
}

func (w *workshop) Keep(_, session, _ string) error {
	w.session = session
	return nil
}

func (w *workshop) Drop(string) error {
	w.session = ""
	return nil
}

func (w *workshop) Read(_ string, a messages.AttemptRef) (actors.Output, error) {
	if w.read != nil {
		return w.read(a), nil
	}
	return w.output, nil
}

func (w *workshop) container() *actors.Container {
	return actors.NewContainer("eamonn", w.inbox, actors.ContainerParts{
		Store: w.store, Runtime: w.engine, Workspace: w, Threads: w, Agents: w, Outputs: w, Model: w, Sessions: w,
		Processor: w.bell, Report: w.report, StateDir: w.dir, Limits: w.limits, Fatal: fatal, Log: w.log.logger(),
	})
}

// task makes a task; start also offers it to the container.
func (w *workshop) task() messages.TaskID {
	w.t.Helper()
	return newTask(w.t, w.store.Store, request("k", 1))
}

func (w *workshop) start() (*running, messages.TaskID) {
	w.t.Helper()
	id := w.task()
	r := serve(w.t, w.container())
	w.offer(id)
	return r, id
}

func (w *workshop) offer(id messages.TaskID) {
	w.inbox <- messages.Run{Task: id}
	synctest.Wait()
}

// pass lets time pass, and offers the task whenever it is its turn, as the processor does, until it has
// ended or the time is over.
func (w *workshop) pass(id messages.TaskID, most time.Duration) messages.View {
	w.t.Helper()
	for end := time.Now().Add(most); ; {
		synctest.Wait()
		v := view(w.t, w.store.Store, id)
		wait := time.Until(end)
		switch {
		case v.Task.State.Final() || wait <= 0:
			return v
		case v.Task.State == messages.TaskQueued && !v.Task.NotBefore.After(time.Now()):
			w.offer(id)
			continue
		case v.Task.State == messages.TaskQueued:
			time.Sleep(min(wait, time.Until(v.Task.NotBefore)))
		default:
			select {
			case <-w.bell: // rung when the slot is free
			case <-time.After(wait):
			}
		}
	}
}

func (w *workshop) path(a messages.AttemptRef, name ...string) string {
	return filepath.Join(append([]string{w.dir, "attempts", a.String()}, name...)...)
}
