package intake

import (
	"fmt"
	"time"

	"devs-webhook/messages"
)

// AssignmentInstruction is the instruction of an assignment by somebody who did not write the issue. The
// issue's text is not in it: its author was not asked for permission, so for the agent it is context.
const AssignmentInstruction = "This issue was assigned to you. Find out what it needs, and do it."

// asked makes the verdict for an event that is a request.
func asked(ev messages.Event, trigger string) Verdict {
	people := principals(ev)
	trusted := among(people, ev.Thread.Author)
	thread := ev.Thread
	thread.Title, thread.Body = visible(thread.Title), visible(thread.Body)
	r := messages.Request{
		Key:           key(ev),
		Repo:          ev.Repo,
		Thread:        thread,
		Object:        object(ev),
		Trigger:       trigger,
		Instruction:   instruction(ev, trusted),
		Requester:     author(ev),
		Principals:    people,
		ThreadTrusted: trusted,
		At:            ev.UpdatedAt,
	}
	if ev.Action != actionOpened && ev.Action != actionCreated {
		r.Requester = ev.Sender
	}
	if r.Instruction == "" {
		return ignored(messages.ReasonNoMention, "the text has nothing that a reader can see")
	}
	return Verdict{Reason: messages.ReasonAccepted, Request: r, Ask: true}
}

// key identifies a request; see design.md, "Identity". It is the same for the same text whatever the
// delivery, and an assignment is a new one each time.
func key(ev messages.Event) string {
	o := object(ev)
	k := fmt.Sprintf("%d/%s/%d", ev.Repo.ID, o.Kind, o.ID)
	if ev.Action == actionAssigned {
		k += fmt.Sprintf("/%s/%d/%s", ev.Action, ev.Assignee.ID, ev.UpdatedAt.UTC().Format(time.RFC3339))
	}
	return k
}

// object is what the request was written on.
func object(ev messages.Event) messages.Object {
	switch ev.Name {
	case eventIssueComment:
		return messages.Object{Kind: "issue_comment", ID: ev.Comment.ID}
	case eventPullRequest:
		return messages.Object{Kind: "pull_request", ID: ev.Thread.ID}
	}
	return messages.Object{Kind: "issue", ID: ev.Thread.ID}
}

// principals are all whose words or deeds become the instruction. An edit adds its editor, who may have
// written any part of the text.
func principals(ev messages.Event) []messages.User {
	if ev.Action == actionAssigned {
		return []messages.User{ev.Sender}
	}
	all := []messages.User{author(ev)}
	if ev.Action == actionEdited && !among(all, ev.Sender) {
		all = append(all, ev.Sender)
	}
	return all
}

func instruction(ev messages.Event, trusted bool) string {
	if ev.Action == actionAssigned && !trusted {
		return AssignmentInstruction
	}
	t := currentText(ev)
	title, body := visible(t.Title), visible(t.Body)
	if title != "" && body != "" {
		title += "\n\n"
	}
	return shorten(title + body)
}
