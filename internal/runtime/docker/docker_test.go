package docker

import (
	"context"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/moby/moby/api/types/container"
	"github.com/moby/moby/api/types/system"
	"github.com/moby/moby/client"

	"devs-webhook/internal/runtime/runtimetest"
	"devs-webhook/internal/runtime/runtimetest/script"
	"devs-webhook/messages"
)

func TestSuite(t *testing.T) {
	runtimetest.Run(t, func(t *testing.T) runtimetest.Harness {
		w := newWorld(t)
		return runtimetest.Harness{
			Open: func(*testing.T) runtimetest.Runtime { return w.open(nil) },
			Vanish: func(t *testing.T, slot string) {
				_, err := w.api.ContainerRemove(t.Context(), "devs-"+w.instance+"-"+slot, client.ContainerRemoveOptions{Force: true})
				if err != nil {
					t.Fatal(err)
				}
			},
		}
	})
}

// run runs an attempt to its end and collects it.
func run(t *testing.T, r *Runtime, slot string, s script.Script) (messages.Exit, string) {
	t.Helper()
	ctx := t.Context()
	if err := r.Create(ctx, runtimetest.Launch(t, slot, runtimetest.Ref(1), s)); err != nil {
		t.Fatal(err)
	}
	if err := r.Start(ctx, slot); err != nil {
		t.Fatal(err)
	}
	if err := r.Follow(ctx, slot, 0, func(messages.AgentEvent) {}); err != nil {
		t.Fatal(err)
	}
	out := t.TempDir()
	exit, err := r.Collect(ctx, slot, out)
	if err != nil {
		t.Fatal(err)
	}
	return exit, out
}

func readFacts(t *testing.T, dir string) script.Facts {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(dir, "agent.log"))
	if err != nil {
		t.Fatal(err)
	}
	var facts script.Facts
	if err := json.Unmarshal(text, &facts); err != nil {
		t.Fatal(err)
	}
	return facts
}

// TestConfinement asks a process inside what it is and what it may.
func TestConfinement(t *testing.T) {
	w := newWorld(t)
	t.Setenv("SECRET_TOKEN", "s3cret")
	r := w.open(nil)
	_, out := run(t, r, "a", script.Script{Facts: true, Events: 1})
	f := readFacts(t, out)
	if f.UID != 1000 || f.GID != 1000 || f.PID != 1 {
		t.Errorf("uid %d, gid %d, pid %d", f.UID, f.GID, f.PID)
	}
	for _, line := range []string{
		"CapInh:\t0000000000000000", "CapPrm:\t0000000000000000", "CapEff:\t0000000000000000", "CapBnd:\t0000000000000000",
		"CapAmb:\t0000000000000000", "NoNewPrivs:\t1", "Seccomp:\t2",
	} {
		if !strings.Contains(f.Status, line+"\n") {
			t.Errorf("/proc/self/status has no %q", line)
		}
	}
	want := map[string]bool{
		"/": false, "/usr": false, "/etc": false, "/devs": false, "/devs/bin": false, "/tmp": true,
		"": true, "/in": true, "/out": true, "/workspace": true, "/home": true,
	}
	for dir, writable := range want {
		if f.Writable[dir] != writable {
			t.Errorf("writable %q is %v", dir, f.Writable[dir])
		}
	}
	if !strings.HasPrefix(f.RootMount, "ro,") {
		t.Errorf("the root is mounted %q, want it read-only", f.RootMount)
	}
	if !f.TmpExec || f.TmpSize != 256<<20 || f.CoreLimit != 0 {
		t.Errorf("/tmp: exec %v, %d bytes; core limit %d", f.TmpExec, f.TmpSize, f.CoreLimit)
	}
	if !slices.Equal(f.Interfaces, []string{"eth0"}) {
		t.Errorf("interfaces are %q, want the slot network's only", f.Interfaces)
	}
	if f.Input != "the thread" || f.Dir != "/devs/run" {
		t.Errorf("input is %q, working directory %q", f.Input, f.Dir)
	}
	checkContainerEnv(t, f.Env)
	checkContainer(t, w, r)
	if err := r.Remove(t.Context(), "a"); err != nil {
		t.Error(err)
	}
}

func checkContainerEnv(t *testing.T, env []string) {
	t.Helper()
	for _, entry := range env {
		name, value, _ := strings.Cut(entry, "=")
		if !slices.Contains([]string{"PATH", "HOSTNAME", "HOME", "LANG"}, name) {
			t.Errorf("the environment has %s", name)
		}
		if name == "HOME" && value != "/devs/run/home" {
			t.Errorf("HOME is %s", value)
		}
	}
}

