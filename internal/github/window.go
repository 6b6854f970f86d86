package github

import "time"

// window bounds what is spent within any span of time. It is not safe for concurrent use.
type window struct {
	span  time.Duration
	limit int

	total int     // of spent
	spent []spent // oldest first, none older than span
}

type spent struct {
	at   time.Time
	cost int
}

// ready is when the cost fits in: now, or when enough of the older has left the span.
func (w *window) ready(now time.Time, cost int) time.Time {
	w.forget(now)
	total := w.total
	for _, s := range w.spent {
		if total+cost <= w.limit {
			return now
		}
		total -= s.cost
		now = s.at.Add(w.span)
	}
	return now
}

func (w *window) add(now time.Time, cost int) {
	w.forget(now)
	w.spent = append(w.spent, spent{now, cost})
	w.total += cost
}

// left is what can still be spent now.
func (w *window) left(now time.Time) int {
	w.forget(now)
	return max(w.limit-w.total, 0)
}

func (w *window) forget(now time.Time) {
	old := 0
	for old < len(w.spent) && !w.spent[old].at.Add(w.span).After(now) {
		w.total -= w.spent[old].cost
		old++
	}
	w.spent = w.spent[old:]
}
