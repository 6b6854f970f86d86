package runner

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"syscall"

	"golang.org/x/sys/unix"
)

// agentRun is a started agent.
type agentRun struct {
	cmd      *exec.Cmd
	lines    chan []byte   // of its standard output; closed at its end
	activity chan struct{} // it has printed something on its standard error
	exited   chan struct{} // closed once cmd.ProcessState is there
	abandon  chan struct{} // closed when nobody reads lines any more
	stdout   *os.File
	stderr   *lastLine
}

// startAgent starts the agent in the workspace, in a process group of its own.
func (a *attempt) startAgent() (*agentRun, error) {
	argv := make([]string, len(a.spec.Agent.Argv))
	for i, arg := range a.spec.Agent.Argv {
		argv[i] = a.dirs.fill(arg)
	}
	if len(argv) == 0 || argv[0] == "" {
		return nil, &setupError{why: "the task names no program for the agent"}
	}
	env := a.agentEnv()
	program, err := lookPath(argv[0], env["PATH"])
	if err != nil {
		return nil, &setupError{why: fmt.Sprintf("the agent's program %s is not there", filepath.Base(argv[0])), err: err}
	}
	run := &agentRun{
		cmd:   &exec.Cmd{Path: program, Args: argv, Dir: a.dirs.work, Env: environ(env), SysProcAttr: agentAttributes()},
		lines: make(chan []byte), activity: make(chan struct{}, 1), exited: make(chan struct{}), abandon: make(chan struct{}),
	}
	run.stderr = &lastLine{log: a.log, ring: run.activity}
	if err := a.launch(run); err != nil {
		return nil, &setupError{why: fmt.Sprintf("the agent's program %s could not be started", filepath.Base(argv[0])), err: err}
	}
	a.rec.runner("the agent %s has started", a.spec.Agent.Name)
	return run, nil
}

// launch connects the agent's standard files and starts it.
func (a *attempt) launch(run *agentRun) error {
	stdin, err := os.Open(a.stdinPath())
	if err != nil {
		return fmt.Errorf("open prompt: %w", err)
	}
	defer func() { _ = stdin.Close() }()
	stderr, err := a.output(run.stderr)
	if err != nil {
		return err
	}
	defer func() { _ = stderr.Close() }()
	out, in, err := os.Pipe()
	if err != nil {
		return fmt.Errorf("make pipe: %w", err)
	}
	defer func() { _ = in.Close() }()
	run.stdout = out
	run.cmd.Stdin, run.cmd.Stdout, run.cmd.Stderr = stdin, in, stderr
	started := make(chan error)
	go a.own(run, started)
	if err := <-started; err != nil {
		_ = out.Close()
		return err
	}
	go a.read(run)
	return nil
}

// own starts the agent and waits for its end, on one thread: the agent is bound to the life of the thread that
// started it.
func (a *attempt) own(run *agentRun, started chan<- error) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	err := a.family.start(run.cmd)
	started <- err
	if err != nil {
		return
	}
	_ = a.family.wait(run.cmd) // the state tells more than the error
	close(run.exited)
}

// read hands on the lines of the agent until its output ends, and keeps them in the log as they are.
func (a *attempt) read(run *agentRun) {
	defer close(run.lines)
	readLines(io.TeeReader(run.stdout, a.log), maxLine, func(line []byte) {
		select {
		case run.lines <- line:
		case <-run.abandon:
		}
	})
}

func (a *attempt) stdinPath() string {
	if a.spec.Agent.Stdin == "" {
		return os.DevNull
	}
	return filepath.Join(a.dirs.in, filepath.Base(a.spec.Agent.Stdin))
}

// lookPath finds a program in the PATH that the agent will have, which need not be the runner's.
func lookPath(name, path string) (string, error) {
	if strings.ContainsRune(name, filepath.Separator) {
		return name, nil
	}
	for _, dir := range filepath.SplitList(path) {
		file := filepath.Join(dir, name)
		if info, err := os.Stat(file); err == nil && info.Mode().IsRegular() && unix.Access(file, unix.X_OK) == nil {
			return file, nil
		}
	}
	return "", fmt.Errorf("find %s: %w", name, exec.ErrNotFound)
}

// exitCode is the code that a shell would give: 128 and the signal's number for a process ended by a signal.
func exitCode(state *os.ProcessState) int {
	if status, ok := state.Sys().(syscall.WaitStatus); ok && status.Signaled() {
		return 128 + int(status.Signal())
	}
	return state.ExitCode()
}

// exitSignal names the signal that ended the process, or is empty.
func exitSignal(state *os.ProcessState) string {
	status, ok := state.Sys().(syscall.WaitStatus)
	if !ok || !status.Signaled() {
		return ""
	}
	if name := unix.SignalName(status.Signal()); name != "" {
		return name
	}
	return status.Signal().String()
}

// lastLine passes the agent's standard error on to the log, tells that there was some, and keeps its last line
// that is not empty: often it is all that a program says about why it fails.
type lastLine struct {
	log  *cappedLog
	ring chan struct{}
	mu   sync.Mutex
	line []byte // being written
	last string
}

func (l *lastLine) Write(b []byte) (int, error) {
	select {
	case l.ring <- struct{}{}:
	default:
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	for part := range bytes.Lines(b) {
		l.line = append(l.line, part[:min(len(part), 1024-len(l.line))]...)
		if bytes.HasSuffix(part, []byte("\n")) {
			l.keep()
		}
	}
	return l.log.Write(b)
}

func (l *lastLine) keep() {
	if text := strings.TrimSpace(string(l.line)); text != "" {
		l.last = text
	}
	l.line = nil
}

// text gives the last line in at most 300 bytes.
func (l *lastLine) text() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.keep()
	return cut(strings.ToValidUTF8(l.last, "\uFFFD"), 300)
}
