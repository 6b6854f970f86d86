package sim

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-github/v89/github"
)

// status gives the HTTP status of an error of go-github, 0 for none.
func status(err error) int {
	if err == nil {
		return 0
	}
	if e, ok := errors.AsType[*github.ErrorResponse](err); ok {
		return e.Response.StatusCode
	}
	return -1
}

// says holds an error of go-github against status and a part of its text.
func says(t *testing.T, err error, code int, text string) {
	t.Helper()
	if status(err) != code || !strings.Contains(fmt.Sprint(err), text) {
		t.Errorf("got %v, want %d with %q", err, code, text)
	}
}

func TestUsersAndTokens(t *testing.T) {
	s := newSite(t)
	ctx := t.Context()
	me, res, err := s.client(t, "bot-of-nobody").Users.Get(ctx, "")
	says(t, err, 401, "Bad credentials")
	if me != nil || res.Header.Get("X-GitHub-Request-Id") == "" {
		t.Error("no request id on a refusal")
	}
	_, _, err = s.client(t, "").Users.Get(ctx, "")
	says(t, err, 401, "Requires authentication")
	client := s.client(t, "devs-bot")
	me, _, err = client.Users.Get(ctx, "")
	if err != nil || me.GetID() != s.bot.ID || me.GetLogin() != "devs-bot" || me.GetType() != "Bot" {
		t.Errorf("self: %v %v", me, err)
	}
	u, _, err := client.Users.Get(ctx, "ALICE")
	if err != nil || u.GetID() != s.alice.ID || u.GetType() != "User" {
		t.Errorf("by login: %v %v", u, err)
	}
	u, _, err = client.Users.GetByID(ctx, s.alice.ID)
	if err != nil || u.GetLogin() != "alice" {
		t.Errorf("by id: %v %v", u, err)
	}
	u, _, err = client.Users.Get(ctx, "octo")
	if err != nil || u.GetType() != "Organization" {
		t.Errorf("organisation: %v %v", u, err)
	}
	_, _, err = client.Users.Get(ctx, "nobody")
	says(t, err, 404, "Not Found")
	s.RevokeToken("token-devs-bot")
	_, _, err = client.Users.Get(ctx, "alice")
	says(t, err, 401, "Bad credentials")
}

func TestRepositoriesAndPermissions(t *testing.T) {
	s := newSite(t)
	ctx := t.Context()
	client := s.client(t, "devs-bot")
	r, _, err := client.Repositories.Get(ctx, "OCTO", "Hello")
	if err != nil || r.GetID() != s.hello.ID || r.GetDefaultBranch() != "main" || r.GetPrivate() || !r.GetPermissions().GetPush() {
		t.Errorf("repository: %v %v", r, err)
	}
	r, _, err = client.Repositories.GetByID(ctx, s.secret.ID)
	if err != nil || r.GetFullName() != "octo/secret" || !r.GetPrivate() {
		t.Errorf("by id: %v %v", r, err)
	}
	for _, who := range []string{"eve", ""} {
		_, _, err = s.client(t, who).Repositories.Get(ctx, "octo", "secret")
		says(t, err, 404, "Not Found")
	}
	s.Grant(s.hello, s.reader, "maintain")
	for _, c := range []struct{ repo, user, permission, role string }{
		{"hello", "alice", "admin", "admin"},
		{"hello", "devs-bot", "write", "write"},
		{"hello", "eve", "read", "read"},
		{"secret", "eve", "none", "none"},
		{"secret", "reader", "read", "read"},
		{"hello", "reader", "write", "maintain"},
	} {
		p, _, err := client.Repositories.GetPermissionLevel(ctx, "octo", c.repo, c.user)
		if err != nil || p.GetPermission() != c.permission || p.GetRoleName() != c.role || p.GetUser().GetLogin() != c.user {
			t.Errorf("%v: %v %v", c, p, err)
		}
	}
	_, _, err = client.Repositories.GetPermissionLevel(ctx, "octo", "hello", "nobody")
	says(t, err, 404, "nobody is not a user")
	_, _, err = s.client(t, "eve").Repositories.GetPermissionLevel(ctx, "octo", "hello", "alice")
	says(t, err, 403, "Must have push access")
	_, _, err = s.client(t, "").Repositories.GetPermissionLevel(ctx, "octo", "hello", "alice")
	says(t, err, 401, "Requires authentication")

	req, err := client.NewRequest(ctx, http.MethodGet, fmt.Sprintf("repositories/%d/collaborators/eve/permission", s.secret.ID), nil)
	if err != nil {
		t.Fatal(err)
	}
	var p github.RepositoryPermissionLevel
	if _, err := client.Do(req, &p); err != nil || p.GetPermission() != "none" {
		t.Errorf("by the repository's id: %v %v", p, err)
	}
}

