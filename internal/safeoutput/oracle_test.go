package safeoutput

import (
	"fmt"
	"net/url"
	"regexp"
	"strings"
	"testing"

	"github.com/yuin/goldmark"
	"github.com/yuin/goldmark/ast"
	"github.com/yuin/goldmark/extension"
	"github.com/yuin/goldmark/text"
	"github.com/yuin/goldmark/util"
)

// strictPolicy is the policy of these tests.
func strictPolicy() Policy {
	return Policy{
		Requesters: []string{"alice"}, OwnIssue: 7, Repo: "octo/hello",
		AllowedHosts: []string{"github.com"}, Secrets: []string{secretValue, "short-one-1"},
	}
}

const secretValue = "Zq8fK2mX0vT5nB7wL3pR9sD1"

var (
	// gfmEmail is an address as GitHub's own renderer sees it: goldmark would let a backtick be a part of it.
	gfmEmail   = regexp.MustCompile(`^[A-Za-z0-9.+_-]+@[A-Za-z0-9_-]+(?:\.[A-Za-z0-9_-]+)+`)
	ourHost    = regexp.MustCompile(`(?i)^https?://github\.com(?:[/?#]|$)`)
	anyMention = regexp.MustCompile(`(?:^|[^A-Za-z0-9])@([A-Za-z0-9][A-Za-z0-9_-]*)(/[A-Za-z0-9])?`)
	anyClosing = regexp.MustCompile(`(?i)(?:^|[^a-z0-9])(?:close[sd]?|fix(?:es|ed)?|resolve[sd]?):?\s+(?:#([0-9]+)|[\w.-]+/[\w.-]+#[0-9]+)`)
)

// faults renders Markdown with another program's parser (CommonMark with GitHub's extensions) and lists
// what in it acts. It knows nothing of how the filter works.
func faults(body string) []string {
	var bad []string
	report := func(format string, args ...any) { bad = append(bad, fmt.Sprintf(format, args...)) }
	md := goldmark.New(goldmark.WithExtensions(
		extension.Table, extension.Strikethrough, extension.TaskList, extension.Footnote,
		extension.NewLinkify(extension.WithLinkifyEmailRegexp(gfmEmail)),
	))
	source := []byte(body)
	root := md.Parser().Parse(text.NewReader(source))
	_ = ast.Walk(root, func(n ast.Node, entering bool) (ast.WalkStatus, error) {
		if !entering {
			return ast.WalkContinue, nil
		}
		switch n := n.(type) {
		case *ast.HTMLBlock, *ast.RawHTML:
			report("raw HTML")
		case *ast.Image:
			report("an image of %s", n.Destination)
		case *ast.Link:
			checkTarget(report, string(n.Destination))
			if len(n.Title) > 0 {
				report("a title %q", n.Title)
			}
			return ast.WalkContinue, nil
		case *ast.AutoLink:
			if n.AutoLinkType == ast.AutoLinkURL {
				checkTarget(report, string(n.URL(source)))
			}
		case *ast.CodeSpan, *ast.FencedCodeBlock, *ast.CodeBlock:
			return ast.WalkSkipChildren, nil
		}
		if n.Type() == ast.TypeBlock && n.FirstChild() != nil && n.FirstChild().Type() == ast.TypeInline {
			checkText(report, rendered(n, source))
		}
		return ast.WalkContinue, nil
	})
	return bad
}

