package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/rs/zerolog"

	"devs-webhook/messages"
)

func TestOpenMakesPrivateFiles(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "state", "deeper")
	s := openedIn(t, dir)
	queued(t, s, 1)
	equal(t, "mode of the directory", value(os.Stat(dir))(t).Mode().Perm(), 0o700)
	entries := value(os.ReadDir(dir))(t)
	for _, e := range entries {
		equal(t, "mode of "+e.Name(), value(e.Info())(t).Mode().Perm(), 0o600)
	}
	equal(t, "files while open", len(entries), 4) // the file, its log, the log's index, the lock
}

// Not even for a moment can others read it.
func TestFileIsBornPrivate(t *testing.T) {
	path := filepath.Join(t.TempDir(), dataFile)
	must(t, create(t.Context(), path, steps()))
	equal(t, "mode", value(os.Stat(path))(t).Mode().Perm(), 0o600)
}

func TestOpenTightensTheMode(t *testing.T) {
	dir := t.TempDir()
	must(t, openedIn(t, dir).Close())
	path := filepath.Join(dir, dataFile)
	must(t, os.Chmod(path, 0o644))
	openedIn(t, dir)
	equal(t, "mode", value(os.Stat(path))(t).Mode().Perm(), 0o600)
}

func TestInstance(t *testing.T) {
	dir := t.TempDir()
	s := openedIn(t, dir)
	id := s.Instance()
	if !regexp.MustCompile(`^[a-z2-7]{8}$`).MatchString(id) {
		t.Errorf("instance is %q", id)
	}
	must(t, s.Close())
	s = openedIn(t, dir)
	equal(t, "instance after a restart", s.Instance(), id)
	must(t, s.Close())
	s, err := Open(t.Context(), dir, Options{Instance: "mine"})
	must(t, err)
	equal(t, "instance as told", s.Instance(), "mine")
	must(t, s.Close())
	equal(t, "instance afterwards", openedIn(t, dir).Instance(), id)
	if other := opened(t).Instance(); other == id {
		t.Error("two stores drew the same id")
	}
}

func TestSettings(t *testing.T) {
	dir := t.TempDir()
	s := openedIn(t, dir)
	equal(t, "unset", value(s.Setting(t.Context(), "account"))(t), "")
	must(t, s.SetSetting(t.Context(), "account", "1"))
	must(t, s.SetSetting(t.Context(), "account", "2"))
	must(t, s.Close())
	equal(t, "set", value(openedIn(t, dir).Setting(t.Context(), "account"))(t), "2")
}

func TestSecondProcessIsRefused(t *testing.T) {
	dir := t.TempDir()
	s := openedIn(t, dir)
	_, err := Open(t.Context(), dir, Options{})
	if !errors.Is(err, ErrInUse) || !strings.Contains(err.Error(), "process "+strconv.Itoa(os.Getpid())) || !strings.Contains(err.Error(), "STATE_DIR") {
		t.Errorf("second open: %v", err)
	}
	queued(t, s, 1) // the first is unharmed
	must(t, s.Close())
	openedIn(t, dir)
}

// damaged makes a store, changes its files while it is closed, and opens it again.
func damaged(t *testing.T, change func(path string)) error {
	t.Helper()
	dir := t.TempDir()
	s := openedIn(t, dir)
	for n := 1; n < 4; n++ {
		queued(t, s, n)
	}
	must(t, s.Close())
	path := filepath.Join(dir, dataFile)
	change(path)
	before, _ := os.ReadFile(path)
	s, err := Open(t.Context(), dir, Options{})
	if err == nil {
		t.Error("it was opened")
		return s.Close()
	}
	if after, _ := os.ReadFile(path); string(after) != string(before) {
		t.Error("the file was changed")
	}
	return err
}

func TestDamagedFiles(t *testing.T) {
	for name, change := range map[string]func(path string) error{
		"empty":        func(path string) error { return os.Truncate(path, 0) },
		"half header":  func(path string) error { return os.Truncate(path, 50) },
		"cut short":    func(path string) error { return os.Truncate(path, 8192) },
		"one byte off": func(path string) error { return os.Truncate(path, value(os.Stat(path))(t).Size()-1) },
		"garbage":      func(path string) error { return os.WriteFile(path, []byte(strings.Repeat("garbage ", 1000)), 0o600) },
		"other's": func(path string) error {
			return errors.Join(os.Remove(path), execute(path, "CREATE TABLE other (x)"))
		},
		"log without file": func(path string) error {
			return errors.Join(os.Remove(path), os.WriteFile(path+"-wal", []byte("log"), 0o600))
		},
	} {
		t.Run(name, func(t *testing.T) {
			err := damaged(t, func(path string) { must(t, change(path)) })
			if !errors.Is(err, ErrCorrupt) {
				t.Errorf("open: %v", err)
			}
			if name == "garbage" && !strings.Contains(err.Error(), "not a SQLite file") {
				t.Errorf("open: %v", err)
			}
		})
	}
}

