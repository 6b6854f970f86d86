package runner

import (
	"bytes"
	"encoding/json"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/iotest"
	"testing/synctest"
	"time"

	"devs-webhook/messages"
)

func TestWatch(t *testing.T) {
	start := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	at := func(s int) time.Time { return start.Add(time.Duration(s) * time.Second) }
	tool := func(kind messages.EventKind, name string) messages.AgentEvent {
		return messages.AgentEvent{Kind: kind, Tool: name}
	}
	limits := messages.Limits{Idle: 10 * time.Second, Tool: 30 * time.Second}
	w := newWatch(limits, 5*time.Second, at(100), start)
	expect := func(when int, why messages.Ending) {
		t.Helper()
		if gotAt, gotWhy := w.next(); !gotAt.Equal(at(when)) || gotWhy != why {
			t.Errorf("next is %s %s, want %d %s", gotAt, gotWhy, when, why)
		}
	}
	expect(10, messages.EndTimedOutIdle)
	w.heard = at(3)
	expect(13, messages.EndTimedOutIdle)
	w.event(tool(messages.EventTool, "A"), at(4))
	w.event(tool(messages.EventTool, "A"), at(6))
	w.event(tool(messages.EventTool, "B"), at(5))
	expect(34, messages.EndTimedOutTool)
	w.event(tool(messages.EventToolEnd, "A"), at(7))
	expect(35, messages.EndTimedOutTool)
	w.event(tool(messages.EventToolEnd, "B"), at(8))
	expect(36, messages.EndTimedOutTool)
	w.event(tool(messages.EventToolEnd, "A"), at(9))
	w.event(tool(messages.EventToolEnd, "never begun"), at(9))
	w.heard = at(9)
	expect(19, messages.EndTimedOutIdle)
	w.said = true
	expect(14, endLinger)
	w.heard = at(98)
	expect(100, messages.EndTimedOutWall)

	w = newWatch(messages.Limits{}, time.Second, time.Time{}, start)
	if when, _ := w.next(); !when.IsZero() {
		t.Errorf("a limit without limits: %s", when)
	}
	for i := range 1000 {
		w.event(tool(messages.EventTool, strings.Repeat("x", i)), start)
	}
	if len(w.open) > maxOpen {
		t.Errorf("%d tools remembered", len(w.open))
	}
}

func TestLines(t *testing.T) {
	text := "one\n\n" + strings.Repeat("x", 200_000) + "\nlast"
	for name, r := range map[string]io.Reader{
		"whole": strings.NewReader(text), "by bytes": iotest.OneByteReader(strings.NewReader(text)),
		"broken": io.MultiReader(strings.NewReader(text), iotest.ErrReader(os.ErrClosed)),
	} {
		var got []string
		readLines(r, 100_000, func(line []byte) { got = append(got, string(line)) })
		if len(got) != 4 || got[0] != "one" || got[1] != "" || got[2] != strings.Repeat("x", 100_000) || got[3] != "last" {
			t.Errorf("%s: %d lines", name, len(got))
		}
	}
}

func FuzzLines(f *testing.F) {
	f.Add([]byte("a\nbcdefgh\n\ni"), 4)
	f.Fuzz(func(t *testing.T, data []byte, limit int) {
		limit = 1 + max(limit, -limit)&0xffff
		var want, got []string
		for line := range bytes.Lines(data) {
			line = bytes.TrimSuffix(line, []byte("\n"))
			want = append(want, string(line[:min(len(line), limit)]))
		}
		readLines(bytes.NewReader(data), limit, func(line []byte) { got = append(got, string(line)) })
		if strings.Join(got, "\n") != strings.Join(want, "\n") || len(got) != len(want) {
			t.Errorf("got %q, want %q", got, want)
		}
	})
}

func TestWordsAreMerged(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dir := t.TempDir()
		var live bytes.Buffer
		r, err := newRecorder(dir, &live)
		if err != nil {
			t.Fatal(err)
		}
		words := func(text string) { r.add(messages.AgentEvent{Kind: messages.EventWords, Text: text}) }
		words("first")
		for range 1000 {
			words("again")
		}
		r.add(messages.AgentEvent{Kind: messages.EventTool, Tool: "A"})
		if _, due := r.flushAt(); due {
			t.Error("words are left behind a tool")
		}
		words("soon")
		if at, due := r.flushAt(); !due || time.Until(at) != wordsGap {
			t.Errorf("due at %s", at)
		}
		time.Sleep(wordsGap)
		r.flush()
		time.Sleep(wordsGap)
		words("later")
		if err := r.close(); err != nil {
			t.Fatal(err)
		}
		record, err := os.ReadFile(filepath.Join(dir, "events.jsonl"))
		if err != nil || live.String() != string(record) {
			t.Errorf("record and live view differ: %v", err)
		}
		var got []messages.AgentEvent
		for line := range bytes.Lines(record) {
			var e messages.AgentEvent
			if err := json.Unmarshal(line, &e); err != nil {
				t.Fatal(err)
			}
			got = append(got, e)
		}
		if len(got) != 5 || got[0].Text != "first" || !strings.HasPrefix(got[1].Text, "again\nagain") ||
			!strings.HasSuffix(got[1].Text, "more lines)") || got[2].Tool != "A" || got[3].Text != "soon" || got[4].Text != "later" {
			t.Errorf("events %+v", got)
		}
	})
}

func TestRecordHasALimit(t *testing.T) {
	r, err := newRecorder(t.TempDir(), io.Discard)
	if err != nil {
		t.Fatal(err)
	}
	r.size = maxEvents - 1
	for range 10 {
		r.add(messages.AgentEvent{Kind: messages.EventTool, Tool: "A"})
	}
	r.runner("still heard")
	if r.count() != 3 { // the last tool, the notice, and the runner's own
		t.Errorf("%d events", r.count())
	}
	if err := r.close(); err != nil {
		t.Fatal(err)
	}
}

func TestLogHasALimit(t *testing.T) {
	dir := t.TempDir()
	l, err := newLog(dir)
	if err != nil {
		t.Fatal(err)
	}
	l.left = 10
	for range 3 {
		if n, err := l.Write([]byte("123456")); n != 6 || err != nil {
			t.Errorf("wrote %d, %v", n, err)
		}
	}
	if err := l.close(); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(filepath.Join(dir, "agent.log"))
	if err != nil || string(text) != "1234561234\n[the log is cut here: it has reached its limit]\n" {
		t.Errorf("log %q, %v", text, err)
	}
}

func TestLastLine(t *testing.T) {
	dir := t.TempDir()
	log, err := newLog(dir)
	if err != nil {
		t.Fatal(err)
	}
	l := &lastLine{log: log, ring: make(chan struct{}, 1)}
	for _, part := range []string{"first\nsec", "ond\n\n", strings.Repeat("é", 2000) + "\n", " last", " \n"} {
		if _, err := l.Write([]byte(part)); err != nil {
			t.Fatal(err)
		}
	}
	if got := l.text(); got != "last" {
		t.Errorf("last line %q", got)
	}
	if err := log.close(); err != nil {
		t.Fatal(err)
	}
}