// rendered is the text of a block as a reader sees it, with a mark where code or a link is.
func rendered(n ast.Node, source []byte) string {
	var b strings.Builder
	for c := n.FirstChild(); c != nil; c = c.NextSibling() {
		switch c := c.(type) {
		case *ast.Text:
			// As GitHub does it: names are looked for in what is shown, after entities and escapes.
			b.Write(util.ResolveEntityNames(util.ResolveNumericReferences(util.UnescapePunctuations(c.Segment.Value(source)))))
			if c.SoftLineBreak() || c.HardLineBreak() {
				b.WriteByte('\n')
			}
		case *ast.String:
			b.Write(c.Value)
		case *ast.CodeSpan, *ast.AutoLink:
			b.WriteString("\uE000")
		case *ast.Link:
			b.WriteString("\uE001" + strings.ReplaceAll(rendered(c, source), "@", "") + "\uE001") // no names in links
		default:
			if c.Type() == ast.TypeInline {
				b.WriteString("\uE002" + rendered(c, source) + "\uE002")
			}
		}
	}
	return b.String()
}

func checkTarget(report func(string, ...any), target string) {
	u, err := url.Parse(target)
	switch {
	case ourHost.MatchString(target):
	case err != nil:
		report("a link to %q", target)
	case u.Scheme == "" && u.Host == "" && !strings.HasPrefix(target, "//") && !strings.ContainsAny(target, `\`):
	case u.Scheme == "mailto":
	case (u.Scheme == "http" || u.Scheme == "https") && u.User == nil && hostSet([]string{"github.com"})[strings.ToLower(strings.TrimRight(u.Host, "."))]:
	default:
		report("a link to %q", target)
	}
}

func checkText(report func(string, ...any), shown string) {
	for _, m := range anyMention.FindAllStringSubmatch(shown, -1) {
		if !strings.EqualFold(m[1], "alice") || m[2] != "" {
			report("a mention of %s%s", m[1], m[2])
		}
	}
	for _, m := range anyClosing.FindAllStringSubmatch(strings.NewReplacer("\uE001", "", "\uE002", "").Replace(shown), -1) {
		if m[1] != "7" {
			report("a closing keyword: %q", m[0])
		}
	}
}

// checkBody is everything that is promised of Body.
func checkBody(t interface {
	Helper()
	Fatalf(string, ...any)
}, in string,
) {
	t.Helper()
	p := strictPolicy()
	out := p.Body(in)
	if again := p.Body(out); again != out {
		t.Fatalf("not settled\n in: %q\nout: %q\n2nd: %q", in, out, again)
	}
	// What the service appends is text, and stands alone.
	appended := out + "\n\n---\n\n@bystander <b>\n"
	bad := faults(appended)
	if len(bad) != 2 || bad[0] != "a mention of bystander" || bad[1] != "raw HTML" {
		t.Fatalf("the text acts, or swallows what follows: %q\n in: %q\nout: %q", bad, in, out)
	}
	if strings.Contains(out, ownMarker) {
		t.Fatalf("our marker is in %q", out)
	}
	if slash.MatchString(out) || bors.MatchString(out) {
		t.Fatalf("an order to a bot is in %q", out)
	}
	if n := len([]rune(out)); n > maxBody {
		t.Fatalf("%d characters", n)
	}
	if squeezed := letters(out); strings.Contains(squeezed, letters(secretValue)) {
		t.Fatalf("the secret is in %q", out)
	}
}

func TestOracleSeesWhatActs(t *testing.T) {
	for _, text := range []string{
		"hi @bob", "*@bob*", "&#64;bob", `\@bob`, "<b>x</b>", "<!-- x -->", "![a](https://github.com/x.png)", "[a](https://evil.example)",
		"[a](//evil.example)", "[a](javascript:x)", "https://evil.example", "www.evil.example", "<https://evil.example>",
		"[a][b]\n\n[b]: https://evil.example", "fixes #8", "- closes: #8", "fixes octo/other#7", "@alice/team",
	} {
		if len(faults(text)) == 0 {
			t.Errorf("nothing found in %q", text)
		}
	}
	for _, text := range []string{"hi @alice", "`@bob`", "```\n@bob <b>\n```", "[a](https://github.com/x)", "fixes #7", "a@bob.example", "a < b"} {
		if bad := faults(text); len(bad) > 0 {
			t.Errorf("%q in %q", bad, text)
		}
	}
}
