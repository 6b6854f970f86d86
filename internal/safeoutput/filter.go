package safeoutput

import (
	"regexp"
	"strings"
	"unicode"
)

// Policy says what may pass in text that an agent wrote. The zero Policy lets nothing special pass.
type Policy struct {
	Requesters   []string // logins that may be mentioned
	OwnIssue     int      // the issue that closing keywords may name
	AllowedHosts []string // hosts that links may lead to
	Secrets      []string // values that must never be shown
}

// Body filters Markdown for a comment or a pull request's text. What is neutralised stays readable: only
// its effect is taken away. Filtering twice is the same as once.
//
// Outside code, mentions of others, closing keywords for other issues, HTML, images and links to unknown
// hosts lose their effect; everywhere, secrets, our own markers, invisible characters and lines that other
// bots obey do. A fence that is left open is closed, so that what the service appends is not swallowed.
func (p Policy) Body(text string) string {
	text = p.everywhere(text)
	var out []string
	f := fence{}
	keyword := false
	for line := range strings.SplitSeq(text, "\n") {
		line = botLine(line)
		if f.inside(line) {
			out = append(out, line)
			continue
		}
		line, keyword = p.markdownLine(line, keyword)
		out = append(out, line)
	}
	if f.open() {
		out = append(out, f.closing())
	}
	return strings.TrimRight(strings.Join(out, "\n"), " \n")
}

// Title filters one line of plain text.
func (p Policy) Title(text string) string {
	return cut(strings.Join(strings.Fields(p.plain(text)), " "), maxTitle)
}

// CommitMessage filters plain text of several lines.
func (p Policy) CommitMessage(text string) string { return p.plain(text) }

// plain filters text without Markdown, in which nothing can be quoted: a space takes the effect away.
func (p Policy) plain(text string) string {
	text = p.everywhere(text)
	text = mention.ReplaceAllStringFunc(text, func(m string) string {
		lead, name := splitMention(m)
		if p.mayMention(name) {
			return m
		}
		return lead + "@ " + name
	})
	return closing.ReplaceAllStringFunc(text, func(m string) string {
		if p.isOwn(m) {
			return m
		}
		parts := closing.FindStringSubmatch(m)
		return parts[1] + parts[2] + strings.Replace(parts[3], "#", "# ", 1)
	})
}

// everywhere does what holds for code as well.
func (p Policy) everywhere(text string) string {
	text = strings.ReplaceAll(strings.ToValidUTF8(text, "\uFFFD"), "\r\n", "\n")
	text = ansi.ReplaceAllString(text, "")
	text = clean(text)
	for { // what remains around a marker may make another
		stripped := ownMarker.ReplaceAllString(text, "")
		if stripped == text {
			break
		}
		text = stripped
	}
	return redact(text, p.Secrets)
}

var (
	ansi      = regexp.MustCompile("\x1b\\[[0-9;?]*[ -/]*[@-~]|\x1b\\][^\x07\x1b]*(\x07|\x1b\\\\)?")
	ownMarker = regexp.MustCompile(`<!--\s*devs-webhook[^\n]*?-->`)
)

// invisible characters show nothing and steer: controls, bidi, zero width, tags.
func invisible(r rune) bool {
	switch {
	case r == '\n', r == '\t':
		return false
	case r == '\u00ad', r == '\u034f', r == '\u061c', r == '\u115f', r == '\u1160', r == '\u17b4', r == '\u17b5', r == '\u3164', r == '\uffa0':
		return true
	case r >= 0xe0000 && r <= 0xe0fff, r >= 0x180b && r <= 0x180f:
		return true
	}
	return unicode.Is(unicode.Cc, r) || unicode.Is(unicode.Cf, r) || unicode.Is(unicode.Co, r)
}

var (
	slashCommand = regexp.MustCompile(`^(\s*)/([A-Za-z][A-Za-z0-9_-]*)(\s|$)`)
	borsCommand  = regexp.MustCompile(`(?i)^(\s*)(bors|homu|mergify|rultor)\b`)
	botMention   = regexp.MustCompile(`(?i)^(\s*)@(bors|dependabot|mergifyio|renovate|renovatebot|copilot|claude|codex|coderabbitai|rustbot|prow|k8s-ci-robot)\b`)
)

// botLine takes their effect away from lines that bots obey when they begin with it, in code as well: many
// read the raw text.
func botLine(line string) string {
	line = slashCommand.ReplaceAllString(line, "$1/ $2$3")
	line = borsCommand.ReplaceAllString(line, "$1($2)")
	return botMention.ReplaceAllString(line, "$1@ $2")
}

func (p Policy) mayMention(name string) bool {
	for _, r := range p.Requesters {
		if strings.EqualFold(r, name) {
			return true
		}
	}
	return false
}
