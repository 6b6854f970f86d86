package supervisor_test

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"devs-webhook/actors"
	"devs-webhook/messages"
)

// world is everything outside the service: the engine, GitHub and its repositories. It outlives every crash
// of an actor, as the real ones do. Its bomb makes one call panic, before or after it took effect.
type world struct {
	bomb *bomb

	mu        sync.Mutex
	slots     map[string]*container
	starts    map[messages.AttemptRef]int
	comments  []posted
	reactions map[string]int // by object
	pulls     map[string]int // by branch
	work      time.Duration  // how long an agent works
	ending    messages.Ending
	lost      int // how many containers vanish in the middle of their work
}

type container struct {
	found   messages.Found
	started time.Time
	done    chan struct{} // closed when the agent has ended
	stopped bool
}

type posted struct {
	id     int64
	number int
	task   messages.TaskID
	kind   messages.EffectKind
	body   string
}

func newWorld() *world {
	return &world{
		bomb: &bomb{}, slots: map[string]*container{}, starts: map[messages.AttemptRef]int{},
		reactions: map[string]int{}, pulls: map[string]int{}, work: 20 * time.Second, ending: messages.EndSucceeded,
	}
}

// bomb panics at one chosen call of anything that an actor calls.
type bomb struct {
	mu    sync.Mutex
	at    int  // number of the call, from 1; 0 never
	after bool // after the call took effect, not before
	calls int
	names []string
}

func (b *bomb) around(name string, f func()) {
	b.mu.Lock()
	b.calls++
	b.names = append(b.names, name)
	goes := b.calls == b.at
	b.mu.Unlock()
	if goes && !b.after {
		panic("bomb before " + name)
	}
	f()
	if goes {
		panic("bomb after " + name)
	}
}

// --- the engine

func (w *world) Name() string { return "docker" }

func (w *world) Find(_ context.Context, slot string) (f messages.Found, err error) {
	w.bomb.around("Find", func() {
		w.mu.Lock()
		defer w.mu.Unlock()
		f = messages.Found{State: messages.FoundNothing}
		if c, ok := w.slots[slot]; ok {
			f = c.found
		}
	})
	return f, nil
}

func (w *world) Create(_ context.Context, l messages.Launch) (err error) {
	w.bomb.around("Create", func() {
		w.mu.Lock()
		defer w.mu.Unlock()
		if _, taken := w.slots[l.Slot]; taken {
			err = messages.ErrNameTaken
			return
		}
		w.slots[l.Slot] = &container{
			found: messages.Found{State: messages.FoundCreated, Attempt: l.Attempt}, done: make(chan struct{}),
		}
	})
	return err
}

func (w *world) Start(_ context.Context, slot string) (err error) {
	w.bomb.around("Start", func() {
		w.mu.Lock()
		defer w.mu.Unlock()
		c := w.slots[slot]
		if c == nil || c.found.State != messages.FoundCreated {
			return
		}
		c.found.State, c.started = messages.FoundRunning, time.Now()
		w.starts[c.found.Attempt]++
		vanishes := w.lost > 0
		if vanishes {
			w.lost--
		}
		time.AfterFunc(w.work, func() { w.end(slot, c, vanishes) })
	})
	return err
}

func (w *world) end(slot string, c *container, vanishes bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if c.found.State != messages.FoundRunning {
		return
	}
	c.found.State = messages.FoundExited
	close(c.done)
	if vanishes {
		delete(w.slots, slot)
	}
}

// Follow emits one event for each second of work.
func (w *world) Follow(ctx context.Context, slot string, after int64, emit func(messages.AgentEvent)) (err error) {
	w.bomb.around("Follow", func() {
		w.mu.Lock()
		c := w.slots[slot]
		w.mu.Unlock()
		if c == nil {
			err = messages.ErrNotFound
			return
		}
		tick := time.NewTicker(100 * time.Millisecond)
		defer tick.Stop()
		for {
			select {
			case <-ctx.Done():
				err = ctx.Err()
				return
			case <-c.done:
				return
			case <-tick.C:
			}
			for ; after < int64(time.Since(c.started)/time.Second); after++ {
				emit(messages.AgentEvent{Seq: after + 1, At: time.Now(), Kind: messages.EventWords, Text: "working"})
			}
		}
	})
	return err
}

