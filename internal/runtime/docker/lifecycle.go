package docker

import (
	"context"
	"errors"
	"fmt"
	"time"

	cerrdefs "github.com/containerd/errdefs"
	"github.com/moby/moby/api/types/container"
	"github.com/moby/moby/client"

	"devs-webhook/messages"
)

// removePoll is how often it is asked whether what somebody else does to a container has ended.
const removePoll = 100 * time.Millisecond

// Find says what there is under the slot's name, and whose it is.
func (r *Runtime) Find(ctx context.Context, slot string) (messages.Found, error) {
	got, err := r.inspect(ctx, r.name(slot))
	if errors.Is(err, messages.ErrNotFound) {
		return messages.Found{State: messages.FoundNothing}, nil
	}
	if err != nil {
		return messages.Found{}, err
	}
	return messages.Found{State: foundState(got.State), Attempt: r.attemptOf(got.Config.Labels)}, nil
}

func foundState(state *container.State) messages.FoundState {
	switch state.Status {
	case container.StateCreated:
		return messages.FoundCreated
	case container.StateRunning, container.StatePaused, container.StateRestarting:
		return messages.FoundRunning
	}
	return messages.FoundExited // exited; also removing and dead, of which nothing more will come
}

// inspect asks for a container by its name or id. The answer has State and Config.
// messages.ErrNotFound if there is none.
func (r *Runtime) inspect(ctx context.Context, name string) (container.InspectResponse, error) {
	call, cancel := r.call(ctx)
	defer cancel()
	got, err := r.api.ContainerInspect(call, name, client.ContainerInspectOptions{})
	if cerrdefs.IsNotFound(err) {
		return container.InspectResponse{}, fmt.Errorf("inspect container %s: %w", name, messages.ErrNotFound)
	}
	if err != nil {
		return container.InspectResponse{}, r.fail(ctx, "inspect container", err)
	}
	if got.Container.State == nil || got.Container.Config == nil {
		return container.InspectResponse{}, fmt.Errorf("inspect container %s: the engine's answer has no state", name)
	}
	return got.Container, nil
}

// Start starts the slot's container, if it was never started; else it does nothing, as a container that
// has ended must not run a second time. messages.ErrNotFound if there is none;
// *messages.RefusedError if the engine cannot run it.
func (r *Runtime) Start(ctx context.Context, slot string) error {
	got, err := r.inspect(ctx, r.name(slot))
	if err != nil {
		return err
	}
	if foundState(got.State) != messages.FoundCreated {
		return nil
	}
	err = r.startContainer(ctx, got.ID)
	if refused(err) {
		// It may have been the network: taken away by somebody, or there twice.
		if err := r.mendNetwork(ctx, slot); err != nil {
			return err
		}
		err = r.startContainer(ctx, got.ID)
	}
	if cerrdefs.IsInvalidArgument(err) {
		return &messages.RefusedError{
			Ending: messages.EndSetupFailed,
			Why:    fmt.Sprintf("the Docker engine could not start a container of the image %q", r.opts.Image),
			Err:    err,
		}
	}
	return err
}

func (r *Runtime) startContainer(ctx context.Context, id string) error {
	call, cancel := r.call(ctx)
	defer cancel()
	_, err := r.api.ContainerStart(call, id, client.ContainerStartOptions{})
	return r.fail(ctx, "start container", err)
}

func (r *Runtime) mendNetwork(ctx context.Context, slot string) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	_, err := r.ensureNetwork(ctx, slot)
	return err
}

// Stop ends the slot's container: SIGTERM to the runner, a grace, SIGKILL. It returns when the container
// has ended, also if there was nothing to end.
func (r *Runtime) Stop(ctx context.Context, slot string) error {
	got, err := r.inspectOurs(ctx, slot)
	if err != nil {
		return ignoreNotFound(err)
	}
	call, cancel := context.WithTimeout(ctx, r.opts.StopGrace+r.opts.CallTimeout)
	defer cancel()
	grace := int(r.opts.StopGrace.Seconds())
	_, err = r.api.ContainerStop(call, got.ID, client.ContainerStopOptions{Timeout: &grace})
	if cerrdefs.IsNotFound(err) {
		return nil
	}
	return r.fail(ctx, "stop container", err)
}

// Remove takes away the slot's container, whatever it does, and the volumes of the slot's attempts. The
// slot's network stays for the next one. Nothing there is no error.
func (r *Runtime) Remove(ctx context.Context, slot string) error {
	limit, cancel := r.call(ctx)
	defer cancel()
	tick := time.NewTicker(removePoll)
	defer tick.Stop()
	for {
		err := r.removeOnce(ctx, slot)
		if !cerrdefs.IsConflict(err) {
			return err
		}
		select {
		case <-limit.Done():
			return err
		case <-tick.C:
		}
	}
}

// removeOnce fails with a conflict if a container uses a volume that was not to be seen yet: what a service
// that was killed had asked for last may be carried out after its successor has looked.
func (r *Runtime) removeOnce(ctx context.Context, slot string) error {
	got, err := r.inspectOurs(ctx, slot)
	if err == nil {
		err = r.removeContainer(ctx, got.ID)
	}
	if ignoreNotFound(err) != nil {
		return err
	}
	volumes, err := r.listVolumes(ctx, r.ours(slot))
	if err != nil {
		return err
	}
	for _, v := range volumes {
		if err := r.removeVolume(ctx, v.Name); err != nil {
			return err
		}
	}
	return nil
}

// inspectOurs is inspect for calls that would harm a container that merely has the name.
func (r *Runtime) inspectOurs(ctx context.Context, slot string) (container.InspectResponse, error) {
	got, err := r.inspect(ctx, r.name(slot))
	if err == nil && got.Config.Labels[labelInstance] != r.opts.Instance {
		return got, fmt.Errorf("the container %s is not of this installation: remove or rename it", r.name(slot))
	}
	return got, err
}

func ignoreNotFound(err error) error {
	if errors.Is(err, messages.ErrNotFound) {
		return nil
	}
	return err
}

// removeContainer returns when the container is gone, even if somebody else had begun to remove it.
func (r *Runtime) removeContainer(ctx context.Context, id string) error {
	call, cancel := r.call(ctx)
	defer cancel()
	tick := time.NewTicker(removePoll)
	defer tick.Stop()
	for {
		_, err := r.api.ContainerRemove(call, id, client.ContainerRemoveOptions{Force: true, RemoveVolumes: true})
		switch {
		case err == nil, cerrdefs.IsNotFound(err):
			return nil
		case !cerrdefs.IsConflict(err):
			return r.fail(ctx, "remove container", err)
		}
		select {
		case <-call.Done():
			return r.fail(ctx, "wait for a removal in progress", call.Err())
		case <-tick.C:
		}
	}
}

func (r *Runtime) removeVolume(ctx context.Context, name string) error {
	call, cancel := r.call(ctx)
	defer cancel()
	_, err := r.api.VolumeRemove(call, name, client.VolumeRemoveOptions{})
	if cerrdefs.IsNotFound(err) {
		return nil
	}
	return r.fail(ctx, "remove volume", err)
}
