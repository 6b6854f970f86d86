package store

import (
	"context"
	"crypto/rand"
	"database/sql"
	"encoding/base32"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/rs/zerolog"
)

// Options are what can be told to a store. The zero value works.
type Options struct {
	Log zerolog.Logger
	// Instance takes the place of the random id of this installation. It is not written down.
	Instance string
}

// Store is the open store. All methods may be called from any goroutine.
type Store struct {
	reader
	writer   *writer
	lock     *os.File
	instance string
	log      zerolog.Logger
}

// instanceKey is the setting that holds the id of this installation.
const instanceKey = "instance"

// Instance is the id of this installation: 8 lower-case base32 characters, drawn once when the store was
// made, or what Options said.
func (s *Store) Instance() string { return s.instance }

// Healthy says whether the store can commit: it writes a time and waits for the disk.
func (s *Store) Healthy(ctx context.Context) error {
	return do1(ctx, s.writer, "probe store", func(t *tx) error {
		return t.set("probe", t.now.UTC().Format(time.RFC3339Nano))
	})
}

// Close commits what is queued, moves the log into the file and lets go of the directory. From then on
// every call returns ErrClosed; a second Close does nothing.
func (s *Store) Close() error {
	if s.closed.Swap(true) {
		<-s.writer.stopped
		return nil
	}
	close(s.writer.closing)
	<-s.writer.stopped
	err := errors.Join(s.reader.db.Close(), s.writer.close(), s.lock.Close())
	if err != nil {
		return fmt.Errorf("close store: %w", classify(err))
	}
	s.log.Debug().Msg("store closed")
	return nil
}

// close ends the writer's connection, after its goroutine. The checkpoint waits only briefly for a reader of
// another process: what it leaves in the log is found there at the next open.
func (w *writer) close() error {
	ctx := context.Background()
	_, err := w.conn.ExecContext(ctx, "PRAGMA busy_timeout = 200")
	if err == nil {
		_, err = w.conn.ExecContext(ctx, "PRAGMA wal_checkpoint(TRUNCATE)")
	}
	for _, stmt := range w.stmts {
		err = errors.Join(err, stmt.Close())
	}
	return errors.Join(err, w.conn.Close(), w.db.Close())
}

// Setting reads a setting; empty if it was never set.
func (r *reader) Setting(ctx context.Context, key string) (string, error) {
	return look(ctx, r, "read setting", func(q *reading) (string, error) { return setting(q, key) })
}

// SetSetting writes a setting, such as an account's id that was resolved once.
func (s *Store) SetSetting(ctx context.Context, key, value string) error {
	return do1(ctx, s.writer, "write setting", func(t *tx) error { return t.set(key, value) })
}

func setting(q querier, key string) (string, error) {
	var value string
	err := q.row("SELECT value FROM settings WHERE key = ?", []any{key}, &value)
	if errors.Is(err, sql.ErrNoRows) {
		return "", nil
	}
	return value, err
}

func (t *tx) set(key, value string) error {
	_, err := t.exec(`INSERT INTO settings (key, value) VALUES (?, ?)
		ON CONFLICT (key) DO UPDATE SET value = excluded.value`, key, value)
	return err
}

// ensureInstance returns the id of this installation, drawn if there is none yet.
func (s *Store) ensureInstance(ctx context.Context) (string, error) {
	return do(ctx, s.writer, "draw instance id", func(t *tx) (string, error) {
		id, err := setting(t, instanceKey)
		if err != nil || id != "" {
			return id, err
		}
		var random [5]byte
		_, _ = rand.Read(random[:]) // never fails
		id = strings.ToLower(base32.StdEncoding.EncodeToString(random[:]))
		return id, t.set(instanceKey, id)
	})
}
