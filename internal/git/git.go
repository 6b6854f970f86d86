package git

import (
	"context"
	"encoding/base64"
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"sync"

	"github.com/rs/zerolog"

	"devs-webhook/messages"
)

// Options say where the repositories are. Dir, ServerURL and Token are required.
type Options struct {
	Dir       string // of the mirrors and the quarantines; the service's own
	ServerURL string // http or https; a repository is at ServerURL/owner/name.git
	Token     func(ctx context.Context, repo messages.Repo) (string, error)
	MaxBundle int64 // bytes of the largest work that is taken; 0 means 500 MiB
	// Message passes each commit message of the work before it is pushed. Commits whose message it changes
	// are made again with the changed one. Nil changes nothing.
	Message func(string) string
	// Getenv looks up the proxy and the certificate authorities of the environment; nil means that there are none.
	Getenv func(name string) string
	Log    zerolog.Logger
}

// Git works on the mirrors.
type Git struct {
	opts Options

	mu    sync.Mutex
	locks map[int64]chan struct{} // by repository: one fetch or push at a time
}

// New makes a Git. It touches nothing yet.
func New(opts Options) *Git {
	if opts.MaxBundle == 0 {
		opts.MaxBundle = 500 << 20
	}
	if opts.Getenv == nil {
		opts.Getenv = func(string) string { return "" }
	}
	opts.ServerURL = strings.TrimRight(opts.ServerURL, "/")
	return &Git{opts: opts, locks: map[int64]chan struct{}{}}
}

// lock takes a repository for oneself, or gives up with the context.
func (g *Git) lock(ctx context.Context, repo int64) (unlock func(), err error) {
	g.mu.Lock()
	l := g.locks[repo]
	if l == nil {
		l = make(chan struct{}, 1)
		g.locks[repo] = l
	}
	g.mu.Unlock()
	select {
	case l <- struct{}{}:
		return func() { <-l }, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// The names that GitHub gives to owners and repositories. Anything else is no address.
var (
	ownerName = regexp.MustCompile(`^[A-Za-z0-9](?:[A-Za-z0-9_-]{0,62})$`)
	repoName  = regexp.MustCompile(`^[A-Za-z0-9._-]{1,100}$`)
)

// url is a repository's address: made from the configuration and the checked name, never from a payload.
func (g *Git) url(repo messages.Repo) (string, error) {
	if !ownerName.MatchString(repo.Owner) || !repoName.MatchString(repo.Name) || strings.Trim(repo.Name, ".") == "" {
		return "", &messages.RefusedError{Ending: messages.EndCloneFailed, Why: "The repository's name is none that GitHub gives."}
	}
	return g.opts.ServerURL + "/" + repo.Owner + "/" + repo.Name + ".git", nil
}

// remote is what a command needs to speak to the server: its credential by the environment, and the way
// through a proxy, which the rest of the service takes, too.
func (g *Git) remote(ctx context.Context, repo messages.Repo) (env []string, token, url string, err error) {
	url, err = g.url(repo)
	if err != nil {
		return nil, "", "", err
	}
	token, err = g.opts.Token(ctx, repo)
	if err != nil {
		return nil, "", "", fmt.Errorf("get a token for %s: %w", repo.FullName(), err)
	}
	pairs := [][2]string{
		{"http." + g.opts.ServerURL + "/.extraHeader", "Authorization: Basic " + basic(token)},
		{"credential.helper", ""},
		{"protocol.allow", "never"},
		{"protocol.http.allow", "always"},
		{"protocol.https.allow", "always"},
		{"http.followRedirects", "false"},                  // git would take the token along, to any server; see list
		{"core.fsync", "committed,loose-object,reference"}, // a power cut must not leave a mirror of empty files
	}
	if file := g.opts.Getenv("SSL_CERT_FILE"); file != "" {
		pairs = append(pairs, [2]string{"http.sslCAInfo", file}) // the authorities that the rest of the service trusts
	}
	env = append(env, "GIT_CONFIG_COUNT="+strconv.Itoa(len(pairs)))
	for i, p := range pairs {
		env = append(env, fmt.Sprintf("GIT_CONFIG_KEY_%d=%s", i, p[0]), fmt.Sprintf("GIT_CONFIG_VALUE_%d=%s", i, p[1]))
	}
	for _, name := range []string{"http_proxy", "https_proxy", "HTTPS_PROXY", "no_proxy", "NO_PROXY"} {
		if value := g.opts.Getenv(name); value != "" {
			env = append(env, name+"="+value)
		}
	}
	return env, token, url, nil
}

// basic is the form in which git sends the token.
func basic(token string) string {
	return base64.StdEncoding.EncodeToString([]byte("x-access-token:" + token))
}