func TestIssuesOverTheAPI(t *testing.T) {
	s := newSite(t)
	in := newInbox(t, s, http.StatusOK)
	ctx := t.Context()
	client := s.client(t, "alice")
	i, _, err := client.Issues.Create(ctx, "octo", "hello", &github.IssueRequest{Title: new("One"), Assignees: &[]string{"devs-bot"}})
	if err != nil || i.GetNumber() != 1 || i.GetUser().GetLogin() != "alice" || i.GetAuthorAssociation() != "COLLABORATOR" {
		t.Fatalf("%v %v", i, err)
	}
	i, _, err = client.Issues.Edit(ctx, "octo", "hello", 1, &github.IssueRequest{Body: new("text"), State: new("closed")})
	if err != nil || i.GetState() != "closed" || i.GetBody() != "text" || i.GetTitle() != "One" || i.GetClosedBy().GetID() != s.alice.ID {
		t.Errorf("%v %v", i, err)
	}
	i, _, err = client.Issues.Get(ctx, "octo", "hello", 1)
	if err != nil || i.GetState() != "closed" || i.IsPullRequest() || i.GetAssignee().GetID() != s.bot.ID {
		t.Errorf("%v %v", i, err)
	}
	_, _, err = s.client(t, "eve").Issues.Edit(ctx, "octo", "hello", 1, &github.IssueRequest{Title: new("Mine")})
	says(t, err, 403, "Must have admin rights")
	_, _, err = client.Issues.Get(ctx, "octo", "hello", 2)
	says(t, err, 404, "Not Found")
	_, _, err = client.Issues.Create(ctx, "octo", "hello", &github.IssueRequest{Title: new(strings.Repeat("x", 257))})
	says(t, err, 422, "title is too long (maximum is 256 characters)")
	list, _, err := client.Issues.ListByRepo(ctx, "octo", "hello", &github.IssueListByRepoOptions{State: "all"})
	if err != nil || len(list) != 1 {
		t.Errorf("%v %v", list, err)
	}
	if got, want := names(t, in.got(t, s)), "issues opened, issues assigned, issues edited, issues closed"; got != want {
		t.Errorf("webhooks: got %s, want %s", got, want)
	}
}

func TestCommentsOverTheAPI(t *testing.T) {
	s := newSite(t)
	in := newInbox(t, s, http.StatusOK)
	ctx := t.Context()
	n := s.OpenIssue(s.hello, s.alice, "One", "text")
	bot, eve := s.client(t, "devs-bot"), s.client(t, "eve")
	c, _, err := bot.Issues.CreateComment(ctx, "octo", "hello", n, &github.IssueComment{Body: new("done")})
	if err != nil || c.GetUser().GetID() != s.bot.ID || c.GetBody() != "done" {
		t.Fatalf("%v %v", c, err)
	}
	c, _, err = bot.Issues.EditComment(ctx, "octo", "hello", c.GetID(), &github.IssueComment{Body: new("done, really")})
	if err != nil || c.GetBody() != "done, really" {
		t.Errorf("%v %v", c, err)
	}
	_, _, err = eve.Issues.EditComment(ctx, "octo", "hello", c.GetID(), &github.IssueComment{Body: new("mine")})
	says(t, err, 403, "Must have admin rights")
	_, _, err = bot.Issues.CreateComment(ctx, "octo", "hello", n, &github.IssueComment{Body: new(strings.Repeat("ü", maxBody))})
	if err != nil {
		t.Errorf("the longest comment was refused: %v", err)
	}
	_, _, err = bot.Issues.CreateComment(ctx, "octo", "hello", n, &github.IssueComment{Body: new(strings.Repeat("ü", maxBody+1))})
	says(t, err, 422, "Body is too long (maximum is 65536 characters)")
	_, _, err = bot.Issues.CreateComment(ctx, "octo", "hello", n, &github.IssueComment{Body: new(" ")})
	says(t, err, 422, "Body cannot be blank")
	_, _, err = bot.Issues.CreateComment(ctx, "octo", "hello", 99, &github.IssueComment{Body: new("x")})
	says(t, err, 404, "Not Found")
	_, _, err = s.client(t, "").Issues.CreateComment(ctx, "octo", "hello", n, &github.IssueComment{Body: new("x")})
	says(t, err, 401, "Requires authentication")
	if _, err = bot.Issues.DeleteComment(ctx, "octo", "hello", c.GetID()); err != nil {
		t.Error(err)
	}
	_, _, err = bot.Issues.GetComment(ctx, "octo", "hello", c.GetID())
	says(t, err, 404, "Not Found")
	list := in.got(t, s)
	if got, want := names(t, list), "issues opened, issue_comment created, issue_comment edited, issue_comment created, issue_comment deleted"; got != want {
		t.Errorf("webhooks: got %s, want %s", got, want)
	}
	// what the API does is told like what people do, in the name of the token's account
	if sender := list[1].payload(t)["sender"].(map[string]any); sender["login"] != "devs-bot" || sender["type"] != "Bot" {
		t.Errorf("sender %v", sender)
	}
	if from := list[2].payload(t)["changes"].(map[string]any)["body"].(map[string]any)["from"]; from != "done" {
		t.Errorf("changes from %v", from)
	}
}

