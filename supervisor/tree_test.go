package supervisor_test

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rs/zerolog"
	"github.com/thejerf/suture/v4"
	"go.uber.org/goleak"

	"devs-webhook/actors"
	"devs-webhook/internal/store"
	"devs-webhook/messages"
	"devs-webhook/supervisor"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// bundle is a running service in a bubble: the real store, actors and supervisors, and the world.
type bundle struct {
	t     *testing.T
	world *world
	store *store.Store
	tree  *supervisor.Tree
	stop  context.CancelFunc
	ended chan error

	mu     sync.Mutex
	events []suture.Event
}

type options struct {
	slots []string
	drain []string
	dir   string
	log   bool
}

// start runs a service in w. It must be called in a bubble.
func start(t *testing.T, w *world, o options) *bundle {
	t.Helper()
	if o.dir == "" {
		o.dir = t.TempDir()
	}
	if o.slots == nil {
		o.slots = []string{"eamonn", "harry"}
	}
	log := zerolog.Nop()
	if o.log {
		log = zerolog.New(t.Output())
	}
	st, err := store.Open(t.Context(), o.dir, store.Options{Log: log})
	if err != nil {
		t.Fatal(err)
	}
	b := &bundle{t: t, world: w, store: st, ended: make(chan error, 1)}
	b.tree = supervisor.New(supervisor.Parts{
		Store: fragileStore{Store: st, bomb: w.bomb}, GitHub: w, Git: w, Runtime: w, Agents: w, Outputs: w, Writer: w, Model: w, Sessions: w,
		Intake: w, Reader: reading{w}, Disk: func() error { return nil },
		Rules: actors.Rules{MentionedUser: "bot", AllowedOwners: []string{"octo"}},
		Slots: o.slots, Drain: o.drain, Limits: messages.Limits{Wall: time.Hour}, StateDir: o.dir,
		ProgressAfter: 5 * time.Second, TidyEvery: time.Hour, KeepOutputs: time.Hour, Log: log,
		Events: func(e suture.Event) {
			b.mu.Lock()
			defer b.mu.Unlock()
			b.events = append(b.events, e)
		},
	})
	ctx, cancel := context.WithCancel(context.Background())
	b.stop = cancel
	go func() { b.ended <- b.tree.Serve(ctx) }()
	return b
}

// close stops the service and says how long that took.
func (b *bundle) close() time.Duration {
	b.t.Helper()
	began := time.Now()
	b.stop()
	if err := <-b.ended; err != nil {
		b.t.Errorf("the tree ended with: %v", err)
	}
	took := time.Since(began)
	if err := b.store.Close(); err != nil {
		b.t.Error(err)
	}
	return took
}

// ask puts a request on an issue in, as the source would.
func (b *bundle) ask(delivery string, issue int, text string) messages.TaskID {
	b.t.Helper()
	r := request(delivery, issue, text)
	body, err := json.Marshal(r)
	if err != nil {
		b.t.Fatal(err)
	}
	if _, err := b.tree.Put(b.t.Context(), messages.Delivery{ID: delivery, Event: "issues", Source: "webhook", Body: body}); err != nil {
		b.t.Fatal(err)
	}
	return messages.TaskIDOf(r.Key)
}

func request(delivery string, issue int, text string) messages.Request {
	return messages.Request{
		Key: "1/comment/" + delivery, Delivery: delivery, Repo: messages.Repo{ID: 1, Owner: "octo", Name: "hello"},
		Thread: messages.Thread{Number: issue, Title: "A bug"}, Object: messages.Object{Kind: "issue_comment", ID: int64(issue * 100)},
		Trigger: "mention", Instruction: text, Requester: author, Principals: []messages.User{author}, At: time.Now(),
	}
}

// wait lets time pass until the tasks have ended and the outbox is empty.
func (b *bundle) wait(tasks ...messages.TaskID) {
	b.t.Helper()
	for range 600 {
		if b.quiet(tasks) {
			return
		}
		time.Sleep(time.Second) // of the bubble
		synctest.Wait()
	}
	for _, id := range tasks {
		view, err := b.store.View(b.t.Context(), id)
		text, _ := json.MarshalIndent(view, "", " ")
		b.t.Logf("%v %s", err, text)
	}
	b.t.Fatal("the tasks did not end within ten minutes")
}

func (b *bundle) quiet(tasks []messages.TaskID) bool {
	for _, id := range tasks {
		view, err := b.store.View(b.t.Context(), id)
		if err != nil || !view.Task.State.Final() {
			return false
		}
		for _, e := range view.Effects {
			if e.State == messages.EffectPending || e.State == messages.EffectOpen {
				return false
			}
		}
	}
	return true
}

