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

// Filter chooses tasks. Its zero value chooses the newest 100 of all.
type Filter struct {
	States []messages.TaskState // any of these; all if empty
	RepoID int64                // 0: of all repositories
	Number int                  // with RepoID: of the thread of this issue or pull request; 0: of all
	Limit  int                  // 100 if 0
}

// Tasks lists tasks, newest first.
func (r *reader) Tasks(ctx context.Context, f Filter) ([]messages.Task, error) {
	where, args := []string{"1"}, []any{}
	if len(f.States) > 0 {
		where = append(where, "t.state IN (?"+strings.Repeat(", ?", len(f.States)-1)+")")
		for _, state := range f.States {
			args = append(args, string(state))
		}
	}
	if f.RepoID != 0 {
		where, args = append(where, "t.repo_id = ?"), append(args, f.RepoID)
	}
	if f.Number != 0 {
		where = append(where, "t.thread IN (SELECT thread FROM thread_members WHERE repo_id = ? AND number = ?)")
		args = append(args, f.RepoID, f.Number)
	}
	if f.Limit <= 0 {
		f.Limit = 100
	}
	return look(ctx, r, "list tasks", func(q *reading) ([]messages.Task, error) {
		return tasks(q, "WHERE "+strings.Join(where, " AND ")+" ORDER BY t.seq DESC LIMIT ?", append(args, f.Limit)...)
	})
}

const taskColumns = `SELECT t.id, t.test, t.branch, t.state, t.attempt, t.failures, t.cancelled_by, t.queued_at,
	t.not_before, t.started_at, t.ended_at, t.note, h.repo_id, h.number, h.pull_request
	FROM tasks t JOIN threads h ON h.id = t.thread `

// tasks reads the tasks that the rest of a statement chooses, with their requests.
func tasks(q querier, rest string, args ...any) ([]messages.Task, error) {
	list, err := each(q, scanTask, taskColumns+rest, args...)
	if err != nil {
		return nil, err
	}
	for i := range list {
		if err := fillRequests(q, &list[i]); err != nil {
			return nil, err
		}
	}
	return list, nil
}

func scanTask(scan func(...any) error) (messages.Task, error) {
	var (
		t                                 messages.Task
		test                              bool
		queued, notBefore, started, ended int64
		repo                              int64
		number                            int
	)
	err := scan(&t.ID, &test, &t.Branch, &t.State, &t.Attempt, &t.Failures, &t.CancelledBy, &queued,
		&notBefore, &started, &ended, &t.Note, &repo, &number, &t.PullRequestNumber)
	t.QueuedAt, t.NotBefore, t.StartedAt, t.EndedAt = moment(queued), moment(notBefore), moment(started), moment(ended)
	t.ThreadKey = threadKey(repo, number, test)
	return t, err
}

// threadKey names a thread: repository id and the number of its issue.
func threadKey(repo int64, number int, test bool) string {
	key := fmt.Sprintf("%d#%d", repo, number)
	if test {
		key += "-test"
	}
	return key
}

// fillRequests reads a task's requests. Repository and thread are those of the first one: people are
// answered where they asked.
func fillRequests(q querier, t *messages.Task) error {
	list, err := each(q, func(scan func(...any) error) (r messages.Request, err error) {
		var data string
		if err := scan(&data); err != nil {
			return r, err
		}
		if err := json.Unmarshal([]byte(data), &r); err != nil {
			return r, fmt.Errorf("read request of task %s: %w", t.ID, err)
		}
		return r, nil
	}, "SELECT data FROM requests WHERE task = ? ORDER BY id", string(t.ID))
	if err != nil || len(list) == 0 {
		return err
	}
	t.Requests, t.Repo, t.Thread = list, list[0].Repo, list[0].Thread
	return nil
}

// task reads one task. ErrUnknownTask.
func task(q querier, id messages.TaskID) (messages.Task, error) {
	list, err := tasks(q, "WHERE t.id = ?", string(id))
	if err != nil {
		return messages.Task{}, err
	}
	if len(list) == 0 {
		return messages.Task{}, fmt.Errorf("%w: %s", ErrUnknownTask, id)
	}
	return list[0], nil
}

// claimable holds for a queued task that may start now, but for a free slot: it is due, and no other task
// of its thread has begun and not ended.
const claimable = `t.state = 'queued' AND t.not_before <= ? AND NOT EXISTS (
	SELECT 1 FROM tasks o WHERE o.thread = t.thread AND o.id <> t.id
	AND (o.state = 'running' OR (o.state = 'queued' AND o.attempt > 0)))`

