package store

import (
	"errors"
	"fmt"
	"syscall"

	"modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"
)

// What a call can fail with beside the errors of package messages. Test with errors.Is.
var (
	// ErrClosed: the store was closed. Nothing was written.
	ErrClosed = errors.New("store is closed")
	// ErrInUse: another process holds the state directory. The text names it.
	ErrInUse = errors.New("state directory is in use")
	// ErrCorrupt: the file is not a store, or damaged. It is never replaced by a new one.
	ErrCorrupt = errors.New("store is damaged")
	// ErrTooNew: a newer release wrote the file. It was left as it is.
	ErrTooNew = errors.New("store was written by a newer release")
	// ErrTooOld: the file is of an older release, and a Reader cannot bring it up to date.
	ErrTooOld = errors.New("store was written by an older release")
	// ErrFull: no room on the disk, or in the file's quota. The store works again once there is.
	ErrFull = errors.New("no room to write")
	// ErrBusy: another program holds a lock on the file for longer than the busy timeout.
	ErrBusy = errors.New("store is locked by another program")
	// ErrReadOnly: the file or its directory cannot be written.
	ErrReadOnly = errors.New("store cannot be written")
	// ErrIO: the disk answered with an error.
	ErrIO = errors.New("disk error")
	// ErrUnknownDelivery: there is no delivery with this id, or it was forgotten.
	ErrUnknownDelivery = errors.New("no such delivery")
	// ErrUnknownTask: there is no task with this id, or it was forgotten.
	ErrUnknownTask = errors.New("no such task")
	// ErrUnknownEffect: there is no effect with this id.
	ErrUnknownEffect = errors.New("no such effect")
)

// classify puts the sentinel in front of an error of SQLite or of the system, by its code.
func classify(err error) error {
	if err == nil {
		return nil
	}
	if e, ok := errors.AsType[*sqlite.Error](err); ok {
		if kind := kindOfCode(e.Code()); kind != nil {
			return fmt.Errorf("%w: %w", kind, err)
		}
		return err
	}
	switch {
	case errors.Is(err, syscall.ENOSPC), errors.Is(err, syscall.EDQUOT):
		return fmt.Errorf("%w: %w", ErrFull, err)
	case errors.Is(err, syscall.EIO):
		return fmt.Errorf("%w: %w", ErrIO, err)
	case errors.Is(err, syscall.EROFS), errors.Is(err, syscall.EACCES), errors.Is(err, syscall.EPERM):
		return fmt.Errorf("%w: %w", ErrReadOnly, err)
	}
	return err
}

// kindOfCode maps a result code of SQLite (https://sqlite.org/rescode.html); the low byte of an extended
// code is the primary one.
func kindOfCode(code int) error {
	switch code & 0xff {
	case sqlite3.SQLITE_FULL:
		return ErrFull
	case sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED:
		return ErrBusy
	case sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB:
		return ErrCorrupt
	case sqlite3.SQLITE_READONLY, sqlite3.SQLITE_PERM, sqlite3.SQLITE_CANTOPEN:
		return ErrReadOnly
	case sqlite3.SQLITE_IOERR:
		return ErrIO
	}
	return nil
}
