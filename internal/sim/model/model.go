package model

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"slices"
	"sync"
	"time"
)

// Options say how the model behaves. The zero value is a model that takes any key.
type Options struct {
	// Key is the API key that must come as x-api-key; OAuthToken is what must come as a bearer token. If both are
	// empty, any key or token will do, but there must be one. If one is, only the other is accepted.
	Key        string
	OAuthToken string
	// Addr is where it listens, 127.0.0.1 at a free port by default.
	Addr string
	// Slow is how long the first words of the scenario slow take; 10 s by default.
	Slow time.Duration
}

// Model is a running API. It is safe for concurrent use.
type Model struct {
	opts   Options
	url    string
	server *http.Server
	ctx    context.Context // done when it closes
	cancel context.CancelFunc
	served sync.WaitGroup

	mu       sync.Mutex
	numbers  int // of requests
	requests []Request
	used     Usage
	busy     map[string]int // how often a prompt has been answered 529
}

// Request is one request as it came in, and how it was answered.
type Request struct {
	Method   string
	Path     string // with its query
	Header   http.Header
	Key      string // the key or token that it came with
	Bearer   bool   // the key came as a bearer token
	Scenario string // empty for what is not a prompt
	Size     int    // of its body, in bytes
	Status   int    // of the answer
}

// Usage is what the API has told that was used, in tokens, over all answers that were given whole.
type Usage struct {
	Requests   int64
	Input      int64
	Output     int64
	CacheRead  int64
	CacheWrite int64
}

// Start makes a model that answers until Close is called or ctx is done.
func Start(ctx context.Context, opts Options) (*Model, error) {
	if opts.Addr == "" {
		opts.Addr = "127.0.0.1:0"
	}
	if opts.Slow == 0 {
		opts.Slow = 10 * time.Second
	}
	var config net.ListenConfig
	listener, err := config.Listen(ctx, "tcp", opts.Addr)
	if err != nil {
		return nil, fmt.Errorf("listen: %w", err)
	}
	m := &Model{opts: opts, url: "http://" + listener.Addr().String(), busy: map[string]int{}}
	m.ctx, m.cancel = context.WithCancel(ctx)
	m.server = &http.Server{Handler: m, ReadHeaderTimeout: 10 * time.Second}
	m.served.Go(func() { _ = m.server.Serve(listener) })
	m.served.Go(func() {
		<-m.ctx.Done()
		_ = m.server.Close()
	})
	return m, nil
}

// URL is where the API is, without a slash at its end: the value for ANTHROPIC_BASE_URL.
func (m *Model) URL() string { return m.url }

// Close ends the model and all that it is in the middle of.
func (m *Model) Close() error {
	m.cancel()
	m.served.Wait()
	if err := m.server.Close(); err != nil && !errors.Is(err, net.ErrClosed) {
		return fmt.Errorf("close: %w", err)
	}
	return nil
}

// Requests are all that have come so far, in the order in which they were answered.
func (m *Model) Requests() []Request {
	m.mu.Lock()
	defer m.mu.Unlock()
	return slices.Clone(m.requests)
}

// Keys are all different keys and tokens that have come, accepted or not, in their order.
func (m *Model) Keys() []string {
	var keys []string
	for _, r := range m.Requests() {
		if !slices.Contains(keys, r.Key) && r.Key != "" {
			keys = append(keys, r.Key)
		}
	}
	return keys
}

// Usage is what was used so far.
func (m *Model) Usage() Usage {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.used
}

func (m *Model) record(r Request) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.requests = append(m.requests, r)
}

func (m *Model) addUsage(u Usage) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.used.Requests++
	m.used.Input += u.Input
	m.used.Output += u.Output
	m.used.CacheRead += u.CacheRead
	m.used.CacheWrite += u.CacheWrite
}

// busyTimes is how often the scenario busy answers 529.
const busyTimes = 3

// isBusy counts a prompt's requests, and says whether this one is among the first.
func (m *Model) isBusy(prompt string) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.busy[prompt]++
	return m.busy[prompt] <= busyTimes
}
