package store

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"devs-webhook/messages"
)

const day = 24 * time.Hour

// Keep says how long things are kept. A zero field means the default in its comment.
type Keep struct {
	Ignored     time.Duration // 24 h: payloads of deliveries that were ignored
	Payloads    time.Duration // 7 days: payloads of the others, after their decision
	Transcripts time.Duration // 14 days: events, instructions and answers, after the end
	History     time.Duration // 400 days: ids, decisions and figures, after the end
	Keys        time.Duration // 400 days: hashes for deduplication; never less than History and 30 days
}

// Forgotten counts what was forgotten.
type Forgotten struct {
	Payloads    int `json:"payloads"`
	Transcripts int `json:"transcripts"` // attempts whose events and words went
	Texts       int `json:"texts"`       // tasks whose requests' texts went
	Tasks       int `json:"tasks"`
	Deliveries  int `json:"deliveries"`
	Keys        int `json:"keys"`
}

// forgetBatch bounds the rows of one transaction, so that forgetting does not hold up a delivery.
const forgetBatch = 200

// Forget deletes what is older than it is to be kept, as of now, in many small transactions: a crash or an
// ended context leaves the rest for the next call. Deleted text is overwritten in the file
// (secure_delete). What is undecided, unfinished or unreported is never touched. The file does not shrink;
// its free pages are used again.
func (s *Store) Forget(ctx context.Context, now time.Time, keep Keep) (Forgotten, error) {
	keep = keep.withDefaults()
	var f Forgotten
	for _, one := range []struct {
		count  *int
		before time.Time
		fn     func(*tx, int64) (int, error)
	}{
		{&f.Payloads, now.Add(-keep.Ignored), func(t *tx, at int64) (int, error) { return t.forgetPayloads(at, "decision = 'ignored'") }},
		{&f.Payloads, now.Add(-keep.Payloads), func(t *tx, at int64) (int, error) { return t.forgetPayloads(at, "decision <> 'undecided'") }},
		{&f.Transcripts, now.Add(-keep.Transcripts), (*tx).forgetTranscripts},
		{&f.Texts, now.Add(-keep.Transcripts), (*tx).forgetTexts},
		{&f.Tasks, now.Add(-keep.History), (*tx).forgetTasks},
		{&f.Deliveries, now.Add(-keep.History), (*tx).forgetDeliveries},
		{&f.Keys, now.Add(-keep.Keys), (*tx).forgetKeys},
	} {
		for {
			n, err := do(ctx, s.writer, "forget", func(t *tx) (int, error) { return one.fn(t, nanos(one.before)) })
			*one.count += n
			if err != nil {
				return f, err
			}
			if n == 0 {
				break
			}
		}
	}
	return f, nil
}

func (k Keep) withDefaults() Keep {
	for _, f := range []struct {
		field    *time.Duration
		standard time.Duration
	}{
		{&k.Ignored, day}, {&k.Payloads, 7 * day}, {&k.Transcripts, 14 * day}, {&k.History, 400 * day}, {&k.Keys, 400 * day},
	} {
		if *f.field <= 0 {
			*f.field = f.standard
		}
	}
	// A row goes after its text, and a key after its row.
	k.History = max(k.History, k.Ignored, k.Payloads, k.Transcripts)
	k.Keys = max(k.Keys, k.History, 30*day)
	return k
}

func (t *tx) forgetPayloads(before int64, which string) (int, error) {
	rows, err := each(t, scanID, `SELECT seq FROM deliveries INDEXED BY deliveries_decided WHERE has_body = 1 AND decision <> 'undecided'
		AND decided_at < ? AND `+which+` LIMIT ?`, before, forgetBatch)
	for _, seq := range rows {
		if _, err := t.exec("DELETE FROM payloads WHERE delivery = ?", seq); err != nil {
			return 0, err
		}
		if _, err := t.exec("UPDATE deliveries SET has_body = 0 WHERE seq = ?", seq); err != nil {
			return 0, err
		}
	}
	return len(rows), err
}

// forgetTranscripts deletes the events of ended attempts and the words in their outcomes. An attempt whose
// work or answer is still to be reported keeps both.
func (t *tx) forgetTranscripts(before int64) (int, error) {
	rows, err := each(t, scanID, `SELECT a.id FROM attempts a INDEXED BY attempts_ended CROSS JOIN tasks t ON t.id = a.task
		WHERE a.open = 0 AND a.has_text = 1 AND a.ended_at < ? AND t.state IN ('done', 'failed', 'cancelled')
		AND `+reported+` LIMIT ?`, before, forgetBatch/10)
	for _, id := range rows {
		if _, err := t.exec("DELETE FROM events WHERE attempt = ?", id); err != nil {
			return 0, err
		}
		if err := t.blankOutcome(id); err != nil {
			return 0, err
		}
		if _, err := t.exec("UPDATE attempts SET has_text = 0, detail = '' WHERE id = ?", id); err != nil {
			return 0, err
		}
	}
	return len(rows), err
}

// reported holds for a task t with nothing left to do on GitHub.
const reported = `NOT EXISTS (SELECT 1 FROM effects e WHERE e.task = t.id AND e.state IN ('pending', 'open'))`

