package safeoutput

import (
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// disguised are ways in which an agent may try to get a value past a search for it.
var disguised = map[string]func(string) string{
	"plain":         func(s string) string { return s },
	"backwards":     func(s string) string { b := []byte(s); slices.Reverse(b); return string(b) },
	"hex":           func(s string) string { return hex.EncodeToString([]byte(s)) },
	"upper hex":     func(s string) string { return strings.ToUpper(hex.EncodeToString([]byte(s))) },
	"base64":        func(s string) string { return base64.StdEncoding.EncodeToString([]byte(s)) },
	"base64 after1": func(s string) string { return base64.StdEncoding.EncodeToString([]byte("x" + s + "yz")) },
	"base64 after2": func(s string) string { return base64.URLEncoding.EncodeToString([]byte("xy" + s + "z")) },
	"base64 raw":    func(s string) string { return base64.RawURLEncoding.EncodeToString([]byte("token=" + s)) },
	"query":         url.QueryEscape,
	"all percent": func(s string) string {
		var b strings.Builder
		for _, c := range []byte(s) {
			fmt.Fprintf(&b, "%%%02x", c)
		}
		return b.String()
	},
	"entities": func(s string) string {
		var b strings.Builder
		for _, c := range []byte(s) {
			fmt.Fprintf(&b, "&#%d;", c)
		}
		return b.String()
	},
	"escapes": func(s string) string {
		var b strings.Builder
		for _, c := range []byte(s) {
			fmt.Fprintf(&b, `\x%02x`, c)
		}
		return b.String()
	},
	"spaced":     func(s string) string { return strings.Join(strings.Split(s, ""), " ") },
	"by lines":   func(s string) string { return s[:5] + "\n" + s[5:11] + "\n\n> " + s[11:] },
	"zero width": func(s string) string { return strings.Join(strings.Split(s, ""), "\u200b") },
	"quoted":     func(s string) string { return `"` + s[:9] + `" + "` + s[9:] + `"` },
	"upper":      strings.ToUpper,
}

func TestSecretsDoNotGetOut(t *testing.T) {
	secrets := []string{"s3cr3t-Webhook/Value+1", "ghs_16C7e42F292c6912E7710c838347Ae178B4a", "sk-ant-api03-" + strings.Repeat("aB3dE6gH9", 10)}
	p := Policy{Secrets: secrets}
	for _, secret := range secrets {
		for name, disguise := range disguised {
			in := "before " + disguise(secret) + " after"
			out, found := p.Redact(clean(in))
			if found == 0 || !strings.HasPrefix(out, "before ") || !strings.HasSuffix(out, " after") {
				t.Errorf("%s of %s: %d found, %q", name, secret, found, out)
			}
			left := strings.NewReplacer(redacted, "", "before", "", "after", "").Replace(out)
			if len(letters(left)) > 10 { // what stands beside it in base64
				t.Errorf("%s of %s left %q", name, secret, out)
			}
		}
	}
}

// A secret whose beginning was cut off, so that no form is recognised.
func TestPartsOfSecretsDoNotGetOut(t *testing.T) {
	secret := "ghs_16C7e42F292c6912E7710c838347Ae178B4a"
	p := Policy{Secrets: []string{secret}}
	for _, part := range []string{secret[7:], secret[:30], secret[10:34]} {
		if out, n := p.Redact("x " + part + " y"); n != 1 || out != "x "+redacted+" y" {
			t.Errorf("%q became %q", part, out)
		}
	}
	for _, text := range []string{"16C7e42F", "nothing of the kind", "0123456789abcdef0123456789abcdef01234567"} {
		if out, n := p.Redact(text); n != 0 || out != text {
			t.Errorf("%q became %q", text, out)
		}
	}
}

func TestSecretsAreKnownByTheirForm(t *testing.T) {
	for _, secret := range []string{
		"ghp_" + strings.Repeat("a1B2", 9), "gho_" + strings.Repeat("a1B2", 9), "ghs_" + strings.Repeat("a1B2", 9), "ghr_" + strings.Repeat("a1B2", 19),
		"github_pat_11ABCDEFG0" + strings.Repeat("a1_B", 15), "sk-ant-api03-" + strings.Repeat("x-_9", 20), "AKIAIOSFODNN7EXAMPLE",
		"xoxb-123456789012-" + strings.Repeat("a", 24), "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0In0.dBjftJeZ4CVPmB92K27uhbUJU1p1r_wW1g",
		"-----BEGIN RSA PRIVATE KEY-----\nMIIEowIBAAKCAQEA0Z3\nVS5JJcds3xfn\n-----END RSA PRIVATE KEY-----",
		"-----BEGIN OPENSSH PRIVATE KEY-----\nb3BlbnNzaC1rZXktdjEAAAAABG5vbmU",
	} {
		in := "key=" + secret + "; and more"
		if out, n := (Policy{}).Redact(in); n != 1 || strings.Contains(out, secret[:12]) || !strings.HasSuffix(out, "and more") && !strings.Contains(secret, "OPENSSH") {
			t.Errorf("%q became %q", in, out)
		}
	}
	for _, text := range []string{"ghp_short", "a task-force of ten", "-----BEGIN CERTIFICATE-----\nMIIE\n-----END CERTIFICATE-----", "eyJ is how JSON begins", "v1.2.3"} {
		if out, n := (Policy{}).Redact(text); n != 0 {
			t.Errorf("%q became %q", text, out)
		}
	}
}

func TestShortValuesAreLeftAlone(t *testing.T) {
	p := Policy{Secrets: []string{"", "x", "secret"}}
	if out, n := p.Redact("no secret here, x"); n != 0 {
		t.Errorf("became %q", out)
	}
}

// Whatever a text holds beside it, a secret with at least 16 letters is gone afterwards.
func TestRedactLeavesNothing(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		secret := rapid.StringMatching(`[A-Za-z0-9_/+-]{20,60}`).Draw(t, "secret")
		if len(letters(secret)) < gram {
			t.Skip()
		}
		names := make([]string, 0, len(disguised))
		for name := range disguised {
			names = append(names, name)
		}
		slices.Sort(names)
		name := rapid.SampledFrom(names).Draw(t, "disguise")
		before := rapid.StringMatching(`[a-z &%\\=#;x]{0,10}`).Draw(t, "before")
		in := clean(before + "." + disguised[name](secret) + ".")
		p := Policy{Secrets: []string{secret}}
		out, n := p.Redact(in)
		if n == 0 {
			t.Fatalf("%s of %q not found in %q", name, secret, in)
		}
		if again, n := p.Redact(out); n != 0 {
			t.Fatalf("%q still has one: %q", out, again)
		}
	})
}
