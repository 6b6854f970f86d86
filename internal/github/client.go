package github

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"regexp"
	"time"

	"github.com/google/go-github/v89/github"
	"github.com/rs/zerolog"

	"devs-webhook/messages"
)

// Options say where GitHub is and how it is to be treated. APIURL and Token are required.
type Options struct {
	// APIURL is the root of the REST API, such as https://api.github.com or
	// https://github.example.com/api/v3: http or https, no user, query or fragment.
	APIURL string
	// Token gives the token for the next request, so that it can change while the service runs. It is called
	// from many goroutines and must not block.
	Token func() string
	// WriteGap is the least time between the starts of two writes; 1 s if 0, as GitHub asks.
	WriteGap time.Duration
	// WritesPerMinute and WritesPerHour bound the writes; 80 and 500 if 0, GitHub's own limits for requests
	// that create content.
	WritesPerMinute int
	WritesPerHour   int
	// Timeout bounds one request from its sending to the last byte of its answer, without the wait for its
	// turn; 10 s if 0.
	Timeout time.Duration
	// Transport sends the requests; a transport of its own with the proxy of the environment if nil.
	Transport http.RoundTripper
	Log       zerolog.Logger
	Version   string // of the program, for the user agent
}

// Client speaks to GitHub as one account. It is safe for concurrent use.
type Client struct {
	rest     *github.Client
	governor *governor
	log      zerolog.Logger

	self  cache[struct{}, messages.User]
	users cache[string, knownUser]
	repos cache[string, int64]
	roles cache[roleKey, string]
}

// New makes a client. It does no I/O: Ping finds out whether GitHub answers. Its errors name no secret.
func New(o Options) (*Client, error) {
	base, err := apiURL(o.APIURL)
	if err != nil {
		return nil, err
	}
	if o.Token == nil {
		return nil, errors.New("make GitHub client: no token")
	}
	governor := newGovernor(limits{
		gap:       orDefault(o.WriteGap, time.Second),
		perMinute: orDefault(o.WritesPerMinute, 80),
		perHour:   orDefault(o.WritesPerHour, 500),
	}, o.Log)
	transport := &transport{
		base:     o.Transport,
		origin:   origin(base),
		token:    o.Token,
		timeout:  orDefault(o.Timeout, 10*time.Second),
		governor: governor,
		log:      o.Log,
	}
	if transport.base == nil {
		transport.base = &http.Transport{
			Proxy:               http.ProxyFromEnvironment,
			DialContext:         (&net.Dialer{Timeout: 10 * time.Second}).DialContext, // a dial outlives its request
			TLSHandshakeTimeout: 10 * time.Second,
			ForceAttemptHTTP2:   true,
			MaxIdleConnsPerHost: 8,
			IdleConnTimeout:     90 * time.Second,
		}
	}
	address := base.String()
	rest, err := github.NewClient(
		github.WithHTTPClient(&http.Client{
			Transport: transport,
			// The transport follows redirects itself: this client would turn a moved POST into a GET.
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		}),
		github.WithURLs(&address, nil),
		github.WithUserAgent("devs-webhook/"+orDefault(o.Version, "dev")),
		github.WithDisableRateLimitCheck(), // the governor's work
	)
	if err != nil {
		return nil, fmt.Errorf("make GitHub client: %w", err)
	}
	return &Client{rest: rest, governor: governor, log: o.Log}, nil
}

// Budget says how many writes the last hour leaves for now, and until when GitHub wants to hear nothing at
// all (zero, or a time past, if it is not waiting). It counts what this process did since it started.
func (c *Client) Budget() (writesLeftThisHour int, blockedUntil time.Time) {
	return c.governor.budget()
}

// do performs one call and turns its failure into one of the types of package messages. What it does is an
// infinitive for people, such as "create the comment on octo/hello#1".
func (c *Client) do(ctx context.Context, what string, call func(context.Context) error) error {
	told := new(account)
	err := call(context.WithValue(ctx, accountKey{}, told))
	if err == nil {
		return nil
	}
	return told.failure(what, err)
}

// apiURL parses the root of the API. The text itself stays out of the errors: it may hold a password.
func apiURL(text string) (*url.URL, error) {
	u, err := url.Parse(text)
	switch {
	case err != nil || u.Host == "" || (u.Scheme != "http" && u.Scheme != "https"):
		return nil, errors.New("GITHUB_API_URL is not an address such as https://api.github.com")
	case u.User != nil:
		return nil, errors.New("GITHUB_API_URL has a user or password in it; the token goes into GITHUB_TOKEN")
	case u.RawQuery != "" || u.Fragment != "":
		return nil, errors.New("GITHUB_API_URL ends in a query or fragment; give it without")
	}
	return u, nil
}

// origin is scheme and host: the only place that the token may go to.
func origin(u *url.URL) string { return u.Scheme + "://" + u.Host }

// The names become parts of a path. Whatever else stands in an event is no name of GitHub's.
var (
	ownerName = regexp.MustCompile(`^[A-Za-z0-9_-]{1,100}$`)
	repoName  = regexp.MustCompile(`^[A-Za-z0-9._-]{1,100}$`)
	loginName = regexp.MustCompile(`^[A-Za-z0-9_-]{1,100}(\[bot\])?$`)
)

// checkRepo refuses what cannot be the name of a repository, so that no request goes to another path.
func checkRepo(repo messages.Repo) error {
	if !ownerName.MatchString(repo.Owner) || !repoName.MatchString(repo.Name) || repo.Name == "." || repo.Name == ".." {
		return fmt.Errorf("%q is no name of a repository: %w", repo.FullName(), messages.ErrNotFound)
	}
	return nil
}

func orDefault[T comparable](value, otherwise T) T {
	var none T
	if value == none {
		return otherwise
	}
	return value
}
