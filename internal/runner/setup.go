package runner

import (
	"context"
	"errors"
	"fmt"
	"os/exec"
	"syscall"

	"devs-webhook/messages"
)

// setup runs one command of the repository's set-up, in the workspace and with the agent's environment but for what
// the spec gives to the agent alone. What it starts in the background lives on until the end of the attempt.
func (a *attempt) setup(ctx context.Context, number int, step messages.SetupStep) error {
	a.rec.runner("setup %d of %d: %s", number, len(a.spec.Setup), step.Command)
	a.log.writeln("$ " + step.Command)
	cmd := exec.CommandContext(ctx, "/bin/sh", "-c", step.Command)
	cmd.Dir = a.dirs.work
	cmd.Env = environ(a.baseEnv())
	output, err := a.output(a.log)
	if err != nil {
		return &setupError{why: fmt.Sprintf("setup command %d could not be run", number), err: err}
	}
	defer func() { _ = output.Close() }()
	cmd.Stdout, cmd.Stderr = output, output
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	if err = a.family.run(cmd); err == nil {
		return nil
	}
	if exit, ok := errors.AsType[*exec.ExitError](err); ok {
		return &setupError{why: fmt.Sprintf("setup command %d ended with exit code %d", number, exitCode(exit.ProcessState))}
	}
	return &setupError{why: fmt.Sprintf("setup command %d could not be run", number), err: err}
}
