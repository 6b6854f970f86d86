package github

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"devs-webhook/internal/github/githubtest"
	"devs-webhook/messages"
)

func TestNewRefusesWhatIsNoAddress(t *testing.T) {
	token := func() string { return testToken }
	for _, address := range []string{
		"", "api.github.com", "ftp://api.github.com", "https://", "https://robot:hunter2@api.github.com",
		"https://robot:hunter2@api.git\x7fhub.com", "https://api.github.com?key=hunter2", "https://api.github.com#hunter2",
	} {
		_, err := New(Options{APIURL: address, Token: token})
		if err == nil {
			t.Errorf("%q was taken", address)
			continue
		}
		if strings.Contains(err.Error(), "hunter2") {
			t.Errorf("the error repeats a password: %v", err)
		}
		if !strings.Contains(err.Error(), "GITHUB_API_URL") {
			t.Errorf("%q: the error does not name the variable: %v", address, err)
		}
	}
	if _, err := New(Options{APIURL: "https://api.github.com"}); err == nil {
		t.Error("a client without a token was made")
	}
}

// The REST API of an enterprise server lies below a path.
func TestAPIBelowAPath(t *testing.T) {
	check := githubtest.Checker(t)
	server := httptest.NewServer(http.StripPrefix("/api/v3", http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if err := check(r); err != nil {
			t.Error(err)
		}
		if got := r.UserAgent(); got != "devs-webhook/1.2.3" {
			t.Errorf("user agent is %q", got)
		}
		reply(w, 200, `{"id":42,"login":"robot","type":"User"}`)
	})))
	defer server.Close()
	for _, address := range []string{server.URL + "/api/v3", server.URL + "/api/v3/"} {
		c := newClient(t, address, func(o *Options) { o.Version = "1.2.3" })
		if _, err := c.Self(t.Context()); err != nil {
			t.Errorf("%s: %v", address, err)
		}
	}
}

// A token that was changed is used from the next request on.
func TestTokenIsReadForEachRequest(t *testing.T) {
	var seen []string
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		seen = append(seen, r.Header.Get("Authorization"))
		reply(w, 200, `{"id":42,"login":"robot"}`)
	}))
	defer server.Close()
	tokens := []string{"first", " second\n"}
	c := newClient(t, server.URL, func(o *Options) {
		o.Token = func() string { token := tokens[0]; tokens = tokens[1:]; return token }
	})
	for range 2 {
		if err := c.Ping(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	if len(seen) != 2 || seen[0] != "Bearer first" || seen[1] != "Bearer second" {
		t.Errorf("authorizations were %q", seen)
	}
}

func TestWithoutATokenNothingIsSent(t *testing.T) {
	f := newFake(t)
	c := newClient(t, f.URL, func(o *Options) { o.Token = func() string { return "" } })
	_, _, err := c.CreateComment(t.Context(), hello, 1, testTask, messages.EffectFinal, "done")
	wantClass(t, err, classLater)
	if n := f.asked(""); n != 0 {
		t.Errorf("%d requests were sent", n)
	}
}

// A name from an event must not lead a request to another path.
func TestNamesThatAreNone(t *testing.T) {
	f := newFake(t)
	c := newClient(t, f.URL)
	for _, repo := range []messages.Repo{
		{ID: 1, Owner: "octo", Name: ".."},
		{ID: 1, Owner: "octo", Name: "."},
		{ID: 1, Owner: "..", Name: "hello"},
		{ID: 1, Owner: "octo/hello", Name: "x"},
		{ID: 1, Owner: "octo", Name: "a?b"},
		{ID: 1, Owner: "octo", Name: "a%2fb"},
		{ID: 1, Owner: "", Name: "hello"},
		{ID: 1, Owner: "octo", Name: "a#b"},
	} {
		errs := map[string]error{}
		_, errs["Permission"] = c.Permission(t.Context(), repo, ada)
		_, errs["Comments"] = c.Comments(t.Context(), repo, 1)
		_, _, errs["CreateComment"] = c.CreateComment(t.Context(), repo, 1, testTask, messages.EffectFinal, "x")
		errs["UpdateComment"] = c.UpdateComment(t.Context(), repo, 1, testTask, messages.EffectFinal, "x")
		errs["DeleteComment"] = c.DeleteComment(t.Context(), repo, 1)
		errs["React"] = c.React(t.Context(), repo, 1, messages.Object{Kind: "issue"}, "eyes")
		_, _, _, _, errs["FindPull"] = c.FindPull(t.Context(), repo, "octo", "b")
		_, _, errs["CreatePull"] = c.CreatePull(t.Context(), repo, "b", "main", "t", "b", false)
		for method, err := range errs {
			if err == nil {
				t.Errorf("%s took %q", method, repo.FullName())
			}
		}
	}
	if n := f.asked(""); n != 0 {
		t.Errorf("%d requests were sent", n)
	}
}

func TestBudgetCountsTheWritesOfTheHour(t *testing.T) {
	f := newFake(t)
	f.on("POST /repos/octo/hello/issues/1/reactions", 201, `{"id":1,"content":"eyes"}`)
	f.on("GET /user", 200, `{"id":42,"login":"robot"}`)
	c := newClient(t, f.URL)
	for range 3 {
		if err := c.React(t.Context(), hello, 1, messages.Object{Kind: "issue", ID: 5}, "eyes"); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := c.Self(t.Context()); err != nil {
		t.Fatal(err)
	}
	left, blocked := c.Budget()
	if left != 497 {
		t.Errorf("%d writes are left, want 497: 500 less the three writes", left)
	}
	if blocked.After(time.Now()) {
		t.Errorf("blocked until %s", blocked)
	}
}
