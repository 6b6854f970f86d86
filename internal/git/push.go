package git

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"unicode/utf8"

	"devs-webhook/messages"
)

// beside is how many branches beside the wanted one are tried.
const beside = 9

// Push takes the work bundle through quarantine and rules, and pushes it to the task's branch: fast-forward
// only. If the branch has moved, the work is merged with it once; if that conflicts, it goes to a branch
// beside it. A repeat finds what an earlier call pushed. The work's file is never removed here.
//
// Errors are *messages.RefusedError if the work or its push is refused for good, *messages.LaterError if
// nothing was pushed and it may go another time, *messages.AmbiguousError if it may have been pushed, the
// context's, or plain ones of this machine. After any of them it can be called again.
func (g *Git) Push(ctx context.Context, task messages.Task, base messages.Base, bundle string) (messages.Published, error) {
	unlock, err := g.lock(ctx, task.Repo.ID)
	if err != nil {
		return messages.Published{}, err
	}
	defer unlock()
	if _, err := g.run(ctx, call{args: []string{"check-ref-format", heads + task.Branch}}); answeredNo(err) {
		return messages.Published{}, refuse("The branch %s has a name that git does not allow.", quoted(task.Branch))
	} else if err != nil {
		return messages.Published{}, err
	}
	q, err := g.quarantine(ctx, task, base, bundle)
	if err != nil {
		return messages.Published{}, err
	}
	defer q.close()
	if err := q.checkForeign(ctx, task, base); err != nil {
		return messages.Published{}, err
	}
	if err := q.checkRules(ctx); err != nil {
		return messages.Published{}, q.explainForeign(err)
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
	out, err := q.git.run(ctx, call{
		dir: q.dir, memory: maxMemory, env: smallDiffs(),
		args: []string{"diff", "--numstat", "-z", "--no-renames", "--no-ext-diff", "--no-textconv", q.base, q.tip},
	})
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

// smallDiffs has git take files of more than 4 MiB for binary ones: to compare two of them by line can take
// more memory than there is, if the lines are short enough.
func smallDiffs() []string {
	return []string{"GIT_CONFIG_COUNT=1", "GIT_CONFIG_KEY_0=core.bigFileThreshold", "GIT_CONFIG_VALUE_0=4m"}
}

// pushSomewhere pushes to the task's branch, or beside it, and gives the branch.
func (q *quarantine) pushSomewhere(ctx context.Context, task messages.Task) (string, error) {
	have, err := q.git.list(ctx, task.Repo)
	if err != nil {
		return "", asPush(err)
	}
	task.Repo = have.repo
	for n := 1; n <= beside; n++ {
		branch := task.Branch
		if n > 1 {
			branch += "-" + strconv.Itoa(n)
		}
		pushed, err := q.pushTo(ctx, task, branch, have.refs[heads+branch])
		if err != nil || pushed {
			return branch, asPush(err)
		}
	}
	return "", refuse("The branch %s and those beside it have moved, and the work does not fit on any of them.", quoted(task.Branch))
}

// pushTo pushes to one branch that is at there, or not there if that is empty. If it moves at the same
// moment, the work is put on top of where it went, once. pushed is false if the work does not fit there.
func (q *quarantine) pushTo(ctx context.Context, task messages.Task, branch, there string) (pushed bool, err error) {
	for range 2 {
		tip, fits, err := q.onto(ctx, task, branch, there)
		if err != nil || !fits {
			return false, err
		}
		if tip == there {
			return true, nil // an earlier call pushed it
		}
		no, err := q.push(ctx, task, tip, branch)
		if err != nil || no == nil {
			return err == nil, err
		}
		have, err := q.git.list(ctx, task.Repo)
		if err != nil {
			return false, err
		}
		now := have.refs[heads+branch]
		if now == there {
			return false, no // nobody has moved it, so it was meant
		}
		there = now
	}
	return false, nil
}

// onto is the commit to push so that the branch is only moved forward: the work itself, or a merge of the
// work with where the branch has moved to. fits is false if they conflict, or have no history in common.
func (q *quarantine) onto(ctx context.Context, task messages.Task, branch, there string) (tip string, fits bool, err error) {
	if there == "" || there == q.tip {
		return q.tip, true, nil
	}
	if err := q.git.fetch(ctx, task.Repo, q.mirror, heads+branch); err != nil {
		return "", false, err
	}
	if there, err = q.git.commit(ctx, q.mirror, mirrored(heads+branch)); err != nil { // it may have moved again
		return "", false, err
	}
	out, err := q.run(ctx, "merge-base", there, q.tip)
	common := strings.TrimSpace(string(out))
	switch {
	case exitedWith(err, 1):
		return "", false, nil
	case err != nil:
		return "", false, fmt.Errorf("compare the work with its branch: %w", err)
	case common == there:
		return q.tip, true, nil
	case common == q.tip:
		return there, true, nil // somebody went on from the work that an earlier call pushed
	}
	out, err = q.run(ctx, "merge-tree", "--write-tree", "--no-messages", there, q.tip)
	if exitedWith(err, 1) {
		return "", false, nil
	}
	if err != nil {
		return "", false, fmt.Errorf("merge the work with its branch: %w", err)
	}
	tree := strings.TrimSpace(string(out))
	out, err = q.run(ctx, "commit-tree", tree, "-p", there, "-p", q.tip, "-m", "Merge the branch as it had moved meanwhile")
	return strings.TrimSpace(string(out)), err == nil, err
}

// push pushes one commit to one branch. no is why the branch was not moved, if that was said: git says so
// where the branch is no longer where it was, and the server for reasons of its own.
func (q *quarantine) push(ctx context.Context, task messages.Task, tip, branch string) (no, err error) {
	env, token, url, err := q.git.remote(ctx, task.Repo)
	if err != nil {
		return nil, err
	}
	out, err := q.git.run(ctx, call{
		dir: q.dir, env: env, token: token, args: []string{"push", "--porcelain", "--no-verify", "--no-follow-tags", url, tip + ":" + heads + branch},
	})
	if err == nil {
		return nil, nil
	}
	if ctx.Err() != nil {
		return nil, ctx.Err()
	}
	for line := range strings.SplitSeq(string(out), "\n") {
		words := strings.SplitN(line, "\t", 3)
		if len(words) != 3 || words[0] != "!" {
			continue
		}
		if strings.HasPrefix(words[2], "[rejected]") {
			return &messages.LaterError{Err: fmt.Errorf("push to %s: %w", task.Repo.FullName(), err)}, nil
		}
		if why, ok := strings.CutPrefix(words[2], "[remote rejected]"); ok {
			why = "GitHub refused the push: " + remoteWords(why) + "."
			return &messages.RefusedError{Ending: messages.EndInternal, Why: why, Err: err}, nil
		}
	}
	return nil, q.git.notPushed(ctx, task.Repo, err) // "[remote failure]" included: nothing was reported
}

// remoteWords are the server's own words about a refusal, made fit for a sentence.
func remoteWords(text string) string {
	text = strings.TrimSpace(text)
	if inner, ok := strings.CutPrefix(text, "("); ok {
		text = strings.TrimSuffix(inner, ")")
	}
	text = strings.Map(func(r rune) rune {
		if r == utf8.RuneError || !strconv.IsPrint(r) {
			return -1
		}
		return r
	}, text)
	return strings.TrimRight(upTo(text, 300), ". ")
}

// upTo is the beginning of a text, so many bytes at most, without a character that was cut in two.
func upTo(text string, most int) string {
	if len(text) <= most {
		return text
	}
	for most > 0 && !utf8.RuneStart(text[most]) {
		most--
	}
	return text[:most]
}

// notPushed classifies a push that got no answer about its branch.
func (g *Git) notPushed(ctx context.Context, repo messages.Repo, err error) error {
	a, probeErr := g.probe(ctx, repo, "git-receive-pack")
	switch {
	case ctx.Err() != nil:
		return ctx.Err()
	case probeErr == nil && a.status == http.StatusUnauthorized:
		return &messages.LaterError{After: a.after, Err: fmt.Errorf("the git server refuses the token of GITHUB_TOKEN for %s", repo.FullName())}
	case probeErr == nil && (a.status == http.StatusForbidden || a.status == http.StatusNotFound):
		return &messages.RefusedError{
			Ending: messages.EndInternal, Why: "The service's token may not push to this repository.", Err: err,
		}
	}
	return &messages.AmbiguousError{Err: fmt.Errorf("push to %s: %w", repo.FullName(), err)}
}

// asPush takes from a failed look at the server what it would be called if an attempt ended for it: the
// work is there.
func asPush(err error) error {
	var later *messages.LaterError
	if errors.As(err, &later) {
		return &messages.LaterError{After: later.After, Err: later.Err}
	}
	return err
}

// Diff is the work as a diff, at most so many bytes of it. Its errors are those of Push.
func (g *Git) Diff(ctx context.Context, task messages.Task, base messages.Base, bundle string, most int) (string, error) {
	unlock, err := g.lock(ctx, task.Repo.ID)
	if err != nil {
		return "", err
	}
	defer unlock()
	q, err := g.quarantine(ctx, task, base, bundle)
	if err != nil {
		return "", err
	}
	defer q.close()
	out, err := g.run(ctx, call{
		dir: q.dir, memory: maxMemory, env: smallDiffs(), most: most + 1,
		args: []string{"diff", "--no-color", "--no-ext-diff", "--no-textconv", q.base, q.tip},
	})
	if err != nil && !errors.Is(err, errTooLong) {
		return "", err
	}
	if len(out) > most {
		return upTo(string(out), most) + "\n… (cut)\n", nil
	}
	return string(out), nil
}
