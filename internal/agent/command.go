package agent

import (
	"bytes"
	"fmt"
	"regexp"
	"strings"

	"devs-webhook/messages"
)

// commandParser reads the output of any program: each line is something it said, the last of them are its
// words, and exit 0 is success.
type commandParser struct {
	words []byte
}

// keptWords is how much of the output is kept at least: maxWords characters of four bytes.
const keptWords = 4 * maxWords

// escapes are the sequences with which programs colour a terminal and move its cursor.
var escapes = regexp.MustCompile("\x1b(\\[[0-9;:?<=>!]*[ -/]*[@-~]|\\][^\x07\x1b]*(\x07|\x1b\\\\)|[()][0-9A-B]|[=>78cDEHM])")

// Line makes one event of the line, if there is anything in it.
func (p *commandParser) Line(line []byte) []messages.AgentEvent {
	// Of a line that a program wrote over itself, as progress bars do, the last version counts.
	line = bytes.TrimRight(line, "\r")
	line = line[bytes.LastIndexByte(line, '\r')+1:]
	text := hidden.ReplaceAllString(strings.ToValidUTF8(string(escapes.ReplaceAll(line, nil)), "\uFFFD"), "")
	p.keep(text)
	if strings.TrimSpace(text) == "" {
		return nil
	}
	return []messages.AgentEvent{{Kind: messages.EventWords, Text: cut(text, maxEventText)}}
}

// keep adds a line to the words. The buffer is let grow to twice what is needed before its front is dropped,
// so that each byte is moved once at most.
func (p *commandParser) keep(text string) {
	p.words = append(append(p.words, text...), '\n')
	if len(p.words) > 2*keptWords {
		p.words = append([]byte(nil), p.words[len(p.words)-keptWords:]...)
	}
}

// Done is always false: a program states its result by ending.
func (p *commandParser) Done() bool { return false }

// End judges by the exit code alone.
func (p *commandParser) End(exit int, signal string) End {
	end := End{Ending: messages.EndSucceeded, Words: strings.TrimSpace(tail(strings.TrimRight(string(p.words), "\n"), maxWords))}
	if detail := badExit(exit, signal); detail != "" {
		end.Ending, end.Detail = messages.EndAgentFailed, detail
	}
	return end
}

// badExit says what was wrong with a process's end, or nothing.
func badExit(exit int, signal string) string {
	switch {
	case signal != "":
		return "the agent was ended by " + signal
	case exit != 0:
		return fmt.Sprintf("the agent ended with exit code %d", exit)
	}
	return ""
}
