package store

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"devs-webhook/messages"
)

// Decide carries out a decision: it records it with the delivery and makes or changes the task and the
// reaction's effect in the same transaction. It returns what it came to, and the task it concerns: a task
// decision may turn into joined, merged or replaced, or into ignored with already_requested or
// edit_adds_no_mention. A delivery that is decided already stays as it is, and what was recorded is
// returned. ErrUnknownDelivery.
func (s *Store) Decide(ctx context.Context, d messages.Decision) (messages.Decision, messages.TaskID, error) {
	type answer struct {
		decision messages.Decision
		task     messages.TaskID
	}
	a, err := do(ctx, s.writer, "decide delivery", func(t *tx) (a answer, err error) {
		a.decision, a.task, err = t.decide(d)
		return a, err
	})
	return a.decision, a.task, err
}

func (t *tx) decide(d messages.Decision) (messages.Decision, messages.TaskID, error) {
	old, task, err := t.recorded(d.Delivery)
	if err != nil || old.Kind != messages.Undecided {
		return old, task, err
	}
	switch d.Kind {
	case messages.DecidedTask:
		if d, task, err = t.request(d); err != nil {
			return d, "", err
		}
	case messages.DecidedCommand, messages.DecidedIgnored:
	default:
		return d, "", fmt.Errorf("%q is no decision", d.Kind)
	}
	if d.Repo.ID != 0 {
		if _, err := t.exec(`INSERT INTO repos (id, name) VALUES (?, ?)
			ON CONFLICT (id) DO UPDATE SET name = excluded.name`, d.Repo.ID, d.Repo.FullName()); err != nil {
			return d, "", err
		}
	}
	repo := ""
	if d.Repo.Owner != "" || d.Repo.Name != "" {
		repo = d.Repo.FullName()
	}
	_, err = t.exec(`UPDATE deliveries SET decision = ?, reason = ?, detail = ?, summary = ?, repo_id = ?,
			repo = ?, task = ?, next_at = 0, decided_at = ? WHERE id = ?`,
		string(d.Kind), string(d.Reason), d.Detail, d.Summary, d.Repo.ID, repo, string(task), nanos(t.now), d.Delivery)
	return d, task, err
}

// request carries out a task decision. What it does, by what it finds:
//
//	key known, its task queued, the text newer and other       replaced
//	key known                                                  already_requested
//	only_replace, and no queued request to replace             edit_adds_no_mention
//	task of this name there (its keys were forgotten)          already_requested
//	thread has a queued task with the same text                joined
//	thread has a queued task                                   merged
//	else                                                       a new task
func (t *tx) request(d messages.Decision) (messages.Decision, messages.TaskID, error) {
	r := d.Request
	if r.Key == "" || r.Repo.ID == 0 || r.Thread.Number == 0 {
		return d, "", errors.New("request has no key, repository or thread")
	}
	r.Delivery = d.Delivery
	known, err := t.known(r.Key)
	if err != nil {
		return d, "", err
	}
	if known.task != "" {
		if replaced, err := t.replace(known, r); err != nil || replaced {
			return t.accepted(d, known.task, messages.ReasonReplaced, err)
		}
	}
	if r.OnlyReplace && !known.queued {
		return ignored(d, messages.ReasonEditNotNew), known.task, nil
	}
	if known.task != "" {
		return ignored(d, messages.ReasonAlreadyRequested), known.task, nil
	}
	id := messages.TaskIDOf(r.Key)
	if there, err := t.exists(id); err != nil || there {
		return ignored(d, messages.ReasonAlreadyRequested), id, err
	}
	return t.place(d, r, id)
}

// place puts a request that is not known into its thread.
func (t *tx) place(d messages.Decision, r messages.Request, id messages.TaskID) (messages.Decision, messages.TaskID, error) {
	th, err := t.thread(r.Repo.ID, r.Thread.Number, r.Trigger == testTrigger)
	if err != nil {
		return d, "", err
	}
	waiting, err := t.queuedOf(th)
	if err != nil {
		return d, "", err
	}
	if waiting == "" {
		err := t.newTask(id, th, r)
		return t.accepted(d, id, messages.ReasonAccepted, err)
	}
	twin, err := t.sameText(waiting, r.Instruction)
	if err != nil {
		return d, "", err
	}
	if twin != 0 {
		err := t.remember(r.Key, waiting, twin)
		return t.accepted(d, waiting, messages.ReasonJoined, err)
	}
	err = t.addRequest(waiting, r)
	return t.accepted(d, waiting, messages.ReasonMerged, err)
}

