package github

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rs/zerolog"
	"pgregory.net/rapid"

	"devs-webhook/messages"
)

// wire is a GitHub in a bubble: it notes when each request came and answers as told.
type wire struct {
	mu     sync.Mutex
	sent   []time.Time
	writes []time.Time
	under  int // writes under way
	answer func(*http.Request) *http.Response
	takes  time.Duration
	t      *testing.T
}

func (w *wire) RoundTrip(r *http.Request) (*http.Response, error) {
	w.mu.Lock()
	now := time.Now()
	w.sent = append(w.sent, now)
	if r.Method != http.MethodGet {
		w.writes = append(w.writes, now)
		if w.under++; w.under > 1 {
			w.t.Error("two writes are under way at once")
		}
	}
	w.mu.Unlock()
	if w.takes > 0 {
		pass(w.takes)
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if r.Method != http.MethodGet {
		w.under--
	}
	if w.answer != nil {
		if resp := w.answer(r); resp != nil {
			return resp, nil
		}
	}
	if r.Method == http.MethodGet {
		return response(200, "[]"), nil
	}
	return response(201, `{"id":5}`), nil
}

// between counts the requests that were sent at or after from and before to.
func (w *wire) between(from, to time.Time) int {
	w.mu.Lock()
	defer w.mu.Unlock()
	n := 0
	for _, at := range w.sent {
		if !at.Before(from) && at.Before(to) {
			n++
		}
	}
	return n
}

func bubble(t *testing.T, test func(*testing.T, *wire, *Client)) {
	t.Helper()
	bubbleWith(t, time.Second, test)
}

func bubbleWith(t *testing.T, gap time.Duration, test func(*testing.T, *wire, *Client)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		w := &wire{t: t}
		test(t, w, newClient(t, "https://api.test", func(o *Options) { o.Transport, o.WriteGap = w, gap }))
	})
}

func TestWritesAreSerialAndKeepTheGap(t *testing.T) {
	bubble(t, func(t *testing.T, w *wire, c *Client) {
		w.takes = 300 * time.Millisecond
		start := time.Now()
		var all sync.WaitGroup
		for range 10 {
			all.Go(func() {
				if err := aWrite(t.Context(), c); err != nil {
					t.Error(err)
				}
			})
		}
		all.Wait()
		for i, at := range w.writes {
			if want := start.Add(time.Duration(i) * time.Second); !at.Equal(want) {
				t.Errorf("write %d started %s after the first, want %s", i, at.Sub(start), want.Sub(start))
			}
		}
	})
}

// A write that takes longer than the gap still keeps the next one back.
func TestSlowWriteKeepsTheNextBack(t *testing.T) {
	bubble(t, func(t *testing.T, w *wire, c *Client) {
		w.takes = 5 * time.Second
		var all sync.WaitGroup
		for range 3 {
			all.Go(func() { wantClass(t, aWrite(t.Context(), c), classNone) })
		}
		all.Wait() // the wire complains if two are under way
		if len(w.writes) != 3 || w.writes[2].Sub(w.writes[0]) != 10*time.Second {
			t.Errorf("writes started at %v", w.writes)
		}
	})
}

func TestReadsDoNotWaitForWrites(t *testing.T) {
	bubble(t, func(t *testing.T, w *wire, c *Client) {
		w.takes = 5 * time.Second
		var all sync.WaitGroup
		start := time.Now()
		all.Go(func() { wantClass(t, aWrite(t.Context(), c), classNone) })
		all.Go(func() { wantClass(t, aRead(t.Context(), c), classNone) })
		all.Wait()
		if took := time.Since(start); took != 5*time.Second {
			t.Errorf("took %s", took)
		}
	})
}

