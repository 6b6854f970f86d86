package intake_test

import (
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"devs-webhook/messages"
)

// TestReasonsAreExplained: the operator's page has a section for every reason, in the order of the list,
// each saying what it means and what to do, and for nothing else.
func TestReasonsAreExplained(t *testing.T) {
	page, err := os.ReadFile("../../docs/reasons.md")
	if err != nil {
		t.Fatal(err)
	}
	var got, want []string
	sections := regexp.MustCompile("(?m)^### `").Split(string(page), -1)
	for _, s := range sections[1:] {
		name, text, _ := strings.Cut(s, "`")
		got = append(got, name)
		// The headings of the groups belong to no reason.
		text, _, _ = strings.Cut(text, "\n## ")
		for _, part := range []string{"**Means.** ", "**Do.** "} {
			if !strings.Contains(text, "\n"+part) {
				t.Errorf("%s has no part %q", name, part)
			}
		}
	}
	for _, r := range messages.Reasons() {
		want = append(want, string(r))
	}
	if !slices.Equal(got, want) {
		t.Errorf("explained:\n%q\nlisted:\n%q", got, want)
	}
}

// TestListedReasonsAreAll compares Reasons with the constants in the source.
func TestListedReasonsAreAll(t *testing.T) {
	source, err := os.ReadFile("../../messages/request.go")
	if err != nil {
		t.Fatal(err)
	}
	var got, want []string
	for _, m := range regexp.MustCompile(`(?m)^\tReason\w+\s+Reason\s+= "(\w+)"`).FindAllStringSubmatch(string(source), -1) {
		got = append(got, m[1])
	}
	for _, r := range messages.Reasons() {
		want = append(want, string(r))
	}
	slices.Sort(got)
	slices.Sort(want)
	if !slices.Equal(got, want) {
		t.Errorf("constants:\n%q\nlisted:\n%q", got, want)
	}
}
