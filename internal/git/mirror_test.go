package git

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"

	"devs-webhook/messages"
)

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
	tip, bundle := s.work(t, file("x", "y"))
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
	if got := s.push(t, s.issue(), bundle); got.Files != 1 {
		t.Errorf("%+v", got)
	}
	s.git.opts.Dir = t.TempDir() // and with the mirror lost
	if _, err := s.git.Push(t.Context(), s.issue(), s.base, bundle); err != nil {
		t.Error(err)
	}
	s.git.opts.Dir = s.opts.Dir
	s.intercept(nil)
	task := s.issue()
	task.Repo.Owner, task.Repo.Name = "new-owner", "bye"
	if base, _ := s.take(t, task); base.Commit != tip {
		t.Errorf("%+v", base)
	}
	if got := names(t, s.opts.Dir); len(got) != 1 || got[0] != "42.git" {
		t.Errorf("mirrors: %q", got)
	}
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
	_, err := s.git.Bundle(ctx, s.issue(), path)
	stopped(t, err, context.Canceled)
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
	if text, err := os.ReadFile(path); err != nil || strings.Contains(string(text), "xxx") {
		t.Errorf("half a bundle is in the new one: %v", err)
	}
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

func TestAddressesThatAServerLeadsTo(t *testing.T) {
	t.Parallel()
	g := New(Options{ServerURL: "https://git.example/base/"})
	from := messages.Repo{ID: 42, Owner: "octo", Name: "hello"}
	for address, want := range map[string]string{
		"https://git.example/base/new/name.git/info/refs?service=git-upload-pack": "new/name",
		"https://git.example/base/new/name/info/refs":                             "new/name",
		"https://git.example/base/new/name.git":                                   "/",
		"https://git.example.org/base/new/name.git/info/refs":                     "/",
		"https://git.example/base.org/new/name.git/info/refs":                     "/",
		"http://git.example/base/new/name.git/info/refs":                          "/",
		"https://git.example/new/name.git/info/refs":                              "/",
		"https://git.example/base/a/b/c.git/info/refs":                            "/",
		"https://git.example/base/../x/y.git/info/refs":                           "/",
		"https://git.example/base/new/...git/info/refs":                           "/",
		"https://git.example/base/new/name.git/info/refs#x":                       "/",
		"https://me@git.example/base/new/name.git/info/refs":                      "/",
		"/base/new/name.git/info/refs":                                            "/",
		"":                                                                        "/",
	} {
		if got := g.named(from, address); got.FullName() != want || want != "/" && got.ID != 42 {
			t.Errorf("%s: %+v", address, got)
		}
	}
}
