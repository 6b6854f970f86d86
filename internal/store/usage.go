package store

import (
	"context"
	"fmt"

	"devs-webhook/messages"
)

// SetToken gives an open attempt the token that opens the gateway, as the lower-case hex of its SHA-256, in
// place of an earlier one; "" takes it away. The token dies with the attempt. messages.ErrNotOpen if the
// attempt has ended. That two open attempts had one token is an error.
func (s *Store) SetToken(ctx context.Context, a messages.AttemptRef, hash string) error {
	return do1(ctx, s.writer, "set token", func(t *tx) error {
		row, err := t.openRow(a)
		if err != nil {
			return err
		}
		_, err = t.exec("UPDATE attempts SET token_hash = ? WHERE id = ?", hash, row)
		return err
	})
}

// AttemptByToken finds the open attempt whose token has this hash. The answer is as of now: once Finish has
// returned, the attempt's token opens nothing.
func (r *reader) AttemptByToken(ctx context.Context, hash string) (messages.Attempt, bool, error) {
	list, err := look(ctx, r, "find attempt by token", func(q *reading) ([]messages.Attempt, error) {
		return each(q, scanAttempt, attemptColumns+"WHERE token_hash = ? AND open = 1 AND token_hash <> ''", hash)
	})
	if err != nil || len(list) == 0 {
		return messages.Attempt{}, false, err
	}
	return list[0], true, nil
}

// AddUsage adds to what an attempt has used of the model. An attempt that has ended takes it too: its last
// answer may be counted after its end. The same use told twice is counted twice. ErrUnknownTask if there is
// no such attempt.
func (s *Store) AddUsage(ctx context.Context, a messages.AttemptRef, u messages.Usage) error {
	return do1(ctx, s.writer, "add usage", func(t *tx) error {
		n, err := t.change(`UPDATE attempts SET model_requests = model_requests + ?, input_tokens = input_tokens + ?,
				output_tokens = output_tokens + ?, cache_read_tokens = cache_read_tokens + ?,
				cache_write_tokens = cache_write_tokens + ?, cost_usd = cost_usd + ?
			WHERE task = ? AND number = ?`,
			u.Requests, u.Input, u.Output, u.CacheRead, u.CacheWrite, u.CostUSD, string(a.Task), a.Number)
		if err == nil && n == 0 {
			err = fmt.Errorf("%w: attempt %s", ErrUnknownTask, a)
		}
		return err
	})
}
