package store

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"

	"devs-webhook/messages"
)

// Claim starts the next attempt of a queued task in a slot: task and attempt change together.
// messages.ErrNotClaimable if the task is not queued or not due, if its thread is busy, or if the slot has an
// open attempt; nothing has changed then. An actor that was restarted finds its attempt with Current and
// claims nothing. ErrUnknownTask.
func (s *Store) Claim(ctx context.Context, id messages.TaskID, slot, runtime string) (messages.Attempt, messages.Task, error) {
	type answer struct {
		attempt messages.Attempt
		task    messages.Task
	}
	a, err := do(ctx, s.writer, "claim task", func(t *tx) (a answer, err error) {
		if err := t.claim(id, slot, runtime); err != nil {
			return a, err
		}
		if a.task, err = task(t, id); err != nil {
			return a, err
		}
		a.attempt, _, err = openAttempt(t, slot)
		return a, err
	})
	return a.attempt, a.task, err
}

func (t *tx) claim(id messages.TaskID, slot, runtime string) error {
	no := func(why string) error { return fmt.Errorf("%s: %s: %w", id, why, messages.ErrNotClaimable) }
	_, busy, err := openAttempt(t, slot)
	if err != nil {
		return err
	}
	if busy {
		return no("slot " + slot + " has an open attempt")
	}
	var (
		number int
		repo   int64
	)
	// StartedAt of a task is the start of its first attempt; each attempt has its own.
	err = t.row(`UPDATE tasks AS t SET state = 'running', attempt = attempt + 1, not_before = 0, note = '',
			started_at = iif(started_at = 0, ?, started_at)
		WHERE t.id = ? AND `+claimable+` RETURNING attempt, repo_id`,
		[]any{nanos(t.now), string(id), nanos(t.now)}, &number, &repo)
	if errors.Is(err, sql.ErrNoRows) {
		if there, err := t.exists(id); err != nil || !there {
			return errors.Join(err, fmt.Errorf("%w: %s", ErrUnknownTask, id))
		}
		return no("it is not queued, not due, or its thread is busy")
	}
	if err != nil {
		return err
	}
	if _, err := t.exec("INSERT INTO attempts (task, number, slot, runtime, started_at) VALUES (?, ?, ?, ?, ?)",
		string(id), number, slot, runtime, nanos(t.now)); err != nil {
		return err
	}
	_, err = t.exec(`INSERT INTO repos (id, name, last_start) VALUES (?, '', ?)
		ON CONFLICT (id) DO UPDATE SET last_start = excluded.last_start`, repo, nanos(t.now))
	return err
}

const attemptColumns = `SELECT task, number, slot, runtime, open, started_at, ended_at, last_seq, ending, detail,
	model_requests, input_tokens, output_tokens, cache_read_tokens, cache_write_tokens, cost_usd
	FROM attempts `

func scanAttempt(scan func(...any) error) (messages.Attempt, error) {
	var (
		a              messages.Attempt
		started, ended int64
	)
	err := scan(&a.Task, &a.Number, &a.Slot, &a.Runtime, &a.Open, &started, &ended, &a.LastSeq, &a.Ending, &a.Detail,
		&a.Usage.Requests, &a.Usage.Input, &a.Usage.Output, &a.Usage.CacheRead, &a.Usage.CacheWrite, &a.Usage.CostUSD)
	a.StartedAt, a.EndedAt = moment(started), moment(ended)
	return a, err
}

// openAttempt is the open attempt of a slot, if it has one.
func openAttempt(q querier, slot string) (messages.Attempt, bool, error) {
	list, err := each(q, scanAttempt, attemptColumns+"WHERE slot = ? AND open = 1", slot)
	if err != nil || len(list) == 0 {
		return messages.Attempt{}, false, err
	}
	return list[0], true, nil
}

// Current is the open attempt of a slot with its task: what an earlier life of the slot's actor left.
func (r *reader) Current(ctx context.Context, slot string) (messages.Attempt, messages.Task, bool, error) {
	type answer struct {
		attempt messages.Attempt
		task    messages.Task
		open    bool
	}
	a, err := look(ctx, r, "find open attempt", func(q *reading) (a answer, err error) {
		if a.attempt, a.open, err = openAttempt(q, slot); err != nil || !a.open {
			return a, err
		}
		a.task, err = task(q, a.attempt.Task)
		return a, err
	})
	return a.attempt, a.task, a.open, err
}

// OpenAttempts lists the open attempts of all slots, oldest first.
func (r *reader) OpenAttempts(ctx context.Context) ([]messages.Attempt, error) {
	return look(ctx, r, "list open attempts", func(q *reading) ([]messages.Attempt, error) {
		return each(q, scanAttempt, attemptColumns+"WHERE open = 1 ORDER BY id")
	})
}

