package safeoutput

import (
	"regexp"
	"strings"
	"unicode"
)

// ansi are the sequences with which a program steers a terminal (ECMA-48): CSI, OSC and the short ones.
var ansi = regexp.MustCompile("(?:\x1b\\[|\u009b)[0-?]*[ -/]*[@-~]|(?:\x1b\\]|\u009d)[^\x07\x1b\u009c\n]*(?:\x07|\x1b\\\\|\u009c)?|\x1b[ -/]*[0-Z^-~]?")

var lineEnds = strings.NewReplacer("\r\n", "\n", "\r", "\n", "\u0085", "\n", "\u2028", "\n", "\u2029", "\n")

// clean makes a text valid UTF-8 without anything that cannot be seen: no terminal sequences, no control
// characters but tab and line feed, nothing that has no width or changes the direction of writing.
func clean(text string) string {
	text = lineEnds.Replace(strings.ToValidUTF8(text, "\uFFFD"))
	if strings.ContainsAny(text, "\x1b\u009b\u009d") {
		text = ansi.ReplaceAllString(text, "")
	}
	var b strings.Builder
	b.Grow(len(text))
	last := rune(0)
	for _, r := range text {
		if invisible(r) || r == emojiStyle && last < 0x80 {
			continue
		}
		b.WriteRune(r)
		last = r
	}
	return b.String()
}

// emojiStyle asks for the coloured form of the character before it. After an ASCII character it would only
// be a way to hide a split.
const emojiStyle = '\uFE0F'

// invisible tells characters that show nothing and so can hide something: in what people read, or from a
// search for a word.
func invisible(r rune) bool {
	switch {
	case r == '\n', r == '\t', r == emojiStyle:
		return false
	case r < 0x20, r >= 0x7F && r <= 0x9F:
		return true
	case r < 0x7F:
		return false
	case unicode.Is(unicode.Cf, r):
		return !unicode.Is(unicode.Prepended_Concatenation_Mark, r)
	case unicode.Is(unicode.Variation_Selector, r), unicode.Is(unicode.Noncharacter_Code_Point, r):
		return true
	case r >= 0xE0000 && r <= 0xE0FFF: // tags, and what is not assigned beside them
		return true
	}
	return unicode.Is(unicode.Other_Default_Ignorable_Code_Point, r)
}

// oneLine is a cleaned text without line ends and double spaces.
func oneLine(text string) string { return strings.Join(strings.Fields(clean(text)), " ") }

// cutRunes is the beginning of a text, at most n characters long.
func cutRunes(text string, n int) string {
	if len(text) <= n {
		return text
	}
	count := 0
	for i := range text {
		if count == n {
			return text[:i]
		}
		count++
	}
	return text
}
