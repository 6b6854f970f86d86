// Package web holds the HTTP routes other than the webhook itself: health and readiness, which anybody may
// ask for, and the admin routes, which need the admin's name and password, or the socket in the state
// directory that only the service's own account can open.
//
// The routes and their JSON keys are those of the original; new keys may join.
package web

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"regexp"
	"strings"
	"time"

	"github.com/rs/zerolog"
)

// ErrUnknown is what a Service answers for a delivery or a container that it does not know.
var ErrUnknown = errors.New("unknown")

// Service is what the routes show and steer. It is safe for concurrent use.
type Service interface {
	// Ready says whether deliveries can be accepted, and of each part whether it works: "ok", or a sentence.
	// That GitHub or the runtime is away does not make it unready: what comes in meanwhile is kept.
	Ready(ctx context.Context) (ready bool, checks map[string]string)
	Status(ctx context.Context) (Status, error)
	// Why tells the story of a delivery, as JSON marshals it.
	Why(ctx context.Context, delivery string) (any, error)
	// Stop ends the task that runs in the container.
	Stop(ctx context.Context, container string) error
	// TestEvent accepts a made-up request and gives its delivery's id.
	TestEvent(ctx context.Context, repo, prompt string) (string, error)
}

// Options say who may use the admin routes.
type Options struct {
	Username string
	Password string // empty: no admin routes over TCP, unless Dev
	Dev      bool   // test events; any credentials will do if there is no password
	Log      zerolog.Logger
}

// Public serves health and readiness.
func Public(s Service) http.Handler {
	mux := http.NewServeMux()
	healthy := func(w http.ResponseWriter, _ *http.Request) {
		write(w, http.StatusOK, map[string]string{"status": "healthy", "service": "devs-webhook"})
	}
	mux.HandleFunc("GET /{$}", healthy)
	mux.HandleFunc("GET /health", healthy)
	mux.HandleFunc("GET /readyz", func(w http.ResponseWriter, r *http.Request) {
		ctx, cancel := context.WithTimeout(r.Context(), 5*time.Second)
		defer cancel()
		ready, checks := s.Ready(ctx)
		status := http.StatusOK
		if !ready {
			status = http.StatusServiceUnavailable
		}
		write(w, status, map[string]any{"ready": ready, "checks": checks})
	})
	mux.HandleFunc("/", func(w http.ResponseWriter, _ *http.Request) { fail(w, http.StatusNotFound, "Not Found") })
	return mux
}

// Admin serves the admin routes behind the admin's password. Without one, outside dev mode, it serves none.
func Admin(s Service, o Options) http.Handler {
	if o.Password == "" && !o.Dev {
		return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { fail(w, http.StatusNotFound, "Not Found") })
	}
	routes := Local(s, o)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !o.admits(r) {
			// No WWW-Authenticate, as in the original: a browser would ask twice.
			fail(w, http.StatusUnauthorized, "Invalid credentials")
			return
		}
		routes.ServeHTTP(w, r)
	})
}

// Local serves the admin routes to whoever can reach it: for the Unix socket.
func Local(s Service, o Options) http.Handler {
	a := admin{service: s, options: o}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /status", a.status)
	mux.HandleFunc("GET /containers", a.containers)
	mux.HandleFunc("GET /why/{delivery}", a.why)
	mux.HandleFunc("POST /container/{name}/stop", a.stop)
	mux.HandleFunc("POST /testevent", a.testEvent)
	mux.HandleFunc("/", func(w http.ResponseWriter, _ *http.Request) { fail(w, http.StatusNotFound, "Not Found") })
	return mux
}

// Both serves the admin routes from one handler and everything else from the other.
func Both(admin, rest http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if isAdmin(r.URL.Path) {
			admin.ServeHTTP(w, r)
			return
		}
		rest.ServeHTTP(w, r)
	})
}

func isAdmin(path string) bool {
	switch path {
	case "/status", "/containers", "/testevent":
		return true
	}
	return strings.HasPrefix(path, "/why/") || strings.HasPrefix(path, "/container/")
}

