package store

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
)

// lockFile is held with flock for as long as the store is open, so the system itself gives it back when
// the process dies. It is never removed: a lock on a removed name would exclude nobody.
const lockFile = "store.lock"

// lock takes the state directory for this process.
func lock(dir string) (*os.File, error) {
	f, err := os.OpenFile(filepath.Join(dir, lockFile), os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, classify(err)
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		defer f.Close()
		if !errors.Is(err, syscall.EWOULDBLOCK) {
			return nil, classify(err)
		}
		return nil, fmt.Errorf("%w by process %s: stop that one first, or set STATE_DIR to another directory (%s)",
			ErrInUse, holder(f), dir)
	}
	// The number is for people only: a full disk, where it cannot be written, must not keep the store shut.
	if err := f.Truncate(0); err == nil {
		_, _ = f.WriteAt([]byte(strconv.Itoa(os.Getpid())+"\n"), 0)
	}
	return f, nil
}

// holder is the process id in the lock file, for people.
func holder(f io.Reader) string {
	text, err := io.ReadAll(io.LimitReader(f, 32))
	if pid := strings.TrimSpace(string(text)); err == nil && pid != "" {
		return pid
	}
	return "(unknown)"
}
