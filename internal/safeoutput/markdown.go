package safeoutput

import (
	"net/url"
	"regexp"
	"strconv"
	"strings"
)

// fence follows fenced code blocks. Only fences that begin in the first column count: one that is indented
// may belong to a list item or a quote and end with it, where text would pass for code here. Those are
// taken apart by markdownLine instead.
type fence struct {
	char byte
	run  int
}

func (f *fence) open() bool      { return f.run > 0 }
func (f *fence) closing() string { return strings.Repeat(string(f.char), f.run) }

// inside moves on by one line, and says whether it is code or a fence.
func (f *fence) inside(line string) bool {
	if f.open() {
		rest := strings.TrimLeft(line, " ")
		if n := runOf(rest, f.char); len(line)-len(rest) < 4 && n >= f.run && strings.Trim(rest[n:], " \t") == "" {
			f.run = 0
		}
		return true
	}
	for _, char := range []byte{'`', '~'} {
		n := runOf(line, char)
		if n >= 3 && (char == '~' || !strings.Contains(line[n:], "`")) {
			f.char, f.run = char, n
			return true
		}
	}
	return false
}

func runOf(s string, char byte) int {
	n := 0
	for n < len(s) && s[n] == char {
		n++
	}
	return n
}

// markdownLine neutralises one line outside fences. keyword says whether the line before ended in a closing
// keyword, and the result whether this one does.
func (p Policy) markdownLine(line string, keyword bool) (string, bool) {
	var out strings.Builder
	for rest := line; rest != ""; {
		text, code, after := nextSpan(rest)
		out.WriteString(p.markdownText(text, keyword))
		if strings.TrimSpace(text) != "" {
			keyword = endsInKeyword.MatchString(text)
		}
		if code != "" {
			out.WriteString(code)
			keyword = false
		}
		rest = after
	}
	return out.String(), keyword
}

// nextSpan cuts a line at its next code span: the text before it, the span, and what comes after. A run of
// backticks without a partner on the line opens nothing; it becomes text that cannot open anything either.
func nextSpan(s string) (text, code, after string) {
	var before strings.Builder
	for i := 0; i < len(s); {
		switch {
		case s[i] == '\\' && i+1 < len(s) && s[i+1] == '`':
			before.WriteString("&#96;")
			i += 2
		case s[i] != '`':
			before.WriteByte(s[i])
			i++
		default:
			n := runOf(s[i:], '`')
			if end := closingRun(s, i+n, n); end > 0 {
				return before.String(), s[i:end], s[end:]
			}
			before.WriteString(strings.Repeat("&#96;", n))
			i += n
		}
	}
	return before.String(), "", ""
}

// closingRun finds the end of the next run of exactly n backticks, 0 if there is none.
func closingRun(s string, from, n int) int {
	for i := from; i < len(s); {
		if s[i] != '`' {
			i++
			continue
		}
		m := runOf(s[i:], '`')
		if m == n {
			return i + m
		}
		i += m
	}
	return 0
}

var (
	entity        = regexp.MustCompile(`&(#[0-9]{1,8}|#[xX][0-9a-fA-F]{1,8}|[A-Za-z][A-Za-z0-9]{1,40});`)
	escaped       = regexp.MustCompile(`\\+([/:.@#\\-])`)
	tag           = regexp.MustCompile(`<([A-Za-z/!?])`)
	tildes        = regexp.MustCompile(`~~~+`)
	image         = regexp.MustCompile(`!+\[`)
	address       = regexp.MustCompile(`(?i)\b(?:https?|ftp)://[^\s<>"'\x60]*`)
	relative      = regexp.MustCompile(`(\]\(\s*<?|\]:\s*<?)//+`)
	www           = regexp.MustCompile(`(?i)(^|[^A-Za-z0-9/.@-])(www\.[^\s<>()\x60]+)`)
	mention       = regexp.MustCompile(`(^|[^A-Za-z0-9_.\x60/-])@([A-Za-z0-9](?:[A-Za-z0-9-]{0,38})(?:/[A-Za-z0-9][A-Za-z0-9_-]{0,100})?)`)
	keywords      = `(?i)\b((?:close[sd]?|fix(?:e[sd])?|resolve[sd]?)\b:?)`
	reference     = `((?:[A-Za-z0-9][A-Za-z0-9-]*/[A-Za-z0-9._-]+)?#[0-9]+|GH-[0-9]+|https?://\S+/(?:issues|pull)/[0-9]+)`
	closing       = regexp.MustCompile(keywords + `([\s*_(\[]+)` + reference)
	startsWithRef = regexp.MustCompile(`^([\s*_(\[]*)` + reference)
	endsInKeyword = regexp.MustCompile(keywords + `[\s*_(\[]*$`)
	number        = regexp.MustCompile(`[0-9]+$`)
)

