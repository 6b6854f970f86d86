package docker

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	cerrdefs "github.com/containerd/errdefs"
	"github.com/moby/moby/client"
	"github.com/rs/zerolog"

	"devs-webhook/internal/runtime"
	"devs-webhook/messages"
)

// Options says how attempts run. Instance, Image and RunnerPath are required.
type Options struct {
	// Host is the engine's address, such as unix:///var/run/docker.sock. Empty means DOCKER_HOST and its
	// companions in the environment, or else the default socket.
	Host       string
	Instance   string   // of this installation: part of every name and label
	Slots      []string // the configured ones; Sweep leaves their networks alone
	Image      string
	RunnerPath string // the static binary on this machine that runs inside as `runner`

	Memory  int64   // bytes per container, swap included; 0 means MemoryPerSlot of the engine's machine
	CPUs    float64 // 0 means no limit
	PIDs    int64   // 0 means 512
	TmpSize int64   // bytes of /tmp; 0 means the lesser of 1 GiB and half the memory
	// Egress is where a container may go beyond its network's gateway address: EgressNone or EgressOpen.
	// Empty means EgressNone.
	Egress string
	// OCIRuntime names another OCI runtime of the engine, such as runsc. Empty means the engine's own.
	OCIRuntime string

	Output      runtime.OutputLimits
	CallTimeout time.Duration // of a call that moves no files; 0 means 30 s
	CopyTimeout time.Duration // of a call that does; 0 means 10 min
	StopGrace   time.Duration // between SIGTERM and SIGKILL, whole seconds; 0 means 15 s
	WatchEvery  time.Duration // how often Follow asks whether the container still runs; 0 means 15 s
	Log         zerolog.Logger
}

// What Options.Egress may be.
const (
	EgressNone = "none" // an internal network, whose default route leads nowhere
	EgressOpen = "open" // a normal one: wherever the engine's machine can go
)

// internal says whether the slots' networks lead nowhere.
func (o *Options) internal() bool { return o.Egress != EgressOpen }

func (o *Options) defaults() {
	for _, d := range []struct {
		field *time.Duration
		value time.Duration
	}{
		{&o.CallTimeout, 30 * time.Second},
		{&o.CopyTimeout, 10 * time.Minute},
		{&o.StopGrace, 15 * time.Second},
		{&o.WatchEvery, 15 * time.Second},
	} {
		if *d.field == 0 {
			*d.field = d.value
		}
	}
	if o.PIDs == 0 {
		o.PIDs = 512
	}
}

// Runtime runs attempts on one engine. Its methods may be called concurrently, for one slot by one
// caller at a time.
type Runtime struct {
	opts Options
	api  *client.Client

	// mu guards the fields below, and lets one Create at a time make networks and fill the runner's
	// volume: the engine of old accepts two networks of one name.
	mu     sync.Mutex
	limits *limits // nil until the engine was asked
	runner *binary // nil until the file was read

	gateways gateways
}

// New makes a runtime. It does not speak to the engine yet.
func New(opts Options) (*Runtime, error) {
	if opts.Instance == "" || opts.Image == "" || opts.RunnerPath == "" {
		return nil, errors.New("docker runtime: instance, image and runner path are required")
	}
	if err := runtime.CheckSlot(opts.Instance); err != nil {
		return nil, fmt.Errorf("docker runtime: instance: %w", err)
	}
	if !slices.Contains([]string{"", EgressNone, EgressOpen}, opts.Egress) {
		return nil, fmt.Errorf("docker runtime: egress is %q, which is neither %s nor %s", opts.Egress, EgressNone, EgressOpen)
	}
	opts.defaults()
	config := []client.Opt{client.FromEnv}
	if opts.Host != "" {
		config = append(config, client.WithHost(opts.Host))
	}
	api, err := client.New(config...)
	if err != nil {
		return nil, fmt.Errorf("docker runtime: %w", err)
	}
	return &Runtime{opts: opts, api: api}, nil
}

// Close lets go of the connections to the engine. Containers stay as they are.
func (r *Runtime) Close() error { return r.api.Close() }

// Name is docker.
func (r *Runtime) Name() string { return "docker" }

// Check says whether an attempt could run now: the engine answers, runs Linux containers and has the
// image. The error is a sentence that says what to do: *messages.LaterError if the engine does not
// answer, *messages.RefusedError if the image is missing.
func (r *Runtime) Check(ctx context.Context) error {
	call, cancel := r.call(ctx)
	defer cancel()
	pong, err := r.api.Ping(call, client.PingOptions{NegotiateAPIVersion: true})
	if err != nil {
		return r.fail(ctx, fmt.Sprintf("ask the Docker engine at %s, which should run and be open to this user (DOCKER_HOST names another)",
			r.api.DaemonHost()), err)
	}
	if pong.OSType != "" && pong.OSType != "linux" {
		return fmt.Errorf("the Docker engine at %s runs %s containers: switch it to Linux containers", r.api.DaemonHost(), pong.OSType)
	}
	return r.checkImage(ctx)
}

func (r *Runtime) checkImage(ctx context.Context) error {
	call, cancel := r.call(ctx)
	defer cancel()
	_, err := r.api.ImageInspect(call, r.opts.Image)
	if cerrdefs.IsNotFound(err) {
		return &messages.RefusedError{
			Ending: messages.EndImageMissing,
			Why: fmt.Sprintf("the Docker engine has no image %q: pull it there, build it from deploy/agent/Dockerfile, or configure another",
				r.opts.Image),
			Err: err,
		}
	}
	return r.fail(ctx, "inspect image", err)
}

// call bounds one call to the engine.
func (r *Runtime) call(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeout(ctx, r.opts.CallTimeout)
}

// fail says what went wrong and whose fault it is. What the engine did not refuse with a status of its
// own is its trouble or the line's, and passes: *messages.LaterError.
func (r *Runtime) fail(ctx context.Context, doing string, err error) error {
	switch {
	case err == nil:
		return nil
	case ctx.Err() != nil:
		return fmt.Errorf("%s: %w", doing, ctx.Err())
	case refused(err):
		return fmt.Errorf("%s: %w", doing, err)
	}
	return &messages.LaterError{Ending: messages.EndInternal, Err: fmt.Errorf("%s: %w", doing, err)}
}

func refused(err error) bool {
	return cerrdefs.IsNotFound(err) || cerrdefs.IsConflict(err) || cerrdefs.IsInvalidArgument(err) ||
		cerrdefs.IsPermissionDenied(err) || cerrdefs.IsUnauthorized(err) || cerrdefs.IsNotImplemented(err)
}
