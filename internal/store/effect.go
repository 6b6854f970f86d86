package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"
	"time"

	"devs-webhook/messages"
)

// order is that of the kinds in DueEffects: what people wait for comes first.
var order = [...]messages.EffectKind{
	messages.EffectPublish, messages.EffectFinal, messages.EffectReaction, messages.EffectProgress,
}

// addEffect inserts an effect that is due at once, unless the task has it.
func (t *tx) addEffect(id messages.TaskID, kind messages.EffectKind, key string, o messages.Object) error {
	_, err := t.exec(`INSERT INTO effects (task, repo_id, kind, key, next_at, object_kind, object_id, created_at)
		SELECT id, repo_id, ?, ?, ?, ?, ?, ? FROM tasks WHERE id = ?
		ON CONFLICT (task, kind, key) DO NOTHING`,
		string(kind), key, nanos(t.now), o.Kind, o.ID, nanos(t.now), string(id))
	return err
}

const effectColumns = `SELECT e.id, e.task, e.kind, e.key, e.state, e.ambiguous, e.tries, e.next_at, e.remote_id,
	e.url, e.digest, e.error, e.detail, e.object_kind, e.object_id, e.created_at, e.done_at FROM effects e `

func scanEffect(scan func(...any) error) (messages.Effect, error) {
	var (
		e                   messages.Effect
		next, created, done int64
	)
	err := scan(&e.ID, &e.Task, &e.Kind, &e.Key, &e.State, &e.Ambiguous, &e.Tries, &next, &e.RemoteID,
		&e.URL, &e.Digest, &e.Error, &e.Detail, &e.Object.Kind, &e.Object.ID, &created, &done)
	e.NextAt, e.CreatedAt, e.DoneAt = moment(next), moment(created), moment(done)
	return e, err
}

// unblocked holds for an effect that waits for no other: final waits for its task's publish, and the
// progress comment, which then points to the final one, for that.
const unblocked = `NOT EXISTS (SELECT 1 FROM effects b WHERE b.task = e.task AND b.state IN ('pending', 'open')
	AND b.kind = CASE e.kind WHEN 'final' THEN 'publish' WHEN 'progress' THEN 'final' END)`

// DueEffects returns effects that are due and wait for no other: publish, final, reactions, progress, and
// of a kind those first that are due longest.
func (r *reader) DueEffects(ctx context.Context, limit int) ([]messages.Effect, error) {
	return look(ctx, r, "list due effects", func(q *reading) ([]messages.Effect, error) {
		var out []messages.Effect
		for _, kind := range order {
			some, err := each(q, scanEffect, effectColumns+`INDEXED BY effects_due WHERE e.kind = ? AND e.state IN ('pending', 'open')
				AND e.next_at <= ? AND `+unblocked+` ORDER BY e.next_at, e.id LIMIT ?`,
				string(kind), nanos(q.now), limit-len(out))
			if err != nil {
				return nil, err
			}
			out = append(out, some...)
		}
		return out, nil
	})
}

// NextEffect is when the next effect that was put off is due. Those that are due already are what DueEffects
// returns.
func (r *reader) NextEffect(ctx context.Context) (time.Time, bool, error) {
	part := "SELECT min(next_at) AS at FROM effects INDEXED BY effects_due WHERE kind = '%s' AND state IN ('pending', 'open') AND next_at > ?1"
	var query strings.Builder
	query.WriteString("SELECT min(at) FROM (")
	for i, kind := range order {
		if i > 0 {
			query.WriteString(" UNION ALL ")
		}
		query.WriteString(fmt.Sprintf(part, kind))
	}
	return next(ctx, r, "find next effect", query.String()+")", func(now int64) []any { return []any{now} })
}

// unfinishedEffect reads an effect that may still be performed. messages.ErrEffectClosed if it was done, or
// given up, or is no longer wanted; ErrUnknownEffect.
func (t *tx) unfinishedEffect(id int64) (messages.Effect, error) {
	list, err := each(t, scanEffect, effectColumns+"WHERE e.id = ?", id)
	if err != nil {
		return messages.Effect{}, err
	}
	if len(list) == 0 {
		return messages.Effect{}, fmt.Errorf("%w: %d", ErrUnknownEffect, id)
	}
	e := list[0]
	if e.State != messages.EffectPending && e.State != messages.EffectOpen {
		return e, fmt.Errorf("effect %d is %s: %w", id, e.State, messages.ErrEffectClosed)
	}
	return e, nil
}

// EffectTrying counts a try and marks the effect as ambiguous, before the request goes out: if the process
// dies on the way, the next life knows that GitHub must be searched first. messages.ErrEffectClosed: do not
// try; it is no longer wanted.
func (s *Store) EffectTrying(ctx context.Context, id int64) error {
	return do1(ctx, s.writer, "begin effect", func(t *tx) error {
		if _, err := t.unfinishedEffect(id); err != nil {
			return err
		}
		_, err := t.exec("UPDATE effects SET ambiguous = 1, tries = tries + 1 WHERE id = ?", id)
		return err
	})
}

