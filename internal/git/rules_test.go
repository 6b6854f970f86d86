package git

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"devs-webhook/messages"
)

// judge holds work against the rules.
func (s *site) judge(t *testing.T, tip string) error {
	t.Helper()
	q, err := s.quarantined(t, s.bundle(t, tip))
	if err != nil {
		t.Fatal(err)
	}
	return q.checkRules(t.Context())
}

// on makes a commit of the work.
func (s *site) on(t *testing.T, parent string, changes ...string) string {
	t.Helper()
	return commit(t, s.lab, made{parents: []string{parent}, message: "Work\n"}, changes...)
}

func TestPathRules(t *testing.T) {
	t.Parallel()
	const (
		workflow = "runs with the repository's secrets"
		owners   = "who must review"
		module   = "code that nobody has seen"
		agent    = "agent that reads it next"
		allowed  = ""
	)
	for name, why := range map[string]string{
		".github/workflows/ci.yml": workflow, ".GitHub/WorkFlows/ci.yml": workflow, ".github/workflows": workflow,
		".github/workflows/a/b/c": workflow, ".github/actions/x/action.yml": workflow, ".github/ACTIONS": workflow,
		"CODEOWNERS": owners, "codeowners": owners, ".github/CODEOWNERS": owners, "docs/CodeOwners": owners, "DOCS/CODEOWNERS": owners,
		".gitmodules": module, ".GitModules": module,
		".claude/settings.json": agent, ".claude": agent, ".CLAUDE/x": agent, ".mcp.json": agent, ".MCP.json": agent,
		".github/workflowsx/ci.yml": allowed, ".github/dependabot.yml": allowed, "x/.github/workflows/ci.yml": allowed,
		"src/CODEOWNERS": allowed, "CODEOWNERS.md": allowed, "x/.claude/y": allowed, "CLAUDE.md": allowed, "a.mcp.json": allowed,
		".github": allowed, "docs": allowed, "workflows/ci.yml": allowed, ".gitattributes": allowed, ".gitignore": allowed,
	} {
		err := checkPath(change{mode: "100644", path: name})
		if why == allowed {
			if err != nil {
				t.Errorf("%s: %v", name, err)
			}
			continue
		}
		if r := refused(t, err, why); !strings.Contains(r.Why, "`"+name+"`") {
			t.Errorf("%s: %s", name, r.Why)
		}
	}
	refused(t, checkPath(change{mode: modeLink, path: ".github"}), "could stand for workflows")
	refused(t, checkPath(change{mode: "100644", path: strings.Repeat("x", maxPath+1)}), "bytes")
	refused(t, checkPath(change{mode: "100644", gitlink: true, path: "sub"}), "the submodule `sub`")
}

// Every commit counts, not only what remains in the end, and so does every kind of change.
func TestEveryCommitIsHeldAgainstTheRules(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	const ci = ".github/workflows/ci.yml"
	withCI := commit(t, s.lab, made{parents: []string{s.main}}, file(ci, "on: push\n"), link("up", "a"))
	s.branch(t, "main", withCI)
	first := s.main
	s.main, s.base.Commit = withCI, withCI
	good := s.on(t, withCI, file("new.txt", "x"))
	side := s.on(t, withCI, file("side.txt", "x"))
	old := s.on(t, first, file("old.txt", "x")) // from before the workflow
	merge := func(message string, changes ...string) func() string {
		return func() string {
			return commit(t, s.lab, made{parents: []string{good, side}, message: message}, append(changes, file("side.txt", "x"))...)
		}
	}
	bring := func(parents []string, changes ...string) func() string {
		return func() string { return commit(t, s.lab, made{parents: parents, message: "Merge\n"}, changes...) }
	}
	for name, c := range map[string]struct {
		make  func() string
		words string // of the refusal; empty if it is allowed
	}{
		"good":                     {func() string { return good }, ""},
		"changed":                  {func() string { return s.on(t, good, file(ci, "on: issues\n")) }, ci},
		"executable":               {func() string { return s.on(t, good, entry("100755", ci, "on: push\n")) }, ci},
		"removed":                  {func() string { return s.on(t, good, gone(ci)) }, ci},
		"renamed away":             {func() string { return s.on(t, good, "R "+quotedName(ci)+" \"ci.yml\"\n") }, ci},
		"copied in":                {func() string { return s.on(t, good, "C \"README.md\" \".github/workflows/x.yml\"\n") }, "x.yml"},
		"the folder replaced":      {func() string { return s.on(t, good, gone(".github"), file(".github", "x")) }, ci},
		"reverted by the next":     {func() string { return s.on(t, s.on(t, good, file(ci, "bad")), file(ci, "on: push\n")) }, ci},
		"in the last of two":       {func() string { return s.on(t, s.on(t, good, file("y", "y")), file(ci, "bad")) }, ci},
		"a submodule":              {func() string { return s.on(t, good, gitlink("sub")) }, "submodule"},
		"a submodule, reverted":    {func() string { return s.on(t, s.on(t, good, gitlink("sub")), gone("sub")) }, "submodule"},
		"a file becomes submodule": {func() string { return s.on(t, good, gitlink("README.md")) }, "submodule"},
		"a plain merge":            {merge("Merge\n"), ""},
		"a merge that adds":        {merge("Merge\n", file(ci, "bad")), ci},
		"a merge with the past":    {bring([]string{good, old}, file("old.txt", "x")), ""},
		"a merge back to the past": {bring([]string{good, old}, gone(ci)), ci},
		"on the side of a merge":   {bring([]string{good, s.on(t, first, file(ci, "bad"))}), ci},
	} {
		tip := c.make()
		err := s.judge(t, tip)
		if c.words == "" && err != nil {
			t.Errorf("%s: %v", name, err)
		} else if c.words != "" {
			refused(t, err, c.words)
		}
	}
}

