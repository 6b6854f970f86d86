package runner

import (
	"strings"
	"syscall"
	"testing"
	"time"

	"devs-webhook/messages"
)

// forever runs until it is killed, without a further process in between.
const forever = `exec sleep 60`

func TestWallLimit(t *testing.T) {
	// The agent makes itself heard all the time, and leaves work behind.
	r := newTrial(t, `echo two >>file.txt; while :; do echo tick; sleep 0.05; done`)
	r.spec.Limits.Wall = 2 * time.Second // the making of the workspace counts
	result := r.run()
	r.ended(result, messages.EndTimedOutWall)
	r.fetch(result)
	if result.Detail != "the limit for the whole run, 2s, was reached" || !strings.HasPrefix(result.Words, "tick") || result.ExitCode != 143 {
		t.Errorf("result %+v", result)
	}
}

func TestWallLimitInSetup(t *testing.T) {
	r := newTrial(t, "true")
	r.spec.Limits.Wall = 2 * time.Second
	r.spec.Setup = []messages.SetupStep{{Command: `sleep 60 & echo $! >"$HOME/pid"; wait`}}
	result := r.run()
	r.ended(result, messages.EndTimedOutWall)
	r.dead("home/pid")
}

func TestIdleLimit(t *testing.T) {
	// Standard error counts as a sign of life: the first loop takes longer than the limit.
	r := newTrial(t, `for i in $(seq 20); do echo x >&2; sleep 0.1; done; echo silent; `+forever)
	r.spec.Limits.Idle = 1500 * time.Millisecond
	result := r.run()
	r.ended(result, messages.EndTimedOutIdle)
	if result.Words != "silent" || result.Detail != "the agent printed nothing for 1.5s" {
		t.Errorf("result %+v", result)
	}
}

func TestToolLimit(t *testing.T) {
	// While a tool is used the agent may be silent for longer than the idle limit.
	r := newTrial(t, `echo tool A; sleep 1.3; echo end A; echo tool B; `+forever)
	r.spec.Limits.Idle, r.spec.Limits.Tool = time.Second, 2500*time.Millisecond
	result := r.run()
	r.ended(result, messages.EndTimedOutTool)
	if result.Detail != "a single use of a tool took longer than 2.5s" {
		t.Errorf("result %+v", result)
	}
}

// Whichever limit ends the agent, all that it has started ends with it, out of its group and deaf to a signal as it
// may be.
func TestLimitsEndTheWholeTree(t *testing.T) {
	deafChild := `(` + daemon + `); ` + waitForDaemon
	for name, c := range map[string]struct {
		script string
		limits messages.Limits
		want   messages.Ending
	}{
		"wall":   {`while :; do echo tick; sleep 0.05; done`, messages.Limits{Wall: 2 * time.Second}, messages.EndTimedOutWall},
		"idle":   {forever, messages.Limits{Wall: time.Minute, Idle: time.Second}, messages.EndTimedOutIdle},
		"tool":   {`echo tool A; ` + forever, messages.Limits{Wall: time.Minute, Tool: time.Second}, messages.EndTimedOutTool},
		"result": {`echo result; ` + forever, messages.Limits{Wall: time.Minute}, messages.EndSucceeded},
	} {
		t.Run(name, func(t *testing.T) {
			r := newTrial(t, deafChild+c.script)
			r.spec.Limits = c.limits
			r.env = []string{"LINGER=300ms"}
			r.ended(r.run(), c.want)
			r.dead("home/daemon")
		})
	}
}

func TestDeafAgentIsKilled(t *testing.T) {
	r := newTrial(t, `trap '' TERM; echo deaf; while :; do sleep 0.05; done`)
	r.spec.Limits.Idle = time.Second
	r.env = []string{"GRACE=200ms"}
	result := r.run()
	r.ended(result, messages.EndTimedOutIdle)
	// It is killed, and not given up for lost some time later.
	if took := result.EndedAt.Sub(result.StartedAt); result.ExitCode != 137 || took > goneTime/2 {
		t.Errorf("exit code %d after %s", result.ExitCode, took)
	}
}

func TestResultBeatsADeadline(t *testing.T) {
	// It has stated its result and does not go: that is no failure.
	r := newTrial(t, `echo done; echo result; `+forever)
	r.env = []string{"LINGER=200ms"}
	result := r.run()
	r.ended(result, messages.EndSucceeded)
	if result.Words != "done" || result.ExitCode != 143 || result.Detail != "" {
		t.Errorf("result %+v", result)
	}
}

func TestResultBeatsTheWallLimit(t *testing.T) {
	r := newTrial(t, `echo result; `+forever)
	r.spec.Limits.Wall = 2 * time.Second
	r.ended(r.run(), messages.EndSucceeded)
}

func TestClosedOutputIsNoSuccess(t *testing.T) {
	r := newTrial(t, `echo bye; exec >/dev/null; `+forever)
	r.env = []string{"LINGER=200ms"}
	result := r.run()
	r.ended(result, messages.EndAgentFailed)
	if !strings.Contains(result.Detail, "had said all") {
		t.Errorf("detail %q", result.Detail)
	}
}

func TestCancel(t *testing.T) {
	r := newTrial(t, `echo two >>file.txt; echo ready; `+forever)
	r.start()
	r.said("ready")
	if err := r.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	result := r.finish()
	r.ended(result, messages.EndCancelled)
	r.fetch(result)
	if result.Words != "ready" || result.ExitCode != 143 {
		t.Errorf("result %+v", result)
	}
}

func TestCancelInSetup(t *testing.T) {
	r := newTrial(t, "true")
	r.spec.Setup = []messages.SetupStep{{Command: forever}}
	r.start()
	r.until(func(e messages.AgentEvent) bool { return strings.HasPrefix(e.Text, "setup 1 of 1") })
	if err := r.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	r.ended(r.finish(), messages.EndCancelled)
}
