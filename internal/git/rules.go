package git

import (
	"bytes"
	"context"
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

// change is one path of one commit.
type change struct {
	oldMode, mode string
	blob          string
	path          string
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
	if len(changes) > maxFiles {
		return refuse("The work changes %d files, and at most %d are taken.", len(changes), maxFiles)
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

// changes lists what each commit of the work changes against each of its parents.
func (q *quarantine) changes(ctx context.Context) ([]change, error) {
	list, err := q.run(ctx, "rev-list", "--max-count="+strconv.Itoa(maxCommits+1), q.base+".."+q.tip)
	if err != nil {
		return nil, err
	}
	commits := bytes.Fields(list)
	if len(commits) > maxCommits {
		return nil, refuse("The work has more than the %d commits that are taken.", maxCommits)
	}
	out, err := q.git.run(ctx, call{
		dir: q.dir, stdin: list, args: []string{"diff-tree", "--stdin", "-r", "-m", "-z", "--raw", "--no-renames", "--root"},
	})
	if err != nil {
		return nil, err
	}
	return parseRaw(out)
}

// parseRaw reads `diff-tree --stdin -z --raw`: a commit's id, and for each change a header and a path, all
// ended by NUL.
func parseRaw(out []byte) ([]change, error) {
	var changes []change
	seen := map[change]bool{}
	fields := strings.Split(string(out), "\x00")
	for i := 0; i < len(fields); i++ {
		header, isChange := strings.CutPrefix(fields[i], ":")
		if !isChange {
			continue
		}
		words := strings.Fields(header)
		if i++; len(words) < 5 || i >= len(fields) {
			return nil, fmt.Errorf("read the changes: unexpected %q", header)
		}
		c := change{oldMode: words[0], mode: words[1], blob: words[3], path: fields[i]}
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
	if c.mode == modeGitlink || c.oldMode == modeGitlink {
		return refuse("The work changes the submodule %s, which is not allowed: a submodule brings in code that nobody has seen.", quoted(c.path))
	}
	lower := strings.ToLower(c.path)
	for _, rule := range pathRules {
		if rule.matches(lower) {
			return refuse("The work changes %s, which is not allowed: %s.", quoted(c.path), rule.reason)
		}
	}
	return nil
}

// checkSizes refuses files that GitHub would refuse.
func (q *quarantine) checkSizes(ctx context.Context, changes []change) error {
	var asked []change
	var ids bytes.Buffer
	for _, c := range changes {
		if c.mode != modeGone {
			asked = append(asked, c)
			ids.WriteString(c.blob + "\n")
		}
	}
	out, err := q.git.run(ctx, call{dir: q.dir, stdin: ids.Bytes(), args: []string{"cat-file", "--batch-check=%(objecttype) %(objectsize)"}})
	if err != nil {
		return err
	}
	lines := strings.Split(strings.TrimSuffix(string(out), "\n"), "\n")
	for i, c := range asked {
		kind, size, _ := strings.Cut(lines[i], " ")
		n, err := strconv.ParseInt(size, 10, 64)
		if kind != "blob" || err != nil {
			return refuse("The work holds %s, which is no file.", quoted(c.path))
		}
		if n > maxFileSize {
			return refuse("The work holds %s with %d MiB, and at most %d MiB are taken.", quoted(c.path), n>>20, maxFileSize>>20)
		}
	}
	return nil
}

// checkLinks refuses symbolic links that lead out of the repository.
func (q *quarantine) checkLinks(ctx context.Context, changes []change) error {
	for _, c := range changes {
		if c.mode != modeLink {
			continue
		}
		target, err := q.run(ctx, "cat-file", "blob", c.blob)
		if err != nil {
			return err
		}
		to := string(target)
		if path.IsAbs(to) || strings.HasPrefix(path.Join(path.Dir(c.path), to)+"/", "../") {
			return refuse("The work holds the link %s, which leads out of the repository.", quoted(c.path))
		}
	}
	return nil
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
