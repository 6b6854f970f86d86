package gateway

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// echo answers with what it was asked.
func echo(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	w.Header().Set("Content-Type", "application/json")
	_, _ = fmt.Fprintf(w, `{"method":%q,"uri":%q,"body":%q}`, r.Method, r.URL.RequestURI(), body)
}

func TestRoutes(t *testing.T) {
	var reached atomic.Int32
	b := newBench(t, func(w http.ResponseWriter, r *http.Request) { reached.Add(1); echo(w, r) }, nil)
	allowed := []string{
		"POST /v1/messages", "POST /v1/messages?beta=true", "POST /v1/messages/count_tokens", "GET /v1/models",
		"GET /v1/models?limit=3", "GET /v1/models/claude-opus-5-5", "GET /api/hello", "HEAD /api/hello",
	}
	for _, one := range allowed {
		method, path, _ := strings.Cut(one, " ")
		answer, text := b.do(b.request(method, path, ""))
		if answer.StatusCode != http.StatusOK || method != "HEAD" && !strings.Contains(text, fmt.Sprintf(`"uri":%q`, path)) {
			t.Errorf("%s: %d %s", one, answer.StatusCode, text)
		}
	}
	if n := int(reached.Load()); n != len(allowed) {
		t.Errorf("%d requests of %d came through", n, len(allowed))
	}
	for _, one := range []string{
		"GET /", "GET /v1/messages", "PUT /v1/messages", "DELETE /v1/models/x", "HEAD /v1/models", "POST /v1/models", "POST /api/hello",
		"POST /v1/messages/", "POST /v1/messages/batches", "GET /v1/messages/batches", "POST /v1/complete", "POST /v1/files", "GET /v1/files",
		"GET /v1/organizations/me", "GET /v1/organizations/api_keys", "POST /v1/skills", "OPTIONS /v1/messages", "PATCH /v1/messages",
		"POST //v1/messages", "POST /v1//messages", "POST /v1/./messages", "POST /v1/x/../messages", "POST /v1%2fmessages", "POST /v1/messages%2f..%2ffiles",
		"GET /v1/models/", "GET /v1/models/..", "GET /v1/models/.", "GET /v1/models/a/b", "GET /v1/models/a%2f..%2f..%2ffiles", "GET /v1/models/%2e%2e",
		"POST /V1/messages", "POST /v1/messages;x=1", "GET /v1/models/" + strings.Repeat("a", 200), "POST /prefix/v1/messages",
	} {
		method, path, _ := strings.Cut(one, " ")
		b.refused(b.request(method, path, ""), http.StatusNotFound, "not_found_error")
	}
	if n := int(reached.Load()); n != len(allowed) {
		t.Errorf("%d requests that are not allowed came through", n-len(allowed))
	}
}

