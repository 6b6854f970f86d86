package runner

import (
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"devs-webhook/messages"
)

func TestSuccess(t *testing.T) {
	r := newTrial(t, `
		test "$(git log -1 --format=%s)" = start || exit 3
		test "$(git branch --show-current)" = devs/1-abcdefghijkl || exit 4
		test "$(git rev-parse origin/main)" = "$(git rev-parse HEAD)" || exit 5
		echo two >>file.txt
		git commit --quiet --all --message=change
		echo hello`)
	result := r.run()
	r.ended(result, messages.EndSucceeded)
	r.fetch(result)
	if result.Words != "hello" || result.Attempt != r.spec.Attempt || result.Base != r.base || result.Protocol != 1 ||
		result.ExitCode != 0 || result.StartedAt.IsZero() || result.EndedAt.Before(result.StartedAt) {
		t.Errorf("result %+v", result)
	}
	if author := r.git("log", "-1", "--format=%an <%ae> %s", result.Head); author != `B"ot <bot@example.com> change` {
		t.Errorf("commit is %s", author)
	}
	if count := r.git("rev-list", "--count", r.base+".."+result.Head); count != "1" {
		t.Errorf("%s commits", count)
	}
	events := r.events()
	for i, e := range events {
		if e.Seq != int64(i+1) || e.At.IsZero() {
			t.Errorf("event %d is %+v", i+1, e)
		}
	}
	if last := events[len(events)-1]; last.Kind != messages.EventEnd || result.Events != last.Seq || len(r.live) != len(events) {
		t.Errorf("last event %+v, %d counted, %d live", last, result.Events, len(r.live))
	}
	for _, name := range []string{"result.json", "events.jsonl", workBundle, "agent.log"} {
		if info, err := os.Stat(filepath.Join(r.dir, "out", name)); err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("%s: %v %v", name, info.Mode(), err)
		}
	}
	if _, err := os.Stat(filepath.Join(r.dir, "work.git")); err == nil {
		t.Error("the repository for the work was left behind")
	}
}

func TestAgentSeesWhatItMay(t *testing.T) {
	r := newTrial(t, `env; cat; cat "$DEVS_TASK"; ls -d "$DEVS_THREAD_DIR" "$DEVS_OUTPUT"; echo "args $1 $2"`)
	r.spec.Agent.Argv = append(r.spec.Agent.Argv, "sh", "{in}:{out}", "{runner}")
	r.spec.Agent.Env = map[string]string{"MODEL_KEY": "of-the-attempt", "CACHE": "{home}/cache", "DEVS_OUTPUT": "/elsewhere"}
	result := r.run()
	r.ended(result, messages.EndSucceeded)
	for _, want := range []string{
		"HOME=" + r.dir + "/home\n", "TERM=dumb\n", "LANG=C.UTF-8\n", "MODEL_KEY=of-the-attempt\n", "CACHE=" + r.dir + "/home/cache\n",
		"DEVS_OUTPUT=" + r.dir + "/out\n", "PWD=" + r.dir + "/workspace\n", "the prompt\n", `"repository": "octo/hello"`,
		"args " + r.dir + "/in:" + r.dir + "/out /devs/bin/devs-webhook",
	} {
		if !strings.Contains(result.Words+"\n", want) {
			t.Errorf("the agent did not see %q", want)
		}
	}
	for _, hidden := range []string{"SERVICE_SECRET", "RUNNER_UNDER_TEST"} {
		if strings.Contains(result.Words, hidden) {
			t.Errorf("the agent saw %s", hidden)
		}
	}
	r.nothing(result)
}

// A directory of attempts may lie in somebody's clone: an agent that deletes its repository must not get at that.
func TestNoRepositoryAboveIsFound(t *testing.T) {
	r := newTrial(t, `rm -rf .git; git rev-parse --git-dir && echo found`)
	if out, err := exec.Command("git", "init", "--quiet", filepath.Dir(r.dir)).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	if result := r.run(); result.Words != "" || result.ExitCode == 0 {
		t.Errorf("result %+v", result)
	}
}

func TestUncommittedChangesAreCommitted(t *testing.T) {
	r := newTrial(t, `
		echo two >>file.txt; echo new >new.txt; echo no >x.ignored; mkdir -p d; mv .gitignore d/
		cp d/.gitignore .gitignore; rm d/.gitignore`)
	result := r.run()
	r.ended(result, messages.EndSucceeded)
	r.fetch(result)
	if log := r.git("log", "-1", "--format=%an|%ce|%B", result.Head); log != "B\"ot|bot@example.com|Left by the agent\n\nBody." {
		t.Errorf("commit is %q", log)
	}
	if files := r.git("diff", "--name-status", r.base, result.Head); files != "M\tfile.txt\nA\tnew.txt" {
		t.Errorf("changed %q", files)
	}
}

