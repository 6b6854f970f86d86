package agent

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"devs-webhook/messages"
)

const recordings = "../../testdata/claude-streams"

// recordedRuns gives the names of all recorded runs.
func recordedRuns(t testing.TB) []string {
	t.Helper()
	paths, err := filepath.Glob(recordings + "/*.jsonl")
	if err != nil || len(paths) == 0 {
		t.Fatalf("no recorded runs: %v", err)
	}
	names := make([]string, len(paths))
	for i, path := range paths {
		names[i] = strings.TrimSuffix(filepath.Base(path), ".jsonl")
	}
	return names
}

var exitCode = regexp.MustCompile(`^rc=(\d+)`)

// recordedExit is the exit code of a run. One run was recorded without it, and did end well.
func recordedExit(t testing.TB, name string) int {
	t.Helper()
	rc, err := os.ReadFile(filepath.Join(recordings, name+".rc"))
	if os.IsNotExist(err) && name == "openstdin" {
		return 0
	}
	m := exitCode.FindSubmatch(rc)
	if err != nil || m == nil {
		t.Fatalf("exit code of %s: %q %v", name, rc, err)
	}
	code, err := strconv.Atoi(string(m[1]))
	if err != nil {
		t.Fatal(err)
	}
	return code
}

// replay puts a recorded run through a new parser.
func replay(t testing.TB, name string) ([]messages.AgentEvent, End) {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(recordings, name+".jsonl"))
	if err != nil {
		t.Fatal(err)
	}
	p, err := NewParser(Claude)
	if err != nil {
		t.Fatal(err)
	}
	var events []messages.AgentEvent
	for line := range bytes.Lines(data) {
		events = append(events, p.Line(bytes.TrimRight(line, "\n"))...)
	}
	return events, p.End(recordedExit(t, name), "")
}

func TestEveryRecordedRun(t *testing.T) {
	var b strings.Builder
	for _, name := range recordedRuns(t) {
		events, end := replay(t, name)
		fmt.Fprintf(&b, "%s (exit %d): %s", name, recordedExit(t, name), end.Ending)
		if end.Detail != "" {
			fmt.Fprintf(&b, ": %s", end.Detail)
		}
		if end.SessionLost {
			b.WriteString(" (session lost)")
		}
		fmt.Fprintf(&b, "\n  turns=%d cost=%.5f session=%.8s model=%s words=%q\n", end.Turns, end.CostUSD, end.Session, end.Model, end.Words)
		for _, e := range events {
			fmt.Fprintf(&b, "  %s", e.Kind)
			if e.Tool != "" {
				fmt.Fprintf(&b, " %s", e.Tool)
			}
			if e.Failed {
				b.WriteString(" failed")
			}
			fmt.Fprintf(&b, " %q\n", e.Text)
		}
	}
	golden(t, "recorded-runs.golden", b.String())
}

// What the end of each run must be, said here a second time by the scenario it was recorded in, so that a
// careless -update does not pass.
func TestEndingsOfRecordedRuns(t *testing.T) {
	want := map[string]messages.Ending{
		"err_e401": messages.EndModelAuth, "err_e401_full": messages.EndModelAuth, "err_e403": messages.EndModelAuth,
		"nokey": messages.EndModelAuth, "err_e404": messages.EndModelAuth,
		"err_e400": messages.EndModelQuota, "err_e413": messages.EndPromptTooLong,
		"err_e429_retry1": messages.EndModelBusy, "err_e500_retry1": messages.EndModelBusy,
		"err_e529_full": messages.EndModelBusy, "err_e529_retry1": messages.EndModelBusy, "drop": messages.EndModelBusy,
		"refusal": messages.EndModelRefused, "maxturns": messages.EndTurnLimit, "maxbudget": messages.EndBudgetLimit,
	}
	for _, name := range []string{
		"badflag", "dashprompt", "emptyprompt", "kill_HUP_tool", "kill_INT_hang", "kill_INT_tool", "kill_KILL_tool",
		"kill_TERM_hang", "kill_TERM_tool", "maxtok", "mcp_missingfile", "sess3_dupid", "sess5_badresume", "sess6_badid",
		"slash_clear", "slash_help", "streamjson_noverbose", "text_text", "tool_bypass_root", "tool_skipperm_root",
	} {
		want[name] = messages.EndAgentFailed
	}
	for _, name := range recordedRuns(t) {
		wanted, listed := want[name]
		if !listed {
			wanted = messages.EndSucceeded
		}
		_, end := replay(t, name)
		if end.Ending != wanted {
			t.Errorf("%s ended as %s (%s), want %s", name, end.Ending, end.Detail, wanted)
		}
		if end.SessionLost != (name == "sess5_badresume") {
			t.Errorf("%s: session lost: %v", name, end.SessionLost)
		}
	}
}

// A success by its result line is none if the process then fails: each condition of the rule counts.
func TestSuccessNeedsAll(t *testing.T) {
	const good = `{"type":"result","subtype":"success","is_error":false,"num_turns":1,"result":"done"}`
	for _, c := range []struct {
		name, line, signal string
		exit               int
		want               messages.Ending
	}{
		{"all", good, "", 0, messages.EndSucceeded},
		{"exit code", good, "", 1, messages.EndAgentFailed},
		{"signal", good, "SIGTERM", 143, messages.EndAgentFailed},
		{"error", strings.Replace(good, "false", "true", 1), "", 0, messages.EndAgentFailed},
		{"no word of an error", strings.Replace(good, `"is_error":false,`, "", 1), "", 0, messages.EndAgentFailed},
		{"error of a wrong type", strings.Replace(good, "false", `"no"`, 1), "", 0, messages.EndAgentFailed},
		{"subtype", strings.Replace(good, "success", "error_other", 1), "", 0, messages.EndAgentFailed},
		{"turns", strings.Replace(good, `"num_turns":1`, `"num_turns":0`, 1), "", 0, messages.EndAgentFailed},
		{"line", "", "", 0, messages.EndAgentFailed},
	} {
		p := newClaudeParser()
		p.Line([]byte(c.line))
		if end := p.End(c.exit, c.signal); end.Ending != c.want {
			t.Errorf("%s: %s (%s), want %s", c.name, end.Ending, end.Detail, c.want)
		}
	}
}

func TestUsedUpPlanIsQuota(t *testing.T) {
	p := newClaudeParser()
	p.Line([]byte(`{"type":"rate_limit_event","rate_limit_info":{"status":"rejected"}}`))
	p.Line([]byte(`{"type":"assistant","error":"rate_limit","is_api_error_message":true,"api_error_status":429}`))
	p.Line([]byte(`{"type":"result","subtype":"success","is_error":true,"num_turns":1,"api_error_status":429}`))
	if end := p.End(1, ""); end.Ending != messages.EndModelQuota {
		t.Errorf("ended as %s", end.Ending)
	}
}

// What the provider says is not repeated: it may name the operator's own addresses.
func TestDetailNamesNoAddress(t *testing.T) {
	for _, name := range recordedRuns(t) {
		_, end := replay(t, name)
		if strings.Contains(end.Detail, "127.0.0.1") || strings.Contains(end.Detail, "/login") || strings.Contains(end.Detail, "\n") {
			t.Errorf("%s: detail %q", name, end.Detail)
		}
	}
}
