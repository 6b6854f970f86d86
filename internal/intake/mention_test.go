package intake_test

import (
	"regexp"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"devs-webhook/internal/intake"
)

// where a mention is found.
type where int

const (
	nowhere where = iota
	elsewhere
	inText
)

func (w where) String() string { return [...]string{"nowhere", "elsewhere", "in the text"}[w] }

func find(text, login string) where {
	in, anywhere := intake.Mentions(text, login)
	switch {
	case in && !anywhere:
		panic("in the text, but not anywhere")
	case in:
		return inText
	case anywhere:
		return elsewhere
	}
	return nowhere
}

func TestMentionBoundaries(t *testing.T) {
	tests := []struct {
		login, text string
		want        where
	}{
		{"bot", "@bot", inText},
		{"bot", "@bot fix this", inText},
		{"bot", "please, @bot: fix this", inText},
		{"bot", "@BOT fix", inText},
		{"Bot", "@bot fix", inText},
		{"bot", "(@bot)", inText},
		{"bot", "[@bot]", inText},
		{"bot", "**@bot**", inText},
		{"bot", "_@bot_ fix", inText},
		{"bot", "~~@bot~~", inText},
		{"bot", "cc:@bot", inText},
		{"bot", "@bot.", inText},
		{"bot", "@bot...", inText},
		{"bot", "@bot's turn", inText},
		{"bot", "@bot, @other", inText},
		{"bot", "@other,@bot", inText},
		{"bot", "@bot- fix", inText},
		{"bot", "@bot\tfix", inText},
		{"bot", "a\r\n@bot\r\nb", inText},
		{"bot", "\u200b@bot", inText},
		{"bot", "[@bot](https://github.com/bot) fix", inText},
		{"bot", "请@bot修复", inText},
		{"bot", "see https://example.com/x @bot", inText},
		{"bot", "see [x](https://example.com/x),@bot", inText},
		{"bot", "<https://example.com>@bot", inText},

		{"bot", "", nowhere},
		{"bot", "bot", nowhere},
		{"bot", "@ bot", nowhere},
		{"bot", "@bo", nowhere},
		{"bot", "@bots", nowhere},
		{"bot", "@bot2", nowhere},
		{"bot", "@bot-two", nowhere},
		{"bot", "@bot--two", nowhere},
		{"bot", "@bot_corp", nowhere},
		{"bot", "@bot/team", nowhere},
		{"bot", "@bot@example.social", nowhere},
		{"bot", "@bot.example.com", nowhere},
		{"bot", "@robot", nowhere},
		{"bot", "me@bot", nowhere},
		{"bot", "me@bot.com", nowhere},
		{"bot", "me.@bot", nowhere},
		{"bot", "me_@bot", nowhere},
		{"bot", "me-@bot", nowhere},
		{"bot", "@@bot", nowhere},
		{"bot", "@x/@bot", nowhere},
		{"bot", "https://example.com/@bot", nowhere},
		{"bot", "https://example.com/?q=@bot", nowhere},
		{"bot", "git+ssh://example.com:@bot", nowhere},
		{"", "@ @", nowhere},
		{"[bot]", "@[bot]", nowhere},

		{"foo[bot]", "@foo fix", inText},
		{"foo[bot]", "@foo[bot] fix", inText},
		{"Foo[Bot]", "@FOO[BOT], fix", inText},
		{"foo[bot]", "@foo[bot]s", nowhere},
		{"foo[bot]", "@foo-x", nowhere},
		{"foo[bot]", "@foo[bo", inText},
		{"foo", "@foo[bot] fix", nowhere}, // the App's account is another one
		{"foo", "@foo [bot]", inText},
	}
	for _, tt := range tests {
		if got := find(tt.text, tt.login); got != tt.want {
			t.Errorf("%s in %q: %s, want %s", tt.login, tt.text, got, tt.want)
		}
	}
}

