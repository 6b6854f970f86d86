package safeoutput

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	"devs-webhook/messages"
)

// Names in the directory that a runtime collected.
const (
	resultFile  = "result.json"
	intentsFile = "intents.json"
	eventsFile  = "events.jsonl"
	bundleFile  = "work.bundle"
	sessionFile = "session.tar"
)

// Sizes above which a file is not looked at, in bytes. A result holds up to 60,000 characters of words, each
// of up to twelve bytes in JSON.
const (
	maxResult  = 2 << 20
	maxIntents = 1 << 20
	maxEvents  = 64 << 20
)

// Limits of texts, in characters.
const (
	maxWords   = 60_000
	maxLine    = 500
	maxName    = 200
	maxTitle   = 256
	maxRefused = 8_000 // of one refused thing
	maxRefusal = 20    // refused things
)

// Output is what came out of an attempt, checked for form. None of it is proof of anything: the agent could
// have written all of it.
type Output struct {
	Result    messages.Result
	HasResult bool
	// Problem says in one line why the result was not accepted; empty if it was, or if there is none.
	Problem string
	Intents messages.Intents
	Refused []string // what was asked for and is not done, as text for the report
	Events  []messages.AgentEvent
	Bundle  string // path of the work bundle; empty if there is none
	Session string // path of the archive of the agent's session; empty if there is none
}

// Read reads what a runtime collected in dir from the attempt want. Whatever the files hold, it is no error:
// a result that does not hold together is not taken, intents that are not understood are kept as text. An
// error means that this machine could not read.
func Read(dir string, want messages.AttemptRef) (Output, error) {
	if info, err := os.Stat(dir); err != nil {
		return Output{}, fmt.Errorf("read output: %w", err)
	} else if !info.IsDir() {
		return Output{}, fmt.Errorf("read output: %s is no directory", filepath.Base(dir))
	}
	var out Output
	readers := []func() error{
		func() error { return out.readResult(dir, want) },
		func() error { return out.readIntents(dir) },
		func() error { return out.readEvents(dir) },
		func() (err error) { out.Bundle, err = out.find(dir, bundleFile); return err },
		func() (err error) { out.Session, err = out.find(dir, sessionFile); return err },
	}
	for _, read := range readers {
		if err := read(); err != nil {
			return Output{}, fmt.Errorf("read output: %w", err)
		}
	}
	return out, nil
}

// hostileError is a file that is not read, because of what it is.
type hostileError struct{ what string }

func (e *hostileError) Error() string { return e.what }

// open opens a regular file of at most max bytes. It follows no link and waits for no pipe.
func open(dir, name string, most int64) (*os.File, error) {
	f, err := os.OpenFile(filepath.Join(dir, name), os.O_RDONLY|syscall.O_NOFOLLOW|syscall.O_NONBLOCK, 0)
	switch {
	case errors.Is(err, syscall.ELOOP):
		return nil, &hostileError{"it is a link"}
	case errors.Is(err, syscall.ENXIO): // a socket
		return nil, &hostileError{"it is not a regular file"}
	case err != nil:
		return nil, err
	}
	info, err := f.Stat()
	switch {
	case err != nil:
	case !info.Mode().IsRegular():
		err = &hostileError{"it is not a regular file"}
	case info.Size() > most:
		err = &hostileError{fmt.Sprintf("it is larger than %d bytes", most)}
	}
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return f, nil
}

// readFile reads a whole file. It is nil without an error if there is none; the file may still grow, so the
// limit is kept while reading, too.
func readFile(dir, name string, most int64) ([]byte, error) {
	f, err := open(dir, name, most)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return io.ReadAll(io.LimitReader(f, most))
}

// find gives the path of a file that is not read here: what is in a bundle is for package git to judge, and
// what is in a session only for another container.
func (o *Output) find(dir, name string) (path string, err error) {
	path = filepath.Join(dir, name)
	info, err := os.Lstat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return "", nil
	case err != nil:
		return "", err
	case !info.Mode().IsRegular():
		o.refuse(name + " was not taken: it is not a regular file.")
		return "", nil
	case info.Size() == 0:
		return "", nil
	}
	return path, nil
}

// refuse keeps a text for the report.
func (o *Output) refuse(text string) {
	switch {
	case len(o.Refused) < maxRefusal:
		o.Refused = append(o.Refused, shorten(clean(text), maxRefused))
	case len(o.Refused) == maxRefusal:
		o.Refused = append(o.Refused, "More was refused than is kept here.")
	}
}

// shorten cuts a text and says so.
func shorten(text string, n int) string {
	if short := cutRunes(text, n); len(short) < len(text) {
		return strings.TrimRight(short, " \n") + " … (cut)"
	}
	return text
}
