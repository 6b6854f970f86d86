package github

import (
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// Strangers choose the keys, so there is a bound; and the newest answer is there however many came before.
func TestCacheIsBounded(t *testing.T) {
	var c cache[int, int]
	asked := 0
	get := func(key int) {
		t.Helper()
		got, err := c.get(t.Context(), key, func() (int, time.Duration, error) { asked++; return 2 * key, time.Hour, nil })
		if err != nil || got != 2*key {
			t.Errorf("got %d, %v for %d", got, err, key)
		}
	}
	for key := range 3 * maxHeld {
		get(key)
		get(key)
	}
	if asked != 3*maxHeld {
		t.Errorf("asked %d times for %d keys", asked, 3*maxHeld)
	}
	if len(c.held) > maxHeld {
		t.Errorf("%d answers are held, want %d at most", len(c.held), maxHeld)
	}
}

// A crash of the one who asks must not leave the others waiting for ever.
func TestCacheOutlivesAPanic(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var c cache[string, int]
		crash := make(chan struct{})
		go func() {
			defer func() { _ = recover() }()
			_, _ = c.get(t.Context(), "k", func() (int, time.Duration, error) { <-crash; panic("on purpose") })
		}()
		synctest.Wait()
		var waiting sync.WaitGroup
		for range 3 {
			waiting.Go(func() {
				got, err := c.get(t.Context(), "k", func() (int, time.Duration, error) { return 1, time.Hour, nil })
				if got != 1 || err != nil {
					t.Errorf("got %d, %v", got, err)
				}
			})
		}
		synctest.Wait()
		close(crash)
		waiting.Wait()
	})
}
