package sim

import (
	"bytes"
	"compress/gzip"
	"io"
	"net/http"
	"net/url"
	"os"
	"strings"
	"sync"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/getkin/kin-openapi/openapi3filter"
	"github.com/getkin/kin-openapi/routers"
	"github.com/getkin/kin-openapi/routers/gorillamux"
	"github.com/google/go-github/v89/github"
	"github.com/santhosh-tekuri/jsonschema/v6"
)

// description is GitHub's OpenAPI description, once per test binary.
var description = sync.OnceValues(func() (routers.Router, error) {
	file, err := os.Open("../../testdata/openapi/github-api-subset.json.gz")
	if err != nil {
		return nil, err
	}
	defer file.Close()
	unzipped, err := gzip.NewReader(file)
	if err != nil {
		return nil, err
	}
	raw, err := io.ReadAll(unzipped)
	if err != nil {
		return nil, err
	}
	doc, err := openapi3.NewLoader().LoadFromData(raw)
	if err != nil {
		return nil, err
	}
	doc.Servers = openapi3.Servers{{URL: "/"}}
	return gorillamux.NewRouter(doc)
})

type roundTrip func(*http.Request) (*http.Response, error)

func (f roundTrip) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// judge holds every successful answer of the site against GitHub's description, where that has the path.
func judge(t *testing.T, next http.RoundTripper) http.RoundTripper {
	t.Helper()
	router, err := description()
	if err != nil {
		t.Fatal(err)
	}
	return roundTrip(func(r *http.Request) (*http.Response, error) {
		res, err := next.RoundTrip(r)
		if err != nil || res.StatusCode >= 400 && res.StatusCode != http.StatusUnprocessableEntity {
			return res, err
		}
		body, err := io.ReadAll(res.Body)
		_ = res.Body.Close()
		res.Body = io.NopCloser(bytes.NewReader(body))
		if err != nil {
			return res, err
		}
		asked := r.Clone(r.Context())
		asked.URL = &url.URL{Path: strings.TrimPrefix(r.URL.Path, apiPrefix), RawQuery: r.URL.RawQuery}
		route, params, err := router.FindRoute(asked)
		if err != nil {
			return res, nil // the subset lacks it
		}
		err = openapi3filter.ValidateResponse(r.Context(), &openapi3filter.ResponseValidationInput{
			RequestValidationInput: &openapi3filter.RequestValidationInput{Request: asked, PathParams: params, Route: route},
			Status:                 res.StatusCode, Header: res.Header, Body: io.NopCloser(bytes.NewReader(body)),
			Options: &openapi3filter.Options{IncludeResponseStatus: true},
		})
		if err != nil {
			t.Errorf("%s %s: the answer does not fit GitHub's description: %v", r.Method, asked.URL.Path, err)
		}
		return res, nil
	})
}

// checkPayload holds a webhook against GitHub's schema.
func checkPayload(t *testing.T, compiler *jsonschema.Compiler, h hook) {
	t.Helper()
	payload := h.payload(t)
	name := h.header.Get("X-GitHub-Event") + "$event"
	if action, ok := payload["action"].(string); ok {
		name = h.header.Get("X-GitHub-Event") + "$" + action
	}
	schema, err := compiler.Compile("webhooks.schema.json#/definitions/" + name)
	if err != nil {
		t.Fatal(err)
	}
	value, err := jsonschema.UnmarshalJSON(bytes.NewReader(h.body))
	if err != nil {
		t.Fatal(err)
	}
	if err := schema.Validate(value); err != nil {
		t.Errorf("%s: %v", name, err)
	}
}

func TestEveryWebhookFitsGitHubsSchema(t *testing.T) {
	s := newSite(t)
	in := newInbox(t, s, http.StatusOK)
	everything(t, s)
	file, err := os.Open("testdata/webhooks.schema.json")
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	raw, err := jsonschema.UnmarshalJSON(file)
	if err != nil {
		t.Fatal(err)
	}
	compiler := jsonschema.NewCompiler()
	compiler.AssertFormat()
	if err := compiler.AddResource("webhooks.schema.json", raw); err != nil {
		t.Fatal(err)
	}
	list := in.got(t, s)
	for _, h := range list {
		checkPayload(t, compiler, h)
	}
	const want = "ping, issues opened, issues edited, issues assigned, issue_comment created, issue_comment edited, " +
		"issue_comment deleted, issues closed, issues reopened, pull_request opened, issue_comment created, " +
		"pull_request edited, pull_request assigned, pull_request synchronize, pull_request closed, " +
		"pull_request reopened, pull_request closed, issues opened, issues assigned, issues unassigned"
	if got := names(t, list); got != want {
		t.Errorf("webhooks:\n got %s\nwant %s", got, want)
	}
}

// everything does all that sends a webhook, in octo/hello (of an organisation) and in alice's own repository.
func everything(t *testing.T, s *site) {
	t.Helper()
	s.Ping(s.hello, s.alice)
	n := s.OpenIssue(s.hello, s.alice, "Login is broken", "")
	s.EditIssue(s.hello, n, s.alice, "Login is broken", "@devs-bot please mend it")
	s.Assign(s.hello, n, s.bot, s.alice)
	s.Assign(s.hello, n, s.bot, s.alice) // again: nothing is sent
	c := s.CommentOn(s.hello, n, s.eve, "me too")
	s.EditComment(s.hello, c, s.eve, "me too!")
	s.EditComment(s.hello, c, s.eve, "me too!")
	s.DeleteComment(s.hello, c, s.alice)
	s.SetState(s.hello, n, s.alice, "closed")
	s.SetState(s.hello, n, s.alice, "open")
	s.React(s.hello, n, 0, s.eve, "+1")
	s.Commit(s.hello, s.bot, "fix", "Mend the login", map[string]string{"login.txt": "good\n"})
	p := s.OpenPull(s.hello, s.bot, "Mend the login", "Closes #1", "fix", "main")
	s.CommentOn(s.hello, p, s.alice, "nice")
	s.EditIssue(s.hello, p, s.bot, "Mend it", "Closes #1")
	s.Assign(s.hello, p, s.alice, s.alice)
	s.Commit(s.hello, s.bot, "fix", "Mend more", map[string]string{"login.txt": "better\n"})
	s.SetState(s.hello, p, s.alice, "closed")
	s.SetState(s.hello, p, s.alice, "open")
	s.Merge(s.hello, p, s.alice)
	own, err := s.AddRepo("alice", "own", nil, true)
	if err != nil {
		t.Fatal(err)
	}
	m := s.OpenIssue(own, s.alice, "Mine", "text")
	s.Assign(own, m, s.alice, s.alice)
	client := s.client(t, "alice")
	if _, _, err := client.Issues.Edit(t.Context(), "alice", "own", m, &github.IssueRequest{Assignees: &[]string{}}); err != nil {
		t.Fatal(err)
	}
}
