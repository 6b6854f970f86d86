// Command devs-webhook turns a mention on GitHub into finished work. Package main is the only room with all
// the keys: it builds the adapters and hands them to the tree (serve.go), and to the commands (this file).
package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"

	"devs-webhook/cli"
	"devs-webhook/config"
	"devs-webhook/internal/agent/demo"
)

// version is set by the linker.
var version = "dev"

func main() {
	os.Exit(run(os.Args[1:]))
}

// run runs the command until it ends or is interrupted. A second interrupt ends the process at once:
// correctness never depends on an orderly stop.
func run(args []string) int {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	context.AfterFunc(ctx, stop) // from the first signal on, a second one has its default effect
	return cli.Main(ctx, args, &cli.Program{
		Version:   version,
		Stdout:    os.Stdout,
		Stderr:    os.Stderr,
		Serve:     serve,
		Demo:      runDemo,
		Why:       why,
		Config:    showConfig,
		Admin:     newAdminClient,
		Runner:    runAttempt,
		AgentDemo: demo.Main,
		TestImage: makeTestImage,
	})
}

// environ looks up the environment.
func environ() func(string) string { return config.Environ(os.Environ()) }
