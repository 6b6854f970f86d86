package intake

import (
	"fmt"
	"slices"

	"devs-webhook/messages"
)

// Identity is who we are on GitHub. An id of 0 is nobody, and equals nobody.
type Identity struct {
	Mentioned messages.User // GITHUB_MENTIONED_USER, resolved
	Self      messages.User // the account of the token, which writes our comments
}

// Verdict is what Judge makes of an event. If Ask is true it is a request: Reason is ReasonAccepted, and
// Request is complete but for Delivery. Whether its principals may ask is still open. If Ask is false the
// event is ignored for Reason, and Detail may say more, for people.
type Verdict struct {
	Reason  messages.Reason
	Detail  string
	Request messages.Request
	Ask     bool
}

// The triggers of a request.
const (
	triggerMention      = "mention"
	triggerAssignment   = "assignment"
	triggerConversation = "conversation"
)

// Judge decides, without asking anyone, whether an event that Parse returned is a request. recorded says
// that the event's comment is one that we wrote and recorded.
//
// Of a comment only its own text counts. The original also searched the title and body of the issue that
// the comment is on, so that on an issue that mentions the bot every comment of anybody started a task.
func Judge(ev messages.Event, who Identity, recorded bool) Verdict {
	switch ev.Name {
	case eventPing:
		return ignored(messages.ReasonPing, "")
	case eventIssues, eventIssueComment, eventPullRequest:
	default:
		return ignored(messages.ReasonEventUnsupported, ev.Name)
	}
	if !acts(ev.Name, ev.Action) {
		return ignored(messages.ReasonActionIgnored, ev.Name+" "+ev.Action)
	}
	if detail := check(ev); detail != "" {
		return ignored(messages.ReasonMalformed, detail)
	}
	if v, own := judgeOwn(ev, who, recorded); own {
		return v
	}
	v := judgeTrigger(ev, who)
	if v.Ask && ev.Name == eventIssues && ev.Action != actionOpened && ev.Thread.State == "closed" {
		return ignored(messages.ReasonThreadClosed, "")
	}
	return v
}

func ignored(reason messages.Reason, detail string) Verdict {
	return Verdict{Reason: reason, Detail: detail}
}

// judgeOwn is the loop guard. It ignores what we wrote, and what the mentioned account does itself. The
// token's account is not ignored wholesale: a developer tries this with a token of their own.
func judgeOwn(ev messages.Event, who Identity, recorded bool) (Verdict, bool) {
	commented := ev.Name == eventIssueComment
	if ev.Action != actionAssigned && same(author(ev), who.Self) {
		if commented && recorded {
			return ignored(messages.ReasonOwnText, "the comment is recorded as ours"), true
		}
		if _, _, marked := messages.FindMarker(currentText(ev).Body); marked {
			return ignored(messages.ReasonOwnText, "the text carries our marker"), true
		}
	}
	if same(ev.Sender, who.Mentioned) {
		return ignored(messages.ReasonOwnAction, ""), true
	}
	if commented && same(ev.Comment.Author, who.Mentioned) {
		// Somebody edits what the account wrote: it must not be made to answer itself.
		return ignored(messages.ReasonOwnText, "the comment is by the mentioned account"), true
	}
	return Verdict{}, false
}

func judgeTrigger(ev messages.Event, who Identity) Verdict {
	switch {
	case ev.Action == actionAssigned:
		if !same(ev.Assignee, who.Mentioned) {
			return ignored(messages.ReasonOtherAssignee, fmt.Sprintf("assigned to %.100s", ev.Assignee.Login))
		}
		return asked(ev, triggerAssignment)
	case ev.Action == actionEdited:
		return judgeEdit(ev, who)
	}
	in, anywhere := mentioned(currentText(ev), who)
	trigger, detail := standing(ev, who)
	switch {
	// An issue that is opened with assignees comes twice, as opened and as assigned: the first must look
	// like the second, so that they join.
	case ev.Name == eventIssues && trigger != "":
		return asked(ev, trigger)
	case in:
		return asked(ev, triggerMention)
	case trigger != "":
		return asked(ev, trigger)
	}
	return unmentioned(anywhere, detail)
}

// judgeEdit judges an edit: it makes a request if it brings the mention in. If the text was one before,
// it may at most replace what is still queued.
func judgeEdit(ev messages.Event, who Identity) Verdict {
	now, anywhere := mentioned(currentText(ev), who)
	before, _ := mentioned(ev.Before, who)
	trigger, detail := triggerMention, ""
	if !now {
		if !before {
			trigger, detail = standing(ev, who)
		}
		if before || trigger == "" {
			return unmentioned(anywhere, detail)
		}
	}
	v := asked(ev, trigger)
	v.Request.OnlyReplace = v.Ask && (before || !now)
	return v
}

func unmentioned(anywhere bool, detail string) Verdict {
	if anywhere {
		return ignored(messages.ReasonMentionInQuote, detail)
	}
	return ignored(messages.ReasonNoMention, detail)
}

// standing says whether a text counts without a mention because of the thread that it is on, and by which
// trigger. If it nearly does, detail says why it does not.
func standing(ev messages.Event, who Identity) (trigger, detail string) {
	ours := among(ev.Thread.Assignees, who.Mentioned)
	switch ev.Name {
	case eventIssues:
		if ours {
			return triggerAssignment, ""
		}
	case eventIssueComment:
		ours = ours || ev.Thread.PullRequest && same(ev.Thread.Author, who.Mentioned)
		switch {
		case ours && ev.Comment.Author.Bot:
			// Two bots in one conversation would answer each other for ever.
			return "", "a comment by a bot counts only with a mention"
		case ours:
			return triggerConversation, ""
		}
	}
	return "", ""
}

func mentioned(t messages.Text, who Identity) (inText, anywhere bool) {
	inTitle, anyTitle := Mentions(t.Title, who.Mentioned.Login)
	inBody, anyBody := Mentions(t.Body, who.Mentioned.Login)
	return inTitle || inBody, anyTitle || anyBody
}

// currentText is the text that the event is about.
func currentText(ev messages.Event) messages.Text {
	if ev.Name == eventIssueComment {
		return messages.Text{Body: ev.Comment.Body}
	}
	return messages.Text{Title: ev.Thread.Title, Body: ev.Thread.Body}
}

// author is who wrote the text that the event is about.
func author(ev messages.Event) messages.User {
	if ev.Name == eventIssueComment {
		return ev.Comment.Author
	}
	return ev.Thread.Author
}

// same compares accounts by what identifies them. Nobody is the same as nobody.
func same(a, b messages.User) bool { return a.ID != 0 && a.ID == b.ID }

func among(all []messages.User, u messages.User) bool {
	return slices.ContainsFunc(all, func(o messages.User) bool { return same(o, u) })
}
