package cli

import "context"

// StateFlag names the state directory of a service on this machine.
type StateFlag struct {
	StateDir string `help:"State directory of the service. Default: STATE_DIR, STATE_DIRECTORY or ~/.devs-webhook." env:"STATE_DIR" type:"path" placeholder:"DIR"`
}

// WhyCommand reads the store, whether or not a service runs on it.
type WhyCommand struct {
	StateFlag
	Delivery string `arg:"" help:"Id of the delivery: X-GitHub-Delivery, as GitHub's page of recent deliveries shows it."`
	JSON     bool   `help:"Print JSON."`
}

// Run prints what became of the delivery.
func (c *WhyCommand) Run(ctx context.Context, p *Program) error {
	return p.Why(ctx, c.StateDir, c.Delivery, c.JSON)
}
