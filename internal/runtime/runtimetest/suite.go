package runtimetest

import (
	"context"
	"errors"
	"testing"

	"devs-webhook/internal/runtime/runtimetest/script"
	"devs-webhook/messages"
)

// Run runs the whole suite. open makes a harness for one test, which cleans up behind itself.
func Run(t *testing.T, open func(t *testing.T) Harness) {
	for _, test := range []struct {
		name string
		run  func(*suite)
	}{
		{"WholeOrder", wholeOrder},
		{"KillBetweenAnyTwoCalls", killBetween},
		{"NameTaken", nameTaken},
		{"CreateAfterVanishedRunIsClean", createClean},
		{"StartsOnce", startsOnce},
		{"NothingThere", nothingThere},
		{"VanishedRunIsLost", vanished},
		{"VanishedWhileFollowed", vanishedFollowed},
		{"NotYetExited", notYetExited},
		{"ExitCode", exitCode},
		{"StopGraceful", stopGraceful},
		{"StopStubborn", stopStubborn},
		{"RemoveRunning", removeRunning},
		{"BadSlotName", badSlotName},
		{"InputWithLinkIsRefused", inputWithLink},
		{"FollowAgain", followAgain},
		{"FollowTwiceAtOnce", followTwice},
		{"FollowAfterTheEnd", followAfterEnd},
		{"FollowLongLines", followLongLines},
		{"FollowHostileLines", followHostile},
		{"FollowFlood", followFlood},
		{"HostileOutput", hostileOutput},
		{"HugeOutput", hugeOutput},
		{"Sweep", sweep},
		{"Reach", reach},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			test.run(newSuite(t, open))
		})
	}
}

func wholeOrder(s *suite) {
	const slot = "eamonn"
	s.must(s.rt.Check(s.ctx()))
	s.find(slot, messages.FoundNothing, messages.AttemptRef{})
	s.create(slot, Ref(1), script.Script{Events: 20})
	s.find(slot, messages.FoundCreated, Ref(1))
	s.start(slot)
	s.consecutive(s.follow(slot, 0), 1, 20)
	s.find(slot, messages.FoundExited, Ref(1))
	exit, dir := s.collect(slot)
	if exit.Code != 0 || exit.Lost || exit.OutOfMemory || exit.Detail != "" {
		s.t.Errorf("exit is %+v", exit)
	}
	if exit.StartedAt.IsZero() || exit.EndedAt.Before(exit.StartedAt) {
		s.t.Errorf("times are %v to %v", exit.StartedAt, exit.EndedAt)
	}
	if s.read(dir, "result.json") == "" || s.read(dir, "events.jsonl") == "" {
		s.t.Error("collected files are empty")
	}
	s.remove(slot)
	s.find(slot, messages.FoundNothing, messages.AttemptRef{})
	// The next attempt of the slot has nothing to do with this one.
	s.begin(slot, Ref(2), script.Script{})
	s.consecutive(s.follow(slot, 0), 1, 0)
	s.remove(slot)
}

// killBetween does what a container actor does that is killed after each call, and that calls each one
// a second time, as it cannot know whether it went through.
func killBetween(s *suite) {
	const slot = "harry"
	s.create(slot, Ref(1), script.Script{Count: true})
	s.restart()
	s.find(slot, messages.FoundCreated, Ref(1))
	s.remove(slot)
	s.restart()
	s.find(slot, messages.FoundNothing, messages.AttemptRef{})
	s.create(slot, Ref(1), script.Script{Count: true, Hang: true, Events: 5})
	s.restart()
	s.start(slot)
	s.restart()
	s.find(slot, messages.FoundRunning, Ref(1))
	s.start(slot)
	s.find(slot, messages.FoundRunning, Ref(1))
	s.restart()
	s.events(slot, 5)
	s.restart()
	s.must(s.rt.Stop(s.ctx(), slot))
	s.restart()
	s.consecutive(s.follow(slot, 2), 3, 5)
	s.restart()
	s.find(slot, messages.FoundExited, Ref(1))
	first, _ := s.collect(slot)
	s.restart()
	again, dir := s.collect(slot)
	if first != again {
		s.t.Errorf("collected %+v, then %+v", first, again)
	}
	if got := s.read(dir, "agent.log"); got != "ran\nterminated" {
		s.t.Errorf("agent.log is %q", got)
	}
	s.remove(slot)
	s.restart()
	s.remove(slot)
	s.find(slot, messages.FoundNothing, messages.AttemptRef{})
}

func nameTaken(s *suite) {
	const slot = "darren"
	s.begin(slot, Ref(1), script.Script{Hang: true, Count: true, Events: 1})
	for _, ref := range []messages.AttemptRef{Ref(1), Ref(2)} {
		err := s.rt.Create(s.ctx(), Launch(s.t, slot, ref, script.Script{}))
		if !errors.Is(err, messages.ErrNameTaken) {
			s.t.Fatalf("second create: %v, want ErrNameTaken", err)
		}
		s.find(slot, messages.FoundRunning, Ref(1))
	}
	s.events(slot, 1)
	s.must(s.rt.Stop(s.ctx(), slot))
	_, dir := s.collect(slot)
	if got := s.read(dir, "agent.log"); got != "ran\nterminated" {
		s.t.Errorf("agent.log is %q", got)
	}
	s.remove(slot)
}

// createClean: the same attempt is done again after its container was taken away by somebody else.
func createClean(s *suite) {
	const slot = "a"
	s.begin(slot, Ref(1), script.Script{Count: true, Links: map[string]string{"left": "/"}})
	s.follow(slot, 0)
	s.Vanish(s.t, slot)
	s.begin(slot, Ref(1), script.Script{Count: true})
	s.follow(slot, 0)
	_, dir := s.collect(slot)
	if got := s.read(dir, "agent.log"); got != "ran" {
		s.t.Errorf("agent.log is %q: the earlier run left something", got)
	}
	s.remove(slot)
}

