//go:build unix

package process

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"go.uber.org/goleak"

	"devs-webhook/internal/runtime/runtimetest"
)

// The test binary plays the service for tests that kill it, told so by these variables.
const (
	playDir   = "PROCESS_TEST_DIR"
	playInput = "PROCESS_TEST_INPUT"
	standin   = "PROCESS_TEST_STANDIN" // path of the stand-in for the runner
)

func TestMain(m *testing.M) {
	if os.Getenv(playDir) != "" {
		play()
		return
	}
	path, err := runtimetest.Standin()
	if err != nil {
		fmt.Fprintln(os.Stderr, "build stand-in:", err)
		os.Exit(1)
	}
	_ = os.Setenv(standin, path)
	goleak.VerifyTestMain(m, goleak.Cleanup(func(code int) {
		_ = os.RemoveAll(filepath.Dir(path))
		os.Exit(code)
	}))
}
