package github

import (
	"context"
	"errors"
	"net/http"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"devs-webhook/messages"
)

// After GitHub said stop, nothing at all is sent before the time that it named.
func TestNothingIsSentInTheForbiddenWindow(t *testing.T) {
	epoch := func(d time.Duration) string { return strconv.FormatInt(time.Now().Add(d).Unix(), 10) }
	limit := said("API rate limit exceeded")
	tests := []struct {
		name   string
		answer func() *http.Response
		pause  time.Duration
	}{
		{"429 with retry-after", func() *http.Response { return response(429, limit, "Retry-After", "90") }, 90 * time.Second},
		{"403 with retry-after", func() *http.Response { return response(403, limit, "Retry-After", "90") }, 90 * time.Second},
		{"403 with a date", func() *http.Response {
			return response(403, limit, "Retry-After", time.Now().Add(90*time.Second).UTC().Format(http.TimeFormat))
		}, 90 * time.Second},
		{"403 with the reset", func() *http.Response {
			return response(403, limit, "X-RateLimit-Remaining", "0", "X-RateLimit-Reset", epoch(20*time.Minute))
		}, 20*time.Minute + time.Second},
		{"429 with the reset", func() *http.Response {
			return response(429, limit, "X-RateLimit-Remaining", "0", "X-RateLimit-Reset", epoch(20*time.Minute))
		}, 20*time.Minute + time.Second},
		{"the longer of both", func() *http.Response {
			return response(403, limit, "Retry-After", "5", "X-RateLimit-Remaining", "0", "X-RateLimit-Reset", epoch(20*time.Minute))
		}, 20*time.Minute + time.Second},
		{"our clock is two hours behind", func() *http.Response {
			return response(403, limit, "Date", time.Now().Add(2*time.Hour).UTC().Format(http.TimeFormat),
				"X-RateLimit-Remaining", "0", "X-RateLimit-Reset", epoch(2*time.Hour+20*time.Minute))
		}, 20*time.Minute + time.Second},
		{"no time", func() *http.Response { return response(429, limit) }, time.Minute},
		{"secondary limit, no time", func() *http.Response {
			return response(403, said("You have exceeded a secondary rate limit"), "X-RateLimit-Remaining", "4000")
		}, time.Minute},
		{"reset has passed", func() *http.Response {
			return response(403, limit, "X-RateLimit-Remaining", "0", "X-RateLimit-Reset", "1")
		}, time.Minute},
		{"nonsense", func() *http.Response {
			return response(429, limit, "Retry-After", "soon", "X-RateLimit-Reset", "later")
		}, time.Minute},
		{"for ever", func() *http.Response { return response(429, limit, "Retry-After", "9223372036854775807") }, 24 * time.Hour},
		{"the reset is for ever away", func() *http.Response {
			return response(403, limit, "X-RateLimit-Remaining", "0", "X-RateLimit-Reset", "99999999999")
		}, 24 * time.Hour},
		{"the last one of the hour succeeds", func() *http.Response {
			return response(200, "[]", "X-RateLimit-Remaining", "0", "X-RateLimit-Reset", epoch(20*time.Minute))
		}, 20*time.Minute + time.Second},
		{"unavailable with retry-after", func() *http.Response { return response(503, "", "Retry-After", "90") }, 90 * time.Second},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			bubble(t, func(t *testing.T, w *wire, c *Client) { forbiddenWindow(t, w, c, test.answer, test.pause) })
		})
	}
}

func forbiddenWindow(t *testing.T, w *wire, c *Client, stop func() *http.Response, pause time.Duration) {
	first := true
	w.answer = func(*http.Request) *http.Response {
		if !first {
			return nil
		}
		first = false
		return stop()
	}
	err := aRead(t.Context(), c)
	told := time.Now()
	if later, ok := errors.AsType[*messages.LaterError](err); ok {
		if later.After != pause {
			t.Errorf("the caller is told to wait %s, want %s", later.After, pause)
		}
	} else if err != nil {
		t.Errorf("the stop is %v", err)
	}
	if _, until := c.Budget(); !until.Equal(told.Add(pause)) {
		t.Errorf("blocked for %s, want %s", until.Sub(told), pause)
	}
	var all sync.WaitGroup
	for _, call := range []func(context.Context, *Client) error{aRead, aRead, aWrite, aWrite} {
		all.Go(func() { wantClass(t, call(t.Context(), c), classNone) })
	}
	all.Wait()
	if n := w.between(told.Add(1), told.Add(pause)); n != 0 {
		t.Errorf("%d requests were sent in the forbidden window", n)
	}
	if len(w.sent) != 5 {
		t.Errorf("%d requests were sent, want 5", len(w.sent))
	}
	if at := w.sent[1].Sub(told); at != pause {
		t.Errorf("the next request went out after %s, want %s", at, pause)
	}
}

