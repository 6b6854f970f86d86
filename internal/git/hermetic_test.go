package git

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"devs-webhook/messages"
)

// spied puts a git first on PATH that writes down its arguments and environment, and then does its work.
func spied(t *testing.T) (args, env func() string) {
	t.Helper()
	real, err := exec.LookPath("git")
	if err != nil {
		t.Fatal(err)
	}
	dir, notes := t.TempDir(), t.TempDir()
	script := fmt.Sprintf("#!/bin/sh\n{ for a; do printf '[%%s] ' \"$a\"; done; echo; } >>%[1]s/args\nenv >>%[1]s/env\nexec %[2]s \"$@\"\n", notes, real)
	write(t, filepath.Join(dir, "git"), script)
	if err := os.Chmod(filepath.Join(dir, "git"), 0o700); err != nil {
		t.Fatal(err)
	}
	t.Setenv("PATH", dir+string(os.PathListSeparator)+os.Getenv("PATH"))
	read := func(name string) func() string {
		return func() string {
			text, err := os.ReadFile(filepath.Join(notes, name))
			if err != nil {
				t.Fatal(err)
			}
			return string(text)
		}
	}
	return read("args"), read("env")
}

// hasSecret says whether a text holds the token in any form in which git handles it.
func hasSecret(text string) bool {
	return strings.Contains(text, token) || strings.Contains(text, base64.StdEncoding.EncodeToString([]byte("x-access-token:"+token))) ||
		strings.Contains(text, base64.StdEncoding.EncodeToString([]byte(token)))
}

// commandLines are those of every process that is running now, git's helpers among them.
func commandLines(t *testing.T) string {
	t.Helper()
	var all strings.Builder
	list, err := filepath.Glob("/proc/[0-9]*/cmdline")
	if err != nil {
		t.Error(err)
	}
	for _, path := range list {
		line, err := os.ReadFile(path)
		if err != nil {
			continue // it has ended
		}
		all.WriteString(strings.ReplaceAll(string(line), "\x00", " ") + "\n")
	}
	return all.String()
}

// secretFiles are the files below a directory that hold the token.
func secretFiles(t *testing.T, dir string) (list []string) {
	t.Helper()
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			if errors.Is(err, fs.ErrNotExist) {
				err = nil // git has just removed it
			}
			return err
		}
		if text, err := os.ReadFile(path); err == nil && hasSecret(string(text)) {
			list = append(list, path)
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
	return list
}

// everything does all that a Git can do, faults included, and gives the errors.
func (s *site) everything(t *testing.T) (errs []error) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "b")
	try := func(task messages.Task, bundle string) {
		_, err := s.git.Bundle(t.Context(), task, path)
		errs = append(errs, err)
		_, err = s.git.Push(t.Context(), task, s.base, bundle)
		errs = append(errs, err)
		_, err = s.git.Diff(t.Context(), task, s.base, bundle, 1000)
		errs = append(errs, err)
	}
	_, good := s.work(t, file("x", "y"))
	_, bad := s.work(t, file(".github/workflows/ci.yml", "y"))
	try(s.issue(), good)
	try(s.issue(), bad)
	moved := commit(t, s.lab, made{parents: []string{s.main}}, file("z", "z"))
	s.branch(t, s.issue().Branch, moved)
	try(s.issue(), good)
	gone := s.issue()
	gone.Repo.Name, gone.Repo.ID = "gone", 43
	try(gone, good)
	s.hook(t, "echo no >&2; exit 1")
	task := s.issue()
	task.Branch = "devs/8"
	try(task, good)
	return errs
}

