package intake_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"devs-webhook/internal/intake"
	"devs-webhook/messages"
)

var update = flag.Bool("update", false, "rewrite the golden files")

// The identities under which each payload is judged. The people of the payloads are few, so that several
// are needed to see each rule at work.
var (
	cat  = messages.User{ID: 21031067, Login: "Codertocat"} // sender of nearly all payloads
	hand = messages.User{ID: 700, Login: "helping-hand"}    // nobody in the payloads
	boss = messages.User{ID: 701, Login: "maintainer"}      // likewise; sender of derived ones
)

var identities = []struct {
	name string
	who  intake.Identity
}{
	{"cat", intake.Identity{Mentioned: cat, Self: hand}},
	{"hand", intake.Identity{Mentioned: hand, Self: hand}},
	{"hand+cat", intake.Identity{Mentioned: hand, Self: cat}},
}

// derived are payloads made from real ones, for what GitHub's own examples do not show.
var derived = []struct {
	name, event, base string
	edits             map[string]any
}{
	{"issue opened with a mention", "issues", "issues/opened.json", map[string]any{
		"issue.body": "Please, @helping-hand, fix this.\r\n\r\n<!-- a template's hint -->",
	}},
	{"issue opened and assigned by a maintainer", "issues", "issues/opened.json", map[string]any{
		"sender": account(boss), "issue.user": account(boss),
	}},
	{"issue assigned by its author", "issues", "issues/assigned.json", map[string]any{
		"sender": account(boss), "issue.user": account(boss),
	}},
	{"issue assigned by another", "issues", "issues/assigned.json", map[string]any{"sender": account(boss)}},
	{"issue assigned when closed", "issues", "issues/assigned.json", map[string]any{
		"sender": account(boss), "issue.state": "closed",
	}},
	{"issue edited, mention new", "issues", "issues/edited.json", map[string]any{
		"issue.body": "@helping-hand fix", "changes.body.from": "fix",
	}},
	{"issue edited, mention kept", "issues", "issues/edited.json", map[string]any{
		"issue.body": "@helping-hand fix", "changes.title.from": "Old title",
	}},
	{"issue edited by another, mention new", "issues", "issues/edited.json", map[string]any{
		"issue.body": "@helping-hand fix", "changes.body.from": "fix", "sender": account(boss),
	}},
	{"issue edited, body was empty", "issues", "issues/edited.json", map[string]any{
		"issue.body": "@helping-hand fix", "changes.body": map[string]any{"from": nil},
	}},
	{"comment with a mention", "issue_comment", "issue_comment/created.json", map[string]any{
		"comment.body": "@Helping-Hand please",
	}},
	{"comment with a quoted mention", "issue_comment", "issue_comment/created.json", map[string]any{
		"comment.body": "> @helping-hand please\r\n\r\nWhat is this?",
	}},
	{"comment on an assigned issue", "issue_comment", "issue_comment/created.json", map[string]any{
		"sender": account(boss), "comment.user": account(boss),
	}},
	{"comment by a bot on an assigned issue", "issue_comment", "issue_comment/created.json", map[string]any{
		"sender": account(app), "comment.user": account(app),
	}},
	{"comment with a marker", "issue_comment", "issue_comment/created.json", map[string]any{
		"comment.body": "@helping-hand " + marker,
	}},
	{"comment edited, mention new", "issue_comment", "issue_comment/edited.json", map[string]any{
		"comment.body": "@helping-hand please",
	}},
	{"comment edited, mention kept", "issue_comment", "issue_comment/edited.json", map[string]any{
		"comment.body": "@helping-hand please", "changes.body.from": "@helping-hand pleas",
	}},
	{
		"comment on a pull request with a mention", "issue_comment", "issue_comment/created.on-pull-request.go-playground.json",
		map[string]any{"comment.body": "@helping-hand rebase"},
	},
	{
		"comment on its own pull request", "issue_comment", "issue_comment/created.on-pull-request.go-playground.json",
		map[string]any{"comment.body": "rebase", "issue.user": account(hand)},
	},
	{"pull request opened with a mention", "pull_request", "pull_request/opened.json", map[string]any{
		"pull_request.body": "@helping-hand review", "sender": account(boss), "pull_request.user": account(boss),
	}},
	{"comment named issues", "issues", "issue_comment/created.json", nil},
	{"issue named push", "push", "issues/opened.json", nil},
}

// verdictOf is what one delivery comes to.
func verdictOf(event string, body []byte, who intake.Identity) (messages.Event, intake.Verdict) {
	ev, err := intake.Parse(event, body)
	if m, ok := errors.AsType[*intake.MalformedError](err); ok {
		return ev, intake.Verdict{Reason: messages.ReasonMalformed, Detail: m.Detail}
	}
	if err != nil {
		return ev, intake.Verdict{Reason: messages.ReasonEventUnsupported}
	}
	return ev, intake.Judge(ev, who, false)
}

// TestDecisions judges every payload of testdata/webhooks and the derived ones, and compares all
// decisions, and the requests in full, with golden files.
func TestDecisions(t *testing.T) {
	var table strings.Builder
	requests := map[string]messages.Request{}
	asked := 0
	add := func(name, event string, body []byte) {
		for _, id := range identities {
			ev, v := verdictOf(event, body, id.who)
			outcome := string(v.Reason)
			if v.Ask {
				asked++
				outcome += " " + v.Request.Trigger
				if v.Request.OnlyReplace {
					outcome += " (replaces only)"
				}
				requests[name+" / "+id.name] = v.Request
			}
			if v.Detail != "" {
				outcome += ": " + v.Detail
			}
			fmt.Fprintf(&table, "%s | %s | %s | %s\n", name, id.name, intake.Summary(ev), outcome)
		}
	}
	for _, name := range payloadNames(t) {
		add(name, filepath.Dir(name), readPayload(t, name))
	}
	for _, d := range derived {
		add("derived: "+d.name, d.event, derive(t, d.base, d.edits))
	}
	if asked < 20 {
		t.Errorf("only %d requests: the table does not show much", asked)
	}
	full, err := json.MarshalIndent(requests, "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	golden(t, "decisions.golden", []byte(table.String()))
	golden(t, "requests.golden.json", append(full, '\n'))
}

func payloadNames(t testing.TB) []string {
	t.Helper()
	var names []string
	err := filepath.WalkDir(payloads, func(path string, d fs.DirEntry, err error) error {
		if err != nil || filepath.Ext(path) != ".json" {
			return err
		}
		name, err := filepath.Rel(payloads, path)
		names = append(names, filepath.ToSlash(name))
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(names) < 80 {
		t.Fatalf("only %d payloads found", len(names))
	}
	return names
}

func golden(t *testing.T, name string, got []byte) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(path, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Errorf("%s differs (-want +got); rewrite it with -update:\n%s", name, cmp.Diff(string(want), string(got)))
	}
}
