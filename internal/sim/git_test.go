package sim

import (
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-github/v89/github"
	"github.com/rs/zerolog"

	"devs-webhook/messages"
)

func TestCloneAndPush(t *testing.T) {
	s := newSite(t)
	dir := s.clone(t, s.secret, "devs-bot")
	if info, err := os.Stat(filepath.Join(dir, "run.sh")); err != nil || info.Mode()&0o100 == 0 {
		t.Errorf("run.sh: %v %v", info, err)
	}
	if got := mustGit(t, dir, "log", "--format=%an <%ae> %s"); got != "Simulated GitHub <sim@users.noreply.github.com> First commit" {
		t.Error(got)
	}
	mustGit(t, dir, "checkout", "--quiet", "-b", "devs/1-abc")
	// larger than http.postBuffer, so that git sends it in chunks
	head := write(t, dir, "big.txt", strings.Repeat(newGUID()+newGUID()+"\n", 60_000))
	mustGit(t, dir, "push", "--quiet", "origin", "devs/1-abc")
	if got := s.Branch(s.secret, "devs/1-abc"); got != head {
		t.Errorf("branch is at %s, want %s", got, head)
	}
}

// The checker knows neither branches nor a ref with a slash in it, so this test goes without.
func TestBranchesAndRefsOverTheAPI(t *testing.T) {
	s := newSite(t, func(o *Options) { o.Check = nil })
	head := s.Commit(s.hello, s.bot, "devs/1-abc", "subject\n\ntext", map[string]string{"a": "b"})
	client := s.client(t, "devs-bot")
	b, _, err := client.Repositories.GetBranch(t.Context(), "octo", "hello", "devs/1-abc", 0)
	if err != nil || b.GetCommit().GetSHA() != head || b.GetCommit().GetCommit().GetMessage() != "subject\n\ntext" ||
		b.GetCommit().GetCommit().GetAuthor().GetName() != "devs-bot" || len(b.GetCommit().Parents) != 1 {
		t.Errorf("%v %v", b, err)
	}
	ref, _, err := client.Git.GetRef(t.Context(), "octo", "hello", "heads/devs/1-abc")
	if err != nil || ref.GetObject().GetSHA() != head || ref.GetRef() != "refs/heads/devs/1-abc" {
		t.Errorf("ref %v %v", ref, err)
	}
	_, _, err = client.Git.GetRef(t.Context(), "octo", "hello", "heads/devs") // no prefix of a name is a ref
	says(t, err, 404, "Not Found")
	_, _, err = client.Repositories.GetBranch(t.Context(), "octo", "hello", "none", 0)
	says(t, err, -1, "404") // go-github makes no ErrorResponse here
}

func TestWhoMayCloneAndPush(t *testing.T) {
	s := newSite(t)
	for _, c := range []struct {
		repo        messages.Repo
		who         string
		clone, push string // what git says, empty for success
	}{
		{s.hello, "devs-bot", "", ""},
		{s.hello, "eve", "", "Permission to octo/hello.git denied to eve."},
		{s.hello, "", "", "Authentication failed"},
		{s.hello, "nobody", "", "Authentication failed"}, // git asks without the token first, and gets what is public
		{s.secret, "nobody", "Authentication failed", "Authentication failed"},
		{s.secret, "devs-bot", "", ""},
		{s.secret, "reader", "", "Permission to octo/secret.git denied to reader."},
		{s.secret, "eve", "Repository not found.", "Repository not found."},
		{s.secret, "", "Authentication failed", "Authentication failed"},
	} {
		out, err := runGit(t, t.TempDir(), "clone", "--quiet", s.cloneURL(c.repo, c.who), "x")
		if (err == nil) != (c.clone == "") || !strings.Contains(out, c.clone) {
			t.Errorf("clone %s as %q: %v %s", c.repo.Name, c.who, err, out)
		}
		dir := s.clone(t, c.repo, "alice")
		write(t, dir, "new.txt", c.who)
		out, err = runGit(t, dir, "push", "--quiet", s.cloneURL(c.repo, c.who), "HEAD:refs/heads/by-"+c.who)
		if (err == nil) != (c.push == "") || !strings.Contains(out, c.push) {
			t.Errorf("push %s as %q: %v %s", c.repo.Name, c.who, err, out)
		}
		if pushed := s.Branch(c.repo, "by-"+c.who) != ""; pushed != (c.push == "") {
			t.Errorf("push %s as %q: branch is there: %v", c.repo.Name, c.who, pushed)
		}
	}
	res, err := http.Get(s.ServerURL() + "/octo/hello.git/info/refs?service=git-receive-pack")
	if err != nil {
		t.Fatal(err)
	}
	defer http.DefaultClient.CloseIdleConnections()
	defer res.Body.Close()
	if res.StatusCode != 401 || !strings.HasPrefix(res.Header.Get("WWW-Authenticate"), "Basic ") {
		t.Errorf("%d %v", res.StatusCode, res.Header)
	}
}

