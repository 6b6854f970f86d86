package gateway

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/rs/zerolog"
	"go.uber.org/goleak"

	"devs-webhook/messages"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const (
	realKey  = "sk-ant-api03-the-real-key-0123456789abcdef"
	theToken = "token-of-the-attempt-0123456789abcdefghijk"
	limit    = 10 * time.Second // of any wait
)

var theAttempt = messages.AttemptRef{Task: "abcdefghijkl", Number: 2}

// attempts is a store with one open attempt, or none.
type attempts struct {
	mu     sync.Mutex
	closed bool
	err    error
	asked  int
	usage  map[messages.AttemptRef]messages.Usage
	added  chan messages.Usage
}

func (a *attempts) ByToken(_ context.Context, hash string) (messages.AttemptRef, bool, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.asked++
	sum := sha256.Sum256([]byte(theToken))
	if a.err != nil || a.closed || hash != hex.EncodeToString(sum[:]) {
		return messages.AttemptRef{}, false, a.err
	}
	return theAttempt, true, nil
}

func (a *attempts) AddUsage(ctx context.Context, ref messages.AttemptRef, u messages.Usage) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	sum := a.usage[ref]
	sum.Requests += u.Requests
	sum.Input += u.Input
	sum.Output += u.Output
	sum.CacheRead += u.CacheRead
	sum.CacheWrite += u.CacheWrite
	sum.CostUSD += u.CostUSD
	a.usage[ref] = sum
	a.added <- u
	return nil
}

func (a *attempts) set(closed bool, err error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.closed, a.err = closed, err
}

// bench is a gateway between a client and an API.
type bench struct {
	t        *testing.T
	attempts *attempts
	api      *httptest.Server
	door     *httptest.Server
	gateway  *Gateway
	client   *http.Client
	log      *safeBuffer
}

// safeBuffer is a log that may be read while it is written.
type safeBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (s *safeBuffer) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.Write(p)
}

func (s *safeBuffer) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.String()
}

func newBench(t *testing.T, api http.HandlerFunc, change func(*Options)) *bench {
	t.Helper()
	b := &bench{
		t: t, log: &safeBuffer{},
		attempts: &attempts{usage: make(map[messages.AttemptRef]messages.Usage), added: make(chan messages.Usage, 100)},
	}
	b.api = httptest.NewServer(api)
	opts := Options{Upstream: b.api.URL, APIKey: realKey, Attempts: b.attempts, Log: zerolog.New(b.log)}
	if change != nil {
		change(&opts)
	}
	var err error
	if b.gateway, err = New(opts); err != nil {
		t.Fatal(err)
	}
	b.door = httptest.NewUnstartedServer(b.gateway)
	// As short as a door's own: the gateway must set the deadlines that it needs.
	b.door.Config.ReadTimeout, b.door.Config.WriteTimeout = 200*time.Millisecond, 300*time.Millisecond
	b.door.Start()
	b.client = &http.Client{
		Transport:     &http.Transport{DisableCompression: true},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	t.Cleanup(func() {
		b.client.CloseIdleConnections()
		b.door.Close()
		b.gateway.Close()
		b.api.Close()
		if log := b.log.String(); strings.Contains(log, realKey) || strings.Contains(log, theToken) {
			t.Errorf("a secret is in the log: %s", log)
		}
	})
	return b
}

// request is one of the attempt's, with its token.
func (b *bench) request(method, path, body string) *http.Request {
	b.t.Helper()
	r, err := http.NewRequestWithContext(b.t.Context(), method, b.door.URL+path, strings.NewReader(body))
	if err != nil {
		b.t.Fatal(err)
	}
	r.Header.Set("X-Api-Key", theToken)
	return r
}

// do sends a request and reads the answer to its end.
func (b *bench) do(r *http.Request) (*http.Response, string) {
	b.t.Helper()
	answer, err := b.client.Do(r)
	if err != nil {
		b.t.Fatal(err)
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	if err != nil {
		b.t.Fatal(err)
	}
	return answer, string(text)
}

// refused checks that an answer is an error in the API's words.
func (b *bench) refused(r *http.Request, status int, kind string) {
	b.t.Helper()
	answer, text := b.do(r)
	want := `"type":"error"`
	if answer.StatusCode != status || r.Method != http.MethodHead &&
		(!strings.Contains(text, want) || !strings.Contains(text, `"type":"`+kind+`"`)) {
		b.t.Errorf("%s %s: %d %s, want %d %s", r.Method, r.URL.Path, answer.StatusCode, text, status, kind)
	}
	if got := answer.Header.Get("Content-Type"); got != "application/json" {
		b.t.Errorf("%s %s: the error is %q", r.Method, r.URL.Path, got)
	}
}

// used waits for the next usage.
func (b *bench) used() messages.Usage {
	b.t.Helper()
	return wait(b.t, b.attempts.added)
}

func wait[T any](t *testing.T, c <-chan T) T {
	t.Helper()
	select {
	case v := <-c:
		return v
	case <-time.After(limit):
		t.Fatal("waited too long")
		panic("unreachable")
	}
}

// unused checks that nothing was counted.
func (b *bench) unused() {
	b.t.Helper()
	b.attempts.mu.Lock()
	defer b.attempts.mu.Unlock()
	if len(b.attempts.usage) > 0 {
		b.t.Errorf("counted %v", b.attempts.usage)
	}
}
