package sim

import (
	"fmt"

	"devs-webhook/messages"
)

// pullJSON is a pull request in full, as GET of one and the webhooks give it. It needs g.mu.
func (g *GitHub) pullJSON(r *repository, t *thread) object {
	p := t.pull
	api := fmt.Sprintf("%s/pulls/%d", g.repoURL(r), t.number)
	issue := g.issueJSON(r, t)
	page := g.pageURL(r, t)
	o := object{
		"url": api, "id": p.id, "node_id": nodeID("PullRequest", p.id), "html_url": page,
		"diff_url": page + ".diff", "patch_url": page + ".patch", "issue_url": issue["url"],
		"commits_url": api + "/commits", "review_comments_url": api + "/comments",
		"review_comment_url": g.repoURL(r) + "/pulls/comments{/number}", "comments_url": issue["comments_url"],
		"statuses_url": g.repoURL(r) + "/statuses/" + p.headSHA,
		"head":         g.sideJSON(r, p.head, p.headSHA), "base": g.sideJSON(r, p.base, p.baseSHA),
		"draft": p.draft, "auto_merge": nil, "requested_reviewers": []object{}, "requested_teams": []object{},
		"merged": !p.merged.IsZero(), "merged_at": stamp(p.merged), "merged_by": g.orNull(p.mergedBy),
		"merge_commit_sha": orNil(p.mergeCommit), "mergeable": nil, "mergeable_state": "unknown", "rebaseable": nil,
		"review_comments": 0, "maintainer_can_modify": false, "commits": len(p.facts.commits),
		"additions": p.facts.added, "deletions": p.facts.deleted, "changed_files": p.facts.files,
	}
	for _, k := range []string{
		"number", "state", "locked", "title", "user", "body", "created_at", "updated_at", "closed_at", "assignee",
		"assignees", "labels", "milestone", "author_association", "active_lock_reason", "comments",
	} {
		o[k] = issue[k]
	}
	links := object{}
	for name, from := range map[string]string{
		"self": "url", "html": "html_url", "issue": "issue_url", "comments": "comments_url",
		"review_comments": "review_comments_url", "review_comment": "review_comment_url",
		"commits": "commits_url", "statuses": "statuses_url",
	} {
		links[name] = object{"href": o[from]}
	}
	o["_links"] = links
	return o
}

// sideJSON is one side of a pull request. Both are in the same repository: there are no forks.
func (g *GitHub) sideJSON(r *repository, branch, sha string) object {
	return object{
		"label": r.Owner + ":" + branch, "ref": branch, "sha": sha,
		"user": g.userJSON(r.owner), "repo": g.repoJSON(r),
	}
}

// listed takes from a pull request what GitHub's list of them does not give.
func listed(o object) object {
	for _, k := range []string{
		"merged", "merged_by", "mergeable", "mergeable_state", "rebaseable", "comments", "review_comments",
		"maintainer_can_modify", "commits", "additions", "deletions", "changed_files",
	} {
		delete(o, k)
	}
	return o
}

// orgJSON is the short form of an organisation that webhooks carry.
func (g *GitHub) orgJSON(u messages.User) object {
	api := g.APIURL() + "/orgs/" + u.Login
	return object{
		"login": u.Login, "id": u.ID, "node_id": nodeID("Organization", u.ID), "url": api,
		"repos_url": api + "/repos", "events_url": api + "/events", "hooks_url": api + "/hooks",
		"issues_url": api + "/issues", "members_url": api + "/members{/member}",
		"public_members_url": api + "/public_members{/member}",
		"avatar_url":         fmt.Sprintf("%s/avatars/u/%d?v=4", g.url, u.ID), "description": "",
	}
}
