package model_test

import (
	"bufio"
	"encoding/json"
	"io"
	"net/http"
	"os"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"devs-webhook/internal/sim/model"
)

func start(t *testing.T, opts model.Options) *model.Model {
	t.Helper()
	m, err := model.Start(t.Context(), opts)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := m.Close(); err != nil {
			t.Error(err)
		}
		http.DefaultClient.CloseIdleConnections()
	})
	return m
}

// untilSleep reads a stream until the tool hangs, and gives the session's id.
func untilSleep(t *testing.T, r io.Reader) string {
	t.Helper()
	in := bufio.NewScanner(r)
	in.Buffer(nil, 1<<24)
	for in.Scan() {
		var line struct {
			Session string `json:"session_id"`
		}
		if strings.Contains(in.Text(), "sleep 600") && json.Unmarshal(in.Bytes(), &line) == nil {
			return line.Session
		}
	}
	t.Fatal("the tool was not used")
	return ""
}

// repository reads the files of the demonstration's repository out of the source of the agent that mends it.
func repository(t *testing.T) map[string]string {
	t.Helper()
	source, err := os.ReadFile("../../agent/demo/repository.go")
	if err != nil {
		t.Fatal(err)
	}
	buggy := regexp.MustCompile("buggyLine = `([^`]*)`").FindSubmatch(source)
	if buggy == nil {
		t.Fatal("the bug is not there any more")
	}
	files := map[string]string{}
	for name, pattern := range map[string]string{
		"login.sh":  "loginFile: `([^`]*)` \\+ buggyLine \\+ `([^`]*)`",
		"test.sh":   "testFile: `([^`]*)`()",
		"users.txt": `"users.txt": ("[^"]*")()`,
	} {
		m := regexp.MustCompile(pattern).FindSubmatch(source)
		if m == nil {
			t.Fatalf("%s is not there any more", name)
		}
		files[name] = string(m[1])
		if len(m[2]) > 0 {
			files[name] += string(buggy[1]) + string(m[2])
		}
	}
	if files["users.txt"], err = strconv.Unquote(files["users.txt"]); err != nil {
		t.Fatal(err)
	}
	return files
}

func TestFixStepByStep(t *testing.T) {
	m := start(t, model.Options{Key: "key"})
	k := newTalk(t, m, "scenario:loop was then, now scenario:fix")
	bug := repository(t)["login.sh"]
	for i, want := range []struct{ tool, brings string }{{"Bash", "/srv/space\nFAILED"}, {"Read", bug}, {"Edit", "done"}, {"Bash", ""}} {
		a := k.send()
		if a.status != http.StatusOK || a.tool != want.tool || a.stop != "tool_use" || a.input0 != 1000 || a.output != 50 {
			t.Fatalf("step %d: %+v", i, a)
		}
		if got := strings.Join(a.events, " "); i == 0 && got != "message_start content_block_start content_block_delta content_block_stop "+
			"content_block_start content_block_delta content_block_stop message_delta message_stop" {
			t.Errorf("events %s", got)
		}
		if path, ok := a.input["file_path"]; ok && path != "/srv/space/login.sh" {
			t.Errorf("path %v", path)
		}
		if old, ok := a.input["old_string"].(string); ok && strings.Count(bug, old) != 1 {
			t.Errorf("the line to mend is not in the repository: %q", old)
		}
		k.bring(a, want.brings, false)
	}
	if a := k.send(); a.tool != "" || a.stop != "end_turn" || !strings.Contains(a.text, "no longer lets unknown users in") {
		t.Errorf("the end %+v", a)
	}
	if used := m.Usage(); used != (model.Usage{Requests: 5, Input: 5000, Output: 250, CacheRead: 10_000, CacheWrite: 500}) {
		t.Errorf("used %+v", used)
	}
}

func TestFixSaysThatItFailed(t *testing.T) {
	k := newTalk(t, start(t, model.Options{}), "scenario:fix")
	for range 4 {
		k.bring(k.send(), "no such file\nat all", true)
	}
	if a := k.send(); a.text != "I could not mend the login: no such file" {
		t.Errorf("the end %+v", a)
	}
}

func TestBusyRecovers(t *testing.T) {
	m := start(t, model.Options{})
	for range 2 { // each prompt by itself
		k := newTalk(t, m, "scenario:busy "+strconv.Itoa(len(m.Requests())))
		for i := range 3 {
			if a := k.send(); a.status != 529 || a.kind != "overloaded_error" {
				t.Errorf("try %d: %+v", i+1, a)
			}
		}
		if a := k.send(); a.status != http.StatusOK || a.tool != "Bash" {
			t.Errorf("try 4: %+v", a)
		}
	}
	if used := m.Usage(); used.Requests != 2 {
		t.Errorf("used %+v", used)
	}
}

func TestErrors(t *testing.T) {
	m := start(t, model.Options{})
	for scenario, want := range map[string]reply{
		"overloaded": {status: 529, kind: "overloaded_error"},
		"no-credit":  {status: 400, kind: "invalid_request_error"},
		"too-long":   {status: 400, kind: "invalid_request_error"},
	} {
		if a := newTalk(t, m, "scenario:"+scenario).send(); a.status != want.status || a.kind != want.kind || a.text == "" {
			t.Errorf("%s: %+v", scenario, a)
		}
	}
}

