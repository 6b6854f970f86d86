package intake_test

import (
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"devs-webhook/internal/intake"
	"devs-webhook/messages"
)

const payloads = "../../testdata/webhooks"

func readPayload(t testing.TB, name string) []byte {
	t.Helper()
	body, err := os.ReadFile(filepath.Join(payloads, name))
	if err != nil {
		t.Fatal(err)
	}
	return body
}

// derive gives a real payload with some values replaced, by their dotted path. A nil value takes the key
// away.
func derive(t testing.TB, name string, edits map[string]any) []byte {
	t.Helper()
	var p map[string]any
	d := json.NewDecoder(strings.NewReader(string(readPayload(t, name))))
	d.UseNumber()
	if err := d.Decode(&p); err != nil {
		t.Fatal(err)
	}
	for path, value := range edits {
		at := p
		keys := strings.Split(path, ".")
		for _, k := range keys[:len(keys)-1] {
			if _, ok := at[k].(map[string]any); !ok {
				at[k] = map[string]any{}
			}
			at = at[k].(map[string]any)
		}
		if last := keys[len(keys)-1]; value == nil {
			delete(at, last)
		} else {
			at[last] = value
		}
	}
	body, err := json.Marshal(p)
	if err != nil {
		t.Fatal(err)
	}
	return body
}

func account(u messages.User) map[string]any {
	kind := "User"
	if u.Bot {
		kind = "Bot"
	}
	return map[string]any{"login": u.Login, "id": u.ID, "type": kind}
}

func TestParseComment(t *testing.T) {
	got, err := intake.Parse("issue_comment", readPayload(t, "issue_comment/edited.json"))
	if err != nil {
		t.Fatal(err)
	}
	cat := messages.User{ID: 21031067, Login: "Codertocat"}
	if got.Name != "issue_comment" || got.Action != "edited" || got.Sender != cat || got.Comment.Author != cat {
		t.Errorf("event = %+v", got)
	}
	wantRepo := messages.Repo{ID: 186853002, Owner: "Codertocat", Name: "Hello-World", DefaultBranch: "master"}
	if got.Repo != wantRepo {
		t.Errorf("repo = %+v, want %+v", got.Repo, wantRepo)
	}
	if got.Thread.Number != 1 || got.Thread.ID != 444500041 || got.Thread.PullRequest || got.Thread.State != "open" ||
		len(got.Thread.Assignees) != 1 || got.Thread.Assignees[0] != cat {
		t.Errorf("thread = %+v", got.Thread)
	}
	if got.Before.Body != "You are totally right! I'll get this fixed right away." || got.Before.Title != "" {
		t.Errorf("before = %+v", got.Before)
	}
	if want := time.Date(2019, 5, 15, 15, 20, 22, 0, time.UTC); !got.UpdatedAt.Equal(want) {
		t.Errorf("updated at %s, want %s", got.UpdatedAt, want)
	}
	if want := "issue_comment edited Codertocat/Hello-World#1"; intake.Summary(got) != want {
		t.Errorf("summary = %q, want %q", intake.Summary(got), want)
	}
}

// TestParseBefore: an edit tells only the parts that it changed.
func TestParseBefore(t *testing.T) {
	tests := []struct {
		name, event, base string
		edits             map[string]any
		want              messages.Text
	}{
		{"nothing", "issues", "issues/edited.json", map[string]any{"issue.title": "a", "issue.body": "b"}, messages.Text{Title: "a", Body: "b"}},
		{"title", "issues", "issues/edited.json", map[string]any{"issue.title": "a", "issue.body": "b", "changes.title.from": "x"}, messages.Text{Title: "x", Body: "b"}},
		{"body", "issues", "issues/edited.json", map[string]any{"issue.title": "a", "issue.body": "b", "changes.body.from": "x"}, messages.Text{Title: "a", Body: "x"}},
		{"empty body", "issues", "issues/edited.json", map[string]any{"issue.title": "a", "issue.body": "b", "changes.body": map[string]any{"from": nil}}, messages.Text{Title: "a"}},
		{"a comment has no title", "issue_comment", "issue_comment/edited.json", map[string]any{"changes.title.from": "x", "changes.body.from": "y"}, messages.Text{Body: "y"}},
		{"no edit", "issues", "issues/opened.json", map[string]any{"changes.title.from": "x"}, messages.Text{}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			ev, err := intake.Parse(tt.event, derive(t, tt.base, tt.edits))
			if err != nil || ev.Before != tt.want {
				t.Errorf("before = %+v, %v; want %+v", ev.Before, err, tt.want)
			}
		})
	}
}

