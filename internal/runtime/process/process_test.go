//go:build unix

package process

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"devs-webhook/internal/runtime/runtimetest"
	"devs-webhook/internal/runtime/runtimetest/script"
	"devs-webhook/messages"
)

func open(t testing.TB, dir string) *Runtime {
	t.Helper()
	r, err := New(Options{Dir: dir, RunnerPath: os.Getenv(standin), StopGrace: runtimetest.Grace, Poll: 20 * time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func TestSuite(t *testing.T) {
	runtimetest.Run(t, func(t *testing.T) runtimetest.Harness {
		dir := filepath.Join(t.TempDir(), "process")
		if err := os.Mkdir(dir, 0o700); err != nil {
			t.Fatal(err)
		}
		var lives []*Runtime
		t.Cleanup(func() { checkEmpty(t, dir, lives) })
		return runtimetest.Harness{
			Open: func(t *testing.T) runtimetest.Runtime {
				r := open(t, dir)
				lives = append(lives, r)
				return r
			},
			Vanish: func(t *testing.T, slot string) {
				d := slotDir(filepath.Join(t.TempDir(), slot))
				if err := os.Rename(filepath.Join(dir, slot), string(d)); err != nil {
					t.Fatal(err)
				}
				if child, err := d.child(); err == nil {
					if family, err := child.family(); err == nil {
						for _, p := range family {
							_ = syscall.Kill(p.pid, syscall.SIGKILL)
						}
					}
				}
			},
		}
	})
}

// checkEmpty checks that a test left no file and no child.
func checkEmpty(t *testing.T, dir string, lives []*Runtime) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Error(err)
	}
	for _, entry := range entries {
		t.Errorf("%s was left", entry.Name())
	}
	for _, r := range lives {
		r.mu.Lock()
		children := r.children
		r.mu.Unlock()
		for slot, reaped := range children {
			select {
			case <-reaped:
			case <-time.After(5 * time.Second):
				t.Errorf("the child of %s still runs", slot)
			}
		}
	}
}

func TestStopEndsTheWholeFamily(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "p")
	mustMkdir(t, dir)
	r := open(t, dir)
	ctx := t.Context()
	for _, end := range []func(context.Context, string) error{r.Stop, r.Remove} {
		if err := r.Create(ctx, runtimetest.Launch(t, "a", runtimetest.Ref(1), script.Script{Child: true, Events: 1, Stubborn: true})); err != nil {
			t.Fatal(err)
		}
		if err := r.Start(ctx, "a"); err != nil {
			t.Fatal(err)
		}
		seen, cancel := context.WithCancel(ctx)
		if err := r.Follow(seen, "a", 0, func(messages.AgentEvent) { cancel() }); !errors.Is(err, context.Canceled) {
			t.Fatal(err)
		}
		text, err := os.ReadFile(filepath.Join(dir, "a", "run", "out", "agent.log"))
		if err != nil {
			t.Fatal(err)
		}
		var child int
		if _, err := fmt.Sscanf(string(text), "child %d", &child); err != nil {
			t.Fatal(err)
		}
		if err := end(ctx, "a"); err != nil {
			t.Fatal(err)
		}
		if err := syscall.Kill(child, 0); !errors.Is(err, syscall.ESRCH) && !zombie(child) {
			t.Errorf("the runner's child %d, in a session of its own, still runs (%v)", child, err)
			_ = syscall.Kill(child, syscall.SIGKILL)
		}
		if err := r.Remove(ctx, "a"); err != nil {
			t.Fatal(err)
		}
	}
}

func zombie(pid int) bool {
	text, _ := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	return strings.Contains(string(text), ") Z ")
}