func TestTokenIsNowhereToBeSeen(t *testing.T) {
	args, env := spied(t)
	s := newSite(t)
	var seen sync.Map // what was seen during a request, when git and its helpers are at work
	s.intercept(func(_ http.ResponseWriter, r *http.Request) bool {
		if lines := commandLines(t); hasSecret(lines) {
			seen.Store("a command line", lines)
		} else if !strings.Contains(lines, "remote-http") && !strings.Contains(r.UserAgent(), "Go-http-client") {
			seen.Store("no helper of git's was there to be looked at", "")
		}
		if files := secretFiles(t, s.opts.Dir); len(files) > 0 {
			seen.Store("files", strings.Join(files, " "))
		}
		return false
	})
	errs := s.everything(t)
	s.answer("", http.StatusUnauthorized)
	errs = append(errs, s.everything(t)...)
	s.answer("", http.StatusBadGateway)
	errs = append(errs, s.everything(t)...)
	seen.Range(func(what, where any) bool { t.Errorf("seen: %s %s", what, where); return true })
	failed := 0
	for _, err := range errs {
		if err == nil {
			continue
		}
		failed++
		if hasSecret(err.Error()) || hasSecret(fmt.Sprintf("%+v %#v", err, err)) {
			t.Errorf("an error says %v", err)
		}
	}
	if hasSecret(args()) {
		t.Error("an argument of git holds the token")
	}
	if !hasSecret(env()) || failed < 10 || !strings.Contains(args(), "[push]") || !strings.Contains(args(), "[fetch]") {
		t.Errorf("the spy saw too little: %d errors", failed)
	}
	if files := secretFiles(t, s.opts.Dir); len(files) > 0 {
		t.Errorf("files: %q", files)
	}
}

// What git prints of a token, if it ever does, is taken out, and so is the place of the state directory.
func TestScrub(t *testing.T) {
	t.Parallel()
	g := New(Options{Dir: "/var/lib/service/repos"})
	in := "fatal: http://x-access-token:" + token + "@h/: '" + basic(token) + "' in /var/lib/service/repos/42.git"
	if got := g.scrub(in, token); got != "fatal: http://x-access-token:[redacted]@h/: '[redacted]' in /42.git" {
		t.Error(got)
	}
	if got := g.scrub("plain", ""); got != "plain" {
		t.Error(got)
	}
}

// TestTokenStaysWithItsServer: an address that leads elsewhere is given no token.
func TestTokenStaysWithItsServer(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	var mu sync.Mutex
	var got []string
	elsewhere := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		got = append(got, r.Method+" "+r.URL.RequestURI()+" "+r.Header.Get("Authorization"))
		mu.Unlock()
		s.backend.ServeHTTP(w, r) // it serves without a token, to see the whole exchange
	}))
	t.Cleanup(elsewhere.Close)
	s.intercept(func(w http.ResponseWriter, r *http.Request) bool {
		http.Redirect(w, r, strings.Replace(elsewhere.URL, "127.0.0.1", "localhost", 1)+r.URL.RequestURI(), http.StatusMovedPermanently)
		return true
	})
	_, _ = s.git.Bundle(t.Context(), s.issue(), filepath.Join(t.TempDir(), "b"))
	_, bundle := s.work(t, file("x", "y"))
	_, _ = s.git.Push(t.Context(), s.issue(), s.base, bundle)
	mu.Lock()
	defer mu.Unlock()
	for _, line := range got {
		if strings.Contains(line, "Basic") {
			t.Errorf("elsewhere: %s", line)
		}
	}
}