func (w *world) Collect(_ context.Context, slot, dir string) (exit messages.Exit, err error) {
	w.bomb.around("Collect", func() {
		w.mu.Lock()
		defer w.mu.Unlock()
		c := w.slots[slot]
		if c == nil {
			exit.Lost = true
			return
		}
		ending := w.ending
		if c.stopped {
			ending = messages.EndCancelled
		}
		result := messages.Result{Protocol: 1, Attempt: c.found.Attempt, Ending: ending, Words: "I did it.", Events: int64(w.work / time.Second)}
		text, _ := json.Marshal(result)
		if err = os.MkdirAll(dir, 0o700); err == nil {
			err = os.WriteFile(filepath.Join(dir, "result.json"), text, 0o600)
		}
	})
	return exit, err
}

func (w *world) Stop(_ context.Context, slot string) error {
	w.bomb.around("Stop", func() {
		w.mu.Lock()
		c := w.slots[slot]
		if c != nil {
			c.stopped = true
		}
		w.mu.Unlock()
		if c != nil {
			w.end(slot, c, false)
		}
	})
	return nil
}

func (w *world) Remove(_ context.Context, slot string) error {
	w.bomb.around("Remove", func() {
		w.mu.Lock()
		defer w.mu.Unlock()
		if c := w.slots[slot]; c != nil && c.found.State == messages.FoundRunning {
			close(c.done)
			c.found.State = messages.FoundExited
		}
		delete(w.slots, slot)
	})
	return nil
}

func (w *world) Sweep(context.Context, func(messages.AttemptRef) bool) (int, error) { return 0, nil }

// --- the input and the output

func (w *world) Bundle(_ context.Context, _ messages.Task, path string) (base messages.Base, err error) {
	w.bomb.around("Bundle", func() {
		err = os.WriteFile(path, []byte("bundle"), 0o600)
		base = messages.Base{Ref: "refs/heads/main", Commit: strings.Repeat("a", 40), Target: "main"}
	})
	return base, err
}

func (w *world) WriteInput(string, messages.Job) error {
	w.bomb.around("WriteInput", func() {})
	return nil
}

func (w *world) Lend(context.Context, string, messages.AttemptRef) (access messages.Access, err error) {
	w.bomb.around("Lend", func() { access.Token = "token" })
	return access, nil
}

// Sessions are none.
func (w *world) Take(string, string) (string, error) { return "", nil }
func (w *world) Keep(string, string, string) error   { return nil }
func (w *world) Drop(string) error                   { return nil }

func (w *world) Read(dir string, a messages.AttemptRef) (o actors.Output, err error) {
	w.bomb.around("Read", func() {
		text, readErr := os.ReadFile(filepath.Join(dir, "result.json"))
		if readErr != nil {
			return
		}
		err = json.Unmarshal(text, &o.Result)
		o.HasResult, o.HasBundle = true, o.Result.Ending == messages.EndSucceeded
	})
	return o, err
}

// --- GitHub

var (
	bot    = messages.User{ID: 1, Login: "bot"}
	author = messages.User{ID: 2, Login: "author"}
)

func (w *world) Self(context.Context) (messages.User, error) {
	w.bomb.around("Self", func() {})
	return bot, nil
}

func (w *world) User(context.Context, string) (messages.User, error) {
	w.bomb.around("User", func() {})
	return bot, nil
}

func (w *world) CanWrite(_ context.Context, _ messages.Repo, u messages.User) (can bool, err error) {
	w.bomb.around("CanWrite", func() { can = u == author })
	return can, nil
}

func (w *world) Comments(context.Context, messages.Repo, int) ([]messages.Comment, error) {
	w.bomb.around("Comments", func() {})
	return nil, nil
}

func (w *world) React(_ context.Context, _ messages.Repo, _ int, o messages.Object, _ string) error {
	w.bomb.around("React", func() {
		w.mu.Lock()
		defer w.mu.Unlock()
		w.reactions[fmt.Sprint(o)] = 1 // GitHub keeps one of a kind
	})
	return nil
}

