package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"

	"devs-webhook/messages"
)

// testTrigger is Request.Trigger of a test event. Such requests have threads of their own: merged into a
// real task they would be shown, and a real request merged into theirs would not be.
const testTrigger = "test"

// thread is a row of threads.
type thread struct {
	id     int64
	repo   int64
	number int
	test   bool
	branch string
}

// thread finds the thread that an issue or pull request belongs to, and makes it if there is none.
func (t *tx) thread(repo int64, number int, test bool) (th thread, err error) {
	err = t.row(`SELECT t.id, t.repo_id, t.number, t.test, t.branch
		FROM thread_members m JOIN threads t ON t.id = m.thread
		WHERE m.repo_id = ? AND m.number = ? AND m.test = ?`, []any{repo, number, test},
		&th.id, &th.repo, &th.number, &th.test, &th.branch)
	if !errors.Is(err, sql.ErrNoRows) {
		return th, err
	}
	th = thread{repo: repo, number: number, test: test}
	// The row is there without a member if its pull request had joined a thread that was forgotten since.
	if err := t.row(`INSERT INTO threads (repo_id, number, test) VALUES (?, ?, ?)
		ON CONFLICT (repo_id, number, test) DO UPDATE SET number = excluded.number RETURNING id, branch`,
		[]any{repo, number, test}, &th.id, &th.branch); err != nil {
		return th, err
	}
	_, err = t.exec("INSERT INTO thread_members (repo_id, number, test, thread) VALUES (?, ?, ?, ?)",
		repo, number, test, th.id)
	return th, err
}

// queuedOf is the thread's task that takes requests in; empty if there is none. One that waits for its first
// attempt comes before one that is to be tried again.
func (t *tx) queuedOf(th thread) (id messages.TaskID, err error) {
	err = t.row("SELECT id FROM tasks WHERE thread = ? AND state = 'queued' ORDER BY attempt > 0 LIMIT 1",
		[]any{th.id}, &id)
	if errors.Is(err, sql.ErrNoRows) {
		return "", nil
	}
	return id, err
}

func (t *tx) exists(id messages.TaskID) (there bool, err error) {
	err = t.row("SELECT EXISTS (SELECT 1 FROM tasks WHERE id = ?)", []any{string(id)}, &there)
	return there, err
}

// newTask queues a task for the thread, on the thread's branch or on a new one.
func (t *tx) newTask(id messages.TaskID, th thread, r messages.Request) error {
	if th.branch == "" {
		th.branch = branchName(th.number, id)
		if _, err := t.exec("UPDATE threads SET branch = ? WHERE id = ?", th.branch, th.id); err != nil {
			return err
		}
	}
	if _, err := t.exec(`INSERT INTO tasks (id, thread, repo_id, test, branch, state, queued_at)
		VALUES (?, ?, ?, ?, ?, 'queued', ?)`, string(id), th.id, th.repo, th.test, th.branch, nanos(t.now)); err != nil {
		return err
	}
	return t.addRequest(id, r)
}

func branchName(number int, first messages.TaskID) string {
	return fmt.Sprintf("devs/%d-%s", number, first)
}

// published records the pull request that was opened for a task: comments on it belong to the task's thread
// from now on. Tasks that were made for the pull request alone meanwhile move over, unless the thread has
// one in the same state: then they stay and end where they are.
func (t *tx) published(id messages.TaskID, number int) error {
	var (
		th     thread
		branch string
	)
	if err := t.row(`SELECT h.id, h.repo_id, h.number, h.test, h.branch, t.branch
		FROM tasks t JOIN threads h ON h.id = t.thread WHERE t.id = ?`, []any{string(id)},
		&th.id, &th.repo, &th.number, &th.test, &th.branch, &branch); err != nil {
		return err
	}
	if th.branch == "" { // it was forgotten while the task ran
		th.branch = branch
	}
	if _, err := t.exec("UPDATE threads SET branch = ?, pull_request = ? WHERE id = ?", th.branch, number, th.id); err != nil {
		return err
	}
	if number == th.number {
		return nil
	}
	if _, err := t.exec(`UPDATE OR IGNORE tasks
		SET thread = ?, branch = CASE state WHEN 'queued' THEN ? ELSE branch END
		WHERE state IN ('queued', 'running') AND thread = (
			SELECT thread FROM thread_members WHERE repo_id = ? AND number = ? AND test = ?)`,
		th.id, th.branch, th.repo, number, th.test); err != nil {
		return err
	}
	_, err := t.exec(`INSERT INTO thread_members (repo_id, number, test, thread) VALUES (?, ?, ?, ?)
		ON CONFLICT (repo_id, number, test) DO UPDATE SET thread = excluded.thread`, th.repo, number, th.test, th.id)
	return err
}

// ThreadBranchClosed forgets the branch of the thread whose pull request this is, because it was merged or
// closed: the thread's next task begins a new branch, and one that is queued changes to it. A pull request
// that is not ours changes nothing. Comments on it still belong to the thread.
func (s *Store) ThreadBranchClosed(ctx context.Context, repoID int64, prNumber int) error {
	return do1(ctx, s.writer, "forget branch of thread", func(t *tx) error {
		return t.branchClosed(repoID, prNumber)
	})
}

func (t *tx) branchClosed(repo int64, pull int) error {
	var th thread
	err := t.row(`UPDATE threads SET branch = '', pull_request = 0
		WHERE id = (SELECT thread FROM thread_members WHERE repo_id = ? AND number = ? AND test = 0)
		AND pull_request = ? RETURNING id, number`, []any{repo, pull, pull}, &th.id, &th.number)
	if errors.Is(err, sql.ErrNoRows) {
		return nil
	}
	if err != nil {
		return err
	}
	var first messages.TaskID
	err = t.row("SELECT id FROM tasks WHERE thread = ? AND state = 'queued' ORDER BY seq LIMIT 1", []any{th.id}, &first)
	if errors.Is(err, sql.ErrNoRows) {
		return nil
	}
	if err != nil {
		return err
	}
	branch := branchName(th.number, first)
	if _, err := t.exec("UPDATE tasks SET branch = ? WHERE thread = ? AND state = 'queued'", branch, th.id); err != nil {
		return err
	}
	_, err = t.exec("UPDATE threads SET branch = ? WHERE id = ?", branch, th.id)
	return err
}
