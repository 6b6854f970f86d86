package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"go.uber.org/goleak"
)

// binary is the static program: what runs inside containers, and the service where it is killed as it is.
var binary string

// TestMain is also the service that kills itself: see arrows_test.go.
func TestMain(m *testing.M) {
	if os.Getenv(killAtVariable) != "" {
		os.Exit(serveUntilKilled())
	}
	cleanup, err := buildBinary()
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	code := m.Run()
	cleanup()
	if code == 0 {
		if err := goleak.Find(); err != nil {
			fmt.Fprintln(os.Stderr, err)
			code = 1
		}
	}
	os.Exit(code)
}

// buildBinary takes the binary that make test has built, or builds one.
func buildBinary() (cleanup func(), err error) {
	if binary = os.Getenv("DEVS_WEBHOOK_BIN"); binary != "" {
		return func() {}, nil
	}
	dir, err := os.MkdirTemp("", "devs-webhook-test-")
	if err != nil {
		return nil, err
	}
	binary = filepath.Join(dir, "devs-webhook")
	build := exec.Command("go", "build", "-o", binary, ".")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		return nil, fmt.Errorf("build the binary: %w\n%s", err, out)
	}
	return func() { os.RemoveAll(dir) }, nil
}
