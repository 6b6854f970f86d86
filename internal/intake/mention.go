package intake

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// Mentions says whether a text mentions an account: inText if some mention counts, anywhere if there is
// one at all, even in a place where it does not count (a code span or block, a quote, an HTML comment).
//
// A mention is @ and the login, in any case of letters, that stands alone: it is no part of a longer
// login, of an e-mail address, a URL, a path, a team (@login/team) or a host name. As on GitHub only
// ASCII letters and digits continue a word, so that it also counts in the middle of a text without
// spaces. An App's login ends in [bot], which people may leave out.
func Mentions(text, login string) (inText, anywhere bool) {
	name, app := strings.CutSuffix(strings.ToLower(login), "[bot]")
	if name == "" {
		return false, false
	}
	at := mentions(text, name, app)
	if len(at) == 0 {
		return false, false
	}
	classes := classify(text)
	for _, i := range at {
		if classes[i] == plain {
			return true, true
		}
	}
	return false, true
}

// mentions gives the offset of the @ of each mention, wherever it stands.
func mentions(text, name string, app bool) []int {
	var at []int
	inURL := false
	for i, r := range text {
		switch {
		case r == ':':
			inURL = inURL || strings.HasPrefix(text[i:], "://") && i > 0 && isWord(text[i-1])
		case endsURL(r):
			inURL = false
		case r == '@':
			if !inURL && opens(text, i) && closes(text, i+1, name, app) {
				at = append(at, i)
			}
		}
	}
	return at
}

func endsURL(r rune) bool {
	switch r {
	case '<', '>', '"', ')':
		return true
	}
	return unicode.IsSpace(r) || r == utf8.RuneError
}

// opens says whether an @ at offset i can begin a mention.
func opens(text string, i int) bool {
	// Underscores are emphasis if they stand at the outside of a word: _@bot_.
	for i > 0 && text[i-1] == '_' {
		i--
	}
	if i == 0 {
		return true
	}
	return !isWord(text[i-1]) && strings.IndexByte("/@.-", text[i-1]) < 0
}

// closes says whether the login stands at offset i and ends there.
func closes(text string, i int, name string, app bool) bool {
	rest := text[i:]
	if len(rest) < len(name) || !strings.EqualFold(rest[:len(name)], name) {
		return false
	}
	rest = rest[len(name):]
	if len(rest) >= 5 && strings.EqualFold(rest[:5], "[bot]") {
		// @name[bot] is the App's account; a person called name is another one.
		if !app {
			return false
		}
		rest = rest[5:]
	}
	if rest != "" && (rest[0] == '/' || rest[0] == '@') {
		return false
	}
	rest = strings.TrimLeft(rest, "-_.")
	return rest == "" || !isWord(rest[0])
}

// isWord says whether a byte can be part of a login.
func isWord(b byte) bool {
	return b >= 'a' && b <= 'z' || b >= 'A' && b <= 'Z' || b >= '0' && b <= '9'
}
