package store

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"devs-webhook/messages"
)

// View is a task with all that was recorded about it, as of one moment. ErrUnknownTask.
func (r *reader) View(ctx context.Context, id messages.TaskID) (messages.View, error) {
	return look(ctx, r, "view task", func(q *reading) (v messages.View, err error) {
		if v.Task, err = task(q, id); err != nil {
			return v, err
		}
		if v.Attempts, err = attemptsOf(q, id); err != nil {
			return v, err
		}
		if v.Effects, err = effectsOf(q, id); err != nil {
			return v, err
		}
		if v.Outcome, err = lastOutcome(q, id); err != nil {
			return v, err
		}
		if v.Last, err = lastEvent(q, id); err != nil {
			return v, err
		}
		if v.Task.State == messages.TaskQueued {
			err = q.row(`SELECT count(*) FROM tasks WHERE state = 'queued'
				AND seq < (SELECT seq FROM tasks WHERE id = ?)`, []any{string(id)}, &v.Ahead)
		}
		return v, err
	})
}

func attemptsOf(q querier, id messages.TaskID) ([]messages.Attempt, error) {
	return each(q, scanAttempt, attemptColumns+"WHERE task = ? ORDER BY number", string(id))
}

func effectsOf(q querier, id messages.TaskID) ([]messages.Effect, error) {
	return each(q, scanEffect, effectColumns+"WHERE e.task = ? ORDER BY e.id", string(id))
}

// lastOutcome is the outcome of the newest ended attempt; nil if none has ended.
func lastOutcome(q querier, id messages.TaskID) (*messages.Outcome, error) {
	var data string
	err := q.row(`SELECT o.data FROM outcomes o JOIN attempts a ON a.id = o.attempt
		WHERE a.task = ? ORDER BY a.number DESC LIMIT 1`, []any{string(id)}, &data)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	var o messages.Outcome
	if err := json.Unmarshal([]byte(data), &o); err != nil {
		return nil, fmt.Errorf("read outcome of task %s: %w", id, err)
	}
	return &o, nil
}

// lastEvent is the newest event of the newest attempt; zero if there is none.
func lastEvent(q querier, id messages.TaskID) (messages.AgentEvent, error) {
	list, err := each(q, scanEvent, `SELECT seq, at, kind, tool, text, failed FROM events
		WHERE attempt = (SELECT id FROM attempts WHERE task = ? ORDER BY number DESC LIMIT 1)
		ORDER BY seq DESC LIMIT 1`, string(id))
	if err != nil || len(list) == 0 {
		return messages.AgentEvent{}, err
	}
	return list[0], nil
}

// Why is the answer to 'why did it (not) do that?': a delivery, what was decided about it, and what came of
// it. `devs-webhook why --json` prints it.
type Why struct {
	Delivery      string                `json:"delivery"`
	Event         string                `json:"event"`
	Source        string                `json:"source"`
	Summary       string                `json:"summary"`
	Repo          string                `json:"repo,omitempty"` // owner/name
	Decision      messages.DecisionKind `json:"decision"`
	Reason        messages.Reason       `json:"reason"`
	Detail        string                `json:"detail"`
	ReceivedAt    time.Time             `json:"received_at"`
	DecidedAt     time.Time             `json:"decided_at,omitzero"`
	TimesReceived int                   `json:"times_received"`
	Tries         int                   `json:"tries,omitempty"`      // how often deciding was put off
	NextTryAt     time.Time             `json:"next_try_at,omitzero"` // undecided only
	PayloadKept   bool                  `json:"payload_kept"`
	// Requests are those that this delivery made; none if it joined one, or if a later edit replaced it.
	Requests []messages.Request `json:"requests,omitempty"`
	Task     *messages.Task     `json:"task,omitempty"`
	Attempts []messages.Attempt `json:"attempts,omitempty"`
	Effects  []messages.Effect  `json:"effects,omitempty"`
}

// Why tells what became of a delivery. ErrUnknownDelivery.
func (r *reader) Why(ctx context.Context, delivery string) (Why, error) {
	return look(ctx, r, "explain delivery", func(q *reading) (Why, error) {
		w, id, err := deliveryRow(q, delivery)
		if err != nil || id == "" {
			return w, err
		}
		one, err := task(q, id)
		if errors.Is(err, ErrUnknownTask) {
			return w, nil // forgotten
		}
		if err != nil {
			return w, err
		}
		w.Task = &one
		for _, r := range one.Requests {
			if r.Delivery == delivery {
				w.Requests = append(w.Requests, r)
			}
		}
		if w.Attempts, err = attemptsOf(q, id); err != nil {
			return w, err
		}
		w.Effects, err = effectsOf(q, id)
		return w, err
	})
}

