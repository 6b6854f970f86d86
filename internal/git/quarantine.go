package git

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"

	"devs-webhook/messages"
)

// quarantine is a throw-away bare repository that holds the work, and sees the mirror's objects.
type quarantine struct {
	git    *Git
	dir    string
	mirror string
	base   string
	tip    string
	own    []string // if the base is none of the repository's branches: what these have; see checkForeign
	since  string   // and what the tip has in common with them
}

// refuse is a refusal of the agent's work, for people.
func refuse(format string, args ...any) error {
	return &messages.RefusedError{Ending: messages.EndResultInvalid, Why: fmt.Sprintf(format, args...)}
}

// refuseFor is refuse with the cause, for the log.
func refuseFor(err error, why string) error {
	return &messages.RefusedError{Ending: messages.EndResultInvalid, Why: why, Err: err}
}

// quarantine unpacks the work bundle and examines its objects. The caller holds the repository's lock and
// calls close.
func (g *Git) quarantine(ctx context.Context, task messages.Task, base messages.Base, bundle string) (_ *quarantine, err error) {
	mirror, err := g.withBase(ctx, task, base)
	if err != nil {
		return nil, err
	}
	f, err := g.openBundle(bundle)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	r := bufio.NewReader(f)
	tip, err := bundleTip(r)
	if err != nil {
		return nil, err
	}
	dir, err := g.bare(ctx, quarantinePrefix)
	if err != nil {
		return nil, err
	}
	q := &quarantine{git: g, dir: dir, mirror: mirror, base: base.Commit, tip: tip}
	defer func() {
		if err != nil {
			q.close()
		}
	}()
	alternates := filepath.Join(dir, "objects", "info", "alternates")
	if err := os.MkdirAll(filepath.Dir(alternates), 0o700); err != nil {
		return nil, fmt.Errorf("make the quarantine: %w", err)
	}
	if err := os.WriteFile(alternates, []byte(filepath.Join(mirror, "objects")+"\n"), 0o600); err != nil {
		return nil, fmt.Errorf("make the quarantine: %w", err)
	}
	if err := q.unpack(ctx, r); err != nil {
		return nil, err
	}
	return q, q.checkHistory(ctx)
}

func (q *quarantine) close() {
	if err := os.RemoveAll(q.dir); err != nil {
		q.git.opts.Log.Warn().Err(err).Msg("quarantine not removed")
	}
}

// maxMemory bounds the data of each git that looks at the work.
const maxMemory = 1 << 30

func (q *quarantine) run(ctx context.Context, args ...string) ([]byte, error) {
	return q.feed(ctx, nil, args...)
}

func (q *quarantine) feed(ctx context.Context, stdin []byte, args ...string) ([]byte, error) {
	return q.git.run(ctx, call{dir: q.dir, stdin: bytes.NewReader(stdin), memory: maxMemory, args: args})
}

// withBase makes sure that the mirror has the commit that the attempt started from.
func (g *Git) withBase(ctx context.Context, task messages.Task, base messages.Base) (mirror string, err error) {
	if !commitID.MatchString(base.Commit) {
		return "", refuse("It is not recorded what the work started from.")
	}
	if mirror, err = g.mirror(ctx, task.Repo); err != nil {
		return "", err
	}
	if _, err := g.commit(ctx, mirror, base.Commit); err == nil {
		return mirror, nil
	}
	have, err := g.list(ctx, task.Repo)
	if err != nil {
		return "", err
	}
	from, _, err := start(task, have)
	if err != nil {
		return "", err
	}
	if err := g.fetch(ctx, have.repo, mirror, from); err != nil {
		return "", err
	}
	if _, err := g.commit(ctx, mirror, base.Commit); answeredNo(err) {
		return "", refuse("The commit that the work started from is no longer in the repository.")
	} else if err != nil {
		return "", err
	}
	return mirror, nil
}

