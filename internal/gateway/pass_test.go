package gateway

import (
	"bufio"
	"compress/gzip"
	"context"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"devs-webhook/messages"
)

const (
	started = `event: message_start` + "\n" + `data: {"type":"message_start","message":{"id":"msg_1","model":"claude-opus-5-5","content":[],` +
		`"usage":{"input_tokens":1000,"cache_creation_input_tokens":200,"cache_read_input_tokens":5000,"output_tokens":1,` +
		`"cache_creation":{"ephemeral_5m_input_tokens":100,"ephemeral_1h_input_tokens":100}}}}` + "\n\n"
	ping    = "event: ping\ndata: {\"type\": \"ping\"}\n\n"
	words   = `event: content_block_delta` + "\n" + `data: {"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"say \"usage\""}}` + "\n\n"
	halfway = `event: message_delta` + "\n" + `data: {"type":"message_delta","delta":{},"usage":{"output_tokens":15}}` + "\n\n"
	closing = `event: message_delta` + "\n" + `data: {"type":"message_delta","delta":{"stop_reason":"end_turn"},"usage":{"output_tokens":20}}` + "\n\n" +
		"event: message_stop\ndata: {\"type\":\"message_stop\"}\n\n"
)

// whole is what the stream of all five used: 1000*4 + (100*1.25+100*2)*4 + 5000*0.2 + 20*20, by the million.
var whole = messages.Usage{Requests: 1, Input: 1000, Output: 20, CacheRead: 5000, CacheWrite: 200, CostUSD: 0.0067}

// stream answers with the events that come, each at once, until there are no more or the client has gone.
func stream(events <-chan string, gone chan<- struct{}) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		w.Header().Set("Content-Type", "text/event-stream; charset=utf-8")
		_ = http.NewResponseController(w).Flush()
		for {
			select {
			case event, more := <-events:
				if !more {
					return
				}
				_, _ = io.WriteString(w, event)
				_ = http.NewResponseController(w).Flush()
			case <-r.Context().Done():
				close(gone)
				return
			}
		}
	}
}

// next reads one event.
func next(t *testing.T, r *bufio.Reader) string {
	t.Helper()
	event := ""
	for !strings.HasSuffix(event, "\n\n") {
		line, err := r.ReadString('\n')
		if event += line; err != nil {
			t.Fatalf("after %q: %v", event, err)
		}
	}
	return event
}

// TestStream: each event is there before the next is made, for longer than the server's own time limits.
func TestStream(t *testing.T) {
	events, gone := make(chan string), make(chan struct{})
	b := newBench(t, stream(events, gone), nil)
	answer, err := b.client.Do(b.request("POST", "/v1/messages?beta=true", "{}"))
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	if kind := answer.Header.Get("Content-Type"); kind != "text/event-stream; charset=utf-8" {
		t.Errorf("the stream is %q", kind)
	}
	lines := bufio.NewReader(answer.Body)
	slow := time.After(500 * time.Millisecond) // the server's limits are below
	for i, event := range []string{started, ping, words, halfway, closing} {
		if i == 3 {
			<-slow
		}
		events <- event
		for part := range strings.SplitAfterSeq(strings.TrimSuffix(event, "\n\n"), "\n\n") {
			if got := next(t, lines); strings.TrimSpace(got) != strings.TrimSpace(part) {
				t.Errorf("got %q, want %q", got, part)
			}
		}
	}
	b.unused()
	close(events)
	if rest, err := io.ReadAll(lines); len(rest) > 0 || err != nil {
		t.Errorf("rest %q, %v", rest, err)
	}
	if got := b.used(); got != whole {
		t.Errorf("used %+v, want %+v", got, whole)
	}
}

// TestStreamCut: what was seen so far is counted, and the API is told to stop, if the client hangs up.
func TestStreamCut(t *testing.T) {
	events, gone := make(chan string), make(chan struct{})
	b := newBench(t, stream(events, gone), nil)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	answer, err := b.client.Do(b.request("POST", "/v1/messages", "{}").WithContext(ctx))
	if err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewReader(answer.Body)
	for _, event := range []string{started, words, halfway} {
		events <- event
		next(t, lines)
	}
	cancel()
	_ = answer.Body.Close()
	wait(t, gone)
	want := whole
	want.Output, want.CostUSD = 15, 0.0066
	if got := b.used(); got != want {
		t.Errorf("used %+v, want %+v", got, want)
	}
}

