package intake_test

import (
	"strings"
	"testing"
	"time"
	"unicode"
	"unicode/utf8"

	"pgregory.net/rapid"

	"devs-webhook/internal/intake"
	"devs-webhook/messages"
)

// drawEvent draws events that Parse could have returned, of few people and objects.
func drawEvent(t *rapid.T) messages.Event {
	person := rapid.SampledFrom([]messages.User{ann, eve, bot, dev, app})
	kind := rapid.SampledFrom([][2]string{
		{"issues", "opened"},
		{"issues", "edited"},
		{"issues", "assigned"},
		{"issues", "closed"},
		{"issue_comment", "created"},
		{"issue_comment", "edited"},
		{"pull_request", "opened"},
	}).Draw(t, "kind")
	ev := issue(kind[1], person.Draw(t, "author"), person.Draw(t, "sender"), drawText(t, "title"), drawText(t, "body"))
	ev.Name = kind[0]
	ev.Thread.State = rapid.SampledFrom([]string{"open", "closed"}).Draw(t, "state")
	ev.Thread.PullRequest = ev.Name == "pull_request" || ev.Name == "issue_comment" && rapid.Bool().Draw(t, "pull")
	ev.Thread.Assignees = rapid.SliceOfN(person, 0, 2).Draw(t, "assignees")
	ev.Before = messages.Text{Title: drawText(t, "title before"), Body: drawText(t, "body before")}
	if ev.Action == "assigned" {
		ev.Assignee = person.Draw(t, "assignee")
	}
	if ev.Name == "issue_comment" {
		ev.Before.Title = ""
		ev.Comment = messages.Comment{ID: 30, Body: drawText(t, "comment"), Author: person.Draw(t, "commenter")}
	}
	return ev
}

// TestRequestProperties: what holds for every request, whatever the event.
func TestRequestProperties(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		ev := drawEvent(t)
		v := intake.Judge(ev, apart, rapid.Bool().Draw(t, "recorded"))
		if !v.Ask {
			if v.Reason == messages.ReasonAccepted || v.Reason == "" || v.Request.Key != "" {
				t.Fatalf("ignored with %+v", v)
			}
			return
		}
		checkRequest(t, ev, v.Request)
		if ev.Sender.ID == bot.ID {
			t.Fatal("the mentioned account asks itself")
		}
		if v.Request.OnlyReplace && ev.Action != "edited" {
			t.Fatal("only an edit replaces")
		}
		// The same object under another delivery, or later edited, is the same request.
		again := ev
		again.Sender, again.Thread.Title, again.Repo.Name = ann, again.Thread.Title+" x", "renamed"
		if w := intake.Judge(again, apart, false); w.Ask && w.Request.Key != v.Request.Key {
			t.Fatalf("keys %q and %q", v.Request.Key, w.Request.Key)
		}
		// Another object is another request.
		again = ev
		again.Thread.ID, again.Comment.ID = again.Thread.ID+1, again.Comment.ID+1
		if w := intake.Judge(again, apart, false); w.Ask && w.Request.Key == v.Request.Key {
			t.Fatalf("another object has the key %q too", w.Request.Key)
		}
	})
}

// reporter is what rapid and fuzz tests share.
type reporter interface {
	Helper()
	Fatalf(format string, args ...any)
}

