package github

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"devs-webhook/messages"
)

// class is the kind of an error, as the callers tell them apart.
type class string

const (
	classNone      class = "none"
	classLater     class = "later"
	classAmbiguous class = "ambiguous"
	classRefused   class = "refused"
	classNotFound  class = "not found"
	classOther     class = "other"
)

func classOf(err error) class {
	var is []class
	if _, ok := errors.AsType[*messages.LaterError](err); ok {
		is = append(is, classLater)
	}
	if _, ok := errors.AsType[*messages.AmbiguousError](err); ok {
		is = append(is, classAmbiguous)
	}
	if _, ok := errors.AsType[*messages.RefusedError](err); ok {
		is = append(is, classRefused)
	}
	if errors.Is(err, messages.ErrNotFound) {
		is = append(is, classNotFound)
	}
	switch {
	case err == nil:
		return classNone
	case len(is) == 1:
		return is[0]
	default:
		return class(fmt.Sprint(classOther, is))
	}
}

func wantClass(t *testing.T, err error, want class) {
	t.Helper()
	if got := classOf(err); got != want {
		t.Errorf("the error is %s, want %s: %v", got, want, err)
	}
	if err != nil && strings.Contains(err.Error(), testToken) {
		t.Errorf("the error holds the token: %v", err)
	}
}

// aRead and aWrite stand for all reads and all writes: they go through the same transport.
func aRead(ctx context.Context, c *Client) error {
	_, err := c.Comments(ctx, hello, 1)
	return err
}

func aWrite(ctx context.Context, c *Client) error {
	_, _, err := c.CreateComment(ctx, hello, 1, testTask, messages.EffectFinal, "done")
	return err
}

const commentsPath = "/repos/octo/hello/issues/1/comments"

func TestStatusesBecomeClasses(t *testing.T) {
	tests := []struct {
		name        string
		status      int
		body        string
		header      []string
		read, write class
	}{
		{"server error", 500, said("Server Error"), nil, classLater, classAmbiguous},
		{"bad gateway with a page", 502, "<html>", nil, classLater, classAmbiguous},
		{"unavailable", 503, "", []string{"Retry-After", "7"}, classLater, classAmbiguous},
		{"gateway timeout", 504, "", nil, classLater, classAmbiguous},
		{"request timeout", 408, "", nil, classLater, classAmbiguous},
		{"bad token", 401, said("Bad credentials"), nil, classLater, classLater},
		{"bad token, no words", 401, "", nil, classLater, classLater},
		{"proxy", 407, "", nil, classLater, classLater},
		{"primary limit", 403, said("API rate limit exceeded"), []string{"X-RateLimit-Remaining", "0", "X-RateLimit-Reset", "1"}, classLater, classLater},
		{"primary limit 429", 429, said("API rate limit exceeded"), []string{"X-RateLimit-Remaining", "0"}, classLater, classLater},
		{"secondary limit by header", 403, said("slow down"), []string{"Retry-After", "60"}, classLater, classLater},
		{"secondary limit by words", 403, said("You have exceeded a secondary rate limit."), nil, classLater, classLater},
		{"secondary limit by link", 403, `{"message":"no","documentation_url":"https://docs.github.com/rest/overview/rate-limits-for-the-rest-api#about-secondary-rate-limits"}`, nil, classLater, classLater},
		{"too many requests, no words", 429, "", nil, classLater, classLater},
		{"forbidden", 403, said("Unable to create comment because issue is locked."), []string{"X-RateLimit-Remaining", "4999"}, classRefused, classRefused},
		{"not found", 404, said("Not Found"), nil, classNotFound, classNotFound},
		{"gone", 410, said("Issues are disabled for this repo"), nil, classNotFound, classNotFound},
		{"unprocessable", 422, `{"message":"Validation Failed","errors":[{"resource":"IssueComment","code":"unprocessable","field":"data","message":"Body is too long"}]}`, nil, classRefused, classRefused},
		{"bad request", 400, said("Problems parsing JSON"), nil, classRefused, classRefused},
		{"legal", 451, said("Repository access blocked"), nil, classRefused, classRefused},
		{"no words of GitHub's", 404, "<html>no such page</html>", nil, classLater, classAmbiguous},
		{"no words of GitHub's, forbidden", 403, "<html>blocked by policy</html>", nil, classLater, classAmbiguous},
		{"success that is a page", 200, "<html>hotel</html>", nil, classLater, classAmbiguous},
		{"accepted", 202, "{}", nil, classLater, classAmbiguous},
		{"see other", 303, "", []string{"Location", "/elsewhere"}, classLater, classAmbiguous},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			f := newFake(t)
			f.handle(commentsPath, func(w http.ResponseWriter, _ *http.Request) {
				for i := 0; i < len(test.header); i += 2 {
					w.Header().Set(test.header[i], test.header[i+1])
				}
				reply(w, test.status, test.body)
			})
			// A client each: a pause that the one is told would keep the other's request back.
			wantClass(t, aRead(t.Context(), newClient(t, f.URL)), test.read)
			wantClass(t, aWrite(t.Context(), newClient(t, f.URL)), test.write)
			if n := f.asked(""); n != 2 {
				t.Errorf("%d requests, want 2: the client tries once", n)
			}
		})
	}
}