// EffectDone records what a successful try made: RemoteID, URL, Digest and Detail of e (an empty one leaves
// what is there). The effect is done; but the progress comment of an unfinished task is open until e.NextAt,
// and so is one whose task ended after e was written (e.NextAt is still to come): that one is due at once.
// A publish with a pull request's number as RemoteID makes it part of the task's thread. An effect that is
// closed already stays as it is.
func (s *Store) EffectDone(ctx context.Context, id int64, e messages.Effect) error {
	return do1(ctx, s.writer, "complete effect", func(t *tx) error {
		old, err := t.unfinishedEffect(id)
		if errors.Is(err, messages.ErrEffectClosed) {
			return nil
		}
		if err != nil {
			return err
		}
		state, at, err := t.afterDone(old, e)
		if err != nil {
			return err
		}
		var done int64
		if state == messages.EffectDone {
			done = nanos(t.now)
		}
		if _, err := t.exec(`UPDATE effects SET state = ?, next_at = ?, done_at = ?, ambiguous = 0, error = '',
				remote_id = iif(?4 = 0, remote_id, ?4), url = iif(?5 = '', url, ?5),
				digest = iif(?6 = '', digest, ?6), detail = iif(?7 = '', detail, ?7) WHERE id = ?8`,
			string(state), nanos(at), done, e.RemoteID, e.URL, e.Digest, e.Detail, id); err != nil {
			return err
		}
		if old.Kind == messages.EffectPublish && e.RemoteID > 0 {
			return t.published(old.Task, int(e.RemoteID))
		}
		return nil
	})
}

// afterDone says where an effect stands after a successful try, and when it is due again.
func (t *tx) afterDone(old, e messages.Effect) (messages.EffectState, time.Time, error) {
	if old.Kind != messages.EffectProgress {
		return messages.EffectDone, old.NextAt, nil
	}
	var state messages.TaskState
	if err := t.row("SELECT state FROM tasks WHERE id = ?", []any{string(old.Task)}, &state); err != nil {
		return "", time.Time{}, err
	}
	switch {
	case !state.Final():
		return messages.EffectOpen, e.NextAt, nil
	case e.State != messages.EffectDone && e.NextAt.After(t.now):
		return messages.EffectOpen, t.now, nil
	}
	return messages.EffectDone, old.NextAt, nil
}

// EffectLater puts an effect off after a try that failed. ambiguous says that GitHub may have applied it all
// the same. An effect that is closed already stays as it is.
func (s *Store) EffectLater(ctx context.Context, id int64, next time.Time, ambiguous bool, why string) error {
	return s.effect(ctx, "put off effect", id, func(t *tx) error {
		_, err := t.exec("UPDATE effects SET next_at = ?, ambiguous = ?, error = ? WHERE id = ?", nanos(next), ambiguous, why, id)
		return err
	})
}

// EffectFailed gives an effect up, with the reason. What waited for it goes on.
func (s *Store) EffectFailed(ctx context.Context, id int64, why string) error {
	return s.effect(ctx, "give up effect", id, func(t *tx) error {
		_, err := t.exec("UPDATE effects SET state = 'failed', error = ?, done_at = ? WHERE id = ?", why, nanos(t.now), id)
		return err
	})
}

// EffectSkipped closes an effect that is no longer wanted.
func (s *Store) EffectSkipped(ctx context.Context, id int64) error {
	return s.effect(ctx, "skip effect", id, func(t *tx) error {
		_, err := t.exec("UPDATE effects SET state = 'skipped', done_at = ? WHERE id = ?", nanos(t.now), id)
		return err
	})
}

// effect changes an effect that is not closed.
func (s *Store) effect(ctx context.Context, what string, id int64, change func(*tx) error) error {
	return do1(ctx, s.writer, what, func(t *tx) error {
		_, err := t.unfinishedEffect(id)
		if errors.Is(err, messages.ErrEffectClosed) {
			return nil
		}
		if err != nil {
			return err
		}
		return change(t)
	})
}

// maxProgress bounds the progress effects of one call, so that a long queue does not hold the writer.
const maxProgress = 200

// StartProgress inserts the progress effect of tasks that were queued more than after ago and have not ended,
// and says of how many: at most 200, the oldest first. Tasks of test events get none.
func (s *Store) StartProgress(ctx context.Context, after time.Duration) (int, error) {
	return do(ctx, s.writer, "start progress", func(t *tx) (int, error) {
		ids, err := each(t, func(scan func(...any) error) (id messages.TaskID, err error) { return id, scan(&id) },
			`SELECT id FROM tasks INDEXED BY tasks_silent WHERE progress = 0 AND test = 0 AND state IN ('queued', 'running')
			AND queued_at < ? ORDER BY queued_at LIMIT ?`, nanos(t.now.Add(-after)), maxProgress)
		if err != nil {
			return 0, err
		}
		for _, id := range ids {
			if err := t.addEffect(id, messages.EffectProgress, "", messages.Object{}); err != nil {
				return 0, err
			}
			if _, err := t.exec("UPDATE tasks SET progress = 1 WHERE id = ?", string(id)); err != nil {
				return 0, err
			}
		}
		return len(ids), nil
	})
}

// IsOurs says whether a comment is one that we wrote and recorded.
func (r *reader) IsOurs(ctx context.Context, repoID, commentID int64) (bool, error) {
	return look(ctx, r, "look up comment", func(q *reading) (bool, error) {
		var n int
		err := q.row(`SELECT 1 FROM effects INDEXED BY effects_remote WHERE remote_id = ? AND remote_id > 0
			AND kind IN ('progress', 'final') AND repo_id = ? LIMIT 1`, []any{commentID, repoID}, &n)
		if errors.Is(err, sql.ErrNoRows) {
			return false, nil
		}
		return n == 1, err
	})
}
