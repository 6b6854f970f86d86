package sim

import (
	"encoding/base64"
	"fmt"
	"strings"
	"time"

	"devs-webhook/messages"
)

// object is a JSON object in the making. The shapes here are those of GitHub's webhooks; where REST has
// more, the handler adds it.
type object = map[string]any

func nodeID(kind string, id int64) string {
	return base64.StdEncoding.EncodeToString(fmt.Appendf(nil, "%s:%d", kind, id))
}

// stamp is a time as GitHub writes it, or null.
func stamp(t time.Time) any {
	if t.IsZero() {
		return nil
	}
	return t.UTC().Format(time.RFC3339)
}

// orNull is the user, or null for nobody.
func (g *GitHub) orNull(u messages.User) any {
	if u.ID == 0 {
		return nil
	}
	return g.userJSON(u)
}

// userJSON needs g.mu.
func (g *GitHub) userJSON(u messages.User) object {
	api := g.APIURL() + "/users/" + u.Login
	kind := "User"
	switch {
	case u.Bot:
		kind = "Bot"
	case g.orgs[u.ID]:
		kind = "Organization"
	}
	return object{
		"login": u.Login, "id": u.ID, "node_id": nodeID(kind, u.ID), "type": kind, "site_admin": false,
		"avatar_url": fmt.Sprintf("%s/avatars/u/%d?v=4", g.url, u.ID), "gravatar_id": "",
		"url": api, "html_url": g.url + "/" + strings.TrimSuffix(u.Login, "[bot]"),
		"followers_url": api + "/followers", "following_url": api + "/following{/other_user}",
		"gists_url": api + "/gists{/gist_id}", "starred_url": api + "/starred{/owner}{/repo}",
		"subscriptions_url": api + "/subscriptions", "organizations_url": api + "/orgs",
		"repos_url": api + "/repos", "events_url": api + "/events{/privacy}",
		"received_events_url": api + "/received_events",
	}
}

func (g *GitHub) usersJSON(list []messages.User) []object {
	out := []object{}
	for _, u := range list {
		out = append(out, g.userJSON(u))
	}
	return out
}

// fullUserJSON is what GET /user and GET /users/{login} have beyond that.
func (g *GitHub) fullUserJSON(u messages.User) object {
	o := g.userJSON(u)
	since := stamp(g.now())
	for _, k := range []string{"name", "company", "location", "email", "hireable", "bio"} {
		o[k] = nil
	}
	for _, k := range []string{"public_repos", "public_gists", "followers", "following"} {
		o[k] = 0
	}
	o["blog"], o["created_at"], o["updated_at"], o["user_view_type"] = "", since, since, "public"
	return o
}

// repoURLs are the templates of a repository's addresses: key, and what follows the repository's own.
func repoURLs() [][2]string {
	return [][2]string{
		{"url", ""},
		{"forks_url", "/forks"},
		{"keys_url", "/keys{/key_id}"},
		{"collaborators_url", "/collaborators{/collaborator}"},
		{"teams_url", "/teams"},
		{"hooks_url", "/hooks"},
		{"issue_events_url", "/issues/events{/number}"},
		{"events_url", "/events"},
		{"assignees_url", "/assignees{/user}"},
		{"branches_url", "/branches{/branch}"},
		{"tags_url", "/tags"},
		{"blobs_url", "/git/blobs{/sha}"},
		{"git_tags_url", "/git/tags{/sha}"},
		{"git_refs_url", "/git/refs{/sha}"},
		{"trees_url", "/git/trees{/sha}"},
		{"statuses_url", "/statuses/{sha}"},
		{"languages_url", "/languages"},
		{"stargazers_url", "/stargazers"},
		{"contributors_url", "/contributors"},
		{"subscribers_url", "/subscribers"},
		{"subscription_url", "/subscription"},
		{"commits_url", "/commits{/sha}"},
		{"git_commits_url", "/git/commits{/sha}"},
		{"comments_url", "/comments{/number}"},
		{"issue_comment_url", "/issues/comments{/number}"},
		{"contents_url", "/contents/{+path}"},
		{"compare_url", "/compare/{base}...{head}"},
		{"merges_url", "/merges"},
		{"archive_url", "/{archive_format}{/ref}"},
		{"downloads_url", "/downloads"},
		{"issues_url", "/issues{/number}"},
		{"pulls_url", "/pulls{/number}"},
		{"milestones_url", "/milestones{/number}"},
		{"notifications_url", "/notifications{?since,all,participating}"},
		{"labels_url", "/labels{/name}"},
		{"releases_url", "/releases{/id}"},
		{"deployments_url", "/deployments"},
	}
}