func TestWhereLinksLead(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name, target string
		leaves       bool
	}{
		{"l", "README.md", false},
		{"l", "./a/b", false},
		{"l", "a//b/", false},
		{"a/l", "../README.md", false},
		{"a/b/c/l", "../../../x", false},
		{"a/l", "./../x", false},
		{"l", "...", false},
		{"l", "..x", false},
		{"l", "gitignore", false},
		{"l", ".gitignore", false},
		{"a/l", "..", false},
		{"l", ".", false},
		{"l", "..", true},
		{"l", "../x", true},
		{"a/l", "../../x", true},
		{"a/l", "..//..", true},
		{"l", "./../x", true},
		{"l", "/etc/passwd", true},
		{"l", "//x", true},
		{"l", "", true},
		{"a/b/l", "../../../x", true},
		{"a/l", "b/../../..", true},
		{"a/l", "b/../c", true}, // b can be a link itself
		{"l", ".git/config", true},
		{"a/l", "../.GIT", true},
		{"l", "x/.git/hooks", true},
		{"l", `..\x`, true},
		{"l", `\x`, true},
		{"a/l", `..\x`, false},
		{"l", `C:\x`, true},
		{"l", "c:x", true},
		{"l", "x\x00", true},
		{"l", "..\x00/x", true},
	} {
		if got := leavesTree(c.name, c.target); got != c.leaves {
			t.Errorf("%s -> %q: %v", c.name, c.target, got)
		}
	}
}

func TestLinks(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	deep := s.on(t, s.main, link("a/b/up", "../../README.md"), link("a/b/other", "c.txt"), link("x/y/z/w", "../../.."))
	if err := s.judge(t, deep); err != nil {
		t.Error(err)
	}
	odd := func(mode string) string {
		target := object(t, s.lab, "blob", "../../etc/passwd")
		return s.commitOf(t, tree(t, s.lab, [3]string{mode, "odd", target}))
	}
	const out = "leads out of the repository"
	for name, c := range map[string]struct{ tip, words string }{
		"out":                      {s.on(t, deep, link("x/l", "../../y")), out},
		"moved up":                 {s.on(t, deep, "R \"a/b/up\" \"up\"\n"), out},
		"its folder moved up":      {s.on(t, deep, "R \"a/b\" \"c\"\n"), out},
		"copied up":                {s.on(t, deep, "C \"a/b/up\" \"up\"\n"), out},
		"reverted":                 {s.on(t, s.on(t, deep, link("l", "/etc")), gone("l")), out},
		"through another link":     {s.on(t, deep, link("x/y/z/l", "w/../secret")), out},
		"a file becomes a link":    {s.on(t, deep, gone("README.md"), link("README.md", "/etc/passwd")), out},
		"the second of two":        {s.on(t, deep, link("k", "README.md"), link("l", "..")), out},
		"a long target":            {s.on(t, deep, link("l", strings.Repeat("x", maxLink+1))), "bytes"},
		"an odd mode":              {odd("120777"), out},
		"a mode that git misreads": {odd("0"), "submodule"},
	} {
		t.Run(name, func(t *testing.T) {
			q, err := s.quarantined(t, s.bundle(t, c.tip))
			if c.words == "submodule" && err != nil {
				return // git refuses it by itself
			}
			if err != nil {
				t.Fatal(err)
			}
			refused(t, q.checkRules(t.Context()), c.words)
		})
	}
	if err := s.judge(t, s.on(t, deep, link("l", strings.Repeat("x", maxLink)), link("nl", "a\nb"))); err != nil {
		t.Error(err)
	}
}

