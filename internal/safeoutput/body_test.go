package safeoutput

import (
	"math/rand"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"pgregory.net/rapid"
)

// TestBodyGolden shows the filter on whole texts: testdata/*.md → *.filtered.md.
func TestBodyGolden(t *testing.T) {
	files, err := filepath.Glob("testdata/*.in.md")
	if err != nil || len(files) == 0 {
		t.Fatalf("no golden files: %v", err)
	}
	for _, file := range files {
		name := strings.TrimSuffix(filepath.Base(file), ".in.md")
		t.Run(name, func(t *testing.T) {
			in, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			checkBody(t, string(in))
			out := strictPolicy().Body(string(in))
			golden(t, name+".out.md", strings.ReplaceAll(out, breaker, "‹ZWSP›"))
		})
	}
}

// pieces are what the texts of the property test are put together from: signs that mean something, words
// that act, and ordinary ones.
var pieces = []string{
	"\n", "\n\n", " ", "  ", "   ", "    ", "\t", "> ", ">", "- ", "* ", "1. ", "2. ", "10) ", "# ", "---", "| a | b |\n|---|---|\n| ", " | ", "+ ",
	"```", "````", "~~~", "`", "``", "```go", "~~~ruby `x`", "\\", "\\`", "\\\\", "*", "**", "_", "~~", "~",
	"[", "]", "(", ")", "[x]", "](", "]:", "![", "!", "[^1]: ", "[^1]", "[x]: ", "<", ">", "</", "<!--", "-->", "<b>", "<img src=x>", "<details>", "<a href='https://evil.example'>",
	"@bob", "@alice", "@octo/team", "@", "bob", "&#64;", "&commat;", "&lt;", "&amp;", "&#96;", "&", "#", "&num;", ";", "&#x2f;",
	"fixes #8", "fixes", " #8", "Closes", ": ", "#7", "octo/other#3", "https://github.com/octo/hello/issues/8", "resolve GH-9",
	"https://evil.example/x", "http://", "https://", "github.com", "https://github.com/octo/hello", "www.", "www.evil.example", "evil.example", "//", "/", ":", "ftp://x.example", "javascript:x", "\"t\"", "'",
	"/merge", "/lgtm", "bors r+", "bors", "@dependabot merge", "retest this please",
	"<!-- devs-webhook task=abcdefghijkl kind=final -->", "<!-- devs-", "webhook",
	secretValue[:8], secretValue[8:], secretValue, "ghp_0123456789abcdefghij", "\u200b", "\u202e", "\x1b[31m", "\x1b", "é", "語", "a", "b c", "word",
}

func TestBodyKeepsItsPromises(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		parts := rapid.SliceOfN(rapid.SampledFrom(pieces), 0, 24).Draw(t, "parts")
		checkBody(t, strings.Join(parts, ""))
	})
}

// TestBodyKeepsItsPromisesOften is the same without shrinking, and so much faster.
// testRounds takes about a second. More are run with FuzzBody.
const testRounds = 1_500

func TestBodyKeepsItsPromisesOften(t *testing.T) {
	seed := time.Now().UnixNano()
	random := rand.New(rand.NewSource(seed))
	t.Logf("seed %d", seed)
	for range testRounds {
		var b strings.Builder
		for range 1 + random.Intn(30) {
			b.WriteString(pieces[random.Intn(len(pieces))])
		}
		checkBody(t, b.String())
	}
}

func FuzzBody(f *testing.F) {
	for _, p := range pieces {
		f.Add(p + pieces[len(p)%len(pieces)])
	}
	f.Add("- a\n  ```\n@bob\n  ```\n")
	f.Fuzz(func(t *testing.T, in string) {
		if len(in) > 4_000 {
			t.Skip()
		}
		out := strictPolicy().Body(in)
		if !utf8.ValidString(out) {
			t.Fatalf("not UTF-8: %q", out)
		}
		checkBody(t, in)
	})
}
