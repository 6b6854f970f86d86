package model_test

import (
	"bufio"
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"devs-webhook/internal/sim/model"
)

// talk is a conversation by plain HTTP.
type talk struct {
	t        *testing.T
	m        *model.Model
	key      string
	stream   bool
	messages []any
}

func newTalk(t *testing.T, m *model.Model, prompt string) *talk {
	return &talk{t: t, m: m, key: "key", stream: true, messages: []any{said("user", prompt)}}
}

func said(role string, content any) map[string]any {
	return map[string]any{"role": role, "content": content}
}

// reply is an answer put together.
type reply struct {
	status   int
	kind     string // of an error
	text     string
	tool     string
	input    map[string]any
	stop     string
	blocks   []any
	input0   int64 // tokens that the beginning told
	output   int64 // tokens that the end told
	events   []string
	began    time.Duration // until the first word
	lastWord time.Duration
}

// send asks, and puts the answer into the conversation.
func (k *talk) send() reply {
	k.t.Helper()
	body, err := json.Marshal(map[string]any{
		"model": "claude-test", "max_tokens": 100, "stream": k.stream, "messages": k.messages, "tools": []any{map[string]any{"name": "Bash"}},
	})
	if err != nil {
		k.t.Fatal(err)
	}
	request, err := http.NewRequestWithContext(k.t.Context(), http.MethodPost, k.m.URL()+"/v1/messages?beta=true", bytes.NewReader(body))
	if err != nil {
		k.t.Fatal(err)
	}
	request.Header.Set("X-Api-Key", k.key)
	request.Header.Set("Anthropic-Version", "2023-06-01")
	begin := time.Now()
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		k.t.Fatal(err)
	}
	defer response.Body.Close()
	a := reply{status: response.StatusCode}
	if a.status == http.StatusOK && k.stream {
		k.readStream(&a, response.Body, begin)
	} else {
		k.readWhole(&a, response.Body)
	}
	if a.status == http.StatusOK {
		k.messages = append(k.messages, said("assistant", a.blocks))
	}
	return a
}

func (k *talk) readWhole(a *reply, body io.Reader) {
	k.t.Helper()
	var v struct {
		Error struct {
			Type    string `json:"type"`
			Message string `json:"message"`
		} `json:"error"`
		Content []map[string]any `json:"content"`
		Stop    string           `json:"stop_reason"`
	}
	if err := json.NewDecoder(body).Decode(&v); err != nil {
		k.t.Fatal(err)
	}
	a.kind, a.text, a.stop = v.Error.Type, v.Error.Message, v.Stop
	for _, b := range v.Content {
		a.blocks = append(a.blocks, b)
		if b["type"] == "text" {
			a.text = b["text"].(string)
		}
	}
}

func (k *talk) readStream(a *reply, body io.Reader, begin time.Time) {
	k.t.Helper()
	in := bufio.NewScanner(body)
	var name, input string
	var tool map[string]any
	for in.Scan() {
		line := in.Text()
		if event, ok := strings.CutPrefix(line, "event: "); ok {
			name = event
			continue
		}
		data, ok := strings.CutPrefix(line, "data: ")
		if !ok {
			continue
		}
		var e struct {
			Type    string
			Message struct {
				Usage struct {
					Input int64 `json:"input_tokens"`
				}
			}
			Block map[string]any `json:"content_block"`
			Delta struct {
				Text    string
				Partial string `json:"partial_json"`
				Stop    string `json:"stop_reason"`
			}
			Usage struct {
				Output int64 `json:"output_tokens"`
			}
		}
		if err := json.Unmarshal([]byte(data), &e); err != nil || e.Type != name {
			k.t.Fatalf("event %s: %v: %s", name, err, data)
		}
		if name != "ping" && (len(a.events) == 0 || a.events[len(a.events)-1] != name) {
			a.events = append(a.events, name)
		}
		switch name {
		case "message_start":
			a.input0 = e.Message.Usage.Input
		case "content_block_start":
			if e.Block["type"] == "tool_use" {
				tool = e.Block
			}
		case "message_delta":
			a.stop, a.output = e.Delta.Stop, e.Usage.Output
		}
		if e.Delta.Text != "" {
			if a.text == "" {
				a.began = time.Since(begin)
			}
			a.lastWord = time.Since(begin)
		}
		a.text, input = a.text+e.Delta.Text, input+e.Delta.Partial
	}
	a.blocks = []any{map[string]any{"type": "text", "text": a.text}}
	if tool != nil {
		if err := json.Unmarshal([]byte(input), &a.input); err != nil {
			k.t.Fatalf("input %q: %v", input, err)
		}
		a.tool = tool["name"].(string)
		tool["input"] = a.input
		a.blocks = append(a.blocks, tool)
	}
}

// bring gives the result of the newest use of a tool.
func (k *talk) bring(a reply, text string, failed bool) {
	k.t.Helper()
	tool := a.blocks[1].(map[string]any)
	k.messages = append(k.messages, said("user", []any{
		map[string]any{"type": "tool_result", "tool_use_id": tool["id"], "content": text, "is_error": failed},
	}))
}
