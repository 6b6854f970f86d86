package store

import (
	"context"
	"flag"
	"fmt"
	"os"
	"testing"
	"time"

	"github.com/rs/zerolog"
	"go.uber.org/goleak"

	"devs-webhook/messages"
)

// childEnv makes the test binary a child of TestKill: see there.
const childEnv = "STORE_TEST_CHILD_DIR"

func TestMain(m *testing.M) {
	flag.Bool("update", false, "write the golden files")
	if dir := os.Getenv(childEnv); dir != "" {
		child(dir)
	}
	goleak.VerifyTestMain(m)
}

// opened is a store in a directory of its own, closed when the test ends.
func opened(t testing.TB) *Store {
	t.Helper()
	return openedIn(t, t.TempDir())
}

func openedIn(t testing.TB, dir string) *Store {
	t.Helper()
	s, err := Open(context.Background(), dir, Options{Log: zerolog.New(t.Output())})
	must(t, err)
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Errorf("close: %v", err)
		}
	})
	return s
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// value is must for a call that also returns something.
func value[T any](v T, err error) func(testing.TB) T {
	return func(t testing.TB) T {
		t.Helper()
		must(t, err)
		return v
	}
}

func equal[T comparable](t testing.TB, what string, got, want T) {
	t.Helper()
	if got != want {
		t.Errorf("%s is %v, not %v", what, got, want)
	}
}

// delivery is a stored form of any event.
func delivery(id string) messages.Delivery {
	return messages.Delivery{ID: id, Event: "issue_comment", Source: "webhook", Body: []byte(`{"id":"` + id + `"}`), ReceivedAt: time.Now()}
}

// asked is a request for text, by a comment on an issue or pull request of repository 7.
func asked(key string, number int, text string) messages.Request {
	object := int64(len(key)) << 32
	for _, c := range []byte(key) {
		object = object*31 + int64(c)
	}
	return messages.Request{
		Key: key, Repo: messages.Repo{ID: 7, Owner: "octo", Name: "hello"},
		Thread: messages.Thread{Number: number, Title: "A title", Body: "A body"},
		Object: messages.Object{Kind: "issue_comment", ID: object & 0xffffffff}, Trigger: "mention",
		Instruction: text, Requester: messages.User{ID: 1, Login: "ann"},
	}
}

// decided accepts a delivery and decides it as a task.
func decided(t testing.TB, s *Store, id string, r messages.Request) (messages.Decision, messages.TaskID) {
	t.Helper()
	_, err := s.Accept(t.Context(), delivery(id))
	must(t, err)
	d, task, err := s.Decide(t.Context(), messages.Decision{
		Delivery: id, Kind: messages.DecidedTask, Reason: messages.ReasonAccepted,
		Summary: "issue_comment created", Repo: r.Repo, Request: r, React: true,
	})
	must(t, err)
	return d, task
}

// queued makes a task on a thread of its own.
func queued(t testing.TB, s *Store, number int) messages.TaskID {
	t.Helper()
	key := fmt.Sprintf("key-%d", number)
	_, id := decided(t, s, "delivery-"+key, asked(key, number, "do it"))
	return id
}

func claimed(t testing.TB, s *Store, id messages.TaskID, slot string) messages.AttemptRef {
	t.Helper()
	a, _, err := s.Claim(t.Context(), id, slot, "docker")
	must(t, err)
	return a.AttemptRef
}

func ended(ref messages.AttemptRef, e messages.Ending) messages.Outcome {
	return messages.Outcome{Attempt: ref, Ending: e}
}

func state(t testing.TB, s *Store, id messages.TaskID) messages.TaskState {
	t.Helper()
	return viewed(t, s, id).Task.State
}

func viewed(t testing.TB, s *Store, id messages.TaskID) messages.View {
	t.Helper()
	return value(s.View(t.Context(), id))(t)
}

// effectOf is the task's effect of a kind, or a zero one.
func effectOf(t testing.TB, s *Store, id messages.TaskID, kind messages.EffectKind) messages.Effect {
	t.Helper()
	for _, e := range viewed(t, s, id).Effects {
		if e.Kind == kind {
			return e
		}
	}
	return messages.Effect{}
}
