package safeoutput

import (
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// breaker is put into a word to make it none: a space without width, which is not seen and which no pattern
// takes for a space or a part of a word. What was of this kind in the text before has been taken out.
const breaker = "\u200b"

// What acts although it is only words. Each place where breaker is put is in the middle of a match.
var (
	closing   = regexp.MustCompile(`(?i)(?:close[sd]?|fix(?:es|ed)?|resolve[sd]?)`)
	reference = regexp.MustCompile("^[\\s:*_~\\[\\]()<>\"'\\\\,.`#&;-]{0,24}?(?:(?:https?://[^\\s/]{1,100}/)?([A-Za-z0-9_.-]{1,100}/[A-Za-z0-9_.-]{1,100})(?:#|/issues/|/pull/|/discussions/)([0-9]{1,18})|(?:#|[Gg][Hh]-|&#35;|&num;)([0-9]{1,18}))")
	// slash is how most bots are spoken to: Prow, Azure Pipelines, /merge and /deploy actions.
	slash = regexp.MustCompile(`(?m)^[ \t]*/[A-Za-z][\w-]*(?:[ \t:=.,!]|$)`)
	// bors and homu merge on a line that begins with their name; no at sign is needed everywhere.
	bors = regexp.MustCompile(`(?mi)^[ \t]*(?:bors|homu)[ \t:,]`)
	// phrases are obeyed anywhere in a comment: those of Jenkins' pull request builder.
	phrases = regexp.MustCompile(`(?i)(?:test|ok\W{1,4}to\W{1,4}test|add\W{1,4}to\W{1,4}whitelist)(?:\W{1,4}this\W{1,4}please)?`)
	// skips turn off the checks of a commit or, by the title, of a merge: GitHub Actions' and others'.
	skips = regexp.MustCompile(`(?i)\[(?:skip|no|ci|actions|azp|travis|circle|netlify|vercel|cd)[ -](?:ci|skip|actions|azp|travis|circle|netlify|vercel|cd)\]|(?m:^skip-checks:)|\*\*\*NO_CI\*\*\*`)
	// handles are bots that read comments as they stand, code or not.
	handles = regexp.MustCompile(`(?mi)^[ \t]*@(?:dependabot|bors|homu|mergify|mergifyio|renovate|renovatebot|rustbot|k8s-ci-robot|copilot|claude|codex|coderabbitai|github-actions)\b`)
)

// acting are the patterns with the words without which they do not match, because looking for words is
// quick, and the place in a match at which breaker goes.
var acting = []struct {
	needs   []string // one of them, in lower case
	pattern *regexp.Regexp
	at      func(match string) int // negative for none
	raw     bool                   // only in text that is no Markdown
}{
	{[]string{"/"}, slash, func(m string) int { return strings.IndexByte(m, '/') }, false},
	{[]string{"bors", "homu"}, bors, func(m string) int { return len(m) - 2 }, false},
	{[]string{"@"}, handles, func(m string) int { return strings.IndexByte(m, '@') + 1 }, false},
	{[]string{"please", "whitelist", "ok"}, phrases, phraseBreak, false},
	{[]string{"[", "skip-checks:", "***no_ci"}, skips, func(string) int { return 3 }, true},
}

// phraseBreak leaves the bare word alone that the pattern begins with.
func phraseBreak(m string) int {
	if len(m) == len("test") {
		return -1
	}
	return 1
}

// words breaks the words that would act, outside of code and, where bots look into it, inside. With raw
// set the text is no Markdown, and there is no code.
func (f *filter) words(text string, code []span, raw bool) string {
	lower := strings.ToLower(text)
	has := func(word string) bool { return strings.Contains(lower, word) }
	at := f.mentions(text, code)
	if slices.ContainsFunc([]string{"clos", "fix", "resolve"}, has) {
		at = append(at, f.closers(text, code)...)
	}
	for _, a := range acting {
		if a.raw && !raw || !slices.ContainsFunc(a.needs, has) {
			continue
		}
		for _, m := range a.pattern.FindAllStringIndex(text, -1) {
			if i := a.at(text[m[0]:m[1]]); i >= 0 {
				at = append(at, m[0]+i)
			}
		}
	}
	return insert(text, at)
}

// insert puts breaker at places.
func insert(text string, at []int) string {
	slices.Sort(at)
	at = slices.Compact(at)
	var b strings.Builder
	last := 0
	for _, i := range at {
		b.WriteString(text[last:i])
		b.WriteString(breaker)
		last = i
	}
	b.WriteString(text[last:])
	return b.String()
}

// outside walks through spans beside growing places.
type outside struct{ spans []span }

func (o *outside) ok(at int) bool {
	for len(o.spans) > 0 && o.spans[0].to <= at {
		o.spans = o.spans[1:]
	}
	return len(o.spans) == 0 || at < o.spans[0].from
}

var login = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9_-]*`)

// mentions finds those of people and teams that did not ask. An at sign after a letter or digit is part of
// an address, unless an address has just ended before it.
func (f *filter) mentions(text string, code []span) []int {
	o := outside{code}
	var at []int
	word := false // the word has an at sign already
	for i := 0; i < len(text); i++ {
		switch text[i] {
		case ' ', '\t', '\n':
			word = false
		case '@':
			if (word || i == 0 || !alnum(text[i-1])) && o.ok(i) && f.mentionsOther(text[i+1:]) {
				at = append(at, i+1)
			}
			word = true
		}
	}
	return at
}

// mentionsOther says whether what follows an at sign names somebody who did not ask. A name that goes on
// with an escape or an entity goes on in what is shown.
func (f *filter) mentionsOther(rest string) bool {
	name := login.FindString(rest)
	if name == "" {
		return false
	}
	after := rest[len(name):]
	return after != "" && strings.IndexByte(`/\&`, after[0]) >= 0 || !f.requester(name)
}

func (f *filter) requester(name string) bool {
	return slices.ContainsFunc(f.policy.Requesters, func(r string) bool { return strings.EqualFold(r, name) })
}

// closers finds keywords that would close another issue than the task's own.
func (f *filter) closers(text string, code []span) []int {
	o := outside{code}
	var at []int
	for _, m := range closing.FindAllStringIndex(text, -1) {
		if m[0] > 0 && alnum(text[m[0]-1]) || m[1] < len(text) && alnum(text[m[1]]) || !o.ok(m[0]) {
			continue
		}
		ref := reference.FindStringSubmatch(text[m[1]:min(m[1]+400, len(text))])
		if ref != nil && !f.own(ref[1], ref[2]+ref[3]) {
			at = append(at, m[0]+2)
		}
	}
	return at
}

// own says whether a reference is to the task's own issue.
func (f *filter) own(repo, number string) bool {
	if repo != "" && !strings.EqualFold(repo, f.policy.Repo) {
		return false
	}
	n, err := strconv.Atoi(number)
	return err == nil && n == f.policy.OwnIssue && n > 0
}
