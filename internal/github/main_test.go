package github

import (
	"encoding/json"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/rs/zerolog"
	"go.uber.org/goleak"

	"devs-webhook/internal/github/githubtest"
	"devs-webhook/messages"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const (
	testToken = "ghp_0123456789abcdefghijklmnopqrstuvwxyz"
	testTask  = messages.TaskID("abcdefghijkl")
)

var (
	hello = messages.Repo{ID: 99, Owner: "octo", Name: "hello"}
	ada   = messages.User{ID: 7, Login: "ada"}
)

// fake is a GitHub of a few routes on a real port. It checks every request against GitHub's description and
// the token, and fails the test for a request that no route is for.
type fake struct {
	*httptest.Server
	mux *http.ServeMux

	mu       sync.Mutex
	requests []string // method, path and query, in the order in which they came
}

func newFake(t *testing.T) *fake {
	t.Helper()
	f := &fake{mux: http.NewServeMux()}
	check := githubtest.Checker(t)
	f.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		f.mu.Lock()
		f.requests = append(f.requests, r.Method+" "+r.URL.RequestURI())
		f.mu.Unlock()
		if err := check(r); err != nil {
			t.Errorf("GitHub would refuse %s %s: %v", r.Method, r.URL, err)
		}
		if got := r.Header.Get("Authorization"); got != "Bearer "+testToken {
			t.Errorf("%s %s came with the authorization %q", r.Method, r.URL, got)
		}
		if _, pattern := f.mux.Handler(r); pattern == "" {
			t.Errorf("%s %s was not expected", r.Method, r.URL)
		}
		f.mux.ServeHTTP(w, r)
	}))
	t.Cleanup(f.Close)
	return f
}

// on answers requests of the pattern, such as "GET /user", with a status and a JSON body.
func (f *fake) on(pattern string, status int, body string) {
	f.handle(pattern, func(w http.ResponseWriter, _ *http.Request) { reply(w, status, body) })
}

func (f *fake) handle(pattern string, h http.HandlerFunc) { f.mux.HandleFunc(pattern, h) }

// asked counts the requests that begin with the prefix, "" for all.
func (f *fake) asked(prefix string) int {
	f.mu.Lock()
	defer f.mu.Unlock()
	n := 0
	for _, r := range f.requests {
		if strings.HasPrefix(r, prefix) {
			n++
		}
	}
	return n
}

func reply(w http.ResponseWriter, status int, body string) {
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	w.WriteHeader(status)
	_, _ = io.WriteString(w, body)
}

// said is the body of an error of GitHub's.
func said(message string) string {
	return fmt.Sprintf(`{"message":%q,"documentation_url":"https://docs"}`, message)
}

// newClient makes a client of the server at the address, which need not be a fake.
func newClient(t *testing.T, address string, change ...func(*Options)) *Client {
	t.Helper()
	wire := &http.Transport{}
	t.Cleanup(wire.CloseIdleConnections)
	o := Options{
		APIURL:    address,
		Token:     func() string { return testToken },
		WriteGap:  time.Nanosecond,
		Transport: wire,
		Log:       zerolog.Nop(),
	}
	for _, c := range change {
		c(&o)
	}
	c, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// comment is a comment as GitHub lists it.
type comment struct {
	ID        int64     `json:"id"`
	Body      string    `json:"body"`
	User      userJSON  `json:"user"`
	HTMLURL   string    `json:"html_url"`
	CreatedAt time.Time `json:"created_at"`
	UpdatedAt time.Time `json:"updated_at"`
}

type userJSON struct {
	ID    int64  `json:"id"`
	Login string `json:"login"`
	Type  string `json:"type"`
}

var (
	robot    = userJSON{42, "robot", "User"}
	stranger = userJSON{666, "mallory", "User"}
)

func commentBy(id int64, author userJSON, body string) comment {
	at := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC).Add(time.Duration(id) * time.Second)
	return comment{ID: id, Body: body, User: author, HTMLURL: "https://github.test/c/" + strconv.FormatInt(id, 10), CreatedAt: at, UpdatedAt: at}
}

// serveComments lists comments as GitHub does: oldest first, in pages, with links.
func (f *fake) serveComments(path string, list []comment) {
	f.handle("GET "+path, func(w http.ResponseWriter, r *http.Request) {
		number, _ := strconv.Atoi(r.URL.Query().Get("page"))
		size, _ := strconv.Atoi(r.URL.Query().Get("per_page"))
		number, size = max(number, 1), max(size, 1)
		last := max((len(list)+size-1)/size, 1)
		link := func(n int, rel string) string {
			return fmt.Sprintf(`<%s%s?per_page=%d&page=%d>; rel=%q`, f.URL, path, size, n, rel)
		}
		if number < last {
			w.Header().Set("Link", link(number+1, "next")+", "+link(last, "last"))
		}
		from, to := min((number-1)*size, len(list)), min(number*size, len(list))
		reply(w, 200, page(list[from:to]))
	})
}

// decode reads the JSON body of a request.
func decode(t *testing.T, r *http.Request) map[string]any {
	t.Helper()
	var body map[string]any
	if err := json.NewDecoder(r.Body).Decode(&body); err != nil {
		t.Errorf("read the body of %s %s: %v", r.Method, r.URL, err)
	}
	return body
}

// roundTrip is a transport without a wire, for tests in a bubble of fake time.
type roundTrip func(*http.Request) (*http.Response, error)

func (f roundTrip) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

func response(status int, body string, header ...string) *http.Response {
	resp := &http.Response{StatusCode: status, Header: http.Header{}, Body: io.NopCloser(strings.NewReader(body))}
	for i := 0; i+1 < len(header); i += 2 {
		resp.Header.Set(header[i], header[i+1])
	}
	return resp
}

// page is one page of a list of comments.
func page(list []comment) string {
	body, _ := json.Marshal(append([]comment{}, list...))
	return string(body)
}

// discardLog keeps a test server's expected complaints out of the output.
func discardLog() *log.Logger { return log.New(io.Discard, "", 0) }

// pass lets time go by in a bubble.
func pass(d time.Duration) { <-time.After(d) }
