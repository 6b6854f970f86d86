package safeoutput

import (
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"pgregory.net/rapid"
)

func TestTitle(t *testing.T) {
	for in, want := range map[string]string{
		"Fix the login bug":                       "Fix the login bug",
		"  Two\nlines\tand   spaces ":             "Two lines and spaces",
		"Thanks @bob and @alice":                  "Thanks @" + breaker + "bob and @alice",
		"Fixes #7":                                "Fixes #7",
		"Fixes #8 [skip ci]":                      "Fi" + breaker + "xes #8 [sk" + breaker + "ip ci]",
		"/merge":                                  breaker + "/merge",
		"List<T> & co":                            "List<T> & co",
		"See https://evil.example/x":              "See (link to evil.example removed)",
		"key " + secretValue:                      "key [redacted]",
		"<!-- devs-webhook task=x kind=final -->": "<!-- devs webhook task=x kind=final -->",
		"\x1b[31mred\u202e":                       "red",
		"\n":                                      "",
		strings.Repeat("é", 200):                  strings.Repeat("é", 200),
		strings.Repeat("é", 201):                  strings.Repeat("é", 199) + "…",
	} {
		if got := strictPolicy().Title(in); got != want {
			t.Errorf("%q became %q, not %q", in, got, want)
		}
	}
}

func TestCommitMessage(t *testing.T) {
	plain := "Fix the parser\n\n* keep `a<b>`\n  - and *this*\n\nSee docs/a.md, AT&T.\nFixes #7\n\nCo-authored-by: Ann Example <ann@example.org>\nSigned-off-by: x <x@y.example>\n"
	p := strictPolicy()
	if got := p.CommitMessage(plain); got != plain {
		t.Errorf("an honest message became %q", got)
	}
	for in, want := range map[string]string{
		"":                                    "Update\n",
		" \u200b\n":                           "Update\n",
		"Closes octo/other#3\n":               "Cl" + breaker + "oses octo/other#3\n",
		"x\n\nskip-checks: true\n":            "x\n\nski" + breaker + "p-checks: true\n",
		"by @bob, ghp_0123456789abcdefghij\n": "by @" + breaker + "bob, [redacted]\n",
	} {
		if got := p.CommitMessage(in); got != want {
			t.Errorf("%q became %q, not %q", in, got, want)
		}
	}
	if got := p.CommitMessage(strings.Repeat("é", maxCommit+10)); utf8.RuneCountInString(got) != maxCommit {
		t.Errorf("%d characters", utf8.RuneCountInString(got))
	}
}

func TestBranchWord(t *testing.T) {
	for in, want := range map[string]string{
		"Fix: the Login-Bug!":     "fix-the-login-bug",
		"../../etc/passwd":        "etc-passwd",
		"--force":                 "force",
		"é語":                      "",
		"x " + secretValue + " y": "x-y",
		strings.Repeat("ab ", 30): strings.TrimSuffix(strings.Repeat("ab-", 14)[:40], "-"),
		"a\u200bb.lock":           "ab-lock",
	} {
		if got := strictPolicy().BranchWord(in); got != want {
			t.Errorf("%q became %q, not %q", in, got, want)
		}
	}
}

func TestPlainTextsSettle(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		in := strings.Join(rapid.SliceOfN(rapid.SampledFrom(pieces), 0, 24).Draw(t, "parts"), "")
		p := strictPolicy()
		for name, f := range map[string]func(string) string{"title": p.Title, "commit": p.CommitMessage, "branch": p.BranchWord} {
			once := f(in)
			if twice := f(once); twice != once {
				t.Fatalf("%s: %q became %q, then %q", name, in, once, twice)
			}
		}
	})
}

func TestLongBodyIsCutAndSaysSo(t *testing.T) {
	p := strictPolicy()
	for name, in := range map[string]string{
		"lines":   strings.Repeat("a line of text <b>\n", 10_000),
		"one":     strings.Repeat("<", 70_000),
		"fence":   "```go\n" + strings.Repeat("x := 1\n", 20_000),
		"at":      strings.Repeat("@bob ", 30_000),
		"wide":    strings.Repeat("語", 70_000),
		"escaped": strings.Repeat("`", 59_999),
	} {
		out := p.Body(in)
		if p.Body(out) != out {
			t.Errorf("%s: not settled", name)
		}
		if n := utf8.RuneCountInString(out); n > maxBody || n < maxBody/2 {
			t.Errorf("%s: %d characters", name, n)
		}
		if !strings.Contains(out, "(cut here: the text had ") {
			t.Errorf("%s: not said", name)
		}
	}
	whole := strings.Repeat("語", maxBody)
	if p.Body(whole) != whole {
		t.Error("a text that fits was cut")
	}
}

// TestTimeIsLinear guards against patterns that go over a text again and again: ten times the text may take
// twenty times the time, not a hundred.
func TestTimeIsLinear(t *testing.T) {
	p := strictPolicy()
	took := func(in string) time.Duration {
		best := time.Hour
		for range 2 {
			best = min(best, busy(t, func() {
				f := p.filter()
				f.markdown(in, len(in), len(in))
				f.secrets.redact(in)
			}))
		}
		return best
	}
	for _, unit := range []string{"`", "``a`", "[", "](", "![", "<", "> ", "- ", "&", "&#64;", "@a", "fixes ", "http://", "www.", "\\", "~~~", "[a](b \"", "1. ", "```\n", "-----BEGIN A PRIVATE KEY-----", "eyJ", secretValue[:20], "\t", "(", "| ", "/a ", "bors\n", "]:", "]: a ", "!", "![a", "<http://", "@", "#1 ", "*", "[", "``a`b", "> - "} {
		small, large := took(strings.Repeat(unit, 2_000/len(unit))), took(strings.Repeat(unit, 20_000/len(unit)))
		if large > 40*small && large > 300*time.Millisecond {
			t.Errorf("%q: %v, and ten times as much %v", unit, small, large)
		}
	}
}
