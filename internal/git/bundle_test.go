package git

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
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

// A mirror outlives what the server does to its branches: moves, rewrites, and names that cannot stand
// beside older ones.
func TestMirrorFollowsTheServer(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	task := s.issue()
	task.Branch = "devs"
	s.branch(t, "devs", s.main)
	s.take(t, task)
	rewritten := commit(t, s.lab, made{message: "All new\n"}, file("z", "z"))
	s.branch(t, "devs", rewritten)
	if base, _ := s.take(t, task); base.Commit != rewritten {
		t.Errorf("%+v, want %s", base, rewritten)
	}
	run(t, s.bare("octo/hello"), nil, "update-ref", "-d", "refs/heads/devs")
	s.branch(t, "devs/7", s.main)
	task.Branch = "devs/7"
	if base, _ := s.take(t, task); base.Commit != s.main {
		t.Errorf("%+v, want %s", base, s.main)
	}
}

func TestRenamedRepositoryKeepsItsMirror(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.take(t, s.issue())
	if err := errors.Join(os.Mkdir(filepath.Join(s.dir, "new-owner"), 0o700), os.Rename(s.bare("octo/hello"), s.bare("new-owner/bye"))); err != nil {
		t.Fatal(err)
	}
	// The old name leads to the new one, as at GitHub; and the next delivery has the new one.
	s.intercept(func(w http.ResponseWriter, r *http.Request) bool {
		tail, old := strings.CutPrefix(r.URL.RequestURI(), "/octo/hello.git/")
		if old {
			http.Redirect(w, r, "/new-owner/bye.git/"+tail, http.StatusMovedPermanently)
		}
		return old
	})
	if base, _ := s.take(t, s.issue()); base.Commit != s.main {
		t.Errorf("%+v", base)
	}
	s.intercept(nil)
	task := s.issue()
	task.Repo.Owner, task.Repo.Name = "new-owner", "bye"
	if base, _ := s.take(t, task); base.Commit != s.main {
		t.Errorf("%+v", base)
	}
	if got := names(t, s.opts.Dir); len(got) != 1 || got[0] != "42.git" {
		t.Errorf("mirrors: %q", got)
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

// A server that cuts the pack short, or sends something else, costs a try and no more.
func TestFetchThatEndsEarly(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.intercept(func(w http.ResponseWriter, r *http.Request) bool {
		if r.Method != http.MethodPost || !sayFetch(r) {
			return false
		}
		_, _ = w.Write([]byte("000dpackfile\n0010\x01PACK\x00\x00\x00"))
		panic(http.ErrAbortHandler)
	})
	_, err := s.git.Bundle(t.Context(), s.issue(), filepath.Join(t.TempDir(), "b"))
	later(t, err, "fetch octo/hello")
	s.intercept(nil)
	s.take(t, s.issue())
}

// sayFetch says whether a request asks for a pack, not for a list, and leaves it readable.
func sayFetch(r *http.Request) bool {
	body := peek(r)
	return strings.Contains(body, "command=fetch")
}

// TestKillInAFetch ends the service's git at the worst moment, and what is left must not stand in the way.
func TestKillInAFetch(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	var files []string
	for i := range 150 { // git keeps a pack of so many objects as a pack
		files = append(files, file("big/"+strconv.Itoa(i), noise(i, 2000)))
	}
	big := commit(t, s.lab, made{parents: []string{s.main}}, files...)
	s.branch(t, "main", big)
	ctx, kill := context.WithCancel(t.Context())
	defer kill()
	s.intercept(func(w http.ResponseWriter, r *http.Request) bool {
		if r.Method != http.MethodPost || !sayFetch(r) {
			return false
		}
		rec := httptest.NewRecorder()
		s.backend.ServeHTTP(rec, r)
		w.Header().Set("Content-Type", rec.Header().Get("Content-Type"))
		_, _ = w.Write(rec.Body.Bytes()[:rec.Body.Len()/2])
		_ = http.NewResponseController(w).Flush()
		s.waitFor(t, func() bool { return len(unfinished(t, s.opts.Dir)) > 0 })
		kill()
		<-r.Context().Done()
		return true
	})
	path := filepath.Join(t.TempDir(), "b")
	if _, err := s.git.Bundle(ctx, s.issue(), path); !errors.Is(err, context.Canceled) {
		t.Fatal(err)
	}
	if len(unfinished(t, s.opts.Dir)) == 0 {
		t.Error("no unfinished pack was left: the kill came too late")
	}
	s.intercept(nil)
	if base, _ := s.take(t, s.issue()); base.Commit != big {
		t.Errorf("%+v", base)
	}
	if left := unfinished(t, s.opts.Dir); len(left) > 0 {
		t.Errorf("left: %q", left)
	}
}

// unfinished lists the packs that were not finished.
func unfinished(t *testing.T, dir string) []string {
	t.Helper()
	list, err := filepath.Glob(filepath.Join(dir, "*", "objects", "pack", "tmp_*"))
	if err != nil {
		t.Error(err)
	}
	return list
}

// TestLeftoversOfAKill: every lock that git knows, a ref that was never written out, half a mirror, half a
// bundle.
func TestLeftoversOfAKill(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.take(t, s.issue())
	mirror := filepath.Join(s.opts.Dir, "42.git")
	ref := filepath.Join(mirror, mirrored("refs/heads/main"))
	for _, name := range []string{"HEAD.lock", "config.lock", "shallow.lock", "packed-refs.lock", "refs/remote/x.lock"} {
		write(t, filepath.Join(mirror, name), "")
	}
	write(t, ref+".lock", s.main)
	for _, broken := range []string{"", "\x00\x00\x00", s.main[:20]} {
		write(t, ref, broken)
		if base, _ := s.take(t, s.issue()); base.Commit != s.main {
			t.Errorf("%q: %+v", broken, base)
		}
	}
	if exists(ref + ".lock") {
		t.Error("a lock stayed")
	}
	path := filepath.Join(t.TempDir(), "b")
	write(t, path+".new", strings.Repeat("x", 1<<20))
	if _, err := s.git.Bundle(t.Context(), s.issue(), path); err != nil {
		t.Error(err)
	}
	run(t, s.lab, nil, "bundle", "verify", path)
	for _, half := range []string{"HEAD", "objects", "refs"} { // in the order in which git init may have been killed
		if err := os.RemoveAll(mirror); err != nil {
			t.Fatal(err)
		}
		write(t, filepath.Join(mirror, map[string]string{"HEAD": "config", "objects": "description", "refs": "refs/heads/x"}[half]), "")
		if base, _ := s.take(t, s.issue()); base.Commit != s.main {
			t.Errorf("%+v", base)
		}
	}
}

func TestTwoAtOnce(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.repo.ID = 43
	other := s.issue()
	s.repo.ID = 42
	task := s.issue()
	var wg sync.WaitGroup
	for i := range 6 {
		wg.Go(func() {
			path := filepath.Join(t.TempDir(), "b")
			base, err := s.git.Bundle(t.Context(), []messages.Task{task, task, other}[i%3], path)
			if err != nil || base.Commit != s.main || !exists(path) {
				t.Error(base, err)
			}
		})
	}
	wg.Wait()
	if got := names(t, s.opts.Dir); len(got) != 2 {
		t.Errorf("mirrors: %q", got)
	}
}

// Whoever waits for a repository that another has can still be told to stop, and other repositories do
// not wait.
func TestWaitingEndsWithTheContext(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	unlock, err := s.git.lock(t.Context(), 42)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := s.git.Bundle(ctx, s.issue(), filepath.Join(t.TempDir(), "b")); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	if _, err := s.git.Push(ctx, s.issue(), s.base, "none"); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	if _, err := s.git.Diff(ctx, s.issue(), s.base, "none", 1); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	free, err := s.git.lock(t.Context(), 43)
	if err != nil {
		t.Fatal(err)
	}
	free()
	unlock()
	s.take(t, s.issue())
}

// A Dir that is relative is one of the program, not of git, which runs elsewhere.
func TestRelativeDir(t *testing.T) {
	s := newSite(t, func(o *Options) { o.Dir = "repos" })
	t.Chdir(t.TempDir())
	if _, err := s.git.Bundle(t.Context(), s.issue(), "b"); err != nil || !exists("repos/42.git/HEAD") || !exists("b") {
		t.Error(err)
	}
	tip, bundle := s.work(t, file("x", "y"))
	if s.push(t, s.issue(), bundle); s.at(t, s.issue().Branch) != tip {
		t.Error("not pushed")
	}
	if abs, err := filepath.Abs("repos"); err != nil || len(names(t, abs)) != 1 {
		t.Error(names(t, abs), err)
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
