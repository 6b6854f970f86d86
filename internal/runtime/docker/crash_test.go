package docker

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	cerrdefs "github.com/containerd/errdefs"
	"github.com/moby/moby/client"

	"devs-webhook/internal/runtime/runtimetest"
	"devs-webhook/internal/runtime/runtimetest/script"
	"devs-webhook/messages"
)

// play is the service that is killed: it creates and starts, says so on stdout, and hangs.
func play() {
	fail := func(err error) {
		if err != nil {
			fmt.Println("error:", err)
			os.Exit(1)
		}
	}
	r, err := New(Options{Instance: os.Getenv(playInstance), Image: image, RunnerPath: os.Getenv(standin), Memory: 256 << 20})
	fail(err)
	fmt.Println("began")
	fail(r.Create(context.Background(), messages.Launch{Slot: "a", Attempt: runtimetest.Ref(1), InputDir: os.Getenv(playInput)}))
	fail(r.Start(context.Background(), "a"))
	select {}
}

// killService starts the test binary as a service and kills it after a delay.
func killService(t *testing.T, w *world, input, runner string, delay time.Duration) {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), playInstance+"="+w.instance, playInput+"="+input, standin+"="+runner)
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	if lines := bufio.NewScanner(out); !lines.Scan() || lines.Text() != "began" {
		t.Error("the service did not begin: ", lines.Text())
	}
	<-time.After(delay) // the moment of the kill, not a wait for something
	_ = cmd.Process.Kill()
	_ = cmd.Wait()
}

// TestKilledAtAnyMoment kills the service at many moments of creating and starting, among them those of
// filling the runner's volume, which is a new one each time. Whatever is found then, going on by it runs
// the attempt exactly once.
func TestKilledAtAnyMoment(t *testing.T) {
	for i := range 8 {
		t.Run(strconv.Itoa(i), func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			runner := ownRunner(t, w)
			input := t.TempDir()
			runtimetest.WriteInput(t, input, runtimetest.Ref(1), script.Script{Count: true})
			killService(t, w, input, runner, time.Duration(i)*40*time.Millisecond)
			r := w.open(func(o *Options) { o.RunnerPath = runner })
			t.Cleanup(func() { dropRunner(t, w, r) })
			goOn(t, r, messages.Launch{Slot: "a", Attempt: runtimetest.Ref(1), InputDir: input})
		})
	}
}

// goOn is what a container actor does after a kill. What the killed one had asked for last may still be
// on its way, so a name may be taken that was free a moment ago.
func goOn(t *testing.T, r *Runtime, l messages.Launch) {
	t.Helper()
	ctx := t.Context()
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	found, err := r.Find(ctx, l.Slot)
	must(err)
	t.Log("found: ", found.State)
	if found.State == messages.FoundCreated || found.State == messages.FoundNothing {
		must(r.Remove(ctx, l.Slot))
		if err := r.Create(ctx, l); err != nil {
			must(r.Remove(ctx, l.Slot))
			must(r.Create(ctx, l))
		}
		must(r.Start(ctx, l.Slot))
	}
	must(r.Follow(ctx, l.Slot, 0, func(messages.AgentEvent) {}))
	out := t.TempDir()
	exit, err := r.Collect(ctx, l.Slot, out)
	must(err)
	text, err := os.ReadFile(filepath.Join(out, "agent.log"))
	if err != nil || string(text) != "ran\n" || exit.Code != 0 || exit.Lost {
		t.Errorf("agent.log is %q (%v), exit %+v", text, err, exit)
	}
	must(r.Remove(ctx, l.Slot))
}

// ownRunner is the stand-in with a tail of its own, so that its volume is one that nobody has filled.
func ownRunner(t *testing.T, w *world) string {
	t.Helper()
	text, err := os.ReadFile(os.Getenv(standin))
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "devs-webhook")
	if err := os.WriteFile(path, append(text, w.instance...), 0o755); err != nil {
		t.Fatal(err)
	}
	return path
}

// dropRunner removes the volume of a runner that was made for one test.
func dropRunner(t *testing.T, w *world, r *Runtime) {
	t.Helper()
	r.mu.Lock()
	b, err := r.readRunner()
	r.mu.Unlock()
	if err != nil {
		t.Error(err)
		return
	}
	if _, err := w.api.VolumeRemove(context.Background(), b.volume(), client.VolumeRemoveOptions{}); err != nil && !cerrdefs.IsNotFound(err) {
		t.Error(err)
	}
}

// line is a proxy to the engine that can be cut.
type line struct {
	host   string
	target string
	// cutUpload, if above 0, is after how many bytes of a connection that puts an archive into the
	// runner's volume that connection breaks.
	cutUpload atomic.Int64
	conns     chan net.Conn // those that follow a log
	cuts      atomic.Int32
}

func newLine(t *testing.T, api *client.Client) *line {
	t.Helper()
	dir, err := os.MkdirTemp("", "devs-line-") // t.TempDir's are too long for a socket
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	network, target, found := strings.Cut(api.DaemonHost(), "://")
	if !found || network != "unix" {
		t.Skip("the engine is not at a socket of this machine: ", api.DaemonHost())
	}
	l := &line{host: "unix://" + dir + "/s", target: target, conns: make(chan net.Conn, 100)}
	listener, err := net.Listen("unix", dir+"/s")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = listener.Close() })
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			go l.serve(conn)
		}
	}()
	return l
}

