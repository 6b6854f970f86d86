package intake

import (
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"strings"

	"devs-webhook/messages"
)

// ErrUnsupported is what Parse answers to an event that nothing here knows.
var ErrUnsupported = errors.New("event is not supported")

// MalformedError is what Parse answers to a payload that is not what its event's name says.
type MalformedError struct {
	Detail string // a sentence part for people: "issue has no number"
}

// Error gives the detail.
func (e *MalformedError) Error() string { return "payload is malformed: " + e.Detail }

// The names of the events that are known, and the actions of them that may be a request.
const (
	eventPing         = "ping"
	eventIssues       = "issues"
	eventIssueComment = "issue_comment"
	eventPullRequest  = "pull_request"

	actionOpened   = "opened"
	actionEdited   = "edited"
	actionAssigned = "assigned"
	actionCreated  = "created"
)

var (
	word      = regexp.MustCompile(`^[a-z][a-z_]{0,63}$`)
	ownerName = regexp.MustCompile(`^[A-Za-z0-9_][A-Za-z0-9_-]{0,99}$`)
	repoName  = regexp.MustCompile(`^[A-Za-z0-9._-]{1,100}$`)
)

// Parse tells what a delivery means. event is the value of X-GitHub-Event, which is not signed: a payload
// of another shape than it says is malformed. Errors are ErrUnsupported and *MalformedError; with either,
// as much of the event is returned as is needed to name it (Name, Action, Repo). Parse never panics.
func Parse(event string, body []byte) (messages.Event, error) {
	name := strings.ToLower(event)
	if !word.MatchString(name) {
		return messages.Event{Name: "unknown"}, ErrUnsupported
	}
	switch name {
	case eventPing, eventIssues, eventIssueComment, eventPullRequest:
	default:
		return sketch(name, body), ErrUnsupported
	}
	var p payload
	if err := json.Unmarshal(body, &p); err != nil {
		return sketch(name, body), malformed(err)
	}
	if detail := p.shape(name); detail != "" {
		return sketch(name, body), &MalformedError{Detail: detail}
	}
	ev := p.event(name)
	if detail := check(ev); detail != "" {
		return sketch(name, body), &MalformedError{Detail: detail}
	}
	if checkRepo(ev.Repo) != "" {
		ev.Repo = messages.Repo{} // of a ping or of an action that is passed over
	}
	return ev, nil
}

// Summary is the event in one line: "issue_comment created octo/hello#1".
func Summary(ev messages.Event) string {
	parts := []string{ev.Name}
	if ev.Action != "" {
		parts = append(parts, ev.Action)
	}
	if ev.Repo.Name != "" {
		place := ev.Repo.FullName()
		if ev.Thread.Number != 0 {
			place = fmt.Sprintf("%s#%d", place, ev.Thread.Number)
		}
		parts = append(parts, place)
	}
	return strings.Join(parts, " ")
}

// sketch reads what names an event, and passes over everything that does not fit.
func sketch(name string, body []byte) messages.Event {
	ev := messages.Event{Name: name}
	var o outline
	// A part that does not decode stays zero; the parts before it are kept.
	_ = json.Unmarshal(body, &o)
	if action, ok := o.Action.(string); ok && word.MatchString(action) {
		ev.Action = action
	}
	if repo := o.Repository.message(); checkRepo(repo) == "" {
		ev.Repo = repo
	}
	return ev
}

func malformed(err error) *MalformedError {
	if t, ok := errors.AsType[*json.UnmarshalTypeError](err); ok {
		field := t.Field
		if field == "" {
			field = "payload"
		}
		return &MalformedError{Detail: fmt.Sprintf("%.100s is a %s", field, t.Value)}
	}
	return &MalformedError{Detail: "it is not valid JSON"}
}

