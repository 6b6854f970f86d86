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
	"strconv"
	"strings"
	"testing"

	"github.com/rs/zerolog"

	"devs-webhook/messages"
)

// site is a server with one repository, a Git that works with it, and a laboratory: a repository of its own
// beside it, that sees the server's objects and in which work is made, good and bad.
type site struct {
	*server
	git  *Git
	opts Options
	repo messages.Repo
	lab  string
	main string        // the first commit
	base messages.Base // main, as an attempt gets it
}

// newSite starts one. The repository has the branch main with a commit of a few files.
func newSite(t *testing.T, change ...func(*Options)) *site {
	t.Helper()
	s := &site{server: newServer(t), repo: messages.Repo{ID: 42, Owner: "octo", Name: "hello"}, lab: t.TempDir()}
	bare := s.bare("octo/hello")
	run(t, "", nil, "init", "--quiet", "--bare", "--template=", "--initial-branch=main", bare)
	run(t, bare, nil, "config", "receive.denyNonFastForwards", "true")
	run(t, "", nil, "init", "--quiet", "--bare", "--template=", s.lab)
	write(t, filepath.Join(s.lab, "objects/info/alternates"), filepath.Join(bare, "objects")+"\n")
	s.main = commit(t, bare, made{message: "First\n"}, file("README.md", "hello\n"), file("a/b/c.txt", "one\ntwo\nthree\n"))
	s.branch(t, "main", s.main)
	s.base = messages.Base{Ref: "refs/heads/main", Commit: s.main, Target: "main"}
	s.opts = Options{
		Dir: filepath.Join(t.TempDir(), "repos"), ServerURL: s.URL, Log: zerolog.New(t.Output()),
		Token: func(context.Context, messages.Repo) (string, error) { return token, nil },
	}
	for _, c := range change {
		c(&s.opts)
	}
	s.git = New(s.opts)
	return s
}

// bare is the server's directory of a repository.
func (s *site) bare(fullName string) string { return filepath.Join(s.dir, fullName+".git") }

// branch sets a branch of the server.
func (s *site) branch(t *testing.T, name, commit string) {
	t.Helper()
	s.ref(t, "refs/heads/"+name, commit)
}

// ref sets a ref of the server, whose commit may be one of the laboratory.
func (s *site) ref(t *testing.T, name, commit string) {
	t.Helper()
	bare := s.bare(s.repo.FullName())
	if _, err := try(t, bare, nil, "cat-file", "-e", commit); err != nil {
		pack := run(t, s.lab, strings.NewReader(commit+"\n"), "pack-objects", "--quiet", "--revs", "--stdout")
		run(t, bare, strings.NewReader(pack), "unpack-objects", "-q")
	}
	run(t, bare, nil, "update-ref", name, commit)
}

// at is where a branch of the server is; empty if it is not there.
func (s *site) at(t *testing.T, branch string) string {
	t.Helper()
	out, _ := try(t, s.bare(s.repo.FullName()), nil, "rev-parse", "--verify", "--quiet", "refs/heads/"+branch)
	return strings.TrimSpace(out)
}

// hook has the server ask a script before it moves a branch.
func (s *site) hook(t *testing.T, script string) {
	t.Helper()
	path := filepath.Join(s.bare(s.repo.FullName()), "hooks", "update")
	write(t, path, "#!/bin/sh\n"+script+"\n")
	if err := os.Chmod(path, 0o700); err != nil {
		t.Fatal(err)
	}
}

// issue is a task for an issue of the repository.
func (s *site) issue() messages.Task {
	return messages.Task{ID: "abcdefghijkl", Repo: s.repo, Thread: messages.Thread{Number: 7}, Branch: "devs/7-abcdefghijkl"}
}

// pull is a task for a pull request of the repository.
func (s *site) pull() messages.Task {
	task := s.issue()
	task.Thread.PullRequest = true
	return task
}

// work makes one commit on the base and gives its bundle.
func (s *site) work(t *testing.T, changes ...string) (tip, bundle string) {
	t.Helper()
	tip = commit(t, s.lab, made{parents: []string{s.main}, message: "Work\n"}, changes...)
	return tip, s.bundle(t, tip)
}

// bundle writes the work that ends in tip as a runner does.
func (s *site) bundle(t *testing.T, tip string) string {
	t.Helper()
	return writeBundle(t, tip, s.pack(t, tip))
}

// pack packs what tip has and the base has not. Unlike `git bundle` it takes any object.
func (s *site) pack(t *testing.T, tip string) string {
	t.Helper()
	wanted := tip + "\n^" + s.main + "\n"
	return run(t, s.lab, strings.NewReader(wanted), "pack-objects", "--quiet", "--revs", "--thin", "--stdout", "--delta-base-offset")
}

func writeBundle(t *testing.T, tip, pack string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "work.bundle")
	write(t, path, "# v2 git bundle\n"+tip+" refs/heads/work\n\n"+pack)
	return path
}

// push pushes what must go.
func (s *site) push(t *testing.T, task messages.Task, bundle string) messages.Published {
	t.Helper()
	published, err := s.git.Push(t.Context(), task, s.base, bundle)
	if err != nil {
		t.Fatal(err)
	}
	s.tidy(t)
	return published
}

// tidy looks whether only mirrors are left.
func (s *site) tidy(t *testing.T) {
	t.Helper()
	for _, name := range names(t, s.opts.Dir) {
		if name != strconv.FormatInt(s.repo.ID, 10)+".git" {
			t.Errorf("left behind: %s", name)
		}
	}
}

