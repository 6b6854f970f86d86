package actors_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"devs-webhook/actors"
	"devs-webhook/messages"
)

// desk is a reporter with its neighbours: GitHub, git and the texts. Before is asked first at each call of
// GitHub and git, with its name and the task: its error is the call's, which does nothing then.
type desk struct {
	t        *testing.T
	store    *storeWith
	bell     messages.Bell
	progress time.Duration // before the first progress comment
	log      logbook
	made     time.Time
	before   func(ctx context.Context, name string, task messages.TaskID) error
	text     func(v messages.View, now time.Time) string // of progress
	final    func(v messages.View)
	scarce   func() bool

	mu       sync.Mutex
	calls    []call
	comments map[int64]string
	answers  map[messages.TaskID]messages.Published // what the final comment was told
}

func newDesk(t *testing.T) *desk {
	t.Helper()
	return &desk{
		t: t, store: &storeWith{Store: openStore(t)}, bell: messages.NewBell(), progress: time.Hour, made: time.Now(),
		comments: map[int64]string{}, answers: map[messages.TaskID]messages.Published{},
	}
}

func (d *desk) reporter() *actors.Reporter {
	return actors.NewReporter(actors.ReporterParts{
		Store: d.store, GitHub: d, Pusher: d, Writer: texts{d}, Bell: d.bell, ProgressAfter: d.progress,
		Fatal: fatal, Log: d.log.logger(),
	})
}

// serve runs the reporter and waits until it is idle.
func (d *desk) serve() *running {
	d.t.Helper()
	r := serve(d.t, d.reporter())
	synctest.Wait()
	return r
}

// task makes a queued task whose reaction was performed.
func (d *desk) task(key string, issue int) messages.TaskID {
	d.t.Helper()
	r := request(key, issue)
	r.Object.ID = 0 // no reaction
	return newTask(d.t, d.store.Store, r)
}

// end takes a task to its end.
func (d *desk) end(id messages.TaskID, bundle string) {
	d.t.Helper()
	a, _, err := d.store.Store.Claim(d.t.Context(), id, "slot of "+string(id), "docker")
	if err != nil {
		d.t.Fatal(err)
	}
	o := messages.Outcome{Attempt: a.AttemptRef, Ending: messages.EndSucceeded, Bundle: bundle, Base: messages.Base{Target: "main"}}
	if err := d.store.Store.Finish(d.t.Context(), o); err != nil {
		d.t.Fatal(err)
	}
}

// effect is the task's effect of a kind.
func (d *desk) effect(id messages.TaskID, kind messages.EffectKind) messages.Effect {
	d.t.Helper()
	for _, e := range view(d.t, d.store.Store, id).Effects {
		if e.Kind == kind {
			return e
		}
	}
	return messages.Effect{}
}

func (d *desk) called(ctx context.Context, name string, id messages.TaskID) error {
	d.mu.Lock()
	d.calls = append(d.calls, call{name, time.Since(d.made)})
	d.mu.Unlock()
	if d.before == nil {
		return nil
	}
	return d.before(ctx, name, id)
}

// story is the calls in order.
func (d *desk) story() string {
	d.mu.Lock()
	defer d.mu.Unlock()
	var names []string
	for _, c := range d.calls {
		names = append(names, c.name)
	}
	return strings.Join(names, ", ")
}

// times are the seconds at which a call came.
func (d *desk) times(name string) (at []int) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, c := range d.calls {
		if c.name == name {
			at = append(at, int(c.at/time.Second))
		}
	}
	return at
}

func (d *desk) React(ctx context.Context, _ messages.Repo, number int, o messages.Object, content string) error {
	return d.called(ctx, fmt.Sprintf("react %s to %s of #%d", content, o.Kind, number), "")
}

func (d *desk) FindComment(ctx context.Context, _ messages.Repo, _ int, task messages.TaskID, kind messages.EffectKind) (int64, string, bool, error) {
	if err := d.called(ctx, "find "+string(kind), task); err != nil {
		return 0, "", false, err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	for id, body := range d.comments {
		if strings.HasPrefix(body, string(task)+" "+string(kind)) {
			return id, "url", true, nil
		}
	}
	return 0, "", false, nil
}

func (d *desk) CreateComment(ctx context.Context, _ messages.Repo, _ int, task messages.TaskID, kind messages.EffectKind, body string) (int64, string, error) {
	if err := d.called(ctx, "create "+string(kind), task); err != nil {
		return 0, "", err
	}
	return d.post(task, kind, body), "url", nil
}

// post puts a comment on GitHub.
func (d *desk) post(task messages.TaskID, kind messages.EffectKind, body string) int64 {
	d.mu.Lock()
	defer d.mu.Unlock()
	id := int64(len(d.comments) + 1)
	d.comments[id] = string(task) + " " + string(kind) + ": " + body
	return id
}

// posted counts the comments of a task and kind.
func (d *desk) posted(task messages.TaskID, kind messages.EffectKind) (n int) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, body := range d.comments {
		if strings.HasPrefix(body, string(task)+" "+string(kind)) {
			n++
		}
	}
	return n
}

func (d *desk) UpdateComment(ctx context.Context, _ messages.Repo, id int64, task messages.TaskID, kind messages.EffectKind, body string) error {
	what := "update "
	if body == "folded" {
		what = "fold "
	}
	if err := d.called(ctx, what+string(kind), task); err != nil {
		return err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.comments[id] == "" {
		return messages.ErrNotFound
	}
	d.comments[id] = string(task) + " " + string(kind) + ": " + body
	return nil
}

func (d *desk) FindPull(ctx context.Context, _ messages.Repo, _ string) (int, string, bool, bool, error) {
	return 0, "", false, false, d.called(ctx, "find pull", "")
}

func (d *desk) CreatePull(ctx context.Context, _ messages.Repo, _, base, _, _ string, _ bool) (int, string, error) {
	return 7, "pull url", d.called(ctx, "create pull into "+base, "")
}

func (d *desk) SpareWrites() bool { return d.scarce == nil || !d.scarce() }

func (d *desk) Push(ctx context.Context, t messages.Task, _ messages.Base, _ string) (messages.Published, error) {
	if err := d.called(ctx, "push", t.ID); err != nil {
		return messages.Published{}, err
	}
	return messages.Published{Branch: t.Branch, Files: 3}, nil
}

// texts composes.
type texts struct{ d *desk }

func (w texts) Progress(v messages.View, now time.Time) string {
	if w.d.text == nil {
		return "working"
	}
	return w.d.text(v, now)
}

func (w texts) Folded(string) string { return "folded" }

func (w texts) Final(v messages.View, p messages.Published) string {
	if w.d.final != nil {
		w.d.final(v)
	}
	w.d.mu.Lock()
	defer w.d.mu.Unlock()
	w.d.answers[v.Task.ID] = p
	return "done"
}

func (w texts) Pull(messages.View) (string, string, bool) { return "title", "body", false }

// at says whether something happened at these seconds.
func at(t *testing.T, what string, got []int, want ...int) {
	t.Helper()
	if !slices.Equal(got, want) {
		t.Errorf("%s at %v s, not at %v", what, got, want)
	}
}
