//go:build unix

package process

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"
	"unicode/utf8"

	"devs-webhook/internal/runtime"
	"devs-webhook/messages"
)

// maxLastWords bounds how much of the runner's stderr is told of a runner that left no exit code.
const maxLastWords = 2000

// Collect copies the known files of out/ into dir and says how the runner ended. Without an exit code,
// or if the attempt is gone, that is Exit.Lost. It may be called again; an error if the runner has not
// exited.
func (r *Runtime) Collect(ctx context.Context, slot string, dir string) (messages.Exit, error) {
	if err := runtime.Clear(dir); err != nil {
		return messages.Exit{}, err
	}
	found, err := r.Find(ctx, slot)
	switch {
	case err != nil:
		return messages.Exit{}, fmt.Errorf("collect %s: %w", slot, err)
	case found.State == messages.FoundNothing:
		return messages.Exit{Lost: true, Detail: "the attempt's directory is gone"}, nil
	case found.State != messages.FoundExited:
		return messages.Exit{}, fmt.Errorf("collect %s: the process is %s", slot, found.State)
	}
	d, _ := r.dir(slot)
	exit, err := d.exit()
	if err != nil {
		return messages.Exit{}, fmt.Errorf("collect %s: %w", slot, err)
	}
	for _, file := range r.opts.Output.Files() {
		note, err := collectFile(d, dir, file)
		if err != nil {
			return messages.Exit{}, fmt.Errorf("collect %s: %w", slot, err)
		}
		if note != "" {
			exit.Detail = strings.TrimPrefix(exit.Detail+"; "+note, "; ")
		}
	}
	return exit, runtime.SyncDir(dir)
}

// collectFile saves one file. One that is not there is none; one that is not a file is left out.
func collectFile(d slotDir, dir string, file runtime.OutputFile) (note string, err error) {
	f, info, err := openOut(d, file.Name)
	if errors.Is(err, fs.ErrNotExist) {
		return "", nil
	}
	if err != nil {
		return file.Name + " was left out: it is not a regular file", nil //nolint:nilerr // it is the agent's doing
	}
	defer func() { _ = f.Close() }()
	return runtime.Save(dir, file, info.Size(), f)
}

// exit says what is known of the end.
func (d slotDir) exit() (messages.Exit, error) {
	var exit messages.Exit
	if info, err := os.Stat(d.path("pid")); err == nil {
		exit.StartedAt = info.ModTime()
	}
	code, info, err := d.exitCode()
	switch {
	case err == nil:
		exit.Code, exit.EndedAt = code, info.ModTime()
	case errors.Is(err, fs.ErrNotExist):
		exit.Lost, exit.Detail = true, d.lastWords()
	default:
		return messages.Exit{}, err
	}
	return exit, nil
}

// lastWords is the end of what the runner wrote to stderr.
func (d slotDir) lastWords() string {
	f, err := os.Open(d.path("stderr"))
	if err != nil {
		return ""
	}
	defer func() { _ = f.Close() }()
	if info, err := f.Stat(); err == nil && info.Size() > maxLastWords {
		if _, err := f.Seek(-maxLastWords, io.SeekEnd); err != nil {
			return ""
		}
	}
	text, _ := io.ReadAll(io.LimitReader(f, maxLastWords))
	for len(text) > 0 && !utf8.RuneStart(text[0]) {
		text = text[1:]
	}
	return strings.ToValidUTF8(strings.TrimSpace(string(text)), "?")
}
