package sim

import (
	"context"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"

	"devs-webhook/messages"
)

// Thread is what stands on the page of an issue or a pull request.
type Thread struct {
	Repo        messages.Repo
	Number      int
	PullRequest bool
	Title       string
	Body        string
	State       string // open, closed
	URL         string // of the page
	Author      messages.User
	Assignees   []messages.User
	CreatedAt   time.Time
	Reactions   []Reaction
	Comments    []Comment // oldest first
	// Pulls are the thread itself if it is a pull request, and those that mention it (#1 in title or
	// body), in the order of their numbers. GitHub.Pulls has all of a repository.
	Pulls    []Pull
	Requests []Request // the whole log, not only of this thread
}

// Comment is a comment with its reactions.
type Comment struct {
	messages.Comment
	Reactions []Reaction
}

// Reaction is somebody's reaction: +1, -1, laugh, confused, heart, hooray, rocket or eyes.
type Reaction struct {
	ID      int64
	Content string
	User    messages.User
	At      time.Time
}

// Pull is a pull request. What it says of commits is base...head; once it is merged or closed, as of then.
type Pull struct {
	Number  int
	Title   string
	Body    string
	State   string // open, closed, merged
	Draft   bool
	URL     string
	Author  messages.User
	Head    string // branch
	HeadSHA string
	Base    string // branch
	BaseSHA string
	Commits []Commit // oldest first
	Diff    string   // git diff base...head
	Stat    string   // the same as git diff --stat
	Files   int
	Added   int
	Deleted int
}

// Commit is a commit of a pull request.
type Commit struct {
	SHA     string
	Author  string
	Subject string
}

// Snapshot gives the thread as it is now, branches that moved in the bare repository included. It panics
// if there is no such thread.
func (g *GitHub) Snapshot(repo messages.Repo, number int) Thread {
	th, err := g.snapshot(repo, number)
	if err != nil {
		panic(fmt.Sprintf("sim: look at %s#%d: %v", repo.FullName(), number, err))
	}
	return th
}

// Pulls lists all pull requests of a repository, in the order of their numbers.
func (g *GitHub) Pulls(repo messages.Repo) []Pull {
	r := g.lookUp(repo)
	if err := g.follow(r, r.owner); err != nil {
		panic(fmt.Sprintf("sim: look at %s: %v", repo.FullName(), err))
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.pulls(r, func(*thread) bool { return true })
}

// Branch gives the commit that a branch is at, empty if there is no such branch.
func (g *GitHub) Branch(repo messages.Repo, branch string) string {
	r := g.lookUp(repo)
	if err := g.follow(r, r.owner); err != nil {
		panic(fmt.Sprintf("sim: look at %s: %v", repo.FullName(), err))
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	return r.refs[heads+branch]
}

func (g *GitHub) snapshot(repo messages.Repo, number int) (Thread, error) {
	r := g.lookUp(repo)
	if err := g.follow(r, r.owner); err != nil {
		return Thread{}, err
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	_, t := g.mustThread(repo, number)
	th := Thread{
		Repo: r.Repo, Number: t.number, PullRequest: t.pull != nil, Title: t.title, Body: t.body,
		State: t.state(), URL: g.pageURL(r, t), Author: t.author, CreatedAt: t.created,
		Assignees: slices.Clone(t.assignees), Reactions: slices.Clone(t.reactions),
		Requests: slices.Clone(g.requests),
	}
	for _, c := range t.comments {
		th.Comments = append(th.Comments, Comment{
			Comment: messages.Comment{
				ID: c.id, Body: c.body, Author: c.author, URL: g.commentPage(r, t, c),
				CreatedAt: c.created, UpdatedAt: c.updated,
			},
			Reactions: slices.Clone(c.reactions),
		})
	}
	refers := g.refersTo(r, t)
	th.Pulls = g.pulls(r, func(p *thread) bool { return p == t || refers(p.title+"\n"+p.body) })
	return th, nil
}

// refersTo makes a test for texts that mention the thread by number or address.
func (g *GitHub) refersTo(r *repository, t *thread) func(string) bool {
	short := regexp.MustCompile(fmt.Sprintf(`(^|[^\w/#&])(%s)?#%d\b`, regexp.QuoteMeta(r.FullName()), t.number))
	long := regexp.MustCompile(regexp.QuoteMeta(g.pageURL(r, t)) + `\b`)
	return func(text string) bool { return short.MatchString(text) || long.MatchString(text) }
}

// pulls needs g.mu.
func (g *GitHub) pulls(r *repository, want func(*thread) bool) []Pull {
	var out []Pull
	for _, t := range r.threads {
		p := t.pull
		if p == nil || !want(t) {
			continue
		}
		state := t.state()
		if !p.merged.IsZero() {
			state = "merged"
		}
		out = append(out, Pull{
			Number: t.number, Title: t.title, Body: t.body, State: state, Draft: p.draft, URL: g.pageURL(r, t),
			Author: t.author, Head: p.head, HeadSHA: p.headSHA, Base: p.base, BaseSHA: p.baseSHA,
			Commits: slices.Clone(p.facts.commits), Diff: p.facts.diff, Stat: strings.TrimRight(p.facts.stat, "\n"),
			Files: p.facts.files, Added: p.facts.added, Deleted: p.facts.deleted,
		})
	}
	slices.SortFunc(out, func(a, b Pull) int { return a.Number - b.Number })
	return out
}

// Wait looks at the thread until cond holds: at once, and again whenever anything on the site has changed,
// a request that was answered or a webhook that was delivered included. If ctx ends first it gives the
// thread as last seen and the cause; after Close, ErrClosed. cond is called without any lock held.
func (g *GitHub) Wait(ctx context.Context, cond func(Thread) bool, repo messages.Repo, number int) (Thread, error) {
	var seen Thread
	err := g.until(ctx, func() (bool, error) {
		var err error
		if seen, err = g.snapshot(repo, number); err != nil {
			return false, err
		}
		return cond(seen), nil
	})
	return seen, err
}

// until calls done at once and after each change, until it says so.
func (g *GitHub) until(ctx context.Context, done func() (bool, error)) error {
	for {
		g.mu.Lock()
		changed := g.changed // taken before the look, so that no change is missed
		g.mu.Unlock()
		if yes, err := done(); yes || err != nil {
			return err
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return fmt.Errorf("wait for the simulated GitHub: %w", context.Cause(ctx))
		case <-g.done:
			return ErrClosed
		}
	}
}
