//go:build unix

package process

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"devs-webhook/internal/runtime/runtimetest"
	"devs-webhook/internal/runtime/runtimetest/script"
	"devs-webhook/messages"
)

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