// TestMachineHasNoSay: a configuration, hooks, programs and variables that would show if git obeyed them.
func TestMachineHasNoSay(t *testing.T) {
	_, env := spied(t)
	s := newSite(t)
	home, trap := t.TempDir(), filepath.Join(t.TempDir(), "sprung")
	spring := "touch " + trap + "; false"
	hostile := "[core]\n\thooksPath = " + home + "/hooks\n\tfsmonitor = \"" + spring + "\"\n\tsshCommand = \"" + spring + "\"\n\taskPass = " + home + "/ask\n" +
		"[credential]\n\thelper = \"!" + spring + "\"\n[diff]\n\texternal = \"" + spring + "\"\n\tnoprefix = true\n[color]\n\tui = always\n[protocol]\n\tallow = never\n" +
		"[url \"http://127.0.0.1:1/\"]\n\tinsteadOf = " + s.URL + "/\n[http]\n\textraHeader = \"X-Evil: 1\"\n\tproxy = http://127.0.0.1:1\n[pack]\n\tpackSizeLimit = 1k\n" +
		"[push]\n\tpushOption = evil\n[fsck]\n\tduplicateEntries = ignore\n[init]\n\ttemplateDir = " + home + "/template\n\tdefaultObjectFormat = sha256\n"
	for name, text := range map[string]string{
		".gitconfig": hostile, ".config/git/config": hostile, "config": hostile, "attributes": "* diff=evil\n", ".config/git/attributes": "* -diff\n",
		"hooks/pre-push": "#!/bin/sh\n" + spring, "hooks/reference-transaction": "#!/bin/sh\n" + spring, "hooks/post-checkout": "#!/bin/sh\n" + spring,
		"ask": "#!/bin/sh\n" + spring, "template/hooks/pre-push": "#!/bin/sh\n" + spring, "template/config": hostile,
	} {
		write(t, filepath.Join(home, name), text)
		if err := os.Chmod(filepath.Join(home, name), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	for name, value := range map[string]string{
		"HOME": home, "XDG_CONFIG_HOME": home + "/.config", "GIT_CONFIG": home + "/config", "GIT_CONFIG_GLOBAL": home + "/config", "GIT_CONFIG_SYSTEM": home + "/config",
		"GIT_CONFIG_PARAMETERS": "'core.hooksPath'='" + home + "/hooks'", "GIT_CONFIG_COUNT": "1", "GIT_CONFIG_KEY_0": "core.hooksPath", "GIT_CONFIG_VALUE_0": home + "/hooks",
		"GIT_DIR": home + "/none", "GIT_WORK_TREE": home, "GIT_INDEX_FILE": home + "/index", "GIT_OBJECT_DIRECTORY": home + "/objects", "GIT_COMMON_DIR": home,
		"GIT_ALTERNATE_OBJECT_DIRECTORIES": home, "GIT_NAMESPACE": "evil", "GIT_TEMPLATE_DIR": home + "/template", "GIT_EXEC_PATH": home,
		"GIT_SSH_COMMAND": spring, "GIT_ASKPASS": home + "/ask", "SSH_ASKPASS": home + "/ask", "GIT_EXTERNAL_DIFF": home + "/ask", "GIT_DIFF_OPTS": "-u0", "GIT_PAGER": spring,
		"GIT_PROXY_COMMAND": home + "/ask", "GIT_TRACE": trap + "-trace", "GIT_TRACE_CURL": trap + "-trace", "GIT_TRACE2": trap + "-trace", "GIT_CURL_VERBOSE": "1",
		"GIT_SSL_NO_VERIFY": "1", "GIT_ALLOW_PROTOCOL": "ext", "GIT_PROTOCOL": "version=0", "GIT_DEFAULT_HASH": "sha256", "GIT_SHALLOW_FILE": home + "/config",
		"GIT_AUTHOR_NAME": "Evil", "GIT_COMMITTER_NAME": "Evil", "GIT_AUTHOR_DATE": "x", "GIT_EDITOR": spring, "LC_ALL": "xx_XX", "LD_PRELOAD_X": "1",
	} {
		t.Setenv(name, value)
	}
	_, bundle := s.work(t, file("x", "y"))
	moved := commit(t, s.lab, made{parents: []string{s.main}}, file("z", "z"))
	s.branch(t, s.issue().Branch, moved)
	if base, _ := s.take(t, s.issue()); base.Commit != moved {
		t.Errorf("%+v", base)
	}
	published := s.push(t, s.issue(), bundle)
	if published.Added != 1 || published.Beside {
		t.Errorf("%+v", published)
	}
	text, err := s.git.Diff(t.Context(), s.issue(), s.base, bundle, 1000)
	if err != nil || !strings.Contains(text, "+++ b/x\n@@ -0,0 +1 @@\n+y") || strings.Contains(text, "\x1b") {
		t.Errorf("%q %v", text, err)
	}
	if who := run(t, s.bare("octo/hello"), nil, "log", "-1", "--format=%an %cn", published.Branch); who != "devs-webhook devs-webhook\n" {
		t.Error(who)
	}
	bad := s.commitOf(t, tree(t, s.lab, [3]string{"100644", "a", object(t, s.lab, "blob", "a")}, [3]string{"100644", "a", object(t, s.lab, "blob", "a")}))
	_, err = s.git.Push(t.Context(), s.issue(), s.base, s.bundle(t, bad))
	refused(t, err, "do not pass the examination")
	if list, err := filepath.Glob(trap + "*"); err != nil || len(list) > 0 {
		t.Errorf("sprung: %q", list)
	}
	if strings.Contains(env(), home) {
		t.Error("something of the machine's came into git's environment")
	}
}

// A proxy and authorities that the rest of the service uses, git uses as well.
func TestWayToTheServer(t *testing.T) {
	s := newSite(t)
	around := map[string]string{
		"HTTPS_PROXY": "http://proxy.example:1", "no_proxy": "127.0.0.1,localhost", "SSL_CERT_FILE": "/etc/authorities.pem",
	}
	s.git.opts.Getenv = func(name string) string { return around[name] }
	env, _, url, err := s.git.remote(t.Context(), s.repo)
	if err != nil || url != s.URL+"/octo/hello.git" {
		t.Fatal(url, err)
	}
	all := strings.Join(env, "\n") + "\n"
	for _, line := range []string{"HTTPS_PROXY=http://proxy.example:1\n", "no_proxy=127.0.0.1,localhost\n", "=http.sslCAInfo\n", "=/etc/authorities.pem\n", "=http." + s.URL + "/.extraHeader\n"} {
		if !strings.Contains(all, line) {
			t.Errorf("%q is not in the environment", line)
		}
	}
	if strings.Contains(all, "https_proxy") {
		t.Error("an empty variable was passed on")
	}
	s.take(t, s.issue())
}

// Whatever keeps git from starting is a fault of ours.
func TestNoGit(t *testing.T) {
	s := newSite(t)
	_, bundle := s.work(t, file("x", "y"))
	s.take(t, s.issue())
	t.Setenv("PATH", t.TempDir())
	_, err := s.git.Bundle(t.Context(), s.issue(), filepath.Join(t.TempDir(), "b"))
	later(t, err, "executable file not found") // the server itself answers
	_, err = s.git.Push(t.Context(), s.issue(), s.base, bundle)
	var r *messages.RefusedError
	if !errors.Is(err, exec.ErrNotFound) || errors.As(err, &r) {
		t.Errorf("%T %v", err, err)
	}
}

// A command that the context ends has said nothing.
func TestCommandThatIsStopped(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := s.git.run(ctx, call{dir: s.bare("octo/hello"), args: []string{"rev-parse", "main"}})
	if !errors.Is(err, context.Canceled) || answeredNo(err) || exitedWith(err, 1) {
		t.Error(err)
	}
}

func TestOutputIsBounded(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	bare := s.bare("octo/hello")
	g := s.git
	out, err := g.run(t.Context(), call{dir: bare, most: 5, args: []string{"rev-parse", "main", "main"}})
	if !errors.Is(err, errTooLong) || answeredNo(err) || string(out) != s.main[:5] {
		t.Errorf("%q %v", out, err)
	}
	out, err = g.run(t.Context(), call{dir: bare, most: 41, args: []string{"rev-parse", "main"}})
	if err != nil || string(out) != s.main+"\n" {
		t.Errorf("%q %v", out, err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := g.run(ctx, call{dir: bare, args: []string{"rev-parse", "main"}}); !errors.Is(err, context.Canceled) || answeredNo(err) {
		t.Error(err)
	}
}