func TestNoRewrittenHistory(t *testing.T) {
	s := newSite(t)
	dir := s.clone(t, s.hello, "devs-bot")
	write(t, dir, "new.txt", "one")
	mustGit(t, dir, "push", "--quiet", "origin", "HEAD:work")
	before := s.Branch(s.hello, "work")
	mustGit(t, dir, "commit", "--quiet", "--amend", "-m", "other")
	for _, args := range [][]string{{"HEAD:work"}, {"+HEAD:work"}, {"HEAD:refs/pull/1/head"}} {
		if out, err := runGit(t, dir, append([]string{"push", "origin"}, args...)...); err == nil {
			t.Errorf("push %v: %s", args, out)
		}
	}
	if got := s.Branch(s.hello, "work"); got != before {
		t.Errorf("branch moved from %s to %s", before, got)
	}
}

func TestPullRequestFollowsItsBranch(t *testing.T) {
	s := newSite(t)
	in := newInbox(t, s, http.StatusOK)
	n := s.OpenIssue(s.hello, s.alice, "One", "")
	dir := s.clone(t, s.hello, "devs-bot")
	mustGit(t, dir, "checkout", "--quiet", "-b", "fix")
	first := write(t, dir, "new.txt", "one\n")
	mustGit(t, dir, "push", "--quiet", "origin", "fix")
	client := s.client(t, "devs-bot")
	p, _, err := client.PullRequests.Create(t.Context(), "octo", "hello", newPull("Fix", "fix", "main", fmt.Sprintf("Closes #%d.", n)))
	if err != nil || p.GetNumber() != n+1 || p.GetHead().GetSHA() != first || p.GetCommits() != 1 || p.GetAdditions() != 1 || p.GetState() != "open" {
		t.Fatalf("%v %v", p, err)
	}
	second := write(t, dir, "new.txt", "one\ntwo\n")
	mustGit(t, dir, "push", "--quiet", "origin", "fix")
	ref := fmt.Sprintf("pull/%d/head", p.GetNumber())
	mustGit(t, dir, "fetch", "--quiet", "origin", ref)
	if got := mustGit(t, dir, "rev-parse", "FETCH_HEAD"); got != second {
		t.Errorf("%s is at %s, want %s", ref, got, second)
	}
	list := in.got(t, s)
	if got, want := names(t, list), "issues opened, pull_request opened, pull_request synchronize"; got != want {
		t.Fatalf("webhooks: got %s, want %s", got, want)
	}
	last := list[2].payload(t)
	if last["before"] != first || last["after"] != second || last["sender"].(map[string]any)["login"] != "devs-bot" {
		t.Errorf("synchronize %v %v %v", last["before"], last["after"], last["sender"])
	}
	th := s.Snapshot(s.hello, n)
	if len(th.Pulls) != 1 || th.Pulls[0].HeadSHA != second || len(th.Pulls[0].Commits) != 2 || th.Pulls[0].Added != 2 ||
		!strings.Contains(th.Pulls[0].Diff, "+two") {
		t.Errorf("%+v", th.Pulls)
	}
	i, _, err := client.Issues.Get(t.Context(), "octo", "hello", p.GetNumber())
	if err != nil || !i.IsPullRequest() || i.GetID() == p.GetID() {
		t.Errorf("%v %v", i, err)
	}
	mustGit(t, dir, "push", "--quiet", "origin", ":fix")
	if got := s.Snapshot(s.hello, n).Pulls[0].State; got != "closed" {
		t.Errorf("without its branch the pull request is %s", got)
	}
}

// TestBareRepositoryIsLookedAt: another program may write into the repository's directory.
func TestBareRepositoryIsLookedAt(t *testing.T) {
	s := newSite(t)
	s.Commit(s.hello, s.bot, "fix", "one", map[string]string{"a": "1\n"})
	n := s.OpenPull(s.hello, s.bot, "Fix", "", "fix", "main")
	bare := filepath.Join(s.dir, "octo", "hello.git")
	head, err := commit(bare, "fix", "refs/heads/fix^0", identity(s.eve), "two", map[string]string{"a": "2\n"}, s.now())
	if err != nil {
		t.Fatal(err)
	}
	p, _, err := s.client(t, "devs-bot").PullRequests.Get(t.Context(), "octo", "hello", n)
	if err != nil || p.GetHead().GetSHA() != head || p.GetCommits() != 2 {
		t.Errorf("%v %v", p, err)
	}
}