// admits compares in constant time. Digests make the lengths equal and any bytes comparable.
func (o Options) admits(r *http.Request) bool {
	if o.Password == "" {
		return o.Dev
	}
	user, password, _ := r.BasicAuth()
	return same(user, o.Username)&same(password, o.Password) == 1
}

func same(a, b string) int {
	x, y := sha256.Sum256([]byte(a)), sha256.Sum256([]byte(b))
	return subtle.ConstantTimeCompare(x[:], y[:])
}

type admin struct {
	service Service
	options Options
}

func (a admin) status(w http.ResponseWriter, r *http.Request) {
	status, err := a.service.Status(r.Context())
	if err != nil {
		a.broken(w, r, err)
		return
	}
	write(w, http.StatusOK, status)
}

func (a admin) containers(w http.ResponseWriter, r *http.Request) {
	status, err := a.service.Status(r.Context())
	if err != nil {
		a.broken(w, r, err)
		return
	}
	write(w, http.StatusOK, status.Containers)
}

func (a admin) why(w http.ResponseWriter, r *http.Request) {
	story, err := a.service.Why(r.Context(), r.PathValue("delivery"))
	switch {
	case errors.Is(err, ErrUnknown):
		fail(w, http.StatusNotFound, "No such delivery")
	case err != nil:
		a.broken(w, r, err)
	default:
		write(w, http.StatusOK, story)
	}
}

func (a admin) stop(w http.ResponseWriter, r *http.Request) {
	name := r.PathValue("name")
	err := a.service.Stop(r.Context(), name)
	switch {
	case errors.Is(err, ErrUnknown):
		fail(w, http.StatusNotFound, "No task runs in that container")
	case err != nil:
		a.broken(w, r, err)
	default:
		write(w, http.StatusOK, map[string]string{"status": "stopped", "container": name})
	}
}

var repository = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9-]{0,38}/[A-Za-z0-9._-]{1,100}$`)

func (a admin) testEvent(w http.ResponseWriter, r *http.Request) {
	if !a.options.Dev {
		fail(w, http.StatusNotFound, "Not Found")
		return
	}
	event := struct {
		Prompt string `json:"prompt"`
		Repo   string `json:"repo"`
	}{Repo: "test/repo"}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, 1<<20))
	if err == nil {
		err = json.Unmarshal(body, &event)
	}
	if err != nil || strings.TrimSpace(event.Prompt) == "" || !repository.MatchString(event.Repo) {
		fail(w, http.StatusUnprocessableEntity, `Expected {"prompt": "what to do", "repo": "owner/name"}`)
		return
	}
	id, err := a.service.TestEvent(r.Context(), event.Repo, event.Prompt)
	if err != nil {
		a.broken(w, r, err)
		return
	}
	write(w, http.StatusAccepted, map[string]string{
		"status": "test_accepted", "delivery_id": id, "repo": event.Repo,
		"prompt": cut(event.Prompt, 100), "message": "Follow it with: devs-webhook why " + id,
	})
}

// broken answers for a fault of ours. The cause is for the log, not for the client.
func (a admin) broken(w http.ResponseWriter, r *http.Request, err error) {
	a.options.Log.Error().Err(err).Str("path", r.URL.Path).Msg("admin request failed")
	fail(w, http.StatusInternalServerError, "The service could not answer; its log says why")
}

// cut keeps the first n characters.
func cut(s string, n int) string {
	runes := []rune(s)
	if len(runes) <= n {
		return s
	}
	return string(runes[:n])
}

func fail(w http.ResponseWriter, status int, detail string) {
	write(w, status, map[string]string{"detail": detail})
}

func write(w http.ResponseWriter, status int, body any) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("X-Content-Type-Options", "nosniff")
	w.WriteHeader(status)
	// An error here means that the client has gone; there is nobody to tell.
	_ = json.NewEncoder(w).Encode(body)
}
