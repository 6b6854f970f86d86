package store

import (
	"context"
	"database/sql"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"

	"modernc.org/sqlite"
)

const (
	dataFile = "store.db"
	// applicationID marks the file as ours ("devs"), so that another program's database is not taken for
	// a store.
	applicationID = 0x64657673
	busyTimeout   = "5000" // milliseconds
)

// Open opens the store in dir, makes it if there is none, and brings an older one up to date. The directory
// is made with mode 0700. ErrInUse, ErrCorrupt, ErrTooNew, ErrReadOnly and ErrFull tell what is wrong with
// it; the file is then as it was. ctx bounds the opening only.
func Open(ctx context.Context, dir string, opts Options) (*Store, error) {
	s, err := open(ctx, dir, opts, steps())
	if err != nil {
		return nil, fmt.Errorf("open store: %w", err)
	}
	return s, nil
}

func open(ctx context.Context, dir string, opts Options, steps []string) (_ *Store, err error) {
	dir, err = filepath.Abs(dir)
	if err != nil {
		return nil, err
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, classify(err)
	}
	held, err := lock(dir)
	if err != nil {
		return nil, err
	}
	s := &Store{lock: held, log: opts.Log, instance: opts.Instance}
	if err := s.start(ctx, filepath.Join(dir, dataFile), steps); err != nil {
		return nil, errors.Join(err, held.Close())
	}
	if s.instance == "" {
		if s.instance, err = s.ensureInstance(ctx); err != nil {
			return nil, errors.Join(err, s.Close())
		}
	}
	return s, nil
}

// start opens both handles of the file, under the lock, and starts the writer.
func (s *Store) start(ctx context.Context, path string, steps []string) error {
	if err := create(ctx, path, steps); err != nil {
		return err
	}
	dirty := unclean(path)
	if err := checkHeader(path, dirty); err != nil {
		return err
	}
	w, err := openWriter(ctx, path)
	if err != nil {
		return err
	}
	w.log = s.log
	if err := prepare(ctx, w.db, w.conn, path, dirty, steps); err != nil {
		return errors.Join(err, w.conn.Close(), w.db.Close())
	}
	if s.db, err = openRead(ctx, path, false); err != nil {
		return errors.Join(err, w.conn.Close(), w.db.Close())
	}
	s.writer = w
	go w.loop()
	return nil
}

// prepare checks an opened file and brings it up to date.
func prepare(ctx context.Context, db *sql.DB, conn *sql.Conn, path string, dirty bool, steps []string) error {
	if err := checkPragmas(ctx, conn); err != nil {
		return err
	}
	version, err := identify(ctx, conn)
	if err != nil {
		return err
	}
	if version > len(steps) {
		return tooNew(version, len(steps))
	}
	if dirty {
		if err := quickCheck(ctx, conn); err != nil {
			return err
		}
	}
	return migrate(ctx, conn, path, version, steps)
}

// create makes a new file with its first schema, under another name until it is complete, so that a crash
// never leaves half a store. A log without its file is not a new store: something took the file away.
func create(ctx context.Context, path string, steps []string) error {
	if _, err := os.Stat(path); !errors.Is(err, fs.ErrNotExist) {
		return classify(err)
	}
	if unclean(path) {
		return fmt.Errorf("%w: %s is missing, but its log is there: put it back, or move the log away to start empty",
			ErrCorrupt, path)
	}
	fresh := path + ".new"
	for _, leftover := range []string{fresh, fresh + "-wal", fresh + "-shm", path + "-wal", path + "-shm"} {
		if err := os.Remove(leftover); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return classify(err)
		}
	}
	f, err := os.OpenFile(fresh, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return classify(err)
	}
	if err := f.Close(); err != nil {
		return classify(err)
	}
	w, err := openWriter(ctx, fresh)
	if err != nil {
		return err
	}
	if err := errors.Join(migrate(ctx, w.conn, fresh, 0, steps), w.close()); err != nil {
		return classify(err)
	}
	return moveInto(fresh, path)
}

// moveInto gives a complete file its name, durably.
func moveInto(from, to string) error {
	for _, step := range []func() error{
		func() error { return syncPath(from) },
		func() error { return os.Rename(from, to) },
		func() error { return syncPath(filepath.Dir(to)) },
	} {
		if err := step(); err != nil {
			return classify(err)
		}
	}
	return nil
}

