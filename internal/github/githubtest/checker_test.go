package githubtest

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
)

func request(method, target, body string) *http.Request {
	r := httptest.NewRequest(method, target, strings.NewReader(body))
	r.Header.Set("User-Agent", "test")
	if body != "" {
		r.Header.Set("Content-Type", "application/json")
	}
	return r
}

// The checker must say no where GitHub would, or the tests that lean on it prove nothing.
func TestCheckerJudgesAsGitHubWould(t *testing.T) {
	tests := []struct {
		name         string
		method, path string
		body         string
		wrong        string // part of the complaint; empty means that the request is right
	}{
		{"comment", "POST", "/repos/octo/hello/issues/1/comments", `{"body":"hi"}`, ""},
		{"comment without a body", "POST", "/repos/octo/hello/issues/1/comments", `{"text":"hi"}`, "body"},
		{"comment with no JSON", "POST", "/repos/octo/hello/issues/1/comments", `hi`, "body"},
		{"number that is none", "GET", "/repos/octo/hello/issues/one/comments", "", "issue_number"},
		{"unknown path", "GET", "/repos/octo/hello/nothing", "", "no matching operation"},
		{"unknown method", "PUT", "/repos/octo/hello/issues/1/comments", "", "method not allowed"},
		{"reaction", "POST", "/repos/octo/hello/issues/1/reactions", `{"content":"eyes"}`, ""},
		{"unknown reaction", "POST", "/repos/octo/hello/issues/1/reactions", `{"content":"ears"}`, "content"},
		{"pull request without a head", "POST", "/repos/octo/hello/pulls", `{"title":"t","base":"main"}`, "head"},
		{"list of pull requests", "GET", "/repos/octo/hello/pulls?state=all&head=octo:b", "", ""},
		{"state that GitHub has not", "GET", "/repos/octo/hello/pulls?state=some", "", "state"},
		{"order where there is none", "GET", "/repos/octo/hello/issues/1/comments?direction=desc", "", "direction"},
		{"user by id", "GET", "/user/7", "", ""},
		{"user by something else", "GET", "/user/ada", "", "account_id"},
		{"moved repository", "GET", "/repositories/99", "", ""},
		{"moved repository's comments", "POST", "/repositories/99/issues/1/comments", `{"body":"hi"}`, ""},
		{"moved repository's comments, no body", "POST", "/repositories/99/issues/1/comments", `{}`, "body"},
	}
	check := Checker(t)
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			err := check(request(test.method, test.path, test.body))
			switch {
			case test.wrong == "" && err != nil:
				t.Errorf("a right request was refused: %v", err)
			case test.wrong != "" && err == nil:
				t.Errorf("nothing was found wrong, want a word about %q", test.wrong)
			case test.wrong != "" && !strings.Contains(err.Error(), test.wrong):
				t.Errorf("got %q, want a word about %q", err, test.wrong)
			}
		})
	}
}

func TestCheckerWantsAUserAgent(t *testing.T) {
	r := request("GET", "/user", "")
	r.Header.Del("User-Agent")
	if err := Checker(t)(r); err == nil || !strings.Contains(err.Error(), "user agent") {
		t.Errorf("got %v, want a word about the user agent", err)
	}
}

func TestCheckerLeavesTheRequestAsItWas(t *testing.T) {
	const body = `{"title":"t","head":"b","base":"main"}`
	r := request("POST", "/repos/octo/hello/pulls?x=1", body)
	r.URL.RawQuery = ""
	if err := Checker(t)(r); err != nil {
		t.Fatal(err)
	}
	got, err := io.ReadAll(r.Body)
	if err != nil || string(got) != body {
		t.Errorf("body is %q (%v) afterwards, want it unchanged", got, err)
	}
	if r.URL.Path != "/repos/octo/hello/pulls" {
		t.Errorf("path is %q afterwards", r.URL.Path)
	}
}

func TestCheckerServesManyAtOnce(t *testing.T) {
	check := Checker(t)
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			for range 20 {
				if err := check(request("POST", "/repos/octo/hello/issues/1/comments", `{"body":"hi"}`)); err != nil {
					t.Error(err)
				}
			}
		})
	}
	all.Wait()
}
