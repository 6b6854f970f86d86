package git

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"devs-webhook/messages"
)

// checkForeign looks where the work's base comes from. If it is the head of a pull request that is on no
// branch of the repository, such as a fork's, then a push would bring a stranger's commits onto a branch of
// the repository, where workflows run with its secrets. So these commits have to keep the rules as well:
// the work then counts from what the repository's own branches have. Without a pull request nothing is
// asked of the server.
func (q *quarantine) checkForeign(ctx context.Context, task messages.Task, base messages.Base) error {
	if !strings.HasPrefix(base.Ref, "refs/pull/") {
		return nil
	}
	have, err := q.git.list(ctx, task.Repo)
	if err != nil {
		return asPush(err)
	}
	var own []string
	for ref, commit := range have.refs {
		if strings.HasPrefix(ref, heads) && commit == base.Commit {
			return nil
		}
	}
	for _, branch := range []string{base.Target, have.head, task.Branch} {
		if ref := heads + branch; branch != "" && have.refs[ref] != "" && !slices.Contains(own, ref) {
			own = append(own, ref)
		}
	}
	if len(own) == 0 {
		return refuse("The repository has no branch that the pull request can be compared with.")
	}
	if err := q.git.fetch(ctx, have.repo, q.mirror, own...); err != nil {
		return asPush(err)
	}
	for _, ref := range own {
		commit, err := q.git.commit(ctx, q.mirror, mirrored(ref))
		if err != nil {
			return err
		}
		q.own = append(q.own, commit)
	}
	out, err := q.run(ctx, "merge-base", q.own[0], q.tip)
	if exitedWith(err, 1) {
		return refuse("The pull request has no history in common with the repository.")
	}
	if err != nil {
		return fmt.Errorf("compare the pull request with its branch: %w", err)
	}
	q.since = strings.TrimSpace(string(out))
	return nil
}

// examined says what the rules do not concern, the history of known, and what the sum of the work is
// compared with, since.
func (q *quarantine) examined() (known []string, since string) {
	if q.own == nil {
		return []string{q.base}, q.base
	}
	return q.own, q.since
}

// explainForeign adds to a refusal why commits count that are not the agent's.
func (q *quarantine) explainForeign(err error) error {
	var refused *messages.RefusedError
	if q.own == nil || !errors.As(err, &refused) {
		return err
	}
	return &messages.RefusedError{
		Ending: refused.Ending, Err: refused.Err,
		Why: "The pull request's own commits count as part of the work, because they are on no branch of this repository. " + refused.Why,
	}
}