func (w *world) FindComment(_ context.Context, _ messages.Repo, number int, task messages.TaskID, kind messages.EffectKind) (id int64, url string, found bool, err error) {
	w.bomb.around("FindComment", func() {
		w.mu.Lock()
		defer w.mu.Unlock()
		i := slices.IndexFunc(w.comments, func(p posted) bool { return p.number == number && p.task == task && p.kind == kind })
		if found = i >= 0; found {
			id = w.comments[i].id
		}
	})
	return id, "url", found, nil
}

func (w *world) CreateComment(_ context.Context, _ messages.Repo, number int, task messages.TaskID, kind messages.EffectKind, body string) (id int64, url string, err error) {
	w.bomb.around("CreateComment", func() {
		w.mu.Lock()
		defer w.mu.Unlock()
		id = int64(len(w.comments) + 100)
		w.comments = append(w.comments, posted{id, number, task, kind, body})
	})
	return id, "url", nil
}

func (w *world) UpdateComment(_ context.Context, _ messages.Repo, id int64, _ messages.TaskID, _ messages.EffectKind, body string) (err error) {
	w.bomb.around("UpdateComment", func() {
		w.mu.Lock()
		defer w.mu.Unlock()
		i := slices.IndexFunc(w.comments, func(p posted) bool { return p.id == id })
		if i < 0 {
			err = messages.ErrNotFound
			return
		}
		w.comments[i].body = body
	})
	return err
}

func (w *world) FindPull(_ context.Context, _ messages.Repo, branch string) (number int, url string, open, found bool, err error) {
	w.bomb.around("FindPull", func() {
		w.mu.Lock()
		defer w.mu.Unlock()
		found = w.pulls[branch] > 0
	})
	return 7, "url", found, found, nil
}

func (w *world) CreatePull(_ context.Context, _ messages.Repo, branch, _, _, _ string, _ bool) (number int, url string, err error) {
	w.bomb.around("CreatePull", func() {
		w.mu.Lock()
		defer w.mu.Unlock()
		w.pulls[branch]++
	})
	return 7, "url", nil
}

func (w *world) SpareWrites() bool { return true }

func (w *world) Push(_ context.Context, t messages.Task, _ messages.Base, _ string) (p messages.Published, err error) {
	w.bomb.around("Push", func() { p.Branch = t.Branch })
	return p, nil
}

// --- the texts

func (w *world) Progress(v messages.View, _ time.Time) string {
	w.bomb.around("Progress", func() {})
	return "progress: " + string(v.Task.State) + " " + fmt.Sprint(v.Last.Seq)
}

func (w *world) Folded(string) string { return "folded" }

func (w *world) Final(v messages.View, p messages.Published) string {
	w.bomb.around("Final", func() {})
	return fmt.Sprintf("final: %s, pull request %d", v.Task.State, p.Number)
}

func (w *world) Pull(messages.View) (string, string, bool) { return "title", "body", false }

// --- the reading: a payload is the JSON of a request

func (w *world) Verify([]byte, string) bool                     { return true }
func (w *world) Envelope(_ string, body []byte) ([]byte, error) { return body, nil }
func (w *world) CheckDeliveryID(string) error                   { return nil }
func (w *world) ReadEvent(body []byte) (r messages.Request, e error) {
	e = json.Unmarshal(body, &r)
	return
}

type reading struct{ w *world }

func (r reading) Read(event string, payload []byte) (ev messages.Event, summary string, reason messages.Reason, detail string, ok bool) {
	r.w.bomb.around("ReadEvent", func() {
		if event == "ping" {
			reason = messages.ReasonPing
			return
		}
		req, err := r.w.ReadEvent(payload)
		if err != nil {
			reason = messages.ReasonMalformed
			return
		}
		ev = messages.Event{Name: event, Repo: req.Repo, Thread: req.Thread, Comment: messages.Comment{Body: string(payload)}}
		ok = true
	})
	return ev, "issues opened", reason, detail, ok
}

func (r reading) Judge(ev messages.Event, _ actors.Identity, _ bool) (req messages.Request, reason messages.Reason, detail string, ask bool) {
	r.w.bomb.around("Judge", func() {
		var err error
		req, err = r.w.ReadEvent([]byte(ev.Comment.Body))
		ask = err == nil
	})
	return req, "", "", ask
}
