package sim

import (
	"slices"
	"time"

	"devs-webhook/messages"
)

// The acts that a person and an API client share. Each needs g.mu, changes the world, and emits what
// GitHub would send for it.

func (g *GitHub) newThread(r *repository, author messages.User, title, body string) *thread {
	r.lastNumber++
	now := g.now()
	return &thread{
		id: g.newID(), number: r.lastNumber, title: title, body: body,
		author: author, created: now, updated: now,
	}
}

func (g *GitHub) openIssue(r *repository, author messages.User, title, body string) *thread {
	t := g.newThread(r, author, title, body)
	r.threads = append(r.threads, t)
	g.emitThread(r, t, "opened", author, nil)
	return t
}

func (g *GitHub) addComment(r *repository, t *thread, author messages.User, body string) *comment {
	now := g.now()
	c := &comment{id: g.newID(), author: author, body: body, created: now, updated: now}
	t.comments = append(t.comments, c)
	t.updated = now
	g.emitComment(r, t, c, "created", author, nil)
	return c
}

func (g *GitHub) editComment(r *repository, t *thread, c *comment, by messages.User, body string) {
	if c.body == body {
		return
	}
	changes := object{"changes": object{"body": object{"from": c.body}}}
	c.body, c.updated = body, g.now()
	g.emitComment(r, t, c, "edited", by, changes)
}

func (g *GitHub) deleteComment(r *repository, t *thread, c *comment, by messages.User) {
	t.comments = slices.DeleteFunc(t.comments, func(other *comment) bool { return other == c })
	t.updated = g.now()
	g.emitComment(r, t, c, "deleted", by, nil)
}

func (g *GitHub) editThread(r *repository, t *thread, by messages.User, title, body string) {
	changes := object{}
	if title != t.title {
		changes["title"] = object{"from": t.title}
	}
	if body != t.body {
		changes["body"] = object{"from": t.body}
	}
	if len(changes) == 0 {
		return
	}
	t.title, t.body, t.updated = title, body, g.now()
	g.emitThread(r, t, "edited", by, object{"changes": changes})
}

func (g *GitHub) setAssignees(r *repository, t *thread, list []messages.User, by messages.User) {
	old := t.assignees
	t.assignees = list
	for _, u := range list {
		if !slices.Contains(old, u) {
			t.updated = g.now()
			g.emitThread(r, t, "assigned", by, object{"assignee": g.userJSON(u)})
		}
	}
	for _, u := range old {
		if !slices.Contains(list, u) {
			t.updated = g.now()
			g.emitThread(r, t, "unassigned", by, object{"assignee": g.userJSON(u)})
		}
	}
}

func (g *GitHub) setState(r *repository, t *thread, state string, by messages.User) {
	if state == t.state() {
		return
	}
	t.updated = g.now()
	action := "reopened"
	t.closed, t.closedBy = time.Time{}, messages.User{}
	if state == "closed" {
		action = "closed"
		t.closed, t.closedBy = t.updated, by
	}
	g.emitThread(r, t, action, by, nil)
}

// react adds a reaction, or finds that person's earlier one of that content.
func (g *GitHub) react(list *[]Reaction, by messages.User, content string) (r Reaction, found bool) {
	for _, r := range *list {
		if r.User.ID == by.ID && r.Content == content {
			return r, true
		}
	}
	r = Reaction{ID: g.newID(), Content: content, User: by, At: g.now()}
	*list = append(*list, r)
	g.change()
	return r, false
}

// reactionContents are the reactions that GitHub knows.
func reactionContents() []string {
	return []string{"+1", "-1", "laugh", "confused", "heart", "hooray", "rocket", "eyes"}
}
