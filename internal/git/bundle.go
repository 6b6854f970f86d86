package git

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"devs-webhook/messages"
)

const (
	heads   = "refs/heads/"
	workRef = "refs/heads/devs-webhook-base" // the one ref of a workspace bundle
)

// Bundle writes what an attempt starts from to path, as a bundle with one ref: the thread's branch if the
// server has it, else the head of the pull request that the thread is, else the default branch.
func (g *Git) Bundle(ctx context.Context, task messages.Task, path string) (messages.Base, error) {
	defer g.lock(task.Repo.ID)()
	have, err := g.list(ctx, task.Repo)
	if err != nil {
		return messages.Base{}, err
	}
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
	if err := g.writeBundle(ctx, dir, commit, path); err != nil {
		return messages.Base{}, err
	}
	return messages.Base{Ref: workRef, Commit: commit, Target: target}, nil
}

// start chooses where a task starts from, and the branch that its pull request asks to merge into.
func start(task messages.Task, have remoteRefs) (from, target string, err error) {
	pull := "refs/pull/" + strconv.Itoa(task.Thread.Number) + "/head"
	target = have.head
	if task.Thread.PullRequest && have.refs[pull] != "" {
		target = headBranch(have, pull)
	}
	if ref := heads + task.Branch; task.Branch != "" && have.refs[ref] != "" {
		return ref, target, nil
	}
	if task.Thread.PullRequest && have.refs[pull] != "" {
		return pull, target, nil
	}
	ref := heads + have.head
	if have.head == "" || have.refs[ref] == "" {
		return "", "", &messages.RefusedError{Ending: messages.EndCloneFailed, Why: "The repository's default branch has no commit: there is nothing to start from."}
	}
	return ref, target, nil
}

// headBranch is the branch that a pull request is made from, if exactly one branch of the repository is at
// its head; a comment's payload does not name it. A fork's is not here, so the default branch stands in.
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

// writeBundle writes the bundle as a whole or not at all.
func (g *Git) writeBundle(ctx context.Context, dir, commit, path string) error {
	if _, err := g.run(ctx, call{dir: dir, args: []string{"update-ref", workRef, commit}}); err != nil {
		return fmt.Errorf("name the base: %w", err)
	}
	path, err := filepath.Abs(path)
	if err != nil {
		return err
	}
	next := path + ".new"
	if _, err := g.run(ctx, call{dir: dir, args: []string{"bundle", "create", "--quiet", next, workRef}}); err != nil {
		return fmt.Errorf("write the workspace bundle: %w", err)
	}
	if err := errors.Join(os.Chmod(next, 0o600), os.Rename(next, path)); err != nil {
		return fmt.Errorf("write the workspace bundle: %w", err)
	}
	return nil
}
