package actors_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/rs/zerolog"
	"github.com/thejerf/suture/v4"

	"devs-webhook/actors"
	"devs-webhook/internal/store"
	"devs-webhook/messages"
)

// The fakes are structs of functions: a nil one answers what lets the work go on.

var (
	bot      = messages.User{ID: 1, Login: "bot"}
	author   = messages.User{ID: 2, Login: "author"}
	hello    = messages.Repo{ID: 1, Owner: "octo", Name: "hello"}
	errQuiet = errors.New("GitHub is quiet")
	// errBroken is what no restart mends: fatal says so.
	errBroken = errors.New("store is damaged")
)

func fatal(err error) int {
	if errors.Is(err, errBroken) {
		return 4
	}
	return 0
}

// --- what the policy asks

// reader takes the payload for the JSON of a request; one without a key is no request.
type reader struct {
	read  func(payload []byte)
	judge func(r messages.Request, who actors.Identity)
}

func (f *reader) Read(event string, payload []byte) (ev messages.Event, summary string, reason messages.Reason, detail string, ok bool) {
	if f.read != nil {
		f.read(payload)
	}
	var r messages.Request
	if err := json.Unmarshal(payload, &r); err != nil {
		return ev, "", messages.ReasonMalformed, err.Error(), false
	}
	return messages.Event{Name: event, Repo: r.Repo, Thread: r.Thread, Comment: messages.Comment{Body: string(payload)}}, "issues opened", "", "", true
}

func (f *reader) Judge(ev messages.Event, who actors.Identity, _ bool) (r messages.Request, reason messages.Reason, detail string, ask bool) {
	_ = json.Unmarshal([]byte(ev.Comment.Body), &r)
	if f.judge != nil {
		f.judge(r, who)
	}
	return r, messages.ReasonNoMention, "nobody is mentioned", r.Trigger != ""
}

type authority struct {
	self     func(ctx context.Context) (messages.User, error)
	user     func(ctx context.Context, login string) (messages.User, error)
	canWrite func(ctx context.Context, repo messages.Repo, user messages.User) (bool, error)
}

func (f *authority) Self(ctx context.Context) (messages.User, error) {
	if f.self == nil {
		return bot, nil
	}
	return f.self(ctx)
}

func (f *authority) User(ctx context.Context, login string) (messages.User, error) {
	if f.user == nil {
		return messages.User{ID: 1, Login: login}, nil
	}
	return f.user(ctx, login)
}

func (f *authority) CanWrite(ctx context.Context, repo messages.Repo, user messages.User) (bool, error) {
	if f.canWrite == nil {
		return true, nil
	}
	return f.canWrite(ctx, repo, user)
}

// --- the store: the real one, with calls that a test may get between

type storeWith struct {
	*store.Store
	undecided    func([]messages.Delivery)
	openAttempts func()
	isOurs       func() error
	decide       func(messages.Decision) error
	claim        func(slot string)
	append       func(events []messages.AgentEvent) error
	finish       func(messages.Outcome) error
	trying       func() error
	forget       func() error
	pending      func(messages.TaskID) error
	attempts     func([]messages.Attempt) ([]messages.Attempt, error)
}

func (s *storeWith) Undecided(ctx context.Context, limit int) ([]messages.Delivery, error) {
	d, err := s.Store.Undecided(ctx, limit)
	if s.undecided != nil {
		s.undecided(d)
	}
	return d, err
}

func (s *storeWith) OpenAttempts(ctx context.Context) ([]messages.Attempt, error) {
	if s.openAttempts != nil {
		s.openAttempts()
	}
	list, err := s.Store.OpenAttempts(ctx)
	if s.attempts != nil && err == nil {
		return s.attempts(list)
	}
	return list, err
}

func (s *storeWith) IsOurs(ctx context.Context, repo, comment int64) (bool, error) {
	if s.isOurs != nil {
		if err := s.isOurs(); err != nil {
			return false, err
		}
	}
	return s.Store.IsOurs(ctx, repo, comment)
}

func (s *storeWith) Decide(ctx context.Context, d messages.Decision) (messages.Decision, messages.TaskID, error) {
	if s.decide != nil {
		if err := s.decide(d); err != nil {
			return d, "", err
		}
	}
	return s.Store.Decide(ctx, d)
}

func (s *storeWith) Claim(ctx context.Context, id messages.TaskID, slot, runtime string) (messages.Attempt, messages.Task, error) {
	if s.claim != nil {
		s.claim(slot)
	}
	return s.Store.Claim(ctx, id, slot, runtime)
}

func (s *storeWith) AppendEvents(ctx context.Context, a messages.AttemptRef, events []messages.AgentEvent) error {
	if s.append != nil {
		if err := s.append(events); err != nil {
			return err
		}
	}
	return s.Store.AppendEvents(ctx, a, events)
}

