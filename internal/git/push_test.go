package git

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"devs-webhook/messages"
)

// isMerge says whether a commit of the server has these parents.
func (s *site) isMerge(t *testing.T, commit string, parents ...string) bool {
	t.Helper()
	out := run(t, s.bare("octo/hello"), nil, "rev-list", "--parents", "--max-count=1", commit)
	return strings.TrimSpace(out) == strings.Join(append([]string{commit}, parents...), " ")
}

func TestPush(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	base, _ := s.take(t, s.issue())
	tip, bundle := s.work(t, file("README.md", "hello\nyou\n"), gone("a/b/c.txt"), file("new \"\tname", "1\n2\n"), file("bin", "\x00\x01"))
	want := messages.Published{Branch: s.issue().Branch, Files: 4, Added: 3, Deleted: 3}
	if got := s.push(t, s.issue(), bundle); got != want || s.at(t, want.Branch) != tip {
		t.Errorf("%+v, the branch is at %s", got, s.at(t, want.Branch))
	}
	pushed := s.requests("git-receive-pack")
	for range 2 { // a repeat finds it, also a new mirror's
		if got := s.push(t, s.issue(), bundle); got != want {
			t.Errorf("%+v", got)
		}
		s.git = New(s.opts)
		s.git.opts.Dir = t.TempDir()
	}
	if again := s.requests("git-receive-pack"); again != pushed || pushed == 0 {
		t.Errorf("%d pushes, then %d", pushed, again)
	}
	if !exists(bundle) || base != s.base {
		t.Error("the work was removed")
	}
}

// The bundle of a real runner is one that git itself makes.
func TestPushWhatGitBundles(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	tip, _ := s.work(t, file("x", "y"))
	for _, version := range []string{"2", "3"} {
		bundle := filepath.Join(t.TempDir(), "work.bundle")
		run(t, s.lab, nil, "update-ref", "refs/heads/work", tip)
		run(t, s.lab, nil, "bundle", "create", "--quiet", "--version="+version, bundle, s.main+"..refs/heads/work")
		if got := s.push(t, s.issue(), bundle); got.Files != 1 || s.at(t, got.Branch) != tip {
			t.Errorf("%+v", got)
		}
	}
}

func TestFollowUp(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	first, bundle := s.work(t, file("x", "1"))
	s.push(t, s.issue(), bundle)
	base, _ := s.take(t, s.issue())
	second := commit(t, s.lab, made{parents: []string{first}}, file("x", "2"))
	s.main, s.base = first, base
	got := s.push(t, s.issue(), s.bundle(t, second))
	if want := (messages.Published{Branch: s.issue().Branch, Files: 1, Added: 1, Deleted: 1}); got != want || s.at(t, got.Branch) != second {
		t.Errorf("%+v", got)
	}
}

// The branch has moved: what fits is merged, once, and what does not goes beside it.
func TestBranchThatHasMoved(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	task := s.issue()
	moved := commit(t, s.lab, made{parents: []string{s.main}, message: "Theirs\n"}, file("theirs", "1"))
	s.branch(t, task.Branch, moved)
	tip, bundle := s.work(t, file("ours", "1"))
	first := s.push(t, task, bundle)
	merge := s.at(t, task.Branch)
	if first.Beside || first.Files != 1 || !s.isMerge(t, merge, moved, tip) {
		t.Errorf("%+v", first)
	}
	further := commit(t, s.bare("octo/hello"), made{parents: []string{merge}}, file("later", "1"))
	s.branch(t, task.Branch, further)
	if got := s.push(t, task, bundle); got != first || s.at(t, task.Branch) != further {
		t.Errorf("repeated: %+v, the branch is at %s", got, s.at(t, task.Branch))
	}
}

func TestWorkThatConflictsGoesBeside(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	task := s.issue()
	moved := commit(t, s.lab, made{parents: []string{s.main}}, file("README.md", "theirs\n"))
	alien := commit(t, s.lab, made{message: "Another beginning\n"}, file("theirs", "1"))
	s.branch(t, task.Branch, moved)
	s.branch(t, task.Branch+"-2", alien)
	tip, bundle := s.work(t, file("README.md", "ours\n"))
	for range 2 {
		got := s.push(t, task, bundle)
		if want := (messages.Published{Branch: task.Branch + "-3", Beside: true, Files: 1, Added: 1, Deleted: 1}); got != want || s.at(t, got.Branch) != tip {
			t.Errorf("%+v", got)
		}
	}
	if s.at(t, task.Branch) != moved || s.at(t, task.Branch+"-2") != alien || s.at(t, task.Branch+"-4") != "" {
		t.Error("something else was moved")
	}
	for _, n := range []string{"-3", "-4", "-5", "-6", "-7", "-8", "-9"} {
		s.branch(t, task.Branch+n, alien)
	}
	_, err := s.git.Push(t.Context(), task, s.base, bundle)
	refused(t, err, "have moved, and the work does not fit")
	s.tidy(t)
}