// Names that git quotes, a terminal obeys and a Markdown reader takes for its own.
func TestHostileNames(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	hostile := []string{
		"a\nb", "\"q\"", "a\tb", "'", "`x`", "-rf", ":100644 100644 a b M", "\x1b[31m", "\\n", "a b ", "\u202etxt.exe", "\xff\xfe",
		"@octo/team", "<img src=x>", "\u00e9", "$(touch x)", "*", "?", "[a]", ":(glob)**", "refs/heads/main", "{}", "#", "new\r\n",
	}
	var changes []string
	for _, name := range hostile {
		changes = append(changes, file(name, "x"))
	}
	q, err := s.quarantined(t, s.bundle(t, s.on(t, s.main, changes...)))
	if err != nil {
		t.Fatal(err)
	}
	got, err := q.changes(t.Context())
	if err != nil || len(got) != len(hostile) {
		t.Fatalf("%d of %d, %v", len(got), len(hostile), err)
	}
	for _, c := range got {
		if !slices.Contains(hostile, c.path) || c.mode != "100644" || c.gitlink {
			t.Errorf("%+v", c)
		}
	}
	if err := q.checkRules(t.Context()); err != nil {
		t.Error(err)
	}
	if p, err := q.stat(t.Context()); err != nil || p.Files != len(hostile) || p.Added != len(hostile) {
		t.Errorf("%+v %v", p, err)
	}
	for _, name := range append(hostile, strings.Repeat("\u00e9", 300), strings.Repeat("x", 199)+"\u00e9") {
		in := strings.Trim(quoted(".claude/"+name), "`")
		if strings.ContainsAny(in, "`\n\r\t\x1b\u202e") || !utf8.ValidString(in) || len(in) > 210 {
			t.Errorf("%q", in)
		}
	}
}

func TestParseRaw(t *testing.T) {
	t.Parallel()
	a, b, c, none := strings.Repeat("a", 40), strings.Repeat("b", 40), strings.Repeat("c", 40), strings.Repeat("0", 40)
	got, err := parseRaw([]byte(strings.Join([]string{
		c, ":100644 000000 " + a + " " + none + " D", "gone", ":160000 000000 " + a + " " + none + " D", "was a submodule",
		b, "::100644 160000 120000 " + a + " " + b + " " + c + " MM", "of a merge", ":000000 100644 " + none + " " + b + " A", ":100644 odd",
		":000000 100644 " + none + " " + b + " A", ":100644 odd", "",
	}, "\x00")))
	want := []change{
		{mode: modeGone, blob: none, path: "gone"},
		{mode: modeGone, blob: none, path: "was a submodule", gitlink: true},
		{mode: modeLink, blob: c, path: "of a merge", gitlink: true},
		{mode: "100644", blob: b, path: ":100644 odd"},
	}
	if err != nil || !slices.Equal(got, want) {
		t.Errorf("%+v %v", got, err)
	}
}

func FuzzParseRaw(f *testing.F) {
	id := strings.Repeat("a1", 20)
	one := ":000000 100644 " + id + " " + id + " A\x00"
	for _, seed := range []string{
		id + "\x00" + one + "name\x00", one + ":x\x00" + one + "y\x00", "::100644 160000 100644 " + id + " " + id + " " + id + " MM\x00m\x00",
		"::100644 100644 " + id + " " + id + " M\x00p\x00", ":\x00", one, "", "\x00", ":a b c d e\x00\x00", "x",
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, in []byte) {
		got, err := parseRaw(in)
		if err != nil {
			if got != nil {
				t.Errorf("%v with %v", got, err)
			}
			return
		}
		var out strings.Builder // what was read, written as git writes it, is read the same
		for i, c := range got {
			if strings.ContainsRune(c.path, 0) || slices.Contains(got[:i], c) {
				t.Errorf("%+v", c)
			}
			before := "100644"
			if c.gitlink {
				before = modeGitlink
			}
			fmt.Fprintf(&out, ":%s %s %s %s M\x00%s\x00", before, c.mode, c.blob, c.blob, c.path)
		}
		again, err := parseRaw([]byte(out.String()))
		if err != nil || !slices.Equal(got, again) {
			t.Errorf("%+v %v, want %+v", again, err, got)
		}
	})
}

// A quarantine that git cannot read is a fault of ours, and the work is not blamed for it.
func TestExaminationThatFails(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	q, err := s.quarantined(t, s.bundle(t, s.on(t, s.main, file("x", "y"))))
	if err != nil {
		t.Fatal(err)
	}
	dir := q.dir
	q.dir = t.TempDir()
	var r *messages.RefusedError
	if err := q.checkRules(t.Context()); err == nil || errors.As(err, &r) {
		t.Error(err)
	}
	if err := q.checkHistory(t.Context()); err == nil {
		t.Error("an empty repository has a history")
	}
	q.dir = dir
	if _, err := parseRaw([]byte(":x\x00y\x00")); err == nil || errors.As(err, &r) {
		t.Error(err)
	}
}
