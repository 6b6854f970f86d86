package sim

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"io"
	"net/http"
	"os"
	"strings"
	"testing"

	"github.com/google/go-github/v89/github"

	"devs-webhook/messages"
)

var update = flag.Bool("update", false, "rewrite the golden files")

func TestRender(t *testing.T) {
	s := newSite(t, fixed)
	n := s.OpenIssue(s.hello, s.alice, "The login is broken", "@devs-bot please mend the login.\n\n<!-- nobody sees this -->\n\n```html\n<!-- but this -->\n```")
	s.React(s.hello, n, 0, s.bot, "eyes")
	s.React(s.hello, n, 0, s.eve, "+1")
	s.React(s.hello, n, 0, s.reader, "+1")
	s.Assign(s.hello, n, s.bot, s.alice)
	s.CommentOn(s.hello, n, s.bot, "<details><summary>Took <b>2</b> minutes &amp; 3 turns</summary>\n\nlong\n\n</details>\n\n"+
		messages.Marker(messages.TaskIDOf("x"), messages.EffectProgress))
	id := s.CommentOn(s.hello, n, s.bot, "@alice Done: #2 mends it.\x1b[2J\n\n\n\n- one\n- two\n\n"+messages.Marker(messages.TaskIDOf("x"), messages.EffectFinal))
	s.React(s.hello, n, id, s.alice, "hooray")
	s.Commit(s.hello, s.bot, "devs/1-abc", "Mend the login", map[string]string{"login.txt": "good\n", "README.md": "# hello\n\nLog in.\n"})
	s.OpenPull(s.hello, s.bot, "Mend the login", "Closes #1", "devs/1-abc", "main")
	s.Commit(s.hello, s.bot, "other", "Other", map[string]string{"a": "b"})
	s.OpenPull(s.hello, s.eve, "Other", "about #12 and x#1 and octo/other#1", "other", "main")
	var page bytes.Buffer
	if err := s.Render(&page, s.hello, n); err != nil {
		t.Fatal(err)
	}
	const golden = "testdata/thread.txt"
	if *update {
		if err := os.WriteFile(golden, page.Bytes(), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if page.String() != string(want) {
		t.Errorf("got:\n%s\nwant:\n%s", page.String(), want)
	}
	res, err := http.Get(s.Snapshot(s.hello, n).URL) // the address that comments give works in a browser
	if err != nil {
		t.Fatal(err)
	}
	defer http.DefaultClient.CloseIdleConnections()
	defer res.Body.Close()
	if body, _ := io.ReadAll(res.Body); string(body) != page.String() {
		t.Errorf("page %s", body)
	}
}

func TestPrivateThreadHasNoPage(t *testing.T) {
	s := newSite(t)
	n := s.OpenIssue(s.secret, s.alice, "One", "")
	res, err := http.Get(s.Snapshot(s.secret, n).URL)
	if err != nil {
		t.Fatal(err)
	}
	defer http.DefaultClient.CloseIdleConnections()
	defer res.Body.Close()
	if res.StatusCode != 404 {
		t.Errorf("%d", res.StatusCode)
	}
}

func TestWaitWakesOnEachChange(t *testing.T) {
	s := newSite(t)
	n := s.OpenIssue(s.hello, s.alice, "One", "")
	client := s.client(t, "devs-bot")
	wait := func(what string, act func(), cond func(Thread) bool) {
		t.Helper()
		looked := make(chan struct{}, 100)
		done := make(chan error, 1)
		go func() {
			_, err := s.Wait(soon(t), func(th Thread) bool { ok := cond(th); looked <- struct{}{}; return ok }, s.hello, n)
			done <- err
		}()
		<-looked // it has looked once and now waits
		act()
		if err := <-done; err != nil {
			t.Errorf("%s: %v", what, err)
		}
	}
	wait("comment", func() {
		if _, _, err := client.Issues.CreateComment(t.Context(), "octo", "hello", n, &github.IssueComment{Body: new("x")}); err != nil {
			t.Error(err)
		}
	}, func(th Thread) bool { return len(th.Comments) == 1 })
	wait("reaction", func() {
		if _, _, err := client.Reactions.CreateIssueReaction(t.Context(), "octo", "hello", n, "eyes"); err != nil {
			t.Error(err)
		}
	}, func(th Thread) bool { return len(th.Reactions) == 1 })
	wait("push and pull request", func() {
		s.Commit(s.hello, s.bot, "fix", "one", map[string]string{"a": "b"})
		s.OpenPull(s.hello, s.bot, "Fix", "#1", "fix", "main")
	}, func(th Thread) bool { return len(th.Pulls) == 1 })
	wait("request", func() { s.raw(t, "GET", "/user", "", "User-Agent", "x") },
		func(th Thread) bool {
			return len(th.Requests) > 0 && th.Requests[len(th.Requests)-1].Path == "/user" && th.Requests[len(th.Requests)-1].Status == 200
		})
}

func TestWaitEndsWithItsContext(t *testing.T) {
	s := newSite(t)
	n := s.OpenIssue(s.hello, s.alice, "One", "")
	ctx, cancel := context.WithCancelCause(t.Context())
	why := errors.New("enough")
	th, err := s.Wait(ctx, func(Thread) bool { cancel(why); return false }, s.hello, n)
	if !errors.Is(err, why) || th.Title != "One" {
		t.Errorf("%v %+v", err, th)
	}
}

// TestEndOfContextEndsRequests: the context of Start ends what is under way; Close still has to be called.
func TestEndOfContextEndsRequests(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	g, err := Start(ctx, Options{Dir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	cancel()
	if err := g.Settle(context.Background()); err != nil && !errors.Is(err, ErrClosed) {
		t.Error(err)
	}
	if err := g.Close(); err != nil {
		t.Error(err)
	}
	if _, err := http.Get(g.APIURL()); err == nil {
		t.Error("it still answers")
	}
	http.DefaultClient.CloseIdleConnections()
}

// FuzzPage: no text may break the page or reach the terminal as a command.
func FuzzPage(f *testing.F) {
	for _, seed := range []string{"", "<!-- x -->", "```\n<!-- x", "<details><summary>a</summary>b</details>", "\x1b]0;x\a", "~~~\n~~~", "\u202e"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, body string) {
		th := Thread{Body: body, Title: body, Comments: []Comment{{Comment: messages.Comment{Body: body}}}, Pulls: []Pull{{Stat: body, Head: body}}}
		page := th.page()
		if strings.ContainsAny(page, "\x1b\a\x00\r\u009b\u202e") {
			t.Errorf("%q", page)
		}
	})
}
