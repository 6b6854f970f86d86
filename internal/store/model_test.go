package store

import (
	"cmp"
	"errors"
	"flag"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/rs/zerolog"
	"pgregory.net/rapid"

	"devs-webhook/messages"
)

// model is the store as one would write it without a disk. The machine below does the same to both.
type model struct {
	decided map[string]string // delivery: its recorded reason; empty while undecided
	tasks   map[messages.TaskID]*modelTask
	order   []messages.TaskID
	keys    map[string]*modelRequest // the request that a key became or joined
	open    map[string]messages.AttemptRef
	effects map[string]messages.EffectState // "task kind"
}

type modelTask struct {
	thread            int
	state             messages.TaskState
	attempt, failures int
	wish              bool
	requests          []*modelRequest
}

type modelRequest struct {
	task messages.TaskID
	text string
	at   int
}

func (m *model) decide(key string, thread, at int, text string, edit bool) (messages.Reason, messages.TaskID) {
	if r, known := m.keys[key]; known {
		if m.tasks[r.task].state == messages.TaskQueued {
			if at >= r.at && (edit || text != r.text) {
				r.text, r.at = text, at
				return messages.ReasonReplaced, r.task
			}
			return messages.ReasonAlreadyRequested, r.task
		}
		if edit {
			return messages.ReasonEditNotNew, r.task
		}
		return messages.ReasonAlreadyRequested, r.task
	}
	if edit {
		return messages.ReasonEditNotNew, ""
	}
	r := &modelRequest{text: text, at: at}
	for _, fresh := range []bool{true, false} {
		for _, id := range m.order {
			t := m.tasks[id]
			if t.thread != thread || t.state != messages.TaskQueued || (t.attempt == 0) != fresh {
				continue
			}
			for _, twin := range t.requests {
				if twin.text == text {
					m.keys[key] = twin
					return messages.ReasonJoined, id
				}
			}
			r.task = id
			t.requests, m.keys[key] = append(t.requests, r), r
			return messages.ReasonMerged, id
		}
	}
	r.task = messages.TaskIDOf(key)
	m.tasks[r.task] = &modelTask{thread: thread, state: messages.TaskQueued, requests: []*modelRequest{r}}
	m.order = append(m.order, r.task)
	m.keys[key] = r
	return messages.ReasonAccepted, r.task
}

func (m *model) claimable(id messages.TaskID) bool {
	t := m.tasks[id]
	if t == nil || t.state != messages.TaskQueued {
		return false
	}
	for other, o := range m.tasks {
		begun := o.state == messages.TaskRunning || o.state == messages.TaskQueued && o.attempt > 0
		if other != id && o.thread == t.thread && begun {
			return false
		}
	}
	return true
}

func (m *model) end(id messages.TaskID, state messages.TaskState, publish bool) {
	m.tasks[id].state = state
	m.effects[string(id)+" final"] = messages.EffectPending
	if publish {
		m.effects[string(id)+" publish"] = messages.EffectPending
	}
}

// text is all that both sides know, to compare.
func (m *model) text() string {
	var b strings.Builder
	for _, id := range m.order {
		t := m.tasks[id]
		fmt.Fprintf(&b, "%s 7#%d %s attempt %d failures %d wish %v:", id, t.thread, t.state, t.attempt, t.failures, t.wish)
		for _, r := range t.requests {
			fmt.Fprintf(&b, " %q", r.text)
		}
		fmt.Fprintln(&b)
	}
	for _, slot := range slices.Sorted(maps.Keys(m.open)) {
		fmt.Fprintln(&b, slot, m.open[slot])
	}
	for _, e := range slices.Sorted(maps.Keys(m.effects)) {
		fmt.Fprintln(&b, e, m.effects[e])
	}
	for _, d := range slices.Sorted(maps.Keys(m.decided)) {
		fmt.Fprintln(&b, d, cmp.Or(m.decided[d], string(messages.ReasonNotLooked)))
	}
	return b.String()
}

// machine is the store under test beside its model.
type machine struct {
	t   *rapid.T
	dir string
	s   *Store
	m   model
}

func (x *machine) must(err error) {
	if err != nil {
		x.t.Fatal(err)
	}
}

func (x *machine) reopen() {
	if x.s != nil {
		x.must(x.s.Close())
	}
	s, err := Open(x.t.Context(), x.dir, Options{Log: zerolog.Nop()})
	x.must(err)
	x.s = s
}

