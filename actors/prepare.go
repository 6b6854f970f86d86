package actors

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"devs-webhook/messages"
)

func (r *run) inputDir() string  { return filepath.Join(r.dir(r.attempt.AttemptRef), "in") }
func (r *run) outputDir() string { return filepath.Join(r.dir(r.attempt.AttemptRef), "out") }
func (r *run) basePath() string  { return filepath.Join(r.dir(r.attempt.AttemptRef), "base.json") }

// prepare writes the attempt's input from scratch: the workspace bundle, the thread, and what the agent's
// side adds. The base is kept beside it, outside the container's reach, because the outcome is held
// against it.
func (r *run) prepare(ctx context.Context) error {
	if err := os.RemoveAll(r.dir(r.attempt.AttemptRef)); err != nil {
		return fmt.Errorf("clear the attempt's directory: %w", err)
	}
	for _, dir := range []string{r.inputDir(), r.outputDir()} {
		if err := os.MkdirAll(dir, 0o700); err != nil {
			return fmt.Errorf("make the attempt's directory: %w", err)
		}
	}
	base, err := r.Workspace.Bundle(ctx, r.task, filepath.Join(r.inputDir(), "workspace.bundle"))
	if err != nil {
		return fmt.Errorf("make the workspace: %w", err)
	}
	if err := r.writeBase(base); err != nil {
		return err
	}
	comments, err := r.comments(ctx)
	if err != nil {
		return fmt.Errorf("read the thread: %w", err)
	}
	access, err := r.Model.Lend(ctx, r.name, r.attempt.AttemptRef)
	if err != nil {
		return err
	}
	session, err := r.Sessions.Take(r.task.ThreadKey, filepath.Join(r.inputDir(), "session.tar"))
	if err != nil {
		return err
	}
	job := messages.Job{
		Attempt: r.attempt.AttemptRef, Task: r.task, Base: base, Comments: comments, Limits: r.Limits, Access: access, Session: session,
	}
	if err := r.Agents.WriteInput(r.inputDir(), job); err != nil {
		return fmt.Errorf("write the agent's input: %w", err)
	}
	return nil
}

// comments reads the thread as it is now. A test event has none, and neither has a thread that is gone.
func (r *run) comments(ctx context.Context) ([]messages.Comment, error) {
	if r.task.Test() {
		return nil, nil
	}
	comments, err := r.Threads.Comments(ctx, r.task.Repo, r.task.Thread.Number)
	if errors.Is(err, messages.ErrNotFound) {
		return nil, nil
	}
	return comments, err
}

// writeBase stores the base durably before the container can exist.
func (r *run) writeBase(base messages.Base) error {
	text, err := json.Marshal(base)
	if err != nil {
		return err
	}
	f, err := os.OpenFile(r.basePath(), os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o600)
	if err != nil {
		return fmt.Errorf("write the base: %w", err)
	}
	_, err = f.Write(text)
	if err := errors.Join(err, f.Sync(), f.Close()); err != nil {
		return fmt.Errorf("write the base: %w", err)
	}
	return nil
}

// readBase gives the base that prepare stored; a zero base if there is none, as when the state directory
// was restored from a backup.
func (r *run) readBase() (messages.Base, error) {
	var base messages.Base
	text, err := os.ReadFile(r.basePath())
	if errors.Is(err, fs.ErrNotExist) {
		return base, nil
	}
	if err != nil {
		return base, fmt.Errorf("read the base: %w", err)
	}
	if err := json.Unmarshal(text, &base); err != nil {
		return base, fmt.Errorf("read the base: %w", err)
	}
	return base, nil
}
