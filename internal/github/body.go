package github

import (
	"strings"
	"unicode/utf8"
)

const (
	// maxBody is GitHub's limit for the text of a comment, an issue or a pull request, in characters; above
	// it the answer is 422 "Body is too long". A character outside the basic plane is counted as two here, so
	// that the text is short enough however GitHub counts.
	maxBody = 65536
	// maxTitle is its limit for a title.
	maxTitle = 256

	// maxFence is the room that is kept to close a code block.
	maxFence = 128

	cutNote = "\n\n*The rest was cut: GitHub takes no more than 65,536 characters.*"
)

// fit puts the tail below the body, and cuts the body with a note if both are too long together. A code block
// that is open at the cut is closed, so that the note and the tail do not become part of it.
func fit(body, tail string) (text string, cut bool) {
	body = strings.TrimRight(strings.ToValidUTF8(body, "\uFFFD"), " \t\r\n")
	if tail != "" && body != "" {
		tail = "\n\n" + tail
	}
	if length(body)+length(tail) <= maxBody {
		return body + tail, false
	}
	kept := head(body, maxBody-length(tail)-length(cutNote)-maxFence)
	if fence := openFence(kept); fence != "" && len(fence) < maxFence {
		kept += "\n" + fence
	}
	return kept + cutNote + tail, true
}

// fitTitle makes a title of one line that GitHub takes.
func fitTitle(title string) string {
	title = strings.Join(strings.Fields(strings.ToValidUTF8(title, "\uFFFD")), " ")
	if length(title) <= maxTitle {
		return title
	}
	return head(title, maxTitle-1) + "…"
}

// length counts as maxBody does.
func length(text string) int {
	n := 0
	for _, r := range text {
		n += width(r)
	}
	return n
}

// head is the longest beginning of at most n characters.
func head(text string, n int) string {
	for i, r := range text {
		if n -= width(r); n < 0 {
			return text[:i]
		}
	}
	return text
}

func width(r rune) int {
	if r > 0xFFFF && r <= utf8.MaxRune {
		return 2
	}
	return 1
}

// openFence is what closes the code block that is open at the end of the text; empty if none is. It follows
// https://spec.commonmark.org/0.31.2/#fenced-code-blocks for blocks that stand at the left.
func openFence(text string) string {
	open := ""
	for line := range strings.Lines(text) {
		line = strings.TrimRight(line, " \t\r\n")
		trimmed := strings.TrimLeft(line, " ")
		if len(line)-len(trimmed) > 3 {
			continue
		}
		fence := trimmed[:len(trimmed)-len(strings.TrimLeft(trimmed, "`"))]
		if fence == "" {
			fence = trimmed[:len(trimmed)-len(strings.TrimLeft(trimmed, "~"))]
		}
		info := trimmed[len(fence):]
		switch {
		case len(fence) < 3:
		case open == "" && !(fence[0] == '`' && strings.Contains(info, "`")):
			open = fence
		case open != "" && fence[0] == open[0] && len(fence) >= len(open) && info == "":
			open = ""
		}
	}
	return open
}
