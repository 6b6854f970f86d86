package cli

import "context"

// ServeFlags go before the environment.
type ServeFlags struct {
	Source  string `help:"Where deliveries come from: webhook. Default: TASK_SOURCE." placeholder:"SOURCE"`
	Host    string `help:"Address to listen on. Default: WEBHOOK_HOST." placeholder:"ADDRESS"`
	Port    *int   `help:"Port to listen on; 0 takes a free one. Default: WEBHOOK_PORT." placeholder:"PORT"`
	EnvFile string `help:"File of NAME=value lines; the environment goes before it." type:"existingfile" placeholder:"FILE"`
	Dev     bool   `help:"Dev mode: listens on loopback, allows the process runtime, opens the admin routes and test events."`
}

// ServeCommand runs the service until it is told to stop.
type ServeCommand struct {
	ServeFlags `embed:""`
}

// Run serves.
func (c *ServeCommand) Run(ctx context.Context, p *Program) error { return p.Serve(ctx, c.ServeFlags) }
