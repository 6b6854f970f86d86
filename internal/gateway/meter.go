package gateway

import (
	"bytes"
	"encoding/json"

	"devs-webhook/messages"
)

// meter reads along with an answer and finds what it used.
type meter interface {
	write(part []byte)
	usage() messages.Usage
}

// noMeter is for answers that cost nothing.
type noMeter struct{}

func (noMeter) write([]byte)          {}
func (noMeter) usage() messages.Usage { return messages.Usage{} }

// reported is a `usage` of the API. In a stream, message_start has all of it, and each message_delta the
// cumulative figures of what has changed.
type reported struct {
	Input      *int64 `json:"input_tokens"`
	Output     *int64 `json:"output_tokens"`
	CacheRead  *int64 `json:"cache_read_input_tokens"`
	CacheWrite *int64 `json:"cache_creation_input_tokens"`
	Creation   *struct {
		Hour int64 `json:"ephemeral_1h_input_tokens"`
	} `json:"cache_creation"`
}

// message is what is known of one message of the model.
type message struct {
	model                               string
	input, output, cacheRead, cacheHour int64
	cacheWrite                          int64 // with cacheHour
}

// learn takes over the figures that are there.
func (m *message) learn(r reported) {
	for _, f := range []struct {
		to   *int64
		from *int64
	}{{&m.input, r.Input}, {&m.output, r.Output}, {&m.cacheRead, r.CacheRead}, {&m.cacheWrite, r.CacheWrite}} {
		if f.from != nil {
			*f.to = max(0, *f.from)
		}
	}
	if r.Creation != nil {
		m.cacheHour = r.Creation.Hour
	}
	m.cacheHour = min(max(0, m.cacheHour), m.cacheWrite)
}

func (m *message) usage() messages.Usage {
	return messages.Usage{
		Requests: 1, Input: m.input, Output: m.output, CacheRead: m.cacheRead, CacheWrite: m.cacheWrite, CostUSD: cost(m),
	}
}

// maxCounted is the largest answer without a stream that is counted. The longest that a model gives is
// some 130,000 tokens, far below.
const maxCounted = 8 << 20

// jsonMeter counts an answer that is one JSON object.
type jsonMeter struct{ text []byte }

func (j *jsonMeter) write(part []byte) {
	if len(j.text) <= maxCounted {
		j.text = append(j.text, part...)
	}
}

func (j *jsonMeter) usage() messages.Usage {
	var answer struct {
		Model string    `json:"model"`
		Usage *reported `json:"usage"`
	}
	if len(j.text) > maxCounted || json.Unmarshal(j.text, &answer) != nil || answer.Usage == nil {
		return messages.Usage{}
	}
	m := message{model: answer.Model}
	m.learn(*answer.Usage)
	return m.usage()
}

// maxLine is the longest line of a stream that is looked at. A message begins with an empty content.
const maxLine = 256 << 10

// streamMeter counts a stream of events, as far as it came.
type streamMeter struct {
	line    []byte // the beginning of one
	skip    bool   // it is too long
	seen    bool   // a message has begun
	message message
}

func (s *streamMeter) write(part []byte) {
	for len(part) > 0 {
		line, rest, ended := bytes.Cut(part, []byte("\n"))
		if len(s.line)+len(line) > maxLine {
			s.skip = true
		}
		if !s.skip {
			s.line = append(s.line, line...)
		}
		if ended {
			if !s.skip {
				s.event(s.line)
			}
			s.line, s.skip = s.line[:0], false
		}
		part = rest
	}
}

// event looks at a line, if it may be one of the two that tell of usage. A stream is one message: a second
// beginning of one, which the API does not send, adds nothing.
func (s *streamMeter) event(line []byte) {
	data, ok := bytes.CutPrefix(line, []byte("data:"))
	if !ok || !bytes.Contains(data, []byte(`"usage"`)) {
		return
	}
	var event struct {
		Type    string `json:"type"`
		Message struct {
			Model string   `json:"model"`
			Usage reported `json:"usage"`
		} `json:"message"`
		Usage reported `json:"usage"`
	}
	if json.Unmarshal(data, &event) != nil {
		return
	}
	switch event.Type {
	case "message_start":
		if !s.seen {
			s.seen, s.message.model = true, event.Message.Model
			s.message.learn(event.Message.Usage)
		}
	case "message_delta":
		if s.seen {
			s.message.learn(event.Usage)
		}
	}
}

func (s *streamMeter) usage() messages.Usage {
	if !s.seen {
		return messages.Usage{}
	}
	return s.message.usage()
}
