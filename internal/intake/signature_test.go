package intake_test

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"strings"
	"testing"

	"devs-webhook/internal/intake"
)

func sign(secret, body string) string {
	mac := hmac.New(sha256.New, []byte(secret))
	mac.Write([]byte(body))
	return "sha256=" + hex.EncodeToString(mac.Sum(nil))
}

func TestVerify(t *testing.T) {
	// GitHub's own test vector (docs.github.com, "Validating webhook deliveries").
	const secret, body = "It's a Secret to Everybody", "Hello, World!"
	const vector = "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17"
	tests := []struct {
		name    string
		secrets []string
		body    string
		header  string
		want    int
	}{
		{"vector", []string{secret}, body, vector, 0},
		{"previous secret", []string{"new", secret}, body, vector, 1},
		{"both the same", []string{secret, secret}, body, vector, 0},
		{"another body", []string{secret}, body + " ", vector, -1},
		{"another secret", []string{"x"}, body, vector, -1},
		{"no secrets", nil, body, vector, -1},
		{"an empty secret opens nothing", []string{"", ""}, body, sign("", body), -1},
		{"empty secret before the right one", []string{"", secret}, body, vector, 1},
		{"no header", []string{secret}, body, "", -1},
		{"no prefix", []string{secret}, body, strings.TrimPrefix(vector, "sha256="), -1},
		{"SHA-1", []string{secret}, body, "sha1=" + strings.TrimPrefix(vector, "sha256="), -1},
		{"too short", []string{secret}, body, vector[:len(vector)-2], -1},
		{"too long", []string{secret}, body, vector + "00", -1},
		{"not hexadecimal", []string{secret}, body, "sha256=" + strings.Repeat("zz", 32), -1},
		{"not ASCII", []string{secret}, body, "sha256=é" + vector[9:], -1},
		{"upper case digits", []string{secret}, body, "sha256=" + strings.ToUpper(vector[7:]), 0},
		{"empty body", []string{secret}, "", sign(secret, ""), 0},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var secrets [][]byte
			for _, s := range tt.secrets {
				secrets = append(secrets, []byte(s))
			}
			if got := intake.Verify(secrets, []byte(tt.body), tt.header); got != tt.want {
				t.Errorf("Verify = %d, want %d", got, tt.want)
			}
		})
	}
}
