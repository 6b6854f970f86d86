package cli

import (
	"context"
	"fmt"
)

// RunnerCommand is the container's main process.
type RunnerCommand struct {
	Dir string `help:"Directory of the attempt." required:"" type:"path"`
}

// Run runs the attempt.
func (c *RunnerCommand) Run(ctx context.Context, p *Program) error { return p.Runner(ctx, c.Dir) }

// AgentDemoCommand is the agent of the demo.
type AgentDemoCommand struct{}

// Run is the agent.
func (c *AgentDemoCommand) Run(ctx context.Context, p *Program) error { return p.AgentDemo(ctx) }

// TestImageCommand makes an image without a registry.
type TestImageCommand struct {
	Tag  string   `help:"Name of the image." default:"devs-webhook-test:latest"`
	With []string `help:"Further programs of this machine that come into it." type:"existingfile" placeholder:"FILE"`
}

// Run makes it.
func (c *TestImageCommand) Run(ctx context.Context, p *Program) error {
	return p.TestImage(ctx, c.Tag, c.With)
}

// VersionCommand prints the version.
type VersionCommand struct{}

// Run prints it.
func (c *VersionCommand) Run(p *Program) error {
	_, err := fmt.Fprintln(p.Stdout, "devs-webhook", p.Version)
	return err
}
