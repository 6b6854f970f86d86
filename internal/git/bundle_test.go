package git

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"devs-webhook/messages"
)

// take bundles a task's start and unpacks it as a runner does. The refs are those of the bundle.
func (s *site) take(t *testing.T, task messages.Task) (base messages.Base, refs string) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "workspace.bundle")
	base, err := s.git.Bundle(t.Context(), task, path)
	if err != nil {
		t.Fatal(err)
	}
	s.tidy(t)
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 || len(names(t, filepath.Dir(path))) != 1 {
		t.Errorf("%v %v, beside it %v", info, err, names(t, filepath.Dir(path)))
	}
	clone := t.TempDir()
	run(t, "", nil, "init", "--quiet", "--bare", "--template=", clone)
	refs = strings.TrimSpace(run(t, clone, nil, "bundle", "unbundle", path))
	run(t, clone, nil, "fsck", "--strict", "--no-dangling", base.Commit)
	run(t, clone, nil, "ls-tree", "-r", base.Commit)
	return base, refs
}

func TestWhereWorkStarts(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	next := func(message string) string {
		return commit(t, s.lab, made{parents: []string{s.main}, message: message}, file("new.txt", message))
	}
	feature, fork, thread, other := next("feature"), next("fork"), next("thread"), next("other")
	s.branch(t, "feature", feature)
	s.ref(t, "refs/pull/7/head", feature)
	s.ref(t, "refs/pull/8/head", fork)
	s.branch(t, "twin-1", other)
	s.branch(t, "twin-2", other)
	s.ref(t, "refs/pull/9/head", other)
	s.branch(t, "devs/10-abcdefghijkl", thread)
	s.ref(t, "refs/pull/10/head", thread)
	s.ref(t, "refs/tags/feature", other) // no branch, whatever its name
	on := func(pull bool, number int, branch string) messages.Task {
		task := s.issue()
		task.Thread.PullRequest, task.Thread.Number, task.Branch = pull, number, branch
		return task
	}
	for name, c := range map[string]struct {
		task messages.Task
		want messages.Base
	}{
		"an issue":                        {on(false, 7, "devs/7-x"), messages.Base{Ref: "refs/heads/main", Commit: s.main, Target: "main"}},
		"an issue with a branch":          {on(false, 10, "devs/10-abcdefghijkl"), messages.Base{Ref: "refs/heads/devs/10-abcdefghijkl", Commit: thread, Target: "main"}},
		"a branch's pull request":         {on(true, 7, "devs/7-x"), messages.Base{Ref: "refs/pull/7/head", Commit: feature, Target: "feature"}},
		"a fork's pull request":           {on(true, 8, "devs/8-x"), messages.Base{Ref: "refs/pull/8/head", Commit: fork, Target: "main"}},
		"one that could be of two":        {on(true, 9, "devs/9-x"), messages.Base{Ref: "refs/pull/9/head", Commit: other, Target: "main"}},
		"the thread's own pull request":   {on(true, 10, "devs/10-abcdefghijkl"), messages.Base{Ref: "refs/heads/devs/10-abcdefghijkl", Commit: thread, Target: "main"}},
		"a pull request that is not here": {on(true, 11, "devs/11-x"), messages.Base{Ref: "refs/heads/main", Commit: s.main, Target: "main"}},
	} {
		t.Run(name, func(t *testing.T) {
			base, refs := s.take(t, c.task)
			if base != c.want {
				t.Errorf("%+v, want %+v", base, c.want)
			}
			if refs != base.Commit+" "+base.Ref {
				t.Errorf("the bundle has %q", refs)
			}
		})
	}
}

func TestDefaultBranchIsTheServers(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	second := commit(t, s.lab, made{parents: []string{s.main}}, file("x", "y"))
	s.branch(t, "trunk/next", second)
	run(t, s.bare("octo/hello"), nil, "symbolic-ref", "HEAD", "refs/heads/trunk/next")
	if base, _ := s.take(t, s.issue()); base.Target != "trunk/next" || base.Commit != second {
		t.Errorf("%+v", base)
	}
}