func TestRefusalRepeatsGitHubsWords(t *testing.T) {
	f := newFake(t)
	f.on("POST "+commentsPath, 422, `{"message":"Validation Failed\nhere","errors":[{"resource":"Issue","code":"missing_field","field":"title"},{"message":"Body is too long (maximum is 65536 characters)"}, "and more"]}`)
	err := aWrite(t.Context(), newClient(t, f.URL))
	refused, ok := errors.AsType[*messages.RefusedError](err)
	if !ok {
		t.Fatalf("got %v", err)
	}
	want := "GitHub refused to create the comment on octo/hello#1: Validation Failed here: title is missing field: Body is too long (maximum is 65536 characters): and more"
	if diff := cmp.Diff(want, refused.Why); diff != "" {
		t.Error(diff)
	}
}

func TestLostAnswers(t *testing.T) {
	tests := []struct {
		name        string
		serve       func(net.Conn) // after the request has been read
		read, write class
	}{
		{"closes without a word", func(net.Conn) {}, classLater, classAmbiguous},
		{"resets", func(conn net.Conn) { _ = conn.(*net.TCPConn).SetLinger(0) }, classLater, classAmbiguous},
		{"breaks off in the headers", func(conn net.Conn) { _, _ = io.WriteString(conn, "HTTP/1.1 201 Crea") }, classLater, classAmbiguous},
		{"breaks off in the body", func(conn net.Conn) {
			_, _ = io.WriteString(conn, "HTTP/1.1 201 Created\r\nContent-Length: 100\r\n\r\n{\"id\":")
		}, classLater, classAmbiguous},
		{"speaks something else", func(conn net.Conn) { _, _ = io.WriteString(conn, "SSH-2.0-OpenSSH_9.2\r\n") }, classLater, classAmbiguous},
		{"success without an id", func(conn net.Conn) {
			_, _ = io.WriteString(conn, "HTTP/1.1 201 Created\r\nContent-Length: 0\r\n\r\n")
		}, classNone, classAmbiguous},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			f := newFake(t)
			f.handle(commentsPath, func(w http.ResponseWriter, _ *http.Request) {
				conn, _, err := w.(http.Hijacker).Hijack()
				if err != nil {
					t.Error(err)
					return
				}
				defer conn.Close()
				test.serve(conn)
			})
			wantClass(t, aRead(t.Context(), newClient(t, f.URL)), test.read)
			wantClass(t, aWrite(t.Context(), newClient(t, f.URL)), test.write)
		})
	}
}

// The server that does what it was asked and never says so: the reason for AmbiguousError.
func TestAppliedButDropped(t *testing.T) {
	f := newFake(t)
	var written []comment
	drop := true
	f.on("GET /user", 200, `{"id":42,"login":"robot"}`)
	f.handle("POST "+commentsPath, func(w http.ResponseWriter, r *http.Request) {
		written = append(written, commentBy(int64(100+len(written)), robot, decode(t, r)["body"].(string)))
		if drop {
			panic(http.ErrAbortHandler)
		}
		reply(w, 201, `{"id":100}`)
	})
	f.handle("GET "+commentsPath, func(w http.ResponseWriter, _ *http.Request) {
		reply(w, 200, page(written))
	})
	c := newClient(t, f.URL)
	wantClass(t, aWrite(t.Context(), c), classAmbiguous)
	id, _, found, err := c.FindComment(t.Context(), hello, 1, testTask, messages.EffectFinal)
	if err != nil || !found || id != 100 {
		t.Errorf("found %t, id %d, %v: the comment is there", found, id, err)
	}
	if len(written) != 1 {
		t.Errorf("%d comments were written: the client repeated a write", len(written))
	}
}

func TestHangsUntilTimeout(t *testing.T) {
	for name, before := range map[string]func(http.ResponseWriter){
		"before the headers": func(http.ResponseWriter) {},
		"in the body": func(w http.ResponseWriter) {
			w.WriteHeader(200)
			w.(http.Flusher).Flush()
		},
	} {
		t.Run(name, func(t *testing.T) {
			f := newFake(t)
			f.handle(commentsPath, func(w http.ResponseWriter, r *http.Request) {
				_, _ = io.Copy(io.Discard, r.Body) // or the server does not notice that the client left
				before(w)
				<-r.Context().Done()
			})
			c := newClient(t, f.URL, func(o *Options) { o.Timeout = 50 * time.Millisecond })
			start := time.Now()
			err := aRead(t.Context(), c)
			wantClass(t, err, classLater)
			if !errors.Is(err, errNoAnswer) {
				t.Errorf("the error does not say that time was up: %v", err)
			}
			wantClass(t, aWrite(t.Context(), c), classAmbiguous)
			if took := time.Since(start); took > 5*time.Second {
				t.Errorf("took %s", took)
			}
		})
	}
}

