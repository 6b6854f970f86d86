package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"time"

	"github.com/rs/zerolog"

	"devs-webhook/actors"
	"devs-webhook/cli"
	"devs-webhook/config"
	"devs-webhook/internal/store"
	"devs-webhook/internal/web"
	"devs-webhook/supervisor"
)

// serve runs the service until ctx is done. It exits within 10 s then: the tree has 7 s, and the store
// closes after it. Running agents run on.
func serve(ctx context.Context, f cli.ServeFlags) error {
	cfg, err := loadConfig(config.Flags{Source: f.Source, Host: f.Host, Port: f.Port, EnvFile: f.EnvFile, Dev: asFlag(f.Dev)})
	if err != nil {
		return err
	}
	log := newLogger(cfg, os.Stderr)
	for _, w := range cfg.Warnings {
		log.Warn().Str("about", "configuration").Msg(w)
	}
	st, err := openStore(ctx, cfg, log)
	if err != nil {
		return err
	}
	err = serveOn(ctx, cfg, st, log, os.Stdout)
	return errors.Join(err, st.Close())
}

// serveOn builds the adapters and serves with them.
func serveOn(ctx context.Context, cfg config.Config, st *store.Store, log zerolog.Logger, stdout io.Writer) error {
	parts, err := buildParts(ctx, cfg, st, log)
	if err != nil {
		return err
	}
	return serveParts(ctx, cfg, parts, newService(cfg, st, parts), log, stdout)
}

// serveParts opens the doors, builds the tree and runs it.
func serveParts(ctx context.Context, cfg config.Config, parts supervisor.Parts, s *service, log zerolog.Logger, stdout io.Writer) error {
	doors, err := openDoors(ctx, cfg)
	if err != nil {
		return err
	}
	defer doors.close()
	parts.Doors = doors.with(cfg, s, log)
	if wantsModel(cfg) {
		gatewayDoor, closeGateway, err := openGateway(ctx, cfg, s.store, &parts, log)
		if err != nil {
			return err
		}
		defer closeGateway()
		parts.Doors = append(parts.Doors, gatewayDoor)
	}
	s.tree = supervisor.New(parts)
	if err := announce(cfg, doors, log, stdout); err != nil {
		return err
	}
	err = s.tree.Serve(ctx)
	var fatal *actors.FatalError
	if errors.As(err, &fatal) {
		return &cli.ExitError{Code: fatal.Code, Err: fatal.Err}
	}
	if err == nil {
		log.Info().Msg("service stopped")
	}
	return err
}

// loadConfig loads the configuration; its faults are a usage error.
func loadConfig(flags config.Flags) (config.Config, error) {
	cfg, err := config.Load(environ(), flags)
	if err != nil {
		return cfg, &cli.ExitError{Code: cli.ExitUsage, Err: err}
	}
	return cfg, nil
}

// asFlag says nothing if the flag was not given.
func asFlag(given bool) *bool {
	if !given {
		return nil
	}
	return &given
}

// openStore opens the store; its refusals have exit codes of their own.
func openStore(ctx context.Context, cfg config.Config, log zerolog.Logger) (*store.Store, error) {
	st, err := store.Open(ctx, cfg.State.Dir, store.Options{
		Instance: cfg.State.Instance,
		Log:      log.With().Str("part", "store").Logger(),
	})
	switch {
	case err == nil:
		return st, nil
	case errors.Is(err, store.ErrInUse):
		return nil, &cli.ExitError{Code: cli.ExitInUse, Err: err}
	case errors.Is(err, store.ErrCorrupt), errors.Is(err, store.ErrTooNew):
		return nil, &cli.ExitError{Code: cli.ExitStore, Err: err}
	default:
		return nil, err
	}
}

// doors are the listeners: made once, before the tree, and closed after it.
type doors struct {
	webhook *supervisor.Listener
	admin   *supervisor.Listener // nil if there are no admin routes over TCP of their own
	socket  *supervisor.Listener
}

