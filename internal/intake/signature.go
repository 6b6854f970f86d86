package intake

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"strings"
)

// Verify reports which of the secrets made the signature: header is the value of X-Hub-Signature-256,
// body the request's body exactly as it came in. It returns the index of the secret, or -1 if none did.
// An empty secret never matches, so that an unset one opens nothing.
//
// GitHub signs with one secret only, so a change of secret without lost deliveries needs a receiver that
// accepts the old and the new one for a while (docs.github.com, "Validating webhook deliveries").
func Verify(secrets [][]byte, body []byte, header string) int {
	digits, ok := strings.CutPrefix(header, "sha256=")
	if !ok {
		return -1
	}
	sent, err := hex.DecodeString(digits)
	if err != nil {
		return -1
	}
	found := -1
	for i, secret := range secrets {
		if len(secret) == 0 {
			continue
		}
		mac := hmac.New(sha256.New, secret)
		mac.Write(body)
		if hmac.Equal(mac.Sum(nil), sent) && found < 0 {
			found = i
		}
	}
	return found
}
