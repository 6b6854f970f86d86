package actors

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"sync/atomic"
	"time"

	"github.com/rs/zerolog"
)

// Listener is a listener whose Accept can be interrupted without closing it, as TCP and Unix ones can. It
// is made by the supervisor and outlives every Serve, so that a connection made while its actor restarts
// waits in the backlog instead of being refused.
type Listener interface {
	net.Listener
	SetDeadline(t time.Time) error
}

// HTTPDoor serves a handler on a listener. The server and its connections outlive a crash of Serve: only
// accepting pauses.
type HTTPDoor struct {
	name     string
	listener Listener
	handler  http.Handler
	log      zerolog.Logger
	server   *http.Server // only touched by the goroutine that runs Serve
}

// NewHTTPDoor makes the actor. Its name is what logs and status call it.
func NewHTTPDoor(name string, listener Listener, handler http.Handler, log zerolog.Logger) *HTTPDoor {
	return &HTTPDoor{name: name, listener: listener, handler: handler, log: log.With().Str("actor", name).Logger()}
}

// String names the actor.
func (d *HTTPDoor) String() string { return d.name }

// stopGrace is how long requests in hand may take when the program stops; it is below the leaf
// supervisor's timeout of 5 s.
const stopGrace = 4 * time.Second

// Serve accepts connections until ctx is done; then the requests in hand are finished.
func (d *HTTPDoor) Serve(ctx context.Context) error {
	if d.server == nil {
		d.server = d.newServer()
	}
	borrowed := &borrowedListener{Listener: d.listener}
	if err := d.listener.SetDeadline(time.Time{}); err != nil {
		return fmt.Errorf("listen on %s: %w", d.listener.Addr(), err)
	}
	defer context.AfterFunc(ctx, func() { borrowed.Close() })()
	err := d.server.Serve(borrowed)
	if ctx.Err() == nil {
		return fmt.Errorf("serve %s: %w", d.name, err)
	}
	server := d.server
	d.server = nil
	grace, cancel := context.WithTimeout(context.WithoutCancel(ctx), stopGrace)
	defer cancel()
	if err := server.Shutdown(grace); err != nil {
		d.log.Warn().Err(err).Msg("requests were cut off at the stop")
		server.Close()
	}
	return ctx.Err()
}

func (d *HTTPDoor) newServer() *http.Server {
	return &http.Server{
		Handler:           d.recovering(),
		ReadHeaderTimeout: 5 * time.Second,
		ReadTimeout:       30 * time.Second,
		WriteTimeout:      60 * time.Second,
		IdleTimeout:       2 * time.Minute,
		MaxHeaderBytes:    64 << 10,
		ErrorLog:          log.New(io.Discard, "", 0), // what matters is logged by the handlers
	}
}

// recovering answers 500 to a request whose handler panics. A request is no actor: its fault must not
// interrupt its neighbours.
func (d *HTTPDoor) recovering() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		err := guard(func() error { d.handler.ServeHTTP(w, r); return nil })
		if err == nil {
			return
		}
		event := d.log.Error().Err(err).Str("method", r.Method).Str("path", r.URL.Path)
		var p *panicError
		if errors.As(err, &p) {
			event = event.Bytes("stack", p.stack)
		}
		event.Msg("request panicked")
		http.Error(w, `{"detail":"Internal error"}`, http.StatusInternalServerError)
	})
}

// borrowedListener is the listener for one Serve: closing it ends Accept and leaves the real one open.
type borrowedListener struct {
	Listener
	closed atomic.Bool
}

// Accept waits for a connection, or for Close.
func (l *borrowedListener) Accept() (net.Conn, error) {
	conn, err := l.Listener.Accept()
	if err != nil && l.closed.Load() {
		return nil, net.ErrClosed
	}
	return conn, err
}

// Close ends Accept.
func (l *borrowedListener) Close() error {
	if l.closed.Swap(true) {
		return nil
	}
	return l.SetDeadline(time.Now())
}
