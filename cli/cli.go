// Package cli holds the commands, one file each. A command parses its words, calls what package main hands
// it, and prints; it builds nothing and imports no adapter.
package cli

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/alecthomas/kong"
)

// The exit codes of every command.
const (
	ExitOK      = 0
	ExitFailure = 1 // it was tried and failed
	ExitUsage   = 2 // the configuration or the command's words are wrong
	ExitInUse   = 3 // another process has the state directory
	ExitStore   = 4 // the store is corrupt, or of a newer version
)

// ExitError ends the program with Code. Its text has been made for a terminal.
type ExitError struct {
	Code int
	Err  error
}

// Error gives the text.
func (e *ExitError) Error() string { return e.Err.Error() }

// Unwrap gives the cause.
func (e *ExitError) Unwrap() error { return e.Err }

// Program is what the commands call; package main fills it.
type Program struct {
	Version string
	Stdout  io.Writer
	Stderr  io.Writer

	Serve     func(ctx context.Context, f ServeFlags) error
	Demo      func(ctx context.Context, f DemoFlags) error
	Why       func(ctx context.Context, stateDir, delivery string, asJSON bool) error
	Config    func(ctx context.Context, f ConfigFlags) error
	Admin     func(stateDir, url, user, password string) Admin
	Runner    func(ctx context.Context, dir string) error
	AgentDemo func(ctx context.Context) error
	TestImage func(ctx context.Context, tag string, with []string) error
}

// Admin speaks to the admin door of a running service.
type Admin interface {
	// Call sends a request and decodes the JSON answer; a status of 400 and above is an error.
	Call(ctx context.Context, method, path string, body, answer any) error
}

// Commands are the words of the program.
type Commands struct {
	Serve         ServeCommand         `cmd:"" help:"Run the service."`
	Demo          DemoCommand          `cmd:"" help:"Show the main job at work, against a simulated GitHub on this machine."`
	Why           WhyCommand           `cmd:"" help:"Say what became of a delivery, and why."`
	Test          TestCommand          `cmd:"" help:"Send a test event to a running service (dev mode) and follow it to its end."`
	Status        StatusCommand        `cmd:"" help:"Show what a running service is doing."`
	StopContainer StopContainerCommand `cmd:"" help:"Stop the task that runs in a container."`
	Config        ConfigCommand        `cmd:"" help:"Check the configuration and print it, with secrets hidden."`
	Version       VersionCommand       `cmd:"" help:"Print the version."`

	Runner    RunnerCommand    `cmd:"" hidden:"" help:"Run an attempt inside its container."`
	AgentDemo AgentDemoCommand `cmd:"" hidden:"" help:"Be the demo agent."`
	TestImage TestImageCommand `cmd:"" hidden:"" help:"Make the test image from this machine's own git and sh."`
}

const description = `Turns a mention on GitHub into finished work: takes the webhook, runs a coding agent in a container, answers with a comment and a pull request.

Exit codes: 0 ok, 1 failure, 2 configuration or usage, 3 state directory in use, 4 store corrupt or too new.`

// Main runs the command that args name and gives the exit code.
func Main(ctx context.Context, args []string, p *Program) int {
	exited := -1
	var commands Commands
	parser, err := kong.New(&commands,
		kong.Name("devs-webhook"),
		kong.Description(description),
		kong.Writers(p.Stdout, p.Stderr),
		kong.Exit(func(code int) { exited = code }),
		kong.ConfigureHelp(kong.HelpOptions{Compact: true}),
		kong.Bind(p),
		kong.BindTo(ctx, (*context.Context)(nil)),
	)
	if err != nil {
		fmt.Fprintln(p.Stderr, "devs-webhook:", err)
		return ExitFailure
	}
	parsed, err := parser.Parse(args)
	if exited >= 0 { // --help has printed
		return exited
	}
	if err != nil {
		fmt.Fprintf(p.Stderr, "devs-webhook: %v\nTry: devs-webhook --help\n", err)
		return ExitUsage
	}
	if err := parsed.Run(); err != nil {
		fmt.Fprintln(p.Stderr, "devs-webhook:", err)
		var exit *ExitError
		if errors.As(err, &exit) {
			return exit.Code
		}
		return ExitFailure
	}
	return ExitOK
}
