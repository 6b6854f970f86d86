package agent

import (
	"crypto/sha256"
	"encoding/hex"
	"regexp"
	"strings"
	"unicode/utf8"

	"devs-webhook/messages"
)

// maxEventText bounds the text of an event, in bytes.
const maxEventText = 2048

// maxWords bounds the agent's last words, in characters.
const maxWords = 60_000

const ellipsis = "…"

// cut shortens s to at most limit bytes of valid UTF-8 and shows that it did.
func cut(s string, limit int) string {
	s = strings.ToValidUTF8(s, "\uFFFD")
	if len(s) <= limit {
		return s
	}
	end := limit - len(ellipsis)
	for end > 0 && !utf8.RuneStart(s[end]) {
		end--
	}
	return s[:end] + ellipsis
}

// tail gives the last limit characters of s.
func tail(s string, limit int) string {
	s = strings.ToValidUTF8(s, "\uFFFD")
	over := utf8.RuneCountInString(s) - limit
	if over <= 0 {
		return s
	}
	for range over {
		_, size := utf8.DecodeRuneInString(s)
		s = s[size:]
	}
	return s
}

// firstLine gives the first line of s that is not empty.
func firstLine(s string) string {
	for line := range strings.Lines(s) {
		if line = strings.TrimSpace(line); line != "" {
			return line
		}
	}
	return ""
}

// hidden matches what a reader of the page does not see and a model does: control characters but for tab and
// newline, and invisible and direction-changing characters.
var hidden = regexp.MustCompile(`[\x{0}-\x{8}\x{b}\x{c}\x{e}-\x{1f}\x{7f}\x{ad}\x{61c}\x{180e}\x{200b}-\x{200f}\x{202a}-\x{202e}\x{2060}-\x{206f}\x{feff}\x{e0000}-\x{e007f}]`)

var htmlComment = regexp.MustCompile(`(?s)<!--.*?(-->|$)`)

// visible takes our markers and hidden characters out of a person's text.
func visible(s string) string {
	s = strings.ToValidUTF8(s, "\uFFFD")
	s = strings.ReplaceAll(messages.StripMarkers(s), "\r\n", "\n")
	return strings.TrimSpace(hidden.ReplaceAllString(s, ""))
}

// contextual is visible for text that nobody vouches for: what the page does not show is not shown to the agent.
func contextual(s string, limit int) string {
	return cut(visible(htmlComment.ReplaceAllString(s, "")), limit)
}

// fence frames foreign text between two lines that share a word which the text does not contain, so that
// nothing in the text can end the frame. The word follows from the text: the same input gives the same files.
func fence(label, about, text string) string {
	word := label + "-" + fenceWord(text, sha256.Sum256([]byte(text)))
	head := "BEGIN " + word
	if about != "" {
		head += " (" + about + ")"
	}
	return head + "\n" + text + "\nEND " + word + "\n"
}

// fenceWord makes words from the seed until one is not in the text.
func fenceWord(text string, seed [sha256.Size]byte) string {
	for {
		word := hex.EncodeToString(seed[:4])
		if !strings.Contains(text, word) {
			return word
		}
		seed = sha256.Sum256(seed[:])
	}
}
