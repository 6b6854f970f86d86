package sim

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/rs/zerolog"

	"devs-webhook/messages"
)

// apiPrefix is where REST lives, as on GitHub Enterprise Server.
const apiPrefix = "/api/v3"

// ErrClosed is what Wait and Settle answer once the GitHub is closed.
var ErrClosed = errors.New("the simulated GitHub is closed")

// Options tune a GitHub. Dir is required; the zero value of the rest works.
type Options struct {
	Addr string // host:port to listen on, default 127.0.0.1:0; only loopback is accepted
	Dir  string // where the bare repositories live, as owner/name.git; made if it is not there
	// WebhookURL and WebhookSecret are where webhooks go and what signs them. Without a URL the
	// deliveries are only recorded. SetWebhook changes them.
	WebhookURL    string
	WebhookSecret string
	Log           zerolog.Logger
	Now           func() time.Time // default time.Now
	// Check, if set, judges every API request before it is served, on a copy whose path has lost the
	// prefix /api/v3. An error is answered 500 and kept for CheckErrors. Called by several goroutines.
	Check func(*http.Request) error
}

// GitHub is a running simulation. Make one with Start and end it with Close.
type GitHub struct {
	opts    Options
	url     string // of the server, no slash at the end
	dir     string
	backend string // path of git-http-backend
	server  *http.Server
	sender  *http.Client // sends webhooks

	done      chan struct{} // closed by Close
	closeOnce sync.Once
	closeErr  error
	work      sync.WaitGroup // the server, the webhook sender and the requests in hand

	mu     sync.Mutex // guards all below
	closed bool       // no request is taken any more
	world
	hooks    hooks
	faults   []*fault
	requests []Request
	checks   []error
	quota    map[string]*quota // by login
	changed  chan struct{}     // closed and made anew at each change
}

// world is what is on the site.
type world struct {
	lastID int64                    // of any object: unlike on GitHub no two kinds share an id, so that a mix-up shows
	users  map[string]messages.User // by lower-case login
	orgs   map[int64]bool           // users that are organisations
	tokens map[string]messages.User
	repos  map[string]*repository // by lower-case owner/name
}

// Start listens and serves until Close. The end of ctx has the same effect on what is under way (held
// requests and webhooks end), but only Close waits for it and frees the port.
func Start(ctx context.Context, opts Options) (*GitHub, error) {
	if opts.Addr == "" {
		opts.Addr = "127.0.0.1:0"
	}
	if err := loopback(opts.Addr); err != nil {
		return nil, err
	}
	if opts.Now == nil {
		opts.Now = time.Now
	}
	backend, err := findBackend(ctx)
	if err != nil {
		return nil, err
	}
	dir, err := filepath.Abs(opts.Dir)
	if err != nil || opts.Dir == "" {
		return nil, fmt.Errorf("simulated GitHub: a directory for its repositories is needed: %w", errors.Join(err, os.ErrInvalid))
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("make directory of repositories: %w", err)
	}
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", opts.Addr)
	if err != nil {
		return nil, fmt.Errorf("listen: %w", err)
	}
	g := newGitHub(opts, dir, backend, listener.Addr().String())
	stop := context.AfterFunc(ctx, g.end)
	g.work.Go(func() {
		if err := g.server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
			g.opts.Log.Error().Err(err).Msg("simulated GitHub stopped serving")
		}
		stop()
	})
	g.work.Go(g.sendWebhooks)
	g.opts.Log.Debug().Str("url", g.url).Msg("simulated GitHub started")
	return g, nil
}

func newGitHub(opts Options, dir, backend, addr string) *GitHub {
	g := &GitHub{
		opts: opts, url: "http://" + addr, dir: dir, backend: backend,
		done: make(chan struct{}), changed: make(chan struct{}),
		world: world{
			lastID: 1_000_000,
			users:  map[string]messages.User{},
			orgs:   map[int64]bool{},
			tokens: map[string]messages.User{},
			repos:  map[string]*repository{},
		},
		hooks:  newHooks(opts.WebhookURL, opts.WebhookSecret),
		quota:  map[string]*quota{},
		sender: newSender(),
	}
	g.server = &http.Server{Handler: g.handler(), ReadHeaderTimeout: 10 * time.Second}
	return g
}

// Close cuts what is under way, frees the port and waits for every goroutine. Further calls do nothing.
func (g *GitHub) Close() error {
	g.end()
	g.work.Wait()
	g.sender.CloseIdleConnections()
	if g.closeErr != nil {
		return fmt.Errorf("close simulated GitHub: %w", g.closeErr)
	}
	return nil
}

// end makes everything come to its end, without waiting for it.
func (g *GitHub) end() {
	g.closeOnce.Do(func() {
		g.mu.Lock()
		g.closed = true
		g.mu.Unlock()
		close(g.done)
		g.closeErr = g.server.Close()
	})
}

// APIURL is the base of the REST API, without a slash at the end.
func (g *GitHub) APIURL() string { return g.url + apiPrefix }

// ServerURL is the base of the site and of git, without a slash at the end: a repository is cloned from
// ServerURL/owner/name.git with Basic authentication, any user name and a token as password.
func (g *GitHub) ServerURL() string { return g.url }

// CheckErrors are the errors of Options.Check so far, oldest first.
func (g *GitHub) CheckErrors() []error {
	g.mu.Lock()
	defer g.mu.Unlock()
	return append([]error(nil), g.checks...)
}

// loopback refuses an address that another machine could reach: the simulation hands out code
// repositories and takes made-up tokens.
func loopback(addr string) error {
	host, _, err := net.SplitHostPort(addr)
	if err != nil {
		return fmt.Errorf("listen address %q: %w", addr, err)
	}
	ip := net.ParseIP(host)
	if host != "localhost" && (ip == nil || !ip.IsLoopback()) {
		return fmt.Errorf("listen address %q: the simulated GitHub listens on loopback only, such as 127.0.0.1:0", addr)
	}
	return nil
}

// now is the time in the precision of GitHub's timestamps.
func (g *GitHub) now() time.Time { return g.opts.Now().UTC().Truncate(time.Second) }

// newID needs g.mu.
func (g *GitHub) newID() int64 {
	g.lastID++
	return g.lastID
}

// change wakes every waiter. It needs g.mu.
func (g *GitHub) change() {
	close(g.changed)
	g.changed = make(chan struct{})
}

// begin counts a request in, so that Close can wait for it. False once Close has begun.
func (g *GitHub) begin() bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.closed {
		return false
	}
	g.work.Add(1)
	return true
}

func key(owner, name string) string {
	return strings.ToLower(owner) + "/" + strings.TrimSuffix(strings.ToLower(name), ".git")
}
