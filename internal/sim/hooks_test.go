package sim

import (
	"context"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-github/v89/github"
)

// TestSignatureOfGitHubsOwnExample: the vector of GitHub's documentation, "Validating webhook deliveries".
func TestSignatureOfGitHubsOwnExample(t *testing.T) {
	const want = "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17"
	if got := sign(secret, []byte("Hello, World!")); got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

func TestWebhookIsSigned(t *testing.T) {
	s := newSite(t)
	in := newInbox(t, s, http.StatusOK)
	s.OpenIssue(s.hello, s.alice, "One", "text")
	h := in.got(t, s)[0]
	req, err := http.NewRequestWithContext(t.Context(), "POST", "http://example.com/", strings.NewReader(string(h.body)))
	if err != nil {
		t.Fatal(err)
	}
	req.Header = h.header
	body, err := github.ValidatePayload(req, []byte(secret))
	if err != nil {
		t.Fatal(err)
	}
	event, err := github.ParseWebHook(h.header.Get("X-GitHub-Event"), body)
	if e, ok := event.(*github.IssuesEvent); err != nil || !ok || e.GetIssue().GetUser().GetID() != s.alice.ID ||
		e.GetRepo().GetID() != s.hello.ID || e.GetRepo().GetCloneURL() != s.ServerURL()+"/octo/hello.git" {
		t.Errorf("%v %v", event, err)
	}
	guid := regexp.MustCompile(`^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$`)
	if !guid.MatchString(h.header.Get("X-GitHub-Delivery")) || h.header.Get("User-Agent") != "GitHub-Hookshot/sim" ||
		h.header.Get("X-GitHub-Hook-ID") != strconv.Itoa(hookID) || h.header.Get("Content-Type") != "application/json" {
		t.Errorf("headers %v", h.header)
	}
	s.SetWebhook(in.url, "")
	s.OpenIssue(s.hello, s.alice, "Two", "")
	if h := in.got(t, s)[1]; h.header.Get("X-Hub-Signature-256") != "" {
		t.Error("signed without a secret")
	}
}

func TestFailedWebhookIsNotTriedAgain(t *testing.T) {
	s := newSite(t)
	in := newInbox(t, s, http.StatusServiceUnavailable)
	n := s.OpenIssue(s.hello, s.alice, "One", "")
	in.got(t, s)
	s.SetWebhook("http://127.0.0.1:1/", secret) // nobody listens there
	s.CommentOn(s.hello, n, s.alice, "text")
	if list := in.got(t, s); len(list) != 1 {
		t.Fatalf("%d requests", len(list))
	}
	log := s.Deliveries()
	if len(log) != 2 || log[0].Attempts != 1 || log[0].Status != 503 || log[1].Attempts != 1 || log[1].Status != 0 || log[1].Error == "" || log[1].Waiting {
		t.Fatalf("%+v", log)
	}
	good := newInbox(t, s, http.StatusAccepted)
	if err := s.Redeliver(log[1].GUID); err != nil {
		t.Fatal(err)
	}
	list := good.got(t, s)
	if len(list) != 1 || list[0].header.Get("X-GitHub-Delivery") != log[1].GUID || string(list[0].body) != string(log[1].Payload) {
		t.Fatalf("%v", list)
	}
	if d := s.Deliveries()[1]; d.Attempts != 2 || d.Status != 202 || d.Error != "" {
		t.Errorf("%+v", d)
	}
	if s.Redeliver("none") == nil {
		t.Error("redelivered what was never sent")
	}
}

func TestWithoutAWebhookDeliveriesAreRecorded(t *testing.T) {
	s := newSite(t)
	s.OpenIssue(s.hello, s.alice, "One", "")
	if err := s.Settle(soon(t)); err != nil {
		t.Fatal(err)
	}
	if log := s.Deliveries(); len(log) != 1 || log[0].Attempts != 0 || log[0].Error == "" {
		t.Errorf("%+v", log)
	}
}

func TestOrderAndCopies(t *testing.T) {
	s := newSite(t)
	in := newInbox(t, s, http.StatusOK)
	s.SetSending(Sending{Hold: true})
	n := s.OpenIssue(s.hello, s.alice, "One", "")
	s.CommentOn(s.hello, n, s.alice, "text")
	s.Assign(s.hello, n, s.bot, s.alice)
	if list := in.got(t, s); len(list) != 0 {
		t.Fatalf("%d were not held", len(list))
	}
	log := s.Deliveries()
	if err := s.Release(log[2].GUID, log[0].GUID, log[0].GUID); err != nil {
		t.Fatal(err)
	}
	if got, want := names(t, in.got(t, s)), "issues assigned, issues opened, issues opened"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	s.SetSending(Sending{Copies: 2, SecondHook: true})
	if err := s.Release(); err != nil { // what is left
		t.Fatal(err)
	}
	s.CommentOn(s.hello, n, s.alice, "more")
	list := in.got(t, s)[3:]
	if got, want := names(t, list), strings.Repeat("issue_comment created, ", 4)+"issue_comment created"; got != want {
		t.Fatalf("got %s, want %s", got, want)
	}
	guid := func(i int) string { return list[i].header.Get("X-GitHub-Delivery") }
	if guid(0) != log[1].GUID || guid(1) != guid(2) || guid(3) != guid(4) || guid(2) == guid(3) {
		t.Errorf("%s %s %s %s %s", guid(0), guid(1), guid(2), guid(3), guid(4))
	}
	if string(list[2].body) != string(list[3].body) {
		t.Error("the hooks tell different things")
	}
}

func TestDeliveriesOverTheAPI(t *testing.T) {
	s := newSite(t, func(o *Options) { o.Check = nil }) // the description lacks the new attempt
	in := newInbox(t, s, http.StatusServiceUnavailable)
	s.OpenIssue(s.hello, s.alice, "One", "")
	in.got(t, s)
	ctx := t.Context()
	client := s.client(t, "alice")
	hooks, _, err := client.Repositories.ListHooks(ctx, "octo", "hello", nil)
	if err != nil || len(hooks) != 1 || hooks[0].GetConfig().GetURL() != in.url {
		t.Fatalf("%v %v", hooks, err)
	}
	list, _, err := client.Repositories.ListHookDeliveries(ctx, "octo", "hello", hooks[0].GetID(), nil)
	if err != nil || len(list) != 1 || list[0].GetStatusCode() != 503 || list[0].GetStatus() == "OK" {
		t.Fatalf("%v %v", list, err)
	}
	good := newInbox(t, s, http.StatusOK)
	if _, _, err := client.Repositories.RedeliverHookDelivery(ctx, "octo", "hello", hooks[0].GetID(), list[0].GetID()); err != nil {
		if _, accepted := err.(*github.AcceptedError); !accepted {
			t.Fatal(err)
		}
	}
	if got := good.got(t, s); len(got) != 1 || got[0].header.Get("X-GitHub-Delivery") != list[0].GetGUID() {
		t.Errorf("%v", got)
	}
	list, _, err = client.Repositories.ListHookDeliveries(ctx, "octo", "hello", hooks[0].GetID(), nil)
	if err != nil || len(list) != 1 || list[0].GetStatus() != "OK" || !list[0].GetRedelivery() {
		t.Errorf("%v %v", list, err)
	}
	_, _, err = s.client(t, "devs-bot").Repositories.ListHooks(ctx, "octo", "hello", nil)
	says(t, err, 404, "Not Found")
}

// TestCloseCutsAWebhookShort: the receiver does not answer, and Close does not wait for it.
func TestCloseCutsAWebhookShort(t *testing.T) {
	g, err := Start(t.Context(), Options{Dir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	came, free := make(chan struct{}), make(chan struct{})
	server := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
		close(came)
		<-free
	}))
	defer server.Close()
	defer close(free)
	g.SetWebhook(server.URL, "")
	r, err := g.AddRepo("octo", "hello", nil, false)
	if err != nil {
		t.Fatal(err)
	}
	u := g.AddUser("alice", false)
	g.OpenIssue(r, u, "One", "")
	<-came
	start := time.Now()
	if err := g.Close(); err != nil {
		t.Error(err)
	}
	if took := time.Since(start); took > 5*time.Second {
		t.Errorf("took %s", took)
	}
	if err := g.Close(); err != nil {
		t.Error(err)
	}
	if _, err := g.Wait(context.Background(), func(Thread) bool { return false }, r, 1); err != ErrClosed {
		t.Errorf("wait after close: %v", err)
	}
}
