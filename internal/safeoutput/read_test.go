package safeoutput

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
	"unicode/utf8"

	"devs-webhook/messages"
)

var attempt = messages.AttemptRef{Task: "abcdefghijkl", Number: 2}

// outputs makes a directory with files.
func outputs(t *testing.T, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, content := range files {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func read(t *testing.T, dir string) Output {
	t.Helper()
	out, err := Read(dir, attempt)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func result(change func(*messages.Result)) string {
	r := messages.Result{
		Protocol: messages.RunnerProtocol, Attempt: attempt, Ending: messages.EndSucceeded, Words: "Done.\nReally.", Turns: 3, CostUSD: 0.25,
		Head: strings.Repeat("a", 40), StartedAt: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC), EndedAt: time.Date(2026, 1, 2, 3, 5, 5, 0, time.UTC),
	}
	if change != nil {
		change(&r)
	}
	b, _ := json.Marshal(r)
	return string(b)
}

func TestReadWhatARunnerWrites(t *testing.T) {
	dir := outputs(t, map[string]string{
		"result.json":  result(nil),
		"intents.json": `{"version":1,"comment":{"body":"Hi.\n"},"pull_request":{"title":"A  title","body":"B","draft":true}}`,
		"events.jsonl": `{"seq":1,"at":"2026-01-02T03:04:05Z","kind":"started","text":"m"}` + "\n" + `{"seq":2,"at":"2026-01-02T03:04:06Z","kind":"end"}` + "\n",
		"work.bundle":  "x",
	})
	out := read(t, dir)
	if !out.HasResult || out.Problem != "" || out.Result.Words != "Done.\nReally." || out.Result.Turns != 3 || out.Result.Head != strings.Repeat("a", 40) {
		t.Errorf("result: %+v %q", out.Result, out.Problem)
	}
	if out.Intents.Comment == nil || out.Intents.Comment.Body != "Hi.\n" || *out.Intents.PullRequest != (messages.PullRequestIntent{Title: "A title", Body: "B", Draft: true}) {
		t.Errorf("intents: %+v", out.Intents)
	}
	if len(out.Events) != 2 || out.Events[1].Kind != messages.EventEnd || out.Bundle != filepath.Join(dir, "work.bundle") || len(out.Refused) != 0 {
		t.Errorf("%+v", out)
	}
}

func TestReadNothing(t *testing.T) {
	out := read(t, outputs(t, nil))
	if out.HasResult || out.Problem != "" || out.Bundle != "" || len(out.Refused)+len(out.Events) != 0 {
		t.Errorf("%+v", out)
	}
	if _, err := Read(filepath.Join(t.TempDir(), "none"), attempt); err == nil {
		t.Error("a directory that is not there is no error")
	}
}

func TestResultIsStrict(t *testing.T) {
	for name, text := range map[string]string{
		"no JSON":         "{",
		"a list":          "[]",
		"other protocol":  result(func(r *messages.Result) { r.Protocol = 2 }),
		"no protocol":     "{}",
		"other attempt":   result(func(r *messages.Result) { r.Attempt.Number = 1 }),
		"other task":      result(func(r *messages.Result) { r.Attempt.Task = "xxxxxxxxxxxx" }),
		"unknown ending":  result(func(r *messages.Result) { r.Ending = "won\x00derful" }),
		"wrong type":      `{"protocol":"1"}`,
		"larger than fit": result(nil) + strings.Repeat(" ", maxResult),
	} {
		out := read(t, outputs(t, map[string]string{"result.json": text}))
		if out.HasResult || out.Problem == "" || strings.ContainsAny(out.Problem, "\n\x00") {
			t.Errorf("%s: %v, %q", name, out.HasResult, out.Problem)
		}
	}
}

func TestResultIsCleanedAndCut(t *testing.T) {
	out := read(t, outputs(t, map[string]string{"result.json": result(func(r *messages.Result) {
		r.Words = "\x1b[1mbold\u202e" + strings.Repeat("語", 70_000)
		r.Detail, r.Model = "two\nlines", strings.Repeat("m", 300)
		r.Turns, r.CostUSD, r.Events, r.Head, r.Base = -1, -5, -1, "HEAD", "--upload-pack=x"
		r.StartedAt = time.Date(9000, 1, 1, 0, 0, 0, 0, time.UTC)
	})}))
	r := out.Result
	if !out.HasResult || !strings.HasPrefix(r.Words, "bold語") || utf8.RuneCountInString(r.Words) != maxWords || r.Detail != "two lines" || len(r.Model) != maxName {
		t.Errorf("%q %q %q %d", out.Problem, r.Detail, r.Model, utf8.RuneCountInString(r.Words))
	}
	if r.Turns != 0 || r.CostUSD != 0 || r.Events != 0 || r.Head != "" || r.Base != "" || !r.StartedAt.IsZero() {
		t.Errorf("%+v", r)
	}
}

// What is refused is kept as text: nothing that an agent wrote is lost.
func TestIntentsAreAClosedSchema(t *testing.T) {
	for name, c := range map[string]struct {
		text    string
		refused string // part of the one refusal
		comment string
	}{
		"no JSON":        {`Please say "thanks"`, `Please say "thanks"`, ""},
		"a list":         {`[{"comment":"thanks"}]`, "thanks", ""},
		"no version":     {`{"comment":{"body":"thanks"}}`, "thanks", ""},
		"other version":  {`{"version":2,"comment":{"body":"thanks"}}`, "thanks", ""},
		"version twice":  {`{"version":1,"version":1,"comment":{"body":"thanks"}}`, "thanks", ""},
		"two versions":   {`{"version":1,"version":2,"comment":{"body":"thanks"}}`, "thanks", ""},
		"unknown kind":   {`{"version":1,"merge":{"method":"squash"},"comment":{"body":"x"}}`, "squash", "x"},
		"unknown field":  {`{"version":1,"comment":{"body":"thanks","issue":4}}`, "thanks", ""},
		"other case":     {`{"version":1,"comment":{"Body":"thanks"}}`, "thanks", ""},
		"field twice":    {`{"version":1,"comment":{"body":"a","body":"thanks"}}`, "thanks", ""},
		"too many":       {`{"version":1,"comment":{"body":"x"},"comment":{"body":"thanks"}}`, "thanks", "x"},
		"a list of them": {`{"version":1,"comment":[{"body":"a"},{"body":"thanks"}]}`, "thanks", ""},
		"only a text":    {`{"version":1,"comment":"line\nthanks"}`, "line\nthanks", ""},
		"wrong type":     {`{"version":1,"comment":{"body":["thanks"]}}`, "thanks", ""},
		"empty":          {`{"version":1,"comment":{"body":" \u200b"}}`, "no body", ""},
		"two objects":    {`{"version":1}{"comment":{"body":"thanks"}}`, "thanks", ""},
		"null":           {`{"version":1,"comment":null}`, "comment", ""},
	} {
		out := read(t, outputs(t, map[string]string{"intents.json": c.text}))
		if len(out.Refused) != 1 || !strings.Contains(out.Refused[0], c.refused) {
			t.Errorf("%s: refused %q", name, out.Refused)
		}
		if got := out.Intents.Comment; (got == nil) != (c.comment == "") || got != nil && got.Body != c.comment {
			t.Errorf("%s: comment %v", name, got)
		}
	}
}

func TestRefusalsAreBounded(t *testing.T) {
	var b strings.Builder
	b.WriteString(`{"version":1`)
	for i := range 1000 {
		fmt.Fprintf(&b, `,"kind%d":%q`, i, strings.Repeat("x", 900))
	}
	out := read(t, outputs(t, map[string]string{"intents.json": b.String() + "}"}))
	if len(out.Refused) != maxRefusal+1 {
		t.Errorf("%d refusals", len(out.Refused))
	}
	out = read(t, outputs(t, map[string]string{"intents.json": strings.Repeat("y", 100_000)}))
	if n := utf8.RuneCountInString(out.Refused[0]); n > maxRefused+10 {
		t.Errorf("%d characters", n)
	}
}

func TestEventsAreTolerant(t *testing.T) {
	lines := []string{
		`{"seq":1,"kind":"started"}`, `not JSON`, `{"seq":1,"kind":"words","text":"again"}`, `{"seq":0,"kind":"words"}`, `{"seq":-4,"kind":"words"}`,
		`{"seq":3,"kind":"words","text":"\u001b[1mc\u0000"}`, `{"seq":2,"kind":"words"}`, `{"seq":4,"kind":"evil"}`,
		`{"seq":5,"kind":"words","text":"` + strings.Repeat("z", maxEventLine) + `"}`,
		`{"seq":6,"kind":"tool","tool":"a\nb","text":"` + strings.Repeat("z", 5_000) + `"}`, `{"seq":7,"kind":"end"`,
	}
	out := read(t, outputs(t, map[string]string{"events.jsonl": strings.Join(lines, "\n")}))
	var seqs []int64
	for _, e := range out.Events {
		seqs = append(seqs, e.Seq)
	}
	if fmt.Sprint(seqs) != "[1 3 6]" || out.Events[1].Text != "c" || out.Events[2].Tool != "a b" || len(out.Events[2].Text) != maxEventText {
		t.Errorf("%v %+v", seqs, out.Events)
	}
}

func TestEventsAreBounded(t *testing.T) {
	var b bytes.Buffer
	for i := range maxEventCount + 10 {
		fmt.Fprintf(&b, "{\"seq\":%d,\"kind\":\"words\"}\n", i+1)
	}
	if events, err := parseEvents(&b); err != nil || len(events) != maxEventCount {
		t.Errorf("%d events, %v", len(events), err)
	}
}

func TestLongEventIsPassedOver(t *testing.T) {
	line := `{"seq":1,"kind":"end"}`
	for size, want := range map[int]int{maxEventLine - 1: 1, maxEventLine: 0} {
		events, err := parseEvents(strings.NewReader(line + strings.Repeat(" ", size-len(line))))
		if err != nil || len(events) != want {
			t.Errorf("%d bytes: %d events, %v", size, len(events), err)
		}
	}
}

// What an agent can put in the place of a file: a link to the host's, a pipe that never ends, a directory.
func TestHostileFilesAreNotRead(t *testing.T) {
	secret := filepath.Join(t.TempDir(), "secret")
	if err := os.WriteFile(secret, []byte(result(nil)), 0o600); err != nil {
		t.Fatal(err)
	}
	makers := map[string]func(string) error{
		"link":      func(p string) error { return os.Symlink(secret, p) },
		"dangling":  func(p string) error { return os.Symlink("/nonexistent/file", p) },
		"pipe":      func(p string) error { return syscall.Mkfifo(p, 0o600) },
		"directory": func(p string) error { return os.Mkdir(p, 0o700) },
		"device":    func(p string) error { return os.Symlink("/dev/zero", p) },
	}
	for kind, put := range makers {
		dir := t.TempDir()
		for _, name := range []string{resultFile, intentsFile, eventsFile, bundleFile} {
			if err := put(filepath.Join(dir, name)); err != nil {
				t.Fatal(err)
			}
		}
		out := read(t, dir)
		if out.HasResult || out.Problem == "" || out.Bundle != "" || len(out.Events) != 0 || len(out.Refused) != 3 {
			t.Errorf("%s: %+v", kind, out)
		}
	}
}

func FuzzResult(f *testing.F) {
	f.Add([]byte(result(nil)))
	f.Add([]byte(`{"protocol":1,"attempt":{"task":"abcdefghijkl","attempt":2},"ending":"succeeded","cost_usd":1e309}`))
	f.Fuzz(func(t *testing.T, raw []byte) {
		r, err := parseResult(raw, attempt)
		if err != nil {
			if !utf8.ValidString(err.Error()) || strings.Contains(err.Error(), "\n") {
				t.Fatalf("%q", err)
			}
			return
		}
		if r.Attempt != attempt || !utf8.ValidString(r.Words) || clean(r.Words) != r.Words || utf8.RuneCountInString(r.Words) > maxWords {
			t.Fatalf("%+v", r)
		}
		if _, err := json.Marshal(r); err != nil {
			t.Fatalf("cannot be stored: %v", err)
		}
	})
}

func FuzzIntents(f *testing.F) {
	f.Add([]byte(`{"version":1,"comment":{"body":"x"},"pull_request":{"title":"t","body":"b"}}`))
	f.Add([]byte(`{"version":1,"x":{"y":[1,2,{"z":null}]}}`))
	f.Fuzz(func(t *testing.T, raw []byte) {
		var o Output
		o.parseIntents(raw)
		if o.Intents.Version != 0 && o.Intents.Version != intentsVersion {
			t.Fatalf("version %d", o.Intents.Version)
		}
		if len(o.Refused) == 0 && o.Intents.Version == 0 {
			t.Fatalf("%q vanished", raw)
		}
		for _, text := range o.Refused {
			if clean(text) != text {
				t.Fatalf("not clean: %q", text)
			}
		}
	})
}

func FuzzEvents(f *testing.F) {
	f.Add([]byte("{\"seq\":1,\"kind\":\"end\"}\n{\"seq\":2,\"kind\":\"end\"}"))
	f.Fuzz(func(t *testing.T, raw []byte) {
		events, err := parseEvents(bytes.NewReader(raw))
		if err != nil {
			t.Fatal(err)
		}
		last := int64(0)
		for _, e := range events {
			if e.Seq <= last || clean(e.Text) != e.Text {
				t.Fatalf("%+v after %d", e, last)
			}
			last = e.Seq
		}
	})
}
