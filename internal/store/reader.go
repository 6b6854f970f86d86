package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync/atomic"
	"time"
)

// querier is what reading needs: the writer's transaction and a reader's offer it alike.
type querier interface {
	query(query string, args ...any) (*sql.Rows, error)
	row(query string, args []any, dest ...any) error
}

// reader is the reading half, common to Store and Reader. Its handle has a few connections of its own, so
// reading never waits for the writer. Reads are kept short: a long one keeps the log from shrinking.
type reader struct {
	db     *sql.DB
	closed atomic.Bool
}

// Reader looks into a store, beside a running service or when none runs. It never writes.
type Reader struct{ reader }

// OpenReader opens the store in dir for reading. It takes no lock. ErrTooNew, ErrTooOld, ErrCorrupt, and
// fs.ErrNotExist if there is no store.
func OpenReader(ctx context.Context, dir string) (*Reader, error) {
	r, err := openReader(ctx, dir)
	if err != nil {
		return nil, fmt.Errorf("open store for reading: %w", err)
	}
	return r, nil
}

func openReader(ctx context.Context, dir string) (*Reader, error) {
	path, err := filepath.Abs(filepath.Join(dir, dataFile))
	if err != nil {
		return nil, err
	}
	info, err := os.Stat(path)
	if err != nil {
		return nil, classify(err)
	}
	if info.Size() == 0 {
		return nil, fmt.Errorf("%w: %s is empty", ErrCorrupt, path)
	}
	db, err := openRead(ctx, path, false)
	if errors.Is(err, ErrReadOnly) && !unclean(path) {
		// The directory cannot be written, so there can be no shared index of the log; at rest there is
		// no log either, and the file alone is the whole truth.
		db, err = openRead(ctx, path, true)
	}
	if err != nil {
		return nil, err
	}
	r := &Reader{reader{db: db}}
	if err := checkReader(ctx, db); err != nil {
		db.Close()
		return nil, err
	}
	return r, nil
}

// checkReader refuses files that this release cannot read.
func checkReader(ctx context.Context, db *sql.DB) error {
	version, err := identify(ctx, db)
	if err != nil {
		return err
	}
	switch known := len(steps()); {
	case version > known:
		return tooNew(version, known)
	case version < known:
		return fmt.Errorf("%w (version %d, this one knows %d): start the service once to bring it up to date",
			ErrTooOld, version, known)
	}
	return nil
}

// Close ends reading.
func (r *Reader) Close() error {
	if r.closed.Swap(true) {
		return nil
	}
	return r.db.Close()
}

// reading is a transaction of a reader: all that it sees is of one moment.
type reading struct {
	ctx context.Context
	tx  *sql.Tx
	now time.Time
}

func (q *reading) query(query string, args ...any) (*sql.Rows, error) {
	return q.tx.QueryContext(q.ctx, query, args...)
}

func (q *reading) row(query string, args []any, dest ...any) error {
	return q.tx.QueryRowContext(q.ctx, query, args...).Scan(dest...)
}

// look runs fn in a read transaction.
func look[T any](ctx context.Context, r *reader, what string, fn func(*reading) (T, error)) (T, error) {
	var zero T
	if r.closed.Load() {
		return zero, fmt.Errorf("%s: %w", what, ErrClosed)
	}
	out, err := lookOnce(ctx, r.db, fn)
	switch {
	case err == nil:
		return out, nil
	case ctx.Err() != nil:
		err = ctx.Err()
	case r.closed.Load(): // it was closed meanwhile
		err = ErrClosed
	default:
		err = classify(err)
	}
	return zero, fmt.Errorf("%s: %w", what, err)
}

func lookOnce[T any](ctx context.Context, db *sql.DB, fn func(*reading) (T, error)) (out T, err error) {
	tx, err := db.BeginTx(ctx, &sql.TxOptions{ReadOnly: true})
	if err != nil {
		return out, err
	}
	defer tx.Rollback() // nothing was written
	return fn(&reading{ctx: ctx, tx: tx, now: time.Now()})
}

// each reads all rows of a query, one scan each.
func each[T any](q querier, scan func(func(...any) error) (T, error), query string, args ...any) ([]T, error) {
	rows, err := q.query(query, args...)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var out []T
	for rows.Next() {
		one, err := scan(rows.Scan)
		if err != nil {
			return nil, err
		}
		out = append(out, one)
	}
	return out, rows.Err()
}

// nanos is a time as it is stored; 0 stands for none.
func nanos(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixNano()
}

// moment is the time that nanos stored.
func moment(n int64) time.Time {
	if n == 0 {
		return time.Time{}
	}
	return time.Unix(0, n).UTC()
}

// next reads a query for the least of some times, NULL if there is none.
func next(ctx context.Context, r *reader, what, query string, args func(now int64) []any) (time.Time, bool, error) {
	at, err := look(ctx, r, what, func(q *reading) (time.Time, error) {
		var n sql.NullInt64
		err := q.row(query, args(nanos(q.now)), &n)
		return moment(n.Int64), err
	})
	return at, !at.IsZero(), err
}