// The branch moves between the look and the push. The work goes on top, and not beside.
func TestBranchThatMovesMeanwhile(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	task := s.issue()
	tip, bundle := s.work(t, file("ours", "1"))
	moved := commit(t, s.lab, made{parents: []string{s.main}}, file("theirs", "1"))
	s.intercept(func(_ http.ResponseWriter, r *http.Request) bool {
		if strings.Contains(r.URL.RawQuery, "receive-pack") && s.at(t, task.Branch) == "" {
			s.branch(t, task.Branch, moved) // before the server tells what it has
		}
		return false
	})
	if got := s.push(t, task, bundle); got.Beside || !s.isMerge(t, s.at(t, task.Branch), moved, tip) {
		t.Errorf("%+v", got)
	}
}

// The branch moves while the push is under way, so that the server itself refuses it.
func TestBranchThatMovesUnderThePush(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	task := s.issue()
	tip, bundle := s.work(t, file("ours", "1"))
	moved := commit(t, s.lab, made{parents: []string{s.main}}, file("theirs", "1"))
	s.intercept(func(_ http.ResponseWriter, r *http.Request) bool {
		if r.Method == http.MethodPost && strings.HasSuffix(r.URL.Path, "git-receive-pack") && s.at(t, task.Branch) == "" {
			s.branch(t, task.Branch, moved)
		}
		return false
	})
	if got := s.push(t, task, bundle); got.Beside || !s.isMerge(t, s.at(t, task.Branch), moved, tip) {
		t.Errorf("%+v", got)
	}
}

// A no of the server is told in its own words, made fit for a sentence, and the work stays.
func TestPushThatTheServerRefuses(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.hook(t, `echo "error: GH006: Protected branch update failed for $1." >&2; exit 1`)
	_, bundle := s.work(t, file("ours", "1"))
	_, err := s.git.Push(t.Context(), s.issue(), s.base, bundle)
	r := refused(t, err, "GitHub refused the push: hook declined.")
	if !strings.Contains(r.Err.Error(), "GH006") || r.Ending != messages.EndInternal || !exists(bundle) || s.at(t, s.issue().Branch) != "" {
		t.Errorf("%+v", r)
	}
	s.tidy(t)
}

func TestRemoteWords(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		" (protected branch hook declined)":              "protected branch hook declined",
		" (refusing to allow (this) for `a`.)":           "refusing to allow (this) for `a`",
		" (a\x1b[31mred\x07\u202e\xff\tword)":            "a[31mredword",
		" ":                                              "",
		" (" + strings.Repeat("x", 500) + ")":            strings.Repeat("x", 300),
		" (" + strings.Repeat("\u00e9", 150) + "\u00e9)": strings.Repeat("\u00e9", 150),
		" (x" + strings.Repeat("\u00e9", 200) + ")":      "x" + strings.Repeat("\u00e9", 149),
	} {
		if got := remoteWords(in); got != want || !utf8.ValidString(got) {
			t.Errorf("%q, want %q", got, want)
		}
	}
}

func TestTokenThatMayNotPush(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	_, bundle := s.work(t, file("ours", "1"))
	push := func() error {
		_, err := s.git.Push(t.Context(), s.issue(), s.base, bundle)
		s.tidy(t)
		return err
	}
	s.answer("GET /octo/hello.git/info/refs?service=git-receive-pack", http.StatusForbidden)
	if r := refused(t, push(), "may not push"); r.Ending != messages.EndInternal {
		t.Errorf("%+v", r)
	}
	s.answer("GET /octo/hello.git/info/refs?service=git-receive-pack", http.StatusNotFound)
	refused(t, push(), "may not push")
	s.answer("GET /octo/hello.git/info/refs?service=git-receive-pack", http.StatusUnauthorized)
	later(t, push(), "refuses the token")
	s.answer("GET", http.StatusUnauthorized) // it has run out, and says nothing about the right to push
	if l := later(t, push(), "refuses the token"); l.Ending != "" {
		t.Errorf("%+v", l)
	}
	s.intercept(nil)
	if got := s.push(t, s.issue(), bundle); got.Files != 1 {
		t.Errorf("%+v", got)
	}
}

