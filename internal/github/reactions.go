package github

import (
	"context"
	"errors"
	"fmt"

	"devs-webhook/messages"
)

// React puts a reaction on what a request was written on: a comment, or the thread itself. GitHub keeps one
// of each content per account, so to do it twice does no harm.
func (c *Client) React(ctx context.Context, repo messages.Repo, threadNumber int, o messages.Object, content string) error {
	if err := checkRepo(repo); err != nil {
		return err
	}
	what := fmt.Sprintf("react to the %s in %s#%d", o.Kind, repo.FullName(), threadNumber)
	return c.do(ctx, what, func(ctx context.Context) (err error) {
		switch o.Kind {
		case "issue", "pull_request": // GitHub sees a pull request as an issue here
			_, _, err = c.rest.Reactions.CreateIssueReaction(ctx, repo.Owner, repo.Name, threadNumber, content)
		case "issue_comment":
			_, _, err = c.rest.Reactions.CreateIssueCommentReaction(ctx, repo.Owner, repo.Name, o.ID, content)
		default:
			err = errors.New("an object without reactions")
		}
		return err
	})
}

// unlessNotFound takes "it is not there" for success.
func unlessNotFound(err error) error {
	if errors.Is(err, messages.ErrNotFound) {
		return nil
	}
	return err
}
