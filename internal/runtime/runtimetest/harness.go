package runtimetest

import (
	"context"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"devs-webhook/internal/runtime/runtimetest/script"
	"devs-webhook/messages"
)

// Runtime is what a container actor and the janitor need of a runtime.
type Runtime interface {
	Name() string
	Check(ctx context.Context) error
	Find(ctx context.Context, slot string) (messages.Found, error)
	Reach(ctx context.Context, slot string) (host string, err error)
	Create(ctx context.Context, l messages.Launch) error
	Start(ctx context.Context, slot string) error
	Follow(ctx context.Context, slot string, after int64, emit func(messages.AgentEvent)) error
	Collect(ctx context.Context, slot string, dir string) (messages.Exit, error)
	Stop(ctx context.Context, slot string) error
	Remove(ctx context.Context, slot string) error
	Sweep(ctx context.Context, keep func(messages.AttemptRef) bool) (removed int, err error)
}

// Stop grace of the runtimes under test, and how long a call may take at all.
const (
	Grace = time.Second
	Limit = 60 * time.Second
)

// Harness is one runtime under test, with nothing of an earlier test in it.
type Harness struct {
	// Open makes a runtime over the same things, as a service does that was killed and started again.
	Open func(t *testing.T) Runtime
	// Vanish takes away what runs in a slot behind the runtime's back.
	Vanish func(t *testing.T, slot string)
}

// Standin builds the stand-in for the runner into a new directory and gives its path. The caller removes
// the directory.
func Standin() (path string, err error) {
	dir, err := os.MkdirTemp("", "devs-standin-")
	if err != nil {
		return "", err
	}
	path = filepath.Join(dir, "devs-webhook")
	cmd := exec.Command("go", "build", "-o", path, "devs-webhook/internal/runtime/runtimetest/standin")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	cmd.Stderr = os.Stderr
	return path, cmd.Run()
}

// Ref names an attempt for a test.
func Ref(number int) messages.AttemptRef {
	return messages.AttemptRef{Task: "abcdefghijkl", Number: number}
}

// Launch writes the input that makes the stand-in follow s.
func Launch(t *testing.T, slot string, ref messages.AttemptRef, s script.Script) messages.Launch {
	t.Helper()
	dir := t.TempDir()
	WriteInput(t, dir, ref, s)
	return messages.Launch{Slot: slot, Attempt: ref, Repo: "octo/hello", InputDir: dir}
}

// WriteInput is the part of Launch that writes into a directory.
func WriteInput(t testing.TB, dir string, ref messages.AttemptRef, s script.Script) {
	t.Helper()
	if err := os.MkdirAll(filepath.Join(dir, "thread"), 0o700); err != nil {
		t.Fatal(err)
	}
	for name, v := range map[string]any{
		"task.json":   messages.Spec{Protocol: messages.RunnerProtocol, Attempt: ref},
		"script.json": s,
	} {
		text, err := json.Marshal(v)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, name), text, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(filepath.Join(dir, "thread", "1.md"), []byte("the thread"), 0o600); err != nil {
		t.Fatal(err)
	}
}

// suite is a test's view of its harness: each call has a time limit and must go well.
type suite struct {
	t  *testing.T
	rt Runtime
	Harness
}

func newSuite(t *testing.T, open func(t *testing.T) Harness) *suite {
	t.Helper()
	h := open(t)
	return &suite{t: t, rt: h.Open(t), Harness: h}
}

func (s *suite) ctx() context.Context {
	ctx, cancel := context.WithTimeout(s.t.Context(), Limit)
	s.t.Cleanup(cancel)
	return ctx
}

// restart forgets the runtime, as a kill of the service does.
func (s *suite) restart() { s.rt = s.Open(s.t) }

func (s *suite) must(err error) {
	s.t.Helper()
	if err != nil {
		s.t.Fatal(err)
	}
}

func (s *suite) create(slot string, ref messages.AttemptRef, sc script.Script) {
	s.t.Helper()
	s.must(s.rt.Create(s.ctx(), Launch(s.t, slot, ref, sc)))
}

func (s *suite) start(slot string) { s.t.Helper(); s.must(s.rt.Start(s.ctx(), slot)) }

// begin creates and starts.
func (s *suite) begin(slot string, ref messages.AttemptRef, sc script.Script) {
	s.t.Helper()
	s.create(slot, ref, sc)
	s.start(slot)
}

func (s *suite) find(slot string, state messages.FoundState, ref messages.AttemptRef) {
	s.t.Helper()
	got, err := s.rt.Find(s.ctx(), slot)
	s.must(err)
	if want := (messages.Found{State: state, Attempt: ref}); got != want {
		s.t.Fatalf("found %+v, want %+v", got, want)
	}
}

// follow follows to the end.
func (s *suite) follow(slot string, after int64) []messages.AgentEvent {
	s.t.Helper()
	var events []messages.AgentEvent
	s.must(s.rt.Follow(s.ctx(), slot, after, func(e messages.AgentEvent) { events = append(events, e) }))
	return events
}

func (s *suite) collect(slot string) (messages.Exit, string) {
	s.t.Helper()
	dir := filepath.Join(s.t.TempDir(), "out")
	exit, err := s.rt.Collect(s.ctx(), slot, dir)
	s.must(err)
	return exit, dir
}

func (s *suite) remove(slot string) { s.t.Helper(); s.must(s.rt.Remove(s.ctx(), slot)) }

// consecutive checks that the events are those from first to last.
func (s *suite) consecutive(events []messages.AgentEvent, first, last int64) {
	s.t.Helper()
	if int64(len(events)) != last-first+1 {
		s.t.Fatalf("got %d events, want %d", len(events), last-first+1)
	}
	for i, e := range events {
		if e.Seq != first+int64(i) {
			s.t.Fatalf("event %d has number %d, want %d", i, e.Seq, first+int64(i))
		}
	}
}

func (s *suite) read(dir, name string) string {
	s.t.Helper()
	text, err := os.ReadFile(filepath.Join(dir, name))
	s.must(err)
	return strings.TrimSpace(string(text))
}
