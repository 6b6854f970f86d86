package runtimetest

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"devs-webhook/internal/runtime/runtimetest/script"
	"devs-webhook/messages"
)

// events returns when the runner has written event number n.
func (s *suite) events(slot string, n int64) {
	s.t.Helper()
	ctx, cancel := context.WithCancel(s.ctx())
	err := s.rt.Follow(ctx, slot, n-1, func(messages.AgentEvent) { cancel() })
	if !errors.Is(err, context.Canceled) {
		s.t.Fatalf("follow: %v, want it cancelled", err)
	}
}

// followAgain breaks off again and again, each time in a new life, and misses and repeats nothing.
func followAgain(s *suite) {
	const slot, total = "a", 120
	s.begin(slot, Ref(1), script.Script{Events: total, Pace: 5 * time.Millisecond})
	var events []messages.AgentEvent
	last := func() int64 { return int64(len(events)) }
	breaks := 0
	for {
		ctx, cancel := context.WithCancel(s.ctx())
		from := last()
		err := s.rt.Follow(ctx, slot, from, func(e messages.AgentEvent) {
			events = append(events, e)
			if last() == from+15 {
				cancel()
			}
		})
		cancel()
		if err == nil {
			break
		}
		if !errors.Is(err, context.Canceled) {
			s.t.Fatal(err)
		}
		breaks++
		s.restart()
	}
	s.consecutive(events, 1, total)
	if breaks < 3 {
		s.t.Errorf("broke off %d times only", breaks)
	}
	s.remove(slot)
}

func followTwice(s *suite) {
	const slot, total = "a", 60
	s.begin(slot, Ref(1), script.Script{Events: total, Pace: 2 * time.Millisecond})
	other := s.Open(s.t)
	var events [2][]messages.AgentEvent
	var errs [2]error
	var wg sync.WaitGroup
	for i, rt := range []Runtime{s.rt, other} {
		wg.Go(func() {
			errs[i] = rt.Follow(s.ctx(), slot, 0, func(e messages.AgentEvent) { events[i] = append(events[i], e) })
		})
	}
	wg.Wait()
	for i := range events {
		s.must(errs[i])
		s.consecutive(events[i], 1, total)
	}
	s.remove(slot)
}

func followAfterEnd(s *suite) {
	const slot = "a"
	s.begin(slot, Ref(1), script.Script{Events: 30})
	s.follow(slot, 0)
	s.restart()
	s.consecutive(s.follow(slot, 0), 1, 30)
	s.consecutive(s.follow(slot, 25), 26, 30)
	s.consecutive(s.follow(slot, 30), 31, 30)
	s.remove(slot)
}

// followLongLines: lines beyond what an engine keeps in one piece come whole.
func followLongLines(s *suite) {
	const slot, pad = "a", 100_000
	s.begin(slot, Ref(1), script.Script{Events: 10, Pad: pad})
	events := s.follow(slot, 0)
	s.consecutive(events, 1, 10)
	for _, e := range events {
		if len(e.Text) < pad {
			s.t.Errorf("event %d has %d bytes of text, want %d", e.Seq, len(e.Text), pad)
		}
	}
	s.remove(slot)
}

func followHostile(s *suite) {
	const slot = "a"
	s.begin(slot, Ref(1), script.Script{Events: 10, Raw: []string{
		"", "{", "null", "[]", `"x"`, "\x00\xff\xfe", `{"seq":1,"kind":"words"}`, `{"seq":-1,"kind":"words"}`, `{"seq":6}`,
		`{"seq":9223372036854775807,"kind":"words","text":"the end"}`, `{"seq":1e3,"kind":"words"}`,
		`{"seq":6,"kind":"words","text":"` + strings.Repeat("x", 1_100_000) + `"}`, // too long
		`{"seq":6,"kind":"words","at":"not a time"}`, strings.Repeat("[", 100_000),
	}})
	events := s.follow(slot, 0)
	s.consecutive(events, 1, 10)
	for i, e := range events {
		if want := fmt.Sprint("word ", i+1); e.Text != want {
			s.t.Errorf("event %d says %.40q, want %q", e.Seq, e.Text, want)
		}
	}
	s.remove(slot)
}

// followFlood: more than an engine keeps in one file of its log.
func followFlood(s *suite) {
	const slot, total = "a", 400
	s.begin(slot, Ref(1), script.Script{Events: total, Pad: 30_000})
	s.consecutive(s.follow(slot, 0), 1, total)
	s.remove(slot)
}
