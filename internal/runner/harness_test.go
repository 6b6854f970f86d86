package runner

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"devs-webhook/messages"
)

// trial is one attempt in a directory, with the runner as a real process and a shell script as its agent.
type trial struct {
	t      *testing.T
	dir    string
	origin string // the repository that the workspace's bundle was made from
	base   string
	spec   messages.Spec
	env    []string
	wrap   []string // a program that starts the runner
	cmd    *exec.Cmd
	stdout io.ReadCloser
	stderr bytes.Buffer
	live   []messages.AgentEvent
}

func newTrial(t *testing.T, script string) *trial {
	t.Helper()
	t.Parallel()
	return makeTrial(t, script)
}

// makeTrial is newTrial for a test that has a trial already.
func makeTrial(t *testing.T, script string) *trial {
	t.Helper()
	r := &trial{t: t, dir: filepath.Join(t.TempDir(), "run"), origin: t.TempDir()}
	r.git("init", "--quiet", "--template=", "--initial-branch=main")
	r.write(filepath.Join(r.origin, "file.txt"), "one\n")
	r.write(filepath.Join(r.origin, ".gitignore"), "*.ignored\n")
	r.git("add", "--all")
	r.git("commit", "--quiet", "--message=start")
	r.base = r.git("rev-parse", "HEAD")
	r.mkdir("in/thread")
	r.git("bundle", "create", "--quiet", filepath.Join(r.dir, "in", bundleFile), "main")
	r.write(filepath.Join(r.dir, "in", "prompt.txt"), "the prompt\n")
	r.spec = messages.Spec{
		Protocol: messages.RunnerProtocol, Attempt: messages.AttemptRef{Task: "abcdefghijkl", Number: 3},
		Agent:     messages.AgentSpec{Name: "test", Argv: []string{"/bin/sh", "-c", script}, Stdin: "prompt.txt"},
		Workspace: messages.WorkSpec{Ref: "refs/heads/main", Commit: r.base, Branch: "devs/1-abcdefghijkl"},
		Limits:    messages.Limits{Wall: time.Minute},
		Commit:    messages.CommitSpec{Name: `B"ot`, Email: "bot@example.com", Message: "Left by the agent\n\nBody."},
		Task:      messages.TaskForRun{ID: "abcdefghijkl", Repository: "octo/hello", Number: 1},
	}
	return r
}

func (r *trial) mkdir(name string) {
	r.t.Helper()
	if err := os.MkdirAll(filepath.Join(r.dir, name), 0o700); err != nil {
		r.t.Fatal(err)
	}
}

func (r *trial) write(path, text string) {
	r.t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		r.t.Fatal(err)
	}
}

func (r *trial) read(name string) string {
	r.t.Helper()
	data, err := os.ReadFile(filepath.Join(r.dir, name))
	if err != nil {
		r.t.Fatal(err)
	}
	return string(data)
}

func (r *trial) git(args ...string) string {
	r.t.Helper()
	out, err := r.gitTry(args...)
	if err != nil {
		r.t.Fatalf("git %v: %v: %s", args, err, out)
	}
	return out
}

func (r *trial) gitTry(args ...string) (string, error) {
	cmd := exec.Command("git", args...)
	cmd.Dir = r.origin
	cmd.Env = append(os.Environ(), "GIT_CONFIG_GLOBAL=/dev/null", "GIT_CONFIG_NOSYSTEM=1",
		"GIT_AUTHOR_NAME=a", "GIT_AUTHOR_EMAIL=a@example.com", "GIT_COMMITTER_NAME=a", "GIT_COMMITTER_EMAIL=a@example.com")
	out, err := cmd.CombinedOutput()
	return strings.TrimSpace(string(out)), err
}

// start starts the runner, with what else the test has set in env.
func (r *trial) start() {
	r.t.Helper()
	if r.spec.Protocol != 0 {
		data, err := json.Marshal(r.spec)
		if err != nil {
			r.t.Fatal(err)
		}
		r.write(filepath.Join(r.dir, "in", "task.json"), string(data))
	}
	argv := append(slices.Clone(r.wrap), os.Args[0])
	r.cmd = exec.Command(argv[0], argv[1:]...)
	r.cmd.Env = append(os.Environ(), append([]string{"RUNNER_UNDER_TEST=" + r.dir, "SERVICE_SECRET=hidden"}, r.env...)...)
	r.cmd.Stderr = &r.stderr
	stdout, err := r.cmd.StdoutPipe()
	if err != nil {
		r.t.Fatal(err)
	}
	r.stdout = stdout
	if err := r.cmd.Start(); err != nil {
		r.t.Fatal(err)
	}
	r.t.Cleanup(func() { _ = r.cmd.Process.Kill() })
}