// quarantined takes work into quarantine without a push.
func (s *site) quarantined(t *testing.T, bundle string) (*quarantine, error) {
	t.Helper()
	q, err := s.git.quarantine(t.Context(), s.issue(), s.base, bundle)
	if err == nil {
		t.Cleanup(q.close)
	}
	return q, err
}

// made is what a commit says of itself.
type made struct {
	parents []string
	message string
	author  string // as in a commit object
}

const ann = "Ann Author <ann@example.com> 1700000000 +0130"

// commit makes a commit from lines for git fast-import and gives its id.
func commit(t *testing.T, dir string, m made, changes ...string) string {
	t.Helper()
	if m.author == "" {
		m.author = ann
	}
	var in strings.Builder
	fmt.Fprintf(&in, "commit refs/lab/new\nmark :1\nauthor %s\ncommitter %s\ndata %d\n%s\n", m.author, ann, len(m.message), m.message)
	for i, parent := range m.parents {
		fmt.Fprintf(&in, "%s %s\n", []string{"from", "merge"}[min(i, 1)], parent)
	}
	in.WriteString(strings.Join(changes, "") + "\nget-mark :1\n")
	return strings.TrimSpace(run(t, dir, strings.NewReader(in.String()), "fast-import", "--quiet", "--force"))
}

// The changes that a commit can make. Names are quoted as fast-import wants it.
func file(name, content string) string { return entry("100644", name, content) }
func link(name, target string) string  { return entry("120000", name, target) }
func gone(name string) string          { return fmt.Sprintf("D %s\n", quotedName(name)) }
func gitlink(name string) string {
	return fmt.Sprintf("M 160000 %s %s\n", strings.Repeat("1", 40), quotedName(name))
}

func entry(mode, name, content string) string {
	return fmt.Sprintf("M %s inline %s\ndata %d\n%s\n", mode, quotedName(name), len(content), content)
}

func quotedName(name string) string {
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`, "\n", `\n`).Replace(name) + `"`
}

// object writes an object without any check and gives its id.
func object(t *testing.T, dir, kind, content string) string {
	t.Helper()
	return strings.TrimSpace(run(t, dir, strings.NewReader(content), "hash-object", "-t", kind, "--literally", "-w", "--stdin"))
}

// tree writes a tree object from modes, names and ids, in this order and however wrong.
func tree(t *testing.T, dir string, entries ...[3]string) string {
	t.Helper()
	var b bytes.Buffer
	for _, e := range entries {
		raw := make([]byte, 20)
		if _, err := fmt.Sscanf(e[2], "%x", &raw); err != nil {
			t.Fatal(err)
		}
		fmt.Fprintf(&b, "%s %s\x00%s", e[0], e[1], raw)
	}
	return object(t, dir, "tree", b.String())
}

// commitOf writes a commit object of a tree, on the first commit.
func (s *site) commitOf(t *testing.T, tree string) string {
	t.Helper()
	return object(t, s.lab, "commit", fmt.Sprintf("tree %s\nparent %s\nauthor %s\ncommitter %s\n\nWork\n", tree, s.main, ann, ann))
}

// run runs git for the test, away from the code that is tested.
func run(t *testing.T, dir string, stdin io.Reader, args ...string) string {
	t.Helper()
	out, err := try(t, dir, stdin, args...)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func try(t *testing.T, dir string, stdin io.Reader, args ...string) (string, error) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "git", args...)
	cmd.Env = labEnv()
	if dir != "" {
		cmd.Env = append(cmd.Env, "GIT_DIR="+dir)
	}
	cmd.Stdin = stdin
	var errs bytes.Buffer
	cmd.Stderr = &errs
	out, err := cmd.Output()
	if err != nil {
		err = fmt.Errorf("git %s: %w: %s", args[0], err, errs.String())
	}
	return string(out), err
}

func labEnv() []string {
	return []string{
		"PATH=" + os.Getenv("PATH"), "HOME=/nonexistent", "LC_ALL=C", "GIT_CONFIG_GLOBAL=/dev/null", "GIT_CONFIG_NOSYSTEM=1",
		"GIT_AUTHOR_NAME=lab", "GIT_AUTHOR_EMAIL=lab@example.com", "GIT_COMMITTER_NAME=lab", "GIT_COMMITTER_EMAIL=lab@example.com",
	}
}

func write(t *testing.T, path, content string) {
	t.Helper()
	if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o700), os.WriteFile(path, []byte(content), 0o600)); err != nil {
		t.Fatal(err)
	}
}

func exists(path string) bool {
	_, err := os.Lstat(path)
	return err == nil
}

func names(t *testing.T, dir string) (list []string) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		t.Fatal(err)
	}
	for _, e := range entries {
		list = append(list, e.Name())
	}
	return list
}

// refused is a refusal whose sentence contains the words and nothing that is not for people.
func refused(t *testing.T, err error, words string) *messages.RefusedError {
	t.Helper()
	var r *messages.RefusedError
	if !errors.As(err, &r) {
		t.Fatalf("%T %v, want a refusal with %q", err, err, words)
	}
	if !strings.Contains(r.Why, words) || strings.Contains(r.Why, os.TempDir()) || strings.Contains(err.Error(), token) {
		t.Errorf("refused with %q (%v), want %q", r.Why, r.Err, words)
	}
	return r
}

// later is an error after which it may go another time.
func later(t *testing.T, err error, words string) *messages.LaterError {
	t.Helper()
	var l *messages.LaterError
	if !errors.As(err, &l) {
		t.Fatalf("%T %v, want a later one with %q", err, err, words)
	}
	var r *messages.RefusedError
	if errors.As(err, &r) || !strings.Contains(err.Error(), words) || strings.Contains(err.Error(), token) {
		t.Errorf("later with %v, want %q", err, words)
	}
	return l
}
