package docker

import (
	"archive/tar"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	cerrdefs "github.com/containerd/errdefs"
	"github.com/moby/moby/api/types/container"
	"github.com/moby/moby/api/types/mount"
	"github.com/moby/moby/client"
)

// completeMark is the last file of the runner's archive. The engine unpacks in order, so where the mark
// is, the binary is whole.
const completeMark = ".complete"

const (
	fillPoll = 200 * time.Millisecond
	// staleFill is the age after which another installation's filling is taken for dead.
	staleFill = 15 * time.Minute
)

// binary is the runner as it is on this machine.
type binary struct {
	path string
	size int64
	hash string // sha-256, hexadecimal
}

func (b *binary) short() string  { return b.hash[:12] }
func (b *binary) volume() string { return "devs-runner-" + b.short() }

func (b *binary) labels() map[string]string {
	return map[string]string{labelRunner: b.short(), labelCreated: time.Now().UTC().Format(time.RFC3339)}
}

func (b *binary) mount(readOnly bool) mount.Mount {
	return mount.Mount{
		Type: mount.TypeVolume, Source: b.volume(), Target: binPath, ReadOnly: readOnly,
		VolumeOptions: &mount.VolumeOptions{NoCopy: true, Labels: b.labels()},
	}
}

// readRunner hashes the binary, once. The caller holds mu.
func (r *Runtime) readRunner() (*binary, error) {
	if r.runner != nil {
		return r.runner, nil
	}
	f, err := os.Open(r.opts.RunnerPath)
	if err != nil {
		return nil, fmt.Errorf("read runner: %w", err)
	}
	defer func() { _ = f.Close() }()
	sum := sha256.New()
	size, err := io.Copy(sum, f)
	if err != nil {
		return nil, fmt.Errorf("read runner: %w", err)
	}
	r.runner = &binary{path: r.opts.RunnerPath, size: size, hash: hex.EncodeToString(sum.Sum(nil))}
	return r.runner, nil
}

// ensureRunner makes sure that the runner's volume, which container id has mounted, is filled. Usually
// it is, and this costs two short calls; it is asked each time, because anybody may remove a volume that
// no container uses.
func (r *Runtime) ensureRunner(ctx context.Context, id string, b *binary) error {
	complete, err := r.runnerComplete(ctx, id, b)
	if complete || err != nil {
		return err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.fillRunner(ctx, b)
}

func (r *Runtime) runnerComplete(ctx context.Context, id string, b *binary) (bool, error) {
	call, cancel := r.call(ctx)
	defer cancel()
	for _, file := range []struct {
		name string
		size int64
	}{{binaryName, b.size}, {completeMark, 0}} {
		got, err := r.api.ContainerStatPath(call, id, client.ContainerStatPathOptions{Path: binPath + "/" + file.name})
		switch {
		case cerrdefs.IsNotFound(err):
			return false, nil
		case err != nil:
			return false, r.fail(ctx, "look for runner", err)
		case !got.Stat.Mode.IsRegular() || got.Stat.Size != file.size:
			return false, nil
		}
	}
	return true, nil
}

// fillRunner copies the binary into its volume by way of a container that is never started. That
// container's name keeps a second installation on the same engine from filling at the same time.
func (r *Runtime) fillRunner(ctx context.Context, b *binary) error {
	helper, err := r.fillHelper(ctx, b)
	if err != nil {
		return err
	}
	defer func() {
		rest, cancel := context.WithTimeout(context.WithoutCancel(ctx), cleanupTimeout)
		defer cancel()
		if err := r.removeContainer(rest, helper); err != nil {
			r.opts.Log.Warn().Err(err).Msg("helper container stayed")
		}
	}()
	complete, err := r.runnerComplete(ctx, helper, b)
	if complete || err != nil {
		return err
	}
	started := time.Now()
	if err := r.put(ctx, helper, binPath, b.archive); err != nil {
		return fmt.Errorf("fill runner volume: %w", err)
	}
	r.opts.Log.Info().Str("volume", b.volume()).Dur("dur", time.Since(started)).Msg("runner volume filled")
	return nil
}

// archive writes the binary and then the mark, if the binary is still the one that the volume is named for.
func (b *binary) archive(archive *tar.Writer) error {
	f, err := os.Open(b.path)
	if err != nil {
		return err
	}
	defer func() { _ = f.Close() }()
	head := tar.Header{Typeflag: tar.TypeReg, Name: binaryName, Mode: 0o555, Size: b.size, ModTime: time.Unix(0, 0)}
	if err := archive.WriteHeader(&head); err != nil {
		return err
	}
	sum := sha256.New()
	if _, err := io.CopyN(io.MultiWriter(archive, sum), f, b.size); err != nil {
		return err
	}
	if hex.EncodeToString(sum.Sum(nil)) != b.hash {
		return errors.New("the runner's binary has changed since the service started: restart the service")
	}
	return archive.WriteHeader(&tar.Header{Typeflag: tar.TypeReg, Name: completeMark, Mode: 0o444, ModTime: time.Unix(0, 0)})
}

// fillHelper makes the helper container, once no other one is in the way.
func (r *Runtime) fillHelper(ctx context.Context, b *binary) (string, error) {
	wait, cancel := context.WithTimeout(ctx, r.opts.CopyTimeout)
	defer cancel()
	labels := b.labels()
	labels[labelInstance] = r.opts.Instance
	tick := time.NewTicker(fillPoll)
	defer tick.Stop()
	for {
		call, done := r.call(wait)
		made, err := r.api.ContainerCreate(call, client.ContainerCreateOptions{
			Name:       b.volume(),
			Config:     &container.Config{Image: r.opts.Image, Cmd: []string{"true"}, Labels: labels},
			HostConfig: &container.HostConfig{NetworkMode: "none", Mounts: []mount.Mount{b.mount(false)}},
		})
		done()
		if !cerrdefs.IsConflict(err) {
			return made.ID, r.fail(ctx, "create helper container", err)
		}
		if err := r.clearHelper(wait, b); err != nil {
			return "", err
		}
		select {
		case <-wait.Done():
			return "", r.fail(ctx, "wait for another installation to fill the runner volume", wait.Err())
		case <-tick.C:
		}
	}
}

// clearHelper removes a helper container that nobody works with any more: our own of an earlier life, as
// mu says that there is no other, or a very old one.
func (r *Runtime) clearHelper(ctx context.Context, b *binary) error {
	call, cancel := r.call(ctx)
	defer cancel()
	got, err := r.api.ContainerInspect(call, b.volume(), client.ContainerInspectOptions{})
	if cerrdefs.IsNotFound(err) {
		return nil
	}
	if err != nil {
		return r.fail(ctx, "inspect helper container", err)
	}
	created, err := time.Parse(time.RFC3339Nano, got.Container.Created)
	mine := got.Container.Config != nil && got.Container.Config.Labels[labelInstance] == r.opts.Instance
	if mine || err != nil || time.Since(created) > staleFill {
		return r.removeContainer(ctx, got.Container.ID)
	}
	return nil
}
