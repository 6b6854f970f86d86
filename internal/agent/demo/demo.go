package demo

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"devs-webhook/messages"
)

// PaceVariable names the environment variable that sets the pause between two steps, as a Go duration; 0 is none.
const PaceVariable = "DEMO_PACE"

// defaultPace makes a run of about four seconds.
const defaultPace = 600 * time.Millisecond

// Options are what a run works with. The zero value of a field means what the process has.
type Options struct {
	Getenv func(string) string // DEVS_TASK, DEVS_OUTPUT and DEMO_PACE
	Dir    string              // the workspace
	Stdin  io.Reader           // the prompt: read and not used
	Stdout io.Writer           // what it says
}

type run struct {
	dir  string
	out  string
	say  io.Writer
	pace time.Duration
	task messages.TaskForRun
}

// Run works on the task that DEVS_TASK names, in the way that docs/agents.md describes. Its error is the
// agent's failure: whoever calls it as a program ends with exit code 1. When ctx is done it ends early.
func Run(ctx context.Context, opts Options) error {
	r, err := prepare(opts)
	if err != nil {
		return err
	}
	wish := strings.ToLower(r.task.Instruction)
	if err := r.step(ctx, "Reading the request of %s on %s#%d.", r.task.Requester, r.task.Repository, r.task.Number); err != nil {
		return err
	}
	switch {
	case strings.Contains(wish, "please hang"):
		if err := r.step(ctx, "Waiting, as asked, until somebody ends this."); err != nil {
			return err
		}
		<-ctx.Done()
		return ctx.Err()
	case strings.Contains(wish, "please fail"):
		return errors.New("failed, as asked")
	case strings.Contains(wish, "do nothing"):
		return r.answer(ctx)
	}
	if r.hasBug() {
		return r.mend(ctx)
	}
	return r.note(ctx)
}

func prepare(opts Options) (*run, error) {
	if opts.Getenv == nil {
		opts.Getenv = os.Getenv
	}
	if opts.Stdin == nil {
		opts.Stdin = os.Stdin
	}
	if opts.Stdout == nil {
		opts.Stdout = os.Stdout
	}
	if opts.Dir == "" {
		opts.Dir = "."
	}
	r := &run{dir: opts.Dir, out: opts.Getenv("DEVS_OUTPUT"), say: opts.Stdout, pace: defaultPace}
	if text := opts.Getenv(PaceVariable); text != "" {
		pace, err := time.ParseDuration(text)
		if err != nil || pace < 0 {
			return nil, fmt.Errorf("%s is %q: it is a duration such as 500ms", PaceVariable, text)
		}
		r.pace = pace
	}
	if _, err := io.Copy(io.Discard, opts.Stdin); err != nil {
		return nil, fmt.Errorf("read prompt: %w", err)
	}
	data, err := os.ReadFile(opts.Getenv("DEVS_TASK"))
	if err != nil {
		return nil, fmt.Errorf("read task: %w", err)
	}
	if err := json.Unmarshal(data, &r.task); err != nil {
		return nil, fmt.Errorf("decode task: %w", err)
	}
	return r, nil
}

// step says a line and pauses.
func (r *run) step(ctx context.Context, format string, args ...any) error {
	if _, err := fmt.Fprintf(r.say, format+"\n", args...); err != nil {
		return fmt.Errorf("say: %w", err)
	}
	pause := time.NewTimer(r.pace)
	defer pause.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-pause.C:
		return nil
	}
}

// hasBug looks for the bug of the demonstration's repository.
func (r *run) hasBug() bool {
	text, err := os.ReadFile(filepath.Join(r.dir, loginFile))
	return err == nil && strings.Contains(string(text), buggyLine)
}

