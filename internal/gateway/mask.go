package gateway

import (
	"bytes"
	"io"
	"strings"
)

// mask replaces secrets by as many asterisks, so that the length of a text stays as it was said to be.
type mask struct{ secrets [][]byte }

func newMask(secrets ...string) mask {
	var m mask
	for _, s := range secrets {
		if s != "" {
			m.secrets = append(m.secrets, []byte(s))
		}
	}
	return m
}

// text is a text without the secrets.
func (m mask) text(s string) string {
	for _, secret := range m.secrets {
		s = strings.ReplaceAll(s, string(secret), strings.Repeat("*", len(secret)))
	}
	return s
}

// hide replaces the secrets that are whole in b, in place.
func (m mask) hide(b []byte) {
	for _, secret := range m.secrets {
		for at := 0; ; {
			i := bytes.Index(b[at:], secret)
			if i < 0 {
				break
			}
			at += i + len(secret)
			copy(b[at-len(secret):at], bytes.Repeat([]byte("*"), len(secret)))
		}
	}
}

// open is how many bytes at the end of b are the beginning of a secret: what comes next decides.
func (m mask) open(b []byte) int {
	longest := 0
	for _, secret := range m.secrets {
		for n := min(len(b), len(secret)-1); n > longest; n-- {
			if bytes.HasSuffix(b, secret[:n]) {
				longest = n
				break
			}
		}
	}
	return longest
}

// maskReader is a stream without the secrets. It holds back only what may be the beginning of one, so an
// event of a stream, which ends in a line feed, is never late.
type maskReader struct {
	mask
	from io.Reader
	held []byte // read, hidden in, and not given out
	err  error  // of from, once held is given out
}

// Read gives what the next read of the stream brought.
func (r *maskReader) Read(p []byte) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	for {
		ready := len(r.held)
		if r.err == nil {
			ready -= r.open(r.held)
		}
		if ready > 0 {
			n := copy(p, r.held[:ready])
			r.held = r.held[n:]
			return n, nil
		}
		if r.err != nil {
			return 0, r.err
		}
		chunk := make([]byte, len(r.held)+len(p))
		n := copy(chunk, r.held)
		var more int
		more, r.err = r.from.Read(chunk[n:])
		r.held = chunk[:n+more]
		r.hide(r.held)
	}
}