// TestAbsoluteForm: a client that takes the gateway for a proxy reaches the API, and nothing else.
func TestAbsoluteForm(t *testing.T) {
	b := newBench(t, echo, nil)
	conn, err := net.Dial("tcp", b.door.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	_, _ = fmt.Fprintf(conn, "GET http://169.254.169.254/v1/models HTTP/1.1\r\nHost: 169.254.169.254\r\nX-Api-Key: %s\r\nConnection: close\r\n\r\n", theToken)
	text, err := io.ReadAll(conn)
	if err != nil || !strings.Contains(string(text), `"uri":"/v1/models"`) {
		t.Errorf("%s, %v", text, err)
	}
}

func TestToken(t *testing.T) {
	var reached atomic.Int32
	b := newBench(t, func(w http.ResponseWriter, r *http.Request) { reached.Add(1); echo(w, r) }, nil)
	for name, header := range map[string][2]string{
		"none": {"X-Nothing", "x"}, "wrong": {"X-Api-Key", theToken + "x"}, "real key": {"X-Api-Key", realKey}, "empty": {"X-Api-Key", ""},
		"basic": {"Authorization", "Basic " + theToken}, "bare": {"Authorization", theToken}, "long": {"X-Api-Key", strings.Repeat("x", 5000)},
		"cookie": {"Cookie", "token=" + theToken},
	} {
		t.Run(name, func(t *testing.T) {
			r := b.request("POST", "/v1/messages", "{}")
			r.Header.Del("X-Api-Key")
			r.Header.Set(header[0], header[1])
			b.refused(r, http.StatusUnauthorized, "authentication_error")
		})
	}
	if reached.Load() > 0 {
		t.Error("a request without the token came through")
	}
	r := b.request("POST", "/v1/messages", "{}")
	r.Header.Del("X-Api-Key")
	r.Header.Set("Authorization", "bearer "+theToken)
	if answer, text := b.do(r); answer.StatusCode != http.StatusOK {
		t.Errorf("bearer: %d %s", answer.StatusCode, text)
	}
	b.attempts.set(false, errors.New("disk"))
	b.refused(b.request("POST", "/v1/messages", "{}"), http.StatusServiceUnavailable, "api_error")
	b.attempts.set(true, nil)
	b.refused(b.request("POST", "/v1/messages", "{}"), http.StatusUnauthorized, "authentication_error")
	b.attempts.set(false, nil)
	if answer, _ := b.do(b.request("POST", "/v1/messages", "{}")); answer.StatusCode != http.StatusOK {
		t.Errorf("open again: %d", answer.StatusCode)
	}
}

// TestHeaders: what the API sees of the client is its request, with the real key in place of the token.
func TestHeaders(t *testing.T) {
	for name, c := range map[string]struct {
		key, oauth string
		want       http.Header
	}{
		"key":   {key: realKey, want: http.Header{"X-Api-Key": {realKey}}},
		"oauth": {oauth: "sk-ant-oat01-real", want: http.Header{"Authorization": {"Bearer sk-ant-oat01-real"}}},
		"both":  {key: realKey, oauth: "sk-ant-oat01-real", want: http.Header{"X-Api-Key": {realKey}}},
	} {
		t.Run(name, func(t *testing.T) {
			seen := make(chan *http.Request, 1)
			b := newBench(t, func(_ http.ResponseWriter, r *http.Request) { seen <- r }, func(o *Options) {
				o.APIKey, o.OAuthToken, o.Upstream = c.key, c.oauth, o.Upstream+"/some/prefix/"
			})
			r := b.request("POST", "/v1/messages?beta=true&a=b%26c", "{}")
			for name, value := range map[string]string{
				"Authorization": "Bearer of another", "Proxy-Authorization": "Basic eDp5", "Cookie": "a=b", "X-Forwarded-For": "1.2.3.4",
				"X-Forwarded-Host": "evil", "Forwarded": "for=1.2.3.4", "Via": "1.1 x", "X-Real-Ip": "1.2.3.4", "Connection": "X-Hop, close", "X-Hop": "1",
				"Te": "trailers", "Upgrade": "websocket", "Keep-Alive": "5", "Accept-Encoding": "gzip, br", "X-Copy": "my " + theToken, "Cf-Connecting-Ip": "1.2.3.4",
				"X-Http-Method-Override": "DELETE", "Expect": "100-continue",
			} {
				r.Header.Set(name, value)
			}
			for name, value := range map[string]string{
				"Anthropic-Version": "2023-06-01", "Anthropic-Beta": "oauth-2025-04-20,fine", "Content-Type": "application/json", "User-Agent": "claude-cli/2.1.330",
				"X-App": "cli", "X-Stainless-Lang": "js", "Accept": "application/json",
			} {
				r.Header.Set(name, value)
				c.want.Set(name, value)
			}
			c.want.Set("Accept-Encoding", "identity")
			c.want.Set("Content-Length", "2")
			if answer, text := b.do(r); answer.StatusCode != http.StatusOK {
				t.Fatal(answer.StatusCode, text)
			}
			got := wait(t, seen)
			if got.URL.RequestURI() != "/some/prefix/v1/messages?a=b%26c&beta=true" || got.Host != b.api.Listener.Addr().String() {
				t.Errorf("asked %s at %s", got.URL.RequestURI(), got.Host)
			}
			for name := range got.Header {
				if !slices.Equal(got.Header[name], c.want[name]) {
					t.Errorf("header %s is %q, want %q", name, got.Header[name], c.want[name])
				}
			}
			for name := range c.want {
				if len(got.Header[name]) == 0 {
					t.Errorf("header %s is missing", name)
				}
			}
		})
	}
}

func TestRequestLimit(t *testing.T) {
	b := newBench(t, echo, func(o *Options) { o.Limits.Request = 1000 })
	body := strings.Repeat("x", 1001)
	b.refused(b.request("POST", "/v1/messages", body), http.StatusRequestEntityTooLarge, "request_too_large")
	chunked := b.request("POST", "/v1/messages", "")
	chunked.Body, chunked.ContentLength = io.NopCloser(strings.NewReader(body)), -1
	b.refused(chunked, http.StatusRequestEntityTooLarge, "request_too_large")
	chunked = b.request("POST", "/v1/messages", "")
	chunked.Body, chunked.ContentLength = io.NopCloser(strings.NewReader(body[:1000])), -1
	for _, r := range []*http.Request{b.request("POST", "/v1/messages", body[:1000]), chunked} {
		if answer, text := b.do(r); answer.StatusCode != http.StatusOK || strings.Count(text, "x") != 1000 {
			t.Errorf("at the limit: %d %s", answer.StatusCode, text)
		}
	}
}

func TestUpstreamAway(t *testing.T) {
	b := newBench(t, echo, nil)
	b.api.Close()
	b.refused(b.request("POST", "/v1/messages", "{}"), http.StatusBadGateway, "api_error")
	cut := newBench(t, func(w http.ResponseWriter, _ *http.Request) { abort(w) }, nil)
	cut.refused(cut.request("POST", "/v1/messages", "{}"), http.StatusBadGateway, "api_error")
}

// TestErrorsPass: the API's own errors are the client's to judge.
func TestErrorsPass(t *testing.T) {
	b := newBench(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Retry-After", "7")
		w.Header().Set("X-Should-Retry", "true")
		w.Header().Set("Anthropic-Ratelimit-Requests-Remaining", "0")
		w.WriteHeader(529)
		_, _ = io.WriteString(w, `{"type":"error","error":{"type":"overloaded_error","message":"Overloaded"},"usage":{"input_tokens":5}}`)
	}, nil)
	answer, text := b.do(b.request("POST", "/v1/messages", "{}"))
	if answer.StatusCode != 529 || !strings.Contains(text, "overloaded_error") || answer.Header.Get("Retry-After") != "7" ||
		answer.Header.Get("X-Should-Retry") != "true" || answer.Header.Get("Anthropic-Ratelimit-Requests-Remaining") != "0" {
		t.Errorf("%d %v %s", answer.StatusCode, answer.Header, text)
	}
	b.unused()
}

