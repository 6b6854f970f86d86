package agent

import (
	"encoding/json"
	"strings"
)

// blocks gives the content blocks of a message. Content is a list, or one plain text.
func blocks(raw json.RawMessage) []claudeBlock {
	var m claudeMessage
	if !decode(raw, &m) {
		return nil
	}
	var list []claudeBlock
	if decode(m.Content, &list) && list != nil {
		return list
	}
	return nil
}

// contentText gives the text of a tool's result: a plain text, or blocks.
func contentText(raw json.RawMessage) string {
	var text string
	if json.Unmarshal(raw, &text) == nil {
		return text
	}
	var list []claudeBlock
	if !decode(raw, &list) {
		return ""
	}
	var parts []string
	for _, b := range list {
		if b.Text != "" {
			parts = append(parts, b.Text)
		}
	}
	return strings.Join(parts, "\n")
}

// toolText says in one line on what a tool is used: the command, the file, the pattern, the address; of an
// unknown tool its whole input. Paths below the workspace are shown relative to it.
func toolText(b claudeBlock, cwd string) string {
	var input struct {
		Command      string `json:"command"`
		FilePath     string `json:"file_path"`
		NotebookPath string `json:"notebook_path"`
		Pattern      string `json:"pattern"`
		URL          string `json:"url"`
		Query        string `json:"query"`
		Description  string `json:"description"`
	}
	decode(b.Input, &input)
	for _, text := range []string{input.Command, input.FilePath, input.NotebookPath, input.Pattern, input.URL, input.Query, input.Description} {
		if text = strings.Join(strings.Fields(text), " "); text != "" {
			return relative(text, cwd)
		}
	}
	if raw := strings.TrimSpace(string(b.Input)); raw != "" && raw != "{}" && raw != "null" {
		return relative(cut(raw, 512), cwd)
	}
	return ""
}

func relative(text, cwd string) string {
	if cwd == "" || cwd == "/" {
		return text
	}
	return strings.ReplaceAll(text, strings.TrimSuffix(cwd, "/")+"/", "")
}
