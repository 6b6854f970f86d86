package runner

import (
	"fmt"
	"time"

	"devs-webhook/messages"
)

// watch knows when the agent has to be ended. It only computes: whoever uses it tells it what happened and when.
type watch struct {
	limits messages.Limits
	linger time.Duration
	wall   time.Time              // zero for never
	heard  time.Time              // when the agent last printed something
	open   map[string][]time.Time // the open tool calls by name, oldest first
	said   bool                   // it has stated its result, or closed its output
}

// endLinger is not an ending of an attempt: the agent has said all, and only its process is still there.
const endLinger messages.Ending = "linger"

// maxOpen bounds what a forged stream can make the watch remember, by name and in names.
const maxOpen = 100

func newWatch(limits messages.Limits, linger time.Duration, wall, now time.Time) *watch {
	return &watch{limits: limits, linger: linger, wall: wall, heard: now, open: map[string][]time.Time{}}
}

// event takes note of a tool call's begin or end. An event does not say which of several calls of a tool ended: the
// oldest is taken, so that no call is thought to be older than it is.
func (w *watch) event(e messages.AgentEvent, now time.Time) {
	calls, known := w.open[e.Tool]
	switch {
	case e.Kind == messages.EventTool && len(calls) < maxOpen && (known || len(w.open) < maxOpen):
		w.open[e.Tool] = append(calls, now)
	case e.Kind == messages.EventToolEnd && len(calls) > 1:
		w.open[e.Tool] = calls[1:]
	case e.Kind == messages.EventToolEnd:
		delete(w.open, e.Tool)
	}
}

// next says when which limit is reached if nothing happens until then; the zero time if none is. While a tool is
// used the agent is silent for good reason: then the tool's limit counts in place of the idle one.
func (w *watch) next() (time.Time, messages.Ending) {
	at, why := w.wall, messages.EndTimedOutWall
	sooner := func(t time.Time, e messages.Ending) {
		if at.IsZero() || t.Before(at) {
			at, why = t, e
		}
	}
	switch {
	case w.said:
		sooner(w.heard.Add(w.linger), endLinger)
	case len(w.open) > 0:
		if w.limits.Tool > 0 {
			sooner(w.oldest().Add(w.limits.Tool), messages.EndTimedOutTool)
		}
	case w.limits.Idle > 0:
		sooner(w.heard.Add(w.limits.Idle), messages.EndTimedOutIdle)
	}
	return at, why
}

func (w *watch) oldest() time.Time {
	var oldest time.Time
	for _, calls := range w.open {
		if oldest.IsZero() || calls[0].Before(oldest) {
			oldest = calls[0]
		}
	}
	return oldest
}

// reason says for people which limit was reached.
func (w *watch) reason(why messages.Ending) string {
	switch why {
	case messages.EndTimedOutWall:
		return fmt.Sprintf("the limit for the whole run, %s, was reached", w.limits.Wall)
	case messages.EndTimedOutIdle:
		return fmt.Sprintf("the agent printed nothing for %s", w.limits.Idle)
	case messages.EndTimedOutTool:
		return fmt.Sprintf("a single use of a tool took longer than %s", w.limits.Tool)
	case endLinger:
		return fmt.Sprintf("the agent had said all, and did not end within %s", w.linger)
	case messages.EndCancelled:
		return "cancelled"
	}
	return ""
}
