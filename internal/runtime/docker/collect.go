package docker

import (
	"archive/tar"
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	cerrdefs "github.com/containerd/errdefs"
	"github.com/moby/moby/api/types/container"
	"github.com/moby/moby/client"

	"devs-webhook/internal/runtime"
	"devs-webhook/messages"
)

// Collect copies the known files of out/ into dir and says what the engine knows of the end. A container
// that is gone is not an error: Exit.Lost. It may be called again; *messages.LaterError if the engine
// has trouble, and an error if the container has not exited.
//
// Each file is asked for by itself, so that whatever else the agent left there costs nothing.
func (r *Runtime) Collect(ctx context.Context, slot string, dir string) (messages.Exit, error) {
	if err := runtime.Clear(dir); err != nil {
		return messages.Exit{}, err
	}
	got, err := r.inspect(ctx, r.name(slot))
	if errors.Is(err, messages.ErrNotFound) {
		return messages.Exit{Lost: true, Detail: "the container is gone"}, nil
	}
	if err != nil {
		return messages.Exit{}, err
	}
	if state := foundState(got.State); state != messages.FoundExited {
		return messages.Exit{}, fmt.Errorf("collect %s: the container is %s", slot, state)
	}
	exit := exitOf(got.State)
	for _, file := range r.opts.Output.Files() {
		note, err := r.collectFile(ctx, got.ID, dir, file)
		if err != nil {
			return messages.Exit{}, err
		}
		if note != "" {
			exit.Detail = strings.TrimPrefix(exit.Detail+"; "+note, "; ")
		}
	}
	return exit, runtime.SyncDir(dir)
}

func exitOf(state *container.State) messages.Exit {
	exit := messages.Exit{Code: state.ExitCode, OutOfMemory: state.OOMKilled, Detail: state.Error}
	// A time that cannot be read is a zero one: the attempt's row has the service's own.
	exit.StartedAt, _ = time.Parse(time.RFC3339Nano, state.StartedAt)
	exit.EndedAt, _ = time.Parse(time.RFC3339Nano, state.FinishedAt)
	if exit.EndedAt.Before(exit.StartedAt) {
		exit.EndedAt = exit.StartedAt // the engine notes the start of what is over at once too late
	}
	return exit
}

// collectFile saves one file. One that is not there is none; one that is not a file is left out.
func (r *Runtime) collectFile(ctx context.Context, id, dir string, file runtime.OutputFile) (note string, err error) {
	call, cancel := context.WithTimeout(ctx, r.opts.CopyTimeout)
	defer cancel()
	path := runPath + "/" + runtime.OutDir + "/" + file.Name
	got, err := r.api.CopyFromContainer(call, id, client.CopyFromContainerOptions{SourcePath: path})
	if cerrdefs.IsNotFound(err) {
		return "", nil
	}
	if err != nil {
		return "", r.fail(ctx, "copy "+file.Name+" from container", err)
	}
	defer func() { _ = got.Content.Close() }()
	left := file.Name + " was left out: it is not a regular file"
	if !got.Stat.Mode.IsRegular() {
		return left, nil
	}
	archive := tar.NewReader(got.Content)
	head, err := archive.Next()
	if err != nil {
		return "", r.fail(ctx, "read "+file.Name+" from container", err)
	}
	if head.Typeflag != tar.TypeReg {
		return left, nil
	}
	return runtime.Save(dir, file, head.Size, archive)
}