// openBundle opens the work without following a link.
func (g *Git) openBundle(path string) (*os.File, error) {
	f, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NOFOLLOW|syscall.O_NONBLOCK, 0)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, refuse("The work is no longer on the disk.")
	case errors.Is(err, syscall.ELOOP), errors.Is(err, syscall.ENXIO):
		return nil, refuse("The work is no regular file.")
	case err != nil:
		return nil, fmt.Errorf("open the work: %w", err)
	}
	info, err := f.Stat()
	switch {
	case err != nil:
		err = fmt.Errorf("open the work: %w", err)
	case !info.Mode().IsRegular():
		err = refuse("The work is no regular file.")
	case info.Size() > g.opts.MaxBundle:
		err = refuse("The work has %d bytes, which is more than the %d that are taken.", info.Size(), g.opts.MaxBundle)
	default:
		return f, nil
	}
	return nil, errors.Join(err, f.Close())
}

var commitID = regexp.MustCompile(`^[0-9a-f]{40}$`)

// bundleTip reads a bundle's header, as gitformat-bundle(5) describes it, and leaves the reader at the
// pack. Exactly one ref is expected; its name does not matter. No line is longer than the reader's buffer.
func bundleTip(r *bufio.Reader) (tip string, err error) {
	bad := refuse("The work is no git bundle of one branch.")
	signature, err := r.ReadSlice('\n')
	if err != nil || string(signature) != "# v2 git bundle\n" && string(signature) != "# v3 git bundle\n" {
		return "", bad
	}
	for range 1000 {
		line, err := r.ReadSlice('\n')
		if err != nil {
			return "", bad
		}
		text := string(bytes.TrimSuffix(line, []byte("\n")))
		switch {
		case text == "":
			if tip == "" {
				return "", bad
			}
			return tip, nil
		case strings.HasPrefix(text, "-"), text == "@object-format=sha1":
		default:
			id, _, ok := strings.Cut(text, " ")
			if !ok || tip != "" || !commitID.MatchString(id) {
				return "", bad
			}
			tip = id
		}
	}
	return "", bad
}

// unpack puts the pack's objects into the quarantine as receive-pack would with receive.fsckObjects: every
// object is examined strictly, and every link must lead to an object. (`git fetch` of a bundle examines
// nothing, whatever fetch.fsckObjects says.)
func (q *quarantine) unpack(ctx context.Context, pack io.Reader) error {
	most := strconv.FormatInt(q.git.opts.MaxBundle, 10)
	_, err := q.git.run(ctx, call{
		dir: q.dir, stdin: pack, memory: maxMemory,
		args: []string{"index-pack", "--stdin", "--fix-thin", "--strict", "--max-input-size=" + most},
	})
	if err == nil {
		return nil
	}
	if full := q.checkDisk(); full != nil {
		return &messages.LaterError{Err: errors.Join(full, err)}
	}
	if answeredNo(err) {
		return refuseFor(err, "The work holds git objects that do not pass the examination (git fsck).")
	}
	return fmt.Errorf("examine the work: %w", err)
}

// checkDisk tells a full disk from bad work: git gives both the same exit code.
func (q *quarantine) checkDisk() error {
	name := filepath.Join(q.dir, "room")
	if err := errors.Join(os.WriteFile(name, make([]byte, 1<<20), 0o600), os.Remove(name)); err != nil {
		return fmt.Errorf("write into the quarantine: %w", err)
	}
	return nil
}

// checkHistory makes sure that the tip is a commit that adds to the base.
func (q *quarantine) checkHistory(ctx context.Context) error {
	commit, err := q.git.commit(ctx, q.dir, q.tip)
	switch {
	case answeredNo(err), err == nil && commit != q.tip:
		return refuse("The work does not end in a commit.")
	case err != nil:
		return err
	case commit == q.base:
		return refuse("The work adds nothing to the commit that it was given.")
	}
	_, err = q.run(ctx, "merge-base", "--is-ancestor", q.base, q.tip)
	if exitedWith(err, 1) {
		return refuse("The work does not build on the commit that it was given.")
	}
	return err
}
