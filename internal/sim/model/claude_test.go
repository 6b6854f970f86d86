package model_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"devs-webhook/internal/sim/model"
)

// cli is the real Claude Code with a home and a repository of its own.
type cli struct {
	t         *testing.T
	m         *model.Model
	bin       string
	home, dir string
	env       []string
}

// newCLI finds the program that CLAUDE_BIN names.
func newCLI(t *testing.T, m *model.Model) *cli {
	t.Helper()
	bin := os.Getenv("CLAUDE_BIN")
	if bin == "" {
		t.Skip("CLAUDE_BIN does not name Claude Code's program")
	}
	t.Parallel()
	c := &cli{t: t, m: m, bin: bin, home: t.TempDir(), dir: t.TempDir()}
	c.env = []string{
		"PATH=" + os.Getenv("PATH"), "HOME=" + c.home, "LANG=C.UTF-8", "IS_SANDBOX=1", "ANTHROPIC_BASE_URL=" + m.URL(),
		"CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC=1", "CLAUDE_CODE_MAX_RETRIES=6", "ANTHROPIC_API_KEY=key",
		"GIT_AUTHOR_NAME=a", "GIT_AUTHOR_EMAIL=a@example.com", "GIT_COMMITTER_NAME=a", "GIT_COMMITTER_EMAIL=a@example.com",
	}
	for name, text := range repository(t) {
		if err := os.WriteFile(filepath.Join(c.dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	c.git("init", "--quiet", "--template=", "--initial-branch=main")
	c.git("add", "--all")
	c.git("commit", "--quiet", "--message=start")
	return c
}

func (c *cli) git(args ...string) string {
	c.t.Helper()
	cmd := exec.Command("git", args...)
	cmd.Dir, cmd.Env = c.dir, c.env
	out, err := cmd.CombinedOutput()
	if err != nil {
		c.t.Fatalf("git %v: %v: %s", args, err, out)
	}
	return strings.TrimSpace(string(out))
}

// ended is the result line of a run.
type ended struct {
	Subtype   string   `json:"subtype"`
	IsError   bool     `json:"is_error"`
	Turns     int      `json:"num_turns"`
	Result    string   `json:"result"`
	Session   string   `json:"session_id"`
	Errors    []string `json:"errors"`
	Terminal  string   `json:"terminal_reason"`
	APIStatus int      `json:"api_error_status"`
	Usage     map[string]struct {
		Input  int64 `json:"inputTokens"`
		Output int64 `json:"outputTokens"`
		Read   int64 `json:"cacheReadInputTokens"`
	} `json:"modelUsage"`
	stream string
}

func (c *cli) command(ctx context.Context, prompt string, args ...string) *exec.Cmd {
	argv := append([]string{
		"-p", "--output-format", "stream-json", "--verbose", "--setting-sources", "user", "--strict-mcp-config",
		"--permission-mode", "bypassPermissions",
	}, args...)
	cmd := exec.CommandContext(ctx, c.bin, argv...)
	cmd.Dir, cmd.Env, cmd.Stdin = c.dir, c.env, strings.NewReader("Please work on this.\n\n"+prompt+"\n")
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	return cmd
}

// run runs it to its end, whatever that is.
func (c *cli) run(prompt string, args ...string) ended {
	c.t.Helper()
	ctx, cancel := context.WithTimeout(c.t.Context(), 90*time.Second)
	defer cancel()
	cmd := c.command(ctx, prompt, args...)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if _, exited := errors.AsType[*exec.ExitError](err); err != nil && !exited {
		c.t.Fatal(err)
	}
	end := ended{stream: string(out)}
	for line := range bytes.Lines(out) {
		if bytes.Contains(line, []byte(`"type":"result"`)) {
			if err := json.Unmarshal(line, &end); err != nil {
				c.t.Fatalf("%v: %s", err, line)
			}
		}
	}
	if end.Subtype == "" {
		c.t.Fatalf("no result: %v: %s\n%s", err, stderr.String(), out)
	}
	return end
}

func TestClaudeFixes(t *testing.T) {
	for _, scenario := range []string{"fix", "busy", "slow"} {
		t.Run(scenario, func(t *testing.T) {
			m := start(t, model.Options{Key: "key", Slow: time.Second})
			c := newCLI(t, m)
			end := c.run("@bot fix the login bug scenario:" + scenario)
			if end.IsError || end.Subtype != "success" || !strings.Contains(end.Result, "The login no longer lets") {
				t.Fatalf("ended %+v", end)
			}
			if subject := c.git("log", "-1", "--format=%s"); subject != "Refuse the login of unknown users" {
				t.Errorf("last commit is %q", subject)
			}
			if out, err := exec.Command("sh", "-c", "cd "+c.dir+" && sh test.sh").CombinedOutput(); err != nil {
				t.Errorf("the repository's tests: %v: %s", err, out)
			}
			used, input, output := m.Usage(), int64(0), int64(0)
			for _, u := range end.Usage {
				input, output = input+u.Input, output+u.Output
			}
			if used.Requests != 5 || input != used.Input || output != used.Output {
				t.Errorf("used %+v, the agent counts %d and %d", used, input, output)
			}
			if keys := m.Keys(); len(keys) != 1 || keys[0] != "key" {
				t.Errorf("keys %q", keys)
			}
		})
	}
}

func TestClaudeWithAnOAuthToken(t *testing.T) {
	m := start(t, model.Options{OAuthToken: "of-the-attempt"})
	c := newCLI(t, m)
	c.env = append(c.env, "ANTHROPIC_API_KEY=", "CLAUDE_CODE_OAUTH_TOKEN=of-the-attempt")
	if end := c.run("hello"); end.IsError || end.Turns != 1 {
		t.Errorf("ended %+v", end)
	}
	for _, r := range m.Requests() {
		if !r.Bearer || r.Key != "of-the-attempt" {
			t.Errorf("%s %s with %q", r.Method, r.Path, r.Key)
		}
	}
}

func TestClaudeReachesItsLimits(t *testing.T) {
	for _, k := range []struct{ scenario, option, value, want string }{
		{"loop", "--max-turns", "3", "error_max_turns"},
		{"costly", "--max-budget-usd", "2.5", "error_max_budget_usd"},
	} {
		t.Run(k.scenario, func(t *testing.T) {
			c := newCLI(t, start(t, model.Options{}))
			if end := c.run("scenario:"+k.scenario, k.option, k.value); end.Subtype != k.want {
				t.Errorf("ended %+v", end)
			}
		})
	}
}

// The retries are bounded, whatever the model's API answers.
func TestClaudeGivesUp(t *testing.T) {
	m := start(t, model.Options{})
	c := newCLI(t, m)
	c.env = append(c.env, "CLAUDE_CODE_MAX_RETRIES=2")
	if end := c.run("scenario:overloaded"); !end.IsError || end.APIStatus != 529 {
		t.Errorf("ended %+v", end)
	}
	if n := len(m.Requests()); n != 3 {
		t.Errorf("%d requests", n)
	}
}

func TestClaudeGoesOn(t *testing.T) {
	m := start(t, model.Options{})
	c := newCLI(t, m)
	end := c.run("first of all scenario:fix")
	again := c.run("scenario:recall", "--resume", end.Session)
	if again.IsError || again.Session != end.Session || again.Result != "You have asked me 1 times before: fix." {
		t.Errorf("went on as %+v", again)
	}
	noted := c.run("and a note scenario:note", "--resume", end.Session)
	if noted.Result != "You have asked me 2 times before: fix, recall." || c.git("log", "-1", "--format=%s") != "Note the request" {
		t.Errorf("noted as %+v", noted)
	}
	lost := c.run("scenario:recall", "--resume", "99999999-2222-4333-8444-555555555555")
	if lost.Subtype != "error_during_execution" || lost.Turns != 0 || len(lost.Errors) == 0 || lost.Terminal != "" {
		t.Errorf("lost as %+v", lost)
	}
}

// A tool that hangs: the agent waits for it, and what it has told until it is killed is a session to go on with.
func TestClaudeHangsInATool(t *testing.T) {
	m := start(t, model.Options{})
	c := newCLI(t, m)
	ctx, cancel := context.WithTimeout(t.Context(), 60*time.Second)
	defer cancel()
	cmd := c.command(ctx, "scenario:hang-tool")
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	session := untilSleep(t, out)
	// Its tools are in sessions of their own, so its group is not all; asked to end it ends them itself.
	if err := syscall.Kill(-cmd.Process.Pid, syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait()
	if code := cmd.ProcessState.ExitCode(); code != 143 {
		t.Errorf("exit code %d", code)
	}
	again := c.run("scenario:recall", "--resume", session)
	if again.IsError || again.Result != "You have asked me 1 times before: hang-tool." {
		t.Errorf("went on as %+v", again)
	}
}