func TestPullRequestsThatCannotBe(t *testing.T) {
	s := newSite(t)
	ctx := t.Context()
	client := s.client(t, "devs-bot")
	s.Commit(s.hello, s.bot, "fix", "one", map[string]string{"a": "1\n"})
	mustGit(t, filepath.Join(s.dir, "octo", "hello.git"), "branch", "empty", "main")
	create := func(head, base string) error {
		_, _, err := client.PullRequests.Create(ctx, "octo", "hello", newPull("Fix", head, base, ""))
		return err
	}
	says(t, create("none", "main"), 422, "head")
	says(t, create("fix", "none"), 422, "base")
	says(t, create("other:fix", "main"), 422, "head")
	says(t, create("empty", "main"), 422, "No commits between main and empty")
	if err := create("octo:fix", "main"); err != nil {
		t.Fatal(err)
	}
	says(t, create("fix", "main"), 422, "A pull request already exists for octo:fix.")
	_, _, err := s.client(t, "eve").PullRequests.Create(ctx, "octo", "hello", newPull("Fix", "empty", "main", ""))
	says(t, err, 403, "not accessible")
	_, _, err = client.PullRequests.Create(ctx, "octo", "hello", newPull("Fix", "empty", "main", strings.Repeat("x", maxBody+1)))
	says(t, err, 422, "body is too long")
	if list := s.Pulls(s.hello); len(list) != 1 {
		t.Errorf("%d pull requests", len(list))
	}
	s.SetState(s.hello, 1, s.alice, "closed")
	if err := create("fix", "main"); err != nil {
		t.Errorf("the earlier one is closed: %v", err)
	}
}

func TestListOfPullRequests(t *testing.T) {
	s := newSite(t)
	ctx := t.Context()
	for _, branch := range []string{"a", "b", "c"} {
		s.Commit(s.hello, s.bot, branch, branch, map[string]string{branch: "1\n"})
		s.OpenPull(s.hello, s.bot, branch, "", branch, "main")
	}
	s.SetState(s.hello, 2, s.alice, "closed")
	client := s.client(t, "devs-bot")
	for _, c := range []struct {
		opts github.PullRequestListOptions
		want string
	}{
		{github.PullRequestListOptions{}, "[c a]"},
		{github.PullRequestListOptions{State: "all"}, "[c b a]"},
		{github.PullRequestListOptions{State: "all", Direction: "asc"}, "[a b c]"},
		{github.PullRequestListOptions{State: "closed"}, "[b]"},
		{github.PullRequestListOptions{Head: "octo:a"}, "[a]"},
		{github.PullRequestListOptions{Head: "eve:a"}, "[]"},
		{github.PullRequestListOptions{Head: "octo:b"}, "[]"},
		{github.PullRequestListOptions{Base: "a"}, "[]"},
	} {
		list, _, err := client.PullRequests.List(ctx, "octo", "hello", &c.opts)
		got := []string{}
		for _, p := range list {
			got = append(got, p.GetTitle())
		}
		if err != nil || fmt.Sprint(got) != c.want {
			t.Errorf("%+v: %v %v", c.opts, got, err)
		}
	}
	s.Merge(s.hello, 1, s.alice)
	p, _, err := client.PullRequests.Get(ctx, "octo", "hello", 1)
	if err != nil || !p.GetMerged() || p.GetState() != "closed" || p.GetMergeCommitSHA() != s.Branch(s.hello, "main") || p.GetCommits() != 1 {
		t.Errorf("%v %v", p, err)
	}
	p, _, err = client.PullRequests.Edit(ctx, "octo", "hello", 3, &github.PullRequest{Title: new("new")})
	if err != nil || p.GetTitle() != "new" {
		t.Errorf("%v %v", p, err)
	}
}

func TestStrangeNamesAndFilesAreRefused(t *testing.T) {
	s := newSite(t)
	for _, name := range []string{"", "..", "a/b", "a.git", "-x", "HELLO"} {
		if _, err := s.AddRepo("octo", name, nil, false); err == nil && name != "HELLO" {
			t.Errorf("repository %q was made", name)
		} else if name == "HELLO" && err == nil {
			t.Error("two repositories differ in case only")
		}
	}
	if _, err := s.AddRepo("octo", "other", map[string]string{"../x": ""}, false); err == nil {
		t.Error("a file outside the repository was made")
	}
}

func TestStartRefuses(t *testing.T) {
	for _, o := range []Options{
		{Dir: t.TempDir(), Addr: "0.0.0.0:0"},
		{Dir: t.TempDir(), Addr: ":0"},
		{Dir: t.TempDir(), Addr: "192.0.2.1:0"},
		{Dir: t.TempDir(), Addr: "nonsense"},
		{},
	} {
		o.Log = zerolog.Nop()
		if g, err := Start(t.Context(), o); err == nil {
			t.Errorf("started with %+v", o)
			_ = g.Close()
		}
	}
}

func newPull(title, head, base, body string) *github.NewPullRequest {
	return &github.NewPullRequest{Title: &title, Head: &head, Base: &base, Body: &body}
}
