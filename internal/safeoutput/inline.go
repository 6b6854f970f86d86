package safeoutput

import (
	"regexp"
	"strings"
)

// Targets of links as they follow the bracket. A link that is kept is written without its title.
var (
	linkTarget = regexp.MustCompile("^\\([ \t]*<?([^\\s()<>`]*)>?(?:[ \t]+(?:\"[^\"\n`]*\"|'[^'\n`]*'))?[ \t]*\\)")
	definition = regexp.MustCompile(`^[ \t]*<?([^\s<>]*)>?[ \t]*$`)
	imageStart = regexp.MustCompile(`^!\[[^\[\]\n]*\]\(`)
)

// liner writes one line of text.
type liner struct {
	filter *filter
	table  bool
	in     string
	i      int
	depth  int // brackets that are open on this line: in them nothing is a link by itself
	out    strings.Builder
	code   []span
}

// inline makes the structure within a line harmless and gives its code spans. It goes from left to right as
// a renderer does. A code span counts only if it ends on its line, and in its cell.
func (f *filter) inline(line string, table bool) (string, []span) {
	l := liner{filter: f, table: table, in: line}
	if m := footnote.FindString(line); m != "" {
		l.out.WriteString(m)
		l.i = len(m)
	}
	for l.i < len(line) {
		l.step()
	}
	return l.out.String(), l.code
}

// write writes a text for the next n bytes of the line.
func (l *liner) write(text string, n int) {
	l.out.WriteString(text)
	l.i += n
}

func (l *liner) step() {
	rest := l.in[l.i:]
	c := rest[0]
	switch {
	case c == '\\' && len(rest) > 1 && punctuation(rest[1]):
		l.write(rest[:2], 2)
	case c == '`':
		l.backticks(rest)
	case c == '~' && strings.HasPrefix(rest, "~~~"):
		n := len(rest) - len(strings.TrimLeft(rest, "~"))
		l.write(strings.Repeat(`\~`, n), n)
	case c == '<':
		l.angle(rest)
	case c == '!' && strings.HasPrefix(rest, "!["):
		if imageStart.MatchString(rest) && !strings.HasSuffix(l.out.String(), "!") {
			l.write("[", 2) // an image becomes a link
		} else {
			l.write(`\![`, 2)
		}
		l.depth++
	case strings.HasPrefix(rest, "]("):
		l.depth = max(l.depth-1, 0)
		l.target(rest)
	case strings.HasPrefix(rest, "]:"):
		l.depth = max(l.depth-1, 0)
		if m := defined(rest[2:]); m != nil && l.filter.keptWhole(m[1]) {
			l.write("]: "+inert(m[1]), len(rest))
			return
		}
		l.write(`]\:`, 2)
	case addressStart(rest, l.before()):
		if k := l.filter.kept(rest); k != "" {
			l.write(delimited(inert(k), rest[len(k):], l.depth > 0), len(k))
			return
		}
		l.write(l.filter.address(rest))
	case c == '[':
		l.depth++
		l.write("[", 1)
	case c == ']':
		l.depth = max(l.depth-1, 0)
		l.write("]", 1)
	default:
		l.write(rest[:1], 1)
	}
}

// before is the character that was written last.
func (l *liner) before() byte {
	if l.i == 0 {
		return 0
	}
	return l.in[l.i-1]
}

// backticks writes a code span, or escapes backticks that make none: they would, with others further down.
func (l *liner) backticks(rest string) {
	n := len(rest) - len(strings.TrimLeft(rest, "`"))
	end := spanEnd(rest, n)
	if end < 0 || l.table && strings.Contains(rest[:end], "|") {
		l.write(strings.Repeat("\\`", n), n)
		return
	}
	from := l.out.Len()
	l.write(rest[:end], end)
	l.code = append(l.code, span{from, l.out.Len()})
}

// spanEnd is where the code span ends that text begins with, by n backticks; -1 if it does not.
func spanEnd(text string, n int) int {
	for i := n; i < len(text); {
		if text[i] != '`' {
			i++
			continue
		}
		run := len(text[i:]) - len(strings.TrimLeft(text[i:], "`"))
		i += run
		if run == n {
			return i
		}
	}
	return -1
}

var angleAddress = regexp.MustCompile(`^<((?:https?|ftp)://[^\s<>]*)>`)

// angle writes what begins with <: no HTML, and addresses in angle brackets without these.
func (l *liner) angle(rest string) {
	m := angleAddress.FindStringSubmatch(rest)
	switch {
	case m == nil:
		l.write("&lt;", 1)
	case l.filter.kept(m[1]) == m[1]:
		l.write(delimited(inert(m[1]), rest[len(m[0]):], l.depth > 0), len(m[0]))
	default:
		l.write(lost(m[1]), len(m[0]))
	}
}

// target writes the target of a link.
func (l *liner) target(rest string) {
	m := linkTarget.FindStringSubmatch(rest[1:])
	switch {
	case m == nil:
		l.write(`]\(`, 2)
	case l.filter.keptWhole(m[1]):
		l.write("]("+inert(m[1])+")", 1+len(m[0]))
	default:
		gone := "(link removed)"
		if strings.Contains(m[1], "://") || strings.HasPrefix(m[1], "//") {
			gone = lost(strings.TrimPrefix(m[1], "//"))
		}
		l.write("] "+gone, 1+len(m[0]))
	}
}

// defined is definition for a line of a length that makes sense: it is asked at each bracket.
func defined(rest string) []string {
	if len(rest) > 1_000 {
		return nil
	}
	return definition.FindStringSubmatch(rest)
}

func punctuation(c byte) bool { return c > ' ' && c < 0x7F && !alnum(c) }