// mend mends the bug, and shows by the tests that it was there and is gone.
func (r *run) mend(ctx context.Context) error {
	if err := r.step(ctx, "Running %s to see what is wrong.", testFile); err != nil {
		return err
	}
	before := r.test(ctx)
	if err := r.step(ctx, "%s", before); err != nil {
		return err
	}
	if err := r.step(ctx, "Found it: in %s a user who is not in users.txt has an empty password, and an empty password fits.", loginFile); err != nil {
		return err
	}
	path := filepath.Join(r.dir, loginFile)
	text, err := os.ReadFile(path)
	if err != nil {
		return fmt.Errorf("read %s: %w", loginFile, err)
	}
	if err := os.WriteFile(path, []byte(strings.Replace(string(text), buggyLine, fixedLine, 1)), 0o644); err != nil {
		return fmt.Errorf("write %s: %w", loginFile, err)
	}
	if err := r.step(ctx, "Changed %s so that only a user with a stored password gets in. Running the tests again.", loginFile); err != nil {
		return err
	}
	after := r.test(ctx)
	if err := r.step(ctx, "%s", after); err != nil {
		return err
	}
	if err := r.commit(ctx, "Refuse the login of unknown users", loginFile); err != nil {
		return err
	}
	return r.finish(ctx, mendIntents(r.task, before, after))
}

// note leaves the request in a file: the work in a repository that it knows nothing about.
func (r *run) note(ctx context.Context) error {
	if err := r.step(ctx, "This is not the demonstration's repository, and there is no model here. Writing the request into %s.", otherFile); err != nil {
		return err
	}
	file, err := os.OpenFile(filepath.Join(r.dir, otherFile), os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o644)
	if err != nil {
		return fmt.Errorf("open %s: %w", otherFile, err)
	}
	_, err = fmt.Fprintf(file, "- #%d, %s: %s\n", r.task.Number, r.task.Requester, strings.Join(strings.Fields(r.task.Instruction), " "))
	if err := errors.Join(err, file.Close()); err != nil {
		return fmt.Errorf("write %s: %w", otherFile, err)
	}
	if err := r.commit(ctx, "Note the request of "+r.task.Requester, otherFile); err != nil {
		return err
	}
	return r.finish(ctx, noteIntents(r.task))
}

// answer changes nothing.
func (r *run) answer(ctx context.Context) error {
	if err := r.step(ctx, "Nothing is to be changed."); err != nil {
		return err
	}
	return r.finish(ctx, messages.Intents{Version: 1, Comment: &messages.CommentIntent{
		Body: "I have read your request and changed nothing, as you asked.",
	}})
}

func (r *run) finish(ctx context.Context, intents messages.Intents) error {
	data, err := json.MarshalIndent(intents, "", "  ")
	if err != nil {
		return fmt.Errorf("encode intents: %w", err)
	}
	if err := os.WriteFile(filepath.Join(r.out, "intents.json"), data, 0o600); err != nil {
		return fmt.Errorf("write intents: %w", err)
	}
	return r.step(ctx, "Done.")
}

// test runs the repository's tests and gives their output. That they fail is one of two expected answers.
func (r *run) test(ctx context.Context) string {
	cmd := exec.CommandContext(ctx, "/bin/sh", testFile)
	cmd.Dir = r.dir
	out, err := cmd.CombinedOutput()
	text := strings.TrimSpace(string(out))
	if err != nil {
		return strings.TrimSpace(text + "\n" + testFile + ": " + err.Error())
	}
	return text + "\n" + testFile + ": all tests pass"
}

func (r *run) commit(ctx context.Context, message string, file string) error {
	for _, args := range [][]string{{"add", "--", file}, {"commit", "--quiet", "--message", message}} {
		cmd := exec.CommandContext(ctx, "git", args...)
		cmd.Dir = r.dir
		if out, err := cmd.CombinedOutput(); err != nil {
			return fmt.Errorf("git %s: %w: %s", args[0], err, strings.TrimSpace(string(out)))
		}
	}
	return r.step(ctx, "Committed: %s.", message)
}

// Main is Run as a program of its own: with the process's environment, directory and standard files.
func Main(ctx context.Context) error { return Run(ctx, Options{}) }