func (x *machine) text() string {
	ctx := x.t.Context()
	var b strings.Builder
	tasks, err := x.s.Tasks(ctx, Filter{})
	x.must(err)
	slices.Reverse(tasks)
	for _, t := range tasks {
		fmt.Fprintf(&b, "%s %s %s attempt %d failures %d wish %v:", t.ID, t.ThreadKey, t.State, t.Attempt, t.Failures, t.CancelledBy != "")
		for _, r := range t.Requests {
			fmt.Fprintf(&b, " %q", r.Instruction)
		}
		fmt.Fprintln(&b)
	}
	open, err := x.s.OpenAttempts(ctx)
	x.must(err)
	slices.SortFunc(open, func(a, b messages.Attempt) int { return cmp.Compare(a.Slot, b.Slot) })
	for _, a := range open {
		fmt.Fprintln(&b, a.Slot, a.AttemptRef)
	}
	for _, query := range []string{
		"SELECT task || ' ' || kind || ' ' || state FROM effects ORDER BY 1",
		"SELECT id || ' ' || reason FROM deliveries ORDER BY id",
	} {
		lines, err := look(ctx, &x.s.reader, "compare", func(q *reading) ([]string, error) {
			return each(q, func(scan func(...any) error) (line string, err error) { return line, scan(&line) }, query)
		})
		x.must(err)
		for _, line := range lines {
			fmt.Fprintln(&b, line)
		}
	}
	return b.String()
}

func (x *machine) pick(what string, from []string) string {
	return rapid.SampledFrom(from).Draw(x.t, what)
}

// anyTask is a task that is there, or the only one that never is.
func (x *machine) anyTask() messages.TaskID {
	return rapid.SampledFrom(append(x.m.order, "never")).Draw(x.t, "task")
}

func (x *machine) accept(*rapid.T) {
	id := x.pick("delivery", []string{"d1", "d2", "d3", "d4", "d5", "d6", "d7", "d8", "d9"})
	repeated, err := x.s.Accept(x.t.Context(), delivery(id))
	x.must(err)
	reason, known := x.m.decided[id]
	if repeated != known {
		x.t.Fatalf("repeated is %v", repeated)
	}
	if !known || messages.Reason(reason).Again() {
		x.m.decided[id] = ""
	}
}

func (x *machine) decide(*rapid.T) {
	list, err := x.s.Undecided(x.t.Context(), 1)
	x.must(err)
	if len(list) == 0 {
		x.t.Skip("nothing to decide")
	}
	id := list[0].ID
	d := messages.Decision{Delivery: id, Kind: messages.DecidedIgnored, Reason: messages.ReasonNoPermission}
	if rapid.IntRange(0, 5).Draw(x.t, "ignore") == 0 {
		_, _, err := x.s.Decide(x.t.Context(), d)
		x.must(err)
		x.m.decided[id] = string(d.Reason)
		return
	}
	key, text := x.pick("key", []string{"k1", "k2", "k3", "k4", "k5", "k6"}), x.pick("text", []string{"a", "b"})
	thread := 1 + int(key[1])%3
	at, edit := rapid.IntRange(0, 3).Draw(x.t, "at"), rapid.Bool().Draw(x.t, "edit")
	r := asked(key, thread, text)
	r.OnlyReplace, r.At = edit, time.Unix(int64(at), 0)
	d.Kind, d.Request = messages.DecidedTask, r
	got, task, err := x.s.Decide(x.t.Context(), d)
	x.must(err)
	reason, want := x.m.decide(key, thread, at, text, edit)
	if got.Reason != reason || task != want {
		x.t.Fatalf("decided %s %s, not %s %s", got.Reason, task, reason, want)
	}
	x.m.decided[id] = string(reason)
}

func (x *machine) claim(*rapid.T) {
	id, slot := x.anyTask(), x.pick("slot", []string{"eamonn", "harry"})
	_, busy := x.m.open[slot]
	a, _, err := x.s.Claim(x.t.Context(), id, slot, "docker")
	if busy || !x.m.claimable(id) {
		if !errors.Is(err, messages.ErrNotClaimable) && !errors.Is(err, ErrUnknownTask) {
			x.t.Fatalf("claim: %v", err)
		}
		return
	}
	x.must(err)
	x.m.tasks[id].state = messages.TaskRunning
	x.m.tasks[id].attempt++
	x.m.open[slot] = messages.AttemptRef{Task: id, Number: x.m.tasks[id].attempt}
	if a.AttemptRef != x.m.open[slot] {
		x.t.Fatalf("claimed %s", a.AttemptRef)
	}
}