func TestPagesFollowEachOther(t *testing.T) {
	s := newSite(t)
	ctx := t.Context()
	n := s.OpenIssue(s.hello, s.alice, "One", "")
	for i := range 250 {
		s.CommentOn(s.hello, n, s.eve, fmt.Sprint(i))
	}
	client := s.client(t, "devs-bot")
	var got []string
	opts := &github.IssueListCommentsOptions{ListOptions: github.ListOptions{PerPage: 100}}
	for pages := 1; ; pages++ {
		list, res, err := client.Issues.ListComments(ctx, "octo", "hello", n, opts)
		if err != nil {
			t.Fatal(err)
		}
		for _, c := range list {
			got = append(got, c.GetBody())
		}
		if pages == 2 && (res.PrevPage != 1 || res.FirstPage != 1 || res.LastPage != 3) {
			t.Errorf("links of page 2: %+v", res)
		}
		if res.NextPage == 0 {
			if pages != 3 {
				t.Errorf("%d pages", pages)
			}
			break
		}
		opts.Page = res.NextPage
	}
	for i, body := range got {
		if body != fmt.Sprint(i) {
			t.Fatalf("comment %d is %s", i, body)
		}
	}
	list, _, err := client.Issues.ListComments(ctx, "octo", "hello", n, nil)
	if err != nil || len(got) != 250 || len(list) != 30 {
		t.Errorf("%d in all, %d on a page of the default size, %v", len(got), len(list), err)
	}
	list, _, err = client.Issues.ListComments(ctx, "octo", "hello", n, &github.IssueListCommentsOptions{ListOptions: github.ListOptions{Page: 99, PerPage: 500}})
	if err != nil || len(list) != 0 {
		t.Errorf("beyond the end: %d %v", len(list), err)
	}
	list, _, err = client.Issues.ListComments(ctx, "octo", "hello", n, &github.IssueListCommentsOptions{ListOptions: github.ListOptions{PerPage: 500}})
	if err != nil || len(list) != 100 {
		t.Errorf("on the largest page: %d %v", len(list), err)
	}
}

func TestCommentsSince(t *testing.T) {
	now := time.Date(2026, 1, 2, 15, 4, 5, 0, time.UTC)
	var mu sync.Mutex
	s := newSite(t, func(o *Options) {
		o.Now = func() time.Time {
			mu.Lock()
			defer mu.Unlock()
			return now
		}
	})
	n := s.OpenIssue(s.hello, s.alice, "One", "")
	first := s.CommentOn(s.hello, n, s.eve, "first")
	s.CommentOn(s.hello, n, s.eve, "second")
	mu.Lock()
	now = now.Add(time.Minute)
	since := now
	mu.Unlock()
	s.CommentOn(s.hello, n, s.eve, "third")
	s.EditComment(s.hello, first, s.eve, "first, edited")
	list, _, err := s.client(t, "devs-bot").Issues.ListComments(t.Context(), "octo", "hello", n, &github.IssueListCommentsOptions{Since: &since})
	if err != nil || len(list) != 2 || list[0].GetBody() != "first, edited" || list[1].GetBody() != "third" {
		t.Errorf("%v %v", list, err)
	}
}

func TestReactionsAreIdempotent(t *testing.T) {
	s := newSite(t)
	ctx := t.Context()
	n := s.OpenIssue(s.hello, s.alice, "One", "")
	id := s.CommentOn(s.hello, n, s.alice, "text")
	client := s.client(t, "devs-bot")
	for i, want := range []int{201, 200} {
		r, res, err := client.Reactions.CreateIssueReaction(ctx, "octo", "hello", n, "eyes")
		if err != nil || res.StatusCode != want || r.GetContent() != "eyes" || r.GetUser().GetID() != s.bot.ID {
			t.Errorf("issue, try %d: %v %v", i, r, err)
		}
		r, res, err = client.Reactions.CreateIssueCommentReaction(ctx, "octo", "hello", id, "rocket")
		if err != nil || res.StatusCode != want || r.GetContent() != "rocket" {
			t.Errorf("comment, try %d: %v %v", i, r, err)
		}
	}
	list, _, err := client.Reactions.ListIssueReactions(ctx, "octo", "hello", n, nil)
	if err != nil || len(list) != 1 {
		t.Errorf("%v %v", list, err)
	}
	list, _, err = client.Reactions.ListIssueCommentReactions(ctx, "octo", "hello", id, &github.ListReactionOptions{Content: "heart"})
	if err != nil || len(list) != 0 {
		t.Errorf("%v %v", list, err)
	}
	i, _, err := client.Issues.Get(ctx, "octo", "hello", n)
	if err != nil || i.GetReactions().GetEyes() != 1 || i.GetReactions().GetTotalCount() != 1 {
		t.Errorf("%v %v", i.GetReactions(), err)
	}
	_, _, err = client.Reactions.CreateIssueCommentReaction(ctx, "octo", "hello", 1, "eyes")
	says(t, err, 404, "Not Found")
}
