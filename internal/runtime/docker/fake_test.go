package docker

import (
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"devs-webhook/messages"
)

// fakeEngine is an engine with faults that the real one has too seldom. running is asked for each inspect.
func fakeEngine(t *testing.T, running func() bool, logs http.HandlerFunc) *Runtime {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		switch {
		case strings.HasSuffix(req.URL.Path, "/_ping"):
			w.Header().Set("Api-Version", "1.41")
		case strings.HasSuffix(req.URL.Path, "/json"):
			status := "exited"
			if running() {
				status = "running"
			}
			_, _ = fmt.Fprintf(w, `{"Id":"c0ffee","State":{"Status":%q},"Config":{"Labels":{}}}`, status)
		case strings.HasSuffix(req.URL.Path, "/logs"):
			logs(w, req)
		default:
			http.Error(w, `{"message":"broken"}`, http.StatusInternalServerError)
		}
	}))
	t.Cleanup(server.Close)
	r, err := New(Options{
		Host: "tcp://" + server.Listener.Addr().String(), Instance: "i", Image: "x", RunnerPath: "x",
		WatchEvery: 50 * time.Millisecond, CallTimeout: 200 * time.Millisecond,
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = r.Close() })
	return r
}

// frame is one message of a log stream.
func frame(text string) string {
	return "\x01\x00\x00\x00" + string([]byte{byte(len(text) >> 24), byte(len(text) >> 16), byte(len(text) >> 8), byte(len(text))}) + text
}

const (
	one = `{"seq":1,"kind":"words"}` + "\n"
	two = `{"seq":2,"kind":"words"}` + "\n"
)

// TestStreamThatNeverEnds: the engine forgot to end the stream of a container that has exited, and held
// back its last line.
func TestStreamThatNeverEnds(t *testing.T) {
	var asked atomic.Int32
	r := fakeEngine(t, func() bool { return asked.Add(1) < 3 }, func(w http.ResponseWriter, req *http.Request) {
		_, _ = w.Write([]byte(frame(one)))
		if req.URL.Query().Get("follow") == "" {
			_, _ = w.Write([]byte(frame(two)))
			return
		}
		_ = http.NewResponseController(w).Flush()
		<-req.Context().Done()
	})
	var got []int64
	err := r.Follow(t.Context(), "a", 0, func(e messages.AgentEvent) { got = append(got, e.Seq) })
	if err != nil || len(got) != 2 || got[1] != 2 {
		t.Errorf("followed %v, %v", got, err)
	}
}

// TestStreamThatEndsEarly: the engine ended the stream before the last line, and in the middle of one.
func TestStreamThatEndsEarly(t *testing.T) {
	var asked, streams atomic.Int32
	r := fakeEngine(t, func() bool { return asked.Add(1) < 3 }, func(w http.ResponseWriter, req *http.Request) {
		if req.URL.Query().Get("follow") != "" {
			streams.Add(1)
			_, _ = w.Write([]byte(frame(one) + frame(two[:10])))
			return
		}
		if tail := req.URL.Query().Get("tail"); tail != lastLines {
			t.Errorf("the whole log was read again at the end, tail %q", tail)
		}
		_, _ = w.Write([]byte(frame(two)))
	})
	var got []int64
	err := r.Follow(t.Context(), "a", 0, func(e messages.AgentEvent) { got = append(got, e.Seq) })
	if err != nil || len(got) != 2 || got[1] != 2 || streams.Load() == 0 {
		t.Errorf("followed %v over %d streams, %v", got, streams.Load(), err)
	}
}

// TestLogThatCannotBeRead: the end of the container ends the following all the same.
func TestLogThatCannotBeRead(t *testing.T) {
	r := fakeEngine(t, func() bool { return false }, func(w http.ResponseWriter, _ *http.Request) {
		http.Error(w, `{"message":"no log"}`, http.StatusInternalServerError)
	})
	if err := r.Follow(t.Context(), "a", 0, func(messages.AgentEvent) {}); err != nil {
		t.Error(err)
	}
}

// TestEngineThatHangs: a call does not wait for ever.
func TestEngineThatHangs(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, req *http.Request) { <-req.Context().Done() }))
	defer server.Close()
	r, err := New(Options{
		Host: "tcp://" + server.Listener.Addr().String(), Instance: "i", Image: "x", RunnerPath: "x", CallTimeout: 50 * time.Millisecond,
	})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = r.Close() }()
	_, err = r.Find(t.Context(), "a")
	if _, ok := errors.AsType[*messages.LaterError](err); !ok {
		t.Errorf("find: %v, want a LaterError", err)
	}
}

// TestRefusedStart: an engine that says that this container cannot be started will say so again.
func TestRefusedStart(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		switch {
		case strings.HasSuffix(req.URL.Path, "/_ping"):
			w.Header().Set("Api-Version", "1.41")
		case strings.HasSuffix(req.URL.Path, "/start"):
			http.Error(w, `{"message":"no such file"}`, http.StatusBadRequest)
		case strings.HasSuffix(req.URL.Path, "/networks"):
			_, _ = w.Write([]byte(`[{"Id":"n","Internal":true,"IPAM":{"Config":[{"AuxiliaryAddresses":{"DefaultGatewayIPv4":"172.30.0.254"}}]}}]`))
		default:
			_, _ = w.Write([]byte(`{"Id":"c0ffee","State":{"Status":"created"},"Config":{}}`))
		}
	}))
	defer server.Close()
	r, err := New(Options{Host: "tcp://" + server.Listener.Addr().String(), Instance: "i", Image: "x", RunnerPath: "x"})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = r.Close() }()
	err = r.Start(t.Context(), "a")
	if refused, ok := errors.AsType[*messages.RefusedError](err); !ok || refused.Ending != messages.EndSetupFailed {
		t.Errorf("start: %v, want it refused", err)
	}
}
