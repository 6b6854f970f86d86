package safeoutput

import (
	"encoding/base64"
	"encoding/hex"
	"net/url"
	"regexp"
	"slices"
	"strings"
)

const redacted = "[redacted]"

// minSecret is the length below which a value is not searched for: it would be found everywhere.
const minSecret = 8

// patterns are the forms of secrets that we may not know. GitHub's installation tokens may hold dots and
// dashes since 2026.
var patterns = regexp.MustCompile(`(?s)` + strings.Join([]string{
	`gh[pousr]_[A-Za-z0-9._-]{20,}`, `github_pat_[A-Za-z0-9_]{20,}`,
	`sk-ant-[A-Za-z0-9_-]{16,}`, `sk-(?:proj-)?[A-Za-z0-9_-]{32,}`,
	`(?:AKIA|ASIA)[A-Z0-9]{16}`, `xox[abeoprs]-[A-Za-z0-9-]{10,}`,
	`eyJ[A-Za-z0-9_-]{10,}\.eyJ[A-Za-z0-9_-]{10,}\.[A-Za-z0-9_-]{10,}`,
	`-----BEGIN [A-Z ]*PRIVATE KEY-----.*?(?:-----END [A-Z ]*PRIVATE KEY-----|$)`,
}, "|"))

// redact takes out known secrets, plain or encoded, and what looks like one.
func redact(text string, secrets []string) string {
	for _, form := range forms(secrets) {
		text = strings.ReplaceAll(text, form, redacted)
	}
	for _, secret := range secrets {
		if len(secret) >= minSecret {
			text = redactSplit(text, secret)
		}
	}
	return patterns.ReplaceAllString(text, redacted)
}

// forms are the encodings that a secret is searched in, the longest first.
func forms(secrets []string) []string {
	var list []string
	for _, s := range secrets {
		if len(s) < minSecret {
			continue
		}
		list = append(list, s, reverse(s), hex.EncodeToString([]byte(s)), strings.ToUpper(hex.EncodeToString([]byte(s))),
			url.QueryEscape(s), url.PathEscape(s))
		list = append(list, inBase64(s)...)
	}
	slices.SortFunc(list, func(a, b string) int { return len(b) - len(a) })
	return slices.Compact(list)
}

// inBase64 is what a secret looks like within a longer text in base64: it may begin at any of three
// alignments, and only the characters that depend on nothing else are searched for.
func inBase64(s string) []string {
	var list []string
	for _, encoding := range []*base64.Encoding{base64.RawStdEncoding, base64.RawURLEncoding} {
		for shift := range 3 {
			encoded := encoding.EncodeToString([]byte(strings.Repeat("\x00", shift) + s))
			from := (shift*8 + 5) / 6
			to := (shift + len(s)) * 8 / 6
			if to-from >= minSecret {
				list = append(list, encoded[from:to])
			}
		}
	}
	return list
}

// redactSplit finds a secret whose characters were drawn apart by white space or punctuation.
func redactSplit(text, secret string) string {
	between := func(c byte) bool { return strings.IndexByte(" \t\n-_.,:;|/'\"`*", c) >= 0 }
	for from := 0; from < len(text); {
		start := strings.IndexByte(text[from:], secret[0])
		if start < 0 {
			return text
		}
		start += from
		i, j := start, 0
		for i < len(text) && j < len(secret) && i-start < 8*len(secret) {
			switch {
			case text[i] == secret[j]:
				i, j = i+1, j+1
			case between(text[i]):
				i++
			default:
				i = len(text)
			}
		}
		if j == len(secret) {
			text = text[:start] + redacted + text[i:]
			from = start + len(redacted)
			continue
		}
		from = start + 1
	}
	return text
}

func reverse(s string) string {
	b := []byte(s)
	slices.Reverse(b)
	return string(b)
}
