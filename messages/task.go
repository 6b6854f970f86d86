package messages

import (
	"strconv"
	"time"
)

// TaskState is where a task stands. internal/store/doc.go draws the machine.
type TaskState string

// The states of a task. Done, Failed and Cancelled are final.
const (
	TaskQueued    TaskState = "queued"
	TaskRunning   TaskState = "running"
	TaskDone      TaskState = "done"
	TaskFailed    TaskState = "failed"
	TaskCancelled TaskState = "cancelled"
)

// Final says whether the task has ended.
func (s TaskState) Final() bool {
	return s == TaskDone || s == TaskFailed || s == TaskCancelled
}

// Task is one piece of work for one thread: one request, or several that were merged.
type Task struct {
	ID     TaskID `json:"id"`
	Repo   Repo   `json:"repo"`
	Thread Thread `json:"thread"` // where its first request was asked: the issue, or its pull request
	// ThreadKey identifies the thread in the store: an issue together with the pull requests opened for it.
	ThreadKey string `json:"thread_key"`
	// Branch is where the work goes; kept by the thread. PullRequestNumber is 0 until one is open.
	Branch            string    `json:"branch"`
	PullRequestNumber int       `json:"pull_request_number,omitempty"`
	State             TaskState `json:"state"`
	Requests          []Request `json:"requests"` // in the order in which they came; at least one
	Attempt           int       `json:"attempt"`  // number of the newest attempt, 0 before the first
	Failures          int       `json:"failures"` // attempts that count against the limit
	CancelledBy       string    `json:"cancelled_by,omitempty"`
	QueuedAt          time.Time `json:"queued_at"`
	NotBefore         time.Time `json:"not_before,omitzero"`
	StartedAt         time.Time `json:"started_at,omitzero"`
	EndedAt           time.Time `json:"ended_at,omitzero"`
	Note              string    `json:"note,omitempty"` // why it waits, or what the last attempt failed with
}

// Test says whether the task came from a test event: nothing of it is shown on GitHub.
func (t Task) Test() bool { return len(t.Requests) > 0 && t.Requests[0].Trigger == "test" }

// AttemptRef names an attempt: the pair is unique.
type AttemptRef struct {
	Task   TaskID `json:"task"`
	Number int    `json:"attempt"` // from 1
}

// String is task-number, as in a directory name.
func (r AttemptRef) String() string { return string(r.Task) + "-" + strconv.Itoa(r.Number) }

// Attempt is one run of a task in one slot. Of a slot, and of a thread, at most one is open.
type Attempt struct {
	AttemptRef
	Slot      string    `json:"slot"`
	Runtime   string    `json:"runtime"` // docker, process
	Open      bool      `json:"open"`
	StartedAt time.Time `json:"started_at"`
	EndedAt   time.Time `json:"ended_at,omitzero"`
	LastSeq   int64     `json:"last_seq"` // highest number of a stored event
	Ending    Ending    `json:"ending,omitempty"`
	Detail    string    `json:"detail,omitempty"`
	Usage     Usage     `json:"usage,omitzero"`
}

// Ending names how an attempt ended: a closed list, each with a sentence for people in docs/agents.md.
type Ending string

// The endings.
const (
	EndSucceeded     Ending = "succeeded"
	EndAgentFailed   Ending = "agent_failed"
	EndTimedOutWall  Ending = "timed_out_wall"
	EndTimedOutIdle  Ending = "timed_out_idle"
	EndTimedOutTool  Ending = "timed_out_tool"
	EndOutOfMemory   Ending = "out_of_memory"
	EndModelBusy     Ending = "model_overloaded"
	EndModelQuota    Ending = "model_quota"
	EndModelAuth     Ending = "model_not_authorized"
	EndModelRefused  Ending = "model_refused"
	EndTurnLimit     Ending = "turn_limit"
	EndBudgetLimit   Ending = "budget_limit"
	EndPromptTooLong Ending = "prompt_too_long"
	EndSetupFailed   Ending = "setup_failed" // the runner could not make the workspace, or start the agent
	EndContainerLost Ending = "container_lost"
	EndImageMissing  Ending = "image_missing"
	EndCloneFailed   Ending = "clone_failed"
	EndCancelled     Ending = "cancelled"
	EndResultInvalid Ending = "result_invalid" // what came out of the container does not hold together
	EndInternal      Ending = "internal"
)

