package supervisor

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"time"
)

// Listener is a door's listener. Like a mailbox it is made here and outlives every crash of its actor.
type Listener struct {
	net.Listener
	deadline interface{ SetDeadline(time.Time) error }
}

// SetDeadline bounds the present and coming calls of Accept.
func (l *Listener) SetDeadline(t time.Time) error { return l.deadline.SetDeadline(t) }

// ListenTCP opens a TCP listener on host:port; port 0 takes a free one.
func ListenTCP(ctx context.Context, addr string) (*Listener, error) {
	var config net.ListenConfig
	l, err := config.Listen(ctx, "tcp", addr)
	if err != nil {
		return nil, fmt.Errorf("listen on %s: %w", addr, err)
	}
	return &Listener{Listener: l, deadline: l.(*net.TCPListener)}, nil
}

// ListenUnix opens a Unix socket that only its owner may use, in place of one that an earlier life left.
// The caller holds the state directory's lock, so nobody else serves there.
func ListenUnix(ctx context.Context, path string) (*Listener, error) {
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("replace %s: %w", path, err)
	}
	var config net.ListenConfig
	l, err := config.Listen(ctx, "unix", path)
	if err != nil {
		return nil, fmt.Errorf("listen on %s: %w", path, err)
	}
	if err := os.Chmod(path, 0o600); err != nil {
		l.Close()
		return nil, fmt.Errorf("protect %s: %w", path, err)
	}
	return &Listener{Listener: l, deadline: l.(*net.UnixListener)}, nil
}
