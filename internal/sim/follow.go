package sim

import (
	"fmt"

	"devs-webhook/messages"
)

const (
	heads  = "refs/heads/"
	noHash = "0000000000000000000000000000000000000000"
)

// moved is an open pull request whose head or base is not where the site last saw it.
type moved struct {
	thread     *thread
	head, base string // objects; head is empty if its branch is gone
	facts      facts
}

// follow looks at the refs of a repository and lets its pull requests follow their branches. The API
// calls it before every answer that depends on a ref, so that a push is seen however it came in.
func (g *GitHub) follow(r *repository, by messages.User) error {
	r.git.Lock()
	defer r.git.Unlock()
	return g.followLocked(r, by)
}

// followLocked is follow with r.git held by the caller.
func (g *GitHub) followLocked(r *repository, by messages.User) error {
	now, err := refs(r.dir)
	if err != nil {
		return err
	}
	list := g.movedPulls(r, now)
	for i := range list {
		m := &list[i]
		if m.head == "" {
			continue
		}
		if m.facts, err = compare(r.dir, m.base, m.head); err != nil {
			return err
		}
		ref := fmt.Sprintf("refs/pull/%d/head", m.thread.number)
		if _, err := git(r.dir, nil, "update-ref", ref, m.head); err != nil {
			return err
		}
		now[ref] = m.head
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	if !sameBranches(r.refs, now) {
		r.pushed = g.now()
		g.change()
	}
	r.refs = now
	for _, m := range list {
		g.movePull(r, m, by)
	}
	return nil
}

// sameBranches compares the branches and tags of two looks; pull refs are the site's own.
func sameBranches(a, b map[string]string) bool {
	for _, pair := range [][2]map[string]string{{a, b}, {b, a}} {
		for name, object := range pair[0] {
			if pair[1][name] != object && name[:min(len(name), 10)] != "refs/pull/" {
				return false
			}
		}
	}
	return true
}

// movedPulls lists the open pull requests that have to be looked at anew.
func (g *GitHub) movedPulls(r *repository, now map[string]string) []moved {
	g.mu.Lock()
	defer g.mu.Unlock()
	var list []moved
	for _, t := range r.threads {
		if t.pull == nil || !t.closed.IsZero() {
			continue
		}
		head, base := now[heads+t.pull.head], now[heads+t.pull.base]
		if base == "" {
			base = t.pull.baseSHA
		}
		if head != t.pull.headSHA || base != t.pull.baseSHA {
			list = append(list, moved{thread: t, head: head, base: base})
		}
	}
	return list
}

// movePull records where a pull request is now, and tells it. It needs g.mu.
func (g *GitHub) movePull(r *repository, m moved, by messages.User) {
	if by.ID == 0 {
		by = r.owner
	}
	t := m.thread
	if m.head == "" { // GitHub closes a pull request whose branch is deleted
		g.setState(r, t, "closed", by)
		return
	}
	before := t.pull.headSHA
	t.pull.headSHA, t.pull.baseSHA, t.pull.facts = m.head, m.base, m.facts
	if before != m.head {
		t.updated = g.now()
		g.emitThread(r, t, "synchronize", by, object{"before": before, "after": m.head})
	}
	g.change()
}
