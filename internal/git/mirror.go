package git

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"devs-webhook/messages"
)

// Names of what lies in Dir beside the mirrors.
const (
	makingPrefix     = "making-"     // a mirror that is not finished
	quarantinePrefix = "quarantine-" // a throw-away repository
)

// mirrorDir is the mirror of a repository: named by its id, which a rename keeps.
func (g *Git) mirrorDir(repo messages.Repo) string {
	return filepath.Join(g.opts.Dir, strconv.FormatInt(repo.ID, 10)+".git")
}

// mirror makes sure that the repository's mirror exists, and clears what a killed git left in it. The
// caller holds the repository's lock.
func (g *Git) mirror(ctx context.Context, repo messages.Repo) (dir string, err error) {
	if dir, err = filepath.Abs(g.mirrorDir(repo)); err != nil {
		return "", err
	}
	if _, err := os.Stat(filepath.Join(dir, "HEAD")); err == nil {
		return dir, clearLeftovers(dir)
	} else if !errors.Is(err, fs.ErrNotExist) {
		return "", fmt.Errorf("look at the mirror: %w", err)
	}
	if err := os.MkdirAll(g.opts.Dir, 0o700); err != nil {
		return "", fmt.Errorf("make the directory of mirrors: %w", err)
	}
	making, err := g.bare(ctx, makingPrefix)
	if err != nil {
		return "", err
	}
	if err := errors.Join(os.RemoveAll(dir), os.Rename(making, dir)); err != nil {
		return "", fmt.Errorf("make the mirror: %w", err)
	}
	return dir, nil
}

// bare makes an empty bare repository with a name of its own.
func (g *Git) bare(ctx context.Context, prefix string) (dir string, err error) {
	parent, err := filepath.Abs(g.opts.Dir)
	if err != nil {
		return "", err
	}
	if dir, err = os.MkdirTemp(parent, prefix); err != nil {
		return "", fmt.Errorf("make a repository: %w", err)
	}
	if _, err = g.run(ctx, call{dir: dir, args: []string{"init", "--quiet", "--bare", "--template=", "--initial-branch=main"}}); err != nil {
		return "", errors.Join(fmt.Errorf("make a repository: %w", err), os.RemoveAll(dir))
	}
	return dir, nil
}

// clearLeftovers removes what a killed git, or a power cut, left in a mirror: lock files, packs that were
// not finished, and refs that were never written out. Nobody else works in the mirror: the state directory
// has one process, and the repository one holder of its lock. Objects that refs no longer name stay: the
// mirror is never pruned, because work may start from them.
func clearLeftovers(dir string) error {
	packs := filepath.Join(dir, "objects", "pack")
	return filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		switch {
		case errors.Is(err, fs.ErrNotExist):
			return nil
		case err != nil:
			return err
		case d.IsDir() && filepath.Dir(path) == filepath.Join(dir, "objects") && path != packs:
			return fs.SkipDir
		case d.IsDir():
			return nil
		case strings.HasSuffix(d.Name(), ".lock"), filepath.Dir(path) == packs && strings.HasPrefix(d.Name(), "tmp_"),
			strings.HasPrefix(path, filepath.Join(dir, "refs")) && !isRef(path):
			return os.Remove(path)
		}
		return nil
	})
}

// isRef says whether a file holds the id of a commit.
func isRef(path string) bool {
	text, err := os.ReadFile(path)
	return err == nil && commitID.Match(bytes.TrimSpace(text))
}

// fetch brings refs of the server into the mirror, under refs/remote/. The refs are full names.
func (g *Git) fetch(ctx context.Context, repo messages.Repo, dir string, refs ...string) error {
	env, token, url, err := g.remote(ctx, repo)
	if err != nil {
		return err
	}
	args := []string{"fetch", "--quiet", "--no-tags", "--no-write-fetch-head", "--force", "--no-recurse-submodules", url}
	for _, ref := range refs {
		args = append(args, "+"+ref+":"+mirrored(ref))
	}
	if _, err := g.run(ctx, call{dir: dir, env: env, token: token, args: args}); err != nil {
		return g.unreachable(ctx, repo, fmt.Errorf("fetch %s: %w", repo.FullName(), err))
	}
	return nil
}

// mirrored is where the mirror keeps a ref of the server: by a hash of its name, because a branch a/b cannot
// stand beside a branch a that is gone from the server.
func mirrored(ref string) string {
	sum := sha256.Sum256([]byte(ref))
	return "refs/remote/" + hex.EncodeToString(sum[:16])
}

// Sweep removes what crashes left: unfinished mirrors and quarantines older than before.
func (g *Git) Sweep(_ context.Context, before time.Time) error {
	entries, err := os.ReadDir(g.opts.Dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("list the mirrors: %w", err)
	}
	var errs []error
	for _, e := range entries {
		temporary := strings.HasPrefix(e.Name(), makingPrefix) || strings.HasPrefix(e.Name(), quarantinePrefix)
		info, err := e.Info()
		if !temporary || err != nil || info.ModTime().After(before) {
			continue
		}
		errs = append(errs, os.RemoveAll(filepath.Join(g.opts.Dir, e.Name())))
	}
	return errors.Join(errs...)
}