// TestPushWithoutAnAnswer: whether it was applied is not known, and a repeat finds out.
func TestPushWithoutAnAnswer(t *testing.T) {
	t.Parallel()
	for name, lose := range map[string]func(s *site, w http.ResponseWriter, r *http.Request){
		"502 before": func(_ *site, w http.ResponseWriter, _ *http.Request) { http.Error(w, "no", http.StatusBadGateway) },
		"502 after": func(s *site, w http.ResponseWriter, r *http.Request) {
			s.backend.ServeHTTP(httptest.NewRecorder(), r)
			http.Error(w, "no", http.StatusBadGateway)
		},
		"cut after": func(s *site, _ http.ResponseWriter, r *http.Request) {
			s.backend.ServeHTTP(httptest.NewRecorder(), r)
			panic(http.ErrAbortHandler)
		},
		"report lost": func(s *site, w http.ResponseWriter, r *http.Request) {
			s.backend.ServeHTTP(httptest.NewRecorder(), r)
			w.Header().Set("Content-Type", "application/x-git-receive-pack-result")
			_, _ = io.WriteString(w, "0000")
		},
		"report without the branch": func(_ *site, w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "application/x-git-receive-pack-result")
			_, _ = io.WriteString(w, "0017\x01000eunpack ok\n00000000") // the first four zeros are of the report
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newSite(t)
			tip, bundle := s.work(t, file("ours", "1"))
			s.intercept(func(w http.ResponseWriter, r *http.Request) bool {
				hit := r.Method == http.MethodPost && strings.HasSuffix(r.URL.Path, "git-receive-pack")
				if hit {
					lose(s, w, r)
				}
				return hit
			})
			_, err := s.git.Push(t.Context(), s.issue(), s.base, bundle)
			var ambiguous *messages.AmbiguousError
			if !errors.As(err, &ambiguous) || strings.Contains(err.Error(), token) {
				t.Fatalf("%T %v", err, err)
			}
			s.tidy(t)
			s.intercept(nil)
			if got := s.push(t, s.issue(), bundle); got.Beside || s.at(t, got.Branch) != tip {
				t.Errorf("%+v", got)
			}
		})
	}
}

// A push that is ended from outside has not been refused by anybody, wherever it is at that moment.
func TestPushThatIsStopped(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	_, bundle := s.work(t, file("ours", "1"))
	s.take(t, s.issue())
	ctx, cancel := context.WithCancel(t.Context())
	s.intercept(func(_ http.ResponseWriter, r *http.Request) bool {
		if r.Method == http.MethodPost && strings.HasSuffix(r.URL.Path, "git-receive-pack") {
			peek(r) // or the end of the request would not be noticed
			cancel()
			<-r.Context().Done()
			return true
		}
		return false
	})
	_, err := s.git.Push(ctx, s.issue(), s.base, bundle)
	stopped(t, err, context.Canceled)
	s.intercept(nil)
	// A deadline that passes anywhere on the way.
	for within := time.Microsecond; ; within = within * 3 / 2 {
		ctx, cancel := context.WithTimeout(t.Context(), within)
		_, err := s.git.Push(ctx, s.issue(), s.base, bundle)
		cancel()
		s.tidy(t)
		if err == nil {
			break
		}
		stopped(t, err, context.DeadlineExceeded)
	}
}

func stopped(t *testing.T, err, cause error) {
	t.Helper()
	var r *messages.RefusedError
	var l *messages.LaterError
	var a *messages.AmbiguousError
	if !errors.Is(err, cause) || errors.As(err, &r) || errors.As(err, &l) || errors.As(err, &a) {
		t.Errorf("%T %v, want %v", err, err, cause)
	}
}

func TestBranchNamesThatGitDoesNotAllow(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	_, bundle := s.work(t, file("ours", "1"))
	for _, name := range []string{"", "a..b", "x.lock", "a b", "a:b", "/", "a\nb", "@{u}", "~", "\x1b"} {
		task := s.issue()
		task.Branch = name
		_, err := s.git.Push(t.Context(), task, s.base, bundle)
		r := refused(t, err, "a name that git does not allow")
		if strings.ContainsAny(r.Why, "\n\x1b") {
			t.Errorf("%q", r.Why)
		}
	}
	task := s.issue()
	task.Branch = "-f"
	if got := s.push(t, task, bundle); s.at(t, got.Branch) == "" {
		t.Errorf("%+v", got)
	}
}

func TestBaseThatIsGone(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	_, bundle := s.work(t, file("ours", "1"))
	push := func(commit string) error {
		_, err := s.git.Push(t.Context(), s.issue(), messages.Base{Commit: commit}, bundle)
		s.tidy(t)
		return err
	}
	refused(t, push(""), "not recorded")
	refused(t, push("--all"), "not recorded")
	refused(t, push(strings.Repeat("1", 40)), "no longer in the repository")
	s.answer("GET", http.StatusInternalServerError)
	later(t, push(strings.Repeat("1", 40)), "500")
	s.answer("GET", http.StatusNotFound)
	s.git.opts.Dir = t.TempDir() // with the mirror lost as well
	refused(t, push(s.main), "it is not there")
}

// A large file of short lines is pushed, and its lines are not counted.
func TestLargeText(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	tip, bundle := s.work(t, file("long", strings.Repeat("\n", 64<<20)), file("short", "x\n"))
	want := messages.Published{Branch: s.issue().Branch, Files: 2, Added: 1}
	if got := s.push(t, s.issue(), bundle); got != want || s.at(t, got.Branch) != tip {
		t.Errorf("%+v", got)
	}
	text, err := s.git.Diff(t.Context(), s.issue(), s.base, bundle, 1000)
	if err != nil || !strings.Contains(text, "Binary files /dev/null and b/long differ") || !strings.Contains(text, "+x\n") {
		t.Errorf("%q %v", text, err)
	}
}
