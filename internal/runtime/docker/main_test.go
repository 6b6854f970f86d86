package docker

import (
	"context"
	"crypto/rand"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/moby/moby/client"
	"go.uber.org/goleak"

	"devs-webhook/internal/runtime/hostimage"
	"devs-webhook/internal/runtime/runtimetest"
	"devs-webhook/messages"
)

const image = "devs-webhook-test:latest"

// The test binary plays the service for tests that kill it, told so by these variables.
const (
	playInstance = "DOCKER_TEST_INSTANCE"
	playInput    = "DOCKER_TEST_INPUT"
	standin      = "DOCKER_TEST_STANDIN" // path of the stand-in for the runner
)

func TestMain(m *testing.M) {
	if os.Getenv(playInstance) != "" {
		play()
		return
	}
	path, err := runtimetest.Standin()
	if err != nil {
		fmt.Fprintln(os.Stderr, "build stand-in:", err)
		os.Exit(1)
	}
	_ = os.Setenv(standin, path)
	_ = flag.Set("test.parallel", "6") // they wait for the engine, not for a processor
	goleak.VerifyTestMain(m, goleak.Cleanup(func(code int) {
		dropStandin(path)
		_ = os.RemoveAll(filepath.Dir(path))
		os.Exit(code)
	}))
}

// dropStandin removes the volume of the stand-in, unless other tests use it now.
func dropStandin(path string) {
	r, err := New(Options{Instance: "x", Image: image, RunnerPath: path})
	if err != nil {
		return
	}
	defer func() { _ = r.Close() }()
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	if b, err := r.readRunner(); err == nil {
		_ = r.removeVolume(ctx, b.volume())
	}
}

// world is a real engine with an installation of the test's own on it.
type world struct {
	t        *testing.T
	instance string
	api      *client.Client
}

// newWorld connects to a real engine, or skips the test. At the end it checks that nothing of the
// installation is left but its networks, and takes them away.
func newWorld(t *testing.T) *world {
	t.Helper()
	api, err := client.New(client.FromEnv)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = api.Close() })
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
	defer cancel()
	if _, err := api.Ping(ctx, client.PingOptions{}); err != nil {
		if os.Getenv("REQUIRE_DOCKER") == "1" {
			t.Fatal("no Docker engine answers: ", err)
		}
		t.Skip("no Docker engine answers (REQUIRE_DOCKER=1 makes this a failure): ", err)
	}
	if _, err := hostimage.Ensure(t.Context(), "", image); err != nil {
		t.Fatal(err)
	}
	w := &world{t: t, instance: "t" + strings.ToLower(rand.Text()[:10]), api: api}
	t.Cleanup(w.checkEmpty)
	return w
}

func (w *world) options() Options {
	return Options{
		Instance: w.instance, Image: image, RunnerPath: os.Getenv(standin), StopGrace: runtimetest.Grace,
		Memory: 512 << 20, CPUs: 1, WatchEvery: time.Second,
	}
}

func (w *world) open(change func(*Options)) *Runtime {
	w.t.Helper()
	options := w.options()
	if change != nil {
		change(&options)
	}
	r, err := New(options)
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(func() { _ = r.Close() })
	return r
}

func (w *world) ours() client.Filters {
	return make(client.Filters).Add("label", labelInstance+"="+w.instance)
}

// left lists what the installation has on the engine.
func (w *world) left(ctx context.Context) (containers, volumes, networks []string) {
	w.t.Helper()
	cs, err := w.api.ContainerList(ctx, client.ContainerListOptions{All: true, Filters: w.ours()})
	vs, verr := w.api.VolumeList(ctx, client.VolumeListOptions{Filters: w.ours()})
	ns, nerr := w.api.NetworkList(ctx, client.NetworkListOptions{Filters: w.ours()})
	if err := errors.Join(err, verr, nerr); err != nil {
		w.t.Fatal(err)
	}
	for _, c := range cs.Items {
		containers = append(containers, c.ID)
	}
	for _, v := range vs.Items {
		volumes = append(volumes, v.Name)
	}
	for _, n := range ns.Items {
		networks = append(networks, n.ID)
	}
	return containers, volumes, networks
}

func (w *world) checkEmpty() {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	containers, volumes, networks := w.left(ctx)
	if len(containers)+len(volumes) > 0 {
		w.t.Errorf("left on the engine: containers %q, volumes %q", containers, volumes)
	}
	r := w.open(nil)
	removed, err := r.Sweep(ctx, func(messages.AttemptRef) bool { return false })
	if err != nil || removed < len(networks) {
		w.t.Errorf("sweep removed %d of %d, %v", removed, len(containers)+len(volumes)+len(networks), err)
	}
	if c, v, n := w.left(ctx); len(c)+len(v)+len(n) > 0 {
		w.t.Errorf("left after sweep: containers %q, volumes %q, networks %q", c, v, n)
	}
	_ = r.Close()
}
