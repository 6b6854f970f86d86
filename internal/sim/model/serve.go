package model

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
)

// maxBody is the size of the largest request that the API takes.
const maxBody = 32 << 20

// ServeHTTP answers one request.
func (m *Model) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	seen := Request{Method: r.Method, Path: r.URL.RequestURI(), Header: r.Header.Clone(), Status: http.StatusOK}
	seen.Key, seen.Bearer = keyOf(r.Header)
	number := m.number()
	w.Header().Set("Request-Id", fmt.Sprintf("req_sim%06d", number))
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
	seen.Size = len(body)
	if err != nil {
		m.fail(w, seen, refuse(http.StatusRequestEntityTooLarge, "request_too_large", "Request exceeds the maximum size"))
		return
	}
	switch {
	case r.Method == http.MethodHead:
		m.record(seen)
	case !m.accepts(seen):
		m.fail(w, seen, refuse(http.StatusUnauthorized, "authentication_error", "invalid x-api-key"))
	case r.Method == http.MethodPost && r.URL.Path == "/v1/messages":
		m.message(w, r, seen, number, body)
	case r.Method == http.MethodPost && r.URL.Path == "/v1/messages/count_tokens":
		m.record(seen)
		writeJSON(w, http.StatusOK, map[string]any{"input_tokens": max(1, len(body)/4)})
	default:
		m.fail(w, seen, refuse(http.StatusNotFound, "not_found_error", "Not found"))
	}
}

// number counts requests.
func (m *Model) number() int {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.numbers++
	return m.numbers
}

// keyOf is what a request proves itself with.
func keyOf(h http.Header) (key string, bearer bool) {
	if key := h.Get("X-Api-Key"); key != "" {
		return key, false
	}
	token, ok := strings.CutPrefix(h.Get("Authorization"), "Bearer ")
	return token, ok
}

func (m *Model) accepts(r Request) bool {
	switch {
	case r.Key == "":
		return false
	case m.opts.Key == "" && m.opts.OAuthToken == "":
		return true
	case r.Bearer:
		return r.Key == m.opts.OAuthToken
	}
	return r.Key == m.opts.Key
}

// message answers a prompt, or what a tool has brought.
func (m *Model) message(w http.ResponseWriter, r *http.Request, seen Request, number int, body []byte) {
	var c conversation
	if err := json.Unmarshal(body, &c); err != nil {
		m.fail(w, seen, refuse(http.StatusBadRequest, "invalid_request_error", "The request body is not valid JSON: "+err.Error()))
		return
	}
	if r.Header.Get("Anthropic-Version") == "" {
		m.fail(w, seen, refuse(http.StatusBadRequest, "invalid_request_error", "anthropic-version: header is required"))
		return
	}
	if err := c.check(); err != nil {
		m.fail(w, seen, refuse(http.StatusBadRequest, "invalid_request_error", err.Error()))
		return
	}
	t := c.turn()
	seen.Scenario = t.scenario
	if len(c.Tools) == 0 { // Claude Code's own questions, such as one for a title
		t.scenario = ""
	}
	a := m.answer(t)
	if a.status != http.StatusOK {
		m.fail(w, seen, a)
		return
	}
	m.record(seen)
	if a.mute {
		m.stayMute(w, r)
		return
	}
	if !c.Stream {
		writeJSON(w, http.StatusOK, whole(c.Model, number, a))
		m.addUsage(a.usage)
		return
	}
	s := newStream(w)
	if m.send(r, s, c.Model, number, a) {
		m.addUsage(a.usage)
	}
}

// fail answers with an error in the API's form.
func (m *Model) fail(w http.ResponseWriter, seen Request, a answer) {
	seen.Status = a.status
	m.record(seen)
	if a.status == 529 || a.status == http.StatusTooManyRequests {
		w.Header().Set("X-Should-Retry", "true")
	}
	writeJSON(w, a.status, map[string]any{
		"type": "error", "error": map[string]any{"type": a.kind, "message": a.text}, "request_id": w.Header().Get("Request-Id"),
	})
}

func writeJSON(w http.ResponseWriter, status int, v any) {
	data, err := json.Marshal(v)
	if err != nil {
		status = http.StatusInternalServerError
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_, _ = w.Write(data)
}
