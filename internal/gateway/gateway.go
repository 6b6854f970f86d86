package gateway

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/rs/zerolog"

	"devs-webhook/messages"
)

// DefaultUpstream is the API's own address.
const DefaultUpstream = "https://api.anthropic.com"

// Attempts is what the gateway needs of the store.
type Attempts interface {
	// ByToken finds the open attempt whose token has this hash, the lower-case hex of a SHA-256.
	ByToken(ctx context.Context, hash string) (messages.AttemptRef, bool, error)
	// AddUsage adds to what the attempt has used, also if it has ended meanwhile.
	AddUsage(ctx context.Context, a messages.AttemptRef, u messages.Usage) error
}

// Options says where the API is and what opens it. Attempts and one of the keys are required.
type Options struct {
	Upstream   string // address of the API, which may have a path; empty means DefaultUpstream
	APIKey     string // sent as x-api-key
	OAuthToken string // of a subscription, sent as Authorization: Bearer if there is no APIKey
	Attempts   Attempts
	// AllowLocal says whether a connection may come in by this address of ours. nil allows every one.
	AllowLocal func(local net.Addr) bool
	Transport  http.RoundTripper // nil means one of the gateway's own
	Limits     Limits
	Log        zerolog.Logger
}

// Limits bound what an attempt can take of the service. The zero value of each means its default.
type Limits struct {
	Request    int64         // bytes of a request's body; 32 MiB, which is the API's own limit
	Response   int64         // bytes of an answer's body; 64 MiB
	Concurrent int           // requests of one attempt at once; 16
	Recheck    time.Duration // how often it is asked, while an answer streams, whether the attempt is still open; 2 s
	Drain      time.Duration // how long an answer that is no stream may take from its headers to its end; 2 min
}

func (l *Limits) defaults() {
	if l.Request == 0 {
		l.Request = 32 << 20
	}
	if l.Response == 0 {
		l.Response = 64 << 20
	}
	if l.Concurrent == 0 {
		l.Concurrent = 16
	}
	if l.Recheck == 0 {
		l.Recheck = 2 * time.Second
	}
	if l.Drain == 0 {
		l.Drain = 2 * time.Minute
	}
}

// Gateway is the handler. Its methods may be called concurrently.
type Gateway struct {
	upstream  *url.URL
	authorize func(http.Header) // puts the real key in
	mask      mask              // takes it out
	attempts  Attempts
	allow     func(net.Addr) bool
	transport http.RoundTripper
	limits    Limits
	log       zerolog.Logger

	mu   sync.Mutex
	busy map[messages.AttemptRef]int // requests in hand; no entry is 0
}

// New makes a gateway. It does not speak to the API yet.
func New(opts Options) (*Gateway, error) {
	upstream, err := parseUpstream(opts.Upstream)
	if err != nil {
		return nil, err
	}
	key, authorize := opts.APIKey, func(h http.Header) { h.Set("X-Api-Key", opts.APIKey) }
	if key == "" {
		key, authorize = opts.OAuthToken, func(h http.Header) { h.Set("Authorization", "Bearer "+opts.OAuthToken) }
	}
	switch {
	case key == "":
		return nil, errors.New("gateway: neither an API key nor an OAuth token is set")
	case strings.ContainsFunc(key, func(r rune) bool { return r <= ' ' || r >= 0x7f }):
		return nil, errors.New("gateway: the key has white space or another character in it that no key has")
	case opts.Attempts == nil:
		return nil, errors.New("gateway: attempts are required")
	}
	g := &Gateway{
		upstream: upstream, authorize: authorize, mask: newMask(opts.APIKey, opts.OAuthToken), attempts: opts.Attempts,
		allow: opts.AllowLocal, transport: opts.Transport, limits: opts.Limits, log: opts.Log,
		busy: make(map[messages.AttemptRef]int),
	}
	g.limits.defaults()
	if g.transport == nil {
		g.transport = newTransport()
	}
	if g.allow == nil {
		g.allow = func(net.Addr) bool { return true }
	}
	return g, nil
}

// String names the gateway, so that no print of it shows the key.
func (g *Gateway) String() string { return "gateway" }

// GoString is String.
func (g *Gateway) GoString() string { return "gateway" }

// Close lets go of idle connections to the API.
func (g *Gateway) Close() {
	if t, ok := g.transport.(interface{ CloseIdleConnections() }); ok {
		t.CloseIdleConnections()
	}
}

func parseUpstream(address string) (*url.URL, error) {
	if address == "" {
		address = DefaultUpstream
	}
	u, err := url.Parse(address)
	// The error of url.Parse quotes the address, which may hold a password.
	if err != nil || u.Scheme != "https" && u.Scheme != "http" || u.Host == "" || u.User != nil || u.RawQuery != "" || u.Fragment != "" {
		return nil, errors.New("gateway: the API's address is not http(s)://host, with or without a path")
	}
	u.Path, u.RawPath = strings.TrimRight(u.Path, "/"), strings.TrimRight(u.RawPath, "/")
	return u, nil
}

// newTransport makes connections to the API. The time to the headers of an answer is that of a whole
// answer if it is no stream.
func newTransport() *http.Transport {
	return &http.Transport{
		Proxy:                  http.ProxyFromEnvironment,
		DialContext:            (&net.Dialer{Timeout: 10 * time.Second}).DialContext,
		ForceAttemptHTTP2:      true,
		TLSHandshakeTimeout:    10 * time.Second,
		ResponseHeaderTimeout:  15 * time.Minute,
		IdleConnTimeout:        90 * time.Second,
		MaxIdleConnsPerHost:    16,
		MaxResponseHeaderBytes: 64 << 10,
		DisableCompression:     true,
	}
}

// take reserves one of the attempt's places.
func (g *Gateway) take(a messages.AttemptRef) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.busy[a] >= g.limits.Concurrent {
		return false
	}
	g.busy[a]++
	return true
}

func (g *Gateway) release(a messages.AttemptRef) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.busy[a]--; g.busy[a] == 0 {
		delete(g.busy, a)
	}
}

// count writes down what an answer has used. It is done although the client may have gone.
func (g *Gateway) count(ctx context.Context, a messages.AttemptRef, u messages.Usage) {
	if u == (messages.Usage{}) {
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), countTimeout)
	defer cancel()
	if err := g.attempts.AddUsage(ctx, a, u); err != nil {
		g.log.Error().Err(err).Str("attempt", a.String()).Int64("input", u.Input).Int64("output", u.Output).
			Float64("cost_usd", u.CostUSD).Msg("usage not stored")
	}
}

// countTimeout bounds the write of an answer's usage.
const countTimeout = 5 * time.Second

// upstreamError is what went wrong with the API, without the key.
func (g *Gateway) upstreamError(err error) error {
	return fmt.Errorf("ask the model's API: %s", g.mask.text(err.Error()))
}