// TestParseAssignees: of old payloads some have the list of assignees, some the single key.
func TestParseAssignees(t *testing.T) {
	nobody := map[string]any{"id": 0, "login": ""}
	for name, edits := range map[string]map[string]any{
		"list":   {"issue.assignee": nil},
		"single": {"issue.assignees": nil},
		"both":   {},
		"gaps":   {"issue.assignees": []any{nil, nobody}},
	} {
		ev, err := intake.Parse("issues", derive(t, "issues/opened.json", edits))
		if err != nil || len(ev.Thread.Assignees) != 1 || ev.Thread.Assignees[0] != cat {
			t.Errorf("%s: %+v, %v", name, ev.Thread.Assignees, err)
		}
	}
}

func TestParsePullRequest(t *testing.T) {
	got, err := intake.Parse("pull_request", readPayload(t, "pull_request/opened.json"))
	if err != nil {
		t.Fatal(err)
	}
	if !got.Thread.PullRequest || got.Thread.Number != 2 || got.Thread.HeadRef != "changes" ||
		got.Thread.HeadRepo != "Codertocat/Hello-World" || got.Thread.BaseRef != "master" {
		t.Errorf("thread = %+v", got.Thread)
	}
	comment, err := intake.Parse("issue_comment", readPayload(t, "issue_comment/created.on-pull-request.go-playground.json"))
	if err != nil || !comment.Thread.PullRequest {
		t.Errorf("comment on a pull request = %+v, %v", comment.Thread, err)
	}
}

// TestParseGoneFork: the head of a pull request has no repository if its fork was deleted.
func TestParseGoneFork(t *testing.T) {
	body := derive(t, "pull_request/opened.json", map[string]any{"pull_request.head.repo": nil, "pull_request.base": nil})
	got, err := intake.Parse("pull_request", body)
	if err != nil || got.Thread.HeadRepo != "" || got.Thread.BaseRef != "" {
		t.Errorf("thread = %+v, %v", got.Thread, err)
	}
}

func TestParsePing(t *testing.T) {
	for _, name := range []string{"payload", "with-app_id", "with-organization"} {
		got, err := intake.Parse("ping", readPayload(t, "ping/"+name+".json"))
		if err != nil || got.Name != "ping" || got.Action != "" {
			t.Errorf("%s: %+v, %v", name, got, err)
		}
	}
}

func TestParseUnsupported(t *testing.T) {
	for event, summary := range map[string]string{
		"push":                "push Codertocat/Hello-World",
		"PUSH":                "push Codertocat/Hello-World",
		"":                    "unknown",
		"issues\nx":           "unknown",
		"../issues":           "unknown",
		"pull_request_review": "pull_request_review Codertocat/Hello-World",
	} {
		got, err := intake.Parse(event, readPayload(t, "push/1.json"))
		if !errors.Is(err, intake.ErrUnsupported) || intake.Summary(got) != summary {
			t.Errorf("%q: %q, %v; want %q", event, intake.Summary(got), err, summary)
		}
	}
}

