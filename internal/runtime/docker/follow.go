package docker

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/moby/moby/api/pkg/stdcopy"
	"github.com/moby/moby/client"

	"devs-webhook/internal/runtime"
	"devs-webhook/messages"
)

const (
	minReattach = 50 * time.Millisecond
	maxReattach = 5 * time.Second
	// healthyStream is how long a stream must have lasted for the next pause to be a short one again.
	healthyStream = 10 * time.Second
	// streamGrace is how long a stream may go on after its container has ended.
	streamGrace = 2 * time.Second
	// maxFailures bounds the tries to read the log of a container that has exited. What is missing is in
	// the events file, which is the record.
	maxFailures = 5
	// lastLines are read once more at the end, as an engine may close a stream early.
	lastLines = "2000"
)

// Follow passes on the events numbered above after, in order and without repeats, until the container
// has exited (nil) or ctx is done. It attaches again when the stream or the engine breaks off. Each time
// it reads the log from its start and drops by number what it has seen: times would have to be the
// agent's, who could forge them, and the log is bounded. messages.ErrNotFound if the container is gone.
func (r *Runtime) Follow(ctx context.Context, slot string, after int64, emit func(messages.AgentEvent)) error {
	f := follower{Runtime: r, slot: slot, id: r.name(slot), events: runtime.NewEvents(after, emit)}
	pause := minReattach
	for {
		began := time.Now()
		ended, err := f.step(ctx)
		if ended || err != nil {
			return err
		}
		if time.Since(began) > healthyStream {
			pause = minReattach
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(pause):
		}
		pause = min(2*pause, maxReattach)
	}
}

// follower is one call of Follow.
type follower struct {
	*Runtime
	slot     string
	id       string // the name, until the container's id is known
	events   *runtime.Events
	streamed bool // the log was read from its start at least once
	failures int  // of reading the log of the exited container
}

// step looks at the container and reads its log once. It says that it ended, or that another step is
// needed, or why there can be none.
func (f *follower) step(ctx context.Context) (ended bool, err error) {
	got, err := f.inspect(ctx, f.id)
	if later, ok := errors.AsType[*messages.LaterError](err); ok {
		f.opts.Log.Warn().Err(later).Str("slot", f.slot).Int64("seq", f.events.Last()).Msg("engine did not answer, following goes on")
		return false, nil
	}
	if err != nil {
		return false, err
	}
	f.id = got.ID // one of the same name that comes later is another
	switch foundState(got.State) {
	case messages.FoundCreated:
		return false, fmt.Errorf("follow %s: it was not started", f.slot)
	case messages.FoundExited:
		options := client.ContainerLogsOptions{ShowStdout: true}
		if f.streamed {
			options.Tail = lastLines
		}
		err := f.read(ctx, options)
		if err != nil {
			f.failures++
		}
		return err == nil || f.failures >= maxFailures, f.tolerate(ctx, err)
	}
	err = f.stream(ctx)
	return false, f.tolerate(ctx, err)
}

// stream follows the log of a running container, and does not wait for ever for the end of a stream that
// the engine forgot to close.
func (f *follower) stream(ctx context.Context) error {
	stream, cancel := context.WithCancel(ctx)
	watched := make(chan struct{})
	go func() {
		defer close(watched)
		f.watch(stream, cancel)
	}()
	err := f.read(stream, client.ContainerLogsOptions{ShowStdout: true, Follow: true})
	if err == nil {
		f.streamed = true
	}
	cancel()
	<-watched
	return err
}

// watch cancels once the container does not run any more.
func (f *follower) watch(ctx context.Context, cancel context.CancelFunc) {
	tick := time.NewTicker(f.opts.WatchEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		got, err := f.inspect(ctx, f.id)
		if (err != nil && !errors.Is(err, messages.ErrNotFound)) || (err == nil && foundState(got.State) == messages.FoundRunning) {
			continue
		}
		select {
		case <-ctx.Done():
		case <-time.After(streamGrace):
			f.opts.Log.Warn().Str("slot", f.slot).Msg("log stream outlived its container")
			cancel()
		}
		return
	}
}

func (f *follower) read(ctx context.Context, options client.ContainerLogsOptions) error {
	f.events.Restart()
	// The time limit is for the answer to begin; what follows may take as long as the agent.
	read, cancel := context.WithCancel(ctx)
	defer cancel()
	limit := time.AfterFunc(f.opts.CallTimeout, cancel)
	logs, err := f.api.ContainerLogs(read, f.id, options)
	if err != nil {
		return err
	}
	if options.Follow {
		limit.Stop()
	} else {
		limit.Reset(f.opts.CopyTimeout)
	}
	defer limit.Stop()
	defer func() { _ = logs.Close() }()
	_, err = stdcopy.StdCopy(f.events, io.Discard, logs)
	return err
}

// tolerate lets another step mend a broken stream. Only the caller's own end of it is final.
func (f *follower) tolerate(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if err != nil {
		f.opts.Log.Info().Err(err).Str("slot", f.slot).Int64("seq", f.events.Last()).Msg("log stream broke off")
	}
	return nil
}
