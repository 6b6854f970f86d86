package comment

import (
	"fmt"
	"strings"
	"unicode/utf16"
	"unicode/utf8"

	"devs-webhook/messages"
)

const (
	// mostBody is the longest body that GitHub takes, in characters; it answers 422 to more.
	mostBody = 65536
	// room is for the marker and the line ends before it.
	room = 200

	mostName    = 100  // characters of a login, a branch or a tool's name
	mostLine    = 120  // characters of what a tool works on
	mostReason  = 1000 // characters of a sentence that came in
	mostRefused = 8000 // characters of all refused intents together
	mostTitle   = 256  // characters of a pull request's title
	mostPeople  = 10   // who are called by name
	mostMerged  = 20   // merged requests that are listed
)

// length is how long GitHub finds a text. It may count in UTF-16, where some characters are two.
func length(text string) int {
	n := 0
	for _, r := range text {
		n += max(1, utf16.RuneLen(r))
	}
	return n
}

// compose puts the agent's words below ours. They come last, because Markdown has too many ways to leave
// something open: nothing that they do can change what stands before them. If the whole is too long the
// words are cut.
func compose(head, words string) string {
	words = strings.TrimSpace(withoutMarkers(strings.ToValidUTF8(words, "\uFFFD")))
	if words == "" {
		return head
	}
	if head != "" {
		head += "\n\n---\n\n"
	}
	free := mostBody - room - length(head)
	if closed := closeFence(words); length(closed) <= free {
		return head + closed
	}
	head += fmt.Sprintf("_The text below is cut: it has %s characters._\n\n", thousands(length(words)))
	free = mostBody - room - length(head) - longestRun(words, '`') - longestRun(words, '~') - 1
	return head + closeFence(cut(words, free))
}

// withoutMarkers takes out our markers, those too that appear when others are taken out.
func withoutMarkers(text string) string {
	for {
		less := messages.StripMarkers(text)
		if less == text {
			return text
		}
		text = less
	}
}

// cut takes most from the beginning of a text, to the end of a line if one is near.
func cut(text string, most int) string {
	end, n := 0, 0
	for i, r := range text {
		if n += max(1, utf16.RuneLen(r)); n > most {
			break
		}
		end = i + utf8.RuneLen(r)
	}
	if line := strings.LastIndexByte(text[:end], '\n'); line > end-end/10 {
		end = line
	}
	return strings.TrimRight(text[:end], " \n")
}

// closeFence closes a fenced code block that a text leaves open, so that the marker below it stays
// invisible. Blocks in lists and quotes end with these.
func closeFence(text string) string {
	open := ""
	for line := range strings.SplitSeq(text, "\n") {
		line = strings.TrimRight(line, " \t\r")
		if open == "" {
			// The info string of a ` fence has no ` in it; what has is a code span.
			if run := fenceRun(line); run != "" && (run[0] == '~' || !strings.Contains(line[len(run):], "`")) {
				open = run
			}
			continue
		}
		rest := strings.TrimLeft(line, " ")
		if run := fenceRun(rest); run == rest && len(run) >= len(open) && run[0] == open[0] && len(line)-len(rest) <= 3 {
			open = ""
		}
	}
	if open == "" {
		return text
	}
	return strings.TrimRight(text, "\n") + "\n" + open
}

// fenceRun is the three or more ` or ~ that a line begins with.
func fenceRun(line string) string {
	if line == "" || line[0] != '`' && line[0] != '~' {
		return ""
	}
	run := line[:len(line)-len(strings.TrimLeft(line, line[:1]))]
	if len(run) < 3 {
		return ""
	}
	return run
}

func thousands(n int) string {
	if n < 1000 {
		return fmt.Sprint(n)
	}
	return fmt.Sprintf("%s,%03d", thousands(n/1000), n%1000)
}
