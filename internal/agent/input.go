package agent

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"devs-webhook/messages"
)

// The names of the files below in/.
const (
	specFile     = "task.json"
	promptFile   = "prompt.txt"
	threadDir    = "thread"
	threadFile   = "thread.md"
	commentsFile = "comments.md"
	requestsFile = "requests.md"
)

// WriteInput writes what an attempt is told into dir, which becomes its in/ directory: task.json, prompt.txt
// and the thread's files. It makes dir if need be; all files are readable by their owner only. The bundle of
// the workspace and the archive of the session are not its business.
func (a *Agents) WriteInput(dir string, job messages.Job) error {
	spec, err := a.spec(job)
	if err != nil {
		return err
	}
	encoded, err := json.MarshalIndent(spec, "", "  ")
	if err != nil {
		return fmt.Errorf("encode task: %w", err)
	}
	if err := os.MkdirAll(filepath.Join(dir, threadDir), 0o700); err != nil {
		return fmt.Errorf("make input directory: %w", err)
	}
	files := map[string]string{
		specFile:                               string(encoded) + "\n",
		promptFile:                             a.prompt(job),
		filepath.Join(threadDir, threadFile):   threadText(job.Task),
		filepath.Join(threadDir, commentsFile): commentsText(job),
		filepath.Join(threadDir, requestsFile): requestsText(job.Task),
	}
	for name, text := range files {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			return fmt.Errorf("write input: %w", err)
		}
	}
	return nil
}

// spec is what the runner is told.
func (a *Agents) spec(job messages.Job) (messages.Spec, error) {
	task := job.Task
	switch {
	case len(task.Requests) == 0:
		return messages.Spec{}, errors.New("task has no request")
	case task.Branch == "":
		return messages.Spec{}, errors.New("task has no branch")
	case job.Base.Commit == "":
		return messages.Spec{}, errors.New("task has no commit to start from")
	case job.Session != "" && !uuid.MatchString(job.Session):
		return messages.Spec{}, errors.New("the session's id is no UUID")
	case a.cfg.Agent == Claude && job.Access.URL == "", job.Access.URL != "" && job.Access.Token == "":
		return messages.Spec{}, errors.New("the agent has no access to its model")
	}
	if a.cfg.Agent != Claude {
		job.Session = "" // only Claude Code has sessions
	}
	newest := newestRequest(task)
	return messages.Spec{
		Protocol:  messages.RunnerProtocol,
		Attempt:   job.Attempt,
		Agent:     a.start(job),
		Session:   job.Session,
		Workspace: messages.WorkSpec{Ref: job.Base.Ref, Commit: job.Base.Commit, Branch: task.Branch},
		Limits:    job.Limits,
		Commit:    a.cfg.Commit,
		Task: messages.TaskForRun{
			ID:           task.ID,
			Attempt:      job.Attempt.Number,
			Repository:   task.Repo.FullName(),
			Number:       task.Thread.Number,
			PullRequest:  task.Thread.PullRequest,
			Title:        visible(task.Thread.Title),
			URL:          task.Thread.URL,
			Instruction:  instruction(task),
			Requester:    newest.Requester.Login,
			Branch:       task.Branch,
			TargetBranch: job.Base.Target,
			BaseCommit:   job.Base.Commit,
		},
	}, nil
}

// uuid is the form of a session's id, as Claude Code makes it.
var uuid = regexp.MustCompile(`^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$`)

// instruction joins the instructions of all requests, in their order.
func instruction(task messages.Task) string {
	var all []string
	for _, r := range task.Requests {
		all = append(all, visible(r.Instruction))
	}
	return strings.Join(all, "\n\n")
}

// newestRequest is the request whose object was changed last. Requests come in the order of their deliveries,
// and those may overtake each other.
func newestRequest(task messages.Task) messages.Request {
	return slices.MaxFunc(task.Requests, func(a, b messages.Request) int { return a.At.Compare(b.At) })
}
