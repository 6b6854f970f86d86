package main

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/hex"
	"net/url"
	"strings"
	"time"
)

// sentinels are secrets that are searched for: plain, in base64 at each alignment, in hex, URL-encoded,
// reversed, and drawn apart.
type sentinels struct {
	forms  map[string]string // form → its name
	places map[string]string // where one was found, and in which form
	looked int
	text   bytes.Buffer // all that was looked at
}

func newSentinels(secrets []string) *sentinels {
	s := &sentinels{forms: map[string]string{}, places: map[string]string{}}
	for _, secret := range secrets {
		s.forms[secret] = "plain"
		s.forms[hex.EncodeToString([]byte(secret))] = "in hex"
		s.forms[strings.ToUpper(hex.EncodeToString([]byte(secret)))] = "in hex"
		if escaped := url.QueryEscape(secret); escaped != secret {
			s.forms[escaped] = "URL-encoded"
		}
		for shift := range 3 {
			text := base64.StdEncoding.EncodeToString([]byte(strings.Repeat("x", shift) + secret))
			s.forms[text[(shift*8+5)/6:(shift+len(secret))*8/6]] = "in base64"
		}
		runes := []rune(secret)
		for i, j := 0, len(runes)-1; i < j; i, j = i+1, j-1 {
			runes[i], runes[j] = runes[j], runes[i]
		}
		s.forms[string(runes)] = "reversed"
		s.forms[strings.Join(strings.Split(secret, ""), " ")] = "split"
	}
	return s
}

// in looks at one place.
func (s *sentinels) in(place string, text []byte) {
	s.looked++
	s.text.Write(text)
	for form, name := range s.forms {
		if bytes.Contains(text, []byte(form)) {
			s.places[place] = name
		}
	}
}

// seen says whether a word was in anything that was looked at.
func (s *sentinels) seen(word string) bool { return bytes.Contains(s.text.Bytes(), []byte(word)) }

// poll waits for a condition that nothing announces.
func (s *site) poll(what string, done func() bool) {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(s.t.Context(), time.Minute)
	defer cancel()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for !done() {
		select {
		case <-ctx.Done():
			s.t.Fatalf("%s did not come\n%s", what, s.log)
		case <-tick.C:
		}
	}
}
