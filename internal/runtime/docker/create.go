package docker

import (
	"context"
	"fmt"
	"time"

	cerrdefs "github.com/containerd/errdefs"
	"github.com/moby/moby/client"

	"devs-webhook/internal/runtime"
	"devs-webhook/messages"
)

// cleanupTimeout bounds what is still done after the caller's context may be gone.
const cleanupTimeout = 3 * time.Second

// Create makes the slot's container with its input inside, not started. A crash in between leaves a
// container that Find calls created: remove it and create it again. Errors: messages.ErrNameTaken,
// *messages.RefusedError if the image is missing or the settings are
// refused, *messages.LaterError if the engine has trouble; after
// an error other than ErrNameTaken nothing of the attempt is left, as far as the engine still answered.
func (r *Runtime) Create(ctx context.Context, l messages.Launch) error {
	if err := runtime.CheckSlot(l.Slot); err != nil {
		return fmt.Errorf("create container: %w", err)
	}
	g, err := r.prepare(ctx, l)
	if err != nil {
		return err
	}
	id, err := r.createContainer(ctx, r.containerOptions(l, g))
	if err != nil {
		r.dropVolume(ctx, r.volumeName(l))
		return err
	}
	err = r.putInput(ctx, id, l.InputDir)
	if err == nil {
		err = r.ensureRunner(ctx, id, g.runner)
	}
	if err != nil {
		r.undo(ctx, l.Slot)
	}
	return err
}

// ground is what a container stands on.
type ground struct {
	limits limits
	runner *binary
}

// prepare makes what the container needs to be there, and a new volume for it.
func (r *Runtime) prepare(ctx context.Context, l messages.Launch) (g ground, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if g.limits, err = r.askLimits(ctx); err != nil {
		return g, err
	}
	if g.runner, err = r.readRunner(); err != nil {
		return g, err
	}
	if _, err = r.ensureNetwork(ctx, l.Slot); err != nil {
		return g, err
	}
	return g, r.newVolume(ctx, l)
}

// newVolume makes the attempt's volume. One that is there already is taken away first: its container may
// have run and then been removed behind our back, and a hostile run must leave nothing for the next.
func (r *Runtime) newVolume(ctx context.Context, l messages.Launch) error {
	call, cancel := r.call(ctx)
	defer cancel()
	name := r.volumeName(l)
	_, err := r.api.VolumeRemove(call, name, client.VolumeRemoveOptions{})
	switch {
	case cerrdefs.IsConflict(err):
		// In use, so the attempt's container is there.
		return fmt.Errorf("create volume %s: %w", name, messages.ErrNameTaken)
	case err != nil && !cerrdefs.IsNotFound(err):
		return r.fail(ctx, "remove old volume", err)
	}
	_, err = r.api.VolumeCreate(call, client.VolumeCreateOptions{Name: name, Labels: r.attemptLabels(l)})
	return r.fail(ctx, "create volume", err)
}

func (r *Runtime) createContainer(ctx context.Context, options client.ContainerCreateOptions) (string, error) {
	call, cancel := r.call(ctx)
	defer cancel()
	created, err := r.api.ContainerCreate(call, options)
	switch {
	case err == nil:
		for _, warning := range created.Warnings {
			r.opts.Log.Debug().Str("container", options.Name).Str("warning", warning).Msg("engine warned")
		}
		return created.ID, nil
	case cerrdefs.IsConflict(err):
		return "", fmt.Errorf("create container %s: %w", options.Name, messages.ErrNameTaken)
	case cerrdefs.IsInvalidArgument(err):
		return "", &messages.RefusedError{
			Ending: messages.EndSetupFailed, Why: "the Docker engine refused the settings of the container", Err: err,
		}
	case cerrdefs.IsNotFound(err):
		if missing := r.checkImage(ctx); missing != nil {
			return "", missing
		}
	}
	return "", r.fail(ctx, "create container", err)
}

// dropVolume takes away a volume that no container got to use.
func (r *Runtime) dropVolume(ctx context.Context, name string) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), cleanupTimeout)
	defer cancel()
	if err := r.removeVolume(ctx, name); err != nil {
		r.opts.Log.Warn().Err(err).Str("volume", name).Msg("volume stayed")
	}
}

// undo takes away a half-made container. If it cannot, the next Find will see it.
func (r *Runtime) undo(ctx context.Context, slot string) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), cleanupTimeout)
	defer cancel()
	if err := r.Remove(ctx, slot); err != nil {
		r.opts.Log.Warn().Err(err).Str("slot", slot).Msg("half-made container stayed")
	}
}
