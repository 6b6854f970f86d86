package git

import (
	"bytes"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/rs/zerolog"

	"devs-webhook/messages"
)

// Options say where the repositories are. Dir, ServerURL and Token are required.
type Options struct {
	Dir       string // of the mirrors and the quarantines; the service's own
	ServerURL string // http or https; a repository is at ServerURL/owner/name.git
	Token     func(ctx context.Context, repo messages.Repo) (string, error)
	MaxBundle int64 // bytes of the largest work that is taken; 0 means 500 MiB
	// Message passes each commit message of the work before it is pushed. Commits whose message it changes
	// are made again with the changed one. Nil changes nothing.
	Message func(string) string
	Log     zerolog.Logger
}

// Git works on the mirrors.
type Git struct {
	opts Options

	mu    sync.Mutex
	locks map[int64]*sync.Mutex // by repository: one fetch or push at a time
}

// New makes a Git. It touches nothing yet.
func New(opts Options) *Git {
	if opts.MaxBundle == 0 {
		opts.MaxBundle = 500 << 20
	}
	opts.ServerURL = strings.TrimRight(opts.ServerURL, "/")
	return &Git{opts: opts, locks: map[int64]*sync.Mutex{}}
}

// lock takes a repository for oneself.
func (g *Git) lock(repo int64) (unlock func()) {
	g.mu.Lock()
	l := g.locks[repo]
	if l == nil {
		l = &sync.Mutex{}
		g.locks[repo] = l
	}
	g.mu.Unlock()
	l.Lock()
	return l.Unlock
}

// The names that GitHub gives to owners and repositories. Anything else is no address.
var (
	ownerName = regexp.MustCompile(`^[A-Za-z0-9](?:[A-Za-z0-9_-]{0,62})$`)
	repoName  = regexp.MustCompile(`^[A-Za-z0-9._-]{1,100}$`)
)

// url is a repository's address: made from the configuration and the checked name, never from a payload.
func (g *Git) url(repo messages.Repo) (string, error) {
	if !ownerName.MatchString(repo.Owner) || !repoName.MatchString(repo.Name) || strings.Trim(repo.Name, ".") == "" {
		return "", &messages.RefusedError{Ending: messages.EndCloneFailed, Why: "The repository's name is none that GitHub gives."}
	}
	return g.opts.ServerURL + "/" + repo.Owner + "/" + repo.Name + ".git", nil
}

// commandError is a git command that failed.
type commandError struct {
	verb   string
	code   int
	stderr string // with the token taken out
	err    error
}

func (e *commandError) Error() string {
	return fmt.Sprintf("git %s: %v: %s", e.verb, e.err, strings.TrimSpace(e.stderr))
}

func (e *commandError) Unwrap() error { return e.err }

// call is one git command.
type call struct {
	dir   string   // GIT_DIR
	env   []string // added to the hermetic environment
	token string   // taken out of what git says
	stdin []byte
	// stdinFrom is read in place of stdin if it is set.
	stdinFrom io.Reader
	args      []string
}

// maxOutput bounds what is read of a command's output.
const maxOutput = 64 << 20

// run runs git and gives its standard output.
func (g *Git) run(ctx context.Context, c call) ([]byte, error) {
	out, err := g.runOutput(ctx, c)
	if err != nil {
		return nil, err
	}
	return out, nil
}

