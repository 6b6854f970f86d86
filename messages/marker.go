package messages

import (
	"fmt"
	"regexp"
)

// Marker is the line that the service puts at the end of what it writes on GitHub, so that it can find it
// again. It means something only on a text whose author is our own account; anybody can copy it.
func Marker(task TaskID, kind EffectKind) string {
	return fmt.Sprintf("<!-- devs-webhook task=%s kind=%s -->", task, kind)
}

var marker = regexp.MustCompile(`<!-- devs-webhook task=([a-z2-7]{12}) kind=([a-z_]{1,20}) -->`)

// FindMarker finds the first marker in a text.
func FindMarker(text string) (TaskID, EffectKind, bool) {
	m := marker.FindStringSubmatch(text)
	if m == nil {
		return "", "", false
	}
	return TaskID(m[1]), EffectKind(m[2]), true
}

// StripMarkers takes all markers out of a text that somebody else wrote.
func StripMarkers(text string) string { return marker.ReplaceAllString(text, "") }
