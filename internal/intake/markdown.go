package intake

import (
	"regexp"
	"strings"
)

// class is what a byte of a Markdown text belongs to.
type class byte

const (
	plain  class = iota // what the author says
	code                // a code span or block
	quote               // somebody else's words
	hidden              // an HTML comment: nobody who reads the text sees it
)

// classify gives the class of each byte of a text in GitHub's Markdown.
//
// It knows no more of Markdown than it needs: containers (lists, quotes), the blocks that hold code, and
// comments. Where the rules are in doubt it sides with what the writer meant: a line without > after a
// quote is the writer's own. Each line is looked at once, and every search that finds nothing is remembered,
// so that no text takes more than linear time.
func classify(text string) []class {
	m := &markdown{text: text, lower: asciiLower(text), classes: make([]class, len(text))}
	b := &blocks{markdown: m}
	for at := 0; at < len(text); {
		end, next := nextLine(text, at)
		b.line(at, end)
		at = next
	}
	b.close()
	return m.classes
}

// markdown is the text in hand and what is known of it.
type markdown struct {
	text    string
	lower   string // with ASCII letters in lower case, of the same length
	classes []class
}

func (m *markdown) mark(from, to int, c class) {
	for i := from; i < to; i++ {
		m.classes[i] = c
	}
}

// cursor is a place in a line: its offset in the text, and its column with tabs expanded.
type cursor struct{ at, col int }

// skip passes over spaces and tabs.
func (m *markdown) skip(c cursor, end int) cursor {
	for c.at < end {
		switch m.text[c.at] {
		case ' ':
			c.col++
		case '\t':
			c.col += 4 - c.col%4
		default:
			return c
		}
		c.at++
	}
	return c
}

// commentLine is a link definition that leads nowhere: the way to write a comment in Markdown itself.
var commentLine = regexp.MustCompile(`^\[[^\[\]]{1,200}\]:[ \t]*(?:#|<#?>|/+)[ \t]+(?:"[^"]*"|'[^']*'|\([^()]*\))[ \t]*$`)

// bullet gives the width of a list marker at c, 0 if there is none.
func (m *markdown) bullet(c cursor, end int) int {
	i := c.at
	for i < end && i-c.at < 9 && m.text[i] >= '0' && m.text[i] <= '9' {
		i++
	}
	if i >= end {
		return 0
	}
	marks := "-+*"
	if i > c.at {
		marks = ".)"
	}
	if strings.IndexByte(marks, m.text[i]) < 0 {
		return 0
	}
	i++
	if i < end && m.text[i] != ' ' && m.text[i] != '\t' {
		return 0
	}
	return i - c.at
}

// fence reads the opening of a fenced block at c. Its width is 0 if there is none.
func (m *markdown) fence(c cursor, end int) (mark byte, width int) {
	if c.at >= end {
		return 0, 0
	}
	mark = m.text[c.at]
	if mark != '`' && mark != '~' {
		return 0, 0
	}
	width = runLength(m.text[c.at:end], mark)
	if width < 3 || mark == '`' && strings.IndexByte(m.text[c.at+width:end], '`') >= 0 {
		return 0, 0
	}
	return mark, width
}

func (m *markdown) heading(c cursor, end int) bool {
	n := runLength(m.text[c.at:end], '#')
	return n >= 1 && n <= 6 && (c.at+n == end || m.text[c.at+n] == ' ' || m.text[c.at+n] == '\t')
}

func runLength(s string, b byte) int {
	n := 0
	for n < len(s) && s[n] == b {
		n++
	}
	return n
}

// nextLine finds the end of the line that begins at offset at, and the beginning of the next.
func nextLine(s string, at int) (end, next int) {
	i := strings.IndexAny(s[at:], "\r\n")
	if i < 0 {
		return len(s), len(s)
	}
	end = at + i
	if strings.HasPrefix(s[end:], "\r\n") {
		return end, end + 2
	}
	return end, end + 1
}

// asciiLower lowers ASCII letters only, so that offsets stay the same.
func asciiLower(s string) string {
	out := []byte(s)
	for i, b := range out {
		if b >= 'A' && b <= 'Z' {
			out[i] = b + 'a' - 'A'
		}
	}
	return string(out)
}
