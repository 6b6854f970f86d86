package main

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"devs-webhook/internal/runtime/hostimage"
	"devs-webhook/internal/sim/model"
	"devs-webhook/internal/store"
	"devs-webhook/messages"
)

const (
	claudeImage = "devs-webhook-claude-test:latest"
	modelKey    = "sk-ant-api03-sentinel-of-the-model-key-0123456789"
)

// claudeImageMade makes the image with the real command line client, once.
var claudeImageMade = sync.OnceValue(func() error {
	return hostimage.Build(context.Background(), "", claudeImage, os.Getenv("CLAUDE_BIN"))
})

// claudeSite is a site whose agent is the real Claude Code, in a real container, with a model of ours behind
// the gateway.
func claudeSite(t *testing.T, env ...string) (*site, *model.Model) {
	t.Helper()
	if os.Getenv("CLAUDE_BIN") == "" {
		t.Skip("CLAUDE_BIN does not name the Claude Code CLI: make e2e-claude installs it")
	}
	if runtimes(t)[0] != "docker" {
		t.Skip("no Docker Engine answers")
	}
	if err := claudeImageMade(); err != nil {
		t.Fatal(err)
	}
	m, err := model.Start(t.Context(), model.Options{Key: modelKey})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := m.Close(); err != nil {
			t.Error(err)
		}
	})
	s := newSite(t, "docker", append([]string{
		"AGENT=claude", "CONTAINER_IMAGE=" + claudeImage, "ANTHROPIC_API_KEY=" + modelKey, "ANTHROPIC_BASE_URL=" + m.URL(),
		"CONTAINER_MEMORY=2GiB",
	}, env...)...)
	s.start(binary)
	return s, m
}

// ask opens an issue, waits for the answer and gives the task's view.
func (s *site) ask(scenario string) (number int, why store.Why) {
	s.t.Helper()
	number = s.github.OpenIssue(s.repo, s.person, "Login without an account", "@devs-bot fix the login bug, please. scenario:"+scenario)
	s.until(number, "the answer", answered(1))
	return number, s.settled(s.delivery("issues"))
}

func TestClaudeFixesTheBug(t *testing.T) {
	for _, scenario := range []string{"fix", "busy"} {
		t.Run(scenario, func(t *testing.T) {
			s, m := claudeSite(t)
			number, why := s.ask(scenario)
			s.once(number)
			if why.Task.State != messages.TaskDone || len(why.Attempts) != 1 {
				t.Fatalf("%s: %+v", why.Task.State, why.Attempts)
			}
			used, counted := m.Usage(), why.Attempts[0].Usage
			if counted.Requests == 0 || counted.Input != int64(used.Input) || counted.Output != int64(used.Output) {
				t.Errorf("the gateway counted %+v, the model gave %+v", counted, used)
			}
			for _, key := range m.Keys() {
				if key != modelKey {
					t.Errorf("the model was asked with the key %q", key)
				}
			}
		})
	}
}

// TestClaudeEndsAreNamed: what ends without a fix says how.
func TestClaudeEndsAreNamed(t *testing.T) {
	for _, one := range []struct {
		scenario, env string
		ending        messages.Ending
	}{
		{"loop", "AGENT_MAX_TURNS=2", messages.EndTurnLimit},
		{"costly", "AGENT_MAX_BUDGET_USD=0.5", messages.EndBudgetLimit},
		{"hang-tool", "TASK_TOOL_TIMEOUT=3s", messages.EndTimedOutTool},
	} {
		t.Run(one.scenario, func(t *testing.T) {
			s, _ := claudeSite(t, one.env)
			if _, why := s.ask(one.scenario); why.Attempts[0].Ending != one.ending {
				t.Errorf("%s: %s", why.Attempts[0].Ending, why.Attempts[0].Detail)
			}
		})
	}
}