// checkContainer asks the engine what it made.
func checkContainer(t *testing.T, w *world, r *Runtime) {
	t.Helper()
	got, err := w.api.ContainerInspect(t.Context(), r.name("a"), client.ContainerInspectOptions{})
	if err != nil {
		t.Fatal(err)
	}
	c := got.Container
	if len(c.NetworkSettings.Networks) != 1 {
		t.Errorf("networks are %v", c.NetworkSettings.Networks)
	}
	for _, endpoint := range c.NetworkSettings.Networks {
		network, err := w.api.NetworkInspect(t.Context(), endpoint.NetworkID, client.NetworkInspectOptions{})
		if err != nil || network.Network.Name != r.name("a") || network.Network.Labels[labelSlot] != "a" {
			t.Errorf("the network is %s, %v", network.Network.Name, err)
		}
	}
	h := c.HostConfig
	if h.Memory != 512<<20 || h.NanoCPUs != 1e9 || h.PidsLimit == nil || *h.PidsLimit != 512 || h.Privileged || h.AutoRemove ||
		len(h.Binds) > 0 || !h.RestartPolicy.IsNone() || !h.IpcMode.IsPrivate() || h.LogConfig.Type != "json-file" || h.LogConfig.Config["max-size"] != "10m" {
		t.Errorf("host configuration is %+v", h)
	}
	for label, want := range map[string]string{
		labelInstance: w.instance, labelSlot: "a", labelRepository: "octo/hello", labelTask: "abcdefghijkl", labelAttempt: "1",
	} {
		if c.Config.Labels[label] != want {
			t.Errorf("label %s is %q, want %q", label, c.Config.Labels[label], want)
		}
	}
	if created, err := time.Parse(time.RFC3339, c.Config.Labels[labelCreated]); err != nil || time.Since(created) > time.Hour {
		t.Errorf("label %s is %q", labelCreated, c.Config.Labels[labelCreated])
	}
	for _, m := range c.Mounts {
		if m.Destination == binPath && m.RW {
			t.Error("the runner's volume can be written")
		}
	}
}

func TestOutOfMemory(t *testing.T) {
	t.Parallel()
	r := newWorld(t).open(func(o *Options) { o.Memory = 64 << 20 })
	exit, _ := run(t, r, "a", script.Script{Memory: 1 << 30})
	if !exit.OutOfMemory || exit.Code != 137 || exit.Lost {
		t.Errorf("exit is %+v, want out of memory", exit)
	}
	if err := r.Remove(t.Context(), "a"); err != nil {
		t.Error(err)
	}
}

func TestMissingImage(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	r := w.open(func(o *Options) { o.Image = "devs-webhook-no-such:image" })
	for name, err := range map[string]error{
		"create": r.Create(t.Context(), runtimetest.Launch(t, "a", runtimetest.Ref(1), script.Script{})),
		"check":  r.Check(t.Context()),
	} {
		refused, ok := errors.AsType[*messages.RefusedError](err)
		if !ok || refused.Ending != messages.EndImageMissing || !strings.Contains(refused.Why, `"devs-webhook-no-such:image"`) {
			t.Errorf("%s: %v", name, err)
		}
	}
	found, err := r.Find(t.Context(), "a")
	if err != nil || found.State != messages.FoundNothing {
		t.Errorf("found %+v, %v", found, err)
	}
}

// TestBrokenRunner: what is no program ends with an exit code, as engines tell it only inside.
func TestBrokenRunner(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	broken := filepath.Join(t.TempDir(), "runner")
	if err := os.WriteFile(broken, []byte("\x7fELF, but not quite "+w.instance), 0o755); err != nil {
		t.Fatal(err)
	}
	r := w.open(func(o *Options) { o.RunnerPath = broken })
	t.Cleanup(func() { dropRunner(t, w, r) })
	ctx := t.Context()
	if err := r.Create(ctx, runtimetest.Launch(t, "a", runtimetest.Ref(1), script.Script{})); err != nil {
		t.Fatal(err)
	}
	err := r.Start(ctx, "a")
	if _, refused := errors.AsType[*messages.RefusedError](err); err != nil && !refused {
		t.Fatal(err)
	}
	if err == nil {
		if err := r.Follow(ctx, "a", 0, func(messages.AgentEvent) {}); err != nil {
			t.Fatal(err)
		}
		if exit, err := r.Collect(ctx, "a", t.TempDir()); err != nil || exit.Code == 0 {
			t.Errorf("exit is %+v, %v", exit, err)
		}
	}
	if err := r.Remove(ctx, "a"); err != nil {
		t.Error(err)
	}
}

func TestRefusedSettings(t *testing.T) {
	t.Parallel()
	r := newWorld(t).open(func(o *Options) { o.OCIRuntime = "no-such-runtime" })
	err := r.Create(t.Context(), runtimetest.Launch(t, "a", runtimetest.Ref(1), script.Script{}))
	if refused, ok := errors.AsType[*messages.RefusedError](err); !ok || refused.Ending != messages.EndSetupFailed {
		t.Errorf("create: %v, want it refused", err)
	}
}

