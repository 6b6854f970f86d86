package git

import (
	"bytes"
	"context"
	"fmt"
	"strings"
)

// filterMessages makes commits again whose message the filter changes, and all that follow them, with the
// same authors and times. The result is the same for the same work, so that a repeat finds what was pushed.
func (q *quarantine) filterMessages(ctx context.Context) error {
	filter := q.git.opts.Message
	if filter == nil {
		return nil
	}
	list, err := q.run(ctx, "rev-list", "--topo-order", "--reverse", q.base+".."+q.tip)
	if err != nil {
		return err
	}
	made := map[string]string{} // old commit → new one, of those that changed
	for id := range strings.FieldsSeq(string(list)) {
		old, err := q.run(ctx, "cat-file", "commit", id)
		if err != nil {
			return err
		}
		next, changed := rewrite(old, made, filter)
		if !changed {
			continue
		}
		out, err := q.feed(ctx, next, "hash-object", "-t", "commit", "-w", "--stdin")
		if err != nil {
			return fmt.Errorf("make a commit again: %w", err)
		}
		made[id] = strings.TrimSpace(string(out))
	}
	if tip, ok := made[q.tip]; ok {
		q.tip = tip
	}
	return nil
}

// rewrite is a commit object with its parents replaced and its message filtered. A signature goes, because
// it would no longer be right.
func rewrite(commit []byte, made map[string]string, filter func(string) string) ([]byte, bool) {
	header, message, _ := bytes.Cut(commit, []byte("\n\n"))
	header = bytes.TrimSuffix(header, []byte("\n")) // of a commit that has no message at all
	changed := false
	var out bytes.Buffer
	signature := false
	for line := range strings.SplitSeq(string(header), "\n") {
		if signature = strings.HasPrefix(line, "gpgsig") || signature && strings.HasPrefix(line, " "); signature {
			continue
		}
		if parent, ok := strings.CutPrefix(line, "parent "); ok && made[parent] != "" {
			line, changed = "parent "+made[parent], true
		}
		out.WriteString(line + "\n")
	}
	filtered := filter(string(message))
	if strings.TrimSpace(filtered) == "" {
		filtered = "Change\n"
	}
	if filtered != string(message) {
		changed = true
	}
	out.WriteString("\n" + filtered)
	return out.Bytes(), changed
}
