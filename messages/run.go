package messages

import "time"

// RunnerProtocol is the version of Spec and Result that this program writes and reads.
const RunnerProtocol = 1

// Spec is in/task.json: all that the runner is told. The runner runs beside the agent, so nothing in it
// may be a GitHub credential.
type Spec struct {
	Protocol  int         `json:"protocol"`
	Attempt   AttemptRef  `json:"attempt"`
	Agent     AgentSpec   `json:"agent"`
	Workspace WorkSpec    `json:"workspace"`
	Limits    Limits      `json:"limits"`
	Commit    CommitSpec  `json:"commit"`
	Task      TaskForRun  `json:"task"`
	Setup     []SetupStep `json:"setup,omitempty"`
	// Session is the id of the agent's session to go on with, a UUID; its files are in/session.tar. Empty: a
	// new one.
	Session string `json:"session,omitempty"`
}

// AgentSpec starts the agent. In Argv and Env the words {run}, {in}, {out}, {work} and {home} stand for the
// attempt's directories, which differ between runtimes, and {runner} for the runner's own program. Stdin
// names a file in in/.
type AgentSpec struct {
	Name  string            `json:"name"` // claude, command, demo: chooses the stream parser
	Argv  []string          `json:"argv"`
	Env   map[string]string `json:"env,omitempty"`
	Stdin string            `json:"stdin,omitempty"`
}

// WorkSpec makes the workspace from in/workspace.bundle.
type WorkSpec struct {
	Ref    string `json:"ref"`    // of the bundle that is checked out
	Commit string `json:"commit"` // that it must be at
	Branch string `json:"branch"` // local branch to work on
}

// CommitSpec is how the runner commits what the agent left uncommitted.
type CommitSpec struct {
	Name    string `json:"name"`
	Email   string `json:"email"`
	Message string `json:"message"`
}

// SetupStep is a shell command that is run in the workspace before the agent.
type SetupStep struct {
	Command string `json:"command"`
}

// TaskForRun is what the agent may know of its task: DEVS_TASK of the command agent.
type TaskForRun struct {
	ID           TaskID `json:"id"`
	Attempt      int    `json:"attempt"`
	Repository   string `json:"repository"`
	Number       int    `json:"number"`
	PullRequest  bool   `json:"pull_request"`
	Title        string `json:"title"`
	URL          string `json:"url"`
	Instruction  string `json:"instruction"`
	Requester    string `json:"requester"`
	Branch       string `json:"branch"`
	TargetBranch string `json:"target_branch"`
	BaseCommit   string `json:"base_commit"`
}

// AgentEnd is what the end of an agent's stream says about its run, before the runner adds its own view.
type AgentEnd struct {
	Ending  Ending
	Detail  string // one line for people
	Words   string // the agent's last words, at most 60,000 characters
	Turns   int
	CostUSD float64
	Session string
	Model   string
	// SessionLost is true if the run ended before it began because the session that it was to go on with could
	// not be found. Only of a run that was told to go on with one does it mean anything.
	SessionLost bool
}

// Result is out/result.json. All of it can be forged by the agent, which runs as the same user: it is
// checked against the store and the engine, and used only for what concerns the agent's own work.
type Result struct {
	Protocol int        `json:"protocol"`
	Attempt  AttemptRef `json:"attempt"`
	Ending   Ending     `json:"ending"`
	Detail   string     `json:"detail,omitempty"` // one line for people
	ExitCode int        `json:"exit_code"`        // of the agent
	Words    string     `json:"words,omitempty"`  // the agent's last words, at most 60,000 characters
	Turns    int        `json:"turns,omitempty"`
	CostUSD  float64    `json:"cost_usd,omitempty"`
	// Session is the id, a UUID, of the session whose files are out/session.tar; empty if there are none.
	Session string `json:"session,omitempty"`
	// SessionLost is true if Spec.Session could not be gone on with: another attempt without it is worth a try.
	SessionLost bool      `json:"session_lost,omitempty"`
	Model       string    `json:"model,omitempty"`
	Base        string    `json:"base,omitempty"`
	Head        string    `json:"head,omitempty"` // commit in out/work.bundle; empty if nothing was committed
	Events      int64     `json:"events"`
	StartedAt   time.Time `json:"started_at"`
	EndedAt     time.Time `json:"ended_at"`
}

// Intents is out/intents.json: what the agent asks to be done in its name, version 1 of a closed schema.
type Intents struct {
	Version     int                `json:"version"`
	Comment     *CommentIntent     `json:"comment,omitempty"`
	PullRequest *PullRequestIntent `json:"pull_request,omitempty"`
}

// CommentIntent is the text of the answer on the thread, in place of the agent's last words.
type CommentIntent struct {
	Body string `json:"body"`
}

// PullRequestIntent describes the pull request for the work.
type PullRequestIntent struct {
	Title string `json:"title"`
	Body  string `json:"body"`
	Draft bool   `json:"draft,omitempty"`
}

// Outcome is the end of an attempt as the container actor judged it: stored in one transaction with the
// effects that it asks for.
type Outcome struct {
	Attempt AttemptRef `json:"attempt"`
	Ending  Ending     `json:"ending"`
	Detail  string     `json:"detail,omitempty"`
	Exit    Exit       `json:"exit"`
	Result  Result     `json:"result"`
	Intents Intents    `json:"intents"`
	Refused []string   `json:"refused,omitempty"` // intents and outputs that were not accepted, as text
	Base    Base       `json:"base"`
	// Bundle is the path of the work bundle below the state directory, empty if there is no new commit.
	Bundle string `json:"bundle,omitempty"`
	// Retry puts the task back into the queue, not before NotBefore. Counts says whether this attempt
	// counts as a failure of the task.
	Retry     bool      `json:"retry,omitempty"`
	Counts    bool      `json:"counts,omitempty"`
	NotBefore time.Time `json:"not_before,omitzero"`
}
