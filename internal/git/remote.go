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
	head string            // the default branch, without refs/heads/
	refs map[string]string // ref → commit
}

// list asks the server for its refs.
func (g *Git) list(ctx context.Context, repo messages.Repo) (remoteRefs, error) {
	env, token, url, err := g.remote(ctx, repo)
	if err != nil {
		return remoteRefs{}, err
	}
	out, err := g.run(ctx, call{env: env, token: token, args: []string{"ls-remote", "--symref", url}})
	if err != nil {
		return remoteRefs{}, g.unreachable(ctx, repo, err)
	}
	return parseRefs(string(out)), nil
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
	status, after, probeErr := g.probe(ctx, repo, "git-upload-pack")
	switch {
	case ctx.Err() != nil:
		return ctx.Err()
	case probeErr != nil:
		return &messages.LaterError{Ending: messages.EndCloneFailed, Err: fmt.Errorf("the git server does not answer: %w", probeErr)}
	case status == http.StatusUnauthorized, status == http.StatusForbidden:
		return &messages.LaterError{
			After: after, Ending: messages.EndCloneFailed,
			Err: fmt.Errorf("the git server refuses the token of GITHUB_TOKEN for %s", repo.FullName()),
		}
	case status == http.StatusNotFound, status == http.StatusGone:
		return &messages.RefusedError{
			Ending: messages.EndCloneFailed, Why: "The repository could not be cloned: it is not there, or the service's token may not read it.", Err: err,
		}
	default:
		return &messages.LaterError{After: after, Ending: messages.EndCloneFailed, Err: err}
	}
}

// probeWithin bounds one probe: a server that is silent is not waited for a second time.
const probeWithin = 20 * time.Second

// probe asks the smart HTTP endpoint that git itself begins with. after is when the server asks to be asked
// again, 0 if it does not say.
func (g *Git) probe(ctx context.Context, repo messages.Repo, service string) (status int, after time.Duration, err error) {
	url, err := g.url(repo)
	if err != nil {
		return 0, 0, err
	}
	token, err := g.opts.Token(ctx, repo)
	if err != nil {
		return 0, 0, err
	}
	ctx, cancel := context.WithTimeout(ctx, probeWithin)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, url+"/info/refs?service="+service, nil)
	if err != nil {
		return 0, 0, err
	}
	r.SetBasicAuth("x-access-token", token)
	transport := &http.Transport{Proxy: http.ProxyFromEnvironment, DisableKeepAlives: true}
	resp, err := transport.RoundTrip(r)
	if err != nil {
		var op *net.OpError
		if errors.As(err, &op) {
			return 0, 0, op // without the address that url.Error would add
		}
		return 0, 0, err
	}
	resp.Body.Close()
	if seconds, err := strconv.Atoi(resp.Header.Get("Retry-After")); err == nil && seconds > 0 {
		after = min(time.Duration(seconds)*time.Second, time.Hour)
	}
	return resp.StatusCode, after, nil
}