// accepted finishes a decision that concerns a task, with its reaction.
func (t *tx) accepted(d messages.Decision, id messages.TaskID, reason messages.Reason, err error) (messages.Decision, messages.TaskID, error) {
	if err != nil {
		return d, "", err
	}
	d.Kind, d.Reason = messages.DecidedTask, reason
	if d.React && d.Request.Object.ID != 0 {
		o := d.Request.Object
		err = t.addEffect(id, messages.EffectReaction, o.Kind+"/"+strconv.FormatInt(o.ID, 10), o)
	}
	return d, id, err
}

func ignored(d messages.Decision, reason messages.Reason) messages.Decision {
	d.Kind, d.Reason = messages.DecidedIgnored, reason
	return d
}

// knownKey is where a request's key was seen before. task is empty if it was not.
type knownKey struct {
	task    messages.TaskID
	queued  bool
	request int64
}

func (t *tx) known(key string) (k knownKey, err error) {
	err = t.row(`SELECT k.task, k.request, ifnull(t.state, '') = 'queued'
		FROM keys k LEFT JOIN tasks t ON t.id = k.task WHERE k.hash = ?`, []any{digest(key)}, &k.task, &k.request, &k.queued)
	if errors.Is(err, sql.ErrNoRows) {
		return knownKey{}, nil
	}
	return k, err
}

// replace puts a newer text in the place of a queued request, if it is one. The same event under another
// delivery id is no newer text; neither is an older state of it that comes late.
func (t *tx) replace(k knownKey, r messages.Request) (bool, error) {
	if !k.queued {
		return false, nil
	}
	var data string
	err := t.row("SELECT data FROM requests WHERE id = ?", []any{k.request}, &data)
	if errors.Is(err, sql.ErrNoRows) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	var old messages.Request
	if err := json.Unmarshal([]byte(data), &old); err != nil {
		return false, fmt.Errorf("read request %d: %w", k.request, err)
	}
	if r.At.Before(old.At) || !r.OnlyReplace && same(r.Instruction, old.Instruction) {
		return false, nil
	}
	r.Key = old.Key // of the request that it had joined, perhaps
	r.OnlyReplace = old.OnlyReplace
	text, err := json.Marshal(r)
	if err != nil {
		return false, err
	}
	_, err = t.exec("UPDATE requests SET data = ? WHERE id = ?", string(text), k.request)
	return true, err
}

func same(a, b string) bool { return strings.TrimSpace(a) == strings.TrimSpace(b) }

// sameText finds the request of a task that asks for the same; 0 if none does.
func (t *tx) sameText(id messages.TaskID, instruction string) (int64, error) {
	type row struct {
		id   int64
		data string
	}
	rows, err := each(t, func(scan func(...any) error) (r row, err error) {
		return r, scan(&r.id, &r.data)
	}, "SELECT id, data FROM requests WHERE task = ? ORDER BY id", string(id))
	if err != nil {
		return 0, err
	}
	for _, row := range rows {
		var r messages.Request
		if err := json.Unmarshal([]byte(row.data), &r); err != nil {
			return 0, fmt.Errorf("read request %d: %w", row.id, err)
		}
		if same(r.Instruction, instruction) {
			return row.id, nil
		}
	}
	return 0, nil
}

// addRequest appends a request to a task and remembers its key.
func (t *tx) addRequest(id messages.TaskID, r messages.Request) error {
	text, err := json.Marshal(r)
	if err != nil {
		return err
	}
	res, err := t.exec("INSERT INTO requests (task, data) VALUES (?, ?)", string(id), string(text))
	if err != nil {
		return err
	}
	row, err := res.LastInsertId()
	if err != nil {
		return err
	}
	return t.remember(r.Key, id, row)
}

func (t *tx) remember(key string, id messages.TaskID, request int64) error {
	_, err := t.exec("INSERT INTO keys (hash, task, request, at) VALUES (?, ?, ?, ?)",
		digest(key), string(id), request, nanos(t.now))
	return err
}
