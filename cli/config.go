package cli

import "context"

// ConfigFlags steer the configuration check.
type ConfigFlags struct {
	EnvFile string `help:"File of NAME=value lines; the environment goes before it." type:"existingfile" placeholder:"FILE"`
	Dev     bool   `help:"Check it for dev mode."`
}

// ConfigCommand checks the configuration.
type ConfigCommand struct {
	ConfigFlags `embed:""`
}

// Run prints the configuration, or all its faults.
func (c *ConfigCommand) Run(ctx context.Context, p *Program) error {
	return p.Config(ctx, c.ConfigFlags)
}
