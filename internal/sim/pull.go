package sim

import (
	"fmt"
	"net/http"
	"slices"
	"strings"

	"devs-webhook/messages"
)

// pullRequest is what is asked for when a pull request is opened.
type pullRequest struct {
	title, body string
	head        string // branch, or owner:branch
	base        string // branch
	draft       bool
}

// openPull opens a pull request, or gives GitHub's refusal. No lock is held by the caller.
func (g *GitHub) openPull(r *repository, author messages.User, in pullRequest) (*thread, *answer) {
	r.git.Lock()
	defer r.git.Unlock()
	if err := g.followLocked(r, author); err != nil {
		return nil, new(broken(err))
	}
	if owner, branch, ok := strings.Cut(in.head, ":"); ok && strings.EqualFold(owner, r.Owner) {
		in.head = branch
	}
	p := &pull{head: in.head, base: in.base, draft: in.draft}
	if no := g.pullSides(r, p); no != nil {
		return nil, no
	}
	var err error
	if p.facts, err = compare(r.dir, p.baseSHA, p.headSHA); err != nil {
		return nil, new(broken(err))
	}
	if len(p.facts.commits) == 0 {
		return nil, new(invalid(object{
			"resource": "PullRequest", "code": "custom",
			"message": fmt.Sprintf("No commits between %s and %s", in.base, in.head),
		}))
	}
	g.mu.Lock()
	t := g.newThread(r, author, in.title, in.body)
	p.id = g.newID()
	g.mu.Unlock()
	ref := fmt.Sprintf("refs/pull/%d/head", t.number)
	if _, err := git(r.dir, nil, "update-ref", ref, p.headSHA); err != nil {
		return nil, new(broken(err))
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	t.pull = p
	r.refs[ref] = p.headSHA
	r.threads = append(r.threads, t)
	g.emitThread(r, t, "opened", author, nil)
	return t, nil
}

// pullSides finds the objects of both branches, and refuses as GitHub does what cannot be a pull request.
func (g *GitHub) pullSides(r *repository, p *pull) *answer {
	g.mu.Lock()
	defer g.mu.Unlock()
	p.headSHA, p.baseSHA = r.refs[heads+p.head], r.refs[heads+p.base]
	for _, side := range [][2]string{{"head", p.headSHA}, {"base", p.baseSHA}} {
		if side[1] == "" {
			return new(invalid(object{"resource": "PullRequest", "field": side[0], "code": "invalid"}))
		}
	}
	for _, t := range r.threads {
		if t.pull != nil && t.closed.IsZero() && t.pull.head == p.head && t.pull.base == p.base {
			return new(invalid(object{
				"resource": "PullRequest", "code": "custom",
				"message": fmt.Sprintf("A pull request already exists for %s:%s.", r.Owner, p.head),
			}))
		}
	}
	return nil
}

func listPulls(c *call) answer {
	r := c.repo
	q := c.r.URL.Query()
	state := q.Get("state")
	head, base := q.Get("head"), q.Get("base")
	var list []any
	for i := len(r.threads) - 1; i >= 0; i-- { // GitHub's default is newest first
		t := r.threads[i]
		if t.pull == nil || !wanted(state, t) {
			continue
		}
		// GitHub ignores a head without an owner.
		if strings.Contains(head, ":") && !strings.EqualFold(head, r.Owner+":"+t.pull.head) {
			continue
		}
		if base != "" && base != t.pull.base {
			continue
		}
		list = append(list, listed(c.g.pullJSON(r, t)))
	}
	if q.Get("direction") == "asc" {
		slices.Reverse(list)
	}
	return c.page(list)
}

func getPull(c *call) answer { return ok(c.g.pullJSON(c.repo, c.thread)) }

// createPull holds no lock: it needs git.
func createPull(c *call) answer {
	var in struct {
		Title *string `json:"title"`
		Body  string  `json:"body"`
		Head  *string `json:"head"`
		Base  *string `json:"base"`
		Draft bool    `json:"draft"`
	}
	if no := c.decode(&in); no != nil {
		return *no
	}
	if !c.may("write") {
		return forbidden()
	}
	for name, value := range map[string]*string{"head": in.Head, "base": in.Base} {
		if value == nil {
			return notSupplied(name)
		}
	}
	if in.Title == nil || strings.TrimSpace(*in.Title) == "" {
		return invalid(object{"resource": "PullRequest", "code": "missing_field", "field": "title"})
	}
	if no := tooLong("PullRequest", *in.Title, in.Body); no != nil {
		return *no
	}
	t, no := c.g.openPull(c.repo, c.user, pullRequest{
		title: *in.Title, body: in.Body, head: *in.Head, base: *in.Base, draft: in.Draft,
	})
	if no != nil {
		return *no
	}
	c.g.mu.Lock()
	defer c.g.mu.Unlock()
	return created(c.g.pullJSON(c.repo, t), fmt.Sprintf("%s/pulls/%d", c.g.repoURL(c.repo), t.number))
}

// patchPull edits the texts and the state of a pull request.
func patchPull(c *call) answer {
	if a := patchThread(c); a.status != http.StatusOK {
		return a
	}
	return getPull(c)
}

// getRef answers for one ref, by its full name without the leading refs/.
func getRef(c *call) answer {
	name := "refs/" + c.r.PathValue("ref")
	sha, found := c.repo.refs[name]
	if !found {
		return notFound()
	}
	api := c.g.repoURL(c.repo)
	return ok(object{
		"ref": name, "node_id": nodeID("Ref", c.repo.ID), "url": api + "/git/" + name,
		"object": object{"type": "commit", "sha": sha, "url": api + "/git/commits/" + sha},
	})
}

// getBranch holds no lock: it needs git.
func getBranch(c *call) answer {
	name := c.r.PathValue("branch")
	c.g.mu.Lock()
	sha := c.repo.refs[heads+name]
	c.g.mu.Unlock()
	if sha == "" {
		return failed(http.StatusNotFound, "Branch not found")
	}
	log, err := git(c.repo.dir, nil, "log", "-1", "--format=%an%x00%ae%x00%aI%x00%cn%x00%ce%x00%cI%x00%T%x00%P%x00%B", sha)
	if err != nil {
		return broken(err)
	}
	part := strings.SplitN(log, "\x00", 9)
	api := c.g.repoURL(c.repo)
	parents := []object{}
	for p := range strings.FieldsSeq(part[7]) {
		parents = append(parents, object{"sha": p, "url": api + "/commits/" + p})
	}
	return ok(object{
		"name": name, "protected": false, "protection_url": api + "/branches/" + name + "/protection",
		"protection": object{"enabled": false},
		"_links":     object{"self": api + "/branches/" + name, "html": c.g.url + "/" + c.repo.FullName() + "/tree/" + name},
		"commit": object{
			"sha": sha, "node_id": nodeID("Commit", c.repo.ID), "url": api + "/commits/" + sha, "parents": parents,
			"author": nil, "committer": nil,
			"commit": object{
				"author":    object{"name": part[0], "email": part[1], "date": part[2]},
				"committer": object{"name": part[3], "email": part[4], "date": part[5]},
				"message":   strings.TrimRight(part[8], "\n"), "comment_count": 0,
				"tree": object{"sha": part[6], "url": api + "/git/trees/" + part[6]},
				"url":  api + "/git/commits/" + sha,
			},
		},
	})
}
