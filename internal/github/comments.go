package github

import (
	"context"
	"fmt"
	"strings"

	"github.com/google/go-github/v89/github"

	"devs-webhook/messages"
)

const (
	perPage = 100 // GitHub's most
	// maxPages ends a walk that a broken server would make endless. GitHub takes 2,500 comments on an issue.
	maxPages = 200
	// What Comments keeps of a thread: the newest of it.
	maxComments = 1000
	maxText     = 16 << 20 // bytes of all bodies
)

// Comments are the thread's comments, oldest first. Of a very long thread they are the newest 1000, or what
// fits into 16 MiB. The number is that of an issue or a pull request.
func (c *Client) Comments(ctx context.Context, repo messages.Repo, number int) ([]messages.Comment, error) {
	var kept newest
	err := c.eachPage(ctx, repo, number, func(page, last int, comments []messages.Comment) int {
		// The last page may hold one comment only, so it takes one page more to fill the thousand.
		if first := last - maxComments/perPage; page == 1 && first > 2 {
			kept.cut = true
			return first
		}
		kept.add(comments)
		return page + 1
	})
	if err != nil {
		return nil, err
	}
	if kept.cut {
		c.log.Warn().Str("repo", repo.FullName()).Int("number", number).Int("kept", len(kept.list)).
			Msg("long thread was cut to its newest comments")
	}
	return kept.list, nil
}

// newest is the end of a thread, as much as fits.
type newest struct {
	list []messages.Comment
	size int // bytes of their bodies
	cut  bool
}

// add puts newer comments at the end and drops the oldest that do not fit any more, but never the last one.
func (n *newest) add(comments []messages.Comment) {
	n.list = append(n.list, comments...)
	for _, comment := range comments {
		n.size += len(comment.Body)
	}
	for len(n.list) > 1 && (len(n.list) > maxComments || n.size > maxText) {
		n.size -= len(n.list[0].Body)
		n.list, n.cut = n.list[1:], true
	}
}

// FindComment finds the comment that this account wrote for the task: its marker counts only in a text of our
// own. If there are several, it is the oldest one. An error never means that there is none.
func (c *Client) FindComment(ctx context.Context, repo messages.Repo, number int, task messages.TaskID, kind messages.EffectKind) (
	id int64, url string, found bool, err error,
) {
	self, err := c.Self(ctx)
	if err != nil {
		return 0, "", false, err
	}
	marker := messages.Marker(task, kind)
	err = c.eachPage(ctx, repo, number, func(page, _ int, comments []messages.Comment) int {
		for _, comment := range comments {
			ours := comment.Author.ID == self.ID && strings.Contains(comment.Body, marker)
			if ours && (!found || comment.ID < id) {
				id, url, found = comment.ID, comment.URL, true
			}
		}
		return page + 1
	})
	if err != nil {
		return 0, "", false, err
	}
	return id, url, found, nil
}

// CreateComment writes a new comment with the marker at its end. A body that is too long for GitHub is cut.
// After an AmbiguousError ask FindComment before writing again.
func (c *Client) CreateComment(ctx context.Context, repo messages.Repo, number int, task messages.TaskID, kind messages.EffectKind, body string) (
	id int64, url string, err error,
) {
	if err := checkRepo(repo); err != nil {
		return 0, "", err
	}
	what := fmt.Sprintf("create the comment on %s#%d", repo.FullName(), number)
	err = c.do(ctx, what, func(ctx context.Context) error {
		comment, _, err := c.rest.Issues.CreateComment(ctx, repo.Owner, repo.Name, number, c.marked(task, kind, body))
		id, url = comment.GetID(), comment.GetHTMLURL()
		return err
	})
	if err == nil && id == 0 {
		err = &messages.AmbiguousError{Err: fmt.Errorf("%s: GitHub answered without an id", what)}
	}
	if err != nil {
		return 0, "", err
	}
	return id, url, nil
}

// UpdateComment replaces the text of a comment of ours. To do it twice does no harm.
func (c *Client) UpdateComment(ctx context.Context, repo messages.Repo, id int64, task messages.TaskID, kind messages.EffectKind, body string) error {
	if err := checkRepo(repo); err != nil {
		return err
	}
	return c.do(ctx, fmt.Sprintf("update the comment %d in %s", id, repo.FullName()), func(ctx context.Context) error {
		_, _, err := c.rest.Issues.EditComment(ctx, repo.Owner, repo.Name, id, c.marked(task, kind, body))
		return err
	})
}

// DeleteComment deletes a comment of ours. One that is not there is deleted.
func (c *Client) DeleteComment(ctx context.Context, repo messages.Repo, id int64) error {
	if err := checkRepo(repo); err != nil {
		return err
	}
	err := c.do(ctx, fmt.Sprintf("delete the comment %d in %s", id, repo.FullName()), func(ctx context.Context) error {
		_, err := c.rest.Issues.DeleteComment(ctx, repo.Owner, repo.Name, id)
		return err
	})
	return unlessNotFound(err)
}

// marked is the comment to send: its marker is the only one in it.
func (c *Client) marked(task messages.TaskID, kind messages.EffectKind, body string) *github.IssueComment {
	text, cut := fit(messages.StripMarkers(body), messages.Marker(task, kind))
	if cut {
		c.log.Warn().Str("task", string(task)).Str("kind", string(kind)).Msg("comment was cut to GitHub's limit")
	}
	return &github.IssueComment{Body: &text}
}

// eachPage walks through a thread's comments, which GitHub lists in the order of their ids. visit gets a page
// with its number and that of the last (0: unknown), and says which page it wants next; the walk ends after
// the last one. There is no other way to the newest: the list has no direction.
func (c *Client) eachPage(ctx context.Context, repo messages.Repo, number int,
	visit func(page, last int, comments []messages.Comment) (next int),
) error {
	if err := checkRepo(repo); err != nil {
		return err
	}
	what := fmt.Sprintf("list the comments of %s#%d", repo.FullName(), number)
	page := 1
	for range maxPages {
		var comments []messages.Comment
		more, last := false, 0
		err := c.do(ctx, what, func(ctx context.Context) error {
			list, resp, err := c.rest.Issues.ListComments(ctx, repo.Owner, repo.Name, number,
				&github.IssueListCommentsOptions{ListOptions: github.ListOptions{Page: page, PerPage: perPage}})
			if err != nil {
				return err
			}
			more, last = resp.NextPage > page, resp.LastPage
			for _, comment := range list {
				comments = append(comments, commentOf(comment))
			}
			return nil
		})
		if err != nil {
			return err
		}
		next := visit(page, last, comments)
		if !more {
			return nil
		}
		page = next
	}
	return later("%s: it has more than %d pages", what, maxPages)
}

func commentOf(c *github.IssueComment) messages.Comment {
	return messages.Comment{
		ID:        c.GetID(),
		Body:      c.GetBody(),
		Author:    userOf(c.GetUser()),
		URL:       c.GetHTMLURL(),
		CreatedAt: c.GetCreatedAt().Time,
		UpdatedAt: c.GetUpdatedAt().Time,
	}
}
