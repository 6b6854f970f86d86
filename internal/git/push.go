package git

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"

	"devs-webhook/messages"
)

// beside is how many branches beside the wanted one are tried.
const beside = 9

// Push takes the work bundle through quarantine and rules, and pushes it to the task's branch: fast-forward
// only. If the branch has moved, the work is merged with it once; if that conflicts, it goes to a branch
// beside it. A repeat finds what an earlier call pushed. The work's file is never removed here.
func (g *Git) Push(ctx context.Context, task messages.Task, base messages.Base, bundle string) (messages.Published, error) {
	defer g.lock(task.Repo.ID)()
	if _, err := g.run(ctx, call{args: []string{"check-ref-format", heads + task.Branch}}); err != nil {
		return messages.Published{}, refuse("The branch %s has a name that git does not allow.", quoted(task.Branch))
	}
	q, err := g.quarantine(ctx, task, base, bundle)
	if err != nil {
		return messages.Published{}, err
	}
	defer q.close()
	if err := q.checkRules(ctx); err != nil {
		return messages.Published{}, err
	}
	if err := q.filterMessages(ctx); err != nil {
		return messages.Published{}, err
	}
	published, err := q.stat(ctx)
	if err != nil {
		return messages.Published{}, err
	}
	published.Branch, err = q.pushSomewhere(ctx, task)
	published.Beside = err == nil && published.Branch != task.Branch
	if err != nil {
		return messages.Published{}, err
	}
	return published, nil
}

// stat counts what the work changes in sum.
func (q *quarantine) stat(ctx context.Context) (p messages.Published, err error) {
	out, err := q.run(ctx, "diff", "--numstat", "-z", "--no-renames", "--no-ext-diff", "--no-textconv", q.base, q.tip)
	if err != nil {
		return p, err
	}
	for row := range strings.SplitSeq(strings.TrimSuffix(string(out), "\x00"), "\x00") {
		words := strings.SplitN(row, "\t", 3)
		if len(words) != 3 {
			continue
		}
		added, _ := strconv.Atoi(words[0]) // "-" for a binary file, which has no lines
		deleted, _ := strconv.Atoi(words[1])
		p.Files, p.Added, p.Deleted = p.Files+1, p.Added+added, p.Deleted+deleted
	}
	return p, nil
}

// pushSomewhere pushes to the task's branch, or beside it, and gives the branch.
func (q *quarantine) pushSomewhere(ctx context.Context, task messages.Task) (string, error) {
	have, err := q.git.list(ctx, task.Repo)
	if err != nil {
		return "", asAmbiguous(err)
	}
	for n := 1; n <= beside; n++ {
		branch := task.Branch
		if n > 1 {
			branch += "-" + strconv.Itoa(n)
		}
		tip, fits, err := q.onto(ctx, task, branch, have.refs[heads+branch])
		if err != nil {
			return "", err
		}
		if !fits {
			continue
		}
		if tip == have.refs[heads+branch] {
			return branch, nil // an earlier call pushed it
		}
		rejected, err := q.push(ctx, task, tip, branch)
		if err != nil {
			return "", err
		}
		if !rejected {
			return branch, nil
		}
	}
	return "", refuse("The branch %s and those beside it have moved, and the work does not fit on any of them.", quoted(task.Branch))
}

