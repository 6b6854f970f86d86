package github

import (
	"context"
	"errors"
	"fmt"
	"net/http"
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
