package agent

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"

	"devs-webhook/messages"
)

// allEndings reads the endings out of the source of messages, so that none can be forgotten.
func allEndings(t *testing.T) []messages.Ending {
	t.Helper()
	file, err := parser.ParseFile(token.NewFileSet(), "../../messages/task.go", nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	var all []messages.Ending
	ast.Inspect(file, func(n ast.Node) bool {
		spec, ok := n.(*ast.ValueSpec)
		if !ok || fmt.Sprint(spec.Type) != "Ending" {
			return true
		}
		for _, v := range spec.Values {
			text, err := strconv.Unquote(v.(*ast.BasicLit).Value)
			if err != nil {
				t.Fatal(err)
			}
			all = append(all, messages.Ending(text))
		}
		return true
	})
	if len(all) < 20 {
		t.Fatalf("found only %v", all)
	}
	return all
}

func TestEveryEndingHasASentence(t *testing.T) {
	seen := map[string]messages.Ending{}
	for _, e := range allEndings(t) {
		s, known := sentences()[e]
		if !known || s != Sentence(e) {
			t.Errorf("%s has no sentence", e)
		}
		if other, twice := seen[s]; twice {
			t.Errorf("%s and %s have the same sentence", e, other)
		}
		seen[s] = e
		if strings.ContainsAny(s, "\n|<>@") || !strings.HasSuffix(s, ".") {
			t.Errorf("%s: %q is not plain", e, s)
		}
	}
	if len(seen) != len(sentences()) {
		t.Error("there is a sentence for an ending that is none")
	}
	if Sentence("never heard of") != Sentence(messages.EndInternal) {
		t.Error("an unknown ending has no sentence")
	}
}

// The manual's table says for each ending its sentence and which recorded runs end so.
func TestManualAgrees(t *testing.T) {
	var b strings.Builder
	b.WriteString("| ending | what people are told | recorded runs that end so |\n|---|---|---|\n")
	runs := map[messages.Ending][]string{}
	for _, name := range recordedRuns(t) {
		_, end := replay(t, name)
		runs[end.Ending] = append(runs[end.Ending], name)
	}
	for _, e := range allEndings(t) {
		names := "none"
		if len(runs[e]) > 0 {
			slices.Sort(runs[e])
			names = strings.Join(runs[e], ", ")
		}
		fmt.Fprintf(&b, "| `%s` | %s | %s |\n", e, Sentence(e), names)
	}
	const path, begin, end = "../../docs/agents.md", "<!-- endings: written by the tests of internal/agent -->\n", "<!-- /endings -->"
	manual, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	head, rest, ok := strings.Cut(string(manual), begin)
	table, foot, closed := strings.Cut(rest, end)
	if !ok || !closed {
		t.Fatal("the manual has no place for the table")
	}
	if *update {
		if err := os.WriteFile(path, []byte(head+begin+b.String()+end+foot), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if table != b.String() {
		t.Errorf("the manual's table is out of date; rewrite it with -update:\n%s", b.String())
	}
}
