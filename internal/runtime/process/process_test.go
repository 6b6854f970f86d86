//go:build unix

package process

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
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

// play is the service that is killed: it creates and starts, says so on stdout, and hangs.
func play() {
	fail := func(err error) {
		if err != nil {
			fmt.Println("error:", err)
			os.Exit(1)
		}
	}
	r, err := New(Options{Dir: os.Getenv(playDir), RunnerPath: os.Getenv(standin)})
	fail(err)
	fmt.Println("began")
	fail(r.Create(context.Background(), messages.Launch{Slot: "a", Attempt: runtimetest.Ref(1), InputDir: os.Getenv(playInput)}))
	fmt.Println("created")
	fail(r.Start(context.Background(), "a"))
	fmt.Println("started")
	select {}
}

// killService starts the test binary as a service, waits until it has said word and another delay, and kills it.
func killService(t *testing.T, dir, input, word string, delay time.Duration) {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), playDir+"="+dir, playInput+"="+input, "SECRET_TOKEN=s3cret")
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewScanner(out)
	for lines.Scan() && lines.Text() != word {
		if strings.HasPrefix(lines.Text(), "error") {
			t.Error(lines.Text())
		}
	}
	<-time.After(delay) // the moment of the kill, not a wait for something
	_ = cmd.Process.Kill()
	_ = cmd.Wait()
}

func TestChildOutlivesTheServicesKill(t *testing.T) {
	dir, input := filepath.Join(t.TempDir(), "p"), t.TempDir()
	mustMkdir(t, dir)
	runtimetest.WriteInput(t, input, runtimetest.Ref(1), script.Script{Events: 50, Pace: 10 * time.Millisecond, Exit: 4, Facts: true})
	killService(t, dir, input, "started", 0)
	r := open(t, dir)
	found, err := r.Find(t.Context(), "a")
	if err != nil || found != (messages.Found{State: messages.FoundRunning, Attempt: runtimetest.Ref(1)}) {
		t.Fatalf("found %+v, %v", found, err)
	}
	last := int64(0)
	if err := r.Follow(t.Context(), "a", 0, func(e messages.AgentEvent) { last = e.Seq }); err != nil || last != 50 {
		t.Fatalf("followed to %d, %v", last, err)
	}
	out := t.TempDir()
	exit, err := r.Collect(t.Context(), "a", out)
	if err != nil || exit.Code != 4 || exit.Lost {
		t.Errorf("exit is %+v, %v; the code was written without a service", exit, err)
	}
	checkEnv(t, dir, out)
	if err := r.Remove(t.Context(), "a"); err != nil {
		t.Error(err)
	}
}

// checkEnv checks that the runner saw nothing of the service's environment.
func checkEnv(t *testing.T, dir, out string) {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(out, "agent.log"))
	if err != nil {
		t.Fatal(err)
	}
	var facts script.Facts
	if err := json.Unmarshal(text, &facts); err != nil {
		t.Fatal(err)
	}
	for _, entry := range facts.Env {
		name, _, _ := strings.Cut(entry, "=")
		if !slices.Contains([]string{"PATH", "HOME", "LANG", "PWD", "OLDPWD", "_", "SHLVL"}, name) {
			t.Errorf("the runner's environment has %s", name)
		}
	}
	if want := "HOME=" + filepath.Join(dir, "a", "run", "home"); !slices.Contains(facts.Env, want) {
		t.Errorf("no %s in %q", want, facts.Env)
	}
	if want := filepath.Join(dir, "a", "run"); facts.Dir != want {
		t.Errorf("working directory is %s, want %s", facts.Dir, want)
	}
}

// TestKilledAtAnyMoment kills the service at many moments of creating and starting. Whatever is found
// then, going on by it runs the attempt exactly once.
func TestKilledAtAnyMoment(t *testing.T) {
	for i := range 24 {
		t.Run(strconv.Itoa(i), func(t *testing.T) {
			t.Parallel()
			dir, input := filepath.Join(t.TempDir(), "p"), t.TempDir()
			mustMkdir(t, dir)
			runtimetest.WriteInput(t, input, runtimetest.Ref(1), script.Script{Count: true})
			killService(t, dir, input, "began", time.Duration(i)*time.Millisecond)
			r := open(t, dir)
			goOn(t, r, messages.Launch{Slot: "a", Attempt: runtimetest.Ref(1), InputDir: input})
			if err := r.Remove(t.Context(), "a"); err != nil {
				t.Fatal(err)
			}
		})
	}
}

// goOn is what a container actor does after a kill.
func goOn(t *testing.T, r *Runtime, l messages.Launch) {
	t.Helper()
	ctx := t.Context()
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	found, err := r.Find(ctx, l.Slot)
	must(err)
	t.Log("found: ", found.State)
	if found.State == messages.FoundCreated || found.State == messages.FoundNothing {
		must(r.Remove(ctx, l.Slot))
		must(r.Create(ctx, l))
		must(r.Start(ctx, l.Slot))
	}
	must(r.Follow(ctx, l.Slot, 0, func(messages.AgentEvent) {}))
	out := t.TempDir()
	exit, err := r.Collect(ctx, l.Slot, out)
	must(err)
	text, err := os.ReadFile(filepath.Join(out, "agent.log"))
	must(err)
	if string(text) != "ran\n" || exit.Code != 0 || exit.Lost {
		t.Errorf("agent.log is %q, exit %+v", text, exit)
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
	if err := r.Create(ctx, runtimetest.Launch(t, "a", runtimetest.Ref(1), script.Script{Events: 1, Stubborn: true, Facts: true})); err != nil {
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