// TestStreamBroken: an answer that the API cuts off is not passed off as whole, and is counted.
func TestStreamBroken(t *testing.T) {
	b := newBench(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/event-stream")
		_, _ = io.WriteString(w, started)
		_ = http.NewResponseController(w).Flush()
		abort(w)
	}, nil)
	answer, err := b.client.Do(b.request("POST", "/v1/messages", "{}"))
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	if text, err := io.ReadAll(answer.Body); err == nil || string(text) != started {
		t.Errorf("%q, %v", text, err)
	}
	if got := b.used(); got.Input != 1000 || got.Requests != 1 {
		t.Errorf("used %+v", got)
	}
}

// TestAttemptEnds: a stream does not outlive its attempt.
func TestAttemptEnds(t *testing.T) {
	events, gone := make(chan string), make(chan struct{})
	b := newBench(t, stream(events, gone), func(o *Options) { o.Limits.Recheck = time.Nanosecond })
	answer, err := b.client.Do(b.request("POST", "/v1/messages", "{}"))
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	lines := bufio.NewReader(answer.Body)
	events <- started
	next(t, lines)
	b.attempts.set(false, io.ErrUnexpectedEOF) // a store that does not answer ends nothing
	events <- ping
	next(t, lines)
	b.attempts.set(true, nil)
	events <- ping
	if _, err := io.ReadAll(lines); err == nil {
		t.Error("the stream ended as if it were whole")
	}
	wait(t, gone)
	if got := b.used(); got.Input != 1000 {
		t.Errorf("used %+v", got)
	}
}

const messageJSON = `{"id":"msg_1","type":"message","role":"assistant","model":"claude-haiku-4-5-20251001","content":[{"type":"text","text":"hi"}],` +
	`"usage":{"input_tokens":1000,"output_tokens":20,"cache_read_input_tokens":null,"service_tier":"standard"}}`

var jsonUsage = messages.Usage{Requests: 1, Input: 1000, Output: 20, CostUSD: 0.0011}

func TestJSON(t *testing.T) {
	for name, c := range map[string]struct {
		path, body string
		status     int
		want       messages.Usage
	}{
		"message":       {"/v1/messages", messageJSON, 200, jsonUsage},
		"unknown model": {"/v1/messages", strings.Replace(messageJSON, "claude-haiku-4-5-20251001", "other", 1), 200, messages.Usage{Requests: 1, Input: 1000, Output: 20}},
		"count":         {"/v1/messages/count_tokens", messageJSON, 200, messages.Usage{}},
		"error":         {"/v1/messages", messageJSON, 400, messages.Usage{}},
		"no usage":      {"/v1/messages", `{"model":"claude-haiku-4-5"}`, 200, messages.Usage{}},
		"no JSON":       {"/v1/messages", messageJSON[:100], 200, messages.Usage{}},
		"negative":      {"/v1/messages", `{"usage":{"input_tokens":-5,"output_tokens":7}}`, 200, messages.Usage{Requests: 1, Output: 7}},
	} {
		t.Run(name, func(t *testing.T) {
			b := newBench(t, func(w http.ResponseWriter, _ *http.Request) {
				w.Header().Set("Content-Type", "application/json")
				w.Header().Add("Set-Cookie", "session=1")
				w.Header().Set("Location", "http://elsewhere")
				w.Header().Set("Server", "upstream")
				w.Header().Set("Request-Id", "req_1")
				w.WriteHeader(c.status)
				_, _ = io.WriteString(w, c.body)
			}, nil)
			answer, text := b.do(b.request("POST", c.path, "{}"))
			if answer.StatusCode != c.status || text != c.body || answer.ContentLength != int64(len(c.body)) || answer.Header.Get("Request-Id") != "req_1" {
				t.Errorf("%d %v %s", answer.StatusCode, answer.Header, text)
			}
			for _, name := range []string{"Set-Cookie", "Location", "Server"} {
				if answer.Header.Get(name) != "" {
					t.Errorf("header %s came through", name)
				}
			}
			b.door.Close() // waits for the handler
			b.attempts.mu.Lock()
			defer b.attempts.mu.Unlock()
			if got := b.attempts.usage[theAttempt]; got != c.want {
				t.Errorf("used %+v, want %+v", got, c.want)
			}
		})
	}
}

