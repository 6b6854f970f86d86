package runner

import (
	"context"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"devs-webhook/messages"
)

// daemon starts a process in a session of its own, whose parent dies: neither the agent's group nor its children
// lead to it. Its standard output stays open.
const daemon = `setsid /bin/sh -c 'echo $$ >"$HOME/daemon"; trap "" TERM HUP; exec sleep 60' & `

const waitForDaemon = `until [ -s "$HOME/daemon" ]; do sleep 0.01; done; `

func TestOrphansAreKilled(t *testing.T) {
	r := newTrial(t, `(`+daemon+`); `+waitForDaemon+`echo bye`)
	result := r.run()
	r.ended(result, messages.EndSucceeded)
	if result.Words != "bye" {
		t.Errorf("words %q", result.Words)
	}
	r.dead("home/daemon")
}

func TestOrphansOfACancelledAgentAreKilled(t *testing.T) {
	r := newTrial(t, `(`+daemon+`); `+waitForDaemon+`trap '' TERM; echo ready; while :; do sleep 0.05; done`)
	r.env = []string{"GRACE=100ms"}
	r.start()
	r.said("ready")
	if err := r.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	r.ended(r.finish(), messages.EndCancelled)
	r.dead("home/daemon")
}

// zombies counts the dead children of the agent's parent, which is the runner, until there are none.
const waitForReaping = `
	for i in $(seq 40); do (sleep 0.01 & ) ; done
	until [ -z "$(grep -l "^State:.Z" $(grep -l "^PPid:.$PPID$" /proc/[0-9]*/status 2>/dev/null) 2>/dev/null)" ]; do sleep 0.02; done
	echo clean; exit 5`

func TestOrphansAreReaped(t *testing.T) {
	result := newTrialResult(t, waitForReaping, nil)
	if result.Words != "clean" || result.ExitCode != 5 {
		t.Errorf("result %+v", result)
	}
}

// As a container's main process the runner has every orphan of it, and no signal by default.
func TestAsMainProcess(t *testing.T) {
	wrap := []string{"unshare", "--pid", "--fork", "--mount-proc"}
	if out, err := exec.Command(wrap[0], append(wrap[1:], "true")...).CombinedOutput(); err != nil {
		t.Skipf("no process namespace here: %v: %s", err, strings.TrimSpace(string(out)))
	}
	result := newTrialResult(t, `test $PPID = 1 || exit 9; (`+daemon+`); `+waitForDaemon+waitForReaping, wrap)
	if result.Words != "clean" || result.ExitCode != 5 {
		t.Errorf("result %+v", result)
	}
}

func newTrialResult(t *testing.T, script string, wrap []string) messages.Result {
	t.Helper()
	r := newTrial(t, script)
	r.wrap = wrap
	return r.run()
}

// A killed runner takes the agent with it, so that nobody works on for an attempt that is lost.
func TestAgentDiesWithTheRunner(t *testing.T) {
	r := newTrial(t, `echo $$; trap '' TERM HUP; `+forever)
	r.start()
	r.until(func(e messages.AgentEvent) bool { return e.Kind == messages.EventWords })
	agent := r.live[len(r.live)-1].Text
	if err := r.cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	// The live view ends when its last holder, the runner, is dead; the agent's death follows at once.
	r.until(nil)
	_ = r.cmd.Wait()
	waitGone(t, agent)
}

// waitGone waits for the end of a process that is not a child of this one.
func waitGone(t *testing.T, pid string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	if out, err := exec.CommandContext(ctx, "tail", "--pid="+pid, "--sleep-interval=0.02", "-f", os.DevNull).CombinedOutput(); err != nil {
		t.Errorf("wait for %s: %v: %s", pid, err, out)
	}
}

// The reader of the live view goes away in the middle: the run goes on.
func TestBrokenLiveView(t *testing.T) {
	r := newTrial(t, `echo ready; until [ -e go ]; do sleep 0.01; done; for i in $(seq 50); do echo tool A; echo end A; done; echo end`)
	r.start()
	r.said("ready")
	if err := r.stdout.Close(); err != nil {
		t.Fatal(err)
	}
	r.write(r.dir+"/workspace/go", "")
	if err := r.cmd.Wait(); err != nil {
		t.Fatal(err)
	}
	r.ended(r.result(), messages.EndSucceeded)
	if n := len(r.events()); n < 100 {
		t.Errorf("%d events", n)
	}
}

// The reader of the live view stops reading: what does not fit is dropped from it, and from nothing else.
func TestBlockedLiveView(t *testing.T) {
	r := newTrial(t, `for i in $(seq 3000); do echo "tool $i-$(printf %100s x)"; done; echo result`)
	r.start()
	// Wait closes the pipe, but only after the runner has ended by itself, with nobody reading.
	if err := r.cmd.Wait(); err != nil {
		t.Fatal(err)
	}
	r.ended(r.result(), messages.EndSucceeded)
	tools := 0
	for _, e := range r.events() {
		if e.Kind == messages.EventTool {
			tools++
		}
	}
	if tools != 3000 {
		t.Errorf("%d events in the record", tools)
	}
}