func TestCommittedAndUncommitted(t *testing.T) {
	r := newTrial(t, `
		git checkout --quiet -b elsewhere; echo a >a; git add a; git commit --quiet --message=a
		git checkout --quiet --detach; echo b >b`)
	result := r.run()
	r.fetch(result)
	if log := r.git("log", "--format=%s", r.base+".."+result.Head); log != "Left by the agent\na" {
		t.Errorf("log is %q", log)
	}
}

func TestNoChanges(t *testing.T) {
	// A stale bundle of the agent's own making does not count as work.
	r := newTrial(t, `touch x.ignored; echo forged >"$DEVS_OUTPUT/work.bundle"; mkdir "$DEVS_OUTPUT/result.json"`)
	result := r.run()
	r.ended(result, messages.EndSucceeded)
	r.nothing(result)
}

func TestFailureKeepsTheWorkAndSaysWhy(t *testing.T) {
	r := newTrial(t, `echo two >>file.txt; echo "$PWD/x: no such luck" >&2; echo >&2; exit 7`)
	result := r.run()
	r.ended(result, messages.EndAgentFailed)
	r.fetch(result)
	if result.ExitCode != 7 || result.Detail != "exit 7: x: no such luck" {
		t.Errorf("result %+v", result)
	}
	if log := r.read("out/agent.log"); !strings.Contains(log, "no such luck") {
		t.Errorf("log %q", log)
	}
}

func TestKilledAgent(t *testing.T) {
	r := newTrial(t, `echo hi; kill -9 $$`)
	result := r.run()
	r.ended(result, messages.EndAgentFailed)
	if result.ExitCode != 137 || !strings.Contains(result.Detail, "SIGKILL") {
		t.Errorf("result %+v", result)
	}
}

func TestRunsOnce(t *testing.T) {
	r := newTrial(t, `echo run >>"$HOME/runs"`)
	first := r.run()
	r.start()
	out, err := io.ReadAll(r.stdout)
	if err != nil {
		t.Fatal(err)
	}
	if err := r.cmd.Wait(); err != nil {
		t.Fatal(err)
	}
	if string(out) != r.read("out/result.json") || r.result() != first || r.read("home/runs") != "run\n" {
		t.Errorf("the second run printed %s", out)
	}
}

func TestSetup(t *testing.T) {
	r := newTrial(t, `cat made; kill -0 "$(cat "$HOME/server")" && echo server runs`)
	r.spec.Agent.Env = map[string]string{"MODEL_KEY": "secret"}
	r.spec.Setup = []messages.SetupStep{
		{Command: `echo "key=$MODEL_KEY" >made`},
		{Command: `while :; do echo tick; sleep 0.01; done & echo $! >"$HOME/server"`},
	}
	result := r.run()
	r.ended(result, messages.EndSucceeded)
	if result.Words != "key=\nserver runs" {
		t.Errorf("words %q", result.Words)
	}
	r.dead("home/server")
}

func TestSetupThatFails(t *testing.T) {
	for name, spoil := range map[string]func(*trial){
		"setup command 1 ended with exit code 9":                      func(r *trial) { r.spec.Setup = []messages.SetupStep{{Command: "exit 9"}} },
		"the agent's program no-such-agent is not there":              func(r *trial) { r.spec.Agent.Argv = []string{"no-such-agent"} },
		"the runner does not know the agent":                          func(r *trial) { r.spec.Agent.Name = "other" },
		"the runner does not speak protocol 99 of its service, but 1": func(r *trial) { r.spec.Protocol = 99 },
		"the workspace could not be made":                             func(r *trial) { r.spec.Workspace.Commit = strings.Repeat("a", 40) },
		"the workspace could not be made\x00":                         func(r *trial) { r.spec.Workspace.Branch = "../x" },
		"the workspace could not be made\x00\x00":                     func(r *trial) { r.write(filepath.Join(r.dir, "in", bundleFile), "no bundle") },
		"the agent's program sh could not be started":                 func(r *trial) { r.spec.Agent.Stdin = "missing.txt" },
	} {
		t.Run(strings.Trim(name, "\x00"), func(t *testing.T) {
			r := newTrial(t, "true")
			spoil(r)
			result := r.run()
			r.ended(result, messages.EndSetupFailed)
			if result.Detail != strings.Trim(name, "\x00") {
				t.Errorf("detail %q", result.Detail)
			}
			r.nothing(result)
		})
	}
}

func TestWithoutTaskThereIsNoResult(t *testing.T) {
	r := newTrial(t, "true")
	r.spec.Protocol = 0 // no task.json is written
	r.start()
	r.until(nil)
	if err := r.cmd.Wait(); err == nil || r.cmd.ProcessState.ExitCode() != 1 || strings.Count(r.stderr.String(), "\n") != 1 {
		t.Errorf("%v, stderr %q", err, r.stderr.String())
	}
}