// Runnable returns queued tasks that may start now, in the order in which their turn is: it goes round
// between the repositories, beginning with the one whose last start is longest ago; within a repository the
// oldest comes first. Offer them in this order.
func (r *reader) Runnable(ctx context.Context, limit int) ([]messages.Task, error) {
	return look(ctx, r, "list runnable tasks", func(q *reading) ([]messages.Task, error) {
		queues, err := runnableByRepo(q, limit)
		if err != nil {
			return nil, err
		}
		var out []messages.Task
		for turn := 0; len(out) < limit; turn++ {
			before := len(out)
			for _, ids := range queues {
				if turn >= len(ids) || len(out) == limit {
					continue
				}
				one, err := task(q, ids[turn])
				if err != nil {
					return nil, err
				}
				out = append(out, one)
			}
			if len(out) == before {
				break
			}
		}
		return out, nil
	})
}

// runnableByRepo gives the runnable tasks of each repository, in the order of the repositories' turns. It
// stops when one task of each is enough. It steps from repository to repository over the index (measured
// without: a second for 100,000 tasks), so that a long queue in one costs nothing.
func runnableByRepo(q *reading, limit int) ([][]messages.TaskID, error) {
	repos, err := each(q, func(scan func(...any) error) (id int64, err error) { return id, scan(&id) }, `
		WITH RECURSIVE waiting (id) AS (
			SELECT min(repo_id) FROM tasks INDEXED BY tasks_queued WHERE state = 'queued'
			UNION ALL
			SELECT (SELECT min(repo_id) FROM tasks INDEXED BY tasks_queued
				WHERE state = 'queued' AND repo_id > waiting.id)
			FROM waiting WHERE waiting.id IS NOT NULL)
		SELECT w.id FROM waiting w LEFT JOIN repos r ON r.id = w.id
		WHERE w.id IS NOT NULL ORDER BY ifnull(r.last_start, 0), w.id`)
	if err != nil {
		return nil, err
	}
	var queues [][]messages.TaskID
	for _, repo := range repos {
		if len(queues) == limit {
			break
		}
		ids, err := each(q, func(scan func(...any) error) (id messages.TaskID, err error) { return id, scan(&id) },
			"SELECT t.id FROM tasks t INDEXED BY tasks_queued WHERE t.repo_id = ? AND "+claimable+" ORDER BY t.seq LIMIT ?",
			repo, nanos(q.now), limit)
		if err != nil {
			return nil, err
		}
		if len(ids) > 0 {
			queues = append(queues, ids)
		}
	}
	return queues, nil
}

// NextRunnable is when the next queued task that was put off is due. Those that are due already are what
// Runnable returns.
func (r *reader) NextRunnable(ctx context.Context) (time.Time, bool, error) {
	return next(ctx, r, "find next runnable task",
		"SELECT min(not_before) FROM tasks INDEXED BY tasks_put_off WHERE state = 'queued' AND not_before > 0 AND not_before > ?",
		func(now int64) []any { return []any{now} })
}

// CancelTask cancels a queued task at once, with its final effect. For a running one it records the wish and
// who has it; the first one stays. A task that has ended stays as it is. It returns the state afterwards.
// ErrUnknownTask.
func (s *Store) CancelTask(ctx context.Context, id messages.TaskID, by string) (messages.TaskState, error) {
	return do(ctx, s.writer, "cancel task", func(t *tx) (messages.TaskState, error) {
		var state messages.TaskState
		err := t.row("SELECT state FROM tasks WHERE id = ?", []any{string(id)}, &state)
		if errors.Is(err, sql.ErrNoRows) {
			return "", fmt.Errorf("%w: %s", ErrUnknownTask, id)
		}
		if err != nil || state.Final() {
			return state, err
		}
		if _, err := t.exec("UPDATE tasks SET cancelled_by = ? WHERE id = ? AND cancelled_by = ''", by, string(id)); err != nil {
			return "", err
		}
		if state == messages.TaskRunning {
			return state, nil
		}
		return messages.TaskCancelled, t.end(id, messages.TaskCancelled, "", false)
	})
}

// end gives a task its final state and makes the effects that follow.
func (t *tx) end(id messages.TaskID, state messages.TaskState, note string, publish bool) error {
	var test bool
	if err := t.row(`UPDATE tasks SET state = ?, ended_at = ?, not_before = 0, note = ? WHERE id = ? RETURNING test`,
		[]any{string(state), nanos(t.now), note, string(id)}, &test); err != nil {
		return err
	}
	if test {
		return nil
	}
	if publish {
		if err := t.addEffect(id, messages.EffectPublish, "", messages.Object{}); err != nil {
			return err
		}
	}
	if err := t.addEffect(id, messages.EffectFinal, "", messages.Object{}); err != nil {
		return err
	}
	// A progress comment that nobody began to write is not wanted any more.
	if _, err := t.exec(`UPDATE effects SET state = 'skipped', done_at = ?
		WHERE task = ? AND kind = 'progress' AND state = 'pending' AND tries = 0`, nanos(t.now), string(id)); err != nil {
		return err
	}
	return t.showProgress(id)
}

// showProgress makes the progress comment due, since there is something new to say.
func (t *tx) showProgress(id messages.TaskID) error {
	_, err := t.exec(`UPDATE effects SET next_at = ? WHERE task = ? AND kind = 'progress' AND state = 'open'`,
		nanos(t.now), string(id))
	return err
}
