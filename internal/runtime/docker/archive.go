package docker

import (
	"archive/tar"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"time"

	"github.com/moby/moby/client"

	"devs-webhook/internal/runtime"
)

// put streams an archive into a container, while write makes it. An error of write comes back as it is.
func (r *Runtime) put(ctx context.Context, id, path string, write func(*tar.Writer) error) error {
	call, cancel := context.WithTimeout(ctx, r.opts.CopyTimeout)
	defer cancel()
	pr, pw := io.Pipe()
	wrote := make(chan error, 1)
	go func() {
		archive := tar.NewWriter(pw)
		err := write(archive)
		if err == nil {
			err = archive.Close()
		}
		pw.CloseWithError(err)
		wrote <- err
	}()
	_, err := r.api.CopyToContainer(call, id, client.CopyToContainerOptions{DestinationPath: path, Content: pr})
	_ = pr.Close() // ends the writer, if the engine did not read to the end
	if werr := <-wrote; werr != nil && !errors.Is(werr, io.ErrClosedPipe) {
		return fmt.Errorf("write archive: %w", werr)
	}
	return r.fail(ctx, "copy into container", err)
}

// putInput makes the attempt's directory in its volume, owned by the runner, before anything runs.
func (r *Runtime) putInput(ctx context.Context, id, inputDir string) error {
	return r.put(ctx, id, volumePath, func(archive *tar.Writer) error {
		for _, dir := range []string{runDir, runDir + "/" + runtime.OutDir, runDir + "/" + runtime.WorkDir, runDir + "/" + runtime.HomeDir} {
			if err := addDir(archive, dir+"/"); err != nil {
				return err
			}
		}
		return addTree(archive, inputDir, runDir+"/"+runtime.InDir)
	})
}

func addDir(archive *tar.Writer, name string) error {
	return archive.WriteHeader(&tar.Header{
		Typeflag: tar.TypeDir, Name: name, Mode: 0o755, Uid: uid, Gid: uid, ModTime: time.Unix(0, 0),
	})
}

// addTree adds the directory from under the name to. It takes directories and regular files: the service
// wrote it, so anything else is a fault of ours.
func addTree(archive *tar.Writer, from, to string) error {
	root, err := os.OpenRoot(from)
	if err != nil {
		return fmt.Errorf("open input: %w", err)
	}
	defer func() { _ = root.Close() }()
	return fs.WalkDir(root.FS(), ".", func(name string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		target := to
		if name != "." {
			target += "/" + name
		}
		switch {
		case entry.IsDir():
			return addDir(archive, target+"/")
		case entry.Type().IsRegular():
			return addFile(archive, root, name, target)
		}
		return fmt.Errorf("input %s is neither a file nor a directory", name)
	})
}

func addFile(archive *tar.Writer, root *os.Root, name, target string) error {
	f, err := root.Open(name)
	if err != nil {
		return err
	}
	defer func() { _ = f.Close() }()
	info, err := f.Stat()
	if err != nil {
		return err
	}
	err = archive.WriteHeader(&tar.Header{
		Typeflag: tar.TypeReg, Name: target, Size: info.Size(), Mode: 0o644, Uid: uid, Gid: uid, ModTime: info.ModTime(),
	})
	if err != nil {
		return err
	}
	_, err = io.CopyN(archive, f, info.Size())
	return err
}
