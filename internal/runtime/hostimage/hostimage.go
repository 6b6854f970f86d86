package hostimage

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"runtime"
	"time"

	cerrdefs "github.com/containerd/errdefs"
	"github.com/moby/moby/client"

	"devs-webhook/messages"
)

const (
	checkTimeout = 30 * time.Second
	buildTimeout = 5 * time.Minute
)

// label marks the image as made here.
const label = "devs-webhook.hostimage"

// Ensure builds the image tag on the engine at host unless it has one of that name, and says whether it
// did. An empty host means DOCKER_HOST, or else the default socket.
func Ensure(ctx context.Context, host, tag string) (built bool, err error) {
	api, err := connect(host)
	if err != nil {
		return false, err
	}
	defer func() { _ = api.Close() }()
	check, cancel := context.WithTimeout(ctx, checkTimeout)
	defer cancel()
	_, err = api.ImageInspect(check, tag)
	if err == nil {
		return false, nil
	}
	if !cerrdefs.IsNotFound(err) {
		return false, later("look for image", err)
	}
	return true, build(ctx, api, tag, nil)
}

// Build makes the image tag on the engine at host, in place of an older one of that name. Extra are paths of
// further programs, which come into /usr/local/bin.
// *messages.LaterError if the engine does not answer; any other error is this machine's: a program is
// missing, or it is not of the engine's kind.
func Build(ctx context.Context, host, tag string, extra ...string) error {
	api, err := connect(host)
	if err != nil {
		return err
	}
	defer func() { _ = api.Close() }()
	return build(ctx, api, tag, extra)
}

func connect(host string) (*client.Client, error) {
	options := []client.Opt{client.FromEnv}
	if host != "" {
		options = append(options, client.WithHost(host))
	}
	api, err := client.New(options...)
	if err != nil {
		return nil, fmt.Errorf("connect to the Docker engine: %w", err)
	}
	return api, nil
}

func build(ctx context.Context, api *client.Client, tag string, extra []string) error {
	ctx, cancel := context.WithTimeout(ctx, buildTimeout)
	defer cancel()
	if err := sameKind(ctx, api); err != nil {
		return err
	}
	root, err := collect(ctx, extra)
	if err != nil {
		return fmt.Errorf("collect programs for the image: %w", err)
	}
	pr, pw := io.Pipe()
	wrote := make(chan error, 1)
	go func() {
		err := root.write(pw)
		pw.CloseWithError(err)
		wrote <- err
	}()
	err = load(ctx, api, tag, pr)
	_ = pr.Close()
	if werr := <-wrote; werr != nil && !errors.Is(werr, io.ErrClosedPipe) {
		return fmt.Errorf("write image: %w", werr)
	}
	return err
}

// sameKind refuses an engine that could not run this machine's programs.
func sameKind(ctx context.Context, api *client.Client) error {
	version, err := api.ServerVersion(ctx, client.ServerVersionOptions{})
	if err != nil {
		return later("ask the engine for its kind", err)
	}
	if runtime.GOOS != "linux" || version.Os != runtime.GOOS || version.Arch != runtime.GOARCH {
		return fmt.Errorf("an image of this machine's programs (%s/%s) would not run on this engine (%s/%s): name an image of your own",
			runtime.GOOS, runtime.GOARCH, version.Os, version.Arch)
	}
	return nil
}

func load(ctx context.Context, api *client.Client, tag string, archive io.Reader) error {
	answer, err := api.ImageImport(ctx, client.ImageImportSource{Source: archive, SourceName: "-"}, tag, client.ImageImportOptions{
		Message: "programs of the host, for demo and tests",
		Changes: []string{
			"ENV PATH=/usr/local/bin:/usr/bin:/bin",
			"USER 1000:1000",
			"WORKDIR /home/agent",
			"LABEL " + label + "=true",
		},
	})
	if err != nil {
		return later("import image", err)
	}
	defer func() { _ = answer.Close() }()
	// The status is sent before the work is done: a failure is the last line of the answer.
	lines := json.NewDecoder(answer)
	for {
		var line struct {
			Error string `json:"error"`
		}
		err := lines.Decode(&line)
		switch {
		case errors.Is(err, io.EOF):
			return nil
		case err != nil:
			return later("import image", err)
		case line.Error != "":
			return fmt.Errorf("import image: %s", line.Error)
		}
	}
}

func later(doing string, err error) error {
	return &messages.LaterError{Ending: messages.EndImageMissing, Err: fmt.Errorf("%s: %w", doing, err)}
}
