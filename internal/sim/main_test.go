package sim

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-github/v89/github"
	"github.com/rs/zerolog"
	"go.uber.org/goleak"

	"devs-webhook/internal/github/githubtest"
	"devs-webhook/messages"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// site is a simulation with a public repository octo/hello, a private one octo/secret, and people.
type site struct {
	*GitHub
	hello, secret           messages.Repo
	alice, bot, eve, reader messages.User // admin, writer, stranger, reader of the private one
}

const secret = "It's a Secret to Everybody"

// newSite starts one. Every API request of the test is checked against GitHub's description.
func newSite(t *testing.T, change ...func(*Options)) *site {
	t.Helper()
	opts := Options{
		Dir: t.TempDir(), WebhookSecret: secret, Check: githubtest.Checker(t),
		Log: zerolog.New(zerolog.NewTestWriter(t)),
	}
	for _, c := range change {
		c(&opts)
	}
	g, err := Start(t.Context(), opts)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := g.Close(); err != nil {
			t.Error(err)
		}
		for _, err := range g.CheckErrors() {
			t.Errorf("a request does not fit GitHub's description: %v", err)
		}
	})
	s := &site{GitHub: g}
	s.alice, s.bot = g.AddUser("alice", false), g.AddUser("devs-bot", true)
	s.eve, s.reader = g.AddUser("eve", false), g.AddUser("reader", false)
	files := map[string]string{"README.md": "# hello\n", "run.sh": "#!/bin/sh\necho hello\n", "src/a.txt": "one\ntwo\n"}
	if s.hello, err = g.AddRepo("octo", "hello", files, false); err != nil {
		t.Fatal(err)
	}
	if s.secret, err = g.AddRepo("octo", "secret", files, true); err != nil {
		t.Fatal(err)
	}
	for _, repo := range []messages.Repo{s.hello, s.secret} {
		g.Grant(repo, s.alice, "admin")
		g.Grant(repo, s.bot, "write")
	}
	g.Grant(s.secret, s.reader, "read")
	for _, u := range []messages.User{s.alice, s.bot, s.eve, s.reader} {
		g.AddToken("token-"+u.Login, u)
	}
	return s
}

// client is go-github with that person's token; without a login, with none.
func (s *site) client(t *testing.T, login string) *github.Client {
	t.Helper()
	transport := &http.Transport{}
	t.Cleanup(transport.CloseIdleConnections)
	opts := []github.ClientOptionsFunc{
		github.WithEnterpriseURLs(s.APIURL(), s.APIURL()),
		github.WithTransport(judge(t, transport)), github.WithDisableRateLimitCheck(),
	}
	if login != "" {
		opts = append(opts, github.WithAuthToken("token-"+login))
	}
	c, err := github.NewClient(opts...)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// soon bounds what a test waits for, so that a lost wake-up is red and does not hang.
func soon(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	t.Cleanup(cancel)
	return ctx
}

// hook is a received webhook.
type hook struct {
	header http.Header
	body   []byte
}

// payload decodes the body.
func (h hook) payload(t *testing.T) map[string]any {
	t.Helper()
	var v map[string]any
	if err := json.Unmarshal(h.body, &v); err != nil {
		t.Fatal(err)
	}
	return v
}

// inbox takes webhooks and answers each with the status.
type inbox struct {
	mu   sync.Mutex
	list []hook
	url  string
}

// newInbox listens and is set as the site's webhook.
func newInbox(t *testing.T, s *site, status int) *inbox {
	t.Helper()
	in := &inbox{}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		in.mu.Lock()
		in.list = append(in.list, hook{header: r.Header.Clone(), body: body})
		in.mu.Unlock()
		w.WriteHeader(status)
	}))
	t.Cleanup(server.Close)
	in.url = server.URL
	s.SetWebhook(server.URL, secret)
	return in
}

// got waits until the site has nothing more to send.
func (in *inbox) got(t *testing.T, s *site) []hook {
	t.Helper()
	if err := s.Settle(soon(t)); err != nil {
		t.Fatal(err)
	}
	in.mu.Lock()
	defer in.mu.Unlock()
	return append([]hook(nil), in.list...)
}

// names gives event and action of each.
func names(t *testing.T, list []hook) string {
	t.Helper()
	var out []string
	for _, h := range list {
		name := h.header.Get("X-GitHub-Event")
		if action, ok := h.payload(t)["action"].(string); ok {
			name += " " + action
		}
		out = append(out, name)
	}
	return strings.Join(out, ", ")
}

// runGit runs the real git client in dir and gives its output and whether it succeeded.
func runGit(t *testing.T, dir string, args ...string) (string, error) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "git", args...)
	cmd.Dir = dir
	cmd.Env = append(gitEnv(t.TempDir()), "GIT_ASKPASS=/bin/true")
	out, err := cmd.CombinedOutput()
	return strings.TrimSpace(string(out)), err
}

func mustGit(t *testing.T, dir string, args ...string) string {
	t.Helper()
	out, err := runGit(t, dir, args...)
	if err != nil {
		t.Fatalf("git %s: %v\n%s", strings.Join(args, " "), err, out)
	}
	return out
}

// cloneURL is a repository's address with that person's token in it.
func (s *site) cloneURL(repo messages.Repo, login string) string {
	server := s.ServerURL()
	if login != "" {
		server = strings.Replace(server, "http://", "http://x-access-token:token-"+login+"@", 1)
	}
	return server + "/" + repo.FullName() + ".git"
}

// clone gives a fresh clone made with that person's token.
func (s *site) clone(t *testing.T, repo messages.Repo, login string) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "clone")
	mustGit(t, t.TempDir(), "clone", "--quiet", s.cloneURL(repo, login), dir)
	return dir
}

// write commits a file in a clone.
func write(t *testing.T, dir, name, content string) string {
	t.Helper()
	if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	mustGit(t, dir, "add", "-A")
	mustGit(t, dir, "commit", "--quiet", "-m", "write "+name)
	return mustGit(t, dir, "rev-parse", "HEAD")
}

// fixed is a clock that stands still.
func fixed(o *Options) {
	o.Now = func() time.Time { return time.Date(2026, 1, 2, 15, 4, 5, 0, time.UTC) }
}
