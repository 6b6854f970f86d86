package gateway

import (
	"bytes"
	"encoding/json"
	"io"
	"math"
	"strings"
	"testing"
	"testing/iotest"

	"pgregory.net/rapid"

	"devs-webhook/messages"
)

// parts cuts a text up at random.
func parts(t *rapid.T, text []byte) [][]byte {
	var list [][]byte
	for len(text) > 0 {
		n := rapid.IntRange(1, len(text)).Draw(t, "part")
		list = append(list, text[:n])
		text = text[n:]
	}
	return list
}

// TestStreamMeterCuts: how a stream is cut into reads makes no difference.
func TestStreamMeterCuts(t *testing.T) {
	text := []byte(strings.ReplaceAll(started+ping+words+halfway, "\n", "\r\n") + started + closing)
	rapid.Check(t, func(t *rapid.T) {
		m := &streamMeter{}
		for _, part := range parts(t, text) {
			m.write(part)
		}
		if got := m.usage(); got != whole {
			t.Errorf("used %+v", got)
		}
	})
}

// TestStreamMeterNonsense: long lines and foreign text are passed over, in bounded memory.
func TestStreamMeterNonsense(t *testing.T) {
	m := &streamMeter{}
	m.write([]byte(closing)) // before the beginning
	if m.usage() != (messages.Usage{}) {
		t.Error("counted a message that has not begun")
	}
	m.write([]byte(started))
	for range 100 {
		m.write(bytes.Repeat([]byte("data: usage"), 1000))
	}
	if cap(m.line) > 2*maxLine {
		t.Errorf("holds %d bytes", cap(m.line))
	}
	m.write([]byte("\ndata: {\"usage\":\n" + closing))
	if got := m.usage(); got != whole {
		t.Errorf("used %+v", got)
	}
}

func FuzzStreamMeter(f *testing.F) {
	f.Add([]byte(started + closing))
	f.Add([]byte("data: {\"type\":\"message_start\",\"message\":{\"usage\":{\"input_tokens\":9223372036854775807,\"cache_creation_input_tokens\":-1}}}\n"))
	f.Fuzz(func(t *testing.T, text []byte) {
		m := &streamMeter{}
		m.write(text)
		u := m.usage()
		if u.Input < 0 || u.Output < 0 || u.CacheRead < 0 || u.CacheWrite < 0 || u.CostUSD < 0 || math.IsNaN(u.CostUSD) {
			t.Errorf("used %+v", u)
		}
	})
}

// TestMask: however a text comes, and whatever it is, what goes out is the text with the secrets replaced.
func TestMask(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		secret := rapid.StringMatching(`[ab]{1,5}`).Draw(t, "secret")
		text := rapid.StringMatching(`[abc]{0,60}`).Draw(t, "text")
		m := newMask(secret)
		var readers []io.Reader
		for _, part := range parts(t, []byte(text)) {
			readers = append(readers, bytes.NewReader(part))
		}
		got, err := io.ReadAll(iotest.OneByteReader(&maskReader{mask: m, from: io.MultiReader(readers...)}))
		if err != nil || len(got) != len(text) || strings.Contains(string(got), secret) {
			t.Fatalf("%q without %q is %q, %v", text, secret, got, err)
		}
		if !strings.Contains(text, secret) && string(got) != text {
			t.Fatalf("%q has no %q and became %q", text, secret, got)
		}
	})
}

// TestMaskHoldsBackNoEvent: the end of an event goes out although the stream goes on.
func TestMaskHoldsBackNoEvent(t *testing.T) {
	from, to := io.Pipe()
	defer to.Close()
	go func() { _, _ = io.WriteString(to, "data: sk-ant\n\n") }()
	buffer := make([]byte, 100)
	n, err := (&maskReader{mask: newMask(realKey), from: from}).Read(buffer)
	if string(buffer[:n]) != "data: sk-ant\n\n" || err != nil {
		t.Errorf("%q, %v", buffer[:n], err)
	}
}

// TestPrices: the costs are those that Claude Code 2.1.330 computes for its own use of the same models.
func TestPrices(t *testing.T) {
	for _, c := range []struct {
		model         string
		input, output int64
		want          float64
	}{
		{"claude-opus-5-5", 1000, 20, 0.0044},
		{"claude-opus-5-5", 200000, 20000, 1.2},
		{"claude-opus-5-5[1m]", 2200, 80, 0.0104},
		{"claude-sonnet-5-5", 1000, 20, 0.0022},
		{"claude-haiku-4-5", 1000, 20, 0.0011},
		{"claude-haiku-4-5-20251001", 1000, 20, 0.0011},
		{"claude-opus-4-20250514", 1000, 20, 0.0165},
		{"claude-haiku-5-5", 100_000, 1000, 0.0105},
		{"claude-haiku-5-5", 100_001, 1000, 0.0525005},
		{"nonesuch-model", 1000, 20, 0},
		{"claude-opus-99", 1000, 20, 0},
		{"claude-opus-5-50", 1000, 20, 0},
		{"", 1000, 20, 0},
	} {
		if got := cost(&message{model: c.model, input: c.input, output: c.output}); math.Abs(got-c.want) > 1e-9 {
			t.Errorf("%s: %d and %d cost %v, want %v", c.model, c.input, c.output, got, c.want)
		}
	}
	for name, p := range prices() {
		if p.input <= 0 || p.output <= p.input || p.cacheRead <= 0 || p.cacheRead >= p.input {
			t.Errorf("%s: %+v", name, p)
		}
	}
}

// TestReportedFields holds the API's names.
func TestReportedFields(t *testing.T) {
	var r reported
	err := json.Unmarshal([]byte(`{"input_tokens":1,"output_tokens":2,"cache_read_input_tokens":3,"cache_creation_input_tokens":9,`+
		`"cache_creation":{"ephemeral_1h_input_tokens":5,"ephemeral_5m_input_tokens":4}}`), &r)
	m := message{}
	m.learn(r)
	if want := (message{input: 1, output: 2, cacheRead: 3, cacheWrite: 9, cacheHour: 5}); err != nil || m != want {
		t.Errorf("%+v, %v", m, err)
	}
}