func TestEngineAway(t *testing.T) {
	r, err := New(Options{
		Host: "unix://" + filepath.Join(t.TempDir(), "none.sock"), Instance: "i", Image: image, RunnerPath: os.Getenv(standin),
	})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = r.Close() }()
	ctx := t.Context()
	_, find := r.Find(ctx, "a")
	_, collect := r.Collect(ctx, "a", t.TempDir())
	_, sweep := r.Sweep(ctx, func(messages.AttemptRef) bool { return false })
	for name, err := range map[string]error{
		"check": r.Check(ctx), "find": find, "collect": collect, "sweep": sweep,
		"create": r.Create(ctx, runtimetest.Launch(t, "a", runtimetest.Ref(1), script.Script{})),
		"start":  r.Start(ctx, "a"), "stop": r.Stop(ctx, "a"), "remove": r.Remove(ctx, "a"),
	} {
		if _, ok := errors.AsType[*messages.LaterError](err); !ok {
			t.Errorf("%s: %v, want a LaterError", name, err)
		}
	}
}

// TestForeignContainer: one that merely has the name is reported and left alone.
func TestForeignContainer(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	r := w.open(nil)
	made, err := w.api.ContainerCreate(t.Context(), client.ContainerCreateOptions{
		Name: r.name("a"), Image: image, Config: &container.Config{Cmd: []string{"true"}},
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_, _ = w.api.ContainerRemove(context.Background(), made.ID, client.ContainerRemoveOptions{Force: true})
	})
	found, err := r.Find(t.Context(), "a")
	if want := (messages.Found{State: messages.FoundCreated}); err != nil || found != want {
		t.Errorf("found %+v, %v", found, err)
	}
	err = r.Create(t.Context(), runtimetest.Launch(t, "a", runtimetest.Ref(1), script.Script{}))
	if !errors.Is(err, messages.ErrNameTaken) {
		t.Errorf("create: %v", err)
	}
	if r.Remove(t.Context(), "a") == nil || r.Stop(t.Context(), "a") == nil {
		t.Error("a foreign container was stopped or removed")
	}
	if _, err := w.api.ContainerRemove(t.Context(), made.ID, client.ContainerRemoveOptions{}); err != nil {
		t.Error("a foreign container is gone: ", err)
	}
}

// TestSecondNetworkOfTheName: an older engine makes one for a late request of a killed service.
func TestSecondNetworkOfTheName(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	r := w.open(nil)
	for range 2 {
		_, err := w.api.NetworkCreate(t.Context(), r.name("a"), client.NetworkCreateOptions{Labels: r.slotLabels("a")})
		if err != nil {
			t.Skip("this engine keeps names apart: ", err)
		}
	}
	if err := r.Create(t.Context(), runtimetest.Launch(t, "a", runtimetest.Ref(1), script.Script{Hang: true})); err != nil {
		t.Fatal(err)
	}
	// And one more that comes too late to be seen.
	if _, err := w.api.NetworkCreate(t.Context(), r.name("a"), client.NetworkCreateOptions{Labels: r.slotLabels("a")}); err != nil {
		t.Fatal(err)
	}
	if err := r.Start(t.Context(), "a"); err != nil {
		t.Error(err)
	}
	if err := r.Remove(t.Context(), "a"); err != nil {
		t.Error(err)
	}
}

func TestSweepLeavesConfiguredNetworks(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	r := w.open(func(o *Options) { o.Slots = []string{"kept"} })
	for _, slot := range []string{"kept", "gone", "drained"} {
		if err := r.Create(t.Context(), runtimetest.Launch(t, slot, runtimetest.Ref(len(slot)), script.Script{})); err != nil {
			t.Fatal(err)
		}
	}
	for _, slot := range []string{"kept", "gone"} {
		if err := r.Remove(t.Context(), slot); err != nil {
			t.Fatal(err)
		}
	}
	removed, err := r.Sweep(t.Context(), func(ref messages.AttemptRef) bool { return ref.Number == len("drained") })
	if removed != 1 || err != nil {
		t.Errorf("removed %d, %v; want the network of the slot that is gone", removed, err)
	}
	if _, err := w.api.NetworkInspect(t.Context(), r.name("gone"), client.NetworkInspectOptions{}); err == nil {
		t.Error("the network of the slot that is gone is still there")
	}
	if err := r.Start(t.Context(), "drained"); err != nil {
		t.Error("the drained slot's network went: ", err)
	}
	if err := r.Remove(t.Context(), "drained"); err != nil {
		t.Error(err)
	}
}

func TestClamp(t *testing.T) {
	machine := system.Info{NCPU: 2, MemTotal: 8 << 30}
	for name, c := range map[string]struct {
		options Options
		want    limits
	}{
		"defaults":     {Options{Slots: []string{"a", "b"}}, limits{memory: (8 << 30) / 10 * 7 / 2, tmpSize: 1 << 30}},
		"too much":     {Options{Memory: 64 << 30, CPUs: 16}, limits{memory: 8 << 30, nanoCPUs: 2e9, tmpSize: 1 << 30}},
		"small":        {Options{Memory: 1 << 30, CPUs: 0.5, TmpSize: 7}, limits{memory: 1 << 30, nanoCPUs: 5e8, tmpSize: 7}},
		"half for tmp": {Options{Memory: 1 << 30}, limits{memory: 1 << 30, tmpSize: 1 << 29}},
	} {
		if got := c.options.clamp(machine); got != c.want {
			t.Errorf("%s: %+v, want %+v", name, got, c.want)
		}
	}
}