// Not more than 80 writes in any minute, nor 500 in any hour.
func TestWritesKeepToTheMinuteAndTheHour(t *testing.T) {
	bubbleWith(t, time.Millisecond, func(t *testing.T, w *wire, c *Client) {
		for range 520 {
			if err := aWrite(t.Context(), c); err != nil {
				t.Fatal(err)
			}
		}
		busiest := func(span time.Duration) int {
			most := 0
			for _, at := range w.writes {
				most = max(most, w.between(at, at.Add(span)))
			}
			return most
		}
		if n := busiest(time.Minute); n != 80 {
			t.Errorf("%d writes in the busiest minute, want 80", n)
		}
		if n := busiest(time.Hour); n != 500 {
			t.Errorf("%d writes in the busiest hour, want 500", n)
		}
		if left, _ := c.Budget(); left != 500-w.between(time.Now().Add(-time.Hour+time.Nanosecond), time.Now().Add(1)) {
			t.Errorf("%d are said to be left", left)
		}
	})
}

// GitHub's 900 points a minute: a read costs 1.
func TestReadsKeepToThePoints(t *testing.T) {
	bubble(t, func(t *testing.T, w *wire, c *Client) {
		start := time.Now()
		for range 1000 {
			if err := aRead(t.Context(), c); err != nil {
				t.Fatal(err)
			}
		}
		if n := w.between(start, start.Add(time.Minute)); n != 900 {
			t.Errorf("%d reads in the first minute, want 900", n)
		}
	})
}

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

// Who cannot wait long enough is told at once, and nothing is sent.
func TestUselessWaitIsNotWaited(t *testing.T) {
	bubble(t, func(t *testing.T, w *wire, c *Client) {
		w.answer = func(*http.Request) *http.Response { return response(429, said("slow down"), "Retry-After", "100") }
		wantClass(t, aRead(t.Context(), c), classLater)
		start := time.Now()
		for _, call := range []func(context.Context, *Client) error{aRead, aWrite} {
			ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
			err := call(ctx, c)
			cancel()
			later, ok := errors.AsType[*messages.LaterError](err)
			if !ok || later.After != 100*time.Second {
				t.Errorf("got %v, want a LaterError after 100 s", err)
			}
		}
		if took := time.Since(start); took != 0 {
			t.Errorf("it took %s to say so", took)
		}
		if len(w.sent) != 1 {
			t.Errorf("%d requests were sent", len(w.sent))
		}
	})
}

// The gap counts too: of ten writes with three seconds to spare, three go out and seven are told at once.
func TestWritersThatCannotHaveTheirTurnAreTold(t *testing.T) {
	bubble(t, func(t *testing.T, w *wire, c *Client) {
		ctx, cancel := context.WithTimeout(t.Context(), 2500*time.Millisecond)
		defer cancel()
		start := time.Now()
		var all sync.WaitGroup
		var mu sync.Mutex
		counts := map[string]int{}
		for range 10 {
			all.Go(func() {
				err := aWrite(ctx, c)
				mu.Lock()
				defer mu.Unlock()
				if err != nil && time.Since(start) == 0 {
					counts["told at once"]++
				}
				counts[string(classOf(err))]++
			})
		}
		all.Wait()
		if counts["none"] != 3 || counts["later"] != 7 || counts["told at once"] < 6 {
			t.Errorf("got %v", counts)
		}
	})
}

func TestWaitEndsWithTheContext(t *testing.T) {
	stop := errors.New("the service stops")
	// waits makes a call that has to wait, and expects it to end with its context after 2 s.
	waits := func(t *testing.T, c *Client, call func(context.Context, *Client) error) {
		t.Helper()
		ctx, cancel := context.WithCancelCause(t.Context())
		start := time.Now()
		go func() { pass(2 * time.Second); cancel(stop) }()
		err := call(ctx, c)
		wantClass(t, err, classLater)
		if took := time.Since(start); took != 2*time.Second || !errors.Is(err, stop) {
			t.Errorf("it ended after %s with %v", took, err)
		}
	}
	t.Run("for its turn", func(t *testing.T) {
		bubble(t, func(t *testing.T, w *wire, c *Client) {
			w.takes = time.Minute
			var first sync.WaitGroup
			first.Go(func() { wantClass(t, aWrite(t.Context(), c), classNone) })
			synctest.Wait()
			waits(t, c, aWrite)
			first.Wait()
			if len(w.sent) != 1 {
				t.Errorf("%d requests were sent", len(w.sent))
			}
		})
	})
	t.Run("for the end of a pause", func(t *testing.T) {
		bubble(t, func(t *testing.T, w *wire, c *Client) {
			w.answer = func(*http.Request) *http.Response { return response(429, said("slow down")) }
			wantClass(t, aRead(t.Context(), c), classLater)
			waits(t, c, aRead)
			waits(t, c, aWrite)
			if len(w.sent) != 1 {
				t.Errorf("%d requests were sent", len(w.sent))
			}
		})
	})
}