// openRow is the row of an attempt, if it is open. messages.ErrNotOpen.
func (t *tx) openRow(a messages.AttemptRef) (row int64, err error) {
	err = t.row("SELECT id FROM attempts WHERE task = ? AND number = ? AND open = 1", []any{string(a.Task), a.Number}, &row)
	if errors.Is(err, sql.ErrNoRows) {
		return 0, fmt.Errorf("%s: %w", a, messages.ErrNotOpen)
	}
	return row, err
}

// AppendEvents stores events of an open attempt; those that are there already are left as they are.
// messages.ErrNotOpen if the attempt has ended.
func (s *Store) AppendEvents(ctx context.Context, a messages.AttemptRef, events []messages.AgentEvent) error {
	return do1(ctx, s.writer, "append events", func(t *tx) error {
		row, err := t.openRow(a)
		if err != nil {
			return err
		}
		var last int64
		for _, e := range events {
			if _, err := t.exec(`INSERT INTO events (attempt, seq, at, kind, tool, text, failed)
				VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING`,
				row, e.Seq, nanos(e.At), string(e.Kind), e.Tool, e.Text, e.Failed); err != nil {
				return err
			}
			last = max(last, e.Seq)
		}
		_, err = t.exec("UPDATE attempts SET last_seq = max(last_seq, ?) WHERE id = ?", last, row)
		return err
	})
}

// Events lists the events of an attempt with numbers above after, in order.
func (r *reader) Events(ctx context.Context, a messages.AttemptRef, after int64, limit int) ([]messages.AgentEvent, error) {
	return look(ctx, r, "list events", func(q *reading) ([]messages.AgentEvent, error) {
		return each(q, scanEvent, `SELECT seq, at, kind, tool, text, failed FROM events
			WHERE attempt = (SELECT id FROM attempts WHERE task = ? AND number = ?) AND seq > ?
			ORDER BY seq LIMIT ?`, string(a.Task), a.Number, after, limit)
	})
}

func scanEvent(scan func(...any) error) (messages.AgentEvent, error) {
	var (
		e  messages.AgentEvent
		at int64
	)
	err := scan(&e.Seq, &at, &e.Kind, &e.Tool, &e.Text, &e.Failed)
	e.At = moment(at)
	return e, err
}

// Finish closes an attempt with its outcome. In the same transaction the task is queued again (o.Retry), or
// ends, and the effects are made that follow: publish if there is a bundle, and final, but for a test task; an
// open progress comment becomes due. A retry of a task that somebody wants cancelled ends it as cancelled
// instead. messages.ErrNotOpen if the attempt is closed already: nothing has changed then.
func (s *Store) Finish(ctx context.Context, o messages.Outcome) error {
	return do1(ctx, s.writer, "finish attempt", func(t *tx) error { return t.finish(o) })
}

func (t *tx) finish(o messages.Outcome) error {
	row, err := t.openRow(o.Attempt)
	if err != nil {
		return err
	}
	var wish string
	if err := t.row("SELECT cancelled_by FROM tasks WHERE id = ?", []any{string(o.Attempt.Task)}, &wish); err != nil {
		return err
	}
	if o.Retry && wish != "" {
		if o.Detail == "" {
			o.Detail = string(o.Ending)
		}
		o.Retry, o.Ending = false, messages.EndCancelled
	}
	data, err := json.Marshal(o)
	if err != nil {
		return err
	}
	if _, err := t.exec("UPDATE attempts SET open = 0, token_hash = '', ended_at = ?, ending = ?, detail = ? WHERE id = ?",
		nanos(t.now), string(o.Ending), o.Detail, row); err != nil {
		return err
	}
	if _, err := t.exec("INSERT INTO outcomes (attempt, data) VALUES (?, ?)", row, string(data)); err != nil {
		return err
	}
	return t.goOn(o)
}

// goOn gives the task of a closed attempt its next state.
func (t *tx) goOn(o messages.Outcome) error {
	id := o.Attempt.Task
	if o.Counts {
		if _, err := t.exec("UPDATE tasks SET failures = failures + 1 WHERE id = ?", string(id)); err != nil {
			return err
		}
	}
	note := o.Detail
	if note == "" && o.Ending != messages.EndSucceeded {
		note = string(o.Ending)
	}
	if !o.Retry {
		return t.end(id, stateOf(o.Ending), note, o.Bundle != "")
	}
	if _, err := t.exec("UPDATE tasks SET state = 'queued', not_before = ?, note = ? WHERE id = ?",
		nanos(o.NotBefore), note, string(id)); err != nil {
		return err
	}
	return t.showProgress(id)
}

// stateOf is the final state of a task whose last attempt ended so.
func stateOf(e messages.Ending) messages.TaskState {
	switch e {
	case messages.EndSucceeded:
		return messages.TaskDone
	case messages.EndCancelled:
		return messages.TaskCancelled
	default:
		return messages.TaskFailed
	}
}
