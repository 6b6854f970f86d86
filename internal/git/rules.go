package git

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"path"
	"slices"
	"strconv"
	"strings"
)

// The bounds of one piece of work.
const (
	maxCommits  = 500
	maxFiles    = 3000
	maxPath     = 4096
	maxLink     = 4096      // bytes of a symbolic link's target
	maxFileSize = 100 << 20 // GitHub itself refuses files above 100 MB
)

// pathRules are the paths that an agent's work may not touch, with the reason. They are compared without
// regard to case, because a checkout on another system may not regard it.
var pathRules = []struct {
	matches func(path string) bool
	reason  string
}{
	{below(".github/workflows"), "a workflow runs with the repository's secrets"},
	{below(".github/actions"), "an action runs with the repository's secrets"},
	{anyOf("codeowners", ".github/codeowners", "docs/codeowners"), "it decides who must review"},
	{anyOf(".gitmodules"), "a submodule brings in code that nobody has seen"},
	{below(".claude"), "it configures the agent that reads it next"},
	{anyOf(".mcp.json"), "it starts programs beside the agent that reads it next"},
}

func below(dir string) func(string) bool {
	return func(p string) bool { return p == dir || strings.HasPrefix(p, dir+"/") }
}

func anyOf(names ...string) func(string) bool {
	return func(p string) bool { return slices.Contains(names, p) }
}

// change is one path that one commit leaves different from each of its parents.
type change struct {
	mode    string // afterwards
	blob    string
	path    string
	gitlink bool // it is a submodule, or was one in a parent
}

const (
	modeLink    = "120000"
	modeGitlink = "160000"
	modeGone    = "000000"
)

// checkRules holds every commit of the work, not only its sum, against the rules: what one commit adds and
// the next removes would still be pushed.
func (q *quarantine) checkRules(ctx context.Context) error {
	changes, err := q.changes(ctx)
	if err != nil {
		return err
	}
	paths := map[string]bool{}
	for _, c := range changes {
		paths[c.path] = true
	}
	if len(paths) > maxFiles {
		return refuse("The work changes %d files, and at most %d are taken.", len(paths), maxFiles)
	}
	for _, c := range changes {
		if err := checkPath(c); err != nil {
			return err
		}
	}
	if err := q.checkSizes(ctx, changes); err != nil {
		return err
	}
	return q.checkLinks(ctx, changes)
}

// changes lists what each commit of the work changes, and what all of them change in sum. Of a merge it is
// what differs from every parent: the rest is some other commit's, of this work or of the repository. But a
// merge can take something of the repository's past for its present, and only the sum shows that.
func (q *quarantine) changes(ctx context.Context) ([]change, error) {
	known, since := q.examined()
	list, err := q.run(ctx, append([]string{"rev-list", "--max-count=" + strconv.Itoa(maxCommits+1), q.tip, "--not"}, known...)...)
	if err != nil {
		return nil, fmt.Errorf("list the commits: %w", err)
	}
	if bytes.Count(list, []byte("\n")) > maxCommits {
		return nil, refuse("The work has more than the %d commits that are taken.", maxCommits)
	}
	sum := q.tip + " " + since + "\n" // as if the base were the only parent
	out, err := q.feed(ctx, append(list, sum...), "diff-tree", "--stdin", "-r", "-c", "-z", "--raw", "--no-renames", "--root")
	if errors.Is(err, errTooLong) || answeredNo(err) {
		// Objects that were found whole cannot be listed: there are too many paths, or so many that the memory
		// does not hold them, as a few trees that name one another often enough can make.
		return nil, refuseFor(err, "The work changes more files than can be examined.")
	}
	if err != nil {
		return nil, fmt.Errorf("list the changes: %w", err)
	}
	return parseRaw(out)
}

// parseRaw reads `diff-tree --stdin -c -z --raw`: a commit's id, and for each change a header and a path,
// all ended by NUL. A header has a colon, a mode and an id for each parent, and a mode and an id for what
// came of them.
func parseRaw(out []byte) ([]change, error) {
	var changes []change
	seen := map[change]bool{}
	fields := strings.Split(string(out), "\x00")
	for i := 0; i < len(fields); i++ {
		header := strings.TrimLeft(fields[i], ":")
		parents := len(fields[i]) - len(header)
		if parents == 0 {
			continue
		}
		words := strings.Fields(header)
		if i++; len(words) != 2*parents+3 || i >= len(fields) {
			return nil, fmt.Errorf("read the changes: unexpected %q", header)
		}
		c := change{
			mode: words[parents], blob: words[2*parents+1], path: fields[i],
			gitlink: slices.Contains(words[:parents+1], modeGitlink),
		}
		if !seen[c] {
			seen[c] = true
			changes = append(changes, c)
		}
	}
	return changes, nil
}

