package supervisor_test

import (
	"errors"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"devs-webhook/supervisor"
)

// reaches connects, and says whether the listener took the connection.
func reaches(t *testing.T, l *supervisor.Listener) {
	t.Helper()
	taken := make(chan error, 1)
	go func() {
		conn, err := l.Accept()
		if err == nil {
			err = conn.Close()
		}
		taken <- err
	}()
	conn, err := net.Dial(l.Addr().Network(), l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if err := <-taken; err != nil {
		t.Error(err)
	}
}

// TestSocketIsItsOwnersAlone and takes the place of what an earlier life left.
func TestSocketIsItsOwnersAlone(t *testing.T) {
	t.Parallel()
	dir, err := os.MkdirTemp("", "sock") // the path of a socket is short
	if err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(dir)
	path := filepath.Join(dir, "admin.sock")
	for name, before := range map[string]func() error{
		"nothing": func() error { return nil },
		"socket of a life that was killed": func() error {
			l, err := net.ListenUnix("unix", &net.UnixAddr{Name: path, Net: "unix"})
			if err != nil {
				return err
			}
			l.SetUnlinkOnClose(false)
			return l.Close()
		},
		"file": func() error { return os.WriteFile(path, []byte("x"), 0o644) },
	} {
		if err := before(); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		l, err := supervisor.ListenUnix(t.Context(), path)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		info, err := os.Stat(path)
		if err != nil || info.Mode().Perm() != 0o600 || info.Mode().Type() != fs.ModeSocket {
			t.Errorf("%s: %v %v", name, info.Mode(), err)
		}
		reaches(t, l)
		if err := l.Close(); err != nil {
			t.Error(err)
		}
		if _, err := os.Stat(path); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%s: it is still there: %v", name, err)
		}
	}
}

// TestDeadlineInterruptsAListener without closing it: that is how a door lets go of it.
func TestDeadlineInterruptsAListener(t *testing.T) {
	t.Parallel()
	tcp, err := supervisor.ListenTCP(t.Context(), "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	dir, err := os.MkdirTemp("", "sock")
	if err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(dir)
	unix, err := supervisor.ListenUnix(t.Context(), filepath.Join(dir, "s"))
	if err != nil {
		t.Fatal(err)
	}
	for _, l := range []*supervisor.Listener{tcp, unix} {
		ended := make(chan error, 1)
		go func() { _, err := l.Accept(); ended <- err }()
		if err := l.SetDeadline(time.Now()); err != nil {
			t.Fatal(err)
		}
		if err := <-ended; !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("it ended with %v", err)
		}
		if err := l.SetDeadline(time.Time{}); err != nil {
			t.Fatal(err)
		}
		reaches(t, l)
		if err := l.Close(); err != nil {
			t.Error(err)
		}
	}
}

// TestAddressThatIsTaken is named in the error.
func TestAddressThatIsTaken(t *testing.T) {
	t.Parallel()
	l, err := supervisor.ListenTCP(t.Context(), "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	if _, err := supervisor.ListenTCP(t.Context(), l.Addr().String()); err == nil || !strings.HasPrefix(err.Error(), "listen on "+l.Addr().String()) {
		t.Errorf("the error is %v", err)
	}
	if _, err := supervisor.ListenUnix(t.Context(), filepath.Join(t.TempDir(), "no", "s")); err == nil {
		t.Error("a socket was made in a directory that is not there")
	}
}
