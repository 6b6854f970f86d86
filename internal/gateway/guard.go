package gateway

import (
	"fmt"
	"net"
	"sync"
	"time"
)

// Listener is a listener as a door takes it: one whose Accept can be interrupted.
type Listener interface {
	net.Listener
	SetDeadline(t time.Time) error
}

// Guard wraps a listener that hears on more addresses than attempts may use, such as 0.0.0.0: a connection
// to one that is not allowed is closed before a byte of it is read. ServeHTTP refuses it as well; but what
// is no HTTP would be answered by the server itself.
func (g *Gateway) Guard(l Listener) Listener { return guarded{Listener: l, allow: g.allow} }

type guarded struct {
	Listener
	allow func(net.Addr) bool
}

// Accept does not ask yet: the answer may take a while, and others wait to be accepted.
func (l guarded) Accept() (net.Conn, error) {
	conn, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return &guardedConn{Conn: conn, allowed: sync.OnceValue(func() bool { return l.allow(conn.LocalAddr()) })}, nil
}

type guardedConn struct {
	net.Conn
	allowed func() bool
}

// Read closes the connection at its first call, if it must not be.
func (c *guardedConn) Read(p []byte) (int, error) {
	if !c.allowed() {
		_ = c.Close()
		return 0, fmt.Errorf("connection to %s: %w", c.LocalAddr(), net.ErrClosed)
	}
	return c.Conn.Read(p)
}
