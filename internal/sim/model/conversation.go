package model

import (
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
)

// conversation is the body of a request for a message.
type conversation struct {
	Model     string    `json:"model"`
	MaxTokens int       `json:"max_tokens"`
	Stream    bool      `json:"stream"`
	Messages  []message `json:"messages"`
	Tools     []struct {
		Name string `json:"name"`
	} `json:"tools"`
}

type message struct {
	Role    string
	Content []block
}

// block is a part of a message, or of an answer.
type block struct {
	Type      string          `json:"type"`
	Text      string          `json:"text,omitempty"`
	ID        string          `json:"id,omitempty"`
	Name      string          `json:"name,omitempty"`
	Input     json.RawMessage `json:"input,omitempty"`
	ToolUseID string          `json:"tool_use_id,omitempty"`
	IsError   bool            `json:"is_error,omitempty"`
	Content   json.RawMessage `json:"content,omitempty"`
}

// UnmarshalJSON reads a message, whose content is a text or a list of blocks.
func (m *message) UnmarshalJSON(data []byte) error {
	var raw struct {
		Role    string          `json:"role"`
		Content json.RawMessage `json:"content"`
	}
	if err := json.Unmarshal(data, &raw); err != nil {
		return err
	}
	m.Role = raw.Role
	var text string
	if json.Unmarshal(raw.Content, &text) == nil {
		m.Content = []block{{Type: "text", Text: text}}
		return nil
	}
	return json.Unmarshal(raw.Content, &m.Content)
}

// check refuses what the API would refuse.
func (c conversation) check() error {
	switch {
	case c.Model == "":
		return errors.New("model: Field required")
	case c.MaxTokens <= 0:
		return errors.New("max_tokens: Input should be greater than or equal to 1")
	case len(c.Messages) == 0:
		return errors.New("messages: at least one message is required")
	case c.Messages[0].Role != "user":
		return errors.New("messages: first message must use the \"user\" role")
	}
	open := []string{}
	for i, m := range c.Messages {
		if m.Role == "system" { // instructions in between are part of no turn
			continue
		}
		if m.Role != "user" && m.Role != "assistant" {
			return fmt.Errorf("messages.%d.role: unexpected value %q", i, m.Role)
		}
		results := m.ids("tool_result", func(b block) string { return b.ToolUseID })
		for _, id := range open {
			if !slices.Contains(results, id) {
				return fmt.Errorf("messages.%d: `tool_use` ids were found without `tool_result` blocks immediately after: %s", i, id)
			}
		}
		for _, id := range results {
			if !slices.Contains(open, id) {
				return fmt.Errorf("messages.%d: unexpected `tool_use_id` found in `tool_result` blocks: %s", i, id)
			}
		}
		open = m.ids("tool_use", func(b block) string { return b.ID })
	}
	if len(open) > 0 {
		return fmt.Errorf("messages: `tool_use` ids were found without `tool_result` blocks: %s", open[0])
	}
	return nil
}

func (m message) ids(kind string, id func(block) string) []string {
	var ids []string
	for _, b := range m.Content {
		if b.Type == kind {
			ids = append(ids, id(b))
		}
	}
	return ids
}

// turn is where a conversation stands: what was asked last, and what has been done about it since.
type turn struct {
	prompt   string
	scenario string
	before   []string // the scenarios of the earlier prompts, empty for a prompt without one
	results  []result // of the tools that were used since: an answer uses one, so these are the steps taken
}

func (t turn) steps() int { return len(t.results) }

type result struct {
	text   string
	failed bool
}

var scenarioWord = regexp.MustCompile(`\bscenario:([a-z][a-z-]*[a-z])`)

// turn reads the conversation. A prompt is a message of the user that is not a tool's result; what Claude Code adds
// to one by itself stands in tags of its own.
func (c conversation) turn() turn {
	var t turn
	for _, m := range c.Messages {
		if m.Role == "user" {
			t.read(m)
		}
	}
	t.scenario = scenarioOf(t.prompt)
	return t
}

// scenarioOf is the last scenario that a prompt names.
func scenarioOf(prompt string) string {
	words := scenarioWord.FindAllStringSubmatch(prompt, -1)
	if words == nil {
		return ""
	}
	return words[len(words)-1][1]
}

func (t *turn) read(m message) {
	var text []string
	for _, b := range m.Content {
		switch {
		case b.Type == "tool_result":
			t.results = append(t.results, result{text: resultText(b.Content), failed: b.IsError})
		case b.Type == "text" && !strings.HasPrefix(strings.TrimSpace(b.Text), "<system-reminder>"):
			text = append(text, b.Text)
		}
	}
	if len(text) == 0 || len(m.ids("tool_result", func(b block) string { return b.ToolUseID })) > 0 {
		return
	}
	if t.prompt != "" {
		t.before = append(t.before, scenarioOf(t.prompt))
	}
	t.prompt, t.results = strings.TrimSpace(strings.Join(text, "\n")), nil
}

// resultText is the text of a tool's result: a plain one, or blocks.
func resultText(raw json.RawMessage) string {
	var text string
	if json.Unmarshal(raw, &text) == nil {
		return text
	}
	var blocks []block
	if json.Unmarshal(raw, &blocks) != nil {
		return ""
	}
	var parts []string
	for _, b := range blocks {
		parts = append(parts, b.Text)
	}
	return strings.Join(parts, "\n")
}