func TestMentionInMarkdown(t *testing.T) {
	tests := []struct {
		name, text string
		want       where
	}{
		// Code spans.
		{"span", "a `@bot` b", elsewhere},
		{"span of two", "``a ` @bot``", elsewhere},
		{"span over lines", "a `b\n@bot` c", elsewhere},
		{"span of another length is none", "``@bot`", inText},
		{"span does not leave the paragraph", "a ` b\n\n@bot ` c", inText},
		{"span does not reach into a heading", "a ` b\n# @bot ` c", inText},
		{"open span", "a ` @bot", inText},
		{"behind a span", "`a` @bot `b`", inText},
		{"escaped backtick opens nothing", "\\` @bot `", inText},
		{"escaped backslash", "\\\\`@bot`", elsewhere},
		{"backslash inside a span is none", "`a\\` @bot `", inText},
		{"code element", "<code>@bot</code>", elsewhere},
		{"open code element", "<code> @bot", inText},
		{"span in a title", "Fix `@bot` please", elsewhere},

		// Fenced blocks.
		{"fence", "```\n@bot\n```", elsewhere},
		{"tildes", "~~~\n@bot\n~~~", elsewhere},
		{"fence with a language", "``` go\n@bot\n```", elsewhere},
		{"mention in the info string", "``` @bot\n```", elsewhere},
		{"fence that never ends", "text\n```\n@bot", elsewhere},
		{"behind a fence", "```\ncode\n```\n@bot", inText},
		{"longer fence holds a shorter", "````\n```\n@bot\n````", elsewhere},
		{"longer end", "```\ncode\n`````\n@bot", inText},
		{"other fence does not end it", "```\n~~~\n@bot\n```", elsewhere},
		{"end with text is none", "```\n``` x\n@bot", elsewhere},
		{"backtick in the info is no fence", "``` `\n@bot", inText},
		{"two backticks are no fence", "``\n@bot", inText},
		{"indented fence", "   ```\n@bot\n   ```", elsewhere},
		{"CRLF", "```\r\n@bot\r\n```\r\n", elsewhere},
		{"CRLF behind", "```\r\nx\r\n```\r\n@bot", inText},
		{"an indented end is none", "```\n    ```\n@bot", elsewhere},
		{"blank lines inside", "```\n\n@bot\n\n```", elsewhere},
		{"fence in a list", "1. do\n   ```\n   @bot\n   ```\n", elsewhere},
		{"behind a fence in a list", "1. do\n   ```\n   x\n   ```\n   @bot", inText},
		{"list end ends the fence", "- ```\n  x\n\n@bot", inText},
		{"fence on the item's line", "- ```\n  @bot\n  ```", elsewhere},
		{"deep list", "- a\n  - b\n\n    ```\n    @bot\n    ```", elsewhere},

		// Indented blocks.
		{"indented", "    @bot", elsewhere},
		{"tab", "\t@bot", elsewhere},
		{"after a paragraph", "a\n\n    @bot", elsewhere},
		{"after a heading", "# a\n    @bot", elsewhere},
		{"continues a paragraph", "a\n    @bot", inText},
		{"continues a paragraph after CRLF", "a\r\n    @bot", inText},
		{"code in an empty item", "-   \n      @bot", elsewhere},
		{"three spaces", "   @bot", inText},
		{"in a list", "- a\n\n    @bot", inText},
		{"code in a list", "- a\n\n      @bot", elsewhere},
		{"code on the item's line", "-     @bot", elsewhere},
		{"numbered list", "10. a\n\n    @bot", inText},
		{"behind a list", "- a\n\ntext\n\n    @bot", elsewhere},

		// Quotes.
		{"quote", "> @bot", elsewhere},
		{"quote without a space", ">@bot", elsewhere},
		{"quote in a quote", "> > @bot", elsewhere},
		{"behind a quote", "> a\n\n@bot", inText},
		{"right behind a quote", "> a\n@bot", inText},
		{"before a quote", "@bot\n> a", inText},
		{"fence in a quote ends with it", "> ```\n> x\n@bot", inText},
		{"quote in a list", "- > @bot", elsewhere},
		{"quote in a later line of a list", "- a\n  > @bot", elsewhere},
		{"greater than is no quote", "a > @bot", inText},
		{"quote in a fence is code", "```\n> x\n```\n@bot", inText},
		{"quote in lists in quotes", strings.Repeat("> - ", 50) + "@bot", elsewhere},

		// HTML.
		{"comment", "<!-- @bot -->", elsewhere},
		{"comment in a line", "a <!-- @bot --> b", elsewhere},
		{"comment over paragraphs", "<!--\n\n@bot\n\n-->", elsewhere},
		{"behind a comment", "<!-- a --> @bot", inText},
		{"behind a long comment", "<!--\na\n--> @bot", inText},
		{"empty comment", "<!--> @bot", inText},
		{"second comment", "<!-- a --> b <!-- @bot -->", elsewhere},
		{"open comment", "<!-- a\n\n@bot", elsewhere},
		{"open comment in a line is none", "a <!-- b @bot", inText},
		{"comment in a block of HTML", "<div><!-- a\n\n@bot -->", elsewhere},
		{"comment in HTML after a paragraph", "a\n<div><!-- a\n\n@bot -->", elsewhere},
		{"comment holds a fence", "<!--\n```\n-->\n@bot", inText},
		{"comment in a fence is code", "```\n<!--\n```\n@bot", inText},
		{"comment in a span is code", "`<!--` @bot `-->`", inText},
		{"comment that leaves a quote", "> <!-- a\n\n@bot\n-->", elsewhere},
		{"comment that leaves a quote at once", "> <!-- a\n@bot\n-->", elsewhere},
		{"comment in a list", "- <!-- @bot\n  -->", elsewhere},
		{"instruction", "a <?x @bot ?> b", elsewhere},
		{"declaration", "a <!X @bot> b", elsewhere},
		{"pre", "<pre>\n\n@bot\n</pre>", elsewhere},
		{"pre in a line", "a <pre>@bot</pre>", elsewhere},
		{"behind pre", "<pre>a</pre> @bot", inText},
		{"details", "<details><summary>@bot</summary>\n\na\n</details>", inText},
		{"link definition as a comment", "[//]: # (@bot)", elsewhere},
		{"less than", "a < b @bot > c", inText},

		// All together.
		{"heading", "# @bot fix", inText},
		{"list", "- a\n- @bot fix", inText},
		{"task list", "- [ ] @bot fix", inText},
		{"table", "| a | b |\n|---|---|\n| @bot | c |", inText},
		{"one of two", "> @bot\n\n`@bot`\n\n@bot", inText},
		{"none of three", "> @bot\n\n`@bot`\n\n<!-- @bot -->", elsewhere},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := find(tt.text, "bot"); got != tt.want {
				t.Errorf("%q: %s, want %s", tt.text, got, tt.want)
			}
		})
	}
}

