package messages

import (
	"crypto/sha256"
	"encoding/base32"
	"strings"
	"time"
)

// Object is what a request was written on and a reaction goes to.
type Object struct {
	Kind string `json:"kind"` // issue, pull_request, issue_comment
	ID   int64  `json:"id"`   // of the object; a reaction to an issue or pull request goes by Thread.Number
}

// Request is what a person asked for, once. Key is its identity and the same in every store; see
// design.md, "Identity".
type Request struct {
	Key      string `json:"key"`
	Delivery string `json:"delivery"`
	Repo     Repo   `json:"repo"`
	Thread   Thread `json:"thread"`
	Object   Object `json:"object"`
	// Trigger is why it counts: mention, assignment, conversation (a comment on a thread that is
	// assigned to the mentioned user, or on a pull request of theirs) or test.
	Trigger string `json:"trigger"`
	// Instruction is the text that the agent is to follow; its authors are Principals.
	Instruction string `json:"instruction"`
	// Requester is answered by name. Principals are all whose words or deeds became the instruction: every
	// one of them must be allowed.
	Requester  User   `json:"requester"`
	Principals []User `json:"principals"`
	// Context is false if the thread's own text was not written by a principal, and so is no instruction.
	ThreadTrusted bool `json:"thread_trusted,omitempty"`
	// OnlyReplace is true for an edit of a text that mentioned us before: it may replace a queued
	// request, and makes no new one.
	OnlyReplace bool      `json:"only_replace,omitempty"`
	At          time.Time `json:"at"` // when the object was last changed, by GitHub's clock
}

// TaskID names a task: 12 lower-case base32 characters.
type TaskID string

// TaskIDOf is the id of the task that the request makes, the same in every store.
func TaskIDOf(requestKey string) TaskID {
	sum := sha256.Sum256([]byte(requestKey))
	return TaskID(strings.ToLower(base32.StdEncoding.EncodeToString(sum[:]))[:12])
}

// DecisionKind is what became of a delivery.
type DecisionKind string

// The kinds of decision.
const (
	DecidedTask    DecisionKind = "task"      // it made a task, or joined one
	DecidedCommand DecisionKind = "command"   // it was a command to the service
	DecidedIgnored DecisionKind = "ignored"   // nothing is done, because of the reason
	Undecided      DecisionKind = "undecided" // not yet, because of the reason
)

// Reason is one of a closed list: why a delivery was decided as it was. docs/reasons.md explains each.
type Reason string

// The reasons. Reasons() lists them all.
const (
	// Decided as a task.
	ReasonAccepted Reason = "accepted" // a new task
	ReasonJoined   Reason = "joined"   // the thread's queued task asks for the same
	ReasonMerged   Reason = "merged"   // added to the thread's queued task
	ReasonReplaced Reason = "replaced" // an edit replaced the text of a queued request

	// Ignored for good.
	ReasonPing             Reason = "ping"
	ReasonEventUnsupported Reason = "event_unsupported"
	ReasonActionIgnored    Reason = "action_ignored"
	ReasonMalformed        Reason = "malformed_payload"
	ReasonNoMention        Reason = "no_mention"
	ReasonMentionInQuote   Reason = "mention_not_in_text" // only in code, a quote or an HTML comment
	ReasonOtherAssignee    Reason = "assigned_to_other"
	ReasonEditNotNew       Reason = "edit_adds_no_mention"
	ReasonOwnText          Reason = "own_text"
	ReasonOwnAction        Reason = "own_action"
	ReasonAlreadyRequested Reason = "already_requested"
	ReasonThreadClosed     Reason = "thread_closed"

	// Ignored, and decided again when the delivery is sent again.
	ReasonRepoNotAllowed Reason = "repository_not_allowed"
	ReasonUserNotAllowed Reason = "user_not_authorized"
	ReasonNoPermission   Reason = "no_write_permission"
	ReasonUnknownRepo    Reason = "repository_unknown"

	// Undecided.
	ReasonNotLooked    Reason = "not_looked_at_yet"
	ReasonGitHubSilent Reason = "github_did_not_answer"
	ReasonInternal     Reason = "internal_error"
)

// Again says whether a delivery that was ignored for this reason is decided anew when it is sent again:
// the reason lies outside the delivery and may have been mended.
func (r Reason) Again() bool {
	switch r {
	case ReasonRepoNotAllowed, ReasonUserNotAllowed, ReasonNoPermission, ReasonUnknownRepo:
		return true
	}
	return false
}

// Reasons lists every reason, in the order of docs/reasons.md.
func Reasons() []Reason {
	return []Reason{
		ReasonAccepted, ReasonJoined, ReasonMerged, ReasonReplaced,
		ReasonPing, ReasonEventUnsupported, ReasonActionIgnored, ReasonMalformed, ReasonNoMention,
		ReasonMentionInQuote, ReasonOtherAssignee, ReasonEditNotNew, ReasonOwnText, ReasonOwnAction,
		ReasonAlreadyRequested, ReasonThreadClosed,
		ReasonRepoNotAllowed, ReasonUserNotAllowed, ReasonNoPermission, ReasonUnknownRepo,
		ReasonNotLooked, ReasonGitHubSilent, ReasonInternal,
	}
}

// Decision is what the processor made of a delivery. The store carries it out in one transaction and may
// change a task decision: into joined, merged or replaced, or into ignored with already_requested or
// edit_adds_no_mention.
type Decision struct {
	Delivery string
	Kind     DecisionKind
	Reason   Reason
	Detail   string  // for people; never a secret
	Summary  string  // the event in one line, such as "issue_comment created octo/hello#1"
	Repo     Repo    // zero if the payload names none
	Request  Request // Kind == DecidedTask only
	React    bool    // make the reaction's effect (false for test events)
}
