package runner

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"

	"devs-webhook/messages"
)

const workBundle = "work.bundle"

// takeWork puts the agent's work into out/work.bundle: what it committed, and on top what it left uncommitted. It
// does so whatever the ending is, because work that is done in part is worth keeping. No change makes no bundle.
func (a *attempt) takeWork(ctx context.Context, result *messages.Result) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), a.opts.GitTime)
	defer cancel()
	w := &work{attempt: a, base: a.spec.Workspace.Commit, ref: "refs/heads/" + a.spec.Workspace.Branch}
	defer w.clear()
	// The agent may have made a file of this name, for want of better ideas or for having some.
	if err := os.RemoveAll(filepath.Join(a.dirs.out, workBundle)); err != nil {
		a.log.writeln("runner: " + err.Error())
	}
	head, err := w.take(ctx, true)
	_, large := errors.AsType[*tooLargeError](err)
	if err != nil && !large && ctx.Err() == nil {
		// The agent's repository is of no use; its files may be.
		a.log.writeln("runner: " + err.Error())
		head, err = w.take(ctx, false)
	}
	if tooLarge, ok := errors.AsType[*tooLargeError](err); ok {
		a.rec.runner("%s", tooLarge)
		workFailed(result, messages.EndAgentFailed, tooLarge.Error())
		return
	}
	if err != nil {
		a.log.writeln("runner: " + err.Error())
		a.rec.runner("the work could not be taken in")
		workFailed(result, messages.EndInternal, "the work could not be taken in")
		return
	}
	result.Head = head
}

// workFailed turns a success into a failure, and adds to what another failure says.
func workFailed(result *messages.Result, ending messages.Ending, detail string) {
	if result.Ending == messages.EndSucceeded {
		result.Ending, result.Detail = ending, detail
		return
	}
	if result.Detail != "" {
		detail = result.Detail + "; " + detail
	}
	result.Detail = detail
}

// tooLargeError is a bundle above the limit. Its text is for people.
type tooLargeError struct{ size, limit int64 }

func (e *tooLargeError) Error() string {
	const mega = 1 << 20
	return fmt.Sprintf("the work is too large to be published: %.1f MB of at most %.1f MB", float64(e.size)/mega, float64(e.limit)/mega)
}

// work makes the bundle in a repository of its own beside the workspace. It only reads from the agent's: there locks
// may have been left, files may be missing, and settings and hooks may start programs.
type work struct {
	*attempt
	base string
	ref  string
}

func (w *work) dir() string { return filepath.Join(w.dirs.run, "work.git") }

func (w *work) clear() {
	if err := os.RemoveAll(w.dir()); err != nil {
		w.log.writeln("runner: " + err.Error())
	}
}

// own is git on the repository of its own, with the workspace as its files, should that still be there.
func (w *work) own() git {
	return w.git(w.dirs.run).with(map[string]string{
		"GIT_DIR": w.dir(), "GIT_WORK_TREE": w.dirs.work, "GIT_INDEX_FILE": filepath.Join(w.dir(), "index"),
		"GIT_AUTHOR_NAME": w.spec.Commit.Name, "GIT_AUTHOR_EMAIL": w.spec.Commit.Email,
		"GIT_COMMITTER_NAME": w.spec.Commit.Name, "GIT_COMMITTER_EMAIL": w.spec.Commit.Email,
	})
}

// take makes the bundle and gives its commit, or nothing if there is no change. With commits, it uses the agent's
// commits; without, its files alone.
func (w *work) take(ctx context.Context, commits bool) (string, error) {
	if err := w.open(ctx, commits); err != nil {
		return "", err
	}
	head := w.base
	if commits {
		head = w.agentHead(ctx)
	}
	tree, err := w.tree(ctx, head)
	if err != nil {
		return "", err
	}
	tip, err := w.tip(ctx, head, tree)
	if err != nil || tip == w.base {
		if err == nil {
			w.rec.runner("the agent changed nothing")
		}
		return "", err
	}
	return tip, w.bundle(ctx, tip)
}

// open makes the repository, with the objects of the agent's as a second place to look in.
func (w *work) open(ctx context.Context, commits bool) error {
	w.clear()
	plain := w.git(w.dirs.run)
	if _, err := plain.run(ctx, "init", "--quiet", "--bare", "--template=", "--object-format="+objectFormat(w.base), w.dir()); err != nil {
		return err
	}
	if commits {
		info := filepath.Join(w.dir(), "objects", "info")
		objects := filepath.Join(w.dirs.work, ".git", "objects")
		if err := errors.Join(os.MkdirAll(info, 0o700), os.WriteFile(filepath.Join(info, "alternates"), []byte(objects+"\n"), 0o600)); err != nil {
			return fmt.Errorf("name the agent's objects: %w", err)
		}
		if _, err := w.own().run(ctx, "cat-file", "-e", w.base+"^{commit}"); err == nil {
			return nil
		}
	}
	_, err := w.own().run(ctx, "bundle", "unbundle", filepath.Join(w.dirs.in, bundleFile))
	return err
}