// shape says what about the payload's keys contradicts the event's name. The name comes from a header
// that nobody signed, so a comment's payload must not pass for an issue's.
func (p *payload) shape(name string) string {
	ping, commented := name == eventPing, name == eventIssueComment
	keys := []struct {
		key        string
		want, have bool
	}{
		{"zen or hook", ping, bool(p.Zen || p.Hook)},
		{"action", !ping, p.Action != ""},
		{"issue", name == eventIssues || commented, p.Issue != nil},
		{"comment", commented, p.Comment != nil},
		{"pull_request", name == eventPullRequest, p.PullRequest != nil},
		{"review", false, bool(p.Review)},
		{"thread", false, bool(p.Thread)},
		{"discussion", false, bool(p.Discussion)},
	}
	for _, k := range keys {
		if k.want && !k.have {
			return fmt.Sprintf("the event is named %s, but the payload has no %s", name, k.key)
		}
		if k.have && !k.want {
			return fmt.Sprintf("the event is named %s, but the payload has the key %s", name, k.key)
		}
	}
	return ""
}

func (p *payload) event(name string) messages.Event {
	ev := messages.Event{Name: name, Action: p.Action, Repo: p.Repository.message(), Sender: p.Sender.message()}
	switch name {
	case eventPing:
		ev.Action = ""
		return ev
	case eventPullRequest:
		ev.Thread = p.PullRequest.message()
		ev.Thread.PullRequest = true
		ev.UpdatedAt = p.PullRequest.UpdatedAt.Time
	case eventIssues:
		ev.Thread = p.Issue.message()
		ev.Assignee = p.Assignee.message()
		ev.UpdatedAt = p.Issue.UpdatedAt.Time
	case eventIssueComment:
		ev.Thread = p.Issue.message()
		ev.Comment = p.Comment.message()
		ev.UpdatedAt = ev.Comment.UpdatedAt
		if ev.UpdatedAt.IsZero() {
			ev.UpdatedAt = ev.Comment.CreatedAt
		}
	}
	ev.Before = p.before(ev)
	return ev
}

// before is the text before an edit. GitHub tells only the parts that changed.
func (p *payload) before(ev messages.Event) messages.Text {
	if p.Action != actionEdited {
		return messages.Text{}
	}
	t := currentText(ev)
	if p.Changes.Title != nil && ev.Name != eventIssueComment {
		t.Title = p.Changes.Title.From
	}
	if p.Changes.Body != nil {
		t.Body = p.Changes.Body.From
	}
	return t
}

// acts says whether an action of an event may be a request.
func acts(name, action string) bool {
	switch name {
	case eventIssues:
		return action == actionOpened || action == actionEdited || action == actionAssigned
	case eventIssueComment:
		return action == actionCreated || action == actionEdited
	case eventPullRequest:
		return action == actionOpened
	}
	return false
}

// check says what is missing in an event that could become a request. Of others nothing is needed.
func check(ev messages.Event) string {
	if ev.Name == eventPing {
		return ""
	}
	if !word.MatchString(ev.Action) {
		return "action is not a word"
	}
	if !acts(ev.Name, ev.Action) {
		return ""
	}
	switch {
	case checkRepo(ev.Repo) != "":
		return checkRepo(ev.Repo)
	case ev.Sender.ID <= 0 || ev.Sender.Login == "":
		return "sender is missing"
	case ev.Thread.Number <= 0:
		return "the issue or pull request has no number"
	case ev.Thread.ID <= 0:
		return "the issue or pull request has no id"
	case ev.Name == eventIssueComment && ev.Comment.ID <= 0:
		return "comment has no id"
	case ev.Action == actionAssigned && ev.Assignee.ID <= 0:
		return "assignee is missing"
	case ev.Action != actionAssigned && author(ev).ID <= 0:
		return "the text has no author"
	}
	return ""
}

// checkRepo sees to it that owner and name can stand in an address or a file name without surprise.
func checkRepo(r messages.Repo) string {
	switch {
	case r.ID <= 0:
		return "repository has no id"
	case !ownerName.MatchString(r.Owner):
		return "repository has no valid owner"
	case !repoName.MatchString(r.Name) || r.Name == "." || r.Name == "..":
		return "repository has no valid name"
	}
	return ""
}