// onto is the commit to push so that the branch is only moved forward: the work itself, or a merge of the
// work with where the branch has moved to. fits is false if they conflict.
func (q *quarantine) onto(ctx context.Context, task messages.Task, branch, there string) (tip string, fits bool, err error) {
	if there == "" || there == q.tip {
		return q.tip, true, nil
	}
	if err := q.git.fetch(ctx, task.Repo, q.git.mirrorDir(task.Repo), heads+branch); err != nil {
		return "", false, err
	}
	contains := func(commit, in string) bool {
		_, err := q.run(ctx, "merge-base", "--is-ancestor", commit, in)
		return err == nil
	}
	switch {
	case contains(there, q.tip):
		return q.tip, true, nil
	case contains(q.tip, there):
		return there, true, nil // somebody went on from the work that an earlier call pushed
	}
	out, err := q.run(ctx, "merge-tree", "--write-tree", "--no-messages", there, q.tip)
	if err != nil {
		var failed *commandError
		if errors.As(err, &failed) && failed.code == 1 {
			return "", false, nil
		}
		return "", false, fmt.Errorf("merge the work with its branch: %w", err)
	}
	tree := strings.TrimSpace(string(out))
	out, err = q.run(ctx, "commit-tree", tree, "-p", there, "-p", q.tip, "-m", "Merge the branch as it had moved meanwhile")
	return strings.TrimSpace(string(out)), err == nil, err
}

// push pushes one commit to one branch. rejected means that the branch has moved since it was looked at.
func (q *quarantine) push(ctx context.Context, task messages.Task, tip, branch string) (rejected bool, err error) {
	env, token, url, err := q.git.remote(ctx, task.Repo)
	if err != nil {
		return false, err
	}
	out, err := q.git.runOutput(ctx, call{
		dir: q.dir, env: env, token: token, args: []string{"push", "--porcelain", "--no-verify", "--no-follow-tags", url, tip + ":" + heads + branch},
	})
	if err == nil {
		return false, nil
	}
	if ctx.Err() != nil {
		return false, ctx.Err()
	}
	for line := range strings.SplitSeq(string(out), "\n") {
		words := strings.SplitN(line, "\t", 3)
		if len(words) != 3 || words[0] != "!" {
			continue
		}
		if strings.HasPrefix(words[2], "[rejected]") {
			return true, nil
		}
		return false, &messages.RefusedError{
			Ending: messages.EndInternal, Why: "GitHub refused the push: " + remoteWords(words[2]) + ".", Err: err,
		}
	}
	return false, q.git.notPushed(ctx, task.Repo, err)
}

// remoteWords are the server's own words about a refusal, made fit for a sentence.
func remoteWords(text string) string {
	text = strings.TrimPrefix(text, "[remote rejected] ")
	text = strings.Map(func(r rune) rune {
		if r < ' ' || !strconv.IsPrint(r) {
			return -1
		}
		return r
	}, strings.Trim(text, "()"))
	return text[:min(len(text), 300)]
}

// notPushed classifies a push that got no answer about its branch.
func (g *Git) notPushed(ctx context.Context, repo messages.Repo, err error) error {
	status, probeErr := g.probeService(ctx, repo, "git-receive-pack")
	if probeErr == nil && (status == http.StatusForbidden || status == http.StatusNotFound || status == http.StatusUnauthorized) {
		return &messages.RefusedError{
			Ending: messages.EndInternal, Why: "The service's token may not push to this repository.", Err: err,
		}
	}
	return &messages.AmbiguousError{Err: fmt.Errorf("push to %s: %w", repo.FullName(), err)}
}

// asAmbiguous lets a look at the server that failed be repeated with the push that it belongs to.
func asAmbiguous(err error) error {
	var later *messages.LaterError
	if errors.As(err, &later) {
		return &messages.LaterError{After: later.After, Err: later.Err}
	}
	return err
}

// Diff is the work as a diff, at most so many bytes of it.
func (g *Git) Diff(ctx context.Context, task messages.Task, base messages.Base, bundle string, most int) (string, error) {
	defer g.lock(task.Repo.ID)()
	q, err := g.quarantine(ctx, task, base, bundle)
	if err != nil {
		return "", err
	}
	defer q.close()
	out, err := q.run(ctx, "diff", "--no-color", "--no-ext-diff", "--no-textconv", q.base, q.tip)
	if err != nil {
		return "", err
	}
	if len(out) > most {
		return string(out[:most]) + "\n… (cut)\n", nil
	}
	return string(out), nil
}
