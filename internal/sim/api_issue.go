package sim

import (
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"
)

// wanted is the state filter of lists, open by default.
func wanted(state string, t *thread) bool {
	if state == "" {
		state = "open"
	}
	return state == "all" || state == t.state()
}

// listIssues gives issues and pull requests alike, as GitHub does.
func listIssues(c *call) answer {
	var list []any
	for i := len(c.repo.threads) - 1; i >= 0; i-- {
		if t := c.repo.threads[i]; wanted(c.r.URL.Query().Get("state"), t) {
			list = append(list, c.g.issueJSON(c.repo, t))
		}
	}
	return c.page(list)
}

func getIssue(c *call) answer {
	o := c.g.issueJSON(c.repo, c.thread)
	o["closed_by"] = c.g.orNull(c.thread.closedBy)
	return ok(o)
}

func createIssue(c *call) answer {
	var in struct {
		Title     *string  `json:"title"`
		Body      string   `json:"body"`
		Assignees []string `json:"assignees"`
	}
	if no := c.decode(&in); no != nil {
		return *no
	}
	if in.Title == nil {
		return notSupplied("title")
	}
	if strings.TrimSpace(*in.Title) == "" {
		return invalid(object{"resource": "Issue", "code": "missing_field", "field": "title"})
	}
	if no := tooLong("Issue", *in.Title, in.Body); no != nil {
		return *no
	}
	people, no := c.usersByLogin(in.Assignees)
	if no != nil {
		return *no
	}
	t := c.g.openIssue(c.repo, c.user, *in.Title, in.Body)
	if c.repo.can(c.user, "triage") { // GitHub drops the assignees of others without a word
		c.g.setAssignees(c.repo, t, people, c.user)
	}
	o := c.g.issueJSON(c.repo, t)
	return created(o, fmt.Sprint(o["url"]))
}

func patchIssue(c *call) answer {
	if a := patchThread(c); a.status != http.StatusOK {
		return a
	}
	return getIssue(c)
}

// patchThread changes an issue or a pull request. Its answer's body is of no use.
func patchThread(c *call) answer {
	var in struct {
		Title     *string   `json:"title"`
		Body      *string   `json:"body"`
		State     *string   `json:"state"`
		Assignees *[]string `json:"assignees"`
	}
	if no := c.decode(&in); no != nil {
		return *no
	}
	t := c.thread
	if c.user.ID != t.author.ID && !c.repo.can(c.user, "triage") {
		return failed(http.StatusForbidden, "Must have admin rights to Repository.")
	}
	title, body := t.title, t.body
	if in.Title != nil {
		title = *in.Title
	}
	if in.Body != nil {
		body = *in.Body
	}
	if no := tooLong("Issue", title, body); no != nil {
		return *no
	}
	if in.State != nil && *in.State != "open" && *in.State != "closed" {
		return invalid(object{"resource": "Issue", "field": "state", "code": "invalid", "value": *in.State})
	}
	if in.Assignees != nil {
		people, no := c.usersByLogin(*in.Assignees)
		if no != nil {
			return *no
		}
		c.g.setAssignees(c.repo, t, people, c.user)
	}
	c.g.editThread(c.repo, t, c.user, title, body)
	if in.State != nil {
		c.g.setState(c.repo, t, *in.State, c.user)
	}
	return ok(nil)
}

// listComments gives comments oldest first, as GitHub does whatever is asked for.
func listComments(c *call) answer {
	var since time.Time
	if value := c.r.URL.Query().Get("since"); value != "" {
		var err error
		if since, err = time.Parse(time.RFC3339, value); err != nil {
			return failed(http.StatusUnprocessableEntity, "Invalid request.\n\n\"since\" is no time.")
		}
	}
	var list []any
	for _, cm := range c.thread.comments {
		if !cm.updated.Before(since) {
			list = append(list, c.g.commentJSON(c.repo, c.thread, cm))
		}
	}
	return c.page(list)
}

