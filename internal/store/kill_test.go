package store

import (
	"bufio"
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"devs-webhook/messages"
)

// TestKill runs a child that takes deliveries through their whole life from 16 goroutines and prints one line
// per write that returned nil, kills it with SIGKILL at a random moment, and looks whether everything that was
// printed is there. STORE_TEST_KILLS sets the number of rounds, 10 if unset.
func TestKill(t *testing.T) {
	rounds := 10
	if n, err := strconv.Atoi(os.Getenv("STORE_TEST_KILLS")); err == nil {
		rounds = n
	}
	dir := t.TempDir()
	acks := make(map[string]bool)
	for round := range rounds {
		before := len(acks)
		killed(t, dir, acks)
		if len(acks) == before {
			t.Fatal("the child did nothing")
		}
		s := openedIn(t, dir)
		for ack := range acks {
			checkAck(t, s, ack)
		}
		t.Logf("round %d: %d writes acknowledged, %d attempts left open", round, len(acks)-before,
			len(value(s.OpenAttempts(t.Context()))(t)))
		must(t, s.Close())
		if t.Failed() {
			return
		}
	}
}

// killed runs a child until it dies and collects its lines.
func killed(t *testing.T, dir string, acks map[string]bool) {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), childEnv+"="+dir)
	cmd.Stderr = os.Stderr
	out := value(cmd.StdoutPipe())(t)
	must(t, cmd.Start())
	var timer *time.Timer
	for lines := bufio.NewScanner(out); lines.Scan(); {
		if timer == nil {
			timer = time.AfterFunc(rand.N(150*time.Millisecond), func() { _ = cmd.Process.Kill() })
			defer timer.Stop()
		}
		acks[lines.Text()] = true
	}
	_ = cmd.Wait()
	if status, ok := cmd.ProcessState.Sys().(syscall.WaitStatus); !ok || status.Signal() != syscall.SIGKILL {
		t.Fatalf("the child ended by itself: %v", cmd.ProcessState)
	}
}

// checkAck looks for one acknowledged write: "accepted <delivery>", "decided <delivery> <task>", "claimed
// <task>-<attempt>" or "finished <task>-<attempt>".
func checkAck(t *testing.T, s *Store, ack string) {
	t.Helper()
	words := strings.Fields(ack)
	switch words[0] {
	case "accepted":
		var body string
		err := s.db.QueryRow(`SELECT CAST(p.body AS TEXT) FROM deliveries d JOIN payloads p ON p.delivery = d.seq
			WHERE d.id = ?`, words[1]).Scan(&body)
		if err != nil || body != string(delivery(words[1]).Body) {
			t.Errorf("%s: body %q: %v", ack, body, err)
		}
	case "decided":
		w, err := s.Why(t.Context(), words[1])
		if err != nil || w.Decision != messages.DecidedTask || w.Task == nil || string(w.Task.ID) != words[2] || len(w.Effects) == 0 {
			t.Errorf("%s: %+v: %v", ack, w, err)
		}
	case "claimed", "finished":
		task, number, _ := strings.Cut(words[1], "-")
		v, err := s.View(t.Context(), messages.TaskID(task))
		if err != nil || len(v.Attempts) != 1 || number != "1" {
			t.Errorf("%s: %+v: %v", ack, v, err)
			return
		}
		if done := v.Task.State == messages.TaskDone && v.Outcome != nil && len(v.Effects) == 2; words[0] == "finished" && !done {
			t.Errorf("%s: %+v", ack, v)
		}
		if open := v.Attempts[0].Open; open != (v.Task.State == messages.TaskRunning) || open == (v.Outcome != nil) {
			t.Errorf("%s: half a write: %+v", ack, v)
		}
	default:
		t.Errorf("line %q", ack)
	}
}

// child writes until it is killed.
func child(dir string) {
	s, err := Open(context.Background(), dir, Options{Log: zerolog.Nop()})
	if err != nil {
		panic(err)
	}
	var wg sync.WaitGroup
	for worker := range 16 {
		wg.Go(func() {
			if err := live(s, fmt.Sprint("slot", worker)); err != nil {
				panic(err)
			}
		})
	}
	wg.Wait()
}

// live is one worker of the child: it ends what an earlier life left and goes on with new work.
func live(s *Store, slot string) error {
	ctx := context.Background()
	ack := func(words ...any) { _, _ = os.Stdout.WriteString(fmt.Sprintln(words...)) }
	finish := func(ref messages.AttemptRef) error {
		if err := s.Finish(ctx, messages.Outcome{Attempt: ref, Ending: messages.EndSucceeded}); err != nil {
			return err
		}
		ack("finished", ref)
		return nil
	}
	if a, _, some, err := s.Current(ctx, slot); err != nil || some {
		if err != nil {
			return err
		}
		if err := finish(a.AttemptRef); err != nil {
			return err
		}
	}
	for n := 0; ; n++ {
		id := fmt.Sprintf("%s-%d-%d", slot, os.Getpid(), n)
		if _, err := s.Accept(ctx, delivery(id)); err != nil {
			return err
		}
		ack("accepted", id)
		r := asked(id, 1+rand.IntN(1<<40), "do it")
		_, task, err := s.Decide(ctx, messages.Decision{Delivery: id, Kind: messages.DecidedTask, Request: r, React: true})
		if err != nil {
			return err
		}
		ack("decided", id, task)
		a, _, err := s.Claim(ctx, task, slot, "process")
		if err != nil {
			return err
		}
		ack("claimed", a.AttemptRef)
		if err := finish(a.AttemptRef); err != nil {
			return err
		}
	}
}
