//go:build unix

package process

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"time"

	"github.com/rs/zerolog"

	"devs-webhook/internal/runtime"
	"devs-webhook/messages"
)

// Options says how attempts run. Dir and RunnerPath are required.
type Options struct {
	Dir        string // absolute; of the service's own: <state>/process
	RunnerPath string // the binary that is started as `runner --dir …`
	Output     runtime.OutputLimits
	StopGrace  time.Duration // between SIGTERM and SIGKILL; 0 means 15 s
	Poll       time.Duration // how often files and processes are looked at; 0 means 100 ms
	Log        zerolog.Logger
}

// Runtime runs attempts as child processes. Its methods may be called concurrently, for one slot by one
// caller at a time.
type Runtime struct {
	opts Options

	drafting sync.Mutex // held while a directory is being made that is not whole yet

	mu       sync.Mutex
	children map[string]chan struct{} // of this life, by slot; closed when the child has been reaped
}

// New makes a runtime. It touches no file yet.
func New(opts Options) (*Runtime, error) {
	if !filepath.IsAbs(opts.Dir) || opts.RunnerPath == "" {
		return nil, errors.New("process runtime: an absolute directory and a runner path are required")
	}
	if opts.StopGrace == 0 {
		opts.StopGrace = 15 * time.Second
	}
	if opts.Poll == 0 {
		opts.Poll = 100 * time.Millisecond
	}
	return &Runtime{opts: opts, children: make(map[string]chan struct{})}, nil
}

// Name is process.
func (r *Runtime) Name() string { return "process" }

// Check says whether an attempt could run now: the runner, a shell and git are there, and the directory
// can be written.
func (r *Runtime) Check(context.Context) error {
	for _, program := range []string{r.opts.RunnerPath, shell, "git"} {
		if _, err := exec.LookPath(program); err != nil {
			return fmt.Errorf("the process runtime needs %s, which must be installed and executable: %w", program, err)
		}
	}
	if err := os.MkdirAll(r.opts.Dir, 0o700); err != nil {
		return fmt.Errorf("the process runtime needs a directory that it may write: %w", err)
	}
	probe, err := os.CreateTemp(r.opts.Dir, ".probe-")
	if err != nil {
		return fmt.Errorf("the process runtime needs a directory that it may write: %w", err)
	}
	return errors.Join(probe.Close(), os.Remove(probe.Name()))
}

// Find says what there is under the slot's name, and whose it is.
func (r *Runtime) Find(_ context.Context, slot string) (messages.Found, error) {
	d, err := r.dir(slot)
	if err != nil {
		return messages.Found{}, err
	}
	ref, err := d.attempt()
	if errors.Is(err, os.ErrNotExist) {
		return messages.Found{State: messages.FoundNothing}, nil
	}
	if err != nil {
		return messages.Found{}, err
	}
	state, err := d.state()
	return messages.Found{State: state, Attempt: ref}, err
}

// dir is the slot's directory, if the name is fit to be one.
func (r *Runtime) dir(slot string) (slotDir, error) {
	if err := runtime.CheckSlot(slot); err != nil {
		return "", err
	}
	return slotDir(filepath.Join(r.opts.Dir, slot)), nil
}
