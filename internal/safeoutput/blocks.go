package safeoutput

import (
	"regexp"
	"strings"
)

// document is Markdown whose structure is settled: what is code in it, and that nothing else is.
type document struct {
	text string
	code []span // fenced blocks and code spans, in order, not overlapping
}

// structure settles what is code and makes everything else harmless as far as structure goes: HTML, images
// and links. Fenced blocks are understood where GitHub cannot see them otherwise (CommonMark 0.31, sections
// 4.5 and 5); in doubt, what looks like a fence is escaped, and a fence is closed early, with a closing line
// in the text that says so.
func (f *filter) structure(text string) document {
	s := structurer{filter: f, tables: tables(text)}
	lines := strings.Split(text, "\n")
	for i, line := range lines {
		if i > 0 {
			s.out.WriteByte('\n')
		}
		s.line(i, line)
	}
	if s.open != nil {
		s.out.WriteByte('\n')
		s.closeFence()
	}
	return document{s.out.String(), s.code}
}

type structurer struct {
	filter *filter
	tables []bool // lines that may be rows of a table
	out    strings.Builder
	code   []span

	open      *fence
	items     []int // content columns of the list items that are open for sure
	listed    bool  // something like a list item has been seen: a fence may be inside one
	afterVoid bool  // the line before is blank, or there is none
	started   bool
}

// fence is an open fenced code block.
type fence struct {
	prefix string // what a closing line begins with
	quotes int    // block quotes that it is in
	lead   int    // columns before the first quote's sign
	column int    // where it begins; after the quotes' signs, if there are any
	needs  int    // columns that a line must be indented to be in it for sure
	sign   byte
	length int
}

func (f *fence) closing() string { return f.prefix + strings.Repeat(string(f.sign), f.length) }

func (s *structurer) line(i int, line string) {
	blank := strings.TrimSpace(line) == ""
	if s.open != nil {
		if s.inFence(line, blank) {
			return
		}
		s.closeFence() // GitHub may, or may not, think so: now it is
		s.out.WriteByte('\n')
	}
	s.textLine(i, line, blank)
	s.afterVoid, s.started = blank, true
}

// closeFence writes a closing line.
func (s *structurer) closeFence() {
	from := s.out.Len()
	s.out.WriteString(s.open.closing())
	s.code = append(s.code, span{from, s.out.Len()})
	s.open, s.afterVoid = nil, false
}

// inFence writes a line of a fenced block, or its end, and says whether the line belonged to it.
func (s *structurer) inFence(line string, blank bool) bool {
	f := s.open
	content := line
	if f.quotes > 0 {
		rest, ok := unquote(line, f)
		if !ok {
			return false
		}
		content, blank = rest, strings.TrimSpace(rest) == ""
	}
	indent := columns(content)
	if f.closes(content, indent) {
		s.closeFence()
		return true
	}
	if !blank && indent < f.needs {
		return false
	}
	from := s.out.Len()
	s.out.WriteString(line)
	s.code = append(s.code, span{from, s.out.Len()})
	return true
}

// closes tells a closing line: it is written again where it counts in any reading, so one that stands a
// little to the left or right will do.
func (f *fence) closes(content string, indent int) bool {
	if indent > f.column+3 || indent < f.needs && indent > 3 {
		return false
	}
	run := strings.Trim(content, " \t")
	return len(run) >= f.length && strings.Trim(run, string(f.sign)) == ""
}

// columns is how far a line is indented, with tab stops at every fourth column.
func columns(line string) int {
	n := 0
	for i := range len(line) {
		switch line[i] {
		case ' ':
			n++
		case '\t':
			n += 4 - n%4
		default:
			return n
		}
	}
	return n
}

var quoteSigns = regexp.MustCompile(`^( {0,3})((?:> ?)+)`)

// unquote takes the signs of a fence's quotes off a line, if they are all there.
func unquote(line string, f *fence) (string, bool) {
	m := quoteSigns.FindStringSubmatch(line)
	if m == nil || len(m[1]) < f.lead {
		return "", false
	}
	rest := line[len(m[1]):]
	for range f.quotes {
		if !strings.HasPrefix(rest, ">") {
			return "", false
		}
		rest = strings.TrimPrefix(rest[1:], " ")
	}
	return rest, true
}

var (
	plainFence  = regexp.MustCompile("^( *)(`{3,}|~{3,})([^\n]*)$")
	quotedFence = regexp.MustCompile("^( {0,3})((?:> ?)+)( {0,3})(`{3,}|~{3,})([^\n]*)$")
	item        = regexp.MustCompile("^( *)([-+*]|([0-9]{1,9})[.)])( {1,4})([^ \t\n].*)$")
	anyMarker   = regexp.MustCompile(`^[ \t>]*(?:[-+*]|[0-9]{1,9}[.)]|\[\^[^\]\n]*\]:)(?:[ \t]|$)`)
	thematic    = regexp.MustCompile(`^ {0,3}(?:(?:\*[ \t]*){3,}|(?:-[ \t]*){3,}|(?:_[ \t]*){3,})$`)
	footnote    = regexp.MustCompile(`^ {0,3}\[\^[A-Za-z0-9_-]{1,40}\]:`)
)

