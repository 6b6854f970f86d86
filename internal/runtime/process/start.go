//go:build unix

package process

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"syscall"
	"time"

	"devs-webhook/messages"
)

const shell = "/bin/sh"

// wrapper is the child: it notes down who it is, runs the runner and notes down its exit code, and needs
// no service for it. The pid file appears whole or not at all, and only where none is (ln): who makes it
// first, this child or a Remove, decides whether the runner begins. So no runner lives that Find cannot
// see, and none runs twice. All paths go by the directory that the child stands in, as another one may
// have its name by now. It outlives the SIGTERM that is meant for the runner, and takes what the runner
// left behind in its group with it, as a container would. Its argument: the runner.
const wrapper = `trap : HUP INT QUIT TERM
{ echo $$; ` + describe + `; } >pid.$$ && ln pid.$$ pid || exit 125
(cd run && exec "$1" runner --dir "$(pwd -P)")
echo $? >exit.new && mv exit.new exit
kill -KILL 0`

// Start starts the slot's runner, if it was never started; else it does nothing. messages.ErrNotFound if
// there is nothing to start.
func (r *Runtime) Start(ctx context.Context, slot string) error {
	found, err := r.Find(ctx, slot)
	if err != nil {
		return fmt.Errorf("start %s: %w", slot, err)
	}
	switch found.State {
	case messages.FoundNothing:
		return fmt.Errorf("start %s: %w", slot, messages.ErrNotFound)
	case messages.FoundRunning, messages.FoundExited:
		return nil
	}
	d, _ := r.dir(slot)
	reaped, err := r.spawn(d)
	if err != nil {
		return fmt.Errorf("start %s: %w", slot, err)
	}
	r.mu.Lock()
	r.children[slot] = reaped
	r.mu.Unlock()
	return r.awaitPid(ctx, d, reaped)
}

// spawn starts the wrapper in a session of its own. The channel is closed when it has been reaped.
func (r *Runtime) spawn(d slotDir) (chan struct{}, error) {
	stderr, err := os.OpenFile(d.path("stderr"), os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o600)
	if err != nil {
		return nil, err
	}
	defer func() { _ = stderr.Close() }()
	// exec.Command, not CommandContext: the child must outlive the service. Its stdout, the live view,
	// goes nowhere, as Follow reads the record itself; a pipe would break at the service's death.
	cmd := exec.Command(shell, "-c", wrapper, shell, r.opts.RunnerPath)
	cmd.Dir = string(d)
	cmd.Env = d.env()
	cmd.Stderr = stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	reaped := make(chan struct{})
	go func() {
		defer close(reaped)
		_ = cmd.Wait() // how the runner ended is in the exit file
	}()
	return reaped, nil
}

// env is all that the runner gets of an environment: the service's own holds secrets.
func (d slotDir) env() []string {
	path := os.Getenv("PATH")
	if path == "" {
		path = "/usr/local/bin:/usr/bin:/bin"
	}
	return []string{"PATH=" + path, "HOME=" + d.path("run", "home"), "LANG=C.UTF-8"}
}

// awaitPid waits until the child has said who it is.
func (r *Runtime) awaitPid(ctx context.Context, d slotDir, reaped chan struct{}) error {
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for {
		_, err := d.child()
		if !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-reaped:
			if _, err := d.child(); err != nil {
				return fmt.Errorf("the child ended before it began: %w", err)
			}
			return nil
		case <-tick.C:
		}
	}
}
