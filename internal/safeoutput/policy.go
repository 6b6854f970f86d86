package safeoutput

import (
	"fmt"
	"strings"
	"unicode/utf8"
)

// Limits of what is put on GitHub, in characters. GitHub's own for a body is 65,536; the rest is for what
// the service adds.
const (
	maxBody   = 60_000
	maxHead   = 200
	maxCommit = 20_000
	maxWord   = 40
)

// Policy says what one task's texts may do. The zero value allows nothing.
type Policy struct {
	Requesters   []string // logins that may be mentioned
	OwnIssue     int      // number of the issue that the text may close; 0 for none
	Repo         string   // owner/name that OwnIssue is in
	AllowedHosts []string // host or host:port that links may lead to: GitHub's own; a few for documentation are added
	Secrets      []string // values that must not get out, in any usual encoding
}

// settle is how often a text is filtered at most until nothing changes any more. One round does nearly
// always; a second is needed when what was taken out had kept two halves apart.
const settle = 8

// Body is a text as Markdown for a comment or the description of a pull request, at most 60,000 characters
// long. It is closed in itself: what is written after it is not drawn into a code block of its own.
func (p Policy) Body(text string) string {
	f := p.filter()
	for range settle {
		next := f.body(text)
		if next == text {
			return next
		}
		text = next
	}
	return plainly(f, text)
}

// Title is a text as the title of a pull request: one line of at most 200 characters. It can be empty.
func (p Policy) Title(text string) string {
	f := p.filter()
	return f.steady(text, func(s string) string {
		s = strings.TrimSpace(f.plain(oneLine(s)))
		if short := cutRunes(s, maxHead); len(short) < len(s) {
			s = strings.TrimSpace(cutRunes(s, maxHead-1)) + "…"
		}
		return s
	})
}

// CommitMessage is a text as the message of a commit, at most 20,000 characters long and never empty. A
// message that holds nothing to filter comes back unchanged to the byte.
func (p Policy) CommitMessage(text string) string {
	f := p.filter()
	text = f.steady(text, func(s string) string { return f.plain(cutRunes(clean(s), maxCommit)) })
	if strings.TrimSpace(text) == "" {
		return "Update\n"
	}
	return text
}

// BranchWord is a text as a part of a branch's name: lower-case ASCII letters, digits and single hyphens,
// at most 40 of them. It can be empty.
func (p Policy) BranchWord(text string) string {
	text, _ = p.Redact(clean(text))
	text = strings.ReplaceAll(text, redacted, " ")
	var b strings.Builder
	for _, r := range strings.ToLower(text) {
		switch {
		case b.Len() == maxWord:
		case r >= 'a' && r <= 'z', r >= '0' && r <= '9':
			b.WriteRune(r)
		case b.Len() > 0 && !strings.HasSuffix(b.String(), "-"):
			b.WriteByte('-')
		}
	}
	return strings.Trim(b.String(), "-")
}

// Redact takes out secrets only, and counts the places: above 0 a person should hear of it. The other
// methods redact as well.
func (p Policy) Redact(text string) (string, int) {
	return p.filter().secrets.redact(text)
}

// filter is a policy made ready for work.
type filter struct {
	policy  Policy
	hosts   map[string]bool
	secrets *secretFinder
}

func (p Policy) filter() *filter {
	return &filter{policy: p, hosts: hostSet(p.AllowedHosts), secrets: newSecretFinder(p.Secrets)}
}

// steady applies a step until nothing changes any more.
func (f *filter) steady(text string, step func(string) string) string {
	for range settle {
		next := step(text)
		if next == text {
			break
		}
		text = next
	}
	return text
}

// plain is the filter for text that GitHub does not render as Markdown.
func (f *filter) plain(text string) string {
	text, _ = f.secrets.redact(text)
	text = f.plainLinks(text)
	return unmark(f.words(text, nil, true))
}

// body is one round of the filter for Markdown.
func (f *filter) body(text string) string {
	text, _ = f.secrets.redact(clean(text))
	whole := utf8.RuneCountInString(text)
	keep := min(whole, maxBody)
	out := f.markdown(text, whole, keep)
	for n := utf8.RuneCountInString(out); n > maxBody; n = utf8.RuneCountInString(out) {
		// Escaping made it longer. Less of it will fit; the loop ends because keep shrinks by a tenth at least.
		keep = min(keep*maxBody/n, keep*9/10)
		out = f.markdown(text, whole, keep)
	}
	return out
}

// markdown filters the first keep characters of a text, and says so if that is not the whole.
func (f *filter) markdown(text string, whole, keep int) string {
	note := ""
	if keep < whole {
		note = fmt.Sprintf("\n\n(cut here: the text had %d characters)", whole)
		text = cutRunes(text, max(keep-len(note), 0))
		if i := strings.LastIndexByte(text, '\n'); i > len(text)-2_000 && i > 0 {
			text = text[:i]
		}
		text = strings.TrimRight(text, "\n")
	}
	doc := f.structure(text)
	return unmark(f.words(doc.text, doc.code, false)) + note
}

// plainly shows a text that does not settle as one block of code, in which nothing acts. No text is known
// that needs it.
func plainly(f *filter, text string) string {
	text, _ = f.secrets.redact(clean(text))
	text = cutRunes(strings.ReplaceAll(strings.ReplaceAll(text, "`", "'"), "@", "(at)"), maxBody-20)
	return unmark("```\n" + strings.ReplaceAll(text, "/", "∕") + "\n```")
}

// The beginning of the service's own marker, and what it is turned into. See messages.Marker: it counts on
// any text of our own account, in code as well.
const (
	ownMarker  = "<!-- devs-webhook"
	lostMarker = "<!-- devs webhook"
)

func unmark(text string) string { return strings.ReplaceAll(text, ownMarker, lostMarker) }
