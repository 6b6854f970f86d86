package runner

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"
	"time"

	"devs-webhook/messages"
)

// Parser reads the output of one run of an agent; package agent has them.
type Parser interface {
	// Line takes one line of standard output and gives its events, without Seq and At.
	Line(line []byte) []messages.AgentEvent
	// Done says whether the agent has stated its result.
	Done() bool
	// End judges the run after its process has ended.
	End(exit int, signal string) messages.AgentEnd
}

// Options are what a run works with. Dir and Parser are required; a duration of 0 means its default.
type Options struct {
	Dir        string                            // {run}
	Parser     func(name string) (Parser, error) // by the agent's name
	Stdout     io.Writer                         // the live view; it may block or break; nil for none
	RunnerPath string                            // {runner}: this program, for agents that are built in

	Grace       time.Duration // from SIGTERM to SIGKILL after a deadline; 10 s
	CancelGrace time.Duration // from SIGTERM to SIGKILL after a cancel; 5 s
	Linger      time.Duration // for the agent to end once it has said all; 30 s
	GitTime     time.Duration // for taking in the work; 2 min
}

func (o Options) withDefaults() Options {
	set := func(d *time.Duration, value time.Duration) {
		if *d == 0 {
			*d = value
		}
	}
	set(&o.Grace, 10*time.Second)
	set(&o.CancelGrace, 5*time.Second)
	set(&o.Linger, 30*time.Second)
	set(&o.GitTime, 2*time.Minute)
	if o.Stdout == nil {
		o.Stdout = io.Discard
	}
	return o
}

// paths are the directories of an attempt.
type paths struct{ run, in, out, work, home, runner string }

// homeName is the agent's home below the attempt's directory.
const homeName = "home"

func newPaths(dir, runner string) (paths, error) {
	run, err := filepath.Abs(dir)
	if err != nil {
		return paths{}, fmt.Errorf("find run directory: %w", err)
	}
	return paths{
		run: run, in: filepath.Join(run, "in"), out: filepath.Join(run, "out"),
		work: filepath.Join(run, "workspace"), home: filepath.Join(run, homeName), runner: runner,
	}, nil
}

const resultFile = "result.json"

// Run works on the attempt in opts.Dir until its result is written, and then returns nil: a failed agent is a
// result. A result that is there already is printed, and nothing is done. When ctx is done, as on SIGTERM, the agent
// is ended and the result says cancelled. Run must be the only user of its process.
func Run(ctx context.Context, opts Options) error {
	opts = opts.withDefaults()
	dirs, err := newPaths(opts.Dir, opts.RunnerPath)
	if err != nil {
		return err
	}
	if earlier, err := os.ReadFile(filepath.Join(dirs.out, resultFile)); err == nil {
		_, err = opts.Stdout.Write(earlier)
		return err
	}
	// A broken stdout must not end the run. Catching the signal, unlike ignoring it, is not inherited.
	broken := make(chan os.Signal, 1)
	signal.Notify(broken, syscall.SIGPIPE)
	defer signal.Stop(broken)

	spec, err := readSpec(dirs.in)
	if err != nil {
		return err
	}
	if err := makeDirs(dirs); err != nil {
		return err
	}
	rec, err := newRecorder(dirs.out, opts.Stdout)
	if err != nil {
		return err
	}
	log, err := newLog(dirs.out)
	if err != nil {
		return errors.Join(err, rec.close())
	}
	family, err := newFamily()
	if err != nil {
		return errors.Join(err, rec.close(), log.close())
	}
	defer family.close()
	a := &attempt{opts: opts, dirs: dirs, spec: spec, rec: rec, log: log, family: family}
	result := a.do(ctx)
	return errors.Join(a.finish(result), log.close())
}

func makeDirs(dirs paths) error {
	for _, dir := range []string{dirs.out, dirs.home} {
		if err := os.MkdirAll(dir, 0o700); err != nil {
			return fmt.Errorf("make directory: %w", err)
		}
	}
	return nil
}
