package store

import (
	"context"
	"crypto/sha256"
	"database/sql"
	"errors"
	"fmt"
	"strings"
	"time"

	"devs-webhook/messages"
)

// Accept stores a delivery. When it returns nil the delivery is on the disk. repeated says that its id was
// known before: then nothing changes, but for one that was ignored for a reason that may have been mended
// (messages.Reason.Again): that one becomes undecided again, with the new body. Ring the processor in both
// cases.
func (s *Store) Accept(ctx context.Context, d messages.Delivery) (repeated bool, err error) {
	return do(ctx, s.writer, "accept delivery", func(t *tx) (bool, error) { return t.accept(d) })
}

func (t *tx) accept(d messages.Delivery) (repeated bool, err error) {
	if d.ID == "" {
		return false, errors.New("delivery has no id")
	}
	at := nanos(d.ReceivedAt)
	if at == 0 {
		at = nanos(t.now)
	}
	hash := digest(d.ID)
	res, err := t.exec(`INSERT INTO deliveries (id, event, source, received_at)
		SELECT ?, ?, ?, ? WHERE NOT EXISTS (SELECT 1 FROM seen WHERE hash = ?)
		ON CONFLICT (id) DO NOTHING`, d.ID, d.Event, d.Source, at, hash)
	if err != nil {
		return false, err
	}
	if n, err := res.RowsAffected(); err != nil || n == 0 {
		return true, errors.Join(err, t.acceptAgain(d, at))
	}
	seq, err := res.LastInsertId()
	if err != nil {
		return false, err
	}
	_, err = t.exec("INSERT INTO payloads (delivery, body) VALUES (?, ?)", seq, body(d))
	return false, err
}

// acceptAgain counts a repeated delivery, and opens one again whose decision may be another now.
func (t *tx) acceptAgain(d messages.Delivery, at int64) error {
	var (
		seq              int64
		decision, reason string
	)
	err := t.row("UPDATE deliveries SET times = times + 1 WHERE id = ? RETURNING seq, decision, reason",
		[]any{d.ID}, &seq, &decision, &reason)
	if errors.Is(err, sql.ErrNoRows) {
		return nil // only its hash is left
	}
	again := decision == string(messages.DecidedIgnored) && messages.Reason(reason).Again()
	if err != nil || !again {
		return err
	}
	if _, err := t.exec(`UPDATE deliveries SET decision = 'undecided', reason = ?, detail = '', summary = '',
			event = ?, source = ?, received_at = ?, tries = 0, next_at = 0, decided_at = 0, has_body = 1
		WHERE seq = ?`, string(messages.ReasonNotLooked), d.Event, d.Source, at, seq); err != nil {
		return err
	}
	_, err = t.exec(`INSERT INTO payloads (delivery, body) VALUES (?, ?)
		ON CONFLICT (delivery) DO UPDATE SET body = excluded.body`, seq, body(d))
	return err
}

// body is never nil, which would be NULL.
func body(d messages.Delivery) []byte {
	if d.Body == nil {
		return []byte{}
	}
	return d.Body
}

// digest is how ids and keys are kept for deduplication.
func digest(text string) []byte {
	sum := sha256.Sum256([]byte(text))
	return sum[:]
}

// Undecided returns deliveries that wait for a decision and are due, oldest first, with their bodies.
func (r *reader) Undecided(ctx context.Context, limit int) ([]messages.Delivery, error) {
	return look(ctx, r, "list undecided deliveries", func(q *reading) ([]messages.Delivery, error) {
		return each(q, func(scan func(...any) error) (messages.Delivery, error) {
			var (
				d  messages.Delivery
				at int64
			)
			err := scan(&d.ID, &d.Event, &d.Source, &at, &d.Tries, &d.Body)
			d.ReceivedAt = moment(at)
			return d, err
		}, `SELECT d.id, d.event, d.source, d.received_at, d.tries, p.body
			FROM deliveries d INDEXED BY deliveries_undecided CROSS JOIN payloads p ON p.delivery = d.seq
			WHERE d.decision = 'undecided' AND d.next_at <= ?
			ORDER BY d.seq LIMIT ?`, nanos(q.now), limit)
	})
}

// NextUndecided is when the next of the deliveries that were put off is due. Those that are due already are
// what Undecided returns.
func (r *reader) NextUndecided(ctx context.Context) (time.Time, bool, error) {
	return next(ctx, r, "find next undecided delivery",
		"SELECT min(next_at) FROM deliveries INDEXED BY deliveries_undecided WHERE decision = 'undecided' AND next_at > ?",
		func(now int64) []any { return []any{now} })
}

// PutOff leaves a delivery undecided until next. One that is decided stays so.
func (s *Store) PutOff(ctx context.Context, delivery string, reason messages.Reason, detail string, next time.Time) error {
	return do1(ctx, s.writer, "put off delivery", func(t *tx) error {
		n, err := t.change(`UPDATE deliveries SET reason = ?, detail = ?, next_at = ?, tries = tries + 1
			WHERE id = ? AND decision = 'undecided'`, string(reason), detail, nanos(next), delivery)
		if err != nil || n > 0 {
			return err
		}
		_, _, err = t.recorded(delivery)
		return err
	})
}

// recorded is what is known of a delivery. The request of its decision is not read back.
func (t *tx) recorded(delivery string) (messages.Decision, messages.TaskID, error) {
	d := messages.Decision{Delivery: delivery}
	var repo, task string
	err := t.row("SELECT decision, reason, detail, summary, repo_id, repo, task FROM deliveries WHERE id = ?",
		[]any{delivery}, &d.Kind, &d.Reason, &d.Detail, &d.Summary, &d.Repo.ID, &repo, &task)
	if errors.Is(err, sql.ErrNoRows) {
		return d, "", fmt.Errorf("%w: %s", ErrUnknownDelivery, delivery)
	}
	d.Repo.Owner, d.Repo.Name, _ = strings.Cut(repo, "/")
	return d, messages.TaskID(task), err
}
