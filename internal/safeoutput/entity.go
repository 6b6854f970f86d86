package safeoutput

import (
	"html"
	"regexp"
	"strings"
)

var entity = regexp.MustCompile(`&(?:#[0-9]{1,7}|#[xX][0-9a-fA-F]{1,6}|[A-Za-z][A-Za-z0-9]{1,31});`)

// decode replaces the entities of a line that could hide a word, an address or a mention by what they stand
// for. Those that stand for Markdown's own signs stay, because as a sign they would mean something else.
// The result has no such entity left, also none that decoding itself has put together.
func decode(line string) string {
	if !strings.Contains(line, "&") {
		return line
	}
	line = entity.ReplaceAllStringFunc(line, decodeOne)
	return entity.ReplaceAllStringFunc(line, func(e string) string {
		if decodeOne(e) == e {
			return e
		}
		return "&amp;" + e[1:]
	})
}

func decodeOne(e string) string {
	plain := html.UnescapeString(e)
	if strings.HasSuffix(plain, ";") && plain != ";" { // no entity of HTML, or only its beginning is one
		return e
	}
	switch plain {
	case "<":
		return "&lt;"
	case ">":
		return "&gt;"
	case "&":
		return "&amp;"
	case "@", "/", ":", ".", "_":
		return plain
	case "\u00a0", "\uFFFD":
		return e
	}
	if len(plain) == 1 && !alnum(plain[0]) && plain[0] >= 0x20 && plain[0] < 0x7F {
		return e
	}
	return strings.ReplaceAll(clean(plain), "\n", " ")
}
