package sim

import (
	"errors"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/cgi"
	"os"
	"strings"

	"devs-webhook/messages"
)

// maxPush bounds what one push may bring.
const maxPush = 256 << 20

// gitRequest is what a request to git asks for.
type gitRequest struct {
	repo  *repository
	tail  string // after the repository's name, with a slash
	write bool   // a push, or its first half
}

// serveGit is smart HTTP: git's own server behind GitHub's door.
func (g *GitHub) serveGit(w http.ResponseWriter, r *http.Request) {
	body, err := g.spool(w, r)
	if err != nil {
		panic(http.ErrAbortHandler) // the client went away, or sends more than is sensible
	}
	defer func() { _ = body.Close() }()
	user, bad := g.authenticate(r)
	entry := g.record(r, user)
	g.withFault(w, r, entry, func() (int, http.Header, []byte) {
		rec := &recorder{}
		in, no := g.admit(r, user, bad != nil)
		if no != nil {
			no(rec)
		} else {
			g.backendRequest(rec, r, in, user, body)
		}
		return rec.status, rec.header, rec.body.Bytes()
	})
}

// spool takes the request's body in before anything else: a client that goes away is noticed only once
// the body is read, and what was cut short must not reach git. It is in an unnamed file.
func (g *GitHub) spool(w http.ResponseWriter, r *http.Request) (*os.File, error) {
	file, err := os.CreateTemp(g.dir, "sim-git-*")
	if err != nil {
		return nil, fmt.Errorf("keep request: %w", err)
	}
	err = os.Remove(file.Name())
	_, copyErr := io.Copy(file, http.MaxBytesReader(w, r.Body, maxPush))
	_, seekErr := file.Seek(0, io.SeekStart)
	if err := errors.Join(err, copyErr, seekErr); err != nil {
		_ = file.Close()
		return nil, fmt.Errorf("keep request: %w", err)
	}
	return file, nil
}

// plain is a refusal in git's way: one line of text, which the client shows.
func plain(status int, text string) func(http.ResponseWriter) {
	return func(w http.ResponseWriter) {
		if status == http.StatusUnauthorized {
			w.Header().Set("WWW-Authenticate", `Basic realm="GitHub"`)
		}
		w.Header().Set("Content-Type", "text/plain")
		w.WriteHeader(status)
		_, _ = io.WriteString(w, text+"\n")
	}
}

// admit decides on a git request as GitHub does: what one may not see is not there, and nobody in
// particular is asked for a password before they are told so.
func (g *GitHub) admit(r *http.Request, user messages.User, bad bool) (gitRequest, func(http.ResponseWriter)) {
	if bad {
		return gitRequest{}, plain(http.StatusUnauthorized, "Invalid username or token. Password authentication is not supported for Git operations.")
	}
	owner, rest, _ := strings.Cut(strings.TrimPrefix(r.URL.Path, "/"), "/")
	name, tail, _ := strings.Cut(rest, "/")
	in := gitRequest{tail: "/" + tail}
	service := r.URL.Query().Get("service")
	switch {
	case r.Method == http.MethodGet && tail == "info/refs" && service == "git-upload-pack":
	case r.Method == http.MethodPost && tail == "git-upload-pack":
	case r.Method == http.MethodGet && tail == "info/refs" && service == "git-receive-pack",
		r.Method == http.MethodPost && tail == "git-receive-pack":
		in.write = true
	default:
		return gitRequest{}, plain(http.StatusNotFound, "Not Found")
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	in.repo = g.repos[key(owner, name)]
	nobody := user.ID == 0
	switch {
	case in.repo != nil && in.repo.can(user, "write") && !nobody,
		in.repo != nil && in.repo.can(user, "read") && !in.write:
		return in, nil
	case nobody:
		return in, plain(http.StatusUnauthorized, "No anonymous write access.")
	case in.repo == nil || !in.repo.can(user, "read"):
		return in, plain(http.StatusNotFound, "Repository not found.")
	}
	return in, plain(http.StatusForbidden, fmt.Sprintf("Permission to %s.git denied to %s.", in.repo.FullName(), user.Login))
}

// backendRequest hands a request to git http-backend. After a push the pull requests follow before the
// client has its answer, so that whoever has pushed sees the site as it is then.
func (g *GitHub) backendRequest(w http.ResponseWriter, r *http.Request, in gitRequest, user messages.User, body *os.File) {
	req := r.Clone(r.Context())
	req.URL.Path = "/" + in.repo.FullName() + ".git" + in.tail
	req.Body = io.NopCloser(body)
	req.Header.Del("Authorization") // no business of git's
	env := append(gitEnv(g.dir), "GIT_PROJECT_ROOT="+g.dir, "GIT_HTTP_EXPORT_ALL=1")
	if user.ID != 0 {
		env = append(env, "REMOTE_USER="+user.Login)
	}
	if protocol := r.Header.Get("Git-Protocol"); protocol != "" {
		env = append(env, "GIT_PROTOCOL="+protocol)
	}
	handler := cgi.Handler{Path: g.backend, Root: "/", Dir: g.dir, Env: env, Stderr: g.opts.Log, Logger: log.New(g.opts.Log, "", 0)}
	handler.ServeHTTP(w, req)
	if in.write && r.Method == http.MethodPost {
		if err := g.follow(in.repo, user); err != nil {
			g.opts.Log.Error().Err(err).Str("repo", in.repo.FullName()).Msg("pull requests did not follow a push")
		}
	}
}
