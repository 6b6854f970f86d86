package store

import (
	"context"
	"database/sql"
	_ "embed" // the schema
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
)

//go:embed schema/0001.sql
var schema1 string

//go:embed schema/0002.sql
var schema2 string

// steps are the changes of the schema in order: step n brings a file from version n to n+1. They are only
// ever added to, and never changed once they were released.
func steps() []string { return []string{schema1, schema2} }

// execer runs single statements on a connection or handle.
type execer interface {
	ExecContext(ctx context.Context, query string, args ...any) (sql.Result, error)
	QueryRowContext(ctx context.Context, query string, args ...any) *sql.Row
}

// identify returns the schema version of an opened file, and refuses what is not a store of ours.
func identify(ctx context.Context, db execer) (int, error) {
	var app, version int
	if err := db.QueryRowContext(ctx, "PRAGMA application_id").Scan(&app); err != nil {
		return 0, classify(err)
	}
	if err := db.QueryRowContext(ctx, "PRAGMA user_version").Scan(&version); err != nil {
		return 0, classify(err)
	}
	if app != applicationID || version < 1 {
		return 0, fmt.Errorf("%w: the file is a database of another program", ErrCorrupt)
	}
	return version, nil
}

func tooNew(version, known int) error {
	return fmt.Errorf("%w (version %d, this one knows %d): start that release, or a newer one", ErrTooNew, version, known)
}

// checkPragmas reads back what durability rests on. A driver that ignored one of them would lose
// acknowledged work in a power cut, and nothing else would show it.
func checkPragmas(ctx context.Context, db execer) error {
	for name, want := range map[string]string{
		"journal_mode": "wal", "synchronous": "2", "foreign_keys": "1", "secure_delete": "1",
	} {
		var got string
		if err := db.QueryRowContext(ctx, "PRAGMA "+name).Scan(&got); err != nil {
			return classify(err)
		}
		if got != want {
			return fmt.Errorf("pragma %s is %s, not %s", name, got, want)
		}
	}
	return nil
}

// quickCheck looks at every page of the tables that hold state, and not of those that hold only text.
func quickCheck(ctx context.Context, db execer) error {
	for _, table := range []string{
		"settings", "deliveries", "seen", "repos", "threads", "thread_members", "tasks", "keys", "attempts", "effects",
	} {
		var answer string
		if err := db.QueryRowContext(ctx, "SELECT quick_check FROM pragma_quick_check(?)", table).Scan(&answer); err != nil {
			return classify(err)
		}
		if answer != "ok" {
			return fmt.Errorf("%w: table %s: %s", ErrCorrupt, table, answer)
		}
	}
	return nil
}

// migrate brings a file from its version to the newest, each step in one transaction together with its
// number. A file that holds something is copied aside first.
func migrate(ctx context.Context, db execer, path string, version int, steps []string) error {
	if version >= len(steps) {
		return nil
	}
	if version > 0 {
		if err := copyAside(ctx, db, path, version); err != nil {
			return fmt.Errorf("copy version %d aside: %w", version, err)
		}
	}
	for ; version < len(steps); version++ {
		if err := step(ctx, db, version+1, steps[version]); err != nil {
			return fmt.Errorf("bring schema to version %d: %w", version+1, classify(err))
		}
	}
	return nil
}

func step(ctx context.Context, db execer, version int, text string) error {
	script := "BEGIN IMMEDIATE;\n" + text +
		"\nPRAGMA application_id = " + strconv.Itoa(applicationID) +
		";\nPRAGMA user_version = " + strconv.Itoa(version) + ";\nCOMMIT;"
	_, err := db.ExecContext(ctx, script)
	if err != nil {
		_, _ = db.ExecContext(context.WithoutCancel(ctx), "ROLLBACK")
	}
	return err
}

// copyAside writes store.db.v<N>.bak, complete and flushed, or not at all.
func copyAside(ctx context.Context, db execer, file string, version int) error {
	target := fmt.Sprintf("%s.v%d.bak", file, version)
	half := target + ".new"
	if err := os.Remove(half); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return classify(err)
	}
	// VACUUM INTO takes an empty file; made here, it has our mode and not the umask's.
	f, err := os.OpenFile(filepath.Clean(half), os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return classify(err)
	}
	if err := f.Close(); err != nil {
		return classify(err)
	}
	if _, err := db.ExecContext(ctx, "VACUUM INTO ?", half); err != nil {
		return errors.Join(classify(err), os.Remove(half))
	}
	return moveInto(half, target)
}
