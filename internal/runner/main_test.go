package runner

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"

	"devs-webhook/messages"
)

// The test program is also the runner under test: Run wants a process of its own.
func TestMain(m *testing.M) {
	if dir := os.Getenv("RUNNER_UNDER_TEST"); dir != "" {
		os.Exit(runnerMain(dir))
	}
	goleak.VerifyTestMain(m)
}

func runnerMain(dir string) int {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	opts := Options{
		Dir: dir, Stdout: os.Stdout, RunnerPath: "/devs/bin/devs-webhook",
		Parser:  func(name string) (Parser, error) { return &lineParser{}, parserError(name) },
		Grace:   duration("GRACE", 5*time.Second),
		Linger:  duration("LINGER", 5*time.Second),
		GitTime: time.Minute,
	}
	opts.CancelGrace = opts.Grace
	if err := Run(ctx, opts); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return 0
}

func duration(name string, otherwise time.Duration) time.Duration {
	if d, err := time.ParseDuration(os.Getenv(name)); err == nil {
		return d
	}
	return otherwise
}

func parserError(name string) error {
	if name != "test" && name != claudeAgent {
		return fmt.Errorf("unknown agent %q", name)
	}
	return nil
}

// lineParser understands "tool NAME", "end NAME", "session ID", "lost" and "result"; all else is words. Of the real
// agent's stream it understands the session and that there is a result.
type lineParser struct {
	words   []string
	session string
	lost    bool
	done    bool
}

func (p *lineParser) Line(line []byte) []messages.AgentEvent {
	text := string(line)
	word, rest, _ := strings.Cut(text, " ")
	switch word {
	case "tool":
		return []messages.AgentEvent{{Kind: messages.EventTool, Tool: rest}}
	case "end":
		return []messages.AgentEvent{{Kind: messages.EventToolEnd, Tool: rest}}
	case "session":
		p.session = rest
		return nil
	case "lost":
		p.lost = true
		return nil
	case "result":
		p.done = true
		return nil
	}
	if strings.HasPrefix(text, "{") {
		return p.json(line)
	}
	p.words = append(p.words[max(0, len(p.words)-999):], text)
	return []messages.AgentEvent{{Kind: messages.EventWords, Text: text}}
}

func (p *lineParser) json(line []byte) []messages.AgentEvent {
	var l struct {
		Type, Result string
		Session      string `json:"session_id"`
		Turns        *int   `json:"num_turns"`
	}
	if json.Unmarshal(line, &l) != nil {
		return nil
	}
	p.session = l.Session
	if l.Type == "result" {
		p.done, p.lost, p.words = true, l.Turns != nil && *l.Turns == 0, []string{l.Result}
	}
	if bytes.Contains(line, []byte(`"name":"Bash"`)) {
		return []messages.AgentEvent{{Kind: messages.EventTool, Tool: "Bash"}}
	}
	return nil
}

func (p *lineParser) Done() bool { return p.done }

func (p *lineParser) End(exit int, sig string) messages.AgentEnd {
	end := messages.AgentEnd{
		Ending: messages.EndSucceeded, Words: strings.Join(p.words, "\n"), Turns: 1, Session: p.session, SessionLost: p.lost,
	}
	if exit != 0 || sig != "" {
		end.Ending, end.Detail = messages.EndAgentFailed, fmt.Sprintf("exit %d%s", exit, sig)
	}
	return end
}