// objectFormat tells SHA-256 repositories by the length of their ids.
func objectFormat(commit string) string {
	if len(commit) == 64 {
		return "sha256"
	}
	return "sha1"
}

// agentHead is the commit that the agent is on, whatever the branch. Without a usable one it is the base: then the
// files are all that there is.
func (w *work) agentHead(ctx context.Context) string {
	head, err := w.git(w.dirs.work).run(ctx, "rev-parse", "--verify", "--quiet", "--end-of-options", "HEAD^{commit}")
	if err == nil {
		_, err = w.own().run(ctx, "cat-file", "-e", head+"^{commit}")
	}
	if err != nil {
		w.log.writeln("runner: " + err.Error())
		w.rec.runner("the agent's repository has no usable commit; its files are taken as they are")
		return w.base
	}
	return head
}

// tree is the tree of the workspace's files. What .gitignore names stays out, and so does what cannot be read.
func (w *work) tree(ctx context.Context, head string) (string, error) {
	g := w.own()
	if _, err := g.run(ctx, "read-tree", head); err != nil {
		return "", err
	}
	if _, err := os.Stat(w.dirs.work); errors.Is(err, os.ErrNotExist) {
		// Without a workspace there is nothing to add to what was committed.
		return g.run(ctx, "write-tree")
	}
	if _, err := g.run(ctx, "add", "--all", "--ignore-errors"); err != nil {
		if ctx.Err() != nil {
			return "", err
		}
		w.log.writeln("runner: " + err.Error())
		w.rec.runner("some files could not be taken in: %s", cut(w.withoutPaths(err.Error()), 500))
	}
	return g.run(ctx, "write-tree")
}

// tip is the commit to publish: the agent's own if it left nothing, else a new one on top of it. A history that does
// not contain the base cannot be published as it is; of such a one the files are put on top of the base.
func (w *work) tip(ctx context.Context, head, tree string) (string, error) {
	g := w.own()
	parent := head
	based, err := w.isAncestor(ctx, w.base, head)
	if err != nil {
		return "", err
	}
	if !based {
		w.rec.runner("the agent has rewritten the history; its changes become one commit")
		parent = w.base
	}
	parentTree, err := g.run(ctx, "rev-parse", "--verify", parent+"^{tree}")
	if err != nil {
		return "", err
	}
	if parentTree == tree {
		return parent, nil
	}
	if based {
		w.rec.runner("committing what the agent left uncommitted")
	}
	return g.feed(ctx, w.spec.Commit.Message, "commit-tree", tree, "-p", parent, "-F", "-")
}

func (w *work) isAncestor(ctx context.Context, base, head string) (bool, error) {
	_, err := w.own().run(ctx, "merge-base", "--is-ancestor", base, head)
	if exit, ok := errors.AsType[*exec.ExitError](err); ok && exit.ExitCode() == 1 {
		return false, nil
	}
	return err == nil, err
}

// bundle writes out/work.bundle with what is new in tip.
func (w *work) bundle(ctx context.Context, tip string) error {
	g := w.own()
	if _, err := g.run(ctx, "update-ref", w.ref, tip); err != nil {
		return err
	}
	if err := os.MkdirAll(w.dirs.out, 0o700); err != nil {
		return fmt.Errorf("make output directory: %w", err)
	}
	made := filepath.Join(w.dir(), workBundle)
	if _, err := g.run(ctx, "bundle", "create", "--quiet", made, w.base+".."+w.ref); err != nil {
		return err
	}
	info, err := os.Stat(made)
	if err != nil {
		return fmt.Errorf("look at the bundle: %w", err)
	}
	if limit := w.spec.Limits.MaxBundle; limit > 0 && info.Size() > limit {
		return &tooLargeError{size: info.Size(), limit: limit}
	}
	if err := errors.Join(os.Chmod(made, 0o600), putInPlace(made, filepath.Join(w.dirs.out, workBundle))); err != nil {
		return fmt.Errorf("put the bundle into place: %w", err)
	}
	count, err := g.run(ctx, "rev-list", "--count", w.base+".."+tip)
	if err != nil {
		return err
	}
	w.rec.runner("the work is ready; new commits: %s", count)
	return nil
}
