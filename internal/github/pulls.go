package github

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"

	"github.com/google/go-github/v89/github"

	"devs-webhook/messages"
)

// FindPull finds the newest pull request of a branch, open or not. The owner is that of the repository
// that the branch is in.
func (c *Client) FindPull(ctx context.Context, repo messages.Repo, headOwner, branch string) (
	number int, url string, open, found bool, err error,
) {
	pull, err := c.newestPull(ctx, repo, headOwner, branch, "")
	if err != nil || pull == nil {
		return 0, "", false, false, err
	}
	return pull.GetNumber(), pull.GetHTMLURL(), pull.GetState() == "open", true, nil
}

// CreatePull opens a pull request. The head is a branch of the repository, or owner:branch of a fork. One that
// is already open for this head and base is taken for the new one. Where a repository has no drafts, it is
// opened as an ordinary one. That there is nothing to merge is a RefusedError. After an AmbiguousError it can
// be called again: GitHub keeps a second one out.
func (c *Client) CreatePull(ctx context.Context, repo messages.Repo, head, base, title, body string, draft bool) (
	number int, url string, err error,
) {
	if err := checkRepo(repo); err != nil {
		return 0, "", err
	}
	text, cut := fit(body, "")
	if cut {
		c.log.Warn().Str("repo", repo.FullName()).Str("head", head).Msg("pull request was cut to GitHub's limit")
	}
	title = fitTitle(title)
	wanted := &github.NewPullRequest{Title: &title, Head: &head, Base: &base, Body: &text, Draft: &draft}

	pull, answer, err := c.openPull(ctx, repo, wanted)
	if err != nil && answer.status == http.StatusUnprocessableEntity {
		// GitHub has no code for what follows. Of one that is there already, looking tells more than its words.
		if there, err := c.openFor(ctx, repo, head, base); err != nil || there != nil {
			return there.GetNumber(), there.GetHTMLURL(), err
		}
		switch words := strings.ToLower(answer.message); {
		case strings.Contains(words, "already exists"): // and the list does not show it yet
			err = later("open the pull request in %s: %s", repo.FullName(), answer.message)
		case draft && strings.Contains(words, "draft pull request"): // are not supported in this repository
			wanted.Draft = new(bool)
			pull, _, err = c.openPull(ctx, repo, wanted)
		}
	}
	if err != nil {
		return 0, "", err
	}
	return pull.GetNumber(), pull.GetHTMLURL(), nil
}

// openPull is one try; it also gives GitHub's answer.
func (c *Client) openPull(ctx context.Context, repo messages.Repo, wanted *github.NewPullRequest) (*github.PullRequest, answer, error) {
	what := fmt.Sprintf("open the pull request in %s", repo.FullName())
	var pull *github.PullRequest
	var said answer
	err := c.do(ctx, what, func(ctx context.Context) (err error) {
		pull, _, err = c.rest.PullRequests.Create(ctx, repo.Owner, repo.Name, wanted)
		said = accountOf(ctx).answer
		return err
	})
	if err == nil && pull.GetNumber() == 0 {
		err = &messages.AmbiguousError{Err: fmt.Errorf("%s: GitHub answered without a number", what)}
	}
	return pull, said, err
}

// openFor is the open pull request for the head and base, nil if there is none.
func (c *Client) openFor(ctx context.Context, repo messages.Repo, head, base string) (*github.PullRequest, error) {
	owner, branch, fork := strings.Cut(head, ":")
	if !fork {
		owner, branch = repo.Owner, head
	}
	pull, err := c.newestPull(ctx, repo, owner, branch, base)
	if err != nil || pull.GetState() != "open" {
		return nil, err
	}
	return pull, nil
}

// newestPull is the newest pull request of the branch, for any base if that is empty; nil if there is none.
func (c *Client) newestPull(ctx context.Context, repo messages.Repo, owner, branch, base string) (*github.PullRequest, error) {
	if err := checkRepo(repo); err != nil {
		return nil, err
	}
	if owner == "" || branch == "" {
		return nil, errors.New("find a pull request: its head is not named") // GitHub would list them all
	}
	var newest *github.PullRequest
	what := fmt.Sprintf("list the pull requests of %s in %s", branch, repo.FullName())
	err := c.do(ctx, what, func(ctx context.Context) error {
		list, _, err := c.rest.PullRequests.List(ctx, repo.Owner, repo.Name, &github.PullRequestListOptions{
			State: "all", Head: owner + ":" + branch, Base: base, Sort: "created", Direction: "desc",
			ListOptions: github.ListOptions{PerPage: perPage},
		})
		for _, pull := range list {
			// GitHub leaves out a filter that it does not understand, and answers with others.
			if isHead(pull.GetHead(), owner, branch) && (base == "" || pull.GetBase().GetRef() == base) &&
				pull.GetNumber() > newest.GetNumber() {
				newest = pull
			}
		}
		return err
	})
	return newest, err
}

// isHead says whether the head is the owner's branch. The user is missing if the fork was deleted.
func isHead(head *github.PullRequestBranch, owner, branch string) bool {
	return head.GetRef() == branch &&
		(strings.EqualFold(head.GetUser().GetLogin(), owner) || strings.EqualFold(head.GetLabel(), owner+":"+branch))
}
