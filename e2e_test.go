package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"devs-webhook/internal/sim"
	"devs-webhook/internal/store"
	"devs-webhook/messages"
)

const wish = "@devs-bot fix the login bug"

// TestOneDeliveryBecomesOneAnswer is the main job, with nothing simulated but GitHub and the model.
func TestOneDeliveryBecomesOneAnswer(t *testing.T) {
	for _, runtime := range runtimes(t) {
		t.Run(runtime, func(t *testing.T) {
			t.Parallel()
			s := newSite(t, runtime, "PROGRESS_AFTER=0s")
			s.start(binary)
			number := s.github.OpenIssue(s.repo, s.person, "Login without an account", wish)
			s.until(number, "the answer", answered(1))
			why := s.settled(s.delivery("issues"))
			if why.Decision != messages.DecidedTask || why.Task == nil || why.Task.State != messages.TaskDone || len(why.Attempts) != 1 {
				t.Errorf("why: %+v", why)
			}
			s.once(number)
			pull := s.github.Pulls(s.repo)[0]
			if !strings.Contains(pull.Body, fmt.Sprintf("Closes #%d", number)) || !strings.Contains(pull.Diff, "login.sh") {
				t.Errorf("pull request: %s\n%s", pull.Body, pull.Diff)
			}
			if strings.Contains(s.log.String(), "actor panicked") || strings.Contains(s.log.String(), "actor failed") {
				t.Errorf("a supervisor had something to do:\n%s", s.log)
			}

			// Sent again, by the same hook and by another one: nothing more happens.
			if err := s.github.Redeliver(s.delivery("issues")); err != nil {
				t.Fatal(err)
			}
			s.settled(s.delivery("issues"))
			s.once(number)
		})
	}
}

// TestFollowUpGoesOnInTheBranch: a comment on the pull request belongs to the issue's thread, and its work
// goes to the same branch.
func TestFollowUpGoesOnInTheBranch(t *testing.T) {
	s := newSite(t, "process", "AGENT=command", `AGENT_COMMAND=date +%N >>notes.txt; echo "It is noted."`)
	s.start(binary)
	number := s.github.OpenIssue(s.repo, s.person, "A note", wish)
	s.until(number, "the answer", answered(1))
	s.settled(s.delivery("issues"))
	pull := s.github.Pulls(s.repo)[0]
	s.github.CommentOn(s.repo, pull.Number, s.person, "@devs-bot once more, please")
	s.until(pull.Number, "the second answer", answered(1))
	s.settled(s.delivery("issue_comment"))
	pulls := s.github.Pulls(s.repo)
	if len(pulls) != 1 || len(pulls[0].Commits) != 2 {
		t.Errorf("%d pull requests with %d commits", len(pulls), len(pulls[0].Commits))
	}
}

// TestNobodyElseStartsWork covers who may, what counts, and that each no has its reason.
func TestNobodyElseStartsWork(t *testing.T) {
	s := newSite(t, "process")
	s.start(binary)
	for _, one := range []struct {
		author messages.User
		body   string
		reason messages.Reason
	}{
		{s.guest, wish, messages.ReasonNoPermission},
		{s.person, "nothing for anybody", messages.ReasonNoMention},
		{s.person, "> " + wish, messages.ReasonMentionInQuote},
		{s.bot, wish, messages.ReasonOwnAction},
	} {
		number := s.github.OpenIssue(s.repo, one.author, "An issue", one.body)
		why := s.settled(s.delivery("issues"))
		if why.Decision != messages.DecidedIgnored || why.Reason != one.reason {
			t.Errorf("%q of %s: %s %s (%s)", one.body, one.author.Login, why.Decision, why.Reason, why.Detail)
		}
		if th := s.github.Snapshot(s.repo, number); len(th.Comments)+len(th.Reactions) > 0 {
			t.Errorf("%q of %s was answered", one.body, one.author.Login)
		}
	}

	// A refusal for lack of permission is decided again once the mistake is mended.
	number := s.github.OpenIssue(s.repo, s.guest, "Login without an account", wish)
	refused := s.delivery("issues")
	s.settled(refused)
	s.github.Grant(s.repo, s.guest, "write")
	s.stop() // forgets who may what
	s.start(binary)
	if err := s.github.Redeliver(refused); err != nil {
		t.Fatal(err)
	}
	s.until(number, "the answer", answered(1))
}