// Who gets the turn and then cannot use it hands it on.
func TestTurnIsHandedOn(t *testing.T) {
	bubble(t, func(t *testing.T, w *wire, c *Client) {
		w.takes = time.Second
		w.answer = func(*http.Request) *http.Response {
			if len(w.sent) == 1 {
				return response(429, said("slow down"), "Retry-After", "600")
			}
			return nil
		}
		go func() { wantClass(t, aWrite(t.Context(), c), classLater) }()
		synctest.Wait()
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		wantClass(t, aWrite(ctx, c), classLater) // it had its turn when the first had been told to stop
		wantClass(t, aWrite(t.Context(), c), classNone)
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

// Whatever callers and GitHub do, the rules hold.
func TestGovernorKeepsItsRules(t *testing.T) {
	for i := range 30 { // bubbles: rapid stops after a day by the clock, and here that is soon
		t.Run(fmt.Sprint(i), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				// Hidden in a struct, because rapid asks a *testing.T for its deadline, and a bubble has none.
				rapid.Check(struct{ rapid.TB }{t}, keepsItsRules)
			})
		})
	}
}

func keepsItsRules(t *rapid.T) {
	l := limits{
		gap:       rapid.SampledFrom([]time.Duration{1, time.Second, 3 * time.Second}).Draw(t, "gap"),
		perMinute: rapid.IntRange(1, 10).Draw(t, "per minute"),
		perHour:   rapid.IntRange(1, 30).Draw(t, "per hour"),
	}
	g := newGovernor(l, zerolog.Nop())
	var writes []time.Time
	var blocked time.Time
	admit := func(write bool) {
		patience := time.Duration(rapid.IntRange(1, 7200).Draw(t, "patience")) * time.Second
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		asked := time.Now()
		done, err := g.admit(ctx, write)
		if err != nil {
			if !time.Now().Equal(asked) {
				t.Fatalf("said no only after %s", time.Since(asked))
			}
			return
		}
		done()
		if time.Now().Before(blocked) {
			t.Fatal("let a request out while blocked")
		}
		if write {
			writes = append(writes, time.Now())
			checkWrites(t, l, writes)
		}
	}
	t.Repeat(map[string]func(*rapid.T){
		"read":   func(*rapid.T) { admit(false) },
		"write":  func(*rapid.T) { admit(true) },
		"writes": func(*rapid.T) { admit(true); admit(true); admit(true) },
		"stop": func(t *rapid.T) {
			after := time.Duration(rapid.IntRange(0, 300).Draw(t, "after")) * time.Second
			g.stop(time.Now(), after, 429)
			if after == 0 {
				after = firstPause
			}
			blocked = latest(blocked, time.Now().Add(after))
		},
		"pass": func(t *rapid.T) { pass(time.Duration(rapid.IntRange(0, 1000).Draw(t, "seconds")) * time.Second) },
	})
}

// checkWrites looks at the newest write.
func checkWrites(t *rapid.T, l limits, writes []time.Time) {
	now := writes[len(writes)-1]
	if len(writes) > 1 && now.Sub(writes[len(writes)-2]) < l.gap {
		t.Fatal("two writes without the gap")
	}
	for span, limit := range map[time.Duration]int{time.Minute: l.perMinute, time.Hour: l.perHour} {
		n := 0
		for _, at := range writes {
			if now.Sub(at) < span {
				n++
			}
		}
		if n > limit {
			t.Fatalf("%d writes in %s, want %d at most", n, span, limit)
		}
	}
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
