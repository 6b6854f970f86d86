package git

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

// commandError is a git command that failed.
type commandError struct {
	verb   string
	code   int    // -1 if it was ended from outside, or never began
	stderr string // with the token taken out
	err    error
}

func (e *commandError) Error() string {
	return fmt.Sprintf("git %s: %v: %s", e.verb, e.err, strings.TrimSpace(e.stderr))
}

func (e *commandError) Unwrap() error { return e.err }

// answeredNo says whether git ended by itself with a failure. A git that was ended from outside, by a
// deadline or for want of memory, has said nothing about what it was asked.
func answeredNo(err error) bool {
	var failed *commandError
	return errors.As(err, &failed) && failed.code > 0
}

// exitedWith says whether git ended by itself with that code.
func exitedWith(err error, code int) bool {
	var failed *commandError
	return errors.As(err, &failed) && failed.code == code
}

// errTooLong is output above its bound. The command was ended for it.
var errTooLong = errors.New("its output is too long")

// call is one git command.
type call struct {
	dir    string    // GIT_DIR; empty for a command that needs no repository
	env    []string  // added to the hermetic environment
	token  string    // taken out of what git says
	stdin  io.Reader // nil for none
	most   int       // bytes of output that are taken; 0 means maxOutput
	to     io.Writer // where the output goes instead, without a bound
	memory uint64    // bytes that the command may take for its data; 0 for no limit
	args   []string
}

// maxOutput bounds what is read of a command's output.
const maxOutput = 64 << 20

// run runs git and gives its standard output, also what a failed command has printed.
func (g *Git) run(ctx context.Context, c call) ([]byte, error) {
	stdout, stderr := &limited{most: maxOutput, stop: true}, &limited{most: 64 << 10}
	if c.most > 0 {
		stdout.most = c.most
	}
	cmd := command(ctx, c)
	cmd.Stdout, cmd.Stderr = stdout, stderr
	if c.to != nil {
		cmd.Stdout = c.to
	}
	err := cmd.Start()
	if err == nil {
		if c.memory > 0 {
			limitMemory(cmd.Process.Pid, c.memory)
		}
		err = cmd.Wait()
	}
	if err == nil && !stdout.over {
		return stdout.kept.Bytes(), nil
	}
	failed := &commandError{verb: c.args[0], code: cmd.ProcessState.ExitCode(), stderr: g.scrub(stderr.kept.String(), c.token), err: err}
	switch {
	case ctx.Err() != nil:
		failed.code, failed.err = -1, ctx.Err()
	case stdout.over:
		failed.code, failed.err = -1, errTooLong
	}
	return stdout.kept.Bytes(), failed
}

// command is git in an environment of its own, with its helpers in a process group, so that all of them
// end together.
func command(ctx context.Context, c call) *exec.Cmd {
	dir := c.dir
	if dir == "" {
		dir = os.DevNull // or git would look for a repository around the current directory
	}
	args := append([]string{
		"-c", "core.hooksPath=/dev/null", "-c", "core.fsmonitor=false", "-c", "gc.auto=0", "-c", "maintenance.auto=false",
		"-c", "advice.detachedHead=false",
	}, c.args...)
	cmd := exec.CommandContext(ctx, "git", args...)
	cmd.Dir = "/"
	cmd.Env = append(append(hermetic(), c.env...), "GIT_DIR="+dir)
	cmd.Stdin = c.stdin
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	cmd.WaitDelay = 5 * time.Second
	return cmd
}

// hermetic is an environment without any configuration of the machine.
func hermetic() []string {
	return []string{
		"PATH=" + os.Getenv("PATH"), "HOME=/nonexistent", "LC_ALL=C", "TZ=UTC",
		"GIT_CONFIG_GLOBAL=/dev/null", "GIT_CONFIG_NOSYSTEM=1", "GIT_ATTR_NOSYSTEM=1", "GIT_NO_REPLACE_OBJECTS=1",
		"GIT_TERMINAL_PROMPT=0", "GIT_ASKPASS=true",
		"GIT_PAGER=cat", "GIT_OPTIONAL_LOCKS=0", "GIT_HTTP_LOW_SPEED_LIMIT=1000", "GIT_HTTP_LOW_SPEED_TIME=60",
		"GIT_AUTHOR_NAME=devs-webhook", "GIT_AUTHOR_EMAIL=devs-webhook@users.noreply.github.com",
		"GIT_COMMITTER_NAME=devs-webhook", "GIT_COMMITTER_EMAIL=devs-webhook@users.noreply.github.com",
	}
}

// scrub takes the token and the service's own paths out of what git said.
func (g *Git) scrub(text, token string) string {
	if token != "" {
		text = strings.ReplaceAll(text, token, "[redacted]")
		text = strings.ReplaceAll(text, basic(token), "[redacted]")
	}
	if dir, err := filepath.Abs(g.opts.Dir); err == nil {
		text = strings.ReplaceAll(text, dir, "")
	}
	return text
}

// limited keeps the beginning of what is written. The rest is dropped, or with stop it is an error, which
// closes the pipe and so ends the command.
type limited struct {
	kept bytes.Buffer // not embedded: io.Copy would find its ReadFrom and go past Write
	most int
	stop bool
	over bool
}

func (l *limited) Write(p []byte) (int, error) {
	room := l.most - l.kept.Len()
	if len(p) <= room {
		return l.kept.Write(p)
	}
	l.over = true
	l.kept.Write(p[:max(room, 0)])
	if l.stop {
		return 0, errTooLong
	}
	return len(p), nil
}
