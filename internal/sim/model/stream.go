package model

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"time"
)

// stream writes server-sent events, each one at once.
type stream struct {
	w     http.ResponseWriter
	flush *http.ResponseController
	err   error // the first failure to write: the reader has gone
}

func newStream(w http.ResponseWriter) *stream {
	w.Header().Set("Content-Type", "text/event-stream; charset=utf-8")
	w.Header().Set("Cache-Control", "no-cache")
	w.WriteHeader(http.StatusOK)
	return &stream{w: w, flush: http.NewResponseController(w)}
}

func (s *stream) event(name string, fields map[string]any) {
	if s.err != nil {
		return
	}
	fields["type"] = name
	data, err := json.Marshal(fields)
	if err == nil {
		_, err = fmt.Fprintf(s.w, "event: %s\ndata: %s\n\n", name, data)
	}
	if err == nil {
		err = s.flush.Flush()
	}
	s.err = err
}

// whole is a message as it is given when no stream was asked for.
func whole(model string, number int, a answer) map[string]any {
	m := head(model, number, a)
	m["content"], m["stop_reason"] = a.blocks(number), a.stopReason()
	m["usage"] = usageFields(a.usage, a.usage.Output)
	return m
}

// head is a message before anything has been said.
func head(model string, number int, a answer) map[string]any {
	return map[string]any{
		"id": fmt.Sprintf("msg_sim%06d", number), "type": "message", "role": "assistant", "model": model,
		"content": []block{}, "stop_reason": nil, "stop_sequence": nil, "usage": usageFields(a.usage, 1),
	}
}

func usageFields(u Usage, output int64) map[string]any {
	return map[string]any{
		"input_tokens": u.Input, "output_tokens": output,
		"cache_read_input_tokens": u.CacheRead, "cache_creation_input_tokens": u.CacheWrite,
		"service_tier": "standard",
	}
}

// send streams a message, and says whether all of it went out. The count of output tokens in the last event is that
// of the whole message, not of what is new.
func (m *Model) send(r *http.Request, s *stream, model string, number int, a answer) bool {
	s.event("message_start", map[string]any{"message": head(model, number, a)})
	s.event("ping", map[string]any{})
	for i, b := range a.blocks(number) {
		start := b
		if b.Type == "tool_use" {
			start.Input = json.RawMessage("{}")
			s.event("content_block_start", map[string]any{"index": i, "content_block": start})
			for _, part := range halves(string(b.Input)) {
				s.event("content_block_delta", map[string]any{"index": i, "delta": map[string]any{"type": "input_json_delta", "partial_json": part}})
			}
		} else {
			s.event("content_block_start", map[string]any{"index": i, "content_block": map[string]any{"type": "text", "text": ""}})
			m.words(r, s, i, a)
		}
		s.event("content_block_stop", map[string]any{"index": i})
	}
	s.event("message_delta", map[string]any{
		"delta": map[string]any{"stop_reason": a.stopReason(), "stop_sequence": nil},
		"usage": map[string]any{"output_tokens": a.usage.Output},
	})
	s.event("message_stop", map[string]any{})
	return s.err == nil
}

// words streams the text word by word; slowly, if that is the scenario, with pings in between.
func (m *Model) words(r *http.Request, s *stream, index int, a answer) {
	words := strings.SplitAfter(a.text, " ")
	for _, word := range words {
		if a.slow {
			s.event("ping", map[string]any{})
			pause := time.NewTimer(m.opts.Slow / time.Duration(len(words)))
			select {
			case <-pause.C:
			case <-r.Context().Done():
			case <-m.ctx.Done():
			}
			pause.Stop()
		}
		s.event("content_block_delta", map[string]any{"index": index, "delta": map[string]any{"type": "text_delta", "text": word}})
	}
}

// stayMute begins a stream and says nothing in it until the reader goes.
func (m *Model) stayMute(w http.ResponseWriter, r *http.Request) {
	_ = newStream(w).flush.Flush()
	select {
	case <-r.Context().Done():
	case <-m.ctx.Done():
	}
}

func halves(text string) []string {
	half := len(text) / 2
	return []string{text[:half], text[half:]}
}
