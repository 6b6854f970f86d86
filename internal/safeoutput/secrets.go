package safeoutput

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"html"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"
)

// redacted stands where a secret was.
const redacted = "[redacted]"

// What counts as a secret's value. Shorter ones would take words out of honest text.
const (
	minPlain   = 8  // bytes of a value that is looked for as it stands
	minLetters = 10 // letters and digits of a value that is also looked for in disguise
	gram       = 16 // letters and digits of a part that gives a longer value away
)

// secretForms are the credentials that can be told by their form, with where the form is written down:
// GitHub's prefixes (github.blog, "Behind GitHub's new authentication token formats"), the model's API
// keys, AWS access key ids, Slack's xox tokens, GitLab's and Google's keys, JSON web tokens (RFC 7519), and
// private keys in PEM (RFC 7468), with an end or without.
var secretForms = regexp.MustCompile(strings.Join([]string{
	`gh[oprsu]_[A-Za-z0-9]{16,}`,
	`github_pat_[A-Za-z0-9_]{16,}`,
	`sk-(?:ant|proj|svcacct|or)-[A-Za-z0-9_-]{12,}`,
	`sk-[A-Za-z0-9]{32,}`,
	`(?:AKIA|ASIA|ABIA|ACCA)[A-Z0-9]{16}`,
	`xox[abeoprs](?:\.[a-z]+)?-[A-Za-z0-9-]{10,}`,
	`xapp-[0-9]-[A-Za-z0-9-]{10,}`,
	`glpat-[A-Za-z0-9_-]{16,}`,
	`AIza[A-Za-z0-9_-]{35}`,
	`eyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{8,}`,
	`-----BEGIN [A-Z0-9 ]{0,40}PRIVATE KEY(?: BLOCK)?-----(?:[A-Za-z0-9+/=\s\\:,>|]|-[A-Za-z0-9])*(?:-----END [A-Z0-9 ]{0,40}PRIVATE KEY(?: BLOCK)?-----)?`,
}, "|"))

// formStarts are what those forms begin with: without one of them, there is none.
var formStarts = []string{
	"ghp_", "gho_", "ghr_", "ghs_", "ghu_", "github_pat_", "sk-", "AKIA", "ASIA", "ABIA", "ACCA", "xox", "xapp-", "glpat-", "AIza", "eyJ", "-----BEGIN ",
}

// secretFinder finds values: as they stand, and in the disguises that a program gives them easily - cut up
// by spaces or signs, as entities or percent codes, in base64 at any alignment, in hex, backwards - whole
// or in part.
type secretFinder struct {
	plain   []string
	needles []string
	grams   map[string]place // the parts by which needles are found
	short   []string         // needles too short to have parts
}

// place is where in which needle a part is.
type place struct{ needle, at int }

func newSecretFinder(values []string) *secretFinder {
	s := &secretFinder{grams: map[string]place{}}
	for _, v := range values {
		v = strings.TrimSpace(v)
		if len(v) < minPlain {
			continue
		}
		s.plain = append(s.plain, v)
		if len(letters(v)) < minLetters {
			continue
		}
		for _, d := range disguises(v) {
			s.add(letters(d))
		}
	}
	// Longer ones first, so that no value leaves the rest of one that it is a part of.
	slices.SortFunc(s.plain, func(a, b string) int { return len(b) - len(a) })
	return s
}

// add takes in a needle of letters and digits only.
func (s *secretFinder) add(needle string) {
	switch {
	case slices.Contains(s.needles, needle) || slices.Contains(s.short, needle) || len(needle) < minLetters:
		return
	case len(needle) < 2*gram:
		s.short = append(s.short, needle)
		return
	}
	s.needles = append(s.needles, needle)
	for at := 0; at+gram <= len(needle); at++ {
		part := needle[at : at+gram]
		if _, taken := s.grams[part]; !taken {
			s.grams[part] = place{len(s.needles) - 1, at}
		}
	}
}

// disguises are the forms in which a value is looked for.
func disguises(v string) []string {
	h := hex.EncodeToString([]byte(v))
	back := []byte(v)
	slices.Reverse(back)
	forms := []string{v, string(back), h, strings.ToUpper(h), url.QueryEscape(v), html.EscapeString(v), strings.ToUpper(v), strings.ToLower(v)}
	// Of base64 only what the value alone decides: the first characters depend on what stands before it, the
	// last on what follows. The alphabets differ in signs only, which letters drops.
	for shift, skip := range []int{0, 2, 3} {
		coded := base64.StdEncoding.EncodeToString(append(make([]byte, shift), v...))
		whole := (shift + len(v)) * 8 / 6
		forms = append(forms, coded[skip:whole])
	}
	return forms
}

