package intake

import (
	"sort"
	"strings"
)

// inline marks the code spans and comments of the paragraph text[from:to]. It returns true if a comment
// is still open at its end.
func (m *markdown) inline(from, to int) bool {
	if !strings.ContainsAny(m.text[from:to], "`<") {
		return false
	}
	p := &inline{markdown: m, from: from, to: to, none: map[string]bool{}}
	for i := from; i < to; {
		switch m.text[i] {
		case '\\':
			i += 2
		case '`':
			i = p.span(i)
		case '<':
			i = p.html(i)
		default:
			i++
		}
		if p.open {
			return true
		}
	}
	return false
}

// inline is the paragraph in hand.
type inline struct {
	*markdown
	from, to int
	runs     map[int][]int   // offsets of the runs of backticks by their length; made when first needed
	none     map[string]bool // searched for and not found behind here
	open     bool            // a comment goes on behind the end
}

// span takes the run of backticks at i: a code span up to the next run of the same length, or mere
// backticks. It returns where to go on.
func (p *inline) span(i int) int {
	if p.runs == nil {
		p.findRuns()
	}
	n := runLength(p.text[i:p.to], '`')
	same := p.runs[n]
	k := sort.SearchInts(same, i+n)
	if k == len(same) {
		return i + n
	}
	end := same[k] + n
	p.mark(i, end, code)
	return end
}

func (p *inline) findRuns() {
	p.runs = map[int][]int{}
	for i := p.from; i < p.to; {
		n := runLength(p.text[i:p.to], '`')
		if n > 0 {
			p.runs[n] = append(p.runs[n], i)
		}
		i += max(n, 1)
	}
}

// html takes the < at i: a comment, another thing that no reader sees, or an element that shows as code.
// Other tags are passed over as text.
func (p *inline) html(i int) int {
	rest := p.lower[i:p.to]
	switch {
	case strings.HasPrefix(rest, "<!--"):
		return p.comment(i)
	case strings.HasPrefix(rest, "<?"):
		return p.element(i, "?>", hidden)
	case len(rest) > 2 && rest[1] == '!' && (rest[2] == '[' || rest[2] >= 'a' && rest[2] <= 'z'):
		return p.element(i, ">", hidden)
	case strings.HasPrefix(rest, "<code>"):
		return p.element(i, "</code>", code)
	case strings.HasPrefix(rest, "<pre>"):
		return p.element(i, "</pre>", code)
	}
	return i + 1
}

// comment takes the comment that begins at i. Without an end in the paragraph it is mere text, unless the
// paragraph begins with a tag: then a browser reads it as it stands, and the comment goes on to whatever
// end it has, or to the end of the text.
func (p *inline) comment(i int) int {
	// The end may share the two hyphens: <!--> is a whole comment.
	if end := p.element(i, "-->", hidden); end > i+1 || !p.tagged(p.from, p.to) {
		return end
	}
	p.mark(i, p.to, hidden)
	p.open = true
	return p.to
}

// element marks what begins at i and ends with a text, if that comes.
func (p *inline) element(i int, end string, c class) int {
	if p.none[end] {
		return i + 1
	}
	stop := strings.Index(p.lower[i+2:p.to], end)
	if stop < 0 {
		p.none[end] = true
		return i + 1
	}
	stop += i + 2 + len(end)
	p.mark(i, stop, c)
	return stop
}