// TestClaudeDoesNotNoticeARestart kills the service, gateway and all, while the model is streaming.
func TestClaudeDoesNotNoticeARestart(t *testing.T) {
	s, m := claudeSite(t)
	number := s.github.OpenIssue(s.repo, s.person, "Login without an account", "@devs-bot fix the login bug, please. scenario:slow")
	for range 2 {
		asked := len(m.Requests())
		s.poll("the next request to the model", func() bool { return len(m.Requests()) > asked })
		s.kill()
		s.start(binary)
	}
	s.until(number, "the answer", answered(1))
	why := s.settled(s.delivery("issues"))
	s.once(number)
	if len(why.Attempts) != 1 || why.Attempts[0].Ending != messages.EndSucceeded {
		t.Errorf("%+v", why.Attempts)
	}
}

// TestClaudeGoesOnWithItsSession: the thread's next task knows what the first one did, in another container.
func TestClaudeGoesOnWithItsSession(t *testing.T) {
	s, _ := claudeSite(t)
	number, first := s.ask("note")
	s.stop()
	for i, v := range s.env {
		if strings.HasPrefix(v, "CONTAINER_POOL=") {
			s.env[i] = "CONTAINER_POOL=harry"
		}
	}
	s.start(binary)
	s.github.CommentOn(s.repo, number, s.person, "@devs-bot and now? scenario:recall")
	asked := s.delivery("issue_comment")
	th := s.until(number, "the second answer", answered(2))
	if last := th.Comments[len(th.Comments)-1].Body; !strings.Contains(last, "asked me 1 times before") {
		t.Errorf("it does not remember:\n%s", last)
	}
	second := s.settled(asked)
	if first.Attempts[0].Slot != "eamonn" || second.Attempts[0].Slot != "harry" {
		t.Errorf("in %s and in %s", first.Attempts[0].Slot, second.Attempts[0].Slot)
	}
}

// TestSecretsAreNowhere plants secrets and looks for them, in many forms, wherever the agent could have been:
// its environment, files, process list, what came out of it, the database, the log, the thread, the image.
func TestSecretsAreNowhere(t *testing.T) {
	if runtimes(t)[0] != "docker" {
		t.Skip("no Docker Engine answers, and the process runtime isolates nothing")
	}
	m, err := model.Start(t.Context(), model.Options{Key: modelKey})
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	s := newSite(t, "docker", "ANTHROPIC_API_KEY="+modelKey, "ANTHROPIC_BASE_URL="+m.URL(), "ADMIN_PASSWORD=sentinel-of-the-admin-password",
		`AGENT_COMMAND=env; git config --list --show-origin; cat ../in/* ../in/*/* /devs/bin/.* 2>/dev/null | tr -c '[:print:]\n' '?'; `+
			`for p in /proc/[0-9]*; do cat $p/environ $p/cmdline 2>/dev/null | tr '\0' '\n'; done; find / -xdev -type f -size -64k -path '*devs*' 2>/dev/null | head -200; `+
			`mount; cat /etc/hosts /etc/resolv.conf; date >>notes.txt; true`)
	s.start(binary)
	number := s.github.OpenIssue(s.repo, s.person, "What do you see?", wish)
	s.until(number, "the answer", answered(1))
	s.settled(s.delivery("issues"))
	s.stop()
	found := newSentinels([]string{"token-of-the-bot", "secret-of-the-webhook", modelKey, "sentinel-of-the-admin-password"})
	s.search(found)
	var page strings.Builder
	if err := s.github.Render(&page, s.repo, number); err != nil {
		t.Fatal(err)
	}
	found.in("the thread", []byte(page.String()))
	found.in("the log", []byte(s.log.String()))
	for place, form := range found.places {
		t.Errorf("%s holds a secret, %s", place, form)
	}
	t.Logf("%d places were searched for %d forms of the secrets", found.looked, len(found.forms))
	if found.looked < 10 || !found.seen("ANTHROPIC_BASE_URL") {
		t.Errorf("only %d places were searched, or the agent's environment was not among them", found.looked)
	}
}

// search looks at every file of the state directory, the database included.
func (s *site) search(found *sentinels) {
	s.t.Helper()
	err := filepath.WalkDir(filepath.Join(s.dir, "state"), func(path string, d os.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		text, err := os.ReadFile(path)
		found.in(path, text)
		return err
	})
	if err != nil {
		s.t.Fatal(err)
	}
}
