package github

import (
	"strings"
	"testing"
	"unicode/utf8"

	"devs-webhook/messages"
)

func TestBodyAtTheLimitIsNotCut(t *testing.T) {
	tail := messages.Marker(testTask, messages.EffectFinal)
	room := maxBody - len("\n\n") - len(tail)
	for _, test := range []struct {
		name string
		body string
		cut  bool
	}{
		{"just fits", strings.Repeat("x", room), false},
		{"one too many", strings.Repeat("x", room+1), true},
		{"two bytes each fit", strings.Repeat("ä", room), false},
		{"outside the basic plane each counts twice", strings.Repeat("😀", room/2), false},
		{"outside the basic plane, one too many", strings.Repeat("😀", room/2+1), true},
		{"space at the end does not count", strings.Repeat("x", room) + "\n \n", false},
	} {
		t.Run(test.name, func(t *testing.T) {
			if _, cut := fit(test.body, tail); cut != test.cut {
				t.Errorf("cut: %t, want %t", cut, test.cut)
			}
		})
	}
}

// What stands below an open code block would be shown as code.
func TestCutClosesACodeBlock(t *testing.T) {
	long := strings.Repeat("line of code\n", 6000)
	for name, test := range map[string]struct{ body, want string }{
		"open":             {"text\n```go\n" + long, "\n```" + cutNote},
		"longer fence":     {"`````\n```\n" + long, "\n`````" + cutNote},
		"tildes":           {"~~~\n```\n" + long, "\n~~~" + cutNote},
		"closed":           {"```\nx\n```\n" + long, "e" + cutNote},
		"closed and open":  {"```\nx\n```\n```sh\n" + long, "\n```" + cutNote},
		"info is no close": {"```\n``` go\n" + long, "\n```" + cutNote},
		"inline":           {"```x``` y\n" + long, "e" + cutNote},
		"indented":         {"    ```\n" + long, "e" + cutNote},
	} {
		t.Run(name, func(t *testing.T) {
			text, cut := fit(test.body, "")
			text = strings.ReplaceAll(text, "line of code", "e")
			for _, part := range []string{"line of cod", "line of co", "line of c", "line of ", "line of", "line o", "line ", "line", "lin", "li", "l"} {
				text = strings.ReplaceAll(text, "\n"+part+cutNote, "\ne"+cutNote)
				text = strings.ReplaceAll(text, "\n"+part+"\n", "\ne\n")
			}
			if !cut || !strings.HasSuffix(text, test.want) {
				t.Errorf("it ends in %q, want %q", text[len(text)-100:], test.want)
			}
		})
	}
}

func TestTitleIsOneShortLine(t *testing.T) {
	for in, want := range map[string]string{
		"Fix the bug":                 "Fix the bug",
		" Fix\n the\tbug ":            "Fix the bug",
		strings.Repeat("ä", 300):      strings.Repeat("ä", 255) + "…",
		strings.Repeat("ä", maxTitle): strings.Repeat("ä", maxTitle),
	} {
		if got := fitTitle(in); got != want {
			t.Errorf("%q became %q", in, got)
		}
	}
}

func FuzzFit(f *testing.F) {
	f.Add("done", 1)
	f.Add("```\ncode", 30000)
	f.Add("\xff\xfe~~~~", 20000)
	f.Add("😀", 70000)
	marker := messages.Marker(testTask, messages.EffectFinal)
	f.Fuzz(func(t *testing.T, body string, times int) {
		if times < 0 || len(body)*times > 4*maxBody {
			return
		}
		text, cut := fit(strings.Repeat(body, times), marker)
		if n := length(text); n > maxBody {
			t.Errorf("%d characters are left", n)
		}
		if !utf8.ValidString(text) {
			t.Error("it is no text any more")
		}
		if !strings.HasSuffix(text, marker) {
			t.Error("the marker is not at the end")
		}
		if fence := openFence(strings.TrimSuffix(text, marker)); cut && fence != "" && len(fence) < maxFence {
			t.Error("the marker stands in a code block")
		}
	})
}