// runOutput gives what a failed command has printed, too.
func (g *Git) runOutput(ctx context.Context, c call) ([]byte, error) {
	args := append([]string{"-c", "core.hooksPath=/dev/null", "-c", "core.fsmonitor=false", "-c", "gc.auto=0", "-c", "maintenance.auto=false", "-c", "advice.detachedHead=false"}, c.args...)
	cmd := exec.CommandContext(ctx, "git", args...)
	cmd.Dir = "/"
	cmd.Env = append(hermetic(), c.env...)
	if c.dir != "" {
		cmd.Env = append(cmd.Env, "GIT_DIR="+c.dir)
	}
	cmd.Stdin = c.stdinFrom
	if c.stdinFrom == nil {
		cmd.Stdin = bytes.NewReader(c.stdin)
	}
	stdout, stderr := &limited{most: maxOutput}, &limited{most: 64 << 10}
	cmd.Stdout, cmd.Stderr = stdout, stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} // with its helpers, so that all of them end together
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	cmd.WaitDelay = 5 * time.Second
	err := cmd.Run()
	if err == nil && stdout.over {
		err = errors.New("its output is too long")
	}
	if err != nil {
		return stdout.Bytes(), &commandError{verb: c.args[0], code: cmd.ProcessState.ExitCode(), stderr: g.scrub(stderr.String(), c.token), err: err}
	}
	return stdout.Bytes(), nil
}

// hermetic is an environment without any configuration of the machine.
func hermetic() []string {
	return []string{
		"PATH=" + os.Getenv("PATH"), "HOME=/nonexistent", "LC_ALL=C", "TZ=UTC",
		"GIT_CONFIG_GLOBAL=/dev/null", "GIT_CONFIG_NOSYSTEM=1", "GIT_TERMINAL_PROMPT=0", "GIT_ASKPASS=true",
		"GIT_PAGER=cat", "GIT_OPTIONAL_LOCKS=0", "GIT_HTTP_LOW_SPEED_LIMIT=1000", "GIT_HTTP_LOW_SPEED_TIME=60",
		"GIT_AUTHOR_NAME=devs-webhook", "GIT_AUTHOR_EMAIL=devs-webhook@users.noreply.github.com",
		"GIT_COMMITTER_NAME=devs-webhook", "GIT_COMMITTER_EMAIL=devs-webhook@users.noreply.github.com",
	}
}

// remote is what a command needs to speak to the server: its credential by the environment.
func (g *Git) remote(ctx context.Context, repo messages.Repo) (env []string, token, url string, err error) {
	url, err = g.url(repo)
	if err != nil {
		return nil, "", "", err
	}
	token, err = g.opts.Token(ctx, repo)
	if err != nil {
		return nil, "", "", fmt.Errorf("get a token for %s: %w", repo.FullName(), err)
	}
	basic := base64.StdEncoding.EncodeToString([]byte("x-access-token:" + token))
	pairs := [][2]string{
		{"http." + g.opts.ServerURL + "/.extraHeader", "Authorization: Basic " + basic},
		{"credential.helper", ""},
		{"protocol.allow", "never"},
		{"protocol.http.allow", "always"},
		{"protocol.https.allow", "always"},
		{"http.followRedirects", "initial"},
	}
	env = append(env, "GIT_CONFIG_COUNT="+strconv.Itoa(len(pairs)))
	for i, p := range pairs {
		env = append(env, fmt.Sprintf("GIT_CONFIG_KEY_%d=%s", i, p[0]), fmt.Sprintf("GIT_CONFIG_VALUE_%d=%s", i, p[1]))
	}
	return env, token, url, nil
}

// scrub takes the token and the service's own paths out of what git said.
func (g *Git) scrub(text, token string) string {
	if token != "" {
		text = strings.ReplaceAll(text, token, "[redacted]")
		text = strings.ReplaceAll(text, base64.StdEncoding.EncodeToString([]byte("x-access-token:"+token)), "[redacted]")
	}
	if dir, err := filepath.Abs(g.opts.Dir); err == nil {
		text = strings.ReplaceAll(text, dir, "")
	}
	return text
}

// limited keeps the beginning of what is written and drops the rest.
type limited struct {
	bytes.Buffer
	most int
	over bool
}

func (l *limited) Write(p []byte) (int, error) {
	room := l.most - l.Len()
	if len(p) > room {
		l.over = true
		l.Buffer.Write(p[:max(room, 0)])
		return len(p), nil
	}
	return l.Buffer.Write(p)
}
