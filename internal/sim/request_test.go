package sim

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-github/v89/github"
)

// raw makes a request without go-github.
func (s *site) raw(t *testing.T, method, path, body string, header ...string) (*http.Response, string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, s.APIURL()+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer token-devs-bot")
	req.Header.Set("Content-Type", "application/json")
	for i := 0; i < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	transport := &http.Transport{}
	defer transport.CloseIdleConnections()
	res, err := (&http.Client{Transport: transport}).Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return res, string(text)
}

func TestEntityTagsAndLimits(t *testing.T) {
	s := newSite(t)
	n := s.OpenIssue(s.hello, s.alice, "One", "")
	path := fmt.Sprintf("/repos/octo/hello/issues/%d", n)
	first, _ := s.raw(t, "GET", path, "")
	tag := first.Header.Get("ETag")
	again, body := s.raw(t, "GET", path, "", "If-None-Match", tag)
	if tag == "" || again.StatusCode != 304 || body != "" {
		t.Errorf("unchanged: %d %q", again.StatusCode, body)
	}
	s.EditIssue(s.hello, n, s.alice, "Two", "")
	changed, _ := s.raw(t, "GET", path, "", "If-None-Match", tag)
	if changed.StatusCode != 200 {
		t.Errorf("changed: %d", changed.StatusCode)
	}
	if first.Header.Get("X-RateLimit-Remaining") != "4999" || changed.Header.Get("X-RateLimit-Remaining") != "4997" {
		t.Errorf("limits: %v, %v", first.Header, changed.Header)
	}
	if id := first.Header.Get("X-GitHub-Request-Id"); id == "" || id == changed.Header.Get("X-GitHub-Request-Id") {
		t.Errorf("request id %q", id)
	}
}

func TestMalformedRequests(t *testing.T) {
	s := newSite(t, func(o *Options) { o.Check = nil })
	n := s.OpenIssue(s.hello, s.alice, "One", "")
	comments := fmt.Sprintf("/repos/octo/hello/issues/%d/comments", n)
	for _, c := range []struct {
		method, path, body string
		status             int
		text               string
	}{
		{"POST", comments, "{", 400, "Problems parsing JSON"},
		{"POST", comments, `{}`, 422, `\"body\" wasn't supplied`},
		{"POST", comments, `{"body":5}`, 422, "Invalid request"},
		{"POST", "/repos/octo/hello/pulls", `{"title":"x","head":"y"}`, 422, `\"base\" wasn't supplied`},
		{"POST", fmt.Sprintf("/repos/octo/hello/issues/%d/reactions", n), `{"content":"shrug"}`, 422, "Validation Failed"},
		{"GET", comments + "?since=yesterday", "", 422, "since"},
		{"PUT", comments, `{}`, 404, "Not Found"},
		{"GET", "/repos/octo/hello/issues/one", "", 404, "Not Found"},
		{"GET", "/repos/octo/hello/pulls/1", "", 404, "Not Found"}, // it is an issue
		{"GET", "/repositories/0", "", 404, "Not Found"},
		{"GET", "/nothing", "", 404, "documentation_url"},
	} {
		res, body := s.raw(t, c.method, c.path, c.body)
		if res.StatusCode != c.status || !strings.Contains(body, c.text) {
			t.Errorf("%s %s %s: %d %s", c.method, c.path, c.body, res.StatusCode, body)
		}
	}
	if th := s.Snapshot(s.hello, n); len(th.Comments)+len(th.Reactions) != 0 {
		t.Errorf("a refused request left something behind: %+v", th)
	}
}

func TestCheckRefusesWhatDoesNotFit(t *testing.T) {
	var path string
	s, err := Start(t.Context(), Options{Dir: t.TempDir(), Check: func(r *http.Request) error {
		body, _ := io.ReadAll(r.Body)
		path = r.URL.Path + " " + string(body)
		return errors.New("no such thing")
	}})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	u := s.AddUser("devs-bot", true)
	s.AddToken("token-devs-bot", u)
	res, body := (&site{GitHub: s}).raw(t, "POST", "/user", "{}")
	if res.StatusCode != 500 || !strings.Contains(body, "no such thing") {
		t.Errorf("%d %s", res.StatusCode, body)
	}
	if errs := s.CheckErrors(); len(errs) != 1 || path != "/user {}" {
		t.Errorf("kept %v, saw %q", errs, path)
	}
}

func TestRequestsAreLogged(t *testing.T) {
	s := newSite(t)
	n := s.OpenIssue(s.hello, s.alice, "One", "")
	s.raw(t, "GET", fmt.Sprintf("/repos/octo/hello/issues/%d/comments?page=2", n), "")
	s.raw(t, "GET", "/repos/octo/nothing", "")
	list := s.Requests()
	if len(list) != 2 || list[0].Status != 200 || list[0].Query != "page=2" || list[0].User != s.bot ||
		list[0].Path != fmt.Sprintf("/repos/octo/hello/issues/%d/comments", n) || list[1].Status != 404 || list[1].At.IsZero() {
		t.Errorf("%+v", list)
	}
}

func TestManyAtOnce(t *testing.T) {
	s := newSite(t)
	in := newInbox(t, s, http.StatusOK)
	n := s.OpenIssue(s.hello, s.alice, "One", "")
	client := s.client(t, "devs-bot")
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			for k := range 5 {
				if _, _, err := client.Issues.CreateComment(t.Context(), "octo", "hello", n, &github.IssueComment{Body: new("x")}); err != nil {
					t.Error(err)
				}
				s.OpenIssue(s.hello, s.eve, "Another", "")
				branch := fmt.Sprintf("b%d-%d", i, k)
				if k == 0 {
					s.Commit(s.hello, s.bot, branch, "work", map[string]string{branch: "x\n"})
					s.OpenPull(s.hello, s.bot, "work", "for #1", branch, "main")
				}
				s.Snapshot(s.hello, n)
			}
		})
	}
	wg.Wait()
	th := s.Snapshot(s.hello, n)
	if len(th.Comments) != 40 || len(th.Pulls) != 8 || len(s.Pulls(s.hello)) != 8 {
		t.Errorf("%d comments, %d pull requests", len(th.Comments), len(th.Pulls))
	}
	seen := map[int]bool{}
	for _, p := range th.Pulls {
		seen[p.Number] = true
	}
	if len(seen) != 8 || len(in.got(t, s)) != 1+40+40+8 {
		t.Errorf("numbers %v, %d webhooks", seen, len(in.list))
	}
}