// TestGitHubAway: while GitHub does not answer, deliveries are accepted, and nothing is lost or doubled.
func TestGitHubAway(t *testing.T) {
	s := newSite(t, "process")
	s.start(binary)
	for _, mode := range []sim.Mode{sim.Mode("500"), sim.Mode("drop-before")} {
		s.github.Fault(sim.Fault{PathRegexp: "/collaborators/", Times: 1, Mode: mode})
	}
	// What was applied and not answered must be found, not repeated.
	s.github.Fault(sim.Fault{Method: http.MethodPost, PathRegexp: "/comments$", Times: 1, Mode: sim.Mode("drop-after")})
	s.github.Fault(sim.Fault{Method: http.MethodPost, PathRegexp: "/pulls$", Times: 1, Mode: sim.Mode("drop-after")})
	s.github.Fault(sim.Fault{Method: http.MethodPost, PathRegexp: "/reactions$", Times: 1, Mode: sim.Mode("502")})
	number := s.github.OpenIssue(s.repo, s.person, "Login without an account", wish)
	s.until(number, "the answer", answered(1))
	s.settled(s.delivery("issues"))
	s.once(number)
}

func TestWhySaysIt(t *testing.T) {
	s := newSite(t, "process")
	s.start(binary)
	s.github.OpenIssue(s.repo, s.person, "Nothing", "nothing for anybody")
	ignored := s.delivery("issues")
	number := s.github.OpenIssue(s.repo, s.person, "Login without an account", wish)
	accepted := s.delivery("issues")
	s.until(number, "the answer", answered(1))
	s.settled(accepted)
	for _, running := range []bool{true, false} {
		if !running {
			s.stop()
		}
		for delivery, words := range map[string][]string{
			ignored:  {"ignored", "no_mention"},
			accepted: {"task, because: accepted", "attempt 1 in eamonn", "succeeded", "effect final", "done"},
		} {
			out := s.command(0, "why", delivery)
			for _, word := range words {
				if !strings.Contains(out, word) {
					t.Errorf("why (running=%v) does not say %q:\n%s", running, word, out)
				}
			}
			var story store.Why
			if err := json.Unmarshal([]byte(s.command(0, "why", "--json", delivery)), &story); err != nil || story.Delivery != delivery {
				t.Errorf("why --json: %v", err)
			}
		}
	}
	if out := s.command(1, "why", "never-seen"); !strings.Contains(out, "no delivery never-seen") {
		t.Error(out)
	}
}

// command runs another command of the program on the service's state.
func (s *site) command(code int, args ...string) string {
	s.t.Helper()
	cmd := exec.Command(binary, args...)
	cmd.Env, cmd.Dir = s.env, s.dir
	out, _ := cmd.CombinedOutput() // the exit code tells
	if got := cmd.ProcessState.ExitCode(); got != code {
		s.t.Errorf("%v: exit code %d\n%s", args, got, out)
	}
	return string(out)
}

func TestTestEventIsFollowedToItsEnd(t *testing.T) {
	s := newSite(t, "process")
	s.start(binary)
	out := s.command(0, "test", "--repo", "octo/hello", "Fix the login bug")
	for _, word := range []string{"Accepted as delivery test-", "is done", "diff --git a/login.sh"} {
		if !strings.Contains(out, word) {
			t.Errorf("test does not say %q:\n%s", word, out)
		}
	}
	if out := s.command(0, "status"); !strings.Contains(out, "Answers to @devs-bot") || !strings.Contains(out, "eamonn") {
		t.Error(out)
	}
	if out := s.command(1, "stop-container", "eamonn"); !strings.Contains(out, "No task runs in that container") {
		t.Error(out)
	}
	for _, r := range s.github.Requests() {
		if r.Method != http.MethodGet && strings.Contains(r.Path, "/octo/hello/") && !strings.HasSuffix(r.Path, "git-upload-pack") {
			t.Errorf("a test event made the request %s %s", r.Method, r.Path)
		}
	}
}