func (x *machine) finish(*rapid.T) {
	slot := x.pick("slot", []string{"eamonn", "harry"})
	ref, open := x.m.open[slot]
	o := messages.Outcome{
		Attempt: ref, Ending: rapid.SampledFrom([]messages.Ending{messages.EndSucceeded, messages.EndAgentFailed}).Draw(x.t, "ending"),
		Retry: rapid.Bool().Draw(x.t, "retry"), Counts: rapid.Bool().Draw(x.t, "counts"),
	}
	if rapid.Bool().Draw(x.t, "work") {
		o.Bundle = "b"
	}
	err := x.s.Finish(x.t.Context(), o)
	if !open {
		if !errors.Is(err, messages.ErrNotOpen) {
			x.t.Fatalf("finish: %v", err)
		}
		return
	}
	x.must(err)
	delete(x.m.open, slot)
	t := x.m.tasks[ref.Task]
	if o.Counts {
		t.failures++
	}
	switch {
	case o.Retry && !t.wish:
		t.state = messages.TaskQueued
	case o.Retry:
		x.m.end(ref.Task, messages.TaskCancelled, o.Bundle != "")
	case o.Ending == messages.EndSucceeded:
		x.m.end(ref.Task, messages.TaskDone, o.Bundle != "")
	default:
		x.m.end(ref.Task, messages.TaskFailed, o.Bundle != "")
	}
}

func (x *machine) cancel(*rapid.T) {
	id := x.anyTask()
	got, err := x.s.CancelTask(x.t.Context(), id, "ann")
	t := x.m.tasks[id]
	if t == nil {
		if !errors.Is(err, ErrUnknownTask) {
			x.t.Fatalf("cancel: %v", err)
		}
		return
	}
	x.must(err)
	if !t.state.Final() {
		t.wish = true
	}
	if t.state == messages.TaskQueued {
		x.m.end(id, messages.TaskCancelled, false)
	}
	if got != t.state {
		x.t.Fatalf("cancelled: %s", got)
	}
}

// report performs the first due effect, well or badly.
func (x *machine) report(*rapid.T) {
	list, err := x.s.DueEffects(x.t.Context(), 1)
	x.must(err)
	pending := 0
	for _, state := range x.m.effects {
		if state == messages.EffectPending {
			pending++
		}
	}
	if len(list) == 0 {
		if pending > 0 {
			x.t.Fatalf("%d effects are pending and none is due", pending)
		}
		x.t.Skip("nothing to report")
	}
	e := list[0]
	if e.Kind == messages.EffectFinal && x.m.effects[string(e.Task)+" publish"] == messages.EffectPending {
		x.t.Fatal("final came before publish")
	}
	x.must(x.s.EffectTrying(x.t.Context(), e.ID))
	key := string(e.Task) + " " + string(e.Kind)
	switch rapid.IntRange(0, 3).Draw(x.t, "result") {
	case 0:
		x.must(x.s.EffectFailed(x.t.Context(), e.ID, "refused"))
		x.m.effects[key] = messages.EffectFailed
	case 1:
		x.must(x.s.EffectLater(x.t.Context(), e.ID, time.Now(), true, "timeout"))
	default:
		x.must(x.s.EffectDone(x.t.Context(), e.ID, messages.Effect{RemoteID: 1000 + e.ID, State: messages.EffectDone}))
		x.m.effects[key] = messages.EffectDone
	}
}

// TestModel does the same things to the store and to the model, opening the store anew now and then, and
// compares them after each. -rapid.checks sets how many runs.
func TestModel(t *testing.T) {
	checks := flag.Lookup("rapid.checks")
	if checks.Value.String() == checks.DefValue {
		must(t, checks.Value.Set("12"))
		defer func() { must(t, checks.Value.Set(checks.DefValue)) }()
	}
	rapid.Check(t, func(r *rapid.T) {
		x := &machine{t: r, dir: t.TempDir(), m: model{
			decided: make(map[string]string), tasks: make(map[messages.TaskID]*modelTask),
			keys: make(map[string]*modelRequest), open: make(map[string]messages.AttemptRef),
			effects: make(map[string]messages.EffectState),
		}}
		x.reopen()
		defer func() { _ = x.s.Close() }()
		r.Repeat(map[string]func(*rapid.T){
			"accept": x.accept, "decide": x.decide, "claim": x.claim, "finish": x.finish, "cancel": x.cancel,
			"report": x.report, "reopen": func(*rapid.T) { x.reopen() },
			"": func(*rapid.T) {
				if got, want := x.text(), x.m.text(); got != want {
					r.Fatalf("store:\n%s\nmodel:\n%s", got, want)
				}
			},
		})
	})
}
