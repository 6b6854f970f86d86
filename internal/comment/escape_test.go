package comment

import (
	"regexp"
	"strings"
	"testing"
	"unicode/utf8"

	"devs-webhook/messages"

	"pgregory.net/rapid"
)

func TestPlain(t *testing.T) {
	for text, want := range map[string]string{
		"as it is, isn't it? (yes) 1.5":         "as it is, isn't it? (yes) 1.5",
		"*a* _b_ `c` [d](e) <f> ![g] | ~h":      "\\*a\\* \\_b\\_ \\`c\\` \\[d\\](e) \\<f\\> !\\[g\\] \\| \\~h",
		"@octocat and a@b.c":                    "@\u200boctocat and a@\u200bb.c",
		"see #12 or octo/hello#3, GH-4":         "see #\u200b12 or octo/hello#\u200b3, GH-\u200b4",
		"https://evil.example www.evil.example": "https:/\u200b/evil.example www\u200b.evil.example",
		"# no heading":                          "\\# no heading",
		"two\nlines\r\n\tand\u202emore":         "two lines andmore",
		"&lt; $x$ \\":                           "\\&lt; \\$x\\$ \\\\",
	} {
		if got := plain(text, 1000); got != want {
			t.Errorf("%q becomes %q, want %q", text, got, want)
		}
	}
}

func TestCode(t *testing.T) {
	for text, want := range map[string]string{
		"go test": "`go test`", "": "", " \n": "", "a`b": "``a`b``", "`a``": "``` `a`` ```", "a\nb": "`a b`",
		"0123456789abc": "`0123456789…`",
	} {
		if got := code(text, 10); got != want {
			t.Errorf("%q becomes %q, want %q", text, got, want)
		}
	}
}

func TestNames(t *testing.T) {
	for name, want := range map[string]string{
		"octocat": "@octocat", "dependabot[bot]": "@dependabot[bot]", "octo_corp": "@octo_corp",
		"a b": "`a b`", "x](http://evil)": "`x](http://evil)`", "": "", "org/team": "`org/team`",
	} {
		if got := mention(messages.User{Login: name}); got != want {
			t.Errorf("%q becomes %q, want %q", name, got, want)
		}
	}
}

// spans of code and blocks are taken out to see what is left for Markdown.
var fenced = regexp.MustCompile("(?s)(^|\n)(````*)text\n.*?\n(````*)(\n|$)")

// hostile makes texts of what attacks are made of.
func hostile() *rapid.Generator[string] {
	return rapid.StringOf(rapid.SampledFrom([]rune("ab1 \n\r\t`~@#<>[]()!_*|\\:/.-$&\u200b\u202e\u0000é𝄞")))
}

// What people and agents wrote mentions nobody, refers to nothing and draws no link, wherever it stands.
func TestForeignTextStaysText(t *testing.T) {
	mentions := regexp.MustCompile(`@[A-Za-z0-9]|#[0-9]|\]\(|<[a-z!]|://|www\.`)
	rapid.Check(t, func(t *rapid.T) {
		foreign := hostile()
		text := plain(foreign.Draw(t, "plain"), 50)
		text = strings.NewReplacer(`\[`, "\x00", `\]`, "\x00", `\<`, "\x00").Replace(text)
		if found := mentions.FindString(text); found != "" {
			t.Fatalf("%q is live in %q", found, text)
		}
		span := code(foreign.Draw(t, "code"), 50)
		if strings.ContainsAny(span, "\n\r") {
			t.Fatalf("%q has several lines", span)
		}
		if ticks := len(span) - len(strings.TrimLeft(span, "`")); span != "" {
			inner := span[ticks : len(span)-ticks]
			if ticks == 0 || !strings.HasSuffix(span, strings.Repeat("`", ticks)) || longestRun(inner, '`') >= ticks {
				t.Fatalf("%q can be left", span)
			}
		}
		content := foreign.Draw(t, "block")
		if whole := block(content); fenced.FindString(whole) != whole || strings.Count(whole, "`") < 6 {
			t.Fatalf("%q is no block", whole)
		}
		fence := block(content)
		if run := longestRun(fence[strings.IndexByte(fence, '\n'):strings.LastIndexByte(fence, '\n')], '`'); run >= fenceLength(fence) {
			t.Fatalf("%q can be left", fence)
		}
	})
}

