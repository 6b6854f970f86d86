package runner

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

const bundleFile = "workspace.bundle"

// makeWorkspace makes a clone from in/workspace.bundle: the wanted branch at the wanted commit, and the bundle's
// branches as those of origin. It has no remote, no hooks and no configuration but what git init writes; who
// commits stands in the agent's own .gitconfig.
func (a *attempt) makeWorkspace(ctx context.Context) error {
	if err := errors.Join(a.writeTask(), a.writeGitConfig()); err != nil {
		return err
	}
	if err := os.RemoveAll(a.dirs.work); err != nil {
		return fmt.Errorf("clear workspace: %w", err)
	}
	if err := os.MkdirAll(a.dirs.work, 0o700); err != nil {
		return fmt.Errorf("make workspace: %w", err)
	}
	g := a.git(a.dirs.work)
	branch := "refs/heads/" + a.spec.Workspace.Branch
	if _, err := g.run(ctx, "check-ref-format", branch); err != nil {
		return err
	}
	if _, err := g.run(ctx, "init", "--quiet", "--template=", "--object-format="+objectFormat(a.spec.Workspace.Commit)); err != nil {
		return err
	}
	heads, err := g.run(ctx, "bundle", "unbundle", filepath.Join(a.dirs.in, bundleFile))
	if err != nil {
		return err
	}
	updates, err := refUpdates(heads, a.spec.Workspace.Ref, a.spec.Workspace.Commit)
	if err != nil {
		return err
	}
	updates += fmt.Sprintf("create %s %s\n", branch, a.spec.Workspace.Commit)
	if _, err := g.feed(ctx, updates, "update-ref", "--stdin"); err != nil {
		return err
	}
	if _, err := g.run(ctx, "symbolic-ref", "HEAD", branch); err != nil {
		return err
	}
	_, err = g.run(ctx, "reset", "--hard", "--quiet")
	return err
}

// refUpdates turns the heads of a bundle, as `git bundle unbundle` prints them, into input for update-ref. The
// wanted ref must be at the wanted commit; if the bundle does not have the ref, some other must be.
func refUpdates(heads, ref, commit string) (string, error) {
	var b strings.Builder
	there := false
	for line := range strings.Lines(heads) {
		id, name, ok := strings.Cut(strings.TrimSpace(line), " ")
		if !ok {
			continue
		}
		if name == ref && id != commit {
			return "", fmt.Errorf("the bundle has %s at %s, not at %s", ref, id, commit)
		}
		there = there || id == commit
		if branch, ok := strings.CutPrefix(name, "refs/heads/"); ok {
			fmt.Fprintf(&b, "create refs/remotes/origin/%s %s\n", branch, id)
		}
	}
	if !there {
		return "", fmt.Errorf("the bundle has no ref at %s", commit)
	}
	return b.String(), nil
}

// git is the runner's git in a directory.
func (a *attempt) git(dir string) git {
	return git{family: a.family, home: a.dirs.home, dir: dir}
}

// writeGitConfig says to the agent's git who commits.
func (a *attempt) writeGitConfig() error {
	text := fmt.Sprintf("[user]\n\tname = %s\n\temail = %s\n[safe]\n\tdirectory = *\n[commit]\n\tgpgSign = false\n[advice]\n\tdetachedHead = false\n",
		configValue(a.spec.Commit.Name), configValue(a.spec.Commit.Email))
	if err := os.WriteFile(filepath.Join(a.dirs.home, ".gitconfig"), []byte(text), 0o600); err != nil {
		return fmt.Errorf("write git configuration: %w", err)
	}
	return nil
}

// configValue quotes a value for a git configuration file.
func configValue(s string) string {
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`, "\n", " ", "\t", " ").Replace(s) + `"`
}