// TestJSONIsCountedWithoutItsClient: hanging up does not save the attempt what is already paid.
func TestJSONIsCountedWithoutItsClient(t *testing.T) {
	proceed := make(chan struct{})
	b := newBench(t, func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		w.Header().Set("Content-Type", "application/json")
		// More than the server of the gateway keeps back, so that the client sees it begin.
		_, _ = io.WriteString(w, strings.Repeat(" ", 64<<10)+messageJSON[:100])
		_ = http.NewResponseController(w).Flush()
		<-proceed
		select {
		case <-r.Context().Done(): // given up with its client
			return
		case <-time.After(300 * time.Millisecond):
		}
		_, _ = io.WriteString(w, messageJSON[100:])
	}, nil)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	answer, err := b.client.Do(b.request("POST", "/v1/messages", "{}").WithContext(ctx))
	if err != nil {
		t.Fatal(err)
	}
	cancel()
	_ = answer.Body.Close()
	close(proceed)
	if got := b.used(); got != jsonUsage {
		t.Errorf("used %+v, want %+v", got, jsonUsage)
	}
}

// TestDrainEnds: but not for ever.
func TestDrainEnds(t *testing.T) {
	gone := make(chan struct{})
	b := newBench(t, func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		w.Header().Set("Content-Type", "application/json")
		_ = http.NewResponseController(w).Flush()
		<-r.Context().Done()
		close(gone)
	}, func(o *Options) { o.Limits.Drain = 50 * time.Millisecond })
	answer, err := b.client.Do(b.request("POST", "/v1/messages", "{}"))
	if err == nil {
		_, err = io.ReadAll(answer.Body)
		_ = answer.Body.Close()
	}
	if err == nil {
		t.Error("an answer that was cut off was passed off as whole")
	}
	wait(t, gone)
}

func TestGzip(t *testing.T) {
	b := newBench(t, func(w http.ResponseWriter, r *http.Request) {
		if got := r.Header.Get("Accept-Encoding"); got != "identity" {
			t.Errorf("asked for the encoding %q", got)
		}
		w.Header().Set("Content-Type", "application/json")
		w.Header().Set("Content-Encoding", "gzip")
		z := gzip.NewWriter(w)
		_, _ = io.WriteString(z, strings.Replace(messageJSON, "hi", realKey, 1))
		_ = z.Close()
	}, nil)
	answer, text := b.do(b.request("POST", "/v1/messages", "{}"))
	if answer.Header.Get("Content-Encoding") != "" || text != strings.Replace(messageJSON, "hi", strings.Repeat("*", len(realKey)), 1) {
		t.Errorf("%v %s", answer.Header, text)
	}
	if got := b.used(); got != jsonUsage {
		t.Errorf("used %+v", got)
	}
	brotli := newBench(t, func(w http.ResponseWriter, _ *http.Request) { w.Header().Set("Content-Encoding", "br") }, nil)
	brotli.refused(brotli.request("POST", "/v1/messages", "{}"), http.StatusBadGateway, "api_error")
}

func TestResponseLimit(t *testing.T) {
	for _, declared := range []bool{true, false} {
		b := newBench(t, func(w http.ResponseWriter, _ *http.Request) {
			if declared {
				w.Header().Set("Content-Length", "1001")
			} else {
				_ = http.NewResponseController(w).Flush()
			}
			_, _ = io.WriteString(w, strings.Repeat("x", 1001))
		}, func(o *Options) { o.Limits.Response = 1000 })
		if declared {
			b.refused(b.request("POST", "/v1/messages", "{}"), http.StatusBadGateway, "api_error")
			continue
		}
		answer, err := b.client.Do(b.request("POST", "/v1/messages", "{}"))
		if err != nil {
			continue
		}
		if text, err := io.ReadAll(answer.Body); err == nil || len(text) > 1000 {
			t.Errorf("got %d bytes, %v", len(text), err)
		}
		_ = answer.Body.Close()
	}
}

// TestKeyInAnswer: an API that says the key back does not say it to the agent, however it cuts it up.
func TestKeyInAnswer(t *testing.T) {
	for cut := range len(realKey) + 1 {
		b := newBench(t, func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Type", "text/event-stream")
			w.Header().Set("Anthropic-Echo", r.Header.Get("X-Api-Key"))
			w.Header().Set("Request-Id", "x"+r.Header.Get("X-Api-Key"))
			w.WriteHeader(401)
			for _, part := range []string{"data: invalid key " + realKey[:cut], realKey[cut:] + " sk-ant", "-api\n\n"} {
				_, _ = io.WriteString(w, part)
				_ = http.NewResponseController(w).Flush()
			}
		}, nil)
		answer, text := b.do(b.request("POST", "/v1/messages", "{}"))
		want := "data: invalid key " + strings.Repeat("*", len(realKey)) + " sk-ant-api\n\n"
		if text != want || strings.Contains(fmt.Sprint(answer.Header), realKey) {
			t.Fatalf("cut at %d: %v %q", cut, answer.Header, text)
		}
	}
}