func fenceLength(s string) int { return len(s) - len(strings.TrimLeft(s, "`")) }

// GitHub refuses a body that is too long, and the answer would be lost.
func TestLengthIsBounded(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		unit := rapid.SampledFrom([]string{"word ", "line\n", "𝄞", "```\n", "`", "~~~~\n", "é", "\n"}).Draw(t, "unit")
		n := rapid.SampledFrom([]int{0, 1, 49, 1000, 13000, 14000, 33000, 66000}).Draw(t, "times")
		long := strings.Repeat(unit, n)
		v := view(messages.TaskFailed, attempt(1, 60, messages.EndAgentFailed), func(v *messages.View) {
			v.Outcome.Refused = []string{long}
			v.Task.Thread.Title = long
			for range n % 50 {
				v.Task.Requests = append(v.Task.Requests, request("issue", 7, long[:min(len(long), 999)]), request("issue", 7, strings.Repeat("a", n%100)))
			}
		})
		p := published
		p.Refused, p.Branch, p.URL = long, long, "https://x.example/"+long
		marker := "\n\n" + messages.Marker("abcdefghijkl", messages.EffectProgress)
		texts := []string{
			writer.Final(v, &p, long, long), writer.Final(v, nil, "", long), writer.PullBody(v, long), writer.Progress(v, noon), writer.Folded(long),
		}
		for _, text := range texts {
			if length(text+marker) > mostBody || !utf8.ValidString(text) {
				t.Fatalf("a text has %d characters", length(text+marker))
			}
		}
		if title := writer.PullTitle(v); utf8.RuneCountInString(title) > mostTitle || strings.Contains(title, "\n") {
			t.Fatalf("title is %q", title)
		}
	})
}

// There is room for the marker however long the words are.
func TestLengthNearTheLimit(t *testing.T) {
	v := view(messages.TaskDone)
	marker := length("\n\n" + messages.Marker(v.Task.ID, messages.EffectProgress))
	words := strings.Repeat("w", mostBody)
	for n := mostBody - 700; n <= mostBody; n += 3 {
		if got := length(writer.Final(v, nil, "", words[:n])) + marker; got > mostBody {
			t.Fatalf("with %d characters of words it has %d", n, got)
		}
	}
}

// The agent's words are cut first and last: what the service says is whole.
func TestOnlyWordsAreCut(t *testing.T) {
	v := view(messages.TaskDone, attempt(1, 60e9, messages.EndSucceeded), twice)
	short := writer.Final(v, &published, "", "")
	long := writer.Final(v, &published, "", strings.Repeat("A line of words.\n", 5000))
	if !strings.HasPrefix(long, short+"\n\n---\n\n_The text below is cut: it has 84,999 characters._\n\nA line") {
		t.Errorf("it begins with %q", long[:900])
	}
	if !strings.HasSuffix(long, "\nA line of words.") {
		t.Errorf("it ends with %q", long[len(long)-100:])
	}
	if length(long) < mostBody-room-100 {
		t.Errorf("it has only %d characters", length(long))
	}
}

func TestOpenFenceIsClosed(t *testing.T) {
	for text, want := range map[string]string{
		"a\n```go\nx":       "a\n```go\nx\n```",
		"```\nx\n```":       "```\nx\n```",
		"~~~~\nx\n~~~":      "~~~~\nx\n~~~\n~~~~",
		"```\n~~~\n":        "```\n~~~\n```",
		"~~~ a`b\nx":        "~~~ a`b\nx\n~~~",
		"``` a`b\nx":        "``` a`b\nx",
		"- ```\n  x\n  ```": "- ```\n  x\n  ```",
		"```\nx\n  ```\n":   "```\nx\n  ```\n",
		"```\nx\n``` not\n": "```\nx\n``` not\n```",
		"no fence":          "no fence",
	} {
		if got := closeFence(text); got != want {
			t.Errorf("%q becomes %q, want %q", text, got, want)
		}
	}
}
