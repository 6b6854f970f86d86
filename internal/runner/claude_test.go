package runner

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"devs-webhook/internal/sim/model"
	"devs-webhook/messages"
)

// newClaudeTrial is an attempt of the real Claude Code, which CLAUDE_BIN names.
func newClaudeTrial(t *testing.T, m *model.Model, prompt string) *trial {
	t.Helper()
	r := makeSessionTrial(t, "")
	r.spec.Agent.Argv = []string{
		os.Getenv("CLAUDE_BIN"), "-p", "--output-format", "stream-json", "--verbose",
		"--setting-sources", "user", "--strict-mcp-config", "--permission-mode", "bypassPermissions",
	}
	r.spec.Agent.Env = map[string]string{
		"ANTHROPIC_BASE_URL": m.URL(), "ANTHROPIC_API_KEY": "token", "CLAUDE_CODE_MAX_RETRIES": "6",
		"CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC": "1", "IS_SANDBOX": "1",
	}
	r.write(filepath.Join(r.dir, "in", "prompt.txt"), "Please: "+prompt+"\n")
	return r
}

func newModel(t *testing.T) *model.Model {
	t.Helper()
	if os.Getenv("CLAUDE_BIN") == "" {
		t.Skip("CLAUDE_BIN does not name Claude Code's program")
	}
	m, err := model.Start(t.Context(), model.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := m.Close(); err != nil {
			t.Error(err)
		}
	})
	return m
}

// resume lets an attempt go on with the session that another one left.
func (r *trial) resume(id, archive string) {
	r.t.Helper()
	r.spec.Session = id
	r.spec.Agent.Argv = append(r.spec.Agent.Argv, "--resume", id)
	r.write(filepath.Join(r.dir, "in", sessionFile), archive)
}

// The real agent goes on in another attempt's directory, twice, after an end of its own and after a timeout.
func TestClaudeGoesOnElsewhere(t *testing.T) {
	m := newModel(t)
	t.Parallel()
	first := newClaudeTrial(t, m, "look around scenario:hang-tool")
	first.spec.Limits.Tool = 2 * time.Second
	result := first.run()
	first.ended(result, messages.EndTimedOutTool)
	if !sessionID.MatchString(result.Session) {
		t.Fatalf("session %q", result.Session)
	}
	archive := first.read("out/session.tar")
	for i, want := range []string{"1 times before: hang-tool.", "2 times before: hang-tool, recall."} {
		r := newClaudeTrial(t, m, "and now scenario:recall")
		r.resume(result.Session, archive)
		again := r.run()
		r.ended(again, messages.EndSucceeded)
		if again.Words != "You have asked me "+want || again.Session != result.Session || again.SessionLost {
			t.Errorf("attempt %d: %+v", i+2, again)
		}
		archive = r.read("out/session.tar")
	}
}

func TestClaudeLosesASession(t *testing.T) {
	m := newModel(t)
	for name, text := range map[string]string{"garbage": "{}\nhello\n", "nothing": ""} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newClaudeTrial(t, m, "scenario:recall")
			r.resume(session, string(archive(t, entry{session + ".jsonl", '0', text})))
			result := r.run()
			r.ended(result, messages.EndAgentFailed)
			if !result.SessionLost {
				t.Errorf("result %+v", result)
			}
			r.noSession(result)
		})
	}
}

// A model that accepts the request and never answers is ended by the limit of silence.
func TestClaudeOfAMuteModel(t *testing.T) {
	m := newModel(t)
	t.Parallel()
	r := newClaudeTrial(t, m, "scenario:mute")
	r.spec.Limits.Idle = 3 * time.Second
	r.ended(r.run(), messages.EndTimedOutIdle)
}