// deliveryRow is what the delivery's own row knows, and the task that it concerns.
func deliveryRow(q querier, delivery string) (Why, messages.TaskID, error) {
	w := Why{Delivery: delivery}
	var (
		id                      messages.TaskID
		received, decided, next int64
	)
	err := q.row(`SELECT event, source, summary, repo, decision, reason, detail, received_at, decided_at,
			times, tries, next_at, has_body, task FROM deliveries WHERE id = ?`, []any{delivery},
		&w.Event, &w.Source, &w.Summary, &w.Repo, &w.Decision, &w.Reason, &w.Detail, &received, &decided,
		&w.TimesReceived, &w.Tries, &next, &w.PayloadKept, &id)
	if errors.Is(err, sql.ErrNoRows) {
		return w, "", fmt.Errorf("%w: %s", ErrUnknownDelivery, strings.ToValidUTF8(delivery, "?"))
	}
	w.ReceivedAt, w.DecidedAt, w.NextTryAt = moment(received), moment(decided), moment(next)
	return w, id, err
}

// Counts are the figures for status and metrics.
type Counts struct {
	Undecided       int         `json:"undecided"`
	Queued          int         `json:"queued"`
	Running         int         `json:"running"`
	Done            int         `json:"done"`
	Failed          int         `json:"failed"`
	Cancelled       int         `json:"cancelled"`
	EffectsPending  int         `json:"effects_pending"` // to be performed; without progress comments that wait for their next edit
	EffectsFailed   int         `json:"effects_failed"`  // given up
	Keys            int         `json:"keys"`            // requests that are known, for deduplication
	OldestUndecided time.Time   `json:"oldest_undecided,omitzero"`
	OldestQueued    time.Time   `json:"oldest_queued,omitzero"`
	Repos           []RepoCount `json:"repos,omitempty"` // those with unfinished tasks, by name
}

// RepoCount are the unfinished tasks of a repository.
type RepoCount struct {
	ID      int64  `json:"id"`
	Repo    string `json:"repo"` // owner/name
	Queued  int    `json:"queued"`
	Running int    `json:"running"`
}

// Counts counts what is in the store.
func (r *reader) Counts(ctx context.Context) (Counts, error) {
	return look(ctx, r, "count", func(q *reading) (c Counts, err error) {
		states := map[messages.TaskState]*int{
			messages.TaskQueued: &c.Queued, messages.TaskRunning: &c.Running, messages.TaskDone: &c.Done,
			messages.TaskFailed: &c.Failed, messages.TaskCancelled: &c.Cancelled,
		}
		for state, n := range states {
			if err := q.row("SELECT count(*) FROM tasks WHERE state = ?", []any{string(state)}, n); err != nil {
				return c, err
			}
		}
		var undecided, queued int64
		if err := q.row(`SELECT
			(SELECT count(*) FROM deliveries WHERE decision = 'undecided'),
			ifnull((SELECT received_at FROM deliveries WHERE decision = 'undecided' ORDER BY seq LIMIT 1), 0),
			ifnull((SELECT queued_at FROM tasks WHERE state = 'queued' ORDER BY seq LIMIT 1), 0),
			(SELECT count(*) FROM effects WHERE state IN ('pending', 'open') AND (state = 'pending' OR next_at <= ?)),
			(SELECT count(*) FROM effects WHERE state = 'failed'),
			(SELECT count(*) FROM keys)`, []any{nanos(q.now)},
			&c.Undecided, &undecided, &queued, &c.EffectsPending, &c.EffectsFailed, &c.Keys); err != nil {
			return c, err
		}
		c.OldestUndecided, c.OldestQueued = moment(undecided), moment(queued)
		c.Repos, err = each(q, func(scan func(...any) error) (n RepoCount, err error) {
			return n, scan(&n.ID, &n.Repo, &n.Queued, &n.Running)
		}, `SELECT t.repo_id, ifnull(r.name, ''), sum(t.state = 'queued'), sum(t.state = 'running')
			FROM tasks t LEFT JOIN repos r ON r.id = t.repo_id
			WHERE t.state IN ('queued', 'running') GROUP BY t.repo_id ORDER BY 2, 1`)
		return c, err
	})
}