// Base is where an attempt starts from.
type Base struct {
	Ref    string `json:"ref"`    // the branch or pull ref that it was taken from, refs/…
	Commit string `json:"commit"` // full object id
	Target string `json:"target"` // branch that a new pull request asks to merge into
}

// Limits bound one attempt.
type Limits struct {
	Wall      time.Duration `json:"wall"`
	Idle      time.Duration `json:"idle"` // without any output of the agent
	Tool      time.Duration `json:"tool"` // of a single tool call; 0 means the wall limit
	MaxBundle int64         `json:"max_bundle"`
}

// Job is what the agent's side needs to write an attempt's input.
type Job struct {
	Attempt  AttemptRef
	Task     Task
	Base     Base
	Comments []Comment // the thread's other comments, oldest first; context, never instruction
	Limits   Limits
	Access   Access
	// Session is the id of the agent's session to go on with; its files are in/session.tar. Empty: a new one.
	Session string
}

// Access is how an attempt reaches the model: through the service's gateway, with a token of its own in
// place of the key. The zero Access is none.
type Access struct {
	URL   string // of the gateway, as the attempt sees it
	Token string // opens the gateway for this attempt while it is open; only its hash is stored
	OAuth bool   // the service holds a subscription's token and not an API key, so the agent must speak as with one
}

// Usage is what an attempt has used of the model, by the API's own figures.
type Usage struct {
	Requests   int64   `json:"requests"`
	Input      int64   `json:"input_tokens"`
	Output     int64   `json:"output_tokens"`
	CacheRead  int64   `json:"cache_read_tokens"`
	CacheWrite int64   `json:"cache_write_tokens"`
	CostUSD    float64 `json:"cost_usd"` // 0 if a model's price is not known
}

// Launch asks a runtime for an attempt's container. InputDir is a directory of the service's own that
// becomes the attempt's in/ directory.
type Launch struct {
	Slot     string
	Attempt  AttemptRef
	Repo     string
	InputDir string
}

// FoundState is what a runtime holds under a slot's name.
type FoundState string

// The states of what was found.
const (
	FoundNothing FoundState = "nothing"
	FoundCreated FoundState = "created" // made, never started
	FoundRunning FoundState = "running"
	FoundExited  FoundState = "exited"
)

// Found is what a runtime holds under a slot's name, and whose it is.
type Found struct {
	State   FoundState
	Attempt AttemptRef // by its labels; zero if it has none of ours
}

// Exit is what the runtime itself knows about the end of an attempt: not forgeable by the agent.
type Exit struct {
	Code        int
	OutOfMemory bool
	StartedAt   time.Time
	EndedAt     time.Time
	Lost        bool   // the process or container is gone and left no exit code
	Detail      string // the engine's own words, if any
}

// EventKind is what an agent's event is about.
type EventKind string

// The kinds of an agent's event.
const (
	EventStarted EventKind = "started" // the agent started; Text names its model or program
	EventWords   EventKind = "words"   // something it said
	EventTool    EventKind = "tool"    // it began to use a tool; Tool names it, Text says on what
	EventToolEnd EventKind = "tool_end"
	EventRetry   EventKind = "retry" // the model's API made it wait
	EventNotice  EventKind = "notice"
	EventRunner  EventKind = "runner" // the runner's own steps: workspace ready, deadline, committed …
	EventEnd     EventKind = "end"    // the last one
)

// AgentEvent is one neutral event of a run. Seq counts from 1 without a gap within an attempt; it is what
// makes a re-attached view free of repeats.
type AgentEvent struct {
	Seq    int64     `json:"seq"`
	At     time.Time `json:"at"`
	Kind   EventKind `json:"kind"`
	Tool   string    `json:"tool,omitempty"`
	Text   string    `json:"text,omitempty"`
	Failed bool      `json:"failed,omitempty"`
}