// TestMentionsIsLinear gives texts that make a scanner with a quadratic corner take minutes. The limit is
// far above what they take, even with the race detector, so that it holds on a slow machine.
func TestMentionsIsLinear(t *testing.T) {
	const size = 1 << 19
	fill := func(s string) string { return strings.Repeat(s, size/len(s)) }
	// A search of the whole text is so fast that it takes a longer one to be seen.
	long := func(s string) string { return strings.Repeat(s, 4*size/len(s)) }
	lengths := &strings.Builder{} // runs of backticks, each of a length of its own
	for n := 1; lengths.Len() < size; n++ {
		lengths.WriteString(strings.Repeat("`", n) + " ")
	}
	for name, text := range map[string]string{
		"backticks":          fill("`"),
		"backticks, blank":   fill("` `` "),
		"runs":               lengths.String(),
		"lines of backticks": fill("```\n"),
		"fences":             fill("``` `\n"),
		"comments":           long("<!--"),
		"comments in text":   long("a <!-- "),
		"tags":               long("<code><pre>"),
		"declarations":       long("<!a<?"),
		"quotes":             fill(">"),
		"quotes, blank":      fill("> "),
		"bullets":            fill("- "),
		"numbers":            fill("1. "),
		"quoted bullets":     fill("> - "),
		"deep lines":         fill("> - > - x\n"),
		"brackets":           fill("["),
		"definitions":        fill("[a]: # (\n"),
		"mentions":           fill("@bot-"),
		"at":                 fill("@"),
		"underscores":        fill("_@bot"),
		"colons":             fill("x://"),
		"emphasis":           fill("@bot__"),
		"backslashes":        fill("\\`"),
		"blanks":             fill(" "),
		"tabs":               fill("\t"),
		"lines":              fill("\n"),
		"spans":              fill("`@bot` "),
		"headings":           fill("# \n"),
	} {
		took := busy(t, func() { intake.Mentions(text+"\n`@bot", "bot") })
		if took > 10*time.Second {
			t.Errorf("%s took %s", name, took)
		} else if testing.Verbose() {
			t.Logf("%s took %s", name, took)
		}
	}
}

