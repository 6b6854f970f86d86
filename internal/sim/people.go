package sim

import (
	"fmt"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"devs-webhook/messages"
)

// AddUser makes an account, or finds the one of that login.
func (g *GitHub) AddUser(login string, bot bool) messages.User {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.addUser(login, bot)
}

// addUser needs g.mu.
func (g *GitHub) addUser(login string, bot bool) messages.User {
	if u, ok := g.findUser(login); ok {
		return u
	}
	u := messages.User{ID: g.newID(), Login: login, Bot: bot}
	g.users[strings.ToLower(login)] = u
	return u
}

// AddToken lets whoever has the token act as the user, in the API and in git.
func (g *GitHub) AddToken(token string, user messages.User) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.tokens[token] = user
}

// RevokeToken makes a token worthless: from now on it is answered 401.
func (g *GitHub) RevokeToken(token string) {
	g.mu.Lock()
	defer g.mu.Unlock()
	delete(g.tokens, token)
}

// AddRepo makes a repository with one commit of the files on main, by a neutral author. An owner without
// an account becomes an organisation. Errors: a name that does not fit, one that is taken, git.
func (g *GitHub) AddRepo(owner, name string, files map[string]string, private bool) (messages.Repo, error) {
	word := regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]{0,98}$`)
	if !word.MatchString(owner) || !word.MatchString(name) || strings.HasSuffix(name, ".git") {
		return messages.Repo{}, fmt.Errorf("repository name %q does not fit", owner+"/"+name)
	}
	if len(files) == 0 {
		files = map[string]string{"README.md": "# " + name + "\n"}
	}
	const branch = "main"
	r := &repository{
		Repo:    messages.Repo{Owner: owner, Name: name, Private: private, DefaultBranch: branch},
		dir:     filepath.Join(g.dir, owner, name+".git"),
		created: g.now(), pushed: g.now(),
		grants: map[int64]string{},
	}
	if err := makeBare(r.dir, branch); err != nil {
		return messages.Repo{}, fmt.Errorf("add repository %s: %w", r.FullName(), err)
	}
	if _, err := commit(r.dir, branch, "", identity(messages.User{}), "First commit", files, g.now()); err != nil {
		return messages.Repo{}, fmt.Errorf("add repository %s: %w", r.FullName(), err)
	}
	found, err := refs(r.dir)
	if err != nil {
		return messages.Repo{}, fmt.Errorf("add repository %s: %w", r.FullName(), err)
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.repos[key(owner, name)] != nil { // differs in case only
		return messages.Repo{}, fmt.Errorf("add repository %s: the name is taken", r.FullName())
	}
	if _, ok := g.findUser(owner); !ok {
		g.orgs[g.addUser(owner, false).ID] = true
	}
	r.owner, _ = g.findUser(owner)
	r.ID, r.refs = g.newID(), found
	g.repos[key(owner, name)] = r
	g.change()
	return r.Repo, nil
}

// Grant gives a user a role on a repository: admin, maintain, write, triage, read or none.
func (g *GitHub) Grant(repo messages.Repo, user messages.User, permission string) {
	if rank(permission) < 0 {
		panic(fmt.Sprintf("sim: no permission %q", permission))
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	g.mustRepo(repo).grants[user.ID] = permission
}

// mustRepo needs g.mu.
func (g *GitHub) mustRepo(want messages.Repo) *repository {
	r := g.findRepo(want)
	if r == nil {
		panic("sim: no repository " + want.FullName())
	}
	return r
}

// mustThread needs g.mu.
func (g *GitHub) mustThread(want messages.Repo, number int) (*repository, *thread) {
	r := g.mustRepo(want)
	t := r.thread(number)
	if t == nil {
		panic(fmt.Sprintf("sim: no thread %s#%d", want.FullName(), number))
	}
	return r, t
}

// OpenIssue opens an issue and sends `issues opened`.
func (g *GitHub) OpenIssue(repo messages.Repo, author messages.User, title, body string) (number int) {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.openIssue(g.mustRepo(repo), author, title, body).number
}

// CommentOn comments on an issue or pull request, sends `issue_comment created`, and gives the comment's id.
func (g *GitHub) CommentOn(repo messages.Repo, number int, author messages.User, body string) int64 {
	g.mu.Lock()
	defer g.mu.Unlock()
	r, t := g.mustThread(repo, number)
	return g.addComment(r, t, author, body).id
}

// EditComment rewrites a comment and sends `issue_comment edited`, unless nothing changes.
func (g *GitHub) EditComment(repo messages.Repo, id int64, by messages.User, body string) {
	g.mu.Lock()
	defer g.mu.Unlock()
	r := g.mustRepo(repo)
	t, c := r.comment(id)
	if c == nil {
		panic(fmt.Sprintf("sim: no comment %d in %s", id, repo.FullName()))
	}
	g.editComment(r, t, c, by, body)
}

// DeleteComment takes a comment away and sends `issue_comment deleted`.
func (g *GitHub) DeleteComment(repo messages.Repo, id int64, by messages.User) {
	g.mu.Lock()
	defer g.mu.Unlock()
	r := g.mustRepo(repo)
	t, c := r.comment(id)
	if c == nil {
		panic(fmt.Sprintf("sim: no comment %d in %s", id, repo.FullName()))
	}
	g.deleteComment(r, t, c, by)
}

// EditIssue rewrites an issue or pull request and sends `edited`, unless nothing changes.
func (g *GitHub) EditIssue(repo messages.Repo, number int, by messages.User, title, body string) {
	g.mu.Lock()
	defer g.mu.Unlock()
	r, t := g.mustThread(repo, number)
	g.editThread(r, t, by, title, body)
}

// Assign adds an assignee and sends `assigned`, unless they are one already.
func (g *GitHub) Assign(repo messages.Repo, number int, assignee, by messages.User) {
	g.mu.Lock()
	defer g.mu.Unlock()
	r, t := g.mustThread(repo, number)
	if !slices.Contains(t.assignees, assignee) {
		g.setAssignees(r, t, append(slices.Clone(t.assignees), assignee), by)
	}
}

// SetState closes or reopens an issue or pull request ("open", "closed") and sends it, unless it is so.
func (g *GitHub) SetState(repo messages.Repo, number int, by messages.User, state string) {
	g.mu.Lock()
	defer g.mu.Unlock()
	r, t := g.mustThread(repo, number)
	g.setState(r, t, state, by)
}

// React adds a reaction to a comment, or to the issue itself if comment is 0. GitHub sends nothing for it.
func (g *GitHub) React(repo messages.Repo, number int, comment int64, by messages.User, content string) {
	g.mu.Lock()
	defer g.mu.Unlock()
	r, t := g.mustThread(repo, number)
	list := &t.reactions
	if comment != 0 {
		_, c := r.comment(comment)
		if c == nil {
			panic(fmt.Sprintf("sim: no comment %d in %s", comment, repo.FullName()))
		}
		list = &c.reactions
	}
	g.react(list, by, content)
}

// OpenPull opens a pull request of two branches and sends `pull_request opened`. It panics where GitHub
// would refuse: a branch that is not there, nothing to merge, one that is open for that branch.
func (g *GitHub) OpenPull(repo messages.Repo, author messages.User, title, body, head, base string) int {
	r := g.lookUp(repo)
	t, no := g.openPull(r, author, pullRequest{title: title, body: body, head: head, base: base})
	if no != nil {
		panic(fmt.Sprintf("sim: pull request of %s into %s: %v", head, base, no.body))
	}
	return t.number
}

// lookUp is mustRepo for callers that do not hold g.mu.
func (g *GitHub) lookUp(repo messages.Repo) *repository {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.mustRepo(repo)
}

// Commit puts files on top of a branch as one commit of that person, as a push of theirs would. A branch
// that is not there starts from the default branch. It gives the commit and panics where git refuses.
func (g *GitHub) Commit(repo messages.Repo, by messages.User, branch, message string, files map[string]string) string {
	r := g.lookUp(repo)
	r.git.Lock()
	defer r.git.Unlock()
	now, err := refs(r.dir)
	from := now[heads+branch]
	if from == "" {
		from = now[heads+r.DefaultBranch]
	}
	var object string
	if err == nil {
		object, err = commit(r.dir, branch, from, identity(by), message, files, g.now())
	}
	if err == nil {
		err = g.followLocked(r, by)
	}
	if err != nil {
		panic(fmt.Sprintf("sim: commit to %s of %s: %v", branch, repo.FullName(), err))
	}
	return object
}

// Merge merges an open pull request with a merge commit and sends `pull_request closed`. It panics where
// there is a conflict.
func (g *GitHub) Merge(repo messages.Repo, number int, by messages.User) {
	r := g.lookUp(repo)
	r.git.Lock()
	defer r.git.Unlock()
	if err := g.followLocked(r, by); err != nil {
		panic(fmt.Sprintf("sim: merge %s#%d: %v", repo.FullName(), number, err))
	}
	g.mu.Lock()
	_, t := g.mustThread(repo, number)
	if t.pull == nil || !t.closed.IsZero() {
		g.mu.Unlock()
		panic(fmt.Sprintf("sim: %s#%d is no open pull request", repo.FullName(), number))
	}
	p := *t.pull
	title := fmt.Sprintf("Merge pull request #%d from %s/%s", number, r.Owner, p.head)
	g.mu.Unlock()
	object, err := merge(r.dir, p.base, p.baseSHA, p.headSHA, title)
	if err != nil {
		panic(fmt.Sprintf("sim: merge %s#%d: %v", repo.FullName(), number, err))
	}
	g.mu.Lock()
	t.pull.merged, t.pull.mergedBy, t.pull.mergeCommit = g.now(), by, object
	g.setState(r, t, "closed", by)
	g.mu.Unlock()
	if err := g.followLocked(r, by); err != nil {
		panic(fmt.Sprintf("sim: merge %s#%d: %v", repo.FullName(), number, err))
	}
}
