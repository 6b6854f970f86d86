package github

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/rs/zerolog"

	"devs-webhook/messages"
)

// GitHub's secondary limit of 900 points a minute, and what a request costs:
// https://docs.github.com/rest/using-the-rest-api/rate-limits-for-the-rest-api#about-secondary-rate-limits.
const (
	pointsPerMinute = 900
	readPoints      = 1
	writePoints     = 5
)

// The pause after GitHub said stop without a time: it asks for a minute at least, and longer each time.
const (
	firstPause   = time.Minute
	longestPause = time.Hour
)

// limits bound the writes.
type limits struct {
	gap       time.Duration // between the starts of two writes
	perMinute int
	perHour   int
}

// governor decides when a request may go out. Every request passes it, each hop of a redirect as well.
// All times are of this machine's clock; what GitHub names by its own clock is turned into a duration first.
type governor struct {
	gap time.Duration
	log zerolog.Logger

	turn chan struct{} // full while a write is under way, so that writes are serial

	mu           sync.Mutex
	queued       int       // writes that wait for their turn
	nextWrite    time.Time // not before
	blockedUntil time.Time // nothing before
	strikes      int       // stops in a row that named no time
	minute       window    // of writes
	hour         window    // of writes
	points       window    // of all requests
}

func newGovernor(l limits, log zerolog.Logger) *governor {
	return &governor{
		gap:    l.gap,
		log:    log,
		turn:   make(chan struct{}, 1),
		minute: window{span: time.Minute, limit: l.perMinute},
		hour:   window{span: time.Hour, limit: l.perHour},
		points: window{span: time.Minute, limit: pointsPerMinute},
	}
}

// admit waits until a request may go out and counts it. The caller calls done when the answer is complete:
// until then no other write starts. If the wait cannot end before the context's deadline, it answers at once.
// Its errors are LaterErrors: nothing was sent.
func (g *governor) admit(ctx context.Context, write bool) (done func(), err error) {
	if !write {
		return func() {}, g.await(ctx, false)
	}
	if err := g.queue(ctx); err != nil {
		return nil, err
	}
	if err := g.await(ctx, true); err != nil {
		<-g.turn
		return nil, err
	}
	return func() { <-g.turn }, nil
}

// queue waits until no other write is under way.
func (g *governor) queue(ctx context.Context) error {
	g.mu.Lock()
	start := g.earliest(time.Now(), true).Add(time.Duration(g.queued) * g.gap)
	g.queued++
	g.mu.Unlock()
	defer func() {
		g.mu.Lock()
		g.queued--
		g.mu.Unlock()
	}()
	if err := inTime(ctx, start); err != nil {
		return err
	}
	select {
	case g.turn <- struct{}{}:
		return nil
	case <-ctx.Done():
		return gaveUp(ctx)
	}
}

// await waits until the limits let the request out. It looks again after each wait, because GitHub may have
// asked for a pause meanwhile.
func (g *governor) await(ctx context.Context, write bool) error {
	for {
		if ctx.Err() != nil {
			return gaveUp(ctx)
		}
		now := time.Now()
		start, ok := g.start(now, write)
		if ok {
			return nil
		}
		if err := inTime(ctx, start); err != nil {
			return err
		}
		timer := time.NewTimer(start.Sub(now))
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return gaveUp(ctx)
		}
	}
}

// start counts the request as sent if it may go now, and else says when it may.
func (g *governor) start(now time.Time, write bool) (time.Time, bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if at := g.earliest(now, write); at.After(now) {
		return at, false
	}
	if !write {
		g.points.add(now, readPoints)
		return now, true
	}
	g.points.add(now, writePoints)
	g.minute.add(now, 1)
	g.hour.add(now, 1)
	g.nextWrite = now.Add(g.gap)
	return now, true
}

// earliest is when a request may go out, as far as is known now. The lock is held.
func (g *governor) earliest(now time.Time, write bool) time.Time {
	if !write {
		return latest(now, g.blockedUntil, g.points.ready(now, readPoints))
	}
	return latest(now, g.blockedUntil, g.nextWrite,
		g.points.ready(now, writePoints), g.minute.ready(now, 1), g.hour.ready(now, 1))
}

// stop keeps everything back: for as long as GitHub said, or if it named no time (0) for a minute, then two,
// then four. Sent is when the request went out that was answered so: of several that were under way
// together only the first counts for the growth. It returns how long the pause is from now.
func (g *governor) stop(sent time.Time, after time.Duration, status int) time.Duration {
	g.mu.Lock()
	defer g.mu.Unlock()
	now := time.Now()
	if after <= 0 {
		if !sent.Before(g.blockedUntil) {
			g.strikes++
		}
		after = min(firstPause<<min(max(g.strikes-1, 0), 10), longestPause)
	}
	if until := now.Add(after); until.After(g.blockedUntil) {
		g.blockedUntil = until
		g.log.Warn().Int("status", status).Dur("pause", after).Time("until", until).Msg("github asked for a pause")
	}
	return g.blockedUntil.Sub(now)
}

// answered ends the growth of the pauses. An answer to a request from before the pause says nothing.
func (g *governor) answered(sent time.Time) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if !sent.Before(g.blockedUntil) {
		g.strikes = 0
	}
}

func (g *governor) budget() (int, time.Time) {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.hour.left(time.Now()), g.blockedUntil
}

// inTime is nil if the start lies before the context's deadline. Else it is useless to wait.
func inTime(ctx context.Context, start time.Time) error {
	deadline, ok := ctx.Deadline()
	if !ok || start.Before(deadline) {
		return nil
	}
	after := max(time.Until(start), 0)
	return &messages.LaterError{
		After: after,
		Err:   fmt.Errorf("keep to GitHub's limits: the next request may go out in %s", after.Round(time.Second)),
	}
}

func gaveUp(ctx context.Context) error {
	return &messages.LaterError{Err: fmt.Errorf("wait for GitHub's limits: %w", context.Cause(ctx))}
}

func latest(first time.Time, others ...time.Time) time.Time {
	for _, other := range others {
		if other.After(first) {
			first = other
		}
	}
	return first
}