// What was waiting for its turn when GitHub said stop waits on.
func TestStopReachesWhoIsWaiting(t *testing.T) {
	bubble(t, func(t *testing.T, w *wire, c *Client) {
		w.takes = 100 * time.Millisecond
		w.answer = func(r *http.Request) *http.Response {
			if len(w.sent) == 1 {
				return response(429, said("slow down"), "Retry-After", "120")
			}
			return nil
		}
		start := time.Now()
		var all sync.WaitGroup
		classes := make([]class, 5)
		for i := range classes {
			all.Go(func() { classes[i] = classOf(aWrite(t.Context(), c)) })
		}
		all.Wait()
		stopped := start.Add(100 * time.Millisecond)
		if n := w.between(stopped, stopped.Add(2*time.Minute)); n != 0 {
			t.Errorf("%d requests in the forbidden window", n)
		}
		if n := len(w.sent); n != 5 {
			t.Errorf("%d requests, want 5", n)
		}
	})
}

// Where GitHub names no time, the pauses grow, and start small again after a success.
func TestPausesGrow(t *testing.T) {
	bubble(t, func(t *testing.T, w *wire, c *Client) {
		refuse := true
		w.answer = func(*http.Request) *http.Response {
			if refuse {
				return response(429, said("slow down"))
			}
			return nil
		}
		pauseIs := func(want time.Duration) {
			t.Helper()
			later, ok := errors.AsType[*messages.LaterError](aRead(t.Context(), c))
			if !ok || later.After != want {
				t.Errorf("the pause is %+v, want %s", later, want)
			}
		}
		for _, want := range []time.Duration{1, 2, 4, 8, 16, 32, 60, 60, 60, 60, 60, 60} {
			pauseIs(want * time.Minute)
		}
		refuse = false
		if err := aRead(t.Context(), c); err != nil {
			t.Error(err)
		}
		refuse = true
		pauseIs(time.Minute)
	})
}

// Several requests that were under way together are one stop, not several.
func TestPausesGrowOncePerStop(t *testing.T) {
	bubble(t, func(t *testing.T, w *wire, c *Client) {
		w.takes = time.Second
		w.answer = func(*http.Request) *http.Response { return response(429, said("slow down")) }
		start := time.Now()
		var all sync.WaitGroup
		for range 10 {
			all.Go(func() { wantClass(t, aRead(t.Context(), c), classLater) })
		}
		all.Wait()
		if _, until := c.Budget(); until.Sub(start) != time.Second+time.Minute {
			t.Errorf("the pause ends %s after the start, want 1m1s", until.Sub(start))
		}
	})
}

// An answer that GitHub gave before it said stop does not end the pause.
func TestOldAnswerDoesNotEndThePause(t *testing.T) {
	bubble(t, func(t *testing.T, _ *wire, _ *Client) {
		g := newGovernor(limits{gap: time.Second, perMinute: 80, perHour: 500}, zerolog.Nop())
		old := time.Now()
		pass(time.Second)
		g.stop(time.Now(), 0, 429)
		g.answered(old)
		pass(time.Minute)
		if after := g.stop(time.Now(), 0, 429); after != 2*time.Minute {
			t.Errorf("the second pause is %s, want 2m", after)
		}
	})
}

// The headers come from whatever answers in GitHub's place.
func FuzzPause(f *testing.F) {
	f.Add(403, "60", "0", "1767225600", "core", "Thu, 01 Jan 2026 00:00:00 GMT", `{"message":"limit"}`)
	f.Add(429, "Thu, 01 Jan 2026 00:00:00 GMT", "", "", "", "", "")
	f.Add(200, "-1", "0", "9223372036854775807", "search", "x", "[]")
	f.Add(503, "9223372036854775807", "00", "-9223372036854775808", "", "Fri, 31 Dec 9999 23:59:59 GMT", `{"errors":["a",{"code":"b","field":"c"}]}`)
	f.Fuzz(func(t *testing.T, status int, retry, remaining, reset, resource, date, body string) {
		resp := response(status, "", "Retry-After", retry, "X-RateLimit-Remaining", remaining,
			"X-RateLimit-Reset", reset, "X-RateLimit-Resource", resource, "Date", date)
		a := readAnswer(resp, []byte(body), testToken)
		after, stop := a.pause(time.Now())
		if after < 0 || after > longestWait {
			t.Errorf("a pause of %s", after)
		}
		if status == 429 && !stop {
			t.Error("429 is no stop")
		}
		if len([]rune(a.message)) > 301 {
			t.Errorf("a message of %d bytes", len(a.message))
		}
		if status >= 300 {
			if err := a.failure("do it", true); err == nil {
				t.Error("a failure without an error")
			}
		}
	})
}