// checkRequest checks what the rest of the program relies on.
func checkRequest(t reporter, ev messages.Event, r messages.Request) {
	t.Helper()
	author := ev.Thread.Author
	if ev.Name == "issue_comment" {
		author = ev.Comment.Author
	}
	has := func(u messages.User) bool {
		for _, p := range r.Principals {
			if p.ID == u.ID {
				return true
			}
		}
		return false
	}
	switch {
	case r.Key == "" || r.Object.ID == 0 || r.Thread.Number == 0 || r.Repo.ID == 0:
		t.Fatalf("incomplete: %+v", r)
	case len(r.Principals) == 0 || !has(r.Requester):
		t.Fatalf("requester %+v is not among %+v", r.Requester, r.Principals)
	case r.Instruction != intake.AssignmentInstruction && !has(author):
		t.Fatalf("the author of %q is not among %+v", r.Instruction, r.Principals)
	case ev.Action == "edited" && !has(ev.Sender):
		t.Fatalf("the editor is not among %+v", r.Principals)
	case r.ThreadTrusted != has(ev.Thread.Author):
		t.Fatalf("trusted = %t with %+v", r.ThreadTrusted, r.Principals)
	}
	for _, p := range r.Principals {
		if p.ID <= 0 {
			t.Fatalf("nobody is among %+v", r.Principals)
		}
	}
	for _, text := range []string{r.Instruction, r.Thread.Title, r.Thread.Body} {
		if _, _, marked := messages.FindMarker(text); marked || len(text) > 64<<10 || !utf8.ValidString(text) {
			t.Fatalf("text = %q", text)
		}
		if strings.ContainsFunc(text, func(r rune) bool { return unicode.IsControl(r) && r != '\n' && r != '\t' }) {
			t.Fatalf("control characters in %q", text)
		}
	}
	if strings.TrimSpace(r.Instruction) == "" {
		t.Fatalf("no instruction: %+v", r)
	}
}

// TestSameRequestUnderTwoDeliveries: an organization's hook and a repository's own deliver one event under
// two GUIDs, and with other keys beside it.
func TestSameRequestUnderTwoDeliveries(t *testing.T) {
	who := intake.Identity{Mentioned: hand, Self: hand}
	one := derive(t, "issue_comment/created.json", map[string]any{"comment.body": "@helping-hand"})
	two := derive(t, "issue_comment/created.json", map[string]any{
		"comment.body": "@helping-hand", "organization": map[string]any{"login": "octo"}, "installation": map[string]any{"id": 1},
	})
	_, v := verdictOf("issue_comment", one, who)
	_, w := verdictOf("issue_comment", two, who)
	if !v.Ask || v.Request.Key != w.Request.Key || messages.TaskIDOf(v.Request.Key) != messages.TaskIDOf(w.Request.Key) {
		t.Errorf("keys %q and %q", v.Request.Key, w.Request.Key)
	}
}

func TestJudgeIsLinear(t *testing.T) {
	const size = 1 << 18
	for name, piece := range map[string]string{
		"markers": marker, "begun markers": "<!-- devs-webhook ", "comments": "<!-- a -->", "joiners": "\u200d",
		"selectors": "❤\ufe0f", "begun comments": "\n<!--", "divisions": "<div><!--\n\n",
	} {
		body := "@bot " + strings.Repeat(piece, size/len(piece))
		took := busy(t, func() { intake.Judge(comment("created", ann, body), apart, false) })
		if took > 10*time.Second {
			t.Errorf("%s took %s", name, took)
		}
	}
}

// FuzzParse: no event name and no payload makes Parse or Judge panic, or ask for something incomplete.
func FuzzParse(f *testing.F) {
	for _, name := range []string{
		"issues/opened.json", "issues/edited.json", "issues/assigned.json", "issue_comment/created.json",
		"issue_comment/edited.json", "pull_request/opened.json", "ping/payload.json", "push/1.json",
	} {
		f.Add(name[:strings.IndexByte(name, '/')], readPayload(f, name))
	}
	f.Add("issue_comment", []byte(`{"action":"created","repository":{"id":1,"name":"r","owner":{"login":"o"}},
		"sender":{"id":1,"login":"ann"},"issue":{"id":3,"number":4},"comment":{"id":5,"body":"@bot x","user":{"id":1,"login":"ann"}}}`))
	f.Fuzz(func(t *testing.T, event string, body []byte) {
		ev, err := intake.Parse(event, body)
		if line := intake.Summary(ev); line == "" || strings.ContainsFunc(line, unicode.IsControl) {
			t.Fatalf("summary = %q", line)
		}
		if err != nil && (ev.Sender.ID != 0 || ev.Thread.Number != 0) {
			t.Fatalf("an error, and the event %+v", ev)
		}
		for _, who := range []intake.Identity{apart, {Mentioned: ann, Self: ann}, {}} {
			if v := intake.Judge(ev, who, true); v.Ask {
				checkRequest(t, ev, v.Request)
			}
		}
	})
}
