package agent

import (
	"bytes"
	"encoding/json"
	"math"
	"os"
	"testing"
	"unicode/utf8"

	"devs-webhook/messages"
)

// FuzzClaudeLine feeds foreign lines to the parser: it must not fail, and must keep to its limits.
func FuzzClaudeLine(f *testing.F) {
	for _, name := range recordedRuns(f) {
		data, err := os.ReadFile(recordings + "/" + name + ".jsonl")
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data, recordedExit(f, name))
	}
	f.Add([]byte(`{"type":"result","subtype":"success","is_error":false,"num_turns":9e18,"total_cost_usd":1e308}`), 0)
	f.Add([]byte(`{"type":"assistant","message":{"content":[{"type":"tool_use","id":"a","name":"B","input":"c"}]}}`), 0)
	f.Fuzz(func(t *testing.T, data []byte, exit int) { checkParser(t, newClaudeParser(), data, exit) })
}

// FuzzCommandLine does the same with any program's output.
func FuzzCommandLine(f *testing.F) {
	f.Add([]byte("hello\n\x1b[31mred\x1b[0m\n10%\r100%\r\n\xff\xfe"), 0)
	f.Fuzz(func(t *testing.T, data []byte, exit int) { checkParser(t, &commandParser{}, data, exit) })
}

func checkParser(t *testing.T, p Parser, data []byte, exit int) {
	for line := range bytes.Lines(data) {
		for _, e := range p.Line(bytes.TrimRight(line, "\n")) {
			if e.Kind == "" || len(e.Text) > maxEventText || len(e.Tool) > maxEventText || !utf8.ValidString(e.Text+e.Tool) {
				t.Fatalf("event out of bounds: %+v", e)
			}
		}
	}
	end := p.End(exit, "")
	if exit != 0 && end.Ending == messages.EndSucceeded {
		t.Fatal("success in spite of the exit code")
	}
	if utf8.RuneCountInString(end.Words) > maxWords || !utf8.ValidString(end.Words) || len(end.Detail) > 1024 ||
		end.Turns < 0 || end.CostUSD < 0 || math.IsInf(end.CostUSD, 0) || math.IsNaN(end.CostUSD) {
		t.Fatalf("end out of bounds: %+v", end)
	}
	if _, err := json.Marshal(end); err != nil {
		t.Fatal(err)
	}
}
