package agent

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"devs-webhook/messages"
)

// claudeParser reads `claude -p --output-format stream-json` of Claude Code 2.1.330; the lines that it knows
// are those of testdata/claude-streams. A stream need not begin with init, and lines of unknown types come.
type claudeParser struct {
	cwd     string
	session string
	model   string
	spoke   bool              // any JSON line came
	tools   map[string]string // open calls: id to name
	words   string            // the last thing that the model itself said

	result   *claudeLine
	turns    int
	cost     float64
	apiError apiError // of the newest message that the CLI made up for an API error
	waiting  apiError // of the newest retry, while nothing has come since
	rejected bool     // the plan's limit is used up
}

// apiError is what the CLI tells of an error of the model's API. Code is the CLI's own name for it.
type apiError struct {
	code   string
	status int // 0 if there was no answer
}

func newClaudeParser() *claudeParser { return &claudeParser{tools: map[string]string{}} }

// claudeLine has the fields of all types of lines that are looked at.
type claudeLine struct {
	Type      string `json:"type"`
	Subtype   string `json:"subtype"`
	SessionID string `json:"session_id"`
	// Raw is decoded by type: an object in messages, a plain text in some notices.
	Raw json.RawMessage `json:"message"`

	// system/init
	Model   string `json:"model"`
	CWD     string `json:"cwd"`
	Version string `json:"claude_code_version"`
	// system/api_retry, and assistant lines that stand for an API error
	Attempt     int     `json:"attempt"`
	MaxRetries  int     `json:"max_retries"`
	DelayMS     float64 `json:"retry_delay_ms"`
	ErrorStatus *int    `json:"error_status"`
	Error       string  `json:"error"`
	IsAPIError  bool    `json:"is_api_error_message"`
	APIStatus   *int    `json:"api_error_status"`
	// system/permission_denied, system/informational
	ToolName string `json:"tool_name"`
	Content  string `json:"content"`
	// rate_limit_event
	RateLimit struct {
		Status string `json:"status"`
	} `json:"rate_limit_info"`
	// result; is_error is kept as it came, because only a literal false is one
	IsError        json.RawMessage `json:"is_error"`
	Result         string          `json:"result"`
	Errors         []string        `json:"errors"`
	NumTurns       int             `json:"num_turns"`
	StopReason     string          `json:"stop_reason"`
	TerminalReason string          `json:"terminal_reason"`
	TotalCostUSD   float64         `json:"total_cost_usd"`
	Denials        []struct {
		ToolName string `json:"tool_name"`
	} `json:"permission_denials"`
	UsageSinceLast map[string]struct {
		CostUSD float64 `json:"costUSD"`
	} `json:"model_usage_since_last_result"`
}

type claudeMessage struct {
	Content json.RawMessage `json:"content"`
}

type claudeBlock struct {
	Type      string          `json:"type"`
	Text      string          `json:"text"`
	ID        string          `json:"id"`
	Name      string          `json:"name"`
	Input     json.RawMessage `json:"input"`
	ToolUseID string          `json:"tool_use_id"`
	IsError   bool            `json:"is_error"`
	Content   json.RawMessage `json:"content"`
}

// decode fills v as far as the input allows: a field of another type than expected stays empty, and the rest
// of the line still counts.
func decode(data []byte, v any) bool {
	err := json.Unmarshal(data, v)
	_, mistyped := errors.AsType[*json.UnmarshalTypeError](err)
	return err == nil || mistyped
}

// Line reads one line of the stream.
func (p *claudeParser) Line(line []byte) []messages.AgentEvent {
	var l claudeLine
	if !decode(line, &l) || l.Type == "" {
		return nil
	}
	p.spoke = true
	if l.SessionID != "" {
		p.session = cut(l.SessionID, 128)
	}
	switch l.Type {
	case "system":
		return p.system(l)
	case "assistant":
		p.waiting = apiError{}
		return p.assistant(l)
	case "user":
		return p.user(l)
	case "rate_limit_event":
		return p.rateLimit(l)
	case "result":
		p.addResult(l)
	}
	return nil
}

