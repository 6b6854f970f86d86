package sim

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"devs-webhook/messages"
)

// route is one operation of the API.
type route struct {
	pattern string
	handle  func(*call) answer
	refs    bool // the answer depends on the repository's refs: look at them first
	free    bool // handle takes g.mu itself; the others run with it held
	login   bool // nothing for somebody without a token
}

func routes() []route {
	const repo, issue, comment = "/repos/{owner}/{repo}", "/repos/{owner}/{repo}/issues/{number}", "/repos/{owner}/{repo}/issues/comments/{comment}"
	return []route{
		{pattern: "GET /rate_limit", handle: getRateLimit},
		{pattern: "GET /user", handle: getSelf, login: true},
		{pattern: "GET /user/{id}", handle: getUserByID},
		{pattern: "GET /users/{login}", handle: getUser},
		{pattern: "GET " + repo, handle: getRepo},
		{pattern: "GET " + repo + "/collaborators/{login}/permission", handle: getPermission, login: true},
		{pattern: "GET " + repo + "/issues", handle: listIssues},
		{pattern: "POST " + repo + "/issues", handle: createIssue, login: true},
		{pattern: "GET " + issue, handle: getIssue},
		{pattern: "PATCH " + issue, handle: patchIssue, login: true},
		{pattern: "GET " + issue + "/comments", handle: listComments},
		{pattern: "POST " + issue + "/comments", handle: createComment, login: true},
		{pattern: "GET " + issue + "/reactions", handle: listThreadReactions},
		{pattern: "POST " + issue + "/reactions", handle: createThreadReaction, login: true},
		{pattern: "GET " + comment, handle: getComment},
		{pattern: "PATCH " + comment, handle: patchComment, login: true},
		{pattern: "DELETE " + comment, handle: removeComment, login: true},
		{pattern: "GET " + comment + "/reactions", handle: listCommentReactions},
		{pattern: "POST " + comment + "/reactions", handle: createCommentReaction, login: true},
		{pattern: "GET " + repo + "/pulls", handle: listPulls, refs: true},
		{pattern: "POST " + repo + "/pulls", handle: createPull, free: true, login: true},
		{pattern: "GET " + repo + "/pulls/{number}", handle: getPull, refs: true},
		{pattern: "PATCH " + repo + "/pulls/{number}", handle: patchPull, refs: true, login: true},
		{pattern: "GET " + repo + "/git/ref/{ref...}", handle: getRef, refs: true},
		{pattern: "GET " + repo + "/branches/{branch...}", handle: getBranch, refs: true, free: true},
		{pattern: "GET " + repo + "/hooks", handle: listHooks, login: true},
		{pattern: "GET " + repo + "/hooks/{hook}/deliveries", handle: listDeliveries, login: true},
		{pattern: "POST " + repo + "/hooks/{hook}/deliveries/{delivery}/attempts", handle: redeliver, login: true},
	}
}

// handler serves the API, git, and a page in plain text for each thread.
func (g *GitHub) handler() http.Handler {
	api := http.StripPrefix(apiPrefix, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		g.serve(w, r, find(r, routes()))
	}))
	site := http.NewServeMux()
	site.HandleFunc("GET /{owner}/{repo}/issues/{number}", g.servePage)
	site.HandleFunc("GET /{owner}/{repo}/pull/{number}", g.servePage)
	site.HandleFunc("/", g.serveGit)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !g.begin() {
			panic(http.ErrAbortHandler)
		}
		defer g.work.Done()
		if strings.HasPrefix(r.URL.Path, apiPrefix+"/") {
			api.ServeHTTP(w, r)
			return
		}
		site.ServeHTTP(w, r)
	})
}

// find gives the first route that fits, and sets the request's path values. http.ServeMux cannot hold
// GitHub's routes: issues/{number}/comments and issues/comments/{id} are a conflict to it. As on GitHub
// all that is below /repos/{owner}/{repo} is below /repositories/{id} too.
func find(r *http.Request, list []route) route {
	have := strings.Split(r.URL.EscapedPath(), "/")
	if len(have) > 2 && have[1] == "repositories" {
		r.SetPathValue(repoByID, have[2])
		have = append([]string{"", "repos", "-", "-"}, have[3:]...)
	}
	for _, rt := range list {
		method, pattern, _ := strings.Cut(rt.pattern, " ")
		if r.Method == method && match(r, strings.Split(pattern, "/"), have) {
			return rt
		}
	}
	return route{handle: func(*call) answer { return notFound() }}
}

// repoByID is the path value of a repository that is addressed by its id.
const repoByID = "repository_id"

// match compares segment by segment. {name} stands for one segment, {name...} for all that are left.
func match(r *http.Request, want, have []string) bool {
	values := map[string]string{}
	for i, w := range want {
		name, variable := strings.CutPrefix(w, "{")
		name = strings.TrimSuffix(name, "}")
		rest := strings.HasSuffix(name, "...")
		switch {
		case i >= len(have) || variable && have[i] == "":
			return false
		case rest:
			have = append(have[:i:i], strings.Join(have[i:], "/"))
		case !variable && w != have[i]:
			return false
		}
		if variable {
			value, err := url.PathUnescape(have[i])
			if err != nil {
				return false
			}
			values[strings.TrimSuffix(name, "...")] = value
		}
	}
	if len(want) != len(have) {
		return false
	}
	for name, value := range values {
		r.SetPathValue(name, value)
	}
	return true
}