// oneOfEach checks what may be seen of an ended task: one final comment, one pull request, at most one
// progress comment, one reaction.
func (b *bundle) oneOfEach(id messages.TaskID) {
	b.t.Helper()
	view, err := b.store.View(b.t.Context(), id)
	if err != nil {
		b.t.Fatal(err)
	}
	w := b.world
	w.mu.Lock()
	defer w.mu.Unlock()
	count := map[messages.EffectKind]int{}
	for _, c := range w.comments {
		if c.task == id {
			count[c.kind]++
		}
		if c.task == id && c.kind == messages.EffectProgress && c.body != "folded" {
			b.t.Errorf("the progress comment was left as %q", c.body)
		}
	}
	if count[messages.EffectFinal] != 1 {
		b.t.Errorf("%d final comments", count[messages.EffectFinal])
	}
	if count[messages.EffectProgress] > 1 {
		b.t.Errorf("%d progress comments", count[messages.EffectProgress])
	}
	if n := w.pulls[view.Task.Branch]; n != 1 && view.Task.State == messages.TaskDone {
		b.t.Errorf("%d pull requests", n)
	}
	for _, q := range view.Task.Requests {
		if w.reactions[fmt.Sprint(q.Object)] != 1 {
			b.t.Errorf("no reaction to %v", q.Object)
		}
	}
	for ref, n := range w.starts {
		if ref.Task == id && n != 1 {
			b.t.Errorf("attempt %s was started %d times", ref, n)
		}
	}
}

func (b *bundle) silent() {
	b.t.Helper()
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, e := range b.events {
		b.t.Errorf("the supervisor saw: %s", e)
	}
}

func TestRequestsAreAnsweredOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := start(t, newWorld(), options{})
		one := b.ask("d1", 1, "fix it")
		two := b.ask("d2", 2, "fix that")
		b.ask("d1", 1, "fix it") // sent again
		b.wait(one, two)
		b.oneOfEach(one)
		b.oneOfEach(two)
		view, err := b.store.View(t.Context(), one)
		if err != nil || view.Task.State != messages.TaskDone || len(view.Attempts) != 1 {
			t.Errorf("%v, %d attempts, %v", view.Task.State, len(view.Attempts), err)
		}
		if view.Last.Seq < 18 {
			t.Errorf("only %d of the agent's events were stored", view.Last.Seq)
		}
		b.silent()
		if took := b.close(); took > 5*time.Second {
			t.Errorf("the stop took %v", took)
		}
	})
}

// TestPanicAtAnyCallLosesNothing crashes whoever calls the outside: before the first call of each kind, and
// after the last took effect; with CRASH_ALL=1 before and after every single one.
func TestPanicAtAnyCallLosesNothing(t *testing.T) {
	names := story(t, 0, false).names
	first, last := map[string]int{}, map[string]int{}
	for i, name := range names {
		if first[name] == 0 {
			first[name] = i + 1
		}
		last[name] = i + 1
	}
	if len(first) < 30 {
		t.Fatalf("the story makes only %d kinds of call", len(first))
	}
	for i, name := range names {
		at := i + 1
		for _, after := range []bool{false, true} {
			chosen := !after && at == first[name] || after && at == last[name]
			if !chosen && os.Getenv("CRASH_ALL") == "" {
				continue
			}
			t.Run(fmt.Sprintf("%s %d after=%v", name, at, after), func(t *testing.T) {
				t.Parallel()
				story(t, at, after)
			})
		}
	}
}

// story takes two requests to their answers while the bomb goes off at one call.
func story(t *testing.T, at int, after bool) *bomb {
	w := newWorld()
	w.bomb.at, w.bomb.after, w.work = at, after, 7*time.Second
	synctest.Test(t, func(t *testing.T) {
		b := start(t, w, options{slots: []string{"eamonn"}})
		one := b.ask("d1", 1, "fix it")
		synctest.Wait()
		two := b.ask("d2", 2, "fix that")
		b.wait(one, two)
		b.oneOfEach(one)
		b.oneOfEach(two)
		b.close()
	})
	return w.bomb
}

func TestRestartAttachesToARunningAgent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, dir := newWorld(), t.TempDir()
		w.work = 10 * time.Minute
		b := start(t, w, options{dir: dir})
		id := b.ask("d1", 1, "fix it")
		time.Sleep(time.Minute)
		b.close()
		time.Sleep(time.Minute) // the service is away

		b = start(t, w, options{dir: dir})
		b.wait(id)
		b.oneOfEach(id)
		view, err := b.store.View(t.Context(), id)
		if err != nil || len(view.Attempts) != 1 {
			t.Errorf("%d attempts, %v", len(view.Attempts), err)
		}
		events, err := b.store.Events(t.Context(), view.Attempts[0].AttemptRef, 0, 10000)
		if err != nil || len(events) < 590 {
			t.Errorf("%d events, %v", len(events), err)
		}
		for i, e := range events {
			if e.Seq != int64(i+1) {
				t.Fatalf("event %d has number %d", i+1, e.Seq)
			}
		}
		b.silent()
		b.close()
	})
}