func openDoors(ctx context.Context, cfg config.Config) (*doors, error) {
	d := &doors{}
	var err error
	if d.webhook, err = supervisor.ListenTCP(ctx, joinHostPort(cfg.Webhook.Host, cfg.Webhook.Port)); err != nil {
		return nil, fmt.Errorf("%w; choose another port with --port or WEBHOOK_PORT", err)
	}
	if cfg.Admin.Addr != "" && cfg.AdminHTTP() && !cfg.Admin.OnWebhookPort {
		if d.admin, err = supervisor.ListenTCP(ctx, cfg.Admin.Addr); err != nil {
			d.close()
			return nil, fmt.Errorf("%w; choose another address with ADMIN_ADDR, or turn this door off with ADMIN_ADDR=none", err)
		}
	}
	if d.socket, err = supervisor.ListenUnix(ctx, filepath.Join(cfg.State.Dir, socketName)); err != nil {
		d.close()
		return nil, err
	}
	return d, nil
}

// socketName is the admin socket in the state directory.
const socketName = "admin.sock"

func (d *doors) close() {
	for _, l := range []*supervisor.Listener{d.webhook, d.admin, d.socket} {
		if l != nil {
			l.Close()
		}
	}
}

// with says what each door serves.
func (d *doors) with(cfg config.Config, s *service, log zerolog.Logger) []supervisor.Door {
	options := web.Options{
		Username: cfg.Admin.Username, Password: cfg.Admin.Password.Reveal(), Dev: cfg.Service.Dev,
		Log: log.With().Str("actor", "admin").Logger(),
	}
	public := web.Public(s)
	list := []supervisor.Door{
		{Name: "webhook", Listener: d.webhook, Handler: func(t *supervisor.Tree) http.Handler {
			mux := http.NewServeMux()
			mux.Handle(cfg.Webhook.Path, t.Webhook())
			mux.Handle("/", public)
			if !cfg.Admin.OnWebhookPort {
				return mux
			}
			return web.Both(web.Admin(s, options), mux)
		}},
		{Name: "admin socket", Listener: d.socket, Handler: func(*supervisor.Tree) http.Handler {
			return web.Both(web.Local(s, options), public)
		}},
	}
	if d.admin != nil {
		list = append(list, supervisor.Door{Name: "admin", Listener: d.admin, Handler: func(*supervisor.Tree) http.Handler {
			return web.Both(web.Admin(s, options), public)
		}})
	}
	return list
}

// ready is the line on stdout, and the file in the state directory, that say where the service is.
type ready struct {
	Message string    `json:"message"`
	Time    time.Time `json:"time"`
	Webhook string    `json:"webhook"`
	Admin   string    `json:"admin,omitempty"`
	Socket  string    `json:"socket"`
	PID     int       `json:"pid"`
}

// announce says that the service is ready: the listeners are open, so that whoever reads it may connect.
func announce(cfg config.Config, d *doors, log zerolog.Logger, stdout io.Writer) error {
	r := ready{
		Message: "ready", Time: time.Now().UTC(), PID: os.Getpid(),
		Webhook: "http://" + d.webhook.Addr().String() + cfg.Webhook.Path,
		Socket:  d.socket.Addr().String(),
	}
	switch {
	case d.admin != nil:
		r.Admin = "http://" + d.admin.Addr().String()
	case cfg.Admin.OnWebhookPort && cfg.AdminHTTP():
		r.Admin = "http://" + d.webhook.Addr().String()
	}
	line, err := json.Marshal(r)
	if err != nil {
		return err
	}
	line = append(line, '\n')
	if err := writeFile(filepath.Join(cfg.State.Dir, "address"), line); err != nil {
		return fmt.Errorf("write the address file: %w", err)
	}
	if _, err := stdout.Write(line); err != nil {
		// Whoever started us may have closed stdout; that is no reason not to work.
		log.Warn().Err(err).Msg("ready line not written")
	}
	log.Info().Str("webhook", r.Webhook).Str("admin", r.Admin).Str("version", version).Msg("service started")
	return nil
}

// writeFile replaces a file as a whole.
func writeFile(path string, text []byte) error {
	next := path + ".new"
	if err := os.WriteFile(next, text, 0o600); err != nil {
		return err
	}
	return os.Rename(next, path)
}