// syncPath flushes a file or a directory.
func syncPath(path string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}

// unclean says whether the last writer died: an orderly close leaves an empty log or none.
func unclean(path string) bool {
	info, err := os.Stat(path + "-wal")
	return err == nil && info.Size() > 0
}

// checkHeader looks at the first 100 bytes (https://sqlite.org/fileformat2.html, section 1.3) and the size,
// before SQLite does: it would take an empty file for a new database. It may be called only while this
// process has the file not open, since closing it drops all of the process's locks on it.
func checkHeader(path string, dirty bool) error {
	f, err := os.Open(path)
	if err != nil {
		return classify(err)
	}
	defer f.Close()
	damaged := func(what string) error {
		return fmt.Errorf("%w: %s %s: put a copy in its place, or move it away to start empty", ErrCorrupt, path, what)
	}
	header := make([]byte, 100)
	if _, err := io.ReadFull(f, header); err != nil {
		return damaged("is shorter than a header")
	}
	if string(header[:16]) != "SQLite format 3\x00" {
		return damaged("is not a SQLite file")
	}
	if binary.BigEndian.Uint32(header[68:]) != applicationID {
		return damaged("is a database of another program")
	}
	info, err := f.Stat()
	if err != nil {
		return classify(err)
	}
	page := int64(binary.BigEndian.Uint16(header[16:]))
	if page == 1 {
		page = 65536
	}
	pages := int64(binary.BigEndian.Uint32(header[28:]))
	// A death in the middle of a checkpoint may leave a header that counts pages still in the log.
	if !dirty && info.Size() < page*pages {
		return damaged("is cut short")
	}
	if info.Mode().Perm()&0o077 != 0 {
		return classify(os.Chmod(path, 0o600))
	}
	return nil
}

// openWriter opens the one connection that writes. SQLite commits with fdatasync from here on, as the
// builds of the distributions do; it is a switch of the whole process, and nothing else here uses SQLite.
func openWriter(ctx context.Context, path string) (*writer, error) {
	if _, err := sqlite.Fdatasync(true); err != nil && !errors.Is(err, sqlite.ErrFdatasyncUnavailable) {
		return nil, err
	}
	db, err := handle(path, url.Values{"mode": {"rw"}, "_pragma": {
		"busy_timeout(" + busyTimeout + ")", "journal_mode(WAL)", "synchronous(FULL)", "foreign_keys(1)",
		"secure_delete(1)", "journal_size_limit(67108864)",
	}})
	if err != nil {
		return nil, err
	}
	db.SetMaxOpenConns(1)
	conn, err := db.Conn(ctx)
	if err != nil {
		return nil, errors.Join(classify(err), db.Close())
	}
	return &writer{
		db: db, conn: conn, stmts: make(map[string]*sql.Stmt), queue: make(chan *write, maxBatch),
		closing: make(chan struct{}), stopped: make(chan struct{}),
	}, nil
}

// openRead opens the handle for reading. immutable promises SQLite that nobody writes the file meanwhile.
func openRead(ctx context.Context, path string, immutable bool) (*sql.DB, error) {
	values := url.Values{"mode": {"ro"}, "_pragma": {"busy_timeout(" + busyTimeout + ")", "query_only(1)"}}
	if immutable {
		values.Set("immutable", "1")
	}
	db, err := handle(path, values)
	if err != nil {
		return nil, err
	}
	db.SetMaxOpenConns(4)
	db.SetMaxIdleConns(4)
	var n int
	if err := db.QueryRowContext(ctx, "SELECT count(*) FROM sqlite_schema").Scan(&n); err != nil {
		return nil, errors.Join(classify(err), db.Close())
	}
	return db, nil
}

// handle makes a database handle without opening a connection.
func handle(path string, values url.Values) (*sql.DB, error) {
	dsn := url.URL{Scheme: "file", Path: path, RawQuery: values.Encode()}
	connector, err := sqlite.NewConnector(dsn.String())
	if err != nil {
		return nil, err
	}
	return sql.OpenDB(connector), nil
}