func (s *storeWith) Finish(ctx context.Context, o messages.Outcome) error {
	if s.finish != nil {
		if err := s.finish(o); err != nil {
			return err
		}
	}
	return s.Store.Finish(ctx, o)
}

func (s *storeWith) EffectTrying(ctx context.Context, id int64) error {
	if s.trying != nil {
		if err := s.trying(); err != nil {
			return err
		}
	}
	return s.Store.EffectTrying(ctx, id)
}

func (s *storeWith) Forget(ctx context.Context, now time.Time) (int, error) {
	if s.forget != nil {
		if err := s.forget(); err != nil {
			return 0, err
		}
	}
	f, err := s.Store.Forget(ctx, now, store.Keep{})
	return f.Deliveries, err
}

func (s *storeWith) Pending(ctx context.Context, id messages.TaskID) (bool, error) {
	if s.pending != nil {
		if err := s.pending(id); err != nil {
			return false, err
		}
	}
	view, err := s.View(ctx, id)
	if errors.Is(err, store.ErrUnknownTask) {
		return false, nil
	}
	for _, e := range view.Effects {
		if e.State == messages.EffectPending || e.State == messages.EffectOpen {
			return true, err
		}
	}
	return false, err
}

// --- running an actor

// running is an actor in a bubble, under a supervisor of its own.
type running struct {
	t     *testing.T
	stop  context.CancelFunc
	ended <-chan error

	mu     sync.Mutex
	events []suture.Event
}

// serve runs an actor until the test ends, or stopped is called. Call it in a bubble.
func serve(t *testing.T, actor suture.Service) *running {
	t.Helper()
	r := &running{t: t}
	tree := suture.New("test", suture.Spec{FailureThreshold: 1e9, Timeout: 5 * time.Second, EventHook: func(e suture.Event) {
		r.mu.Lock()
		defer r.mu.Unlock()
		r.events = append(r.events, e)
	}})
	tree.Add(actor)
	ctx, cancel := context.WithCancel(context.Background())
	r.stop, r.ended = cancel, tree.ServeBackground(ctx)
	t.Cleanup(func() { r.stopped() })
	return r
}

// stopped stops the actor and says how long that took.
func (r *running) stopped() time.Duration {
	r.t.Helper()
	if r.ended == nil {
		return 0
	}
	began := time.Now()
	r.stop()
	<-r.ended
	r.ended = nil
	took := time.Since(began)
	if took >= 5*time.Second {
		r.t.Errorf("the stop took %v", took)
	}
	return took
}

// failures are the restarts that the supervisor made.
func (r *running) failures() []suture.Event {
	r.mu.Lock()
	defer r.mu.Unlock()
	return append([]suture.Event(nil), r.events...)
}

func (r *running) silent() {
	r.t.Helper()
	for _, e := range r.failures() {
		r.t.Errorf("the supervisor saw: %s", e)
	}
}

// logbook collects log lines.
type logbook struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (l *logbook) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

func (l *logbook) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

func (l *logbook) logger() zerolog.Logger { return zerolog.New(l) }

// --- making things

// request is what somebody asks for on an issue. Its key makes it a task of its own.
func request(key string, issue int) messages.Request {
	return messages.Request{
		Key: key, Repo: hello, Thread: messages.Thread{Number: issue, Title: "A bug"},
		Object: messages.Object{Kind: "issue_comment", ID: int64(issue * 100)}, Trigger: "mention", Instruction: "fix " + key,
		Requester: author, Principals: []messages.User{author}, At: time.Now(),
	}
}

// deliver stores a request as the payload of a delivery of this id.
func deliver(t *testing.T, st *store.Store, id string, r messages.Request) {
	t.Helper()
	body, err := json.Marshal(r)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := st.Accept(t.Context(), messages.Delivery{ID: id, Event: "issues", Source: "webhook", Body: body}); err != nil {
		t.Fatal(err)
	}
}

// newTask puts a task straight into the queue.
func newTask(t *testing.T, st *store.Store, r messages.Request) messages.TaskID {
	t.Helper()
	deliver(t, st, r.Key, r)
	d := messages.Decision{Delivery: r.Key, Kind: messages.DecidedTask, Reason: messages.ReasonAccepted, Repo: r.Repo, Request: r, React: true}
	_, id, err := st.Decide(t.Context(), d)
	if err != nil {
		t.Fatal(err)
	}
	return id
}

func view(t *testing.T, st *store.Store, id messages.TaskID) messages.View {
	t.Helper()
	v, err := st.View(t.Context(), id)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

func why(t *testing.T, st *store.Store, delivery string) store.Why {
	t.Helper()
	w, err := st.Why(t.Context(), delivery)
	if err != nil {
		t.Fatal(err)
	}
	return w
}