func TestNoRedirect(t *testing.T) {
	var reached atomic.Int32
	other := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { reached.Add(1) }))
	defer other.Close()
	for _, status := range []int{301, 302, 303, 307, 308} {
		b := newBench(t, func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, other.URL+"/v1/messages", status) }, nil)
		b.refused(b.request("POST", "/v1/messages", "{}"), http.StatusBadGateway, "api_error")
	}
	if reached.Load() > 0 {
		t.Error("a redirect was followed")
	}
}

// TestUpgrade: no other protocol passes, whatever the API says.
func TestUpgrade(t *testing.T) {
	b := newBench(t, func(w http.ResponseWriter, _ *http.Request) {
		conn, _, err := http.NewResponseController(w).Hijack()
		if err != nil {
			return
		}
		_, _ = io.WriteString(conn, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\nhello")
		_ = conn.Close()
	}, nil)
	r := b.request("GET", "/v1/models", "")
	r.Header.Set("Connection", "Upgrade")
	r.Header.Set("Upgrade", "websocket")
	b.refused(r, http.StatusBadGateway, "api_error")
}

// TestConcurrency: an attempt has so many places, and gets them back.
func TestConcurrency(t *testing.T) {
	arrived, leave := make(chan struct{}), make(chan struct{})
	b := newBench(t, func(w http.ResponseWriter, r *http.Request) {
		arrived <- struct{}{}
		<-leave
		echo(w, r)
	}, nil)
	done := make(chan int)
	for range 16 {
		go func() {
			answer, err := b.client.Do(b.request("POST", "/v1/messages", "{}"))
			if err != nil {
				done <- 0
				return
			}
			_, _ = io.Copy(io.Discard, answer.Body)
			_ = answer.Body.Close()
			done <- answer.StatusCode
		}()
	}
	for range 16 {
		wait(t, arrived)
	}
	b.refused(b.request("POST", "/v1/messages", "{}"), http.StatusTooManyRequests, "rate_limit_error")
	close(leave)
	for range 16 {
		if status := wait(t, done); status != http.StatusOK {
			t.Errorf("status %d", status)
		}
	}
	go func() { <-arrived }()
	if answer, _ := b.do(b.request("POST", "/v1/messages", "{}")); answer.StatusCode != http.StatusOK {
		t.Errorf("after the others: %d", answer.StatusCode)
	}
	b.gateway.mu.Lock()
	defer b.gateway.mu.Unlock()
	for ref, n := range b.gateway.busy {
		// The last request may not have left yet; it is the only one.
		if n > 1 {
			t.Errorf("%s has %d requests in hand", ref, n)
		}
	}
}

// TestAllowLocal: a connection to an address that is not ours to lend is closed without a word.
func TestAllowLocal(t *testing.T) {
	var allowed atomic.Bool
	var reached atomic.Int32
	b := newBench(t, func(w http.ResponseWriter, r *http.Request) { reached.Add(1); echo(w, r) }, func(o *Options) {
		o.AllowLocal = func(local net.Addr) bool {
			if host, _, err := net.SplitHostPort(local.String()); err != nil || host != "127.0.0.1" {
				t.Errorf("asked about %v", local)
			}
			return allowed.Load()
		}
	})
	tcp, err := net.ListenTCP("tcp", &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	server := &http.Server{Handler: b.gateway, ReadHeaderTimeout: limit}
	stopped := make(chan error)
	go func() { stopped <- server.Serve(b.gateway.Guard(tcp)) }()
	defer func() { _ = server.Close(); <-stopped }()
	for name, address := range map[string]string{"handler": b.door.Listener.Addr().String(), "guard": tcp.Addr().String()} {
		for _, request := range []string{"POST /v1/messages HTTP/1.1\r\nHost: x\r\nX-Api-Key: " + theToken + "\r\nContent-Length: 0\r\n\r\n", "nonsense\r\n\r\n"} {
			if name == "handler" && request[0] == 'n' {
				continue // the server answers that before the handler sees it: what Guard is for
			}
			conn, err := net.Dial("tcp", address)
			if err != nil {
				t.Fatal(err)
			}
			_, _ = io.WriteString(conn, request)
			_ = conn.SetReadDeadline(time.Now().Add(limit))
			got, _ := io.ReadAll(conn)
			if len(got) > 0 {
				t.Errorf("%s answered %q", name, got)
			}
			_ = conn.Close()
		}
	}
	if reached.Load() > 0 {
		t.Error("a request came through")
	}
	allowed.Store(true)
	for _, address := range []string{b.door.URL, "http://" + tcp.Addr().String()} {
		r := b.request("POST", "/v1/messages", "{}")
		r.URL.Host = strings.TrimPrefix(address, "http://")
		if answer, _ := b.do(r); answer.StatusCode != http.StatusOK {
			t.Errorf("allowed: %d", answer.StatusCode)
		}
	}
}

func TestOptions(t *testing.T) {
	good := Options{APIKey: "k", Attempts: &attempts{}}
	g, err := New(good)
	if err != nil || g.upstream.String() != DefaultUpstream {
		t.Errorf("%v, %v", g, err)
	}
	for name, change := range map[string]func(*Options){
		"no key": func(o *Options) { o.APIKey = "" }, "line feed": func(o *Options) { o.APIKey = "a\nb" }, "no store": func(o *Options) { o.Attempts = nil },
		"scheme": func(o *Options) { o.Upstream = "ftp://x" }, "user": func(o *Options) { o.Upstream = "https://a:s3cret@x" },
		"query": func(o *Options) { o.Upstream = "https://x?a=s3cret" }, "no host": func(o *Options) { o.Upstream = "https://" }, "nonsense": func(o *Options) { o.Upstream = "://s3cret" },
	} {
		opts := good
		change(&opts)
		if _, err := New(opts); err == nil || strings.Contains(err.Error(), "s3cret") || strings.Contains(err.Error(), "a\nb") {
			t.Errorf("%s: %v", name, err)
		}
	}
	if text := fmt.Sprintf("%v %+v %#v %s", g, g, g, g); text != "gateway gateway gateway gateway" {
		t.Error(text)
	}
}

// TestClientGone: the request to the API ends with the client's.
func TestClientGone(t *testing.T) {
	arrived, ended := make(chan struct{}), make(chan struct{})
	b := newBench(t, func(_ http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		close(arrived)
		<-r.Context().Done()
		close(ended)
	}, nil)
	ctx, cancel := context.WithCancel(t.Context())
	failed := make(chan error, 1)
	go func() {
		answer, err := b.client.Do(b.request("POST", "/v1/messages", "{}").WithContext(ctx))
		if err == nil {
			_ = answer.Body.Close()
		}
		failed <- err
	}()
	wait(t, arrived)
	cancel()
	if err := wait(t, failed); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	wait(t, ended)
	b.unused()
}

// TestLargeUpload: the body goes through as it comes, and whole.
func TestLargeUpload(t *testing.T) {
	body := bytes.Repeat([]byte("0123456789abcdef"), 20<<20/16)
	var got atomic.Int64
	b := newBench(t, func(_ http.ResponseWriter, r *http.Request) {
		all, _ := io.ReadAll(r.Body)
		if bytes.Equal(all, body) {
			got.Store(int64(len(all)))
		}
	}, nil)
	r := b.request("POST", "/v1/messages", "")
	r.Body, r.ContentLength = io.NopCloser(bytes.NewReader(body)), int64(len(body))
	if answer, text := b.do(r); answer.StatusCode != http.StatusOK || got.Load() != int64(len(body)) {
		t.Errorf("%d %s, %d bytes", answer.StatusCode, text, got.Load())
	}
}
