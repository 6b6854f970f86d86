package hostimage

import (
	"archive/tar"
	"bytes"
	"context"
	"errors"
	"os"
	"slices"
	"testing"
	"time"

	"github.com/moby/moby/api/pkg/stdcopy"
	"github.com/moby/moby/api/types/container"
	"github.com/moby/moby/client"

	"devs-webhook/messages"
)

// engine connects to a real engine, or skips the test.
func engine(t *testing.T) *client.Client {
	t.Helper()
	api, err := connect("")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = api.Close() })
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
	defer cancel()
	if _, err := api.Ping(ctx, client.PingOptions{}); err != nil {
		if os.Getenv("REQUIRE_DOCKER") == "1" {
			t.Fatal("no Docker engine answers: ", err)
		}
		t.Skip("no Docker engine answers (REQUIRE_DOCKER=1 makes this a failure): ", err)
	}
	return api
}

func TestImageRunsGitAsTheAgent(t *testing.T) {
	api := engine(t)
	const tag = "devs-webhook-hostimage-test:latest"
	t.Cleanup(func() {
		_, _ = api.ImageRemove(context.Background(), tag, client.ImageRemoveOptions{Force: true})
	})
	if err := Build(t.Context(), "", tag); err != nil {
		t.Fatal(err)
	}
	if built, err := Ensure(t.Context(), "", tag); built || err != nil {
		t.Fatalf("Ensure built %v, %v; the image is there", built, err)
	}
	out := runInside(t, api, tag, `set -eux
		id -un; cd /tmp; git init -q -b main r; cd r; echo a >f; git add f
		git -c user.name=a -c user.email=a@b commit -qm one; git bundle create -q ../b main
		git clone -q -b main ../b ../c; git clone -q . ../d; git -C ../c log --format=%s; ls /tmp | sort | tr '\n' ' '; test -d .git/hooks
		cd; pwd; awk 'BEGIN { print 6 * 7 }'`)
	if want := "agent\none\nb c d r /home/agent\n42\n"; string(out) != want {
		t.Errorf("got %q, want %q", out, want)
	}
}

func runInside(t *testing.T, api *client.Client, tag, script string) []byte {
	t.Helper()
	ctx := t.Context()
	made, err := api.ContainerCreate(ctx, client.ContainerCreateOptions{
		Config:     &container.Config{Image: tag, Cmd: []string{"/bin/sh", "-c", script}, Env: []string{"HOME=/home/agent"}},
		HostConfig: &container.HostConfig{NetworkMode: "none"},
	})
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		_, _ = api.ContainerRemove(context.Background(), made.ID, client.ContainerRemoveOptions{Force: true})
	}()
	if _, err := api.ContainerStart(ctx, made.ID, client.ContainerStartOptions{}); err != nil {
		t.Fatal(err)
	}
	logs, err := api.ContainerLogs(ctx, made.ID, client.ContainerLogsOptions{ShowStdout: true, ShowStderr: true, Follow: true})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = logs.Close() }()
	var stdout, stderr bytes.Buffer
	if _, err := stdcopy.StdCopy(&stdout, &stderr, logs); err != nil {
		t.Fatal(err)
	}
	got, err := api.ContainerInspect(ctx, made.ID, client.ContainerInspectOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if got.Container.State.ExitCode != 0 {
		t.Fatalf("exit %d: %s", got.Container.State.ExitCode, stderr.String())
	}
	return stdout.Bytes()
}

func TestArchiveIsTheSameEachTime(t *testing.T) {
	if _, err := collect(t.Context(), nil); err != nil {
		t.Skip("this machine's programs cannot make an image: ", err)
	}
	var archives [2]bytes.Buffer
	for i := range archives {
		root, err := collect(t.Context(), nil)
		if err != nil {
			t.Fatal(err)
		}
		if err := root.write(&archives[i]); err != nil {
			t.Fatal(err)
		}
	}
	if !bytes.Equal(archives[0].Bytes(), archives[1].Bytes()) {
		t.Error("two archives of the same programs differ")
	}
	reader := tar.NewReader(&archives[0])
	for {
		head, err := reader.Next()
		if err != nil {
			t.Fatal("no /tmp in the archive: ", err)
		}
		if head.Name == "tmp/" {
			if head.Mode != 0o1777 {
				t.Errorf("mode of /tmp is %o", head.Mode)
			}
			return
		}
	}
}

func TestParseLdd(t *testing.T) {
	got := parseLdd("\tlinux-vdso.so.1 (0x00007f)\n\tlibz.so.1 => /lib/x/libz.so.1 (0x00007f)\n" +
		"\tlibgone.so => not found\n\t/lib64/ld-linux-x86-64.so.2 (0x00007f)\n\tnot a dynamic executable\n")
	if want := []string{"/lib/x/libz.so.1", "/lib64/ld-linux-x86-64.so.2"}; !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestPlaceIsOnePerFile(t *testing.T) {
	for file, want := range map[string]string{
		"/lib/x/libz.so.1": "usr/lib/x/libz.so.1", "/usr/lib/x/libz.so.1": "usr/lib/x/libz.so.1",
		"/lib64/ld.so": "usr/lib64/ld.so", "/opt/git/bin/git": "opt/git/bin/git", "/library/x": "library/x",
	} {
		if got := place(file); got != want {
			t.Errorf("place(%q) = %q, want %q", file, got, want)
		}
	}
}

func TestNoEngineIsForLater(t *testing.T) {
	_, err := Ensure(t.Context(), "unix:///nonexistent/docker.sock", "x:latest")
	if _, ok := errors.AsType[*messages.LaterError](err); !ok {
		t.Errorf("got %v, want a LaterError", err)
	}
}