// repoJSON needs g.mu.
func (g *GitHub) repoJSON(r *repository) object {
	visibility, open := "public", 0
	if r.Private {
		visibility = "private"
	}
	for _, t := range r.threads {
		if t.closed.IsZero() {
			open++
		}
	}
	html := g.url + "/" + r.FullName()
	o := object{
		"id": r.ID, "node_id": nodeID("Repository", r.ID), "name": r.Name, "full_name": r.FullName(),
		"private": r.Private, "visibility": visibility, "owner": g.userJSON(r.owner),
		"html_url": html, "clone_url": html + ".git", "svn_url": html,
		"git_url":    "git" + strings.TrimPrefix(html, "http") + ".git",
		"ssh_url":    "git@" + strings.TrimPrefix(g.url, "http://") + ":" + r.FullName() + ".git",
		"created_at": stamp(r.created), "updated_at": stamp(r.pushed), "pushed_at": stamp(r.pushed),
		"default_branch": r.DefaultBranch, "open_issues": open, "open_issues_count": open,
		"topics": []string{}, "custom_properties": object{}, "has_issues": true,
	}
	for _, k := range []string{"description", "homepage", "language", "license", "mirror_url"} {
		o[k] = nil
	}
	for _, k := range []string{"forks", "forks_count", "stargazers_count", "watchers", "watchers_count", "size"} {
		o[k] = 0
	}
	for _, k := range []string{
		"fork", "archived", "disabled", "is_template", "has_projects", "has_downloads", "has_wiki", "has_pages",
		"has_discussions", "web_commit_signoff_required", "allow_forking",
	} {
		o[k] = false
	}
	api := g.repoURL(r)
	for _, pair := range repoURLs() {
		o[pair[0]] = api + pair[1]
	}
	return o
}

func (g *GitHub) repoURL(r *repository) string { return g.APIURL() + "/repos/" + r.FullName() }

// rollup counts reactions by their content.
func rollup(list []Reaction, api string) object {
	o := object{"url": api + "/reactions", "total_count": len(list)}
	for _, content := range reactionContents() {
		n := 0
		for _, r := range list {
			if r.Content == content {
				n++
			}
		}
		o[content] = n
	}
	return o
}

// association says what somebody is to the repository.
func (r *repository) association(u messages.User) string {
	switch {
	case u.ID == r.owner.ID:
		return "OWNER"
	case r.grants[u.ID] != "":
		return "COLLABORATOR"
	}
	return "NONE"
}

// issueJSON is the issue, or the issue's side of a pull request. It needs g.mu.
func (g *GitHub) issueJSON(r *repository, t *thread) object {
	api := fmt.Sprintf("%s/issues/%d", g.repoURL(r), t.number)
	var assignee any
	if len(t.assignees) > 0 {
		assignee = g.userJSON(t.assignees[0])
	}
	o := object{
		"url": api, "repository_url": g.repoURL(r), "labels_url": api + "/labels{/name}",
		"comments_url": api + "/comments", "events_url": api + "/events", "timeline_url": api + "/timeline",
		"html_url": g.pageURL(r, t), "id": t.id, "node_id": nodeID("Issue", t.id), "number": t.number,
		"title": t.title, "body": orNil(t.body), "user": g.userJSON(t.author), "labels": []object{},
		"state": t.state(), "state_reason": nil, "locked": false, "active_lock_reason": nil,
		"assignee": assignee, "assignees": g.usersJSON(t.assignees), "milestone": nil,
		"comments": len(t.comments), "created_at": stamp(t.created), "updated_at": stamp(t.updated),
		"closed_at": stamp(t.closed), "author_association": r.association(t.author),
		"performed_via_github_app": nil, "reactions": rollup(t.reactions, api),
	}
	if p := t.pull; p != nil {
		page := g.pageURL(r, t)
		o["draft"] = p.draft
		o["pull_request"] = object{
			"url": fmt.Sprintf("%s/pulls/%d", g.repoURL(r), t.number), "html_url": page,
			"diff_url": page + ".diff", "patch_url": page + ".patch", "merged_at": stamp(p.merged),
		}
	} else if !t.closed.IsZero() {
		o["state_reason"] = "completed"
	}
	return o
}

// orNil is null for an empty text: GitHub gives that for a body that was never written.
func orNil(s string) any {
	if s == "" {
		return nil
	}
	return s
}

// pageURL is where a person would look at the thread.
func (g *GitHub) pageURL(r *repository, t *thread) string {
	kind := "issues"
	if t.pull != nil {
		kind = "pull"
	}
	return fmt.Sprintf("%s/%s/%s/%d", g.url, r.FullName(), kind, t.number)
}

func (g *GitHub) commentPage(r *repository, t *thread, c *comment) string {
	return fmt.Sprintf("%s#issuecomment-%d", g.pageURL(r, t), c.id)
}

// commentJSON needs g.mu.
func (g *GitHub) commentJSON(r *repository, t *thread, c *comment) object {
	api := fmt.Sprintf("%s/issues/comments/%d", g.repoURL(r), c.id)
	return object{
		"url": api, "html_url": g.commentPage(r, t, c), "id": c.id, "node_id": nodeID("IssueComment", c.id),
		"issue_url": fmt.Sprintf("%s/issues/%d", g.repoURL(r), t.number),
		"user":      g.userJSON(c.author), "body": c.body, "created_at": stamp(c.created),
		"updated_at": stamp(c.updated), "author_association": r.association(c.author),
		"performed_via_github_app": nil, "reactions": rollup(c.reactions, api),
	}
}

func (g *GitHub) reactionJSON(r Reaction) object {
	return object{
		"id": r.ID, "node_id": nodeID("Reaction", r.ID), "user": g.userJSON(r.User),
		"content": r.Content, "created_at": stamp(r.At),
	}
}
