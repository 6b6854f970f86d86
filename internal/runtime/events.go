package runtime

import (
	"bytes"
	"encoding/json"

	"devs-webhook/messages"
)

const (
	// maxEventLine bounds one line. The runner's own stay far below it.
	maxEventLine = 1 << 20
	// maxEventGap is how far ahead of the last number the next may be. A gap is possible where the
	// engine's log was rotated away; a forged number beyond it would otherwise hide all that follow.
	maxEventGap = 10_000
)

// Events turns the runner's output, as it comes in, into events: each number once, rising. Lines that
// are too long, not an event, repeated or numbered absurdly are passed over. It belongs to one goroutine.
type Events struct {
	last int64
	emit func(messages.AgentEvent)
	line []byte
	skip bool // the rest of a line that is too long
}

// NewEvents makes a reader that passes events numbered above after to emit.
func NewEvents(after int64, emit func(messages.AgentEvent)) *Events {
	return &Events{last: after, emit: emit}
}

// Last is the number of the newest event that was passed on.
func (e *Events) Last() int64 { return e.last }

// Restart forgets an unfinished line: the source is read from its start again.
func (e *Events) Restart() {
	e.line, e.skip = e.line[:0], false
}

// Write takes the next piece of the stream. It never fails.
func (e *Events) Write(p []byte) (int, error) {
	n := len(p)
	for len(p) > 0 {
		end := bytes.IndexByte(p, '\n')
		if end < 0 {
			e.keep(p)
			break
		}
		e.keep(p[:end])
		if !e.skip {
			e.take(e.line)
		}
		e.Restart()
		p = p[end+1:]
	}
	return n, nil
}

func (e *Events) keep(p []byte) {
	if e.skip {
		return
	}
	if len(e.line)+len(p) > maxEventLine {
		e.line, e.skip = nil, true
		return
	}
	e.line = append(e.line, p...)
}

func (e *Events) take(line []byte) {
	var event messages.AgentEvent
	if json.Unmarshal(line, &event) != nil || event.Kind == "" {
		return
	}
	if event.Seq <= e.last || event.Seq-e.last > maxEventGap {
		return
	}
	e.last = event.Seq
	e.emit(event)
}
