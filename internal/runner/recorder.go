package runner

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"
	"unicode/utf8"

	"devs-webhook/messages"
)

const (
	maxText   = 2048                   // of an event, in bytes
	maxEvents = 32 << 20               // of out/events.jsonl, in bytes; beyond it only the runner's own events are kept
	wordsGap  = 200 * time.Millisecond // between two events of words; what is said faster is merged
)

// recorder numbers the events and writes them: to out/events.jsonl, which is the record, and to the live view,
// which may lose some. It belongs to one goroutine.
type recorder struct {
	file    *os.File
	live    *liveView
	now     func() time.Time
	seq     int64
	size    int
	err     error // the first failure to write
	words   []string
	wordLen int
	left    int // lines of words that were left out
	spoken  time.Time
}

func newRecorder(out string, stdout io.Writer) (*recorder, error) {
	file, err := os.OpenFile(filepath.Join(out, "events.jsonl"), os.O_CREATE|os.O_WRONLY|os.O_TRUNC|os.O_APPEND, 0o600)
	if err != nil {
		return nil, fmt.Errorf("open events: %w", err)
	}
	return &recorder{file: file, live: newLiveView(stdout), now: time.Now}, nil
}

// add takes an event of the agent. Words that come faster than a person reads are merged: a program may print
// thousands of lines a second.
func (r *recorder) add(e messages.AgentEvent) {
	if e.Kind != messages.EventWords {
		r.flush()
		r.record(e)
		return
	}
	if len(r.words) == 0 && r.now().Sub(r.spoken) >= wordsGap {
		r.spoken = r.now()
		r.record(e)
		return
	}
	if len(r.words) > 0 && r.wordLen+len(e.Text) > maxText-64 {
		r.left++
		return
	}
	r.words = append(r.words, e.Text)
	r.wordLen += len(e.Text) + 1
}

// flushAt says when the merged words are due.
func (r *recorder) flushAt() (time.Time, bool) { return r.spoken.Add(wordsGap), len(r.words) > 0 }

// flush records the merged words.
func (r *recorder) flush() {
	if len(r.words) == 0 {
		return
	}
	text := strings.Join(r.words, "\n")
	if r.left > 0 {
		text += fmt.Sprintf("\n(%d more lines)", r.left)
	}
	r.words, r.wordLen, r.left, r.spoken = nil, 0, 0, r.now()
	r.record(messages.AgentEvent{Kind: messages.EventWords, Text: text})
}

// runner records a step of the runner's own.
func (r *recorder) runner(format string, args ...any) {
	r.emit(messages.AgentEvent{Kind: messages.EventRunner, Text: fmt.Sprintf(format, args...)})
}

// record keeps an event of the agent, as long as there is room.
func (r *recorder) record(e messages.AgentEvent) {
	if r.size >= maxEvents {
		return
	}
	r.write(e)
	if r.size >= maxEvents {
		r.runner("the record has reached its limit; the agent's further events are left out")
	}
}

// emit records an event of the runner, after the words before it.
func (r *recorder) emit(e messages.AgentEvent) {
	r.flush()
	r.write(e)
}

func (r *recorder) write(e messages.AgentEvent) {
	r.seq++
	e.Seq, e.At, e.Text = r.seq, r.now().UTC(), cut(e.Text, maxText)
	line, err := json.Marshal(e)
	if err != nil { // only of strings and numbers, which cannot fail
		line = []byte("{}")
	}
	line = append(line, '\n')
	r.size += len(line)
	if _, err := r.file.Write(line); err != nil && r.err == nil {
		r.err = fmt.Errorf("write event: %w", err)
	}
	r.live.send(line)
}

// count is the number of the newest event.
func (r *recorder) count() int64 { return r.seq }

// close ends the record: the events are on disk when it returns, and no more than a moment is spent on the live view.
func (r *recorder) close() error {
	r.flush()
	r.live.close()
	return errors.Join(r.err, r.file.Sync(), r.file.Close())
}

// cut shortens a text to limit bytes.
func cut(s string, limit int) string {
	if len(s) <= limit {
		return s
	}
	const mark = "…"
	end := limit - len(mark)
	for end > 0 && !utf8.RuneStart(s[end]) {
		end--
	}
	return s[:end] + mark
}
