package runtime

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestSave(t *testing.T) {
	for name, c := range map[string]struct {
		file OutputFile
		size int64
		text string
		want string // content; "-" for no file
		note string
		fail bool
	}{
		"fits":               {OutputFile{Name: "a", Limit: 5}, 5, "12345", "12345", "", false},
		"left out":           {OutputFile{Name: "a", Limit: 5}, 6, "123456", "-", "a was left out: 6 bytes, the limit is 5", false},
		"cut":                {OutputFile{Name: "a", Limit: 5, Cut: true}, 6, "123456", "12345", "a was cut: 6 bytes, the limit is 5", false},
		"more than was said": {OutputFile{Name: "a", Limit: 5}, 2, "123456", "12", "", false},
		"less than was said": {OutputFile{Name: "a", Limit: 5}, 4, "12", "12", "", true},
	} {
		dir := t.TempDir()
		note, err := Save(dir, c.file, c.size, strings.NewReader(c.text))
		if note != c.note || (err != nil) != c.fail {
			t.Errorf("%s: note %q, error %v", name, note, err)
		}
		text, err := os.ReadFile(filepath.Join(dir, "a"))
		if got := string(text); got != c.want && (c.want != "-" || err == nil) {
			t.Errorf("%s: saved %q, want %q", name, got, c.want)
		}
	}
}

// TestSaveFollowsNoLink: a link at the place of the file is not written through.
func TestSaveFollowsNoLink(t *testing.T) {
	dir, victim := t.TempDir(), filepath.Join(t.TempDir(), "victim")
	if err := os.Symlink(victim, filepath.Join(dir, "a")); err != nil {
		t.Fatal(err)
	}
	if _, err := Save(dir, OutputFile{Name: "a", Limit: 5}, 1, strings.NewReader("x")); err == nil {
		t.Error("saved through a link")
	}
	if _, err := os.Stat(victim); err == nil {
		t.Error("the link's target was written")
	}
}

func TestFilesAndTheirLimits(t *testing.T) {
	var got []string
	for _, file := range (OutputLimits{Bundle: 7}).Files() {
		got = append(got, fmt.Sprintf("%s %d %v", file.Name, file.Limit, file.Cut))
	}
	want := "events.jsonl 50000000 true, result.json 1000000 false, intents.json 1000000 false, agent.log 20000000 true, " +
		"work.bundle 7 false, session.tar 20971520 false"
	if text := strings.Join(got, ", "); text != want {
		t.Errorf("files %s", text)
	}
}

func TestClearTakesAnEarlierCollectionAway(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "new", "dir")
	for range 2 {
		if err := Clear(dir); err != nil {
			t.Fatal(err)
		}
		for _, file := range (OutputLimits{}).Files() {
			if _, err := Save(dir, file, 1, strings.NewReader("x")); err != nil {
				t.Fatal(err)
			}
		}
	}
}

func TestMemoryPerSlot(t *testing.T) {
	const gib = 1 << 30
	for _, c := range []struct {
		total int64
		slots int
		want  int64
	}{{64 * gib, 4, 4 * gib}, {10 * gib, 7, gib}, {10 * gib, 0, 4 * gib}, {0, 3, 0}} {
		if got := MemoryPerSlot(c.total, c.slots); got != c.want {
			t.Errorf("MemoryPerSlot(%d, %d) = %d, want %d", c.total, c.slots, got, c.want)
		}
	}
}
