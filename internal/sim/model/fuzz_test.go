package model

import (
	"encoding/json"
	"testing"
)

// FuzzConversation feeds foreign requests to the model: whatever it accepts, it has an answer to.
func FuzzConversation(f *testing.F) {
	f.Add([]byte(`{"model":"m","max_tokens":1,"messages":[{"role":"user","content":"scenario:fix"}]}`))
	f.Add([]byte(`{"model":"m","max_tokens":1,"messages":[{"role":"user","content":"scenario:fix"},{"role":"assistant","content":"a"},
		{"role":"assistant","content":"b"},{"role":"assistant","content":"c"},{"role":"assistant","content":[]}]}`))
	f.Add([]byte(`{"model":"m","max_tokens":1,"messages":[{"role":"user","content":[{"type":"tool_result","content":[{"text":"x"}]}]}]}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		var c conversation
		if json.Unmarshal(data, &c) != nil || c.check() != nil {
			return
		}
		m := &Model{busy: map[string]int{}}
		a := m.answer(c.turn())
		if _, err := json.Marshal(whole(c.Model, 1, a)); err != nil || a.status == 0 {
			t.Errorf("answer %+v: %v", a, err)
		}
	})
}
