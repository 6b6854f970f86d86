package messages

import "time"

// Delivery is one webhook as it came in, after its signature and envelope were checked. Body is the JSON
// payload as GitHub made it (taken out of the form, if it came as one).
type Delivery struct {
	ID         string // X-GitHub-Delivery: 1 to 128 printable ASCII characters; never a file name
	Event      string // X-GitHub-Event; unsigned, so the body's own shape has the last word
	Source     string // "webhook", "sqs" or "test"
	Body       []byte
	ReceivedAt time.Time
	Tries      int // how often deciding it has been put off
}

// Repo is a repository as an event names it. ID is what identifies it: names change.
type Repo struct {
	ID            int64  `json:"id"`
	Owner         string `json:"owner"`
	Name          string `json:"name"`
	Private       bool   `json:"private,omitempty"`
	DefaultBranch string `json:"default_branch,omitempty"`
}

// FullName is owner/name.
func (r Repo) FullName() string { return r.Owner + "/" + r.Name }

// User is a GitHub account. ID identifies it; Login is for people.
type User struct {
	ID    int64  `json:"id"`
	Login string `json:"login"`
	Bot   bool   `json:"bot,omitempty"`
}

// Thread is an issue or a pull request as an event shows it.
type Thread struct {
	Number      int    `json:"number"`
	PullRequest bool   `json:"pull_request,omitempty"`
	ID          int64  `json:"id,omitempty"` // of the issue or pull request object in this event
	Title       string `json:"title,omitempty"`
	Body        string `json:"body,omitempty"`
	URL         string `json:"url,omitempty"`
	State       string `json:"state,omitempty"`
	Author      User   `json:"author"`
	Assignees   []User `json:"assignees,omitempty"`
	// HeadRef, HeadRepo (owner/name) and BaseRef are set for pull_request events only.
	HeadRef  string `json:"head_ref,omitempty"`
	HeadRepo string `json:"head_repo,omitempty"`
	BaseRef  string `json:"base_ref,omitempty"`
}

// Comment is one comment of a thread. ID 0 means that there is none.
type Comment struct {
	ID        int64     `json:"id"`
	Body      string    `json:"body"`
	Author    User      `json:"author"`
	URL       string    `json:"url,omitempty"`
	CreatedAt time.Time `json:"created_at"`
	UpdatedAt time.Time `json:"updated_at"`
}

// Event is the parsed meaning of a delivery.
type Event struct {
	Name     string // issues, issue_comment, pull_request, ping
	Action   string // opened, edited, assigned, created; empty for ping
	Repo     Repo
	Sender   User
	Thread   Thread
	Comment  Comment // issue_comment only
	Assignee User    // assigned only
	// Before is the text before an edit, where the payload tells; nil parts of changes stay equal to now.
	Before    Text
	UpdatedAt time.Time // of the object that the event is about
}

// Text is a title and a body. A comment has no title.
type Text struct {
	Title string
	Body  string
}
