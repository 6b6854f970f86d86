package safeoutput

import (
	"bufio"
	"encoding/json"
	"errors"
	"io"
	"io/fs"

	"devs-webhook/messages"
)

// Limits of the record of a run.
const (
	maxEventCount = 50_000
	maxEventLine  = 64 << 10 // bytes; a longer one is passed over
	maxEventText  = 4_000    // characters
)

// readEvents reads events.jsonl, leaving out what is no event.
func (o *Output) readEvents(dir string) error {
	f, err := open(dir, eventsFile, maxEvents)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if hostile, ok := errors.AsType[*hostileError](err); ok {
		o.refuse(eventsFile + " was not read: " + hostile.what + ".")
		return nil
	}
	if err != nil {
		return err
	}
	defer f.Close()
	o.Events, err = parseEvents(io.LimitReader(f, maxEvents))
	return err
}

// parseEvents reads one event per line. Numbers rise; a line that breaks the order, is too long, or is no
// event is passed over.
func parseEvents(r io.Reader) ([]messages.AgentEvent, error) {
	var events []messages.AgentEvent
	in := bufio.NewReaderSize(r, maxEventLine)
	last := int64(0)
	for len(events) < maxEventCount {
		line, err := in.ReadSlice('\n')
		tooLong := false
		for errors.Is(err, bufio.ErrBufferFull) {
			tooLong = true
			_, err = in.ReadSlice('\n')
		}
		if err != nil && !errors.Is(err, io.EOF) {
			return nil, err
		}
		if e, ok := parseEvent(line); ok && !tooLong && e.Seq > last {
			events, last = append(events, e), e.Seq
		}
		if err != nil {
			break
		}
	}
	return events, nil
}

func parseEvent(line []byte) (messages.AgentEvent, bool) {
	var e messages.AgentEvent
	if json.Unmarshal(line, &e) != nil || e.Seq < 1 || !knownEvent(e.Kind) {
		return e, false
	}
	e.At = sensible(e.At)
	e.Tool, e.Text = cutRunes(oneLine(e.Tool), maxName), cutRunes(clean(e.Text), maxEventText)
	return e, true
}

func knownEvent(k messages.EventKind) bool {
	switch k {
	case messages.EventStarted, messages.EventWords, messages.EventTool, messages.EventToolEnd,
		messages.EventRetry, messages.EventNotice, messages.EventRunner, messages.EventEnd:
		return true
	}
	return false
}
