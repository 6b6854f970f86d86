package intake

import "strings"

// maxDepth bounds how deep quotes are followed into list items in quotes: in what is deeper nothing but
// the quote itself is seen.
const maxDepth = 8

// blocks goes through the lines of a text, or of a quote in it, and finds out which are code. Paragraphs
// are handed to inline as soon as they are complete, because a comment that begins in one may hide what
// looks like the blocks after it.
type blocks struct {
	*markdown
	lists []int // columns at which the content of the open list items begins

	fenceMark  byte // of the open fenced block, 0 if there is none
	fenceWidth int
	fenceCol   int // where the content of the list item around it begins

	until   string // what ends the HTML that began in an earlier line: --> or a closing tag, empty if none
	pending int    // from where on that has yet to be marked

	para     bool // the line before belongs to a paragraph, text[from:to]
	from, to int

	quote *blocks // the quote in hand
	depth int     // of quotes around this
}

// line takes the next line, text[at:end].
func (b *blocks) line(at, end int) {
	c := b.skip(cursor{at: at}, end)
	blank := c.at == end
	if b.quote != nil && (blank || b.text[c.at] != '>') {
		b.endQuote()
	}
	if b.fenceMark != 0 && b.inFence(c, end) {
		b.mark(at, end, code)
		return
	}
	if b.until == "" && (blank || b.begins(c, end)) {
		b.flush()
	}
	switch {
	case b.until != "":
		b.html(at, end)
	case !blank:
		b.content(c, end)
	}
}

// close ends what is still open at the end of the text.
func (b *blocks) close() {
	b.endQuote()
	b.flush()
}

// inFence says whether a line belongs to the open fenced block, and closes that where it ends.
func (b *blocks) inFence(c cursor, end int) bool {
	if c.at == end {
		return true
	}
	if c.col < b.fenceCol { // the list item around it has ended, and so has the block
		b.fenceMark = 0
		return false
	}
	n := runLength(b.text[c.at:end], b.fenceMark)
	if n >= b.fenceWidth && c.col-b.fenceCol < 4 && b.skip(cursor{at: c.at + n}, end).at == end {
		b.fenceMark = 0
	}
	return true
}

// begins says whether a line begins something else than the paragraph before it, if there is one, and
// leaves the list items that end with that. A paragraph's further lines need no indentation.
func (b *blocks) begins(c cursor, end int) bool {
	_, width := b.fence(c, end)
	starts := width > 0 || b.text[c.at] == '>' || b.bullet(c, end) > 0 || b.heading(c, end) || b.tagged(c.at, end)
	if b.para && !starts {
		return false
	}
	for len(b.lists) > 0 && c.col < b.base() {
		b.lists = b.lists[:len(b.lists)-1]
	}
	return c.col-b.base() < 4
}

func (b *blocks) base() int {
	if len(b.lists) == 0 {
		return 0
	}
	return b.lists[len(b.lists)-1]
}

// content classifies a line that is not blank, from c on, inside the open list items.
func (b *blocks) content(c cursor, end int) {
	for {
		if c.col-b.base() >= 4 {
			b.indented(c, end)
			return
		}
		if b.opensBlock(c, end) {
			return
		}
		width := b.bullet(c, end)
		if width == 0 {
			b.paragraph(c, end)
			return
		}
		if c = b.item(c, width, end); c.at == end {
			return
		}
	}
}

// indented takes a line that is four columns or more to the right: code, unless a paragraph goes on.
func (b *blocks) indented(c cursor, end int) {
	if b.para {
		b.to = end
		return
	}
	b.mark(c.at, end, code)
}

// opensBlock takes a line that begins a quote, a fenced block, or HTML that hides or shows as code.
func (b *blocks) opensBlock(c cursor, end int) bool {
	if b.text[c.at] == '>' {
		b.quoted(c, end)
		return true
	}
	if mark, width := b.fence(c, end); width > 0 {
		b.fenceMark, b.fenceWidth, b.fenceCol = mark, width, b.base()
		b.mark(c.at, end, code)
		return true
	}
	if b.tag(c.at, end) != "" {
		b.html(c.at, end)
		return true
	}
	return false
}

