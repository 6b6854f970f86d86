package agent

import (
	"strings"
	"testing"
	"unicode/utf8"

	"devs-webhook/messages"
)

func TestCommandSaysItsLines(t *testing.T) {
	p := &commandParser{}
	events := p.Line([]byte("\x1b[1;32mok\x1b[0m all \x1b]0;title\x07tests\r"))
	events = append(events, p.Line([]byte("   "))...)
	events = append(events, p.Line([]byte("10%\r60%\r100%"))...)
	if len(events) != 2 || events[0].Text != "ok all tests" || events[1].Text != "100%" || events[0].Kind != messages.EventWords {
		t.Errorf("events %+v", events)
	}
	if end := p.End(0, ""); end.Ending != messages.EndSucceeded || end.Words != "ok all tests\n   \n100%" || end.Detail != "" {
		t.Errorf("end %+v", end)
	}
}

func TestCommandEndsByItsExit(t *testing.T) {
	for _, c := range []struct {
		exit   int
		signal string
		detail string
	}{{3, "", "the agent ended with exit code 3"}, {137, "SIGKILL", "the agent was ended by SIGKILL"}} {
		end := (&commandParser{}).End(c.exit, c.signal)
		if end.Ending != messages.EndAgentFailed || end.Detail != c.detail {
			t.Errorf("exit %d %s: %+v", c.exit, c.signal, end)
		}
	}
}

func TestCommandKeepsItsLastWords(t *testing.T) {
	p := &commandParser{}
	for range 3000 {
		p.Line([]byte(strings.Repeat("é€𝄞x", 60)))
	}
	p.Line([]byte("the end"))
	words := p.End(0, "").Words
	if n := utf8.RuneCountInString(words); n != maxWords || !strings.HasSuffix(words, "\nthe end") || !utf8.ValidString(words) {
		t.Errorf("%d characters, ending in %q", n, words[max(0, len(words)-20):])
	}
}