// serve passes bytes both ways, and looks into those on the way to the engine.
func (l *line) serve(conn net.Conn) {
	defer func() { _ = conn.Close() }()
	engine, err := net.Dial("unix", l.target)
	if err != nil {
		return
	}
	defer func() { _ = engine.Close() }()
	go func() {
		_, _ = io.Copy(conn, engine)
		_ = conn.Close()
	}()
	buf := make([]byte, 32<<10)
	var uploaded int64
	uploading := false
	for {
		n, err := conn.Read(buf)
		head := string(buf[:n])
		if strings.HasPrefix(head, "PUT ") && strings.Contains(head, "devs%2Fbin") {
			uploading, uploaded = true, 0
		}
		if strings.HasPrefix(head, "GET ") && strings.Contains(head, "follow=1") {
			l.conns <- conn
		}
		if uploaded += int64(n); uploading && l.cutUpload.Load() > 0 && uploaded > l.cutUpload.Load() {
			l.cuts.Add(1)
			return
		}
		if _, werr := engine.Write(buf[:n]); werr != nil || err != nil {
			return
		}
	}
}

// TestHalfFilledRunnerVolume breaks the line amid the filling. The volume is not taken for full: the next
// one fills it.
func TestHalfFilledRunnerVolume(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	runner := ownRunner(t, w)
	l := newLine(t, w.api)
	r := w.open(func(o *Options) { o.RunnerPath, o.Host = runner, l.host })
	t.Cleanup(func() { dropRunner(t, w, r) })
	for _, after := range []int64{40 << 10, 1 << 20, 2 << 20} {
		l.cutUpload.Store(after)
		err := r.Create(t.Context(), runtimetest.Launch(t, "a", runtimetest.Ref(1), script.Script{}))
		if err == nil {
			t.Fatal("the runner's volume was filled over a broken line")
		}
		found, err := r.Find(t.Context(), "a")
		if err != nil || found.State != messages.FoundNothing {
			t.Fatalf("found %+v, %v; want the half-made container gone", found, err)
		}
	}
	if l.cuts.Load() != 3 {
		t.Fatalf("the line was cut %d times, want 3", l.cuts.Load())
	}
	l.cutUpload.Store(0)
	exit, _ := run(t, r, "a", script.Script{Exit: 5})
	if exit.Code != 5 {
		t.Errorf("exit is %+v, want the whole runner's", exit)
	}
	if err := r.Remove(t.Context(), "a"); err != nil {
		t.Error(err)
	}
}

// TestRunnerThatChanged: another binary under the same path is not put into the volume of the first.
func TestRunnerThatChanged(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	runner := ownRunner(t, w)
	r := w.open(func(o *Options) { o.RunnerPath = runner })
	t.Cleanup(func() { dropRunner(t, w, r) })
	r.mu.Lock()
	b, err := r.readRunner()
	r.mu.Unlock()
	if err != nil {
		t.Fatal(err)
	}
	f, err := os.OpenFile(b.path, os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.WriteAt([]byte("?"), 1000); err != nil {
		t.Fatal(err)
	}
	_ = f.Close()
	for range 2 {
		err := r.Create(t.Context(), runtimetest.Launch(t, "a", runtimetest.Ref(1), script.Script{}))
		if err == nil || !strings.Contains(err.Error(), "has changed") {
			t.Errorf("create: %v", err)
		}
	}
}

// TestTwoInstallationsFillAtOnce: both come to run, over one volume.
func TestTwoInstallationsFillAtOnce(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	runner := ownRunner(t, w)
	errs := make(chan error, 3)
	for range cap(errs) {
		other := newWorld(t)
		r := other.open(func(o *Options) { o.RunnerPath = runner })
		t.Cleanup(func() { dropRunner(t, w, r) })
		go func() {
			err := r.Create(t.Context(), runtimetest.Launch(t, "a", runtimetest.Ref(1), script.Script{}))
			if err == nil {
				err = r.Start(t.Context(), "a")
			}
			if err == nil {
				err = r.Remove(t.Context(), "a")
			}
			errs <- err
		}()
	}
	for range cap(errs) {
		if err := <-errs; err != nil {
			t.Error(err)
		}
	}
}

// TestFollowOverBrokenLine breaks the stream again and again, as a restart of the engine does; the view
// has no gap and no repeat.
func TestFollowOverBrokenLine(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	l := newLine(t, w.api)
	r := w.open(func(o *Options) { o.Host = l.host })
	const total = 100
	if err := r.Create(t.Context(), runtimetest.Launch(t, "a", runtimetest.Ref(1), script.Script{Events: total, Pace: 15 * time.Millisecond})); err != nil {
		t.Fatal(err)
	}
	if err := r.Start(t.Context(), "a"); err != nil {
		t.Fatal(err)
	}
	next, cuts := int64(1), 0
	err := r.Follow(t.Context(), "a", 0, func(e messages.AgentEvent) {
		if e.Seq != next {
			t.Errorf("event %d, want %d", e.Seq, next)
		}
		next = e.Seq + 1
		if e.Seq%30 == 0 {
			select {
			case conn := <-l.conns:
				_ = conn.Close()
				cuts++
			default:
			}
		}
	})
	if err != nil || next != total+1 {
		t.Errorf("followed to %d, %v", next-1, err)
	}
	if cuts < 2 {
		t.Errorf("the line was cut %d times only", cuts)
	}
	if err := r.Remove(t.Context(), "a"); err != nil {
		t.Error(err)
	}
}
