package git

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strconv"
	"strings"
	"time"

	"devs-webhook/messages"
)

// remoteRefs is what a server says that it has.
type remoteRefs struct {
	repo messages.Repo     // by the name that the server knows it by now
	head string            // the default branch, without refs/heads/
	refs map[string]string // ref → commit
}

// movedError is a repository that was renamed. Whoever asked by the old name can ask by the new one.
type movedError struct{ to messages.Repo }

func (e *movedError) Error() string { return "the repository is now at " + e.to.FullName() }

// list asks the server for its refs. A repository that was renamed is found under its new name, if that is
// at the same server.
func (g *Git) list(ctx context.Context, repo messages.Repo) (remoteRefs, error) {
	have, err := g.listAt(ctx, repo)
	var moved *movedError
	if errors.As(err, &moved) {
		return g.listAt(ctx, moved.to)
	}
	return have, err
}

func (g *Git) listAt(ctx context.Context, repo messages.Repo) (remoteRefs, error) {
	env, token, url, err := g.remote(ctx, repo)
	if err != nil {
		return remoteRefs{}, err
	}
	out, err := g.run(ctx, call{env: env, token: token, args: []string{"ls-remote", "--symref", url}})
	if err != nil {
		return remoteRefs{}, g.unreachable(ctx, repo, err)
	}
	have := parseRefs(string(out))
	have.repo = repo
	return have, nil
}

// parseRefs reads `ls-remote --symref`. Peeled tags are left out: nothing starts from them.
func parseRefs(out string) remoteRefs {
	r := remoteRefs{refs: map[string]string{}}
	for line := range strings.Lines(out) {
		what, ref, ok := strings.Cut(strings.TrimSuffix(line, "\n"), "\t")
		if !ok {
			continue
		}
		target, symbolic := strings.CutPrefix(what, "ref: ")
		switch {
		case symbolic && ref == "HEAD":
			r.head = strings.TrimPrefix(target, heads)
		case !symbolic && commitID.MatchString(what) && !strings.HasSuffix(ref, "^{}"):
			r.refs[ref] = what
		}
	}
	return r
}

// unreachable classifies why a repository could not be read. git does not tell a refusal from a fault by
// its exit code, so the server is asked once more, directly, what it answers.
func (g *Git) unreachable(ctx context.Context, repo messages.Repo, err error) error {
	a, probeErr := g.probe(ctx, repo, "git-upload-pack")
	switch {
	case ctx.Err() != nil:
		return ctx.Err()
	case probeErr != nil:
		return &messages.LaterError{Ending: messages.EndCloneFailed, Err: fmt.Errorf("the git server does not answer: %w", probeErr)}
	case a.status == http.StatusUnauthorized, a.status == http.StatusForbidden:
		return &messages.LaterError{
			After: a.after, Ending: messages.EndCloneFailed,
			Err: fmt.Errorf("the git server refuses the token of GITHUB_TOKEN for %s", repo.FullName()),
		}
	case a.status == http.StatusNotFound, a.status == http.StatusGone:
		return &messages.RefusedError{
			Ending: messages.EndCloneFailed, Why: "The repository could not be cloned: it is not there, or the service's token may not read it.", Err: err,
		}
	case a.moved != (messages.Repo{}):
		return &messages.LaterError{Ending: messages.EndCloneFailed, Err: &movedError{to: a.moved}}
	default:
		return &messages.LaterError{After: a.after, Ending: messages.EndCloneFailed, Err: err}
	}
}

// probeWithin bounds one probe: a server that is silent is not waited for a second time.
const probeWithin = 20 * time.Second

// answer is what a server says to a probe.
type answer struct {
	status int
	after  time.Duration // when it asks to be asked again, 0 if it does not say
	moved  messages.Repo // what it leads to, if that is a repository of the same server
}

// probe asks the smart HTTP endpoint that git itself begins with.
func (g *Git) probe(ctx context.Context, repo messages.Repo, service string) (a answer, err error) {
	url, err := g.url(repo)
	if err != nil {
		return a, err
	}
	token, err := g.opts.Token(ctx, repo)
	if err != nil {
		return a, err
	}
	ctx, cancel := context.WithTimeout(ctx, probeWithin)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, url+"/info/refs?service="+service, nil)
	if err != nil {
		return a, err
	}
	r.SetBasicAuth("x-access-token", token)
	transport := &http.Transport{Proxy: http.ProxyFromEnvironment, DisableKeepAlives: true}
	resp, err := transport.RoundTrip(r)
	if err != nil {
		var op *net.OpError
		if errors.As(err, &op) {
			return a, op // without the address that url.Error would add
		}
		return a, err
	}
	resp.Body.Close()
	if seconds, err := strconv.Atoi(resp.Header.Get("Retry-After")); err == nil && seconds > 0 {
		a.after = min(time.Duration(seconds)*time.Second, time.Hour)
	}
	if to, err := resp.Location(); err == nil && resp.StatusCode/100 == 3 {
		a.moved = g.named(repo, to.String())
	}
	a.status = resp.StatusCode
	return a, nil
}

// named is the repository at an address of the server, which is otherwise the same as repo; zero if the
// address is none of this server's repositories.
func (g *Git) named(repo messages.Repo, address string) messages.Repo {
	address, _, _ = strings.Cut(address, "?")
	name, ours := strings.CutPrefix(address, g.opts.ServerURL+"/")
	name, refs := strings.CutSuffix(name, "/info/refs")
	owner, name, slash := strings.Cut(strings.TrimSuffix(name, ".git"), "/")
	if !ours || !refs || !slash {
		return messages.Repo{}
	}
	repo.Owner, repo.Name = owner, name
	if _, err := g.url(repo); err != nil {
		return messages.Repo{}
	}
	return repo
}