// textLine writes a line outside of fences: the beginning of one, or text.
func (s *structurer) textLine(i int, line string, blank bool) {
	line = expandIndent(line)
	popped := false
	if !blank {
		indent := columns(line)
		for len(s.items) > 0 && s.items[len(s.items)-1] > indent {
			s.items, popped = s.items[:len(s.items)-1], true
		}
	}
	if s.opensFence(line, popped) {
		return
	}
	plain := decode(line)
	s.listed = s.listed || anyMarker.MatchString(plain)
	if m := s.item(line, popped); m != nil {
		s.items = append(s.items, len(m[1])+len(m[2])+len(m[4]))
	}
	text, code := s.filter.inline(plain, s.tables[i])
	from := s.out.Len()
	for _, c := range code {
		s.code = append(s.code, span{from + c.from, from + c.to})
	}
	s.out.WriteString(text)
}

// expandIndent writes the tabs before and after quote signs and a list marker as spaces, so that columns
// are bytes.
func expandIndent(line string) string {
	if !strings.Contains(line, "\t") {
		return line
	}
	end := len(indentPart.FindString(line))
	var b strings.Builder
	for _, r := range line[:end] {
		if r != '\t' {
			b.WriteRune(r)
			continue
		}
		b.WriteString(strings.Repeat(" ", 4-b.Len()%4))
	}
	return b.String() + line[end:]
}

var indentPart = regexp.MustCompile(`^[ \t>]*(?:(?:[-+*]|[0-9]{1,9}[.)])[ \t]+)?`)

// base is the column at which the innermost open list item's content begins.
func (s *structurer) base() int {
	if len(s.items) == 0 {
		return 0
	}
	return s.items[len(s.items)-1]
}

// item tells a line that begins a list item for sure: not by its indentation code, no thematic break, and
// allowed to interrupt a paragraph if there may be one.
func (s *structurer) item(line string, popped bool) []string {
	m := item.FindStringSubmatch(line)
	if m == nil || len(m[1])-s.base() > 3 || thematic.MatchString(line) {
		return nil
	}
	if m[3] != "" && m[3] != "1" && !s.afterVoid && !popped && s.started {
		return nil
	}
	return m
}

// opensFence writes a line that begins a fenced block for sure.
func (s *structurer) opensFence(line string, popped bool) bool {
	if m := plainFence.FindStringSubmatch(line); m != nil && infoOK(m[2], m[3]) {
		column := len(m[1])
		if column > 3 && (len(s.items) == 0 || column-s.base() > 3) {
			return false
		}
		needs := column
		if !s.listed && column <= 3 {
			needs = 0
		}
		s.begin(&fence{prefix: m[1], column: column, needs: needs, sign: m[2][0], length: len(m[2])}, m[1]+m[2], m[3])
		return true
	}
	if m := quotedFence.FindStringSubmatch(line); m != nil && infoOK(m[4], m[5]) {
		prefix := m[1] + m[2] + m[3]
		// The space after a quote's sign is the sign's own: it is written, so that columns count from it.
		column := len(m[3])
		if !strings.HasSuffix(m[2], " ") && column > 0 {
			column--
		}
		s.begin(&fence{
			prefix: prefix, quotes: strings.Count(m[2], ">"), lead: len(m[1]), column: column, needs: column,
			sign: m[4][0], length: len(m[4]),
		}, prefix+m[4], m[5])
		return true
	}
	m := s.item(line, popped)
	if m == nil {
		return false
	}
	inner := plainFence.FindStringSubmatch(m[5])
	if inner == nil || !infoOK(inner[2], inner[3]) {
		return false
	}
	before := m[1] + m[2] + m[4]
	s.items, s.listed = append(s.items, len(before)), true
	s.begin(&fence{
		prefix: strings.Repeat(" ", len(before)), column: len(before), needs: len(before),
		sign: inner[2][0], length: len(inner[2]),
	}, before+inner[2], inner[3])
	return true
}

// infoOK: what follows a fence of backticks holds none.
func infoOK(run, info string) bool { return run[0] == '~' || !strings.Contains(info, "`") }

var language = regexp.MustCompile(`^[ \t]*([A-Za-z0-9_+#.-]{1,40})`)

// begin writes the opening line. Of what follows the fence, the language is kept.
func (s *structurer) begin(f *fence, start, info string) {
	from := s.out.Len()
	s.out.WriteString(start)
	if m := language.FindStringSubmatch(info); m != nil {
		s.out.WriteString(m[1])
	}
	s.code = append(s.code, span{from, s.out.Len()})
	s.open, s.afterVoid, s.started = f, false, true
}

// tables tells the lines that may belong to a table: those near a line of which one could be the rule below
// a table's head. In a row a bar ends a cell, and with it a code span.
func tables(text string) []bool {
	lines := strings.Split(text, "\n")
	may := make([]bool, len(lines))
	start := 0
	found := false
	for i := 0; i <= len(lines); i++ {
		if i < len(lines) && strings.TrimSpace(lines[i]) != "" {
			found = found || rule(decode(lines[i]))
			continue
		}
		for j := start; j < i && found; j++ {
			may[j] = true
		}
		start, found = i, false
	}
	return may
}

// rule tells a line of dashes, bars and colons.
func rule(line string) bool {
	return strings.Contains(line, "-") && strings.Trim(line, " \t>|:-+*0123456789.)") == ""
}