// What the caller's own context ends is judged in the same way: a write that was sent may have been done.
func TestCancelledWhileUnderWay(t *testing.T) {
	f := newFake(t)
	arrived := make(chan struct{}, 2)
	f.handle(commentsPath, func(_ http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		arrived <- struct{}{}
		<-r.Context().Done()
	})
	c := newClient(t, f.URL)
	for want, call := range map[class]func(context.Context, *Client) error{classLater: aRead, classAmbiguous: aWrite} {
		ctx, cancel := context.WithCancel(t.Context())
		go func() { <-arrived; cancel() }()
		err := call(ctx, c)
		wantClass(t, err, want)
		if !errors.Is(err, context.Canceled) {
			t.Errorf("the cause is lost: %v", err)
		}
	}
}

// What never left this machine was not done, whatever the call.
func TestNothingWasSent(t *testing.T) {
	tlsServer := httptest.NewUnstartedServer(http.NotFoundHandler())
	tlsServer.Config.ErrorLog = discardLog()
	tlsServer.StartTLS()
	defer tlsServer.Close()
	plainServer := httptest.NewServer(http.NotFoundHandler())
	defer plainServer.Close()
	nobody := httptest.NewServer(http.NotFoundHandler())
	nobody.Close()

	ended := make(chan struct{})
	defer close(ended)
	dialing := func(dial func(context.Context, string, string) (net.Conn, error)) func(*Options) {
		return func(o *Options) { o.Transport = &http.Transport{DialContext: dial} }
	}
	tests := []struct {
		name    string
		address string
		change  func(*Options)
	}{
		{"nobody listens", nobody.URL, func(*Options) {}},
		{"no such name", "http://api.test", dialing(func(context.Context, string, string) (net.Conn, error) {
			return nil, &net.DNSError{Err: "no such host", Name: "api.test", IsNotFound: true}
		})},
		{"dial hangs", "http://api.test", func(o *Options) {
			o.Timeout = 20 * time.Millisecond
			dialing(func(context.Context, string, string) (net.Conn, error) {
				<-ended // a dial goes on when its request has been given up
				return nil, net.ErrClosed
			})(o)
		}},
		{"unknown certificate", tlsServer.URL, func(o *Options) {
			o.Transport = &http.Transport{TLSClientConfig: &tls.Config{MinVersion: tls.VersionTLS12}}
		}},
		{"no TLS there", strings.Replace(plainServer.URL, "http:", "https:", 1), func(*Options) {}},
		{"dial fails in a transport that tells nothing", "http://api.test", func(o *Options) {
			o.Transport = roundTrip(func(*http.Request) (*http.Response, error) {
				return nil, &net.OpError{Op: "dial", Net: "tcp", Err: errors.New("connection refused")}
			})
		}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			c := newClient(t, test.address, test.change)
			wantClass(t, aRead(t.Context(), c), classLater)
			wantClass(t, aWrite(t.Context(), c), classLater)
		})
	}
}

// Where it is not known whether anything was sent, a write is ambiguous.
func TestUnknownFailureOfAWriteIsAmbiguous(t *testing.T) {
	c := newClient(t, "http://api.test", func(o *Options) {
		o.Transport = roundTrip(func(*http.Request) (*http.Response, error) { return nil, errors.New("the wire burnt") })
	})
	wantClass(t, aRead(t.Context(), c), classLater)
	wantClass(t, aWrite(t.Context(), c), classAmbiguous)
}

// A server that repeats what it was sent must not bring the token into a log or a comment.
func TestTokenStaysOutOfErrors(t *testing.T) {
	f := newFake(t)
	for path, status := range map[string]int{commentsPath: 422, "/user": 401} {
		f.handle(path, func(w http.ResponseWriter, r *http.Request) { reply(w, status, said(r.Header.Get("Authorization"))) })
	}
	c := newClient(t, f.URL)
	for _, err := range []error{aRead(t.Context(), c), aWrite(t.Context(), c), c.Ping(t.Context())} {
		if err == nil || strings.Contains(err.Error(), testToken) || strings.Contains(fmt.Sprintf("%+v", err), testToken) {
			t.Errorf("the error holds the token, or there is none: %v", err)
		}
	}
}
