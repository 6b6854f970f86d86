package runner

import (
	"bytes"
	"context"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"time"
)

// git is how the runner uses git: without any configuration but what it says itself, because what is in the
// workspace after the agent, .git/config included, can be made to start programs.
type git struct {
	family *family
	home   string
	dir    string            // where it runs
	env    map[string]string // what is added to the environment
}

// maxGitOutput bounds what is kept of a command's output, in bytes.
const maxGitOutput = 16 << 20

// run runs one git command and gives its standard output without the last newline.
func (g git) run(ctx context.Context, args ...string) (string, error) {
	return g.feed(ctx, "", args...)
}

// feed is run with a standard input.
func (g git) feed(ctx context.Context, input string, args ...string) (string, error) {
	fixed := []string{
		"--no-pager", "--no-optional-locks", "-c", "core.fsmonitor=", "-c", "core.hooksPath=/dev/null",
		"-c", "commit.gpgSign=false", "-c", "gc.auto=0", "-c", "maintenance.auto=false", "-c", "safe.directory=*",
		"-c", "core.quotePath=false", "-c", "advice.addEmbeddedRepo=false", "-c", "diff.ignoreSubmodules=dirty",
	}
	cmd := exec.CommandContext(ctx, "git", append(fixed, args...)...)
	cmd.Dir = g.dir
	cmd.Stdin = strings.NewReader(input)
	var stdout, stderr limitedBuffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	cmd.Env = g.environ()
	// A git of its own group: whoever ends the agent's group by a signal does not end this.
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.WaitDelay = 5 * time.Second
	if err := g.family.run(cmd); err != nil {
		if ctx.Err() != nil {
			err = ctx.Err()
		}
		return "", fmt.Errorf("git %s: %w: %s", args[0], err, strings.TrimSpace(stderr.String()))
	}
	return strings.TrimSuffix(stdout.String(), "\n"), nil
}

func (g git) environ() []string {
	env := map[string]string{
		"PATH": os.Getenv("PATH"), "HOME": g.home, "LANG": "C.UTF-8",
		"GIT_CONFIG_NOSYSTEM": "1", "GIT_CONFIG_GLOBAL": os.DevNull, "GIT_TERMINAL_PROMPT": "0", "GIT_NO_REPLACE_OBJECTS": "1",
	}
	maps.Copy(env, g.env)
	return environ(env)
}

// with adds to the environment.
func (g git) with(env map[string]string) git {
	g.env = env
	return g
}

// limitedBuffer keeps the beginning of what is written to it. The buffer is no embedded one: its ReadFrom
// would go past the limit.
type limitedBuffer struct{ kept bytes.Buffer }

func (b *limitedBuffer) Write(p []byte) (int, error) {
	if room := maxGitOutput - b.kept.Len(); room > 0 {
		b.kept.Write(p[:min(len(p), room)])
	}
	return len(p), nil
}

func (b *limitedBuffer) Bytes() []byte  { return b.kept.Bytes() }
func (b *limitedBuffer) String() string { return b.kept.String() }