// blankOutcome leaves the figures of an outcome and takes its texts.
func (t *tx) blankOutcome(attempt int64) error {
	return t.blank("outcomes", "attempt", attempt, func(data []byte) (any, error) {
		var o messages.Outcome
		err := json.Unmarshal(data, &o)
		o.Detail, o.Intents, o.Refused, o.Exit.Detail = "", messages.Intents{}, nil, ""
		o.Result.Words, o.Result.Detail = "", ""
		return o, err
	})
}

// forgetTexts leaves who asked, where and when, and takes what was written.
func (t *tx) forgetTexts(before int64) (int, error) {
	ids, err := each(t, scanTaskID, `SELECT t.id FROM tasks t INDEXED BY tasks_ended WHERE t.has_text = 1
		AND t.state IN ('done', 'failed', 'cancelled') AND t.ended_at < ? AND `+reported+` LIMIT ?`, before, forgetBatch)
	if err != nil {
		return 0, err
	}
	for _, id := range ids {
		requests, err := each(t, scanID, "SELECT id FROM requests WHERE task = ?", string(id))
		if err != nil {
			return 0, err
		}
		for _, row := range requests {
			if err := t.blankRequest(row); err != nil {
				return 0, err
			}
		}
		if _, err := t.exec("UPDATE tasks SET has_text = 0, note = '' WHERE id = ?", string(id)); err != nil {
			return 0, err
		}
	}
	return len(ids), nil
}

func (t *tx) blankRequest(row int64) error {
	return t.blank("requests", "id", row, func(data []byte) (any, error) {
		var r messages.Request
		err := json.Unmarshal(data, &r)
		r.Instruction, r.Thread.Title, r.Thread.Body = "", "", ""
		return r, err
	})
}

// blank rewrites the JSON of one row without its texts.
func (t *tx) blank(table, key string, id int64, without func([]byte) (any, error)) error {
	list, err := each(t, func(scan func(...any) error) (s string, err error) { return s, scan(&s) },
		"SELECT data FROM "+table+" WHERE "+key+" = ?", id)
	if err != nil || len(list) == 0 {
		return err
	}
	value, err := without([]byte(list[0]))
	if err != nil {
		return fmt.Errorf("read %s %d: %w", table, id, err)
	}
	text, err := json.Marshal(value)
	if err != nil {
		return err
	}
	_, err = t.exec("UPDATE "+table+" SET data = ? WHERE "+key+" = ?", string(text), id)
	return err
}

// forgetTasks deletes ended tasks with all that hangs on them, and threads without a task.
func (t *tx) forgetTasks(before int64) (int, error) {
	ids, err := each(t, scanTaskID, `SELECT t.id FROM tasks t INDEXED BY tasks_ended WHERE t.has_text = 0
		AND t.state IN ('done', 'failed', 'cancelled') AND t.ended_at < ? AND `+reported+` LIMIT ?`, before, forgetBatch)
	for _, id := range ids {
		var thread int64
		if err := t.row("DELETE FROM tasks WHERE id = ? RETURNING thread", []any{string(id)}, &thread); err != nil {
			return 0, err
		}
		if _, err := t.exec(`DELETE FROM threads WHERE id = ?1
			AND NOT EXISTS (SELECT 1 FROM tasks WHERE thread = ?1)`, thread); err != nil {
			return 0, err
		}
	}
	return len(ids), err
}

// forgetDeliveries leaves the hash of the id.
func (t *tx) forgetDeliveries(before int64) (int, error) {
	ids, err := each(t, func(scan func(...any) error) (id string, err error) { return id, scan(&id) },
		`SELECT id FROM deliveries INDEXED BY deliveries_decided WHERE has_body = 0 AND decision <> 'undecided' AND decided_at < ? LIMIT ?`,
		before, forgetBatch)
	for _, id := range ids {
		var at int64
		if err := t.row("DELETE FROM deliveries WHERE id = ? RETURNING received_at", []any{id}, &at); err != nil {
			return 0, err
		}
		if _, err := t.exec("INSERT INTO seen (hash, at) VALUES (?, ?) ON CONFLICT DO NOTHING", digest(id), at); err != nil {
			return 0, err
		}
	}
	return len(ids), err
}

// forgetKeys takes the hashes of what is gone for long: a key never goes before its task.
func (t *tx) forgetKeys(before int64) (int, error) {
	n, err := t.change(`DELETE FROM keys WHERE hash IN (SELECT k.hash FROM keys k WHERE k.at < ?
		AND NOT EXISTS (SELECT 1 FROM tasks t WHERE t.id = k.task) LIMIT ?)`,
		before, forgetBatch)
	if err != nil {
		return 0, err
	}
	m, err := t.change("DELETE FROM seen WHERE hash IN (SELECT hash FROM seen WHERE at < ? LIMIT ?)", before, forgetBatch)
	return int(n + m), err
}

func scanID(scan func(...any) error) (id int64, err error) { return id, scan(&id) }

func scanTaskID(scan func(...any) error) (id messages.TaskID, err error) { return id, scan(&id) }
