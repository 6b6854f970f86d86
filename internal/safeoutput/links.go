package safeoutput

import (
	"regexp"
	"strings"
)

// docHosts are linked to from everywhere: they show documentation, take nothing in from a link, and nobody
// can put a page of their own there.
var docHosts = []string{
	"docs.github.com", "go.dev", "pkg.go.dev", "docs.python.org", "peps.python.org", "docs.rs", "doc.rust-lang.org",
	"developer.mozilla.org", "nodejs.org", "www.typescriptlang.org", "react.dev", "docs.docker.com", "kubernetes.io",
	"docs.oracle.com", "learn.microsoft.com", "www.postgresql.org", "www.sqlite.org", "git-scm.com", "www.rfc-editor.org",
}

func hostSet(hosts []string) map[string]bool {
	set := map[string]bool{}
	for _, h := range docHosts {
		set[h] = true
	}
	for _, h := range hosts {
		set[strings.ToLower(strings.TrimSpace(h))] = true
	}
	return set
}

// A link that is kept has one of these forms and no other. There is no user, no code and no backslash
// before the path, so that what is checked is what a browser goes to.
var (
	address  = regexp.MustCompile(`^(?i:https?)://([A-Za-z0-9.-]+(?::[0-9]{1,5})?)`)
	pathTail = regexp.MustCompile("^[/?#][^\\s<>\"'`()\\[\\]{}|\\\\^*]*")
	relative = regexp.MustCompile(`^(?:#|\.{0,2}/)?[A-Za-z0-9_.~-][A-Za-z0-9_./~#?=%+,-]*$`)
	// Any address in running text: what is not kept goes as far as this.
	anyAddress = regexp.MustCompile("^(?i:(?:https?|ftp)://|www\\.)[^\\s<>\"`()\\[\\]|]*")
	another    = regexp.MustCompile(`(?i)www\.|:/`) // in a path: where a renderer may see one that begins
	hostPart   = regexp.MustCompile(`^[A-Za-z0-9.-]{1,100}(?::[0-9]{1,5})?`)
)

// hostEnds are the characters that may follow a host without belonging to it.
const hostEnds = " \t\n)],;!'\"<>*|"

// kept is the beginning of text if that is an address of an allowed host, or nothing.
func (f *filter) kept(text string) string {
	m := address.FindStringSubmatch(text)
	if m == nil || !f.hosts[strings.ToLower(strings.TrimRight(m[1], "."))] {
		return ""
	}
	rest := text[len(m[0]):]
	if rest != "" && strings.IndexByte("/?#", rest[0]) >= 0 {
		tail := pathTail.FindString(rest)
		if another.MatchString(tail) {
			return ""
		}
		return m[0] + tail
	}
	if rest != "" && strings.IndexByte(hostEnds, rest[0]) < 0 {
		return ""
	}
	return m[0]
}

// keptWhole says whether a whole link target is allowed: an address of an allowed host, or a place on the
// same one.
func (f *filter) keptWhole(target string) bool {
	if relative.MatchString(target) && !another.MatchString(target) {
		return true
	}
	return target != "" && f.kept(target) == target
}

// inert is an address that mentions nobody, as far as a search for words goes.
func inert(address string) string { return strings.ReplaceAll(address, "@", "%40") }

// lost is what is written for an address that is not kept. It names the host, so that a person can ask.
func lost(address string) string {
	_, rest, ok := strings.Cut(address, "://")
	if !ok {
		rest = address
	}
	if at := strings.LastIndexByte(strings.SplitN(rest, "/", 2)[0], '@'); at >= 0 {
		rest = rest[at+1:]
	}
	for len(rest) >= 4 && strings.EqualFold(rest[:4], "www.") {
		rest = rest[4:]
	}
	host := strings.Trim(hostPart.FindString(rest), ".-")
	if host == "" || strings.HasPrefix(strings.ToLower(host), "www.") {
		return "(link removed)"
	}
	return "(link to " + host + " removed)"
}

// addressStart says whether a link may begin here: quickly, because it is asked at each character.
func addressStart(text string, before byte) bool {
	switch text[0] {
	case 'h', 'H', 'f', 'F':
		return anyAddress.MatchString(text[:min(len(text), 8)])
	case 'w', 'W':
		return !alnum(before) && len(text) > 4 && strings.EqualFold(text[:4], "www.")
	}
	return false
}

// address writes the address that text begins with, kept or lost, and gives its length.
func (f *filter) address(text string) (out string, n int) {
	if k := f.kept(text); k != "" {
		return inert(k), len(k)
	}
	whole := anyAddress.FindString(text)
	return lost(whole), len(strings.TrimRight(whole, ".,;:!?'*_~"))
}

// plainEnd is what may follow an address so that GitHub's own search for its end, which goes on to the next
// space or angle bracket and then back over these signs, ends where ours does.
var plainEnd = regexp.MustCompile(`^[?!.,:;*_~)'"]*(?:[ \t<]|$)`)

// delimited is an address as it is written in Markdown: in angle brackets, unless its end is clear.
func delimited(address, follows string, bracket bool) string {
	if plainEnd.MatchString(follows) || bracket && strings.HasPrefix(follows, "]") {
		return address
	}
	return "<" + address + ">"
}

// plainLinks is for text that is not Markdown: GitHub makes links of addresses there, too.
func (f *filter) plainLinks(text string) string {
	var b strings.Builder
	before := byte(0)
	for i := 0; i < len(text); {
		if addressStart(text[i:], before) {
			out, n := f.address(text[i:])
			b.WriteString(out)
			i += n
			before = ')'
			continue
		}
		before = text[i]
		b.WriteByte(before)
		i++
	}
	return b.String()
}
