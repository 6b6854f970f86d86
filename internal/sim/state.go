package sim

import (
	"slices"
	"strings"
	"sync"
	"time"

	"devs-webhook/messages"
)

// repository is one of the site. What is not said otherwise is guarded by GitHub.mu.
type repository struct {
	messages.Repo                   // never changes
	dir           string            // of the bare repository; never changes
	owner         messages.User     // never changes
	created       time.Time         // never changes
	pushed        time.Time         // the newest push
	grants        map[int64]string  // user id to role
	lastNumber    int               // of an issue or pull request
	threads       []*thread         // by number
	refs          map[string]string // full name to object, as of the newest look

	// git is held while refs are read or written on behalf of the site, so that pull requests follow
	// their branches in one order. It is taken before GitHub.mu, never while that is held.
	git sync.Mutex
}

// thread is an issue or a pull request.
type thread struct {
	id        int64
	number    int
	title     string
	body      string
	closed    time.Time // zero while it is open
	closedBy  messages.User
	author    messages.User
	assignees []messages.User
	created   time.Time
	updated   time.Time
	comments  []*comment
	reactions []Reaction
	pull      *pull // nil for an issue
}

func (t *thread) state() string {
	if t.closed.IsZero() {
		return "open"
	}
	return "closed"
}

// pull is what a pull request has beyond an issue.
type pull struct {
	id          int64
	head        string // branch
	base        string // branch
	headSHA     string
	baseSHA     string
	draft       bool
	merged      time.Time
	mergedBy    messages.User
	mergeCommit string
	facts       facts
}

// facts are what git tells about base...head.
type facts struct {
	commits []Commit // oldest first
	diff    string
	stat    string
	files   int
	added   int
	deleted int
}

type comment struct {
	id        int64
	author    messages.User
	body      string
	created   time.Time
	updated   time.Time
	reactions []Reaction
}

// thread finds by number.
func (r *repository) thread(number int) *thread {
	for _, t := range r.threads {
		if t.number == number {
			return t
		}
	}
	return nil
}

// comment finds by id, with the thread that it is on.
func (r *repository) comment(id int64) (*thread, *comment) {
	for _, t := range r.threads {
		for _, c := range t.comments {
			if c.id == id {
				return t, c
			}
		}
	}
	return nil, nil
}

// roles from the weakest to the strongest.
func roles() []string { return []string{"none", "read", "triage", "write", "maintain", "admin"} }

// role is the exact role of a user on the repository. A stranger reads what is public; the owner may all.
func (r *repository) role(u messages.User) string {
	role := "none"
	if !r.Private {
		role = "read"
	}
	if granted, ok := r.grants[u.ID]; ok && rank(granted) > rank(role) {
		role = granted
	}
	if u.ID != 0 && u.ID == r.owner.ID {
		role = "admin"
	}
	return role
}

func rank(role string) int { return slices.Index(roles(), role) }

// can says whether the user has at least the role.
func (r *repository) can(u messages.User, role string) bool { return rank(r.role(u)) >= rank(role) }

// legacy is the older, coarser name of a role, which the API gives as "permission".
func legacy(role string) string {
	switch role {
	case "maintain":
		return "write"
	case "triage":
		return "read"
	}
	return role
}

// findRepo finds by id, or by name if there is no id. It needs g.mu.
func (g *GitHub) findRepo(want messages.Repo) *repository {
	if want.ID == 0 {
		return g.repos[key(want.Owner, want.Name)]
	}
	for _, r := range g.repos {
		if r.ID == want.ID {
			return r
		}
	}
	return nil
}

// findUser finds by login, without regard to case. It needs g.mu.
func (g *GitHub) findUser(login string) (messages.User, bool) {
	u, ok := g.users[strings.ToLower(login)]
	return u, ok
}