func TestCancelEndsTheTask(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		w.work = time.Hour
		b := start(t, w, options{slots: []string{"eamonn"}})
		id := b.ask("d1", 1, "fix it")
		waiting := b.ask("d2", 2, "fix that")
		time.Sleep(time.Minute)
		began := time.Now()
		if err := b.tree.Cancel(t.Context(), id, "eamonn", "the operator"); err != nil {
			t.Fatal(err)
		}
		if err := b.tree.Cancel(t.Context(), waiting, "", "the operator"); err != nil {
			t.Fatal(err)
		}
		b.wait(id, waiting)
		if took := time.Since(began); took > 10*time.Second {
			t.Errorf("the cancel took %v", took)
		}
		for _, one := range []messages.TaskID{id, waiting} {
			view, err := b.store.View(t.Context(), one)
			if err != nil || view.Task.State != messages.TaskCancelled {
				t.Errorf("%s: %v %v", one, view.Task.State, err)
			}
			b.oneOfEach(one)
		}
		b.silent()
		b.close()
	})
}

// TestCancelIsFoundInTheStore loses the message: the wish in the store is enough.
func TestCancelIsFoundInTheStore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		w.work = time.Hour
		b := start(t, w, options{slots: []string{"eamonn"}})
		id := b.ask("d1", 1, "fix it")
		time.Sleep(time.Minute)
		if err := b.tree.Cancel(t.Context(), id, "nobody", "the operator"); err != nil {
			t.Fatal(err)
		}
		time.Sleep(10 * time.Second)
		b.wait(id)
		b.close()
	})
}

func TestLostContainerIsTriedAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		w.lost = 1
		b := start(t, w, options{})
		id := b.ask("d1", 1, "fix it")
		b.wait(id)
		view, err := b.store.View(t.Context(), id)
		if err != nil || len(view.Attempts) != 2 || view.Attempts[0].Ending != messages.EndContainerLost || view.Task.State != messages.TaskDone {
			t.Errorf("%+v %v", view.Attempts, err)
		}
		b.oneOfEach(id)
		b.silent()
		b.close()
	})
}

func TestTaskThatKeepsLosingItsContainerIsGivenUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		w.lost = 100
		b := start(t, w, options{})
		id := b.ask("d1", 1, "fix it")
		b.wait(id)
		view, err := b.store.View(t.Context(), id)
		if err != nil || len(view.Attempts) != 3 || view.Task.State != messages.TaskFailed {
			t.Errorf("%d attempts, %v %v", len(view.Attempts), view.Task.State, err)
		}
		b.oneOfEach(id)
		b.close()
	})
}

// TestSlotThatLeftThePoolIsDrained: its work is finished, and it gets no more.
func TestSlotThatLeftThePoolIsDrained(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, dir := newWorld(), t.TempDir()
		w.work = 5 * time.Minute
		b := start(t, w, options{dir: dir, slots: []string{"darren"}})
		id := b.ask("d1", 1, "fix it")
		time.Sleep(time.Minute)
		b.close()

		b = start(t, w, options{dir: dir, slots: []string{"harry"}, drain: []string{"darren"}})
		next := b.ask("d2", 2, "fix that")
		b.wait(id, next)
		for task, slot := range map[messages.TaskID]string{id: "darren", next: "harry"} {
			view, err := b.store.View(t.Context(), task)
			if err != nil || view.Attempts[0].Slot != slot || len(view.Attempts) != 1 {
				t.Errorf("%+v %v", view.Attempts, err)
			}
		}
		b.close()
	})
}

// TestLeftoverOfAnEndedAttemptIsRemoved: a name that an unknown attempt holds is made free.
func TestLeftoverOfAnEndedAttemptIsRemoved(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		w.slots["eamonn"] = &container{
			found: messages.Found{State: messages.FoundExited, Attempt: messages.AttemptRef{Task: "aaaaaaaaaaaa", Number: 1}},
			done:  make(chan struct{}),
		}
		b := start(t, w, options{slots: []string{"eamonn"}})
		id := b.ask("d1", 1, "fix it")
		b.wait(id)
		b.oneOfEach(id)
		b.silent()
		b.close()
	})
}

func TestNobodyWithoutPermissionGetsATask(t *testing.T) {
	for name, change := range map[string]func(*messages.Request){
		"no write permission": func(r *messages.Request) {
			r.Principals = append(r.Principals, messages.User{ID: 9, Login: "stranger"})
		},
		"repository not allowed": func(r *messages.Request) { r.Repo.Owner = "elsewhere" },
		"bot":                    func(r *messages.Request) { r.Principals[0].Bot = true },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := start(t, newWorld(), options{})
				r := request("d1", 1, "fix it")
				change(&r)
				body, _ := json.Marshal(r)
				if _, err := b.tree.Put(t.Context(), messages.Delivery{ID: "d1", Event: "issues", Source: "webhook", Body: body}); err != nil {
					t.Fatal(err)
				}
				time.Sleep(time.Minute)
				why, err := b.store.Why(t.Context(), "d1")
				if err != nil || why.Decision != messages.DecidedIgnored || !why.Reason.Again() {
					t.Errorf("%s %s %v", why.Decision, why.Reason, err)
				}
				b.silent()
				b.close()
			})
		})
	}
}