func TestWhyNothingCanStart(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	bundle := func(task messages.Task) error {
		path := filepath.Join(t.TempDir(), "b")
		base, err := s.git.Bundle(t.Context(), task, path)
		if err == nil || base != (messages.Base{}) || exists(path) || exists(path+".new") {
			t.Errorf("%+v %v", base, err)
		}
		s.tidy(t)
		return err
	}
	for _, name := range []string{"octo/empty", "octo/headless"} {
		run(t, "", nil, "init", "--quiet", "--bare", "--template=", "--initial-branch=main", s.bare(name))
	}
	s.repo.Name = "headless"
	s.ref(t, "refs/heads/side", commit(t, s.lab, made{}, file("a", "b")))
	if r := refused(t, bundle(s.issue()), "default branch has no commit"); r.Ending != messages.EndCloneFailed {
		t.Errorf("%+v", r)
	}
	s.repo.Name = "empty"
	if r := refused(t, bundle(s.issue()), "The repository is empty"); r.Ending != messages.EndCloneFailed {
		t.Errorf("%+v", r)
	}
	s.repo.Name = "gone"
	if r := refused(t, bundle(s.issue()), "it is not there"); r.Ending != messages.EndCloneFailed {
		t.Errorf("%+v", r)
	}
	for _, name := range []string{"..", ".", "a/b", "", "a b", "x\n", "-\u00e9"} {
		s.repo.Name = name
		refused(t, bundle(s.issue()), "The repository's name")
	}
	s.repo.Name, s.repo.Owner = "hello", "--upload-pack=x"
	refused(t, bundle(s.issue()), "The repository's name")
}

func TestServerThatDoesNotServe(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	bundle := func() error {
		_, err := s.git.Bundle(t.Context(), s.issue(), filepath.Join(t.TempDir(), "b"))
		s.tidy(t)
		return err
	}
	for _, c := range []struct {
		prefix string
		status int
		words  string
	}{
		{"GET ", http.StatusUnauthorized, "refuses the token"},
		{"GET ", http.StatusForbidden, "refuses the token"},
		{"GET ", http.StatusInternalServerError, "500"},
		{"POST ", http.StatusBadGateway, "502"}, // of the listing, where git's second request comes
		{"GET ", http.StatusFound, "git ls-remote"},
	} {
		s.answer(c.prefix, c.status)
		if l := later(t, bundle(), c.words); l.Ending != messages.EndCloneFailed || l.After != 0 {
			t.Errorf("%+v", l)
		}
	}
	s.intercept(func(w http.ResponseWriter, _ *http.Request) bool {
		w.Header().Set("Retry-After", "90")
		http.Error(w, "slower", http.StatusTooManyRequests)
		return true
	})
	if l := later(t, bundle(), "429"); l.After != 90*time.Second {
		t.Errorf("%+v", l)
	}
	s.intercept(nil)
	s.git.opts.Token = func(context.Context, messages.Repo) (string, error) { return "ghs_wrong", nil }
	later(t, bundle(), "refuses the token")
	none := errors.New("no token today")
	s.git.opts.Token = func(context.Context, messages.Repo) (string, error) { return "", none }
	if err := bundle(); !errors.Is(err, none) {
		t.Error(err)
	}
	s.git.opts.Token = s.opts.Token
	s.Close()
	later(t, bundle(), "does not answer")
}

func TestBundleThatCannotBeWritten(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.take(t, s.issue())
	path := filepath.Join(t.TempDir(), "b")
	write(t, path, "an older one")
	err := s.git.writeBundle(t.Context(), filepath.Join(s.opts.Dir, "42.git"), messages.Base{Ref: "refs/heads/main", Commit: strings.Repeat("1", 40)}, path)
	if text, _ := os.ReadFile(path); err == nil || string(text) != "an older one" || len(names(t, filepath.Dir(path))) != 1 {
		t.Errorf("%v %q %q", err, text, names(t, filepath.Dir(path)))
	}
	if _, err := s.git.Bundle(t.Context(), s.issue(), filepath.Join(path, "x")); !errors.Is(err, syscall.ENOTDIR) {
		t.Error(err)
	}
}

// What Bundle gives must survive being stored.
func TestBaseIsStorable(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	base, _ := s.take(t, s.issue())
	text, err := json.Marshal(base)
	if err != nil {
		t.Fatal(err)
	}
	var again messages.Base
	if err := json.Unmarshal(text, &again); err != nil || again != base {
		t.Error(again, err)
	}
}
