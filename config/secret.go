package config

import (
	"fmt"
	"io"
)

// hidden is how a secret shows itself.
const hidden = "(set)"

// Secret is a value that must not be shown. However it is printed or encoded, it says only whether it is
// set. The zero Secret is empty.
type Secret struct {
	// A pointer, because fmt does not call methods on what it finds in unexported fields: of a struct that
	// keeps its Secret in one, it would print the characters, and so prints an address.
	value *string
}

// NewSecret makes a secret of a value.
func NewSecret(value string) Secret {
	if value == "" {
		return Secret{}
	}
	return Secret{&value}
}

// Reveal gives the value itself, "" if there is none.
func (s Secret) Reveal() string {
	if s.value == nil {
		return ""
	}
	return *s.value
}

// Empty says whether there is no value.
func (s Secret) Empty() bool { return s.value == nil }

// String hides the value.
func (s Secret) String() string {
	if s.Empty() {
		return ""
	}
	return hidden
}

// GoString hides the value.
func (s Secret) GoString() string { return fmt.Sprintf("config.Secret{%s}", s.String()) }

// Format hides the value from every verb of fmt.
func (s Secret) Format(f fmt.State, verb rune) {
	text := s.String()
	if verb == 'v' && f.Flag('#') {
		text = s.GoString()
	}
	_, _ = io.WriteString(f, text)
}

// MarshalText hides the value.
func (s Secret) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// MarshalJSON hides the value.
func (s Secret) MarshalJSON() ([]byte, error) { return []byte(`"` + s.String() + `"`), nil }