// drawText draws texts out of the pieces that matter.
func drawText(t *rapid.T, label string) string {
	piece := rapid.SampledFrom([]string{
		"@bot", "@Bot", "@other", "bot", " ", "\n", "\n\n", "`", "``", "```\n", "~~~", "> ", "- ", "1. ",
		"    ", "\t", "<!--", "-->", "<", ">", "x", "/", "\\", "<pre>", "</pre>", "https://", "_", ".", "\r\n", "é",
	})
	return strings.Join(rapid.SliceOfN(piece, 0, 25).Draw(t, label), "")
}

func TestWrappingRemovesMentions(t *testing.T) {
	wraps := map[string]func(string) string{
		"fence":   func(s string) string { return "`````\n" + s + "\n`````" },
		"tildes":  func(s string) string { return "~~~~\n" + s + "\n~~~~" },
		"quote":   func(s string) string { return "> " + newline.ReplaceAllString(s, "\n> ") },
		"indent":  func(s string) string { return "    " + newline.ReplaceAllString(s, "\n    ") },
		"span":    func(s string) string { return "`````` " + newline.ReplaceAllString(s, " ") + " ``````" },
		"comment": func(s string) string { return "<!-- " + strings.ReplaceAll(s, "-->", "") + " -->" },
	}
	for name, wrap := range wraps {
		t.Run(name, func(t *testing.T) {
			rapid.Check(t, func(t *rapid.T) {
				text := strings.ReplaceAll(drawText(t, "text"), "~~~~", "~")
				text = strings.ReplaceAll(text, "`````", "`")
				if name == "span" {
					text = strings.ReplaceAll(text, "``````", "`")
				}
				wrapped := wrap(text)
				if got := find(wrapped, "bot"); got == inText {
					t.Fatalf("%q, wrapped as %q, mentions", text, wrapped)
				}
				if got := find(wrapped+"\n\n@bot", "bot"); got != inText && name != "quote" && name != "indent" {
					t.Fatalf("behind %q a mention does not count", wrapped)
				}
			})
		})
	}
}

var newline = regexp.MustCompile(`\r\n|\r|\n`)

// TestPlainMentions compares with a plain expression on texts that have no Markdown.
func TestPlainMentions(t *testing.T) {
	plain := regexp.MustCompile(`(?i)(?:^|[ ,()])@bot(?:[ ,()]|$)`)
	rapid.Check(t, func(t *rapid.T) {
		piece := rapid.SampledFrom([]string{"@bot", "@BOT", "bot", "@", " ", ",", "(", ")", "x", "@other"})
		text := "a" + strings.Join(rapid.SliceOf(piece).Draw(t, "text"), "")
		want := nowhere
		if plain.MatchString(text) {
			want = inText
		}
		if got := find(text, "bot"); got != want {
			t.Fatalf("%q: %s, want %s", text, got, want)
		}
	})
}

func FuzzMentions(f *testing.F) {
	for _, text := range []string{
		"@bot", "`@bot`", "```\n@bot\n```", "> @bot", "    @bot", "<!-- @bot -->", "- a\n\n  @bot", "\\`@bot`",
		"> - ```\n> @bot", "<div><!--\n\n@bot", "me@bot.com", "https://x/@bot", "@bot[bot]", "\t- \t@bot", "\xff@bot",
	} {
		f.Add(text, "bot")
	}
	f.Add("@foo[bot]", "foo[bot]")
	f.Fuzz(func(t *testing.T, text, login string) {
		in, anywhere := intake.Mentions(text, login)
		name := strings.TrimSuffix(strings.ToLower(login), "[bot]")
		switch {
		case in && !anywhere:
			t.Error("in the text, but not anywhere")
		case anywhere && name == "":
			t.Error("nobody is mentioned")
		}
		if in2, any2 := intake.Mentions(text, strings.ToUpper(login)); isASCII(login) && (in2 != in || any2 != anywhere) {
			t.Error("the case of the login matters")
		}
		if isASCII(login) && anywhere && !strings.Contains(strings.ToLower(text), "@"+name) {
			t.Error("mentioned without @ and name")
		}
		if in, _ := intake.Mentions("> "+newline.ReplaceAllString(text, "\n> "), login); in {
			t.Error("mentioned in a quote")
		}
		if in, _ := intake.Mentions(text+"\n\n", login); anywhere && !in && strings.HasPrefix(text, "@"+login+" ") {
			t.Error("not mentioned although the text begins with it")
		}
	})
}

func isASCII(s string) bool {
	for i := range len(s) {
		if s[i] >= 0x80 {
			return false
		}
	}
	return true
}
