package github

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptrace"
	"net/url"
	"strings"
	"sync/atomic"
	"time"

	"github.com/rs/zerolog"

	"devs-webhook/messages"
)

const (
	// maxHops is how many redirects are followed: a repository that moved answers with one.
	maxHops = 5
	// maxAnswer bounds what is read of an answer. A page of 100 comments of 65,536 four-byte characters is
	// well below it.
	maxAnswer = 64 << 20
)

// errNoAnswer is the cause of a request's end when its time is up.
var errNoAnswer = errors.New("no complete answer in time")

// transport carries go-github's requests: it asks the governor, adds the token, bounds the time, follows
// redirects with the method kept, and reads the whole answer, so that an answer that breaks off is a failure
// of the request and not of a later reader. It tells what happened to the account in the request's context.
type transport struct {
	base     http.RoundTripper
	origin   string // the token goes nowhere else
	token    func() string
	timeout  time.Duration
	governor *governor
	log      zerolog.Logger
}

// RoundTrip sends the request, and again to where it is redirected.
func (t *transport) RoundTrip(req *http.Request) (*http.Response, error) {
	told := accountOf(req.Context())
	told.write = isWrite(req.Method)
	for hop := 0; ; hop++ {
		resp, err := t.send(req, told)
		if err != nil {
			told.lost = err
			return nil, err
		}
		next, err := t.redirected(req, resp, hop)
		if err != nil {
			told.lost = err
			return nil, err
		}
		if next == nil {
			return resp, nil
		}
		req = next
	}
}

// send sends one request and reads its answer. Its errors are typed.
func (t *transport) send(req *http.Request, told *account) (*http.Response, error) {
	if req.Body != nil {
		defer req.Body.Close() // a transport's duty, also if it sends nothing
	}
	done, err := t.governor.admit(req.Context(), told.write)
	if err != nil {
		return nil, err
	}
	defer done()
	token := strings.TrimSpace(t.token())
	if token == "" {
		return nil, &messages.LaterError{After: time.Minute, Err: errors.New("there is no token for GitHub: set GITHUB_TOKEN")}
	}

	ctx, cancel := context.WithTimeoutCause(req.Context(), t.timeout, errNoAnswer)
	defer cancel()
	path := new(path)
	out := req.Clone(httptrace.WithClientTrace(ctx, path.trace()))
	out.Header.Set("Authorization", "Bearer "+token)

	sent := time.Now()
	resp, body, err := t.exchange(out)
	if err != nil {
		return nil, lost(told.write, path.notSent(err), t.origin, err)
	}
	resp.Request = req // the one without the token
	resp.Body = io.NopCloser(bytes.NewReader(body))
	told.answer = readAnswer(resp, body, token)
	t.hear(sent, &told.answer)
	t.log.Debug().Str("method", req.Method).Str("path", req.URL.Path).Int("status", resp.StatusCode).
		Dur("dur", time.Since(sent)).Msg("github answered")
	return resp, nil
}

// exchange is one round trip, body and all.
func (t *transport) exchange(req *http.Request) (*http.Response, []byte, error) {
	resp, err := t.base.RoundTrip(req)
	if err != nil {
		return nil, nil, err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer+1))
	if err != nil {
		return nil, nil, fmt.Errorf("read the answer: %w", err)
	}
	if len(body) > maxAnswer {
		return nil, nil, fmt.Errorf("the answer is longer than %d bytes", maxAnswer)
	}
	return resp, body, nil
}

// hear tells the governor what the answer says about limits.
func (t *transport) hear(sent time.Time, a *answer) {
	after, stop := a.pause(time.Now())
	if stop {
		a.limited = a.status == http.StatusForbidden || a.status == http.StatusTooManyRequests
		a.after = t.governor.stop(sent, after, a.status)
		return
	}
	t.governor.answered(sent)
}

// redirected is the request to send next, nil if the answer is no redirect. A write keeps its method and
// body: GitHub redirects before it does anything, when a repository has moved.
func (t *transport) redirected(req *http.Request, resp *http.Response, hop int) (*http.Request, error) {
	switch resp.StatusCode {
	case http.StatusMovedPermanently, http.StatusFound, http.StatusTemporaryRedirect, http.StatusPermanentRedirect:
	default:
		return nil, nil
	}
	to, err := req.URL.Parse(resp.Header.Get("Location"))
	if err != nil || resp.Header.Get("Location") == "" {
		return nil, later("GitHub redirected to nowhere (%d)", resp.StatusCode)
	}
	if origin(to) != t.origin {
		return nil, later("%s redirects to %s, where the token must not go: set GITHUB_API_URL to the right address",
			t.origin, origin(to))
	}
	if hop == maxHops {
		return nil, later("GitHub redirected more than %d times", maxHops)
	}
	next := req.Clone(req.Context())
	next.URL = &url.URL{Scheme: to.Scheme, Host: to.Host, Path: to.Path, RawPath: to.RawPath, RawQuery: to.RawQuery}
	next.Host = ""
	if req.GetBody != nil {
		if next.Body, err = req.GetBody(); err != nil {
			return nil, later("repeat the request: %w", err)
		}
	}
	return next, nil
}

func isWrite(method string) bool { return method != http.MethodGet && method != http.MethodHead }

func later(format string, args ...any) error {
	return &messages.LaterError{Err: fmt.Errorf(format, args...)}
}

// path is how far a request got on its way to the other side.
type path struct{ asked, connected atomic.Bool }

func (p *path) trace() *httptrace.ClientTrace {
	return &httptrace.ClientTrace{
		GetConn: func(string) { p.asked.Store(true) },
		GotConn: func(httptrace.GotConnInfo) { p.connected.Store(true) },
	}
}
