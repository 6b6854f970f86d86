package comment

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"devs-webhook/messages"
)

// Final is the one answer of a task. P is what was published, nil or zero if nothing was to be. Sentence
// says for people what a task that did not succeed ended with and whose turn it is; it is shown as plain text. Filtered
// are the agent's words after the outgoing filter; they are shown as they are.
func (w Writer) Final(v messages.View, p *messages.Published, sentence, filtered string) string {
	if p == nil {
		p = &messages.Published{}
	}
	parts := []string{
		people(v.Task.Requests) + headline(v, p, sentence),
		work(v, p), refused(v.Outcome), merged(v.Task.Requests),
		strings.TrimSpace(w.figures(v) + " " + w.goOn(v, p)),
	}
	parts = slices.DeleteFunc(parts, func(part string) bool { return part == "" })
	return compose(strings.Join(parts, "\n\n"), filtered)
}

// people calls those by name who asked.
func people(requests []messages.Request) string {
	var names []string
	seen := map[string]bool{}
	for _, r := range requests {
		if name := mention(r.Requester); name != "" && !seen[strings.ToLower(name)] {
			seen[strings.ToLower(name)] = true
			names = append(names, name)
		}
	}
	if n := len(names); n > mostPeople {
		names = append(names[:mostPeople], fmt.Sprintf("and %d more", n-mostPeople))
	}
	if len(names) == 0 {
		return ""
	}
	return strings.Join(names, ", ") + ": "
}

// headline says in a sentence what came of the task.
func headline(v messages.View, p *messages.Published, sentence string) string {
	switch {
	case v.Task.State == messages.TaskCancelled:
		return cancelled(v)
	case v.Task.State == messages.TaskDone:
		switch {
		case p.Refused != "" && p.Branch != "":
			return "The work is done, but there is no pull request for it."
		case p.Refused != "":
			return "The agent has finished, but its work could not be published."
		case p.Number != 0:
			return fmt.Sprintf("The work is done and waits for your review in %s.", pull(p))
		case p.Branch != "":
			return "The work is done, without a pull request."
		}
		return "The agent has finished. It changed no file."
	}
	if sentence = plain(sentence, mostReason); sentence == "" {
		sentence = "This task has failed."
	}
	return sentence
}

func cancelled(v messages.View) string {
	by, when := "", ""
	if v.Task.CancelledBy != "" {
		by = " by " + login(messages.User{Login: v.Task.CancelledBy})
	}
	if len(v.Attempts) == 0 {
		when = " before it started"
	}
	return "This task was cancelled" + by + when + "."
}

// pull names the pull request.
func pull(p *messages.Published) string {
	return "pull request " + link("#"+strconv.Itoa(p.Number), p.URL)
}

// work says where the agent's commits are, or why they are nowhere.
func work(v messages.View, p *messages.Published) string {
	var lines []string
	if p.Refused != "" {
		lines = append(lines, "The reason: "+plain(p.Refused, mostReason))
	}
	if p.Branch != "" {
		text := "Branch " + code(p.Branch, mostName)
		if v.Task.State != messages.TaskDone {
			text = "What was done until then is on the branch " + code(p.Branch, mostName)
			if p.Number != 0 {
				text = "What was done until then is in " + pull(p) + ", branch " + code(p.Branch, mostName)
			}
		}
		if p.Files > 0 {
			text += fmt.Sprintf(": %s changed, %s added, %s deleted", count(p.Files, "file"), count(p.Added, "line"), thousands(max(0, p.Deleted)))
		}
		lines = append(lines, text+".")
		if p.Beside {
			lines = append(lines, fmt.Sprintf("The branch %s has changed in the meantime, so the work is on a branch beside it.", code(v.Task.Branch, mostName)))
		}
	}
	return strings.Join(lines, "\n\n")
}

func count(n int, thing string) string {
	if n == 1 {
		return "1 " + thing
	}
	return thousands(max(0, n)) + " " + thing + "s"
}

// refused shows what the agent wanted and did not get: nothing that it wrote is lost.
func refused(o *messages.Outcome) string {
	if o == nil || len(o.Refused) == 0 {
		return ""
	}
	text := strings.Join(o.Refused, "\n")
	if runes := []rune(text); len(runes) > mostRefused {
		text = string(runes[:mostRefused]) + "\n…"
	}
	return "The agent also asked for this, which was not accepted:\n\n" + block(text)
}

// merged lists the requests that this is the answer to, if they are several.
func merged(requests []messages.Request) string {
	if len(requests) < 2 {
		return ""
	}
	lines := []string{fmt.Sprintf("This answers %d requests:", len(requests)), ""}
	for i, r := range requests {
		if i == mostMerged {
			lines = append(lines, fmt.Sprintf("- and %d more", len(requests)-i))
			break
		}
		what := map[string]string{"issue_comment": "a comment", "pull_request": "the pull request"}[r.Object.Kind]
		if what == "" {
			what = "the issue"
		}
		lines = append(lines, fmt.Sprintf("- %s by %s", link(what, address(r)), login(r.Requester)))
	}
	return strings.Join(lines, "\n")
}

// address is where a request was written. A comment's is GitHub's own form below that of its thread.
func address(r messages.Request) string {
	if r.Object.Kind == "issue_comment" && r.Thread.URL != "" {
		return fmt.Sprintf("%s#issuecomment-%d", r.Thread.URL, r.Object.ID)
	}
	return r.Thread.URL
}

// figures are duration, turns and cost.
func (w Writer) figures(v messages.View) string {
	var parts []string
	if n := len(v.Attempts); n > 0 {
		last := v.Attempts[n-1]
		if took := last.EndedAt.Sub(last.StartedAt); took > 0 && !last.StartedAt.IsZero() && !last.EndedAt.IsZero() {
			parts = append(parts, "took "+exactly(took))
		}
		if last.Number > 1 {
			parts = append(parts, fmt.Sprintf("attempt %d", last.Number))
		}
	}
	if v.Outcome != nil {
		r := v.Outcome.Result
		if r.Turns > 0 {
			parts = append(parts, count(r.Turns, "turn"))
		}
		if (v.Task.Repo.Private || w.ShowCost) && r.CostUSD > 0 && !math.IsInf(r.CostUSD, 0) {
			parts = append(parts, fmt.Sprintf("cost %.2f USD", r.CostUSD))
		}
	}
	if len(parts) == 0 {
		return ""
	}
	parts[0] = strings.ToUpper(parts[0][:1]) + parts[0][1:]
	return strings.Join(parts, ", ") + "."
}

// exactly is a duration with its two largest units.
func exactly(d time.Duration) string {
	seconds := int(d.Round(time.Second) / time.Second)
	switch {
	case seconds < 60:
		return fmt.Sprintf("%d s", seconds)
	case seconds < 3600:
		return fmt.Sprintf("%d min %d s", seconds/60, seconds%60)
	}
	return fmt.Sprintf("%d h %d min", seconds/3600, seconds%3600/60)
}

// goOn says how to ask for more. The name stands in a code span, so that this text calls nobody.
func (w Writer) goOn(v messages.View, p *messages.Published) string {
	name := code("@"+w.Mentioned, mostName)
	switch {
	case p.Number != 0:
		return fmt.Sprintf("To ask for changes, mention %s here or on the pull request: the work goes on in its branch as long as it is open.", name)
	case v.Task.State == messages.TaskDone:
		return fmt.Sprintf("To go on, mention %s in a comment here.", name)
	}
	return fmt.Sprintf("To try again, mention %s in a comment here.", name)
}
