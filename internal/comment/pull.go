package comment

import (
	"fmt"
	"regexp"
	"strings"

	"devs-webhook/messages"
)

// PullTitle is the title of a pull request for which the agent gave none: the thread's, on one line.
func (w Writer) PullTitle(v messages.View) string {
	// Anybody can have written the thread's title. A squash merge puts it into a commit message, where a
	// reference to an issue could close that.
	title := oneLine(withoutMarkers(v.Task.Thread.Title), mostTitle-1)
	title = regexp.MustCompile(`#(\d)`).ReplaceAllString(title, "$1")
	title = regexp.MustCompile(`(?i)\b(gh)-(\d)`).ReplaceAllString(title, "$1 $2")
	title = strings.ReplaceAll(title, "://", " ")
	if title == "" {
		return fmt.Sprintf("Work on %d", v.Task.Thread.Number)
	}
	return title
}

// PullBody is the description of a pull request: what the service knows, and the agent's, already filtered. Its
// merge closes the issue that the work was asked for on, unless the agent was stopped before its end.
func (w Writer) PullBody(v messages.View, filtered string) string {
	thread := v.Task.Thread
	relation := "Part of" // closes nothing
	switch {
	case thread.PullRequest:
		relation = "Follows"
	case v.Outcome == nil || v.Outcome.Ending == messages.EndSucceeded:
		relation = "Closes"
	}
	head := fmt.Sprintf("%s #%d. %s", relation, thread.Number, origin(v.Task.Requests))
	return compose(head, filtered)
}

// origin says who asked for the work, and where. Nobody is called by name: the final comment does that.
func origin(requests []messages.Request) string {
	var names []string
	seen := map[string]bool{}
	for _, r := range requests {
		name := login(r.Requester)
		if name == "" || seen[name] || len(names) == mostPeople {
			continue
		}
		seen[name] = true
		names = append(names, link(name, address(r)))
	}
	if len(names) == 0 {
		return "Made by an agent; please review it with care."
	}
	return "Asked for by " + strings.Join(names, ", ") + " and made by an agent; please review it with care."
}
