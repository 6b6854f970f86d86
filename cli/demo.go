package cli

import "context"

// DemoFlags steer the demo.
type DemoFlags struct {
	Keep    bool   `help:"Stay up afterwards, with the addresses printed, until interrupted."`
	Runtime string `help:"docker or process. Default: docker if an engine answers." enum:"docker,process,auto" default:"auto"`
}

// DemoCommand shows the main job at work.
type DemoCommand struct {
	DemoFlags `embed:""`
}

// Run shows it.
func (c *DemoCommand) Run(ctx context.Context, p *Program) error { return p.Demo(ctx, c.DemoFlags) }