// until reads the live view to the event that fits; nil reads all of it.
func (r *trial) until(fits func(messages.AgentEvent) bool) {
	r.t.Helper()
	in := bufio.NewScanner(r.stdout)
	in.Buffer(nil, 1<<20)
	for in.Scan() {
		var e messages.AgentEvent
		if err := json.Unmarshal(in.Bytes(), &e); err != nil {
			r.t.Fatalf("live view: %v: %s", err, in.Text())
		}
		r.live = append(r.live, e)
		if fits != nil && fits(e) {
			return
		}
	}
	if fits != nil {
		r.t.Fatalf("the awaited event did not come; stderr: %s", r.stderr.String())
	}
}

// said waits for words.
func (r *trial) said(text string) {
	r.t.Helper()
	r.until(func(e messages.AgentEvent) bool {
		return strings.Contains(e.Text, text) && e.Kind == messages.EventWords
	})
}

// finish waits for the runner's end and reads the result.
func (r *trial) finish() messages.Result {
	r.t.Helper()
	r.until(nil)
	if err := r.cmd.Wait(); err != nil {
		r.t.Fatalf("runner: %v: %s", err, r.stderr.String())
	}
	return r.result()
}

func (r *trial) result() messages.Result {
	r.t.Helper()
	var result messages.Result
	if err := json.Unmarshal([]byte(r.read("out/result.json")), &result); err != nil {
		r.t.Fatal(err)
	}
	return result
}

// run is start and finish.
func (r *trial) run() messages.Result {
	r.t.Helper()
	r.start()
	return r.finish()
}

// events reads the record.
func (r *trial) events() []messages.AgentEvent {
	r.t.Helper()
	var events []messages.AgentEvent
	for line := range strings.Lines(r.read("out/events.jsonl")) {
		var e messages.AgentEvent
		if err := json.Unmarshal([]byte(line), &e); err != nil {
			r.t.Fatalf("record: %v: %s", err, line)
		}
		events = append(events, e)
	}
	return events
}

// ended checks how the attempt ended.
func (r *trial) ended(result messages.Result, want messages.Ending) {
	r.t.Helper()
	if result.Ending != want {
		log, _ := os.ReadFile(filepath.Join(r.dir, "out", "agent.log"))
		r.t.Errorf("ended as %s (%s), want %s; log: %s", result.Ending, result.Detail, want, log)
	}
}

// fetch takes the work bundle into the origin, as the service would, and checks that it holds what the result says.
func (r *trial) fetch(result messages.Result) {
	r.t.Helper()
	ref := "refs/heads/" + r.spec.Workspace.Branch
	bundle := filepath.Join(r.dir, "out", workBundle)
	r.git("-c", "transfer.fsckObjects=true", "fetch", "--quiet", bundle, ref+":"+ref)
	if got := r.git("rev-parse", ref); got != result.Head || result.Head == r.base {
		r.t.Errorf("the bundle has %s, the result says %s", got, result.Head)
	}
	r.git("merge-base", "--is-ancestor", r.base, result.Head)
}

// nothing checks that there is no work.
func (r *trial) nothing(result messages.Result) {
	r.t.Helper()
	if _, err := os.Lstat(filepath.Join(r.dir, "out", workBundle)); !errors.Is(err, os.ErrNotExist) || result.Head != "" {
		r.t.Errorf("there is work: %q, %v", result.Head, err)
	}
}

// dead checks that the process whose number is in the file is gone, and not only dead: somebody has reaped it.
func (r *trial) dead(name string) {
	r.t.Helper()
	pid, err := strconv.Atoi(strings.TrimSpace(r.read(name)))
	if err != nil {
		r.t.Fatal(err)
	}
	if err := syscall.Kill(pid, 0); !errors.Is(err, syscall.ESRCH) {
		r.t.Errorf("process %d of %s still lives: %v", pid, name, err)
	}
}
