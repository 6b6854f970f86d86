package git

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"

	"devs-webhook/messages"
)

const heads = "refs/heads/"

// Bundle writes what an attempt starts from to path, as a bundle with one ref: the thread's branch if the
// server has it, else the head of the pull request that the thread is, else the default branch. The file
// is there as a whole or not at all. Errors are *messages.RefusedError if there is nothing to start from,
// *messages.LaterError if the server cannot be read now, the context's, or plain ones of this machine.
func (g *Git) Bundle(ctx context.Context, task messages.Task, path string) (messages.Base, error) {
	unlock, err := g.lock(ctx, task.Repo.ID)
	if err != nil {
		return messages.Base{}, err
	}
	defer unlock()
	have, err := g.list(ctx, task.Repo)
	if err != nil {
		return messages.Base{}, err
	}
	task.Repo = have.repo
	from, target, err := start(task, have)
	if err != nil {
		return messages.Base{}, err
	}
	dir, err := g.mirror(ctx, task.Repo)
	if err != nil {
		return messages.Base{}, err
	}
	if err := g.fetch(ctx, task.Repo, dir, from); err != nil {
		return messages.Base{}, err
	}
	commit, err := g.commit(ctx, dir, mirrored(from))
	if err != nil {
		return messages.Base{}, err
	}
	base := messages.Base{Ref: from, Commit: commit, Target: target}
	if err := g.writeBundle(ctx, dir, base, path); err != nil {
		return messages.Base{}, err
	}
	return base, nil
}

// start chooses where a task starts from, and the branch that its pull request asks to merge into.
func start(task messages.Task, have remoteRefs) (from, target string, err error) {
	if len(have.refs) == 0 {
		return "", "", noStart("The repository is empty: there is nothing to start from.")
	}
	pull := "refs/pull/" + strconv.Itoa(task.Thread.Number) + "/head"
	target = have.head
	if task.Thread.PullRequest && have.refs[pull] != "" {
		target = headBranch(have, pull)
	}
	if target == task.Branch {
		target = have.head // the pull request is the thread's own: a further one cannot ask to merge into itself
	}
	if ref := heads + task.Branch; task.Branch != "" && have.refs[ref] != "" {
		return ref, target, nil
	}
	if task.Thread.PullRequest && have.refs[pull] != "" {
		return pull, target, nil
	}
	ref := heads + have.head
	if have.head == "" || have.refs[ref] == "" {
		return "", "", noStart("The repository's default branch has no commit: there is nothing to start from.")
	}
	return ref, target, nil
}

// noStart is a refusal of a repository that has nothing to work on.
func noStart(why string) error {
	return &messages.RefusedError{Ending: messages.EndCloneFailed, Why: why}
}

// headBranch is the branch that a pull request is made from, if exactly one branch of the repository is at
// its head; a comment's payload does not name it. A fork's is not here, so the default branch stands in,
// as it does where several branches are there.
func headBranch(have remoteRefs, pull string) string {
	found := ""
	for ref, commit := range have.refs {
		branch, ok := strings.CutPrefix(ref, heads)
		if !ok || commit != have.refs[pull] {
			continue
		}
		if found != "" {
			return have.head
		}
		found = branch
	}
	if found == "" {
		return have.head
	}
	return found
}

// commit resolves a name to the commit that it stands for.
func (g *Git) commit(ctx context.Context, dir, name string) (string, error) {
	out, err := g.run(ctx, call{dir: dir, args: []string{"rev-parse", "--verify", "--quiet", "--end-of-options", name + "^{commit}"}})
	if err != nil {
		return "", fmt.Errorf("resolve %s: %w", name, err)
	}
	return strings.TrimSpace(string(out)), nil
}

// writeBundle writes the bundle, in the form that gitformat-bundle(5) describes. `git bundle create` would
// need the ref in the mirror, under the name that the workspace is to see.
func (g *Git) writeBundle(ctx context.Context, dir string, base messages.Base, path string) (err error) {
	next := path + ".new"
	f, err := os.OpenFile(next, os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o600)
	if err != nil {
		return fmt.Errorf("write the workspace bundle: %w", err)
	}
	defer func() {
		if err = errors.Join(err, f.Close()); err == nil {
			err = os.Rename(next, path)
		}
		if err != nil {
			err = errors.Join(fmt.Errorf("write the workspace bundle: %w", err), os.Remove(next))
		}
	}()
	if _, err := fmt.Fprintf(f, "# v2 git bundle\n%s %s\n\n", base.Commit, base.Ref); err != nil {
		return err
	}
	_, err = g.run(ctx, call{
		dir: dir, stdin: strings.NewReader(base.Commit + "\n"), to: f,
		args: []string{"pack-objects", "--quiet", "--revs", "--stdout", "--delta-base-offset"},
	})
	return err
}
