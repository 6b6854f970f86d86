package config_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"devs-webhook/config"
)

// golden compares a text with a file, or rewrites the file.
func golden(t *testing.T, path, got string) {
	t.Helper()
	if *update {
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if string(want) != got {
		t.Errorf("%s is stale (go test ./config -update rewrites it); now it would be:\n%s", path, got)
	}
}

func TestDocumentIsFresh(t *testing.T) {
	golden(t, filepath.Join("..", "docs", "configuration.md"), config.Markdown())
}

func TestPrint(t *testing.T) {
	path := write(t, "token", "token-of-the-account")
	env := with("CONTAINER_MEMORY", "1536m", "AGENT_COMMAND", "a\nb", "WEBHOOK_PORT", "0",
		"GITHUB_TOKEN", "", "GITHUB_TOKEN_FILE", path, "TASK_TIMEOUT", "90m")
	var b strings.Builder
	if err := load(t, env).Print(&b); err != nil {
		t.Fatal(err)
	}
	golden(t, "testdata/print.txt", b.String())
}

// The tags are read by people and by the parser: none is missing, none unreadable.
func TestVariables(t *testing.T) {
	names, fields := map[string]bool{}, map[string]bool{}
	for _, v := range config.Variables() {
		if v.Name == "" || names[v.Name] {
			t.Errorf("name %q is empty or there twice", v.Name)
		}
		names[v.Name] = true
		if v.Doc == "" || v.Example == "" || v.Topic == "" || v.Kind == "" {
			t.Errorf("%s lacks a doc, an example, a topic or a kind", v.Name)
		}
		if strings.Contains(v.Doc, "|") || !strings.HasSuffix(v.Doc, ".") {
			t.Errorf("%s: its doc is not a sentence for a table", v.Name)
		}
		if field := config.FieldOf(v); fields[field] {
			t.Errorf("field %s is there twice: a fault would be given to the wrong variable", field)
		} else {
			fields[field] = true
		}
	}
	if len(names) < 40 {
		t.Errorf("there are only %d variables", len(names))
	}
}

// An example that is itself a fault helps nobody.
func TestExamplesAreGood(t *testing.T) {
	for _, v := range config.Variables() {
		env := with(v.Name, v.Example)
		switch v.Name {
		case "GITHUB_API_URL":
			env["GITHUB_SERVER_URL"] = "https://github.example.com"
		case "GITHUB_SERVER_URL":
			env["GITHUB_API_URL"] = "https://github.example.com/api/v3"
		}
		if _, err := config.Load(lookup(env), config.Flags{}); err != nil {
			t.Errorf("%s: %v", v.Name, err)
		}
	}
}