func checkPath(c change) error {
	if len(c.path) > maxPath {
		return refuse("A path in the work has %d bytes, and at most %d are taken.", len(c.path), maxPath)
	}
	if c.gitlink {
		return refuse("The work changes the submodule %s, which is not allowed: a submodule brings in code that nobody has seen.", quoted(c.path))
	}
	lower := strings.ToLower(c.path)
	if lower == ".github" && c.mode == modeLink {
		return refuse("The work makes %s a link, which is not allowed: it could stand for workflows.", quoted(c.path))
	}
	for _, rule := range pathRules {
		if rule.matches(lower) {
			return refuse("The work changes %s, which is not allowed: %s.", quoted(c.path), rule.reason)
		}
	}
	return nil
}

// checkSizes refuses files that GitHub would refuse, and links that no system takes.
func (q *quarantine) checkSizes(ctx context.Context, changes []change) error {
	var asked []change
	var ids bytes.Buffer
	for _, c := range changes {
		if c.mode != modeGone {
			asked = append(asked, c)
			ids.WriteString(c.blob + "\n")
		}
	}
	out, err := q.feed(ctx, ids.Bytes(), "cat-file", "--batch-check=%(objecttype) %(objectsize)")
	if err != nil {
		return fmt.Errorf("ask for the sizes: %w", err)
	}
	lines := strings.Split(strings.TrimSuffix(string(out), "\n"), "\n")
	if len(asked) > len(lines) {
		return fmt.Errorf("ask for the sizes: %d answers to %d questions", len(lines), len(asked))
	}
	for i, c := range asked {
		kind, size, _ := strings.Cut(lines[i], " ")
		n, err := strconv.ParseInt(size, 10, 64)
		switch {
		case kind != "blob" || err != nil:
			return refuse("The work holds %s, which is no file.", quoted(c.path))
		case n > maxFileSize:
			return refuse("The work holds %s with %d MiB, and at most %d MiB are taken.", quoted(c.path), n>>20, maxFileSize>>20)
		case c.mode == modeLink && n > maxLink:
			return refuse("The work holds the link %s with %d bytes, and at most %d are taken.", quoted(c.path), n, maxLink)
		}
	}
	return nil
}

// checkLinks refuses symbolic links that lead out of the repository. Their sizes have been checked.
func (q *quarantine) checkLinks(ctx context.Context, changes []change) error {
	var links []change
	var ids bytes.Buffer
	for _, c := range changes {
		if c.mode == modeLink {
			links = append(links, c)
			ids.WriteString(c.blob + "\n")
		}
	}
	if len(links) == 0 {
		return nil
	}
	out, err := q.feed(ctx, ids.Bytes(), "cat-file", "--batch=%(objectsize)")
	if errors.Is(err, errTooLong) {
		return refuseFor(err, "The work holds more links than can be examined.")
	}
	if err != nil {
		return fmt.Errorf("read the links: %w", err)
	}
	for _, c := range links {
		size, rest, _ := bytes.Cut(out, []byte("\n"))
		n, err := strconv.Atoi(string(size))
		if err != nil || n < 0 || n >= len(rest) {
			return fmt.Errorf("read the links: unexpected %q", size)
		}
		if leavesTree(c.path, string(rest[:n])) {
			return refuse("The work holds the link %s, which leads out of the repository, or does not lead straight to a file in it.", quoted(c.path))
		}
		out = rest[n+1:]
	}
	return nil
}

// leavesTree says whether a link may lead out of the tree that it is in. It may climb first and descend
// then: where it climbs are real directories, and where it descends each link has been checked. A climb
// after a descent could begin in the middle of nowhere, if the descent goes through another link. Where a
// backslash separates, or a drive has a letter, it must not lead out either.
func leavesTree(name, target string) bool {
	to := strings.ReplaceAll(target, `\`, "/")
	if to == "" || path.IsAbs(to) || strings.ContainsAny(to, "\x00:") {
		return true
	}
	depth, descends := strings.Count(name, "/"), false
	for part := range strings.SplitSeq(to, "/") {
		switch {
		case part == "" || part == ".":
		case part == "..":
			if depth--; depth < 0 || descends {
				return true
			}
		case strings.EqualFold(part, ".git"):
			return true
		default:
			descends = true
		}
	}
	return false
}

// quoted shows a hostile path in a sentence.
func quoted(p string) string {
	if len(p) > 200 {
		p = p[:200] + "…"
	}
	return "`" + strings.Map(func(r rune) rune {
		if r == '`' || r < ' ' || r == 0x7f || !strconv.IsPrint(r) {
			return '?'
		}
		return r
	}, p) + "`"
}