// TestForeignProcessOfTheSameNumber: a number that the system gave out again is not our child, and is
// left alone.
func TestForeignProcessOfTheSameNumber(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "p")
	mustMkdir(t, dir)
	r := open(t, dir)
	other := exec.Command("sleep", "60")
	other.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if err := other.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() {
		_ = other.Process.Kill()
		_ = other.Wait()
	}()
	ctx := t.Context()
	if err := r.Create(ctx, runtimetest.Launch(t, "a", runtimetest.Ref(1), script.Script{})); err != nil {
		t.Fatal(err)
	}
	noted := fmt.Sprintf("%d\n%d (sh) S 1 1 1 0 -1 0 0 0 0 0 0 0 0 0 0 0 0 0 77 0 0\nboot\n", other.Process.Pid, other.Process.Pid)
	if err := os.WriteFile(filepath.Join(dir, "a", "pid"), []byte(noted), 0o600); err != nil {
		t.Fatal(err)
	}
	if found, err := r.Find(ctx, "a"); err != nil || found.State != messages.FoundExited {
		t.Errorf("found %+v, %v", found, err)
	}
	if exit, err := r.Collect(ctx, "a", t.TempDir()); err != nil || !exit.Lost {
		t.Errorf("exit is %+v, %v; want lost", exit, err)
	}
	for _, end := range []func(context.Context, string) error{r.Stop, r.Remove} {
		if err := end(ctx, "a"); err != nil {
			t.Error(err)
		}
	}
	if err := syscall.Kill(other.Process.Pid, 0); err != nil || zombie(other.Process.Pid) {
		t.Error("a foreign process was killed")
	}
}

// TestKilledRunner: whoever kills the runner alone, its exit code is known.
func TestKilledRunner(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "p")
	mustMkdir(t, dir)
	r := open(t, dir)
	ctx := t.Context()
	if err := r.Create(ctx, runtimetest.Launch(t, "a", runtimetest.Ref(1), script.Script{Events: 1, Stubborn: true})); err != nil {
		t.Fatal(err)
	}
	if err := r.Start(ctx, "a"); err != nil {
		t.Fatal(err)
	}
	child, err := slotDir(filepath.Join(dir, "a")).child()
	if err != nil {
		t.Fatal(err)
	}
	seen, cancel := context.WithCancel(ctx)
	if err := r.Follow(seen, "a", 0, func(messages.AgentEvent) { cancel() }); !errors.Is(err, context.Canceled) {
		t.Fatal(err)
	}
	family, err := child.family()
	if err != nil || len(family) != 2 {
		t.Fatalf("family is %v, %v; want the wrapper and the runner", family, err)
	}
	for _, p := range family {
		if p != child {
			_ = syscall.Kill(p.pid, syscall.SIGKILL)
		}
	}
	if err := r.Follow(ctx, "a", 1, func(messages.AgentEvent) {}); err != nil {
		t.Fatal(err)
	}
	if exit, err := r.Collect(ctx, "a", t.TempDir()); err != nil || exit.Code != 137 || exit.Lost {
		t.Errorf("exit is %+v, %v", exit, err)
	}
	if err := r.Remove(ctx, "a"); err != nil {
		t.Error(err)
	}
}

// TestStartOfAnEndedRunner: one that has ended is not started a second time, in no later life.
func TestStartOfAnEndedRunner(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "p")
	mustMkdir(t, dir)
	first, later := open(t, dir), open(t, dir)
	ctx := t.Context()
	if err := first.Create(ctx, runtimetest.Launch(t, "a", runtimetest.Ref(1), script.Script{})); err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(first.Start(ctx, "a"), first.Follow(ctx, "a", 0, func(messages.AgentEvent) {})); err != nil {
		t.Fatal(err)
	}
	if err := later.Start(ctx, "a"); err != nil {
		t.Fatal(err)
	}
	if later.reaped("a") != nil {
		t.Error("a second child was started")
	}
	if err := errors.Join(later.Remove(ctx, "a"), first.Remove(ctx, "a")); err != nil {
		t.Error(err)
	}
}

func TestMissingRunnerIsTold(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "p")
	mustMkdir(t, dir)
	r, err := New(Options{Dir: dir, RunnerPath: filepath.Join(dir, "nothing")})
	if err != nil {
		t.Fatal(err)
	}
	if err := r.Check(t.Context()); err == nil {
		t.Error("check says that all is well")
	}
	if err := r.Create(t.Context(), runtimetest.Launch(t, "a", runtimetest.Ref(1), script.Script{})); err != nil {
		t.Fatal(err)
	}
	if err := r.Start(t.Context(), "a"); err != nil {
		t.Fatal(err)
	}
	if err := r.Follow(t.Context(), "a", 0, func(messages.AgentEvent) {}); err != nil {
		t.Fatal(err)
	}
	if exit, err := r.Collect(t.Context(), "a", t.TempDir()); err != nil || exit.Code != 127 {
		t.Errorf("exit is %+v, %v; want 127, as a shell says", exit, err)
	}
	if err := r.Remove(t.Context(), "a"); err != nil {
		t.Error(err)
	}
}

func mustMkdir(t *testing.T, dir string) {
	t.Helper()
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
}