// item opens a list item whose marker of the given width stands at c, and gives where its content begins.
func (b *blocks) item(c cursor, width, end int) cursor {
	after := cursor{at: c.at + width, col: c.col + width}
	next := b.skip(after, end)
	column := next.col
	if next.at == end || next.col-after.col > 4 { // more than four: code inside the item
		column = after.col + 1
	}
	b.lists = append(b.lists, column)
	return next
}

func (b *blocks) paragraph(c cursor, end int) {
	if !b.para && b.text[c.at] == '[' && commentLine.MatchString(b.text[c.at:end]) {
		b.mark(c.at, end, hidden)
		return
	}
	if !b.para {
		b.from = c.at
	}
	b.to, b.para = end, true
	if b.heading(c, end) {
		b.flush()
	}
}

// flush ends the paragraph in hand.
func (b *blocks) flush() {
	if !b.para {
		return
	}
	b.para = false
	if b.inline(b.from, b.to) {
		b.until, b.pending = "-->", b.to
	}
}

// quoted takes a line that begins with >. Quotes in quotes count as one.
func (b *blocks) quoted(c cursor, end int) {
	b.mark(c.at, end, quote)
	if b.depth == maxDepth {
		return
	}
	if b.quote == nil {
		b.quote = &blocks{markdown: b.markdown, depth: b.depth + 1}
	}
	at := c.at
	for c.at < end && b.text[c.at] == '>' {
		at = c.at + 1
		if at < end && (b.text[at] == ' ' || b.text[at] == '\t') {
			at++
		}
		c = b.skip(cursor{at: at}, end)
		if c.col >= 4 {
			break
		}
	}
	b.quote.line(at, end)
}

// endQuote ends the quote in hand. A comment that is still open in it hides what comes after.
func (b *blocks) endQuote() {
	if b.quote == nil {
		return
	}
	b.quote.close()
	if b.until == "" && b.quote.until == "-->" {
		b.until, b.pending = "-->", b.quote.pending
	}
	b.quote = nil
}

// tag gives what ends the HTML that begins at a line's beginning, empty if it is of no concern: a comment
// hides, and the elements are shown as they are written.
func (b *blocks) tag(at, end int) string {
	line := b.lower[at:end]
	if strings.HasPrefix(line, "<!--") {
		return "-->"
	}
	for _, name := range []string{"pre", "script", "style", "textarea"} {
		rest, ok := strings.CutPrefix(line, "<"+name)
		if ok && (rest == "" || strings.IndexByte(" \t>", rest[0]) >= 0) {
			return "</" + name + ">"
		}
	}
	return ""
}

// tagged says whether a line begins with a tag or a comment.
func (m *markdown) tagged(at, end int) bool {
	if end-at < 2 || m.text[at] != '<' {
		return false
	}
	next := m.lower[at+1]
	return next >= 'a' && next <= 'z' || next == '/' || next == '!'
}

// html takes a line in which such HTML begins, goes on or ends. There is no Markdown in it, but there may
// be another comment behind its end.
func (b *blocks) html(at, end int) {
	for at < end {
		start := b.pending
		if b.until == "" {
			if b.until = b.tag(at, end); b.until == "" {
				next := strings.IndexByte(b.text[at+1:end], '<')
				if next < 0 {
					return
				}
				at += 1 + next
				continue
			}
			start = at
			at += 2 // the end may share the two hyphens: <!--> is a whole comment
		}
		c := code
		if b.until == "-->" {
			c = hidden
		}
		stop := strings.Index(b.lower[min(at, end):end], b.until)
		if stop < 0 {
			b.mark(start, end, c)
			b.pending = end
			return
		}
		at += stop + len(b.until)
		b.mark(start, at, c)
		b.until = ""
	}
}