func startsOnce(s *suite) {
	const slot = "a.b-c_d"
	s.begin(slot, Ref(1), script.Script{Count: true})
	s.follow(slot, 0)
	s.start(slot)
	s.restart()
	s.start(slot)
	s.find(slot, messages.FoundExited, Ref(1))
	_, dir := s.collect(slot)
	if got := s.read(dir, "agent.log"); got != "ran" {
		s.t.Errorf("agent.log is %q, want one run", got)
	}
	s.remove(slot)
}

func nothingThere(s *suite) {
	const slot = "nobody"
	s.must(s.rt.Stop(s.ctx(), slot))
	s.remove(slot)
	for name, err := range map[string]error{
		"start":  s.rt.Start(s.ctx(), slot),
		"follow": s.rt.Follow(s.ctx(), slot, 0, func(messages.AgentEvent) {}),
	} {
		if !errors.Is(err, messages.ErrNotFound) {
			s.t.Errorf("%s: %v, want ErrNotFound", name, err)
		}
	}
	if exit, _ := s.collect(slot); !exit.Lost {
		s.t.Errorf("exit is %+v, want lost", exit)
	}
	removed, err := s.rt.Sweep(s.ctx(), func(messages.AttemptRef) bool { return false })
	if removed != 0 || err != nil {
		s.t.Errorf("sweep of nothing: %d, %v", removed, err)
	}
}

func vanished(s *suite) {
	const slot = "a"
	s.begin(slot, Ref(1), script.Script{Hang: true})
	s.Vanish(s.t, slot)
	s.find(slot, messages.FoundNothing, messages.AttemptRef{})
	if exit, _ := s.collect(slot); !exit.Lost {
		s.t.Errorf("exit is %+v, want lost", exit)
	}
	s.remove(slot)
}

func vanishedFollowed(s *suite) {
	const slot = "a"
	s.begin(slot, Ref(1), script.Script{Hang: true, Events: 1})
	seen := make(chan struct{})
	done := make(chan error, 1)
	go func() {
		done <- s.rt.Follow(s.ctx(), slot, 0, func(messages.AgentEvent) { close(seen) })
	}()
	<-seen
	s.Vanish(s.t, slot)
	if err := <-done; !errors.Is(err, messages.ErrNotFound) {
		s.t.Errorf("follow: %v, want ErrNotFound", err)
	}
	s.remove(slot)
}

func notYetExited(s *suite) {
	const slot = "a"
	s.create(slot, Ref(1), script.Script{Hang: true})
	if _, err := s.rt.Collect(s.ctx(), slot, s.t.TempDir()); err == nil {
		s.t.Error("collected what was not started")
	}
	if err := s.rt.Follow(s.ctx(), slot, 0, func(messages.AgentEvent) {}); err == nil {
		s.t.Error("followed what was not started")
	}
	s.start(slot)
	if _, err := s.rt.Collect(s.ctx(), slot, s.t.TempDir()); err == nil {
		s.t.Error("collected what still runs")
	}
	ctx, cancel := context.WithCancel(s.ctx())
	cancel()
	if err := s.rt.Follow(ctx, slot, 0, func(messages.AgentEvent) {}); !errors.Is(err, context.Canceled) {
		s.t.Errorf("follow with a cancelled context: %v", err)
	}
	s.remove(slot)
}

func exitCode(s *suite) {
	const slot = "a"
	s.begin(slot, Ref(1), script.Script{Exit: 7, NoResult: true})
	s.follow(slot, 0)
	s.restart()
	if exit, _ := s.collect(slot); exit.Code != 7 || exit.Lost {
		s.t.Errorf("exit is %+v, want code 7", exit)
	}
	s.remove(slot)
}

func stopGraceful(s *suite) {
	const slot = "a"
	s.begin(slot, Ref(1), script.Script{Hang: true, Events: 1, Exit: 3})
	s.events(slot, 1)
	s.must(s.rt.Stop(s.ctx(), slot))
	s.find(slot, messages.FoundExited, Ref(1))
	exit, dir := s.collect(slot)
	if exit.Code != 3 || exit.Lost {
		s.t.Errorf("exit is %+v, want code 3", exit)
	}
	if got := s.read(dir, "agent.log"); got != "terminated" {
		s.t.Errorf("agent.log is %q", got)
	}
	s.must(s.rt.Stop(s.ctx(), slot))
	s.remove(slot)
}

func stopStubborn(s *suite) {
	const slot = "a"
	s.begin(slot, Ref(1), script.Script{Stubborn: true, Events: 1})
	s.events(slot, 1)
	s.must(s.rt.Stop(s.ctx(), slot))
	s.find(slot, messages.FoundExited, Ref(1))
	if exit, _ := s.collect(slot); exit.Code != 137 || exit.Lost || exit.OutOfMemory {
		s.t.Errorf("exit is %+v, want code 137", exit)
	}
	s.remove(slot)
}

func removeRunning(s *suite) {
	const slot = "a"
	s.begin(slot, Ref(1), script.Script{Stubborn: true})
	s.remove(slot)
	s.find(slot, messages.FoundNothing, messages.AttemptRef{})
}

func badSlotName(s *suite) {
	for _, slot := range []string{"", ".", "..", "../x", "a/b", ".hidden", "ü"} {
		if err := s.rt.Create(s.ctx(), Launch(s.t, slot, Ref(1), script.Script{})); err == nil {
			s.t.Errorf("slot %q was accepted", slot)
		}
	}
}