// letters keeps the ASCII letters and digits of a text.
func letters(text string) string {
	return strings.Map(func(r rune) rune {
		if r < utf8.RuneSelf && alnum(byte(r)) {
			return r
		}
		return -1
	}, text)
}

func alnum(c byte) bool {
	return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9'
}

// span is a part of a text, from a byte to before another.
type span struct{ from, to int }

// redact takes all secrets out of a text, and counts the places.
func (s *secretFinder) redact(text string) (string, int) {
	var found []span
	if slices.ContainsFunc(formStarts, func(start string) bool { return strings.Contains(text, start) }) {
		for _, m := range secretForms.FindAllStringIndex(text, -1) {
			found = append(found, span{m[0], m[1]})
		}
	}
	for _, v := range s.plain {
		for at := 0; ; {
			i := strings.Index(text[at:], v)
			if i < 0 {
				break
			}
			found = append(found, span{at + i, at + i + len(v)})
			at += i + len(v)
		}
	}
	if len(s.needles)+len(s.short) > 0 {
		found = append(found, s.hidden(project(text, false))...)
		if strings.Contains(text, "%") || strings.Contains(text, `\`) {
			found = append(found, s.hidden(project(text, true))...)
		}
	}
	if len(found) == 0 {
		return text, 0
	}
	return replace(text, found)
}

// replace puts redacted in the place of spans, which may overlap.
func replace(text string, spans []span) (string, int) {
	slices.SortFunc(spans, func(a, b span) int { return a.from - b.from })
	var b strings.Builder
	end, n := 0, 0
	for _, s := range spans {
		if s.from < end || n > 0 && s.from == end {
			end = max(end, s.to)
			continue
		}
		b.WriteString(text[end:s.from])
		b.WriteString(redacted)
		end = s.to
		n++
	}
	b.WriteString(text[end:])
	return b.String(), n
}

// projection is what is left of a text if only letters and digits count, with the way back.
type projection struct {
	letters []byte
	from    []int // for each letter, where it begins in the text
	to      []int // and where it ends
}

var (
	entityCode  = regexp.MustCompile(`^&#(?:[xX]([0-9a-fA-F]{1,6})|([0-9]{1,7}));?`)
	percentCode = regexp.MustCompile(`^(?:%|\\x|\\u00|\\u\{)([0-9a-fA-F]{2})\}?`)
)

// project reduces a text. Entities count as the characters that they stand for; with percent set, percent
// and backslash codes do, too.
func project(text string, percent bool) projection {
	p := projection{letters: make([]byte, 0, len(text)), from: make([]int, 0, len(text)), to: make([]int, 0, len(text))}
	for i := 0; i < len(text); {
		c, n := text[i], 1
		switch {
		case c == '&':
			if m := entityCode.FindStringSubmatch(text[i:min(i+16, len(text))]); m != nil {
				c, n = codeOf(m[1], m[2]), len(m[0])
			}
		case percent && (c == '%' || c == '\\'):
			if m := percentCode.FindStringSubmatch(text[i:min(i+16, len(text))]); m != nil {
				c, n = codeOf(m[1], ""), len(m[0])
			}
		}
		if alnum(c) {
			p.letters, p.from, p.to = append(p.letters, c), append(p.from, i), append(p.to, i+n)
		}
		i += n
	}
	return p
}

// codeOf is the ASCII character of a code in hex or decimal, or 0.
func codeOf(hexa, decimal string) byte {
	v, err := strconv.ParseUint(hexa, 16, 32)
	if hexa == "" {
		v, err = strconv.ParseUint(decimal, 10, 32)
	}
	if err != nil || v > 0x7F {
		return 0
	}
	return byte(v)
}

// hidden finds needles, or parts of at least gram characters, in a projection.
func (s *secretFinder) hidden(p projection) []span {
	var found []span
	for _, needle := range s.short {
		for at := 0; ; {
			i := bytes.Index(p.letters[at:], []byte(needle))
			if i < 0 {
				break
			}
			found = append(found, span{p.from[at+i], p.to[at+i+len(needle)-1]})
			at += i + len(needle)
		}
	}
	if len(s.grams) == 0 {
		return found
	}
	for i := 0; i+gram <= len(p.letters); i++ {
		hit, ok := s.grams[string(p.letters[i:i+gram])]
		if !ok {
			continue
		}
		needle, from, to := s.needles[hit.needle], i, i+gram
		for at := hit.at + gram; at < len(needle) && to < len(p.letters) && needle[at] == p.letters[to]; at++ {
			to++
		}
		found = append(found, span{p.from[from], p.to[to-1]})
		i = to - 1
	}
	return found
}
