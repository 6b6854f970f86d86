package demo

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"go.uber.org/goleak"

	"devs-webhook/messages"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

type place struct {
	dir, out string
	env      map[string]string
	said     bytes.Buffer
}

// newPlace makes a repository of the files, and a task with the instruction.
func newPlace(t *testing.T, files map[string]string, instruction string) *place {
	t.Helper()
	t.Setenv("GIT_CONFIG_GLOBAL", "/dev/null")
	for _, who := range []string{"AUTHOR", "COMMITTER"} {
		t.Setenv("GIT_"+who+"_NAME", "demo")
		t.Setenv("GIT_"+who+"_EMAIL", "demo@example.com")
	}
	p := &place{dir: t.TempDir(), out: t.TempDir()}
	for name, text := range files {
		write(t, filepath.Join(p.dir, name), text)
	}
	git(t, p.dir, "init", "--quiet", "--template=")
	git(t, p.dir, "add", "--all")
	git(t, p.dir, "commit", "--quiet", "--allow-empty", "--message", "start")
	task, err := json.Marshal(messages.TaskForRun{Repository: "octo/hello", Number: 1, Requester: "alice", Instruction: instruction})
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "task.json")
	write(t, path, string(task))
	p.env = map[string]string{"DEVS_TASK": path, "DEVS_OUTPUT": p.out, PaceVariable: "0"}
	return p
}

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

func git(t *testing.T, dir string, args ...string) string {
	t.Helper()
	cmd := exec.Command("git", args...)
	cmd.Dir = dir
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("git %v: %v: %s", args, err, out)
	}
	return string(out)
}

func (p *place) run(ctx context.Context, stdout io.Writer) error {
	return Run(ctx, Options{
		Getenv: func(name string) string { return p.env[name] }, Dir: p.dir, Stdin: strings.NewReader("prompt"), Stdout: stdout,
	})
}

func (p *place) intents(t *testing.T) messages.Intents {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(p.out, "intents.json"))
	if err != nil {
		t.Fatal(err)
	}
	var intents messages.Intents
	if err := json.Unmarshal(data, &intents); err != nil || intents.Version != 1 {
		t.Fatalf("intents %s: %v", data, err)
	}
	return intents
}

func tests(dir string) error {
	cmd := exec.Command("/bin/sh", testFile)
	cmd.Dir = dir
	return cmd.Run()
}

func TestMendsTheBug(t *testing.T) {
	p := newPlace(t, Repository(), "@bot fix the login bug")
	if tests(p.dir) == nil {
		t.Fatal("the repository's tests pass before the change")
	}
	if err := p.run(t.Context(), &p.said); err != nil {
		t.Fatal(err)
	}
	if err := tests(p.dir); err != nil {
		t.Errorf("the repository's tests: %v", err)
	}
	if status := git(t, p.dir, "status", "--porcelain"); status != "" {
		t.Errorf("left %q", status)
	}
	if stat := git(t, p.dir, "diff", "--numstat", "HEAD~1"); stat != "1\t1\tlogin.sh\n" {
		t.Errorf("changed %q", stat)
	}
	intents := p.intents(t)
	if intents.Comment == nil || intents.PullRequest == nil || !strings.Contains(intents.PullRequest.Body, "FAILED  'mallory' with ''") ||
		!strings.Contains(intents.PullRequest.Body, "all tests pass") {
		t.Errorf("intents %+v", intents)
	}
	if lines := strings.Count(p.said.String(), "\n"); lines < 7 {
		t.Errorf("said only %q", p.said.String())
	}
}

func TestNotesTheRequestElsewhere(t *testing.T) {
	p := newPlace(t, map[string]string{"main.c": "int main;"}, "make it\nfaster")
	for range 2 {
		if err := p.run(t.Context(), &p.said); err != nil {
			t.Fatal(err)
		}
	}
	text, err := os.ReadFile(filepath.Join(p.dir, otherFile))
	if err != nil || string(text) != strings.Repeat("- #1, alice: make it faster\n", 2) {
		t.Errorf("%q %v", text, err)
	}
	if p.intents(t).PullRequest == nil {
		t.Error("no pull request")
	}
}

func TestDoesNothingIfAsked(t *testing.T) {
	p := newPlace(t, Repository(), "please do nothing")
	if err := p.run(t.Context(), &p.said); err != nil {
		t.Fatal(err)
	}
	if log := git(t, p.dir, "log", "--oneline"); strings.Count(log, "\n") != 1 || p.intents(t).PullRequest != nil || p.intents(t).Comment == nil {
		t.Errorf("log %s", log)
	}
}

func TestFailsIfAsked(t *testing.T) {
	p := newPlace(t, Repository(), "Please fail now")
	if err := p.run(t.Context(), &p.said); err == nil {
		t.Error("did not fail")
	}
}

// lineWriter tells of each line that is said.
type lineWriter chan string

func (w lineWriter) Write(b []byte) (int, error) { w <- string(b); return len(b), nil }

func TestHangsUntilEnded(t *testing.T) {
	p := newPlace(t, Repository(), "please hang")
	ctx, cancel := context.WithCancel(t.Context())
	said, ended := make(lineWriter), make(chan error, 1)
	go func() { ended <- p.run(ctx, said) }()
	<-said
	<-said
	cancel()
	if err := <-ended; !errors.Is(err, context.Canceled) {
		t.Errorf("ended with %v", err)
	}
}

func TestRefusesABadPace(t *testing.T) {
	p := newPlace(t, Repository(), "x")
	p.env[PaceVariable] = "fast"
	if err := p.run(t.Context(), &p.said); err == nil || !strings.Contains(err.Error(), PaceVariable) {
		t.Errorf("error %v", err)
	}
}
