package git

import (
	"strings"
	"testing"
	"unicode/utf8"
)

func (s *site) diff(t *testing.T, most int, changes ...string) string {
	t.Helper()
	_, bundle := s.work(t, changes...)
	text, err := s.git.Diff(t.Context(), s.issue(), s.base, bundle, most)
	if err != nil {
		t.Fatal(err)
	}
	s.tidy(t)
	return text
}

func TestDiff(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	got := s.diff(t, 1000, file("README.md", "hello you\n"), file("new", "x\n"))
	for _, line := range []string{"--- a/README.md", "-hello\n", "+hello you\n", "+++ b/new\n", "+x\n"} {
		if !strings.Contains(got, line) {
			t.Errorf("%q is not in %q", line, got)
		}
	}
	if strings.Contains(got, "\x1b") || strings.Contains(got, "cut") {
		t.Errorf("%q", got)
	}
	if exact := s.diff(t, len(got), file("README.md", "hello you\n"), file("new", "x\n")); exact != got {
		t.Errorf("%q", exact)
	}
	if short := s.diff(t, len(got)-1, file("README.md", "hello you\n"), file("new", "x\n")); short != got[:len(got)-1]+"\n… (cut)\n" {
		t.Errorf("%q", short)
	}
}

func TestDiffIsCut(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	long := strings.Repeat(strings.Repeat("\u00e9", 99)+"\n", 4<<10) // more than a pipe holds
	for _, most := range []int{0, 1, 1000, 1001, 100_000} {
		got, cut := strings.CutSuffix(s.diff(t, most, file("long", long)), "\n… (cut)\n")
		if !cut || len(got) > most || len(got) < most-3 || !utf8.ValidString(got) {
			t.Errorf("%d bytes of %d", len(got), most)
		}
	}
}

// What a file says of itself in .gitattributes starts nothing and hides nothing, and binary files are named only.
func TestDiffObeysNobody(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	got := s.diff(t, 10_000, file("bin", "\x00\x01\x02"), file("text", "plain\n"),
		file(".gitattributes", "text diff=evil -diff binary\n*.md filter=evil\n"))
	if !strings.Contains(got, "Binary files /dev/null and b/bin differ") || !strings.Contains(got, "+plain\n") || strings.Contains(got, "GIT binary patch") {
		t.Errorf("%q", got)
	}
}

func TestDiffOfBadWork(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	_, err := s.git.Diff(t.Context(), s.issue(), s.base, "/none", 10)
	refused(t, err, "no longer on the disk")
	s.tidy(t)
}
