package runner

import (
	"os/exec"
	"sync"
	"time"
)

// family is all processes below the runner. Those that the runner starts are its own, and waited for by whoever
// started them; every other child is an orphan that came to the runner because its parent died, and is reaped here.
// It is safe for concurrent use.
type family struct {
	mu   sync.Mutex
	own  map[int]struct{} // by pid
	ring chan struct{}    // somebody has died
	stop chan struct{}
	done chan struct{}
}

// How long killAll tries, and how long it lets the dying die between two looks.
const (
	killTime  = 5 * time.Second
	killPause = 2 * time.Millisecond
)

// start starts a process of the runner's own. The lock keeps the reaper from taking its exit status before it is
// known as such.
func (f *family) start(cmd *exec.Cmd) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if err := cmd.Start(); err != nil {
		return err
	}
	f.own[cmd.Process.Pid] = struct{}{}
	return nil
}

// wait waits for a process that start has started.
func (f *family) wait(cmd *exec.Cmd) error {
	err := cmd.Wait()
	f.mu.Lock()
	delete(f.own, cmd.Process.Pid)
	f.mu.Unlock()
	f.poke()
	return err
}

// run starts a process and waits for it.
func (f *family) run(cmd *exec.Cmd) error {
	if err := f.start(cmd); err != nil {
		return err
	}
	return f.wait(cmd)
}

func (f *family) poke() {
	select {
	case f.ring <- struct{}{}:
	default:
	}
}

// killAll kills every process below the runner and reaps it. It says whether all of them are gone: a process in
// the middle of a system call that never ends stays.
func (f *family) killAll() bool {
	end := time.Now().Add(killTime)
	for {
		f.reap()
		if killDescendants() == 0 {
			return true
		}
		if time.Now().After(end) {
			return false
		}
		<-time.After(killPause)
	}
}
