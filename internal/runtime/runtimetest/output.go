package runtimetest

import (
	"os"
	"path/filepath"
	"strings"

	"devs-webhook/internal/runtime/runtimetest/script"
	"devs-webhook/messages"
)

// names lists a directory and checks that it has nothing but private regular files.
func (s *suite) names(dir string) string {
	s.t.Helper()
	entries, err := os.ReadDir(dir)
	s.must(err)
	var names []string
	for _, entry := range entries {
		info, err := entry.Info()
		s.must(err)
		if info.Mode() != 0o600 {
			s.t.Errorf("mode of %s is %v, want -rw-------", entry.Name(), info.Mode())
		}
		names = append(names, entry.Name())
	}
	return strings.Join(names, " ")
}

func hostileOutput(s *suite) {
	const slot = "a"
	s.begin(slot, Ref(1), script.Script{
		NoResult: true,
		Links:    map[string]string{"events.jsonl": "/etc/passwd", "intents.json": "other"},
		Files:    map[string]int{"other": 10, "agent.log": 5, "x.json": 3},
		Pipes:    []string{"result.json"},
		Dirs:     []string{"work.bundle", "more"},
	})
	s.follow(slot, 0)
	exit, dir := s.collect(slot)
	if got := s.names(dir); got != "agent.log" {
		s.t.Errorf("collected %q, want agent.log only", got)
	}
	for _, name := range []string{"events.jsonl", "intents.json", "result.json", "work.bundle"} {
		if !strings.Contains(exit.Detail, name+" was left out") {
			s.t.Errorf("detail %q says nothing of %s", exit.Detail, name)
		}
	}
	s.remove(slot)
}

func hugeOutput(s *suite) {
	const slot = "a"
	s.begin(slot, Ref(1), script.Script{
		NoResult:     true,
		Files:        map[string]int{"result.json": 1_000_001, "intents.json": 1_000_000, "agent.log": 21_000_000},
		SparseBundle: 1 << 40,
	})
	s.follow(slot, 0)
	exit, dir := s.collect(slot)
	if got := s.names(dir); got != "agent.log events.jsonl intents.json" {
		s.t.Errorf("collected %q", got)
	}
	info, err := os.Stat(filepath.Join(dir, "agent.log"))
	s.must(err)
	if info.Size() != 20_000_000 {
		s.t.Errorf("agent.log has %d bytes, want it cut at 20,000,000", info.Size())
	}
	for _, words := range []string{"result.json was left out", "work.bundle was left out", "agent.log was cut"} {
		if !strings.Contains(exit.Detail, words) {
			s.t.Errorf("detail %q does not say %q", exit.Detail, words)
		}
	}
	s.remove(slot)
}

func inputWithLink(s *suite) {
	l := Launch(s.t, "a", Ref(1), script.Script{})
	s.must(os.Symlink("/etc/passwd", filepath.Join(l.InputDir, "link")))
	if err := s.rt.Create(s.ctx(), l); err == nil {
		s.t.Error("input with a link was accepted")
	}
	s.find("a", messages.FoundNothing, messages.AttemptRef{})
}

func sweep(s *suite) {
	s.begin("wanted", Ref(1), script.Script{Stubborn: true})
	s.begin("unwanted", Ref(2), script.Script{Stubborn: true})
	s.create("created", Ref(3), script.Script{})
	s.restart()
	removed, err := s.rt.Sweep(s.ctx(), func(ref messages.AttemptRef) bool { return ref == Ref(1) })
	s.must(err)
	if removed < 2 {
		s.t.Errorf("removed %d, want at least 2", removed)
	}
	s.find("wanted", messages.FoundRunning, Ref(1))
	s.find("unwanted", messages.FoundNothing, messages.AttemptRef{})
	s.find("created", messages.FoundNothing, messages.AttemptRef{})
	s.remove("wanted")
}
