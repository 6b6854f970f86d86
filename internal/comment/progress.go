package comment

import (
	"fmt"
	"strings"
	"time"

	"devs-webhook/messages"
)

// Writer writes the texts. Its fields do not change while it is in use; it is safe for concurrent use.
type Writer struct {
	// Mentioned is the login whose mention starts work: the texts say how to go on with it.
	Mentioned string
	// ShowCost shows what a task cost on public repositories too. On private ones it is always shown.
	ShowCost bool
}

// Progress is the comment of a task that waits or runs. v.Last.Text, which comes from the agent, must have
// been filtered; here it becomes a line in a code span. The text changes only when something has happened, or with
// the steps of a rounded time, so that a caller can compare it with what was written last.
func (w Writer) Progress(v messages.View, now time.Time) string {
	var lines []string
	if v.Task.State == messages.TaskRunning {
		lines = running(v, now)
	} else {
		lines = waiting(v, now)
	}
	if n := len(v.Task.Requests); n > 1 {
		lines = append(lines, fmt.Sprintf("%d requests are taken together.", n))
	}
	return strings.Join(lines, "\n\n")
}

func waiting(v messages.View, now time.Time) []string {
	var lines []string
	if n := len(v.Attempts); n > 0 {
		lines = append(lines, setback(v.Attempts[n-1].Ending))
	}
	switch {
	case v.Task.NotBefore.After(now):
		lines = append(lines, fmt.Sprintf("Waiting: the next attempt starts after %s.", clock(v.Task.NotBefore, now)))
	case v.Ahead == 0:
		lines = append(lines, "Waiting: this is the next task to start.")
	case v.Ahead == 1:
		lines = append(lines, "Waiting: one task is before this one.")
	default:
		lines = append(lines, fmt.Sprintf("Waiting: %s tasks are before this one.", thousands(v.Ahead)))
	}
	return lines
}

// setback says in a few words why there is another attempt.
func setback(e messages.Ending) string {
	switch e {
	case messages.EndModelBusy:
		return "The model's provider was overloaded, so the work is tried again."
	case messages.EndModelQuota:
		return "The model's usage limit was reached, so the work is tried again."
	case messages.EndContainerLost:
		return "The container disappeared, so the work is tried again."
	case messages.EndCloneFailed:
		return "The repository could not be fetched, so this is tried again."
	case messages.EndImageMissing, messages.EndSetupFailed:
		return "The container could not be set up, so this is tried again."
	}
	return "The attempt before did not succeed, so the work is tried again."
}

func running(v messages.View, now time.Time) []string {
	started, which := v.Task.StartedAt, ""
	if n := len(v.Attempts); n > 0 {
		started = v.Attempts[n-1].StartedAt
		if number := v.Attempts[n-1].Number; number > 1 {
			which = fmt.Sprintf(" (attempt %d)", number)
		}
	}
	return []string{
		fmt.Sprintf("Working on it%s since %s, for %s.", which, clock(started, now), roughly(now.Sub(started))),
		doing(v.Last),
	}
}

// doing says what the newest event of the agent is about.
func doing(e messages.AgentEvent) string {
	text := code(e.Text, mostLine)
	switch {
	case e.Seq == 0:
		return "The workspace is being made."
	case e.Kind == messages.EventStarted:
		return "The agent has started."
	case e.Kind == messages.EventTool && e.Tool != "" && text != "":
		return fmt.Sprintf("It uses %s on %s.", code(e.Tool, mostName), text)
	case e.Kind == messages.EventTool && e.Tool != "":
		return fmt.Sprintf("It uses %s.", code(e.Tool, mostName))
	case e.Kind == messages.EventRetry:
		return "The model's provider makes it wait."
	case e.Kind == messages.EventWords && text != "":
		return fmt.Sprintf("It says: %s", text)
	case (e.Kind == messages.EventRunner || e.Kind == messages.EventNotice) && text != "":
		return fmt.Sprintf("Last step: %s", text)
	case e.Kind == messages.EventEnd:
		return "The agent has ended; its work is being collected."
	}
	return "It is thinking."
}

// roughly is an elapsed time in steps that grow with it.
func roughly(d time.Duration) string {
	switch {
	case d < time.Minute:
		return "less than a minute"
	case d < 10*time.Minute:
		return minutes(int(d / time.Minute))
	case d < time.Hour:
		return minutes(int(d/(5*time.Minute)) * 5)
	}
	quarters := int(d / (15 * time.Minute))
	text := fmt.Sprintf("%d hours", quarters/4)
	if quarters/4 == 1 {
		text = "1 hour"
	}
	if rest := quarters % 4; rest > 0 {
		text += fmt.Sprintf(" %d minutes", rest*15)
	}
	return text
}

func minutes(n int) string {
	if n == 1 {
		return "1 minute"
	}
	return fmt.Sprintf("%d minutes", n)
}

// clock is a time of the day, with the day if that is not today.
func clock(t, now time.Time) string {
	t, now = t.UTC(), now.UTC()
	if t.Format(time.DateOnly) != now.Format(time.DateOnly) {
		return t.Format("2 Jan 15:04 UTC")
	}
	return t.Format("15:04 UTC")
}

// Folded is what the progress comment becomes once the task has ended; finalURL may be empty.
func (w Writer) Folded(finalURL string) string {
	answer := link("the answer", finalURL)
	if answer == "the answer" {
		return "This task has ended."
	}
	return "This task has ended: here is " + answer + "."
}