// execute runs a script on a file that no store has open.
func execute(path, script string) error {
	db, err := sql.Open("sqlite", path)
	if err != nil {
		return err
	}
	_, err = db.Exec(script)
	return errors.Join(err, db.Close())
}

// After a death the pages of the tables with state are looked at; after an orderly close they are not.
func TestQuickCheckAfterADeath(t *testing.T) {
	dir := t.TempDir()
	s := openedIn(t, dir)
	for n := 1; n < 30; n++ {
		queued(t, s, n)
	}
	var page int
	must(t, s.db.QueryRow("SELECT rootpage FROM sqlite_schema WHERE name = 'tasks'").Scan(&page))
	must(t, s.Close())
	spoil := func() {
		f := value(os.OpenFile(filepath.Join(dir, dataFile), os.O_RDWR, 0))(t)
		_, err := f.WriteAt([]byte(strings.Repeat("\xff", 200)), int64(page-1)*4096)
		must(t, errors.Join(err, f.Close()))
	}
	spoil()
	s, err := Open(t.Context(), dir, Options{})
	must(t, err)
	if _, err := s.Counts(t.Context()); err == nil {
		_, err = s.Tasks(t.Context(), Filter{})
		if !errors.Is(err, ErrCorrupt) {
			t.Errorf("reading a damaged page: %v", err)
		}
	}
	must(t, s.Healthy(t.Context()))
	copyDir := t.TempDir() // as if it had died now: the log is not empty
	for _, name := range []string{dataFile, dataFile + "-wal"} {
		must(t, os.WriteFile(filepath.Join(copyDir, name), value(os.ReadFile(filepath.Join(dir, name)))(t), 0o600))
	}
	must(t, s.Close())
	if _, err := Open(t.Context(), copyDir, Options{}); !errors.Is(err, ErrCorrupt) {
		t.Errorf("open after a death: %v", err)
	}
}

func TestNewerVersionIsRefused(t *testing.T) {
	dir := t.TempDir()
	must(t, openedIn(t, dir).Close())
	path := filepath.Join(dir, dataFile)
	must(t, execute(path, "PRAGMA user_version = 99"))
	_, err := Open(t.Context(), dir, Options{})
	if !errors.Is(err, ErrTooNew) || !strings.Contains(err.Error(), "99") {
		t.Errorf("open: %v", err)
	}
	if _, err := OpenReader(t.Context(), dir); !errors.Is(err, ErrTooNew) {
		t.Errorf("open for reading: %v", err)
	}
	must(t, execute(path, fmt.Sprint("PRAGMA user_version = ", len(steps()))))
	openedIn(t, dir)
}

// A step is taken once, after a copy; one that fails leaves the file as it was.
func TestMigration(t *testing.T) {
	dir := t.TempDir()
	s := openedIn(t, dir)
	id := queued(t, s, 1)
	must(t, s.Close())
	path := filepath.Join(dir, dataFile)
	ctx := context.Background()
	bad := append(steps(), "ALTER TABLE tasks ADD COLUMN colour TEXT; SELECT nonsense;")
	if s, err := open(ctx, dir, Options{}, bad); err == nil {
		t.Error("a step that fails was taken")
		must(t, s.Close())
	}
	good := append(steps(), "ALTER TABLE tasks ADD COLUMN colour TEXT NOT NULL DEFAULT 'red';")
	for range 2 {
		s, err := open(ctx, dir, Options{Log: zerolog.Nop()}, good)
		must(t, err)
		var colour string
		must(t, s.db.QueryRow("SELECT colour FROM tasks WHERE id = ?", string(id)).Scan(&colour))
		equal(t, "colour", colour, "red")
		equal(t, "state", state(t, s, id), messages.TaskQueued)
		must(t, s.Close())
	}
	aside := fmt.Sprintf("%s.v%d.bak", path, len(steps()))
	equal(t, "mode of the copy", value(os.Stat(aside))(t).Mode().Perm(), 0o600)
	if _, err := os.Stat(aside + ".new"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("half a copy is left: %v", err)
	}
	if _, err := Open(ctx, dir, Options{}); !errors.Is(err, ErrTooNew) {
		t.Errorf("the release before: %v", err)
	}
	must(t, os.Rename(aside, path)) // the way back
	equal(t, "state in the copy", state(t, openedIn(t, dir), id), messages.TaskQueued)
}