func (p *claudeParser) system(l claudeLine) []messages.AgentEvent {
	switch l.Subtype {
	case "init":
		p.cwd, p.model = l.CWD, cut(l.Model, 128)
		text := p.model
		if l.Version != "" {
			text += " (Claude Code " + l.Version + ")"
		}
		return event(messages.EventStarted, "", text, false)
	case "api_retry":
		p.waiting = apiError{code: l.Error, status: number(l.ErrorStatus)}
		if p.waiting.code == "" {
			p.waiting.code = "unknown"
		}
		return event(messages.EventRetry, "", retryText(l, p.waiting), false)
	case "permission_denied":
		return event(messages.EventNotice, l.ToolName, "the use of the tool was denied", true)
	case "informational":
		return event(messages.EventNotice, "", l.Content, false)
	case "model_refusal_no_fallback":
		return event(messages.EventNotice, "", "the model refused to go on", true)
	}
	return nil
}

func retryText(l claudeLine, e apiError) string {
	return fmt.Sprintf("%s; try %d of %d in %.1f s", e, l.Attempt, l.MaxRetries, l.DelayMS/1000)
}

// rateLimit looks at what the provider tells of the plan's limits. Recorded is only "allowed".
func (p *claudeParser) rateLimit(l claudeLine) []messages.AgentEvent {
	status := l.RateLimit.Status
	p.rejected = status == "rejected"
	if status == "" || status == "allowed" {
		return nil
	}
	return event(messages.EventNotice, "", "the model's usage limit: "+status, p.rejected)
}

func (p *claudeParser) assistant(l claudeLine) []messages.AgentEvent {
	var out []messages.AgentEvent
	madeUp := l.IsAPIError || l.Error != ""
	if madeUp {
		p.apiError = apiError{code: l.Error, status: number(l.APIStatus)}
		return event(messages.EventNotice, "", p.apiError.String(), true)
	}
	p.apiError = apiError{}
	for _, b := range blocks(l.Raw) {
		switch b.Type {
		case "text":
			if text := strings.TrimSpace(b.Text); text != "" {
				p.words = text
				out = append(out, event(messages.EventWords, "", text, false)...)
			}
		case "tool_use":
			if p.open(b) {
				out = append(out, event(messages.EventTool, b.Name, toolText(b, p.cwd), false)...)
			}
		}
	}
	return out
}

// maxOpenTools bounds what a forged stream can make the parser remember.
const maxOpenTools = 1000

func (p *claudeParser) open(b claudeBlock) bool {
	if b.Name == "" || b.ID == "" || len(p.tools) >= maxOpenTools {
		return false
	}
	_, repeated := p.tools[b.ID]
	p.tools[b.ID] = b.Name
	return !repeated
}

func (p *claudeParser) user(l claudeLine) []messages.AgentEvent {
	var out []messages.AgentEvent
	for _, b := range blocks(l.Raw) {
		name, open := p.tools[b.ToolUseID]
		if b.Type != "tool_result" || !open {
			continue
		}
		delete(p.tools, b.ToolUseID)
		text := ""
		if b.IsError {
			text = relative(firstLine(contentText(b.Content)), p.cwd)
		}
		out = append(out, event(messages.EventToolEnd, name, text, b.IsError)...)
	}
	return out
}

// Done is true once a result line has come.
func (p *claudeParser) Done() bool { return p.result != nil }

func number(n *int) int {
	if n == nil {
		return 0
	}
	return *n
}

func event(kind messages.EventKind, tool, text string, failed bool) []messages.AgentEvent {
	return []messages.AgentEvent{{Kind: kind, Tool: cut(tool, 128), Text: cut(strings.TrimSpace(text), maxEventText), Failed: failed}}
}
