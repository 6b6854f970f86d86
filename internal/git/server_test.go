package git

import (
	"bytes"
	"compress/gzip"
	"encoding/hex"
	"io"
	"log"
	"math/rand/v2"
	"net/http"
	"net/http/cgi"
	"net/http/httptest"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

// token is the service's. None of it may be seen anywhere but in the Authorization header.
const token = "ghs_0123456789abcdefghijklmnopqrstuvwxyz"

// server is git's own smart HTTP server, behind a door that asks for the token.
type server struct {
	*httptest.Server
	dir     string // the repositories, as owner/name.git
	backend http.Handler

	mu     sync.Mutex
	before func(http.ResponseWriter, *http.Request) (done bool)
	lines  []string // of the requests: method, path, query
}

func newServer(t *testing.T) *server {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), "git", "--exec-path").Output()
	if err != nil {
		t.Fatal(err)
	}
	s := &server{dir: t.TempDir()}
	env := append(labEnv(), "GIT_PROJECT_ROOT="+s.dir, "GIT_HTTP_EXPORT_ALL=1", "REMOTE_USER=bot")
	s.backend = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		r.Header.Del("Authorization") // no business of git's
		h := &cgi.Handler{
			Path: filepath.Join(strings.TrimSpace(string(out)), "git-http-backend"), Root: "/", Dir: s.dir,
			Env:    append(env[:len(env):len(env)], "GIT_PROTOCOL="+r.Header.Get("Git-Protocol")),
			Logger: log.New(t.Output(), "", 0), Stderr: t.Output(),
		}
		h.ServeHTTP(w, r)
	})
	s.Server = httptest.NewServer(http.HandlerFunc(s.serve))
	t.Cleanup(s.Close)
	return s
}

func (s *server) serve(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	s.lines = append(s.lines, r.Method+" "+r.URL.RequestURI())
	before := s.before
	s.mu.Unlock()
	if before != nil && before(w, r) {
		return
	}
	if user, password, ok := r.BasicAuth(); !ok || user != "x-access-token" || password != token {
		w.Header().Set("WWW-Authenticate", `Basic realm="GitHub"`)
		http.Error(w, "Invalid username or token.", http.StatusUnauthorized)
		return
	}
	repo, _, _ := strings.Cut(strings.TrimPrefix(r.URL.Path, "/"), ".git/")
	if !exists(filepath.Join(s.dir, repo+".git")) {
		http.Error(w, "Repository not found.", http.StatusNotFound)
		return
	}
	s.backend.ServeHTTP(w, r)
}

// intercept has f look at each request first; it says whether it has answered.
func (s *server) intercept(f func(http.ResponseWriter, *http.Request) (done bool)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.before = f
}

// answer gives requests whose method and address begin so a status, in place of git.
func (s *server) answer(prefix string, status int) {
	s.intercept(func(w http.ResponseWriter, r *http.Request) bool {
		if !strings.HasPrefix(r.Method+" "+r.URL.RequestURI(), prefix) {
			return false
		}
		http.Error(w, "as the test wants it", status)
		return true
	})
}

// requests counts those whose method and address contain the words.
func (s *server) requests(words string) (n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, line := range s.lines {
		if strings.Contains(line, words) {
			n++
		}
	}
	return n
}

// peek reads a request's body and leaves it readable.
func peek(r *http.Request) string {
	body, err := io.ReadAll(r.Body)
	r.Body = io.NopCloser(bytes.NewReader(body))
	if err != nil {
		return ""
	}
	if zipped, err := gzip.NewReader(bytes.NewReader(body)); err == nil { // git packs long ones
		body, _ = io.ReadAll(zipped)
	}
	return string(body)
}

// waitFor waits for something outside this process that gives no sign.
func (s *server) waitFor(t *testing.T, ready func() bool) {
	t.Helper()
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	for end := time.Now().Add(10 * time.Second); !ready(); <-tick.C {
		if time.Now().After(end) {
			t.Error("waited in vain")
			return
		}
	}
}

// noise is text that does not compress below a half, the same for the same seed.
func noise(seed, n int) string {
	b := make([]byte, n)
	r := rand.NewChaCha8([32]byte{byte(seed), byte(seed >> 8)})
	_, _ = r.Read(b)
	return hex.EncodeToString(b)
}