// A crash while the file is made leaves no half store, and the next start makes a whole one.
func TestHalfMadeFile(t *testing.T) {
	dir := t.TempDir()
	for _, name := range []string{".new", ".new-wal", "-wal"} {
		must(t, os.WriteFile(filepath.Join(dir, dataFile+name), nil, 0o600))
	}
	must(t, os.WriteFile(filepath.Join(dir, dataFile+".new"), []byte("half"), 0o600))
	queued(t, openedIn(t, dir), 1)
	for _, e := range value(os.ReadDir(dir))(t) {
		if strings.Contains(e.Name(), ".new") {
			t.Errorf("%s is left", e.Name())
		}
	}
}

func TestUnusableDirectories(t *testing.T) {
	plain := filepath.Join(t.TempDir(), "file")
	must(t, os.WriteFile(plain, nil, 0o600))
	if _, err := Open(t.Context(), filepath.Join(plain, "state"), Options{}); err == nil {
		t.Error("a directory below a file was taken")
	}
	if _, err := Open(t.Context(), plain, Options{}); err == nil {
		t.Error("a file was taken for a directory")
	}
	if os.Getuid() == 0 { // modes do not bind root; the kernel's own tree refuses it too
		_, err := Open(t.Context(), "/proc/sys/kernel", Options{})
		if err == nil {
			t.Error("/proc was taken")
		}
		return
	}
	dir := t.TempDir()
	must(t, os.Chmod(dir, 0o500))
	if _, err := Open(t.Context(), dir, Options{}); !errors.Is(err, ErrReadOnly) {
		t.Errorf("directory without write permission: %v", err)
	}
	must(t, os.Chmod(dir, 0o700))
	s := openedIn(t, dir)
	queued(t, s, 1)
	must(t, s.Close())
	must(t, os.Chmod(dir, 0o500))
	r := value(OpenReader(t.Context(), dir))(t) // looking needs no write permission
	equal(t, "tasks", len(value(r.Tasks(t.Context(), Filter{}))(t)), 1)
	must(t, r.Close())
	must(t, os.Chmod(dir, 0o700))
}

func TestPathsWithOddNames(t *testing.T) {
	s := openedIn(t, filepath.Join(t.TempDir(), "a b?c=d%20e#f&ü"))
	queued(t, s, 1)
}

func TestReader(t *testing.T) {
	dir := t.TempDir()
	if _, err := OpenReader(t.Context(), dir); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("nothing there: %v", err)
	}
	s := openedIn(t, dir)
	id := queued(t, s, 1)
	beside := value(OpenReader(t.Context(), dir))(t)
	second := queued(t, s, 2) // written after it was opened
	equal(t, "tasks beside", len(value(beside.Tasks(t.Context(), Filter{}))(t)), 2)
	equal(t, "view beside", value(beside.View(t.Context(), second))(t).Ahead, 1)
	if _, err := beside.db.Exec("DELETE FROM tasks"); err == nil {
		t.Error("a reader wrote")
	}
	must(t, s.Close()) // orderly, although somebody is looking
	equal(t, "unclean", unclean(filepath.Join(dir, dataFile)), false)
	equal(t, "tasks beside a closed store", len(value(beside.Tasks(t.Context(), Filter{}))(t)), 2)
	must(t, beside.Close())
	must(t, beside.Close())
	if _, err := beside.Counts(t.Context()); !errors.Is(err, ErrClosed) {
		t.Errorf("after close: %v", err)
	}
	rest := value(OpenReader(t.Context(), dir))(t)
	equal(t, "at rest", value(rest.Why(t.Context(), "delivery-key-1"))(t).Task.ID, id)
	must(t, rest.Close())
	s = openedIn(t, dir) // what a reader left does not disturb
	equal(t, "state", state(t, s, id), messages.TaskQueued)
	must(t, s.Close())
	must(t, os.Truncate(filepath.Join(dir, dataFile), 0))
	if _, err := OpenReader(t.Context(), dir); !errors.Is(err, ErrCorrupt) {
		t.Errorf("empty file: %v", err)
	}
}

func TestUnknown(t *testing.T) {
	s := opened(t)
	if _, err := s.Why(t.Context(), "x"); !errors.Is(err, ErrUnknownDelivery) {
		t.Errorf("delivery: %v", err)
	}
	if _, err := s.View(t.Context(), "x"); !errors.Is(err, ErrUnknownTask) {
		t.Errorf("task: %v", err)
	}
}
