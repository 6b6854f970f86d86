package comment

import (
	"net/url"
	"regexp"
	"strings"
	"unicode"
	"unicode/utf8"

	"devs-webhook/messages"
)

// oneLine makes a single line of a text and takes out what cannot be seen: control characters, and the
// format characters that reorder or hide text. It is cut after most characters, with an ellipsis.
func oneLine(text string, most int) string {
	var b strings.Builder
	space, count := false, 0
	for _, r := range strings.ToValidUTF8(text, "\uFFFD") {
		switch {
		case unicode.IsSpace(r) || unicode.IsControl(r):
			space = b.Len() > 0
			continue
		case unicode.Is(unicode.Cf, r) || unicode.Is(unicode.Co, r):
			continue
		}
		if space && count+1 >= most || count >= most {
			return b.String() + "…"
		}
		if space {
			b.WriteByte(' ')
			count++
		}
		space = false
		b.WriteRune(r)
		count++
	}
	return b.String()
}

// code is a text as a code span: nothing in it means anything to Markdown or GitHub.
func code(text string, most int) string {
	text = oneLine(text, most)
	if text == "" {
		return ""
	}
	ticks := strings.Repeat("`", longestRun(text, '`')+1)
	if text[0] == '`' || text[len(text)-1] == '`' {
		text = " " + text + " "
	}
	return ticks + text + ticks
}

// block is a text as a fenced code block.
func block(text string) string {
	fence := strings.Repeat("`", max(3, longestRun(text, '`')+1))
	return fence + "text\n" + strings.TrimRight(visible(text), "\n") + "\n" + fence
}

// visible takes out what cannot be seen, but line ends and tabs.
func visible(text string) string {
	return strings.Map(func(r rune) rune {
		if r == '\n' || r == '\t' {
			return r
		}
		if unicode.IsControl(r) || unicode.Is(unicode.Cf, r) || unicode.Is(unicode.Co, r) {
			return -1
		}
		return r
	}, strings.ToValidUTF8(text, "\uFFFD"))
}

// plain is a text that reads as written: Markdown's characters are escaped, and mentions, references and
// addresses are broken by a character of no width, since GitHub finds these after Markdown is done.
func plain(text string, most int) string {
	text = regexp.MustCompile(`(?i)@\b|#\b|\bgh-|:/|\bwww`).ReplaceAllString(oneLine(text, most), "$0\u200b")
	var b strings.Builder
	for i, r := range text {
		if strings.ContainsRune("\\`*_{}[]<>|~&$", r) || i == 0 && strings.ContainsRune("#+-=", r) {
			b.WriteByte('\\')
		}
		b.WriteRune(r)
	}
	return b.String()
}

// longestRun is the length of the longest run of a character.
func longestRun(text string, c rune) int {
	longest, run := 0, 0
	for _, r := range text {
		if r == c {
			run++
			longest = max(longest, run)
		} else {
			run = 0
		}
	}
	return longest
}

// login is a user's name as text that mentions nobody.
func login(u messages.User) string {
	if isLogin(u.Login) {
		return u.Login
	}
	return code(u.Login, mostName)
}

// mention calls a user by name; what is not a login is only shown.
func mention(u messages.User) string {
	if isLogin(u.Login) {
		return "@" + u.Login
	}
	return code(u.Login, mostName)
}

func isLogin(name string) bool {
	return regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9_-]{0,99}(\[bot\])?$`).MatchString(name)
}

// link is a link, or its text alone if the address is not one that can stand in a link. Text is our own.
func link(text, address string) string {
	u, err := url.Parse(address)
	if err != nil || u.Host == "" || u.Scheme != "https" && u.Scheme != "http" ||
		strings.ContainsAny(address, "<>()[]\\`\"' \t\r\n") || strings.ContainsFunc(address, unseen) {
		return text
	}
	return "[" + text + "](" + address + ")"
}

func unseen(r rune) bool { return r > unicode.MaxASCII || r < ' ' || r == utf8.RuneError }