// commentBody reads the text of a comment from the request.
func (c *call) commentBody() (string, *answer) {
	var in struct {
		Body *string `json:"body"`
	}
	if no := c.decode(&in); no != nil {
		return "", no
	}
	refuse := func(message string) *answer {
		return new(invalid(object{
			"resource": "IssueComment", "code": "unprocessable", "field": "data", "message": message,
		}))
	}
	switch {
	case in.Body == nil:
		return "", new(notSupplied("body"))
	case strings.TrimSpace(*in.Body) == "":
		return "", refuse("Body cannot be blank")
	case utf8.RuneCountInString(*in.Body) > maxBody:
		return "", refuse(fmt.Sprintf("Body is too long (maximum is %d characters)", maxBody))
	}
	return *in.Body, nil
}

func createComment(c *call) answer {
	body, no := c.commentBody()
	if no != nil {
		return *no
	}
	o := c.g.commentJSON(c.repo, c.thread, c.g.addComment(c.repo, c.thread, c.user, body))
	return created(o, fmt.Sprint(o["url"]))
}

// findComment finds the comment of the path.
func (c *call) findComment() (*thread, *comment) {
	id, _ := strconv.ParseInt(c.r.PathValue("comment"), 10, 64)
	return c.repo.comment(id)
}

func getComment(c *call) answer {
	t, cm := c.findComment()
	if cm == nil {
		return notFound()
	}
	return ok(c.g.commentJSON(c.repo, t, cm))
}

// ownComment finds the comment of the path if the user may change it.
func (c *call) ownComment() (*thread, *comment, *answer) {
	t, cm := c.findComment()
	if cm == nil {
		return nil, nil, new(notFound())
	}
	if cm.author.ID != c.user.ID && !c.repo.can(c.user, "write") {
		return nil, nil, new(failed(http.StatusForbidden, "Must have admin rights to Repository."))
	}
	return t, cm, nil
}

func patchComment(c *call) answer {
	t, cm, no := c.ownComment()
	if no != nil {
		return *no
	}
	body, no := c.commentBody()
	if no != nil {
		return *no
	}
	c.g.editComment(c.repo, t, cm, c.user, body)
	return ok(c.g.commentJSON(c.repo, t, cm))
}

func removeComment(c *call) answer {
	t, cm, no := c.ownComment()
	if no != nil {
		return *no
	}
	c.g.deleteComment(c.repo, t, cm, c.user)
	return answer{status: http.StatusNoContent}
}

func listThreadReactions(c *call) answer { return c.listReactions(c.thread.reactions) }

func listCommentReactions(c *call) answer {
	_, cm := c.findComment()
	if cm == nil {
		return notFound()
	}
	return c.listReactions(cm.reactions)
}

func createThreadReaction(c *call) answer { return c.createReaction(&c.thread.reactions) }

func createCommentReaction(c *call) answer {
	_, cm := c.findComment()
	if cm == nil {
		return notFound()
	}
	return c.createReaction(&cm.reactions)
}

func (c *call) listReactions(from []Reaction) answer {
	var list []any
	for _, r := range from {
		if content := c.r.URL.Query().Get("content"); content == "" || content == r.Content {
			list = append(list, c.g.reactionJSON(r))
		}
	}
	return c.page(list)
}

// createReaction answers 201 for a new one and 200 for one that is there.
func (c *call) createReaction(list *[]Reaction) answer {
	var in struct {
		Content *string `json:"content"`
	}
	if no := c.decode(&in); no != nil {
		return *no
	}
	if in.Content == nil {
		return notSupplied("content")
	}
	if !slices.Contains(reactionContents(), *in.Content) {
		return invalid(object{"resource": "Reaction", "field": "content", "code": "invalid", "value": *in.Content})
	}
	r, found := c.g.react(list, c.user, *in.Content)
	a := answer{status: http.StatusCreated, body: c.g.reactionJSON(r)}
	if found {
		a.status = http.StatusOK
	}
	return a
}
