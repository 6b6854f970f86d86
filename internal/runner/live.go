package runner

import (
	"io"
	"time"
)

const (
	liveQueue = 1024            // lines that wait for a slow reader
	liveEnd   = 2 * time.Second // for the last of them
)

// liveView writes lines to a writer that may block or break: with the engine's daemon away, a container's stdout
// fills up after 64 KiB. Then lines are dropped; the run goes on.
type liveView struct {
	lines chan []byte
	done  chan struct{}
}

func newLiveView(w io.Writer) *liveView {
	v := &liveView{lines: make(chan []byte, liveQueue), done: make(chan struct{})}
	go v.write(w)
	return v
}

// write uses one Write for each line, so that lines of a shared stdout do not mix.
func (v *liveView) write(w io.Writer) {
	defer close(v.done)
	for line := range v.lines {
		if _, err := w.Write(line); err != nil {
			w = io.Discard
		}
	}
}

func (v *liveView) send(line []byte) {
	select {
	case v.lines <- line:
	default:
	}
}

// close waits a moment for the reader. The goroutine of a writer that blocks for good is left behind: the process
// is about to end.
func (v *liveView) close() {
	close(v.lines)
	timer := time.NewTimer(liveEnd)
	defer timer.Stop()
	select {
	case <-v.done:
	case <-timer.C:
	}
}