func TestLoopsAndCosts(t *testing.T) {
	m := start(t, model.Options{})
	k := newTalk(t, m, "scenario:costly")
	for i := range 10 {
		a := k.send()
		if a.tool != "Bash" || a.input["command"] != "echo turn "+strconv.Itoa(i+1) || a.output != 20_000 {
			t.Fatalf("turn %d: %+v", i+1, a)
		}
		k.bring(a, "turn", false)
	}
	if used := m.Usage(); used.Output != 200_000 || used.Input != 2_000_000 {
		t.Errorf("used %+v", used)
	}
}

func TestSlowIsStreamed(t *testing.T) {
	const slow = 300 * time.Millisecond
	m := start(t, model.Options{Slow: slow})
	a := newTalk(t, m, "scenario:slow").send()
	if a.tool != "Bash" || a.began > slow*2/3 || a.lastWord < slow*2/3 {
		t.Errorf("first word after %s, last after %s: %+v", a.began, a.lastWord, a)
	}
}

func TestRecallAndWhole(t *testing.T) {
	k := newTalk(t, start(t, model.Options{}), "what is this?\nscenario:hello please")
	k.stream = false
	if a := k.send(); a.stop != "end_turn" || a.text == "" {
		t.Fatalf("%+v", a)
	}
	k.messages = append(k.messages, said("user", []any{
		map[string]any{"type": "text", "text": "scenario:recall"},
		map[string]any{"type": "text", "text": "<system-reminder>\nscenario:loop\n</system-reminder>"},
	}))
	if a := k.send(); a.text != "You have asked me 1 times before: hello." {
		t.Errorf("%+v", a)
	}
	k.stream, k.messages = true, k.messages[2:3]
	if a := k.send(); a.text != "This is the first thing that you ask me." {
		t.Errorf("%+v", a)
	}
}

func TestKeyIsNeeded(t *testing.T) {
	m := start(t, model.Options{Key: "the key", OAuthToken: "the token"})
	for _, c := range []struct {
		header, value string
		status        int
	}{
		{"X-Api-Key", "the key", 200},
		{"X-Api-Key", "the token", 401},
		{"X-Api-Key", "", 401},
		{"Authorization", "Bearer the token", 200},
		{"Authorization", "Bearer the key", 401},
		{"Authorization", "the token", 401},
	} {
		body := `{"model":"m","max_tokens":1,"messages":[{"role":"user","content":"hello"}]}`
		request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, m.URL()+"/v1/messages", strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		request.Header.Set(c.header, c.value)
		request.Header.Set("Anthropic-Version", "2023-06-01")
		response, err := http.DefaultClient.Do(request)
		if err != nil {
			t.Fatal(err)
		}
		_ = response.Body.Close()
		if response.StatusCode != c.status {
			t.Errorf("%s: %q answered %d", c.header, c.value, response.StatusCode)
		}
	}
	if keys := strings.Join(m.Keys(), ", "); keys != "the key, the token" {
		t.Errorf("keys %s", keys)
	}
	if r := m.Requests()[4]; r.Key != "the key" || !r.Bearer || r.Status != 401 || r.Header.Get("Anthropic-Version") == "" || r.Size == 0 {
		t.Errorf("recorded %+v", r)
	}
}

func TestWrongRequestsAreRefused(t *testing.T) {
	m := start(t, model.Options{})
	use := map[string]any{"type": "tool_use", "id": "t1", "name": "Bash", "input": map[string]any{}}
	result := map[string]any{"type": "tool_result", "tool_use_id": "t1", "content": "x"}
	for name, messages := range map[string][]any{
		"none":               {},
		"begins with answer": {said("assistant", "hello")},
		"unknown role":       {said("user", "a"), said("robot", "b")},
		"open tool":          {said("user", "a"), said("assistant", []any{use}), said("user", "b")},
		"open tool at end":   {said("user", "a"), said("assistant", []any{use})},
		"result of no use":   {said("user", "a"), said("assistant", "b"), said("user", []any{result})},
	} {
		k := newTalk(t, m, "")
		k.messages = messages
		if a := k.send(); a.status != http.StatusBadRequest || a.kind != "invalid_request_error" {
			t.Errorf("%s: %+v", name, a)
		}
	}
	k := newTalk(t, m, "")
	k.messages = []any{said("user", "a"), said("assistant", []any{use}), said("system", "now"), said("user", []any{result})}
	if a := k.send(); a.status != http.StatusOK {
		t.Errorf("a tool with its result: %+v", a)
	}
}

// Whoever waits for a mute model is let go when it closes.
func TestMuteEndsWithTheModel(t *testing.T) {
	m := start(t, model.Options{})
	body := `{"model":"m","max_tokens":1,"stream":true,"tools":[{"name":"Bash"}],"messages":[{"role":"user","content":"scenario:mute"}]}`
	request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, m.URL()+"/v1/messages", strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("X-Api-Key", "key")
	request.Header.Set("Anthropic-Version", "2023-06-01")
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	said := make(chan int)
	go func() {
		data, _ := io.ReadAll(response.Body)
		said <- len(data)
	}()
	select {
	case n := <-said:
		t.Errorf("it said %d bytes and ended", n)
	default:
	}
	if err := m.Close(); err != nil {
		t.Fatal(err)
	}
	if n := <-said; n != 0 || response.StatusCode != http.StatusOK {
		t.Errorf("answered %d with %d bytes", response.StatusCode, n)
	}
}