// maxRequest bounds the body of an API request.
const maxRequest = 8 << 20

// serve answers one API request.
func (g *GitHub) serve(w http.ResponseWriter, r *http.Request, rt route) {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxRequest))
	if err != nil {
		panic(http.ErrAbortHandler) // the client went away, or is no API client
	}
	r.Body = io.NopCloser(bytes.NewReader(body))
	user, auth := g.authenticate(r)
	log := g.record(r, user)
	no := g.check(r, body)
	if no == nil && auth != nil {
		no = auth
	}
	g.withFault(w, r, log, func() (int, http.Header, []byte) {
		a := answer{}
		if no != nil {
			a = *no
		} else {
			a = g.perform(&call{g: g, r: r, body: body, user: user, pattern: rt.pattern}, rt)
		}
		rec := &recorder{}
		g.standardHeaders(rec.Header(), user)
		a.write(rec, r)
		return rec.status, rec.header, rec.body.Bytes()
	})
}

// perform finds what the path names and calls the operation.
func (g *GitHub) perform(c *call, rt route) answer {
	if rt.login && c.user.ID == 0 {
		return needsLogin()
	}
	g.mu.Lock()
	no := c.resolve()
	g.mu.Unlock()
	if no != nil {
		return *no
	}
	if rt.refs && c.repo != nil {
		if err := g.follow(c.repo, c.repo.owner); err != nil {
			return broken(err)
		}
	}
	if !rt.free {
		g.mu.Lock()
		defer g.mu.Unlock()
	}
	return rt.handle(c)
}

// resolve finds the repository and the thread of the path. What the user may not see is not found. It
// needs g.mu.
func (c *call) resolve() *answer {
	owner, name, id := c.r.PathValue("owner"), c.r.PathValue("repo"), c.r.PathValue(repoByID)
	switch {
	case id != "":
		if n, err := strconv.ParseInt(id, 10, 64); err == nil && n > 0 {
			c.repo = c.g.findRepo(messages.Repo{ID: n})
		}
	case owner != "":
		c.repo = c.g.repos[key(owner, name)]
	default:
		return nil
	}
	if c.repo == nil || !c.repo.can(c.user, "read") {
		return new(notFound())
	}
	if value := c.r.PathValue("number"); value != "" {
		n, _ := strconv.Atoi(value)
		c.thread = c.repo.thread(n)
		wantsPull := strings.Contains(c.pattern, "/pulls/{number}")
		if c.thread == nil || wantsPull && c.thread.pull == nil {
			return new(notFound())
		}
	}
	return nil
}

// authenticate finds whose token it is. No token is nobody; one that does not count is refused, also for
// what everybody may see.
func (g *GitHub) authenticate(r *http.Request) (messages.User, *answer) {
	value := r.Header.Get("Authorization")
	if value == "" {
		return messages.User{}, nil
	}
	scheme, token, _ := strings.Cut(value, " ")
	if strings.EqualFold(scheme, "basic") {
		plain, _ := base64.StdEncoding.DecodeString(token)
		_, token, _ = strings.Cut(string(plain), ":")
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	u, found := g.tokens[strings.TrimSpace(token)]
	if !found {
		return messages.User{}, new(badToken())
	}
	return u, nil
}

// check asks Options.Check.
func (g *GitHub) check(r *http.Request, body []byte) *answer {
	if g.opts.Check == nil {
		return nil
	}
	copied := r.Clone(r.Context())
	copied.Body = io.NopCloser(bytes.NewReader(body))
	err := g.opts.Check(copied)
	if err == nil {
		return nil
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	g.checks = append(g.checks, fmt.Errorf("%s %s: %w", r.Method, r.URL.Path, err))
	g.change()
	return new(failed(http.StatusInternalServerError, "the request does not fit GitHub's description: "+err.Error()))
}

// quota counts a user's requests within the hour.
type quota struct {
	used  int
	reset time.Time
}

const quotaLimit = 5000

// standardHeaders are those of every answer.
func (g *GitHub) standardHeaders(h http.Header, user messages.User) {
	g.mu.Lock()
	defer g.mu.Unlock()
	q := g.quotaOf(user)
	q.used++
	id := strings.ToUpper(strings.ReplaceAll(newGUID(), "-", ":"))
	h.Set("X-GitHub-Request-Id", id)
	h.Set("X-GitHub-Media-Type", "github.v3; format=json")
	h.Set("X-GitHub-Api-Version-Selected", "2022-11-28")
	h.Set("X-RateLimit-Limit", strconv.Itoa(quotaLimit))
	h.Set("X-RateLimit-Remaining", strconv.Itoa(max(quotaLimit-q.used, 0)))
	h.Set("X-RateLimit-Used", strconv.Itoa(q.used))
	h.Set("X-RateLimit-Reset", strconv.FormatInt(q.reset.Unix(), 10))
	h.Set("X-RateLimit-Resource", "core")
}

// quotaOf needs g.mu.
func (g *GitHub) quotaOf(user messages.User) *quota {
	q := g.quota[user.Login]
	if now := g.now(); q == nil || !now.Before(q.reset) {
		q = &quota{reset: now.Add(time.Hour)}
		g.quota[user.Login] = q
	}
	return q
}
