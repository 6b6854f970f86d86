package intake

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"devs-webhook/messages"
)

// maxText is how many bytes of a text are used. GitHub's own limit is 65,536 characters.
const maxText = 64 << 10

const cutNote = "\n\n[The text is cut off here: it is longer than 64 KiB.]"

// visible is a text as a reader sees it: without HTML comments, control characters and characters that
// show nothing or change the direction of others, and without markers. Hidden text must not instruct: who
// approves or copies a text has not seen it.
func visible(text string) string {
	text = strings.NewReplacer("\r\n", "\n", "\r", "\n").Replace(text)
	text = dropInvisible(text)
	text = dropHidden(text)
	text = messages.StripMarkers(text)
	// What is left of markers that were put into each other must not be one.
	text = strings.ReplaceAll(text, "<!-- devs-webhook", "<!- - devs-webhook")
	return shorten(strings.TrimSpace(text))
}

// shorten cuts a text that is too long, between two characters, and says so in it.
func shorten(text string) string {
	if len(text) <= maxText {
		return text
	}
	end := maxText - len(cutNote)
	for end > 0 && !utf8.RuneStart(text[end]) {
		end--
	}
	return text[:end] + cutNote
}

// dropHidden takes out what classify calls hidden.
func dropHidden(text string) string {
	if !strings.ContainsAny(text, "<[") {
		return text
	}
	classes := classify(text)
	var out strings.Builder
	from := 0
	for i := range len(text) {
		if classes[i] == hidden {
			out.WriteString(text[from:i])
			from = i + 1
		}
	}
	out.WriteString(text[from:])
	return out.String()
}

// dropInvisible takes out control and invisible characters. Joiners stay between characters of scripts
// that need them, and one variation selector after a character that shows, as emoji have it: a row of
// them could carry a message.
func dropInvisible(text string) string {
	var out strings.Builder
	out.Grow(len(text))
	last, joiner := ' ', rune(0) // the last rune written, and a joiner that waits for the next
	for _, r := range text {
		switch {
		case r == '\u2028' || r == '\u2029':
			r = '\n'
		case r == '\u200c' || r == '\u200d':
			if last >= utf8.RuneSelf {
				joiner = r
			}
			continue
		case r == '\ufe0e' || r == '\ufe0f':
			if unicode.IsSpace(last) || isVariation(last) {
				continue
			}
		case invisible(r):
			continue
		}
		if joiner != 0 && r >= utf8.RuneSelf && !isVariation(r) {
			out.WriteRune(joiner)
		}
		joiner = 0
		out.WriteRune(r)
		last = r
	}
	return out.String()
}

func isVariation(r rune) bool { return unicode.Is(unicode.Variation_Selector, r) }

// invisible says whether a rune shows nothing by itself: controls, formats, fillers, tags.
func invisible(r rune) bool {
	switch {
	case r == '\n' || r == '\t':
		return false
	case unicode.Is(unicode.Prepended_Concatenation_Mark, r):
		return false // of category Cf, but drawn
	}
	return unicode.In(r, unicode.Cc, unicode.Cf, unicode.Cs, unicode.Variation_Selector,
		unicode.Other_Default_Ignorable_Code_Point)
}
