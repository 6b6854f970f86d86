package runner

import (
	"bytes"
	"fmt"
	"os"
	"os/signal"
	"strconv"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// reapGap is the shortest time between two looks through the processes.
const reapGap = 20 * time.Millisecond

// newFamily makes this process the one to which orphans below it come. As a container's main process it is that
// already.
func newFamily() (*family, error) {
	if err := unix.Prctl(unix.PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0); err != nil {
		return nil, fmt.Errorf("become subreaper: %w", err)
	}
	f := &family{own: map[int]struct{}{}, ring: make(chan struct{}, 1), stop: make(chan struct{}), done: make(chan struct{})}
	go f.serve()
	return f, nil
}

// serve reaps orphans until close.
func (f *family) serve() {
	defer close(f.done)
	deaths := make(chan os.Signal, 1)
	signal.Notify(deaths, syscall.SIGCHLD)
	defer signal.Stop(deaths)
	for {
		select {
		case <-f.stop:
			return
		case <-deaths:
		case <-f.ring:
		}
		f.reap()
		select {
		case <-f.stop:
			return
		case <-time.After(reapGap):
		}
	}
}

func (f *family) close() {
	close(f.stop)
	<-f.done
}

// reap collects every dead orphan.
func (f *family) reap() {
	f.mu.Lock()
	defer f.mu.Unlock()
	self := os.Getpid()
	for _, p := range processes() {
		if _, own := f.own[p.pid]; own || p.parent != self || p.state != 'Z' {
			continue
		}
		var status unix.WaitStatus
		_, _ = unix.Wait4(p.pid, &status, unix.WNOHANG, nil)
	}
}

// killDescendants kills all processes below this one and gives how many of them were still there, dead ones that
// nobody has reaped included.
func killDescendants() int {
	self := os.Getpid()
	all := processes()
	below := map[int]bool{self: true}
	// A child may be listed before its parent, so the list is gone through until nothing is new.
	for found := true; found; {
		found = false
		for _, p := range all {
			if !below[p.pid] && below[p.parent] {
				below[p.pid], found = true, true
			}
		}
	}
	there := 0
	for _, p := range all {
		if p.pid != self && below[p.pid] {
			there++
			p.kill()
		}
	}
	return there
}

// process is a line of the table of processes. start, in ticks since boot, makes it unique.
type process struct {
	pid, parent int
	state       byte
	start       string
}

// kill kills the process and not another one that has come to its number meanwhile: what the handle stands for is
// looked at once more before the signal.
func (p process) kill() {
	handle, err := unix.PidfdOpen(p.pid, 0)
	if err != nil {
		if now, ok := processOf(p.pid); ok && now.start == p.start {
			_ = unix.Kill(p.pid, unix.SIGKILL)
		}
		return
	}
	defer func() { _ = unix.Close(handle) }()
	if now, ok := processOf(p.pid); ok && now.start == p.start {
		_ = unix.PidfdSendSignal(handle, unix.SIGKILL, nil, 0)
	}
}

// processes lists all processes that can be seen.
func processes() []process {
	dir, err := os.Open("/proc")
	if err != nil {
		return nil
	}
	defer func() { _ = dir.Close() }()
	names, _ := dir.Readdirnames(-1)
	var list []process
	for _, name := range names {
		pid, err := strconv.Atoi(name)
		if err != nil {
			continue
		}
		if p, ok := processOf(pid); ok {
			list = append(list, p)
		}
	}
	return list
}

// processOf reads /proc/PID/stat: number, name in brackets, state, parent, and as the 22nd field the start. The name
// may hold brackets and blanks, so the line is read from its last bracket on.
func processOf(pid int) (process, bool) {
	stat, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
	if err != nil {
		return process{}, false
	}
	fields := bytes.Fields(stat[bytes.LastIndexByte(stat, ')')+1:])
	if len(fields) < 20 || len(fields[0]) != 1 {
		return process{}, false
	}
	parent, err := strconv.Atoi(string(fields[1]))
	if err != nil {
		return process{}, false
	}
	return process{pid: pid, parent: parent, state: fields[0][0], start: string(fields[19])}, true
}

// agentAttributes puts the agent into a process group of its own, and lets it die with the thread that started it,
// should the runner be killed.
func agentAttributes() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
}
