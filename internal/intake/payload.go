package intake

import (
	"bytes"
	"encoding/json"
	"strings"
	"time"

	"devs-webhook/messages"
)

// The types of this file hold what is used of GitHub's payloads. Older and newer payloads lack keys and
// have others, so every key may be missing, and unknown ones are passed over.

type payload struct {
	Action      string      `json:"action"`
	Repository  *repository `json:"repository"`
	Sender      *user       `json:"sender"`
	Issue       *thread     `json:"issue"`
	PullRequest *thread     `json:"pull_request"`
	Comment     *comment    `json:"comment"`
	Assignee    *user       `json:"assignee"`
	Changes     changes     `json:"changes"`
	Review      present     `json:"review"`
	Thread      present     `json:"thread"`
	Discussion  present     `json:"discussion"`
	Zen         present     `json:"zen"`
	Hook        present     `json:"hook"`
}

// outline is what is read of an event that is not supported: enough to name it in a report.
type outline struct {
	Action     any         `json:"action"`
	Repository *repository `json:"repository"`
}

type repository struct {
	ID            int64  `json:"id"`
	Name          string `json:"name"`
	Private       bool   `json:"private"`
	DefaultBranch string `json:"default_branch"`
	Owner         struct {
		Login string `json:"login"`
		Name  string `json:"name"` // in push events of old, in place of login
	} `json:"owner"`
}

type user struct {
	ID    int64  `json:"id"`
	Login string `json:"login"`
	Type  string `json:"type"`
}

// thread is an issue or a pull request: the two objects share their names.
type thread struct {
	ID          int64   `json:"id"`
	Number      int     `json:"number"`
	Title       string  `json:"title"`
	Body        string  `json:"body"` // null if empty
	HTMLURL     string  `json:"html_url"`
	State       string  `json:"state"`
	User        *user   `json:"user"` // null if the account is gone
	Assignee    *user   `json:"assignee"`
	Assignees   []*user `json:"assignees"`
	UpdatedAt   stamp   `json:"updated_at"`
	PullRequest present `json:"pull_request"` // of an issue that is a pull request
	Head        *branch `json:"head"`
	Base        *branch `json:"base"`
}

type branch struct {
	Ref  string `json:"ref"`
	Repo *struct {
		FullName string `json:"full_name"`
	} `json:"repo"` // null if the fork is gone
}

type comment struct {
	ID        int64  `json:"id"`
	Body      string `json:"body"`
	HTMLURL   string `json:"html_url"`
	User      *user  `json:"user"`
	CreatedAt stamp  `json:"created_at"`
	UpdatedAt stamp  `json:"updated_at"`
}

type changes struct {
	Title *change `json:"title"`
	Body  *change `json:"body"`
}

type change struct {
	From string `json:"from"` // null if it was empty
}

// present tells whether a key is there and not null, and does not look into it.
type present bool

func (p *present) UnmarshalJSON(b []byte) error {
	*p = present(!bytes.Equal(b, []byte("null")))
	return nil
}

// stamp is a time. One that cannot be read is zero: no event is dropped because of it.
type stamp struct{ time.Time }

func (s *stamp) UnmarshalJSON(b []byte) error {
	var text string
	if json.Unmarshal(b, &text) != nil {
		return nil
	}
	if t, err := time.Parse(time.RFC3339, text); err == nil {
		s.Time = t.UTC()
	}
	return nil
}

func (u *user) message() messages.User {
	if u == nil {
		return messages.User{}
	}
	return messages.User{ID: u.ID, Login: u.Login, Bot: u.Type == "Bot"}
}

func (r *repository) message() messages.Repo {
	if r == nil {
		return messages.Repo{}
	}
	owner := r.Owner.Login
	if owner == "" {
		owner = r.Owner.Name
	}
	return messages.Repo{ID: r.ID, Owner: owner, Name: r.Name, Private: r.Private, DefaultBranch: r.DefaultBranch}
}

func (t *thread) message() messages.Thread {
	m := messages.Thread{
		Number: t.Number, ID: t.ID, Title: t.Title, Body: t.Body, URL: t.HTMLURL,
		State: strings.ToLower(t.State), PullRequest: bool(t.PullRequest), Author: t.User.message(),
		Assignees: t.assignees(),
	}
	if t.Head != nil {
		m.HeadRef = t.Head.Ref
		if t.Head.Repo != nil {
			m.HeadRepo = t.Head.Repo.FullName
		}
	}
	if t.Base != nil {
		m.BaseRef = t.Base.Ref
	}
	return m
}

// assignees joins the list and the single key: of old payloads some have only the one, some the other.
func (t *thread) assignees() []messages.User {
	var all []messages.User
	for _, u := range t.Assignees {
		if u != nil && u.ID > 0 {
			all = append(all, u.message())
		}
	}
	if t.Assignee != nil && t.Assignee.ID > 0 && !among(all, t.Assignee.message()) {
		all = append(all, t.Assignee.message())
	}
	return all
}

func (c *comment) message() messages.Comment {
	return messages.Comment{
		ID: c.ID, Body: c.Body, Author: c.User.message(), URL: c.HTMLURL,
		CreatedAt: c.CreatedAt.Time, UpdatedAt: c.UpdatedAt.Time,
	}
}