func TestStopContainerEndsTheTask(t *testing.T) {
	for _, runtime := range runtimes(t) {
		t.Run(runtime, func(t *testing.T) {
			t.Parallel()
			s := newSite(t, runtime, "AGENT=command", "AGENT_COMMAND=echo begun; sleep 600", "PROGRESS_AFTER=0s")
			s.start(binary)
			number := s.github.OpenIssue(s.repo, s.person, "Sleep", wish)
			s.until(number, "progress", func(th sim.Thread) bool { return answers(th, messages.EffectProgress) == 1 })
			if out := s.command(0, "stop-container", "eamonn"); !strings.Contains(out, "stopped") {
				t.Error(out)
			}
			s.until(number, "the answer", answered(1))
			if why := s.settled(s.delivery("issues")); why.Task.State != messages.TaskCancelled {
				t.Errorf("the task is %s", why.Task.State)
			}
		})
	}
}

func TestExitCodes(t *testing.T) {
	s := newSite(t, "process")
	s.start(binary)
	if out := s.command(3, "serve", "--dev", "--port", "0"); !strings.Contains(out, "in use") {
		t.Error(out)
	}
	s.stop()

	broken := *s
	broken.env = append([]string{}, s.env...)
	broken.env = append(broken.env, "GITHUB_TOKEN=", "WEBHOOK_PORT=many", "AGENT=nobody", "TASK_SOURCE=sqs")
	out := broken.command(2, "serve", "--dev")
	for _, name := range []string{"GITHUB_TOKEN", "WEBHOOK_PORT", "AGENT", "TASK_SOURCE"} {
		if !strings.Contains(out, name) {
			t.Errorf("%s is not named:\n%s", name, out)
		}
	}
	if out := s.command(2, "no-such-command"); !strings.Contains(out, "--help") {
		t.Error(out)
	}
	path := filepath.Join(s.dir, "state", "store.db")
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, text[:len(text)/2], 0o600); err != nil {
		t.Fatal(err)
	}
	if out := s.command(4, "serve", "--dev", "--port", "0"); !strings.Contains(out, "damaged") {
		t.Error(out)
	}
}

// TestAgentHoldsNoGitHubCredential looks for the token from inside: environment, files, git configuration.
func TestAgentHoldsNoGitHubCredential(t *testing.T) {
	for _, runtime := range runtimes(t) {
		t.Run(runtime, func(t *testing.T) {
			t.Parallel()
			s := newSite(t, runtime, "AGENT=command",
				`AGENT_COMMAND=env; git config --list; cat .git/config ../in/* 2>/dev/null | tr -c '[:print:]\n' '?'; cat /proc/1/environ 2>/dev/null | tr '\0' '\n'; true`)
			s.start(binary)
			number := s.github.OpenIssue(s.repo, s.person, "What do you see?", wish)
			s.until(number, "the answer", answered(1))
			s.settled(s.delivery("issues"))
			s.stop()
			seen := 0
			err := filepath.WalkDir(filepath.Join(s.dir, "state", "attempts"), func(path string, d os.DirEntry, err error) error {
				if err != nil || d.IsDir() {
					return err
				}
				text, err := os.ReadFile(path)
				if bytes.Contains(text, []byte("DEVS_TASK=")) {
					seen++
				}
				for _, secret := range []string{"token-of-the-bot", "secret-of-the-webhook"} {
					if bytes.Contains(text, []byte(secret)) {
						t.Errorf("%s holds %q", path, secret)
					}
				}
				return err
			})
			if err != nil || seen == 0 {
				t.Errorf("what the agent saw was not found: %v", err)
			}
		})
	}
}
