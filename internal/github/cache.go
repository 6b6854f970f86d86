package github

import (
	"context"
	"fmt"
	"sync"
	"time"

	"devs-webhook/messages"
)

const (
	// maxHeld bounds a cache: its keys come from strangers.
	maxHeld = 4096
	forever = 100 * 365 * 24 * time.Hour
)

// cache holds answers for a while and asks once for all who want the same at the same time. Errors are
// not held. The zero value is ready.
type cache[K comparable, V any] struct {
	mu   sync.Mutex
	held map[K]*entry[V]
}

// entry is an answer, or the question under way. value, err and again are written before done is closed and
// read after; until is guarded by the cache's lock.
type entry[V any] struct {
	done  chan struct{}
	value V
	err   error
	again bool // the asker left; ask yourself
	until time.Time
}

// get gives the held answer or asks for it. ask also says how long its answer is good.
func (c *cache[K, V]) get(ctx context.Context, key K, ask func() (V, time.Duration, error)) (V, error) {
	for {
		e, mine := c.entry(key)
		if mine {
			return c.lead(ctx, key, e, ask)
		}
		select {
		case <-e.done:
		case <-ctx.Done():
			var none V
			return none, &messages.LaterError{Err: fmt.Errorf("wait for GitHub's answer: %w", context.Cause(ctx))}
		}
		if !e.again {
			return e.value, e.err
		}
	}
}

// put holds an answer that was got in another way.
func (c *cache[K, V]) put(key K, value V, keep time.Duration) {
	e := &entry[V]{done: make(chan struct{}), value: value, until: time.Now().Add(keep)}
	close(e.done)
	c.mu.Lock()
	defer c.mu.Unlock()
	c.hold(key, e)
}

// forget drops what is held under the key.
func (c *cache[K, V]) forget(key K) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.held, key)
}

// entry is the one to wait for, or a new one that is the caller's to fill.
func (c *cache[K, V]) entry(key K) (e *entry[V], mine bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if e := c.held[key]; e != nil && (e.until.IsZero() || time.Now().Before(e.until)) {
		return e, false
	}
	e = &entry[V]{done: make(chan struct{}), again: true}
	c.hold(key, e)
	return e, true
}

// hold puts the entry in. A full cache first loses what has expired, and then anything until a quarter is
// free, so that the search is rare.
func (c *cache[K, V]) hold(key K, e *entry[V]) {
	if c.held == nil {
		c.held = make(map[K]*entry[V])
	}
	if len(c.held) >= maxHeld {
		now := time.Now()
		for k, old := range c.held {
			if !old.until.IsZero() && now.After(old.until) {
				delete(c.held, k)
			}
		}
		for k := range c.held {
			if len(c.held) <= maxHeld*3/4 {
				break
			}
			delete(c.held, k) // who waits for it keeps the entry itself
		}
	}
	c.held[key] = e
}

// lead asks and lets all know. If the asker's own context ended, the others ask again: it was not GitHub.
func (c *cache[K, V]) lead(ctx context.Context, key K, e *entry[V], ask func() (V, time.Duration, error)) (V, error) {
	var keep time.Duration
	defer func() { // also after a panic
		c.mu.Lock()
		if keep > 0 {
			e.until = time.Now().Add(keep)
		} else if c.held[key] == e {
			delete(c.held, key)
		}
		c.mu.Unlock()
		close(e.done)
	}()
	value, good, err := ask()
	e.value, e.err = value, err
	e.again = err != nil && ctx.Err() != nil
	if err == nil {
		keep = good
	}
	return value, err
}
