package runtime

import (
	"encoding/json"
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"devs-webhook/messages"
)

// numbers feeds a stream in pieces and gives the numbers that were passed on.
func numbers(after int64, pieces ...string) []int64 {
	var got []int64
	events := NewEvents(after, func(e messages.AgentEvent) { got = append(got, e.Seq) })
	for _, piece := range pieces {
		_, _ = events.Write([]byte(piece))
	}
	return got
}

func line(seq int64) string { return fmt.Sprintf(`{"seq":%d,"kind":"words"}`, seq) + "\n" }

func TestEventsOnceAndRising(t *testing.T) {
	for name, c := range map[string]struct {
		after int64
		in    string
		want  []int64
	}{
		"in order":           {0, line(1) + line(2), []int64{1, 2}},
		"after":              {1, line(1) + line(2), []int64{2}},
		"repeated":           {0, line(1) + line(1) + line(2) + line(1), []int64{1, 2}},
		"gap of a rotation":  {0, line(1) + line(maxEventGap+1), []int64{1, maxEventGap + 1}},
		"forged far number":  {0, line(1) + line(maxEventGap+2) + line(math.MaxInt64) + line(2), []int64{1, 2}},
		"negative":           {0, line(math.MinInt64) + line(1), []int64{1}},
		"unfinished":         {0, line(1) + strings.TrimSuffix(line(2), "\n"), []int64{1}},
		"nonsense":           {0, "\n{\nnull\n[]\n\x00\xff\n" + line(1), []int64{1}},
		"too long":           {0, `{"seq":1,"kind":"words","text":"` + strings.Repeat("x", maxEventLine) + "\"}\n" + line(1), []int64{1}},
		"as long as allowed": {0, strings.Repeat(" ", maxEventLine-len(line(1))+1) + line(1), []int64{1}},
	} {
		if got := numbers(c.after, c.in); !slices.Equal(got, c.want) {
			t.Errorf("%s: %v, want %v", name, got, c.want)
		}
	}
}

func TestRestartForgetsHalfALine(t *testing.T) {
	var got []int64
	events := NewEvents(0, func(e messages.AgentEvent) { got = append(got, e.Seq) })
	_, _ = events.Write([]byte(line(1) + `{"seq":2,"ki`))
	events.Restart()
	_, _ = events.Write([]byte(line(1) + line(2)))
	if !slices.Equal(got, []int64{1, 2}) || events.Last() != 2 {
		t.Errorf("got %v, last %d", got, events.Last())
	}
}

// TestAnyCutAndAnyReattachment: however the stream is cut into pieces, and however often it is read from
// its start again, each event comes once.
func TestAnyCutAndAnyReattachment(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		total := rapid.Int64Range(0, 30).Draw(t, "total")
		var stream strings.Builder
		var want []int64
		for seq := int64(1); seq <= total; seq++ {
			stream.WriteString(line(seq))
			want = append(want, seq)
		}
		var got []int64
		events := NewEvents(0, func(e messages.AgentEvent) { got = append(got, e.Seq) })
		for range rapid.IntRange(1, 4).Draw(t, "attachments") {
			events.Restart()
			feed(t, events, stream.String()[:rapid.IntRange(0, stream.Len()).Draw(t, "until")])
		}
		events.Restart()
		feed(t, events, stream.String())
		if !slices.Equal(got, want) {
			t.Fatalf("got %v, want %v", got, want)
		}
	})
}

func feed(t *rapid.T, events *Events, stream string) {
	for stream != "" {
		n := rapid.IntRange(1, len(stream)).Draw(t, "piece")
		_, _ = events.Write([]byte(stream[:n]))
		stream = stream[n:]
	}
}

func FuzzEvents(f *testing.F) {
	f.Add([]byte(line(1)+line(2)), 3)
	f.Add([]byte(`{"seq":9223372036854775807,"kind":"words"}`+"\n"), 1)
	f.Fuzz(func(t *testing.T, stream []byte, cut int) {
		last := int64(0)
		events := NewEvents(0, func(e messages.AgentEvent) {
			if e.Seq <= last || e.Seq-last > maxEventGap {
				t.Fatalf("event %d after %d", e.Seq, last)
			}
			last = e.Seq
			if _, err := json.Marshal(e); err != nil {
				t.Fatal("an event that cannot be stored: ", err)
			}
		})
		cut = min(max(cut, 0), len(stream))
		_, _ = events.Write(stream[:cut])
		_, _ = events.Write(stream[cut:])
	})
}