// markdownText neutralises text outside code.
func (p Policy) markdownText(text string, keyword bool) string {
	// What Markdown would decode is made plain first, so that nothing hides in it.
	text = entity.ReplaceAllStringFunc(text, func(e string) string {
		switch e {
		case "&lt;", "&amp;", "&#96;", "&#126;": // our own
			return e
		}
		return "&amp;" + e[1:]
	})
	text = escaped.ReplaceAllString(text, "$1")
	text = tildes.ReplaceAllStringFunc(text, func(t string) string { return strings.Repeat("&#126;", len(t)) })
	text = tag.ReplaceAllString(text, "&lt;$1")
	text = image.ReplaceAllString(text, "[")
	if keyword {
		text = startsWithRef.ReplaceAllStringFunc(text, func(m string) string { return p.quoteReference(startsWithRef, m, 2) })
	}
	text = closing.ReplaceAllStringFunc(text, func(m string) string { return p.quoteReference(closing, m, 3) })
	text = relative.ReplaceAllString(text, "$1")
	text = address.ReplaceAllStringFunc(text, p.link)
	text = www.ReplaceAllStringFunc(text, func(m string) string {
		parts := www.FindStringSubmatch(m)
		return parts[1] + "`" + parts[2] + "`"
	})
	return outsideSpans(text, func(t string) string {
		return mention.ReplaceAllStringFunc(t, func(m string) string {
			lead, name := splitMention(m)
			if p.mayMention(name) {
				return m
			}
			return lead + "`@" + name + "`"
		})
	})
}

// outsideSpans applies f to what lies outside the code spans that the steps before have made.
func outsideSpans(text string, f func(string) string) string {
	parts := strings.Split(text, "`")
	for i := 0; i < len(parts); i += 2 {
		parts[i] = f(parts[i])
	}
	return strings.Join(parts, "`")
}

// quoteReference makes code of the reference in a match, unless it is our own issue.
func (p Policy) quoteReference(re *regexp.Regexp, match string, group int) string {
	if p.isOwn(match) {
		return match
	}
	parts := re.FindStringSubmatch(match)
	return strings.TrimSuffix(match, parts[group]) + "`" + parts[group] + "`"
}

// isOwn says whether a closing reference names the task's own issue: by its bare number.
func (p Policy) isOwn(match string) bool {
	own := "#" + strconv.Itoa(p.OwnIssue)
	before, ok := strings.CutSuffix(match, own)
	return p.OwnIssue > 0 && ok && !strings.ContainsAny(before, "/") && number.FindString(match) == own[1:]
}

// link keeps an address whose host is allowed, and leaves the host's name of any other.
func (p Policy) link(text string) string {
	trimmed := strings.TrimRight(text, ".,;:!?)]*_")
	u, err := url.Parse(trimmed)
	if err != nil || u.Host == "" {
		return "(link removed)"
	}
	for _, host := range p.AllowedHosts {
		if strings.EqualFold(u.Host, host) && u.User == nil {
			return text
		}
	}
	return "`" + strings.ReplaceAll(u.Hostname(), "`", "") + "` (link removed)" + text[len(trimmed):]
}

func splitMention(match string) (lead, name string) {
	lead, name, _ = strings.Cut(match, "@")
	return lead, name
}
