package messages

import "time"

// EffectKind is one visible act on GitHub.
type EffectKind string

// The kinds of effect. Of each kind a task has at most one, but for the reactions: one per request.
const (
	EffectReaction EffectKind = "reaction" // eyes on the object of a request
	EffectProgress EffectKind = "progress" // the one comment that is edited while the task waits or runs
	EffectPublish  EffectKind = "publish"  // the branch and its pull request
	EffectFinal    EffectKind = "final"    // the one answer
)

// EffectState is where an effect stands.
type EffectState string

// The states of an effect. A progress effect stays open while its task does.
const (
	EffectPending EffectState = "pending"
	EffectOpen    EffectState = "open"
	EffectDone    EffectState = "done"
	EffectSkipped EffectState = "skipped" // no longer wanted
	EffectFailed  EffectState = "failed"  // given up; Error says why
)

// Effect is a row of the outbox.
type Effect struct {
	ID    int64       `json:"id"`
	Task  TaskID      `json:"task"`
	Kind  EffectKind  `json:"kind"`
	Key   string      `json:"key"` // unique within task and kind: the object of a reaction, else empty
	State EffectState `json:"state"`
	// Ambiguous is set before a try and cleared by a clear answer: if it is set, the last try may have been
	// applied, and GitHub is searched before the next.
	Ambiguous bool      `json:"ambiguous,omitempty"`
	Tries     int       `json:"tries"`
	NextAt    time.Time `json:"next_at"`
	RemoteID  int64     `json:"remote_id,omitempty"` // of the comment, or number of the pull request
	URL       string    `json:"url,omitempty"`
	Digest    string    `json:"digest,omitempty"` // of the body last written
	Error     string    `json:"error,omitempty"`
	Detail    string    `json:"detail,omitempty"` // for publish: the branch used and what a person must know
	Object    Object    `json:"object,omitzero"`
	CreatedAt time.Time `json:"created_at"`
	DoneAt    time.Time `json:"done_at,omitzero"`
}

// Published is what became of a task's work.
type Published struct {
	Branch  string `json:"branch,omitempty"` // empty if nothing was pushed
	Number  int    `json:"number,omitempty"` // of the pull request
	URL     string `json:"url,omitempty"`
	Refused string `json:"refused,omitempty"` // why the work was not pushed, for people
	Files   int    `json:"files,omitempty"`
	Added   int    `json:"added,omitempty"`
	Deleted int    `json:"deleted,omitempty"`
	Beside  bool   `json:"beside,omitempty"` // pushed to a branch beside the wanted one, because that had moved
}

// View is a task with all that was recorded about it: for reports, status and why.
type View struct {
	Task     Task       `json:"task"`
	Attempts []Attempt  `json:"attempts"`
	Outcome  *Outcome   `json:"outcome,omitempty"` // of the newest ended attempt
	Effects  []Effect   `json:"effects"`
	Last     AgentEvent `json:"last,omitzero"` // newest event of the newest attempt
	Ahead    int        `json:"ahead"`         // queued tasks before it
}
