package store

import (
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"testing"
	"testing/synctest"
	"time"

	"devs-webhook/messages"
)

// golden compares a value's JSON with a file of testdata; -update writes it.
func golden(t *testing.T, name string, v any, update bool) {
	t.Helper()
	got := append(value(json.MarshalIndent(v, "", "  "))(t), '\n')
	path := filepath.Join("testdata", name)
	if update {
		must(t, os.MkdirAll("testdata", 0o755))
		must(t, os.WriteFile(path, got, 0o644))
	}
	if want := value(os.ReadFile(path))(t); string(got) != string(want) {
		t.Errorf("%s:\n%s", name, got)
	}
}

// TestWhy holds the JSON that people and scripts read.
func TestWhy(t *testing.T) {
	update := flag.Lookup("update").Value.String() == "true"
	synctest.Test(t, func(t *testing.T) { // whose clock always begins at the same time
		s := opened(t)
		_, id := decided(t, s, "asked", asked("key-1", 1, "fix the bug"))
		decided(t, s, "merged", asked("key-22", 1, "and the tests"))
		time.Sleep(time.Minute)
		ref := claimed(t, s, id, "eamonn")
		time.Sleep(time.Minute)
		must(t, s.AddUsage(t.Context(), ref, messages.Usage{Requests: 2, Input: 1200, Output: 80, CacheRead: 5000, CacheWrite: 300, CostUSD: 0.0089}))
		must(t, s.Finish(t.Context(), messages.Outcome{Attempt: ref, Ending: messages.EndSucceeded, Bundle: "b"}))
		_, err := s.Accept(t.Context(), delivery("ping"))
		must(t, err)
		golden(t, "why-undecided.json", value(s.Why(t.Context(), "ping"))(t), update)
		_, _, err = s.Decide(t.Context(), messages.Decision{
			Delivery: "ping", Kind: messages.DecidedIgnored, Reason: messages.ReasonPing, Summary: "ping octo/hello", Detail: "nothing to do",
		})
		must(t, err)
		golden(t, "why-ignored.json", value(s.Why(t.Context(), "ping"))(t), update)
		golden(t, "why-task.json", value(s.Why(t.Context(), "merged"))(t), update)
		golden(t, "counts.json", value(s.Counts(t.Context()))(t), update)
	})
}
