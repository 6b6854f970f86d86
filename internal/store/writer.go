package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"runtime/debug"
	"time"

	"github.com/rs/zerolog"
)

// maxBatch bounds the writes of one transaction, and so how long the first of them waits for the last.
const maxBatch = 256

// errLost is why a batch was rolled back as a whole by one of its writes.
var errLost = errors.New("transaction was rolled back")

// write is a change that waits for the writer. run may be called again if the transaction that it was part
// of was lost, so it must set whatever it answers anew.
type write struct {
	ctx  context.Context
	run  func(*tx) error
	err  error // of the newest run; the writer's alone until done is told
	done chan error
}

// writer owns the one connection that writes. Its goroutine, loop, is the only one that touches conn and
// the statements after open.
type writer struct {
	db      *sql.DB
	conn    *sql.Conn
	stmts   map[string]*sql.Stmt
	log     zerolog.Logger
	queue   chan *write
	closing chan struct{} // closed by Close: take no more
	stopped chan struct{} // closed by loop when it has committed what was queued
}

// do has fn run in a transaction and returns what it answered, after the commit.
func do[T any](ctx context.Context, w *writer, what string, fn func(*tx) (T, error)) (T, error) {
	var out, zero T
	err := w.write(ctx, func(t *tx) (err error) {
		out, err = fn(t)
		return err
	})
	if err != nil { // out may still be written to: it is not looked at
		return zero, fmt.Errorf("%s: %w", what, err)
	}
	return out, nil
}

// do1 is do for a change that answers nothing.
func do1(ctx context.Context, w *writer, what string, fn func(*tx) error) error {
	_, err := do(ctx, w, what, func(t *tx) (struct{}, error) { return struct{}{}, fn(t) })
	return err
}

// write waits for its turn and for the commit.
func (w *writer) write(ctx context.Context, run func(*tx) error) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	select {
	case <-w.closing:
		return ErrClosed
	default:
	}
	one := &write{ctx: ctx, run: run, done: make(chan error, 1)}
	select {
	case w.queue <- one:
	case <-ctx.Done():
		return ctx.Err()
	case <-w.closing:
		return ErrClosed
	}
	select {
	case err := <-one.done:
		return err
	case <-ctx.Done():
		return ctx.Err()
	case <-w.stopped:
	}
	select {
	case err := <-one.done:
		return err
	default:
		return ErrClosed // it came into the queue behind the last look
	}
}

// loop commits what has queued up until the store is closed, and then what is still queued.
func (w *writer) loop() {
	defer close(w.stopped)
	for {
		select {
		case first := <-w.queue:
			w.commit(w.gather(first))
		case <-w.closing:
			for rest := w.gather(); len(rest) > 0; rest = w.gather() {
				w.commit(rest)
			}
			return
		}
	}
}

// gather takes what is queued now.
func (w *writer) gather(batch ...*write) []*write {
	for len(batch) < maxBatch {
		select {
		case one := <-w.queue:
			batch = append(batch, one)
		default:
			return batch
		}
	}
	return batch
}

// commit runs the batch as one transaction and answers everybody. If one write brings the whole
// transaction down, or the commit does not fit on the disk, each is tried in a transaction of its own.
func (w *writer) commit(batch []*write) {
	begun, err := w.together(batch)
	switch {
	case err == nil:
	case begun && len(batch) > 1:
		for _, one := range batch {
			if _, err := w.together([]*write{one}); err != nil {
				one.err = err
			}
		}
	default:
		for _, one := range batch {
			one.err = err
		}
	}
	for _, one := range batch {
		one.done <- one.err
	}
}

// together runs the batch in one transaction. An error means that nothing of it was written; begun says
// whether it came as far as running the writes.
func (w *writer) together(batch []*write) (begun bool, err error) {
	t := &tx{w: w}
	if _, err := t.exec("BEGIN IMMEDIATE"); err != nil {
		return false, classify(err)
	}
	for _, one := range batch {
		if one.err = one.ctx.Err(); one.err != nil {
			continue
		}
		if err := t.savepoint(one); err != nil {
			w.rollback(t)
			return true, err
		}
	}
	if _, err := t.exec("COMMIT"); err != nil {
		w.rollback(t)
		return true, classify(err)
	}
	return true, nil
}

// rollback ends a transaction that failed. SQLite may have ended it by itself; then this fails, and that
// is as good.
func (w *writer) rollback(t *tx) { _, _ = t.exec("ROLLBACK") }

// savepoint runs one write under its own savepoint. An error means that the whole transaction is lost; the
// write's own failure is in one.err.
func (t *tx) savepoint(one *write) error {
	if _, err := t.exec("SAVEPOINT one"); err != nil {
		return classify(err)
	}
	t.now = time.Now()
	if one.err = t.run(one.run); one.err != nil {
		one.err = classify(one.err)
		if _, err := t.exec("ROLLBACK TO one"); err != nil {
			// SQLite itself has rolled everything back, as it does when the disk is full or fails.
			return fmt.Errorf("%w: %w", errLost, one.err)
		}
	}
	if _, err := t.exec("RELEASE one"); err != nil {
		return classify(err)
	}
	return nil
}

// run calls the write and turns a panic into its error, since the writer serves everybody.
func (t *tx) run(fn func(*tx) error) (err error) {
	defer func() {
		if p := recover(); p != nil {
			t.w.log.Error().Interface("panic", p).Bytes("stack", debug.Stack()).Msg("store write panicked")
			err = fmt.Errorf("panic in a write: %v", p)
		}
	}()
	return fn(t)
}

// tx is the writer's transaction, used by its goroutine alone. Statements are prepared once.
type tx struct {
	w   *writer
	now time.Time // when the write began
}

// exec runs a statement.
func (t *tx) exec(query string, args ...any) (sql.Result, error) {
	stmt, err := t.stmt(query)
	if err != nil {
		return nil, err
	}
	return stmt.Exec(args...)
}

// change runs a statement and says how many rows it changed.
func (t *tx) change(query string, args ...any) (int64, error) {
	res, err := t.exec(query, args...)
	if err != nil {
		return 0, err
	}
	return res.RowsAffected()
}

// query runs a statement that returns rows.
func (t *tx) query(query string, args ...any) (*sql.Rows, error) {
	stmt, err := t.stmt(query)
	if err != nil {
		return nil, err
	}
	return stmt.Query(args...)
}

// row runs a statement that returns one row into dest. sql.ErrNoRows if there is none.
func (t *tx) row(query string, args []any, dest ...any) error {
	stmt, err := t.stmt(query)
	if err != nil {
		return err
	}
	return stmt.QueryRow(args...).Scan(dest...)
}

func (t *tx) stmt(query string) (*sql.Stmt, error) {
	if stmt, ok := t.w.stmts[query]; ok {
		return stmt, nil
	}
	stmt, err := t.w.conn.PrepareContext(context.Background(), query)
	if err != nil {
		return nil, err
	}
	t.w.stmts[query] = stmt
	return stmt, nil
}
