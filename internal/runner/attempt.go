package runner

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"devs-webhook/messages"
)

// attempt is one run from the workspace to the result. All of it belongs to one goroutine, but for the copies of
// what processes print.
type attempt struct {
	opts   Options
	dirs   paths
	spec   messages.Spec
	rec    *recorder
	log    *cappedLog
	family *family
	wall   time.Time // when the wall limit is used up; zero for never
	copies sync.WaitGroup
}

// setupError ends the attempt before its agent has started. Its text is for people.
type setupError struct {
	why string
	err error // for the log
}

func (e *setupError) Error() string { return e.why }
func (e *setupError) Unwrap() error { return e.err }

// do runs the attempt and says how it ended.
func (a *attempt) do(ctx context.Context) messages.Result {
	result := messages.Result{
		Protocol: a.spec.Protocol, Attempt: a.spec.Attempt, Base: a.spec.Workspace.Commit, StartedAt: time.Now().UTC(),
	}
	// The wall limit counts from here: the setup commands of a repository use it up too.
	if a.spec.Limits.Wall > 0 {
		a.wall = time.Now().Add(a.spec.Limits.Wall)
	}
	parser, run, err := a.begin(ctx)
	if err != nil {
		a.endAll()
		result.Ending, result.Detail = a.setupEnding(ctx, err)
		return result
	}
	end := a.watchAgent(ctx, run, parser)
	result.ExitCode = end.exit
	result.Ending, result.Detail = end.Ending, end.Detail
	result.Words, result.Turns, result.CostUSD = end.Words, end.Turns, end.CostUSD
	result.Model = end.Model
	result.SessionLost = a.spec.Session != "" && end.SessionLost
	a.takeSession(&result, end.Session)
	a.takeWork(ctx, &result)
	a.family.killAll() // git runs programs in nested repositories
	return result
}

// begin does all until the agent runs.
func (a *attempt) begin(ctx context.Context) (Parser, *agentRun, error) {
	parser, err := a.prepare(ctx)
	if err != nil {
		return nil, nil, err
	}
	run, err := a.startAgent()
	return parser, run, err
}

// prepare does all that comes before the agent.
func (a *attempt) prepare(ctx context.Context) (Parser, error) {
	if p := a.spec.Protocol; p < 1 || p < messages.RunnerProtocol-1 || p > messages.RunnerProtocol {
		return nil, &setupError{why: fmt.Sprintf("the runner does not speak protocol %d of its service, but %d", p, messages.RunnerProtocol)}
	}
	parser, err := a.opts.Parser(a.spec.Agent.Name)
	if err != nil {
		return nil, &setupError{why: "the runner does not know the agent", err: err}
	}
	if !a.wall.IsZero() {
		var cancel context.CancelFunc
		ctx, cancel = context.WithDeadlineCause(ctx, a.wall, errWall)
		defer cancel()
	}
	if err := a.makeWorkspace(ctx); err != nil {
		return nil, because(ctx, &setupError{why: "the workspace could not be made", err: err})
	}
	a.rec.runner("the workspace is ready on branch %s at %.12s", a.spec.Workspace.Branch, a.spec.Workspace.Commit)
	a.putSession()
	for i, step := range a.spec.Setup {
		if err := a.setup(ctx, i+1, step); err != nil {
			return nil, because(ctx, err)
		}
	}
	return parser, nil
}

// endAll kills every process of the attempt and lets what they had printed come into the log.
func (a *attempt) endAll() {
	if !a.family.killAll() {
		a.rec.runner("some processes of the attempt could not be killed")
	}
	copied := make(chan struct{})
	go func() {
		a.copies.Wait()
		close(copied)
	}()
	timer := time.NewTimer(drainTime)
	defer timer.Stop()
	select {
	case <-copied:
	case <-timer.C: // somebody whom nobody could kill holds a pipe
	}
}

// output gives a file for the output of a process: what is written to it is copied to w until the last process
// that has it is gone. The caller closes it once the process has started.
func (a *attempt) output(w io.Writer) (*os.File, error) {
	out, in, err := os.Pipe()
	if err != nil {
		return nil, fmt.Errorf("make pipe: %w", err)
	}
	a.copies.Go(func() {
		_, _ = io.Copy(w, out)
		_ = out.Close()
	})
	return in, nil
}

// errWall is the cause of a context that the wall limit ended.
var errWall = errors.New("the wall limit is used up")

// because adds why the context was ended, if it was.
func because(ctx context.Context, err error) error {
	return errors.Join(context.Cause(ctx), err)
}

// setupEnding names the end of an attempt whose agent did not start.
func (a *attempt) setupEnding(ctx context.Context, err error) (messages.Ending, string) {
	a.log.writeln("runner: " + err.Error())
	why := "the workspace could not be made"
	if e, ok := errors.AsType[*setupError](err); ok {
		why = e.why
		if e.err != nil {
			a.log.writeln("runner: " + e.err.Error())
		}
	}
	switch {
	case ctx.Err() != nil:
		return messages.EndCancelled, "cancelled before the agent had started"
	case errors.Is(err, errWall):
		return messages.EndTimedOutWall, "the time was used up before the agent had started"
	}
	return messages.EndSetupFailed, why
}

// finish records the last event and writes the result, in this order.
func (a *attempt) finish(result messages.Result) error {
	result.EndedAt = time.Now().UTC()
	a.rec.emit(messages.AgentEvent{Kind: messages.EventEnd, Text: string(result.Ending), Failed: result.Ending != messages.EndSucceeded})
	result.Events = a.rec.count()
	if err := a.rec.close(); err != nil {
		// The record is for people; the result counts.
		a.log.writeln("runner: " + err.Error())
	}
	if err := os.MkdirAll(a.dirs.out, 0o700); err != nil {
		return fmt.Errorf("make output directory: %w", err)
	}
	return writeResult(a.dirs.out, result)
}

// withoutPaths takes the attempt's directory out of a text for people.
func (a *attempt) withoutPaths(text string) string {
	for _, dir := range []string{a.dirs.work, a.dirs.run} {
		text = strings.ReplaceAll(text, dir+string(filepath.Separator), "")
		text = strings.ReplaceAll(text, dir, ".")
	}
	return text
}