// TestParseMalformed covers payloads that are not what the unsigned header says, and lacking ones.
func TestParseMalformed(t *testing.T) {
	comment := readPayload(t, "issue_comment/created.json")
	tests := []struct {
		name, event string
		body        []byte
		want        string
	}{
		{"comment as an issue", "issues", comment, "has the key comment"},
		{"comment as a pull request", "pull_request", comment, "has the key issue"},
		{"comment as a ping", "ping", comment, "no zen or hook"},
		{"issue as a comment", "issue_comment", readPayload(t, "issues/opened.json"), "no comment"},
		{"review comment as a comment", "issue_comment", readPayload(t, "pull_request_review_comment/created.json"), "no issue"},
		{"review comment as a pull request", "pull_request", readPayload(t, "pull_request_review_comment/created.json"), "key comment"},
		{"review as a pull request", "pull_request", readPayload(t, "pull_request_review/submitted.json"), "key review"},
		{"discussion as an issue", "issues", readPayload(t, "discussion/created.json"), "no issue"},
		{"pull request beside an issue", "issues", derive(t, "issues/opened.json", map[string]any{"pull_request": map[string]any{}}), "key pull_request"},
		{"push as an issue", "issues", readPayload(t, "push/1.json"), "no action"},
		{"no JSON", "issues", []byte("{"), "not valid JSON"},
		{"an array", "issues", []byte("[]"), "payload is a array"},
		{"empty", "issues", []byte("{}"), "no action"},
		{"null issue", "issues", []byte(`{"action":"opened","issue":null}`), "no issue"},
		{"title is a number", "issues", derive(t, "issues/opened.json", map[string]any{"issue.title": 1}), "issue.title is a number"},
		{"number too large", "issues", derive(t, "issues/opened.json", map[string]any{"issue.id": json.Number("1e30")}), "issue.id"},
		{"no repository", "issues", derive(t, "issues/opened.json", map[string]any{"repository": nil}), "repository has no id"},
		{"owner is a path", "issues", derive(t, "issues/opened.json", map[string]any{"repository.owner.login": "a/b"}), "valid owner"},
		{"name is a path", "issues", derive(t, "issues/opened.json", map[string]any{"repository.name": ".."}), "valid name"},
		{"name is an option", "issues", derive(t, "issues/opened.json", map[string]any{"repository.owner.login": "--x"}), "valid owner"},
		{"no sender", "issues", derive(t, "issues/opened.json", map[string]any{"sender": nil}), "sender is missing"},
		{"no number", "issues", derive(t, "issues/opened.json", map[string]any{"issue.number": nil}), "no number"},
		{"no id", "issues", derive(t, "issues/opened.json", map[string]any{"issue.id": nil}), "no id"},
		{"no author", "issues", derive(t, "issues/opened.json", map[string]any{"issue.user": nil}), "no author"},
		{"no comment id", "issue_comment", derive(t, "issue_comment/created.json", map[string]any{"comment.id": nil}), "comment has no id"},
		{"no assignee", "issues", derive(t, "issues/assigned.json", map[string]any{"assignee": nil}), "assignee is missing"},
		{"action with blanks", "issues", derive(t, "issues/opened.json", map[string]any{"action": "a b"}), "not a word"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := intake.Parse(tt.event, tt.body)
			m, ok := errors.AsType[*intake.MalformedError](err)
			if !ok || !strings.Contains(m.Detail, tt.want) {
				t.Errorf("err = %v, want one with %q", err, tt.want)
			}
			if got.Name != tt.event {
				t.Errorf("event = %+v, want its name", got)
			}
		})
	}
}

// TestParseTolerates: what is not needed may be missing, and dates may be unreadable.
func TestParseTolerates(t *testing.T) {
	minimal := `{"action":"created","new_key":{"x":[1]},
		"repository":{"id":1,"name":"r","owner":{"login":"o"}},"sender":{"id":2,"login":"s"},
		"issue":{"id":3,"number":4,"user":null,"assignees":[null],"pull_request":{},"updated_at":1557933618},
		"comment":{"id":5,"body":null,"user":{"id":2,"login":"s"},"updated_at":"2018-04-25 20:42:10","created_at":"2018-04-25T20:42:10Z"}}`
	got, err := intake.Parse("issue_comment", []byte(minimal))
	if err != nil {
		t.Fatal(err)
	}
	if !got.Thread.PullRequest || len(got.Thread.Assignees) != 0 || got.UpdatedAt.Year() != 2018 {
		t.Errorf("event = %+v", got)
	}
	// A key whose value is null is not there.
	nulls := strings.NewReplacer(`"pull_request":{}`, `"pull_request":null`, `"new_key":{"x":[1]}`, `"pull_request":null,"review":null,"hook":null`)
	if got, err = intake.Parse("issue_comment", []byte(nulls.Replace(minimal))); err != nil || got.Thread.PullRequest {
		t.Errorf("event = %+v, %v", got, err)
	}
	// Of an action that is passed over nothing is needed.
	if got, err = intake.Parse("issues", []byte(`{"action":"typed","issue":{}}`)); err != nil || got.Action != "typed" {
		t.Errorf("event = %+v, %v", got, err)
	}
}
