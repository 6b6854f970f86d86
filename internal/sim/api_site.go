package sim

import (
	"fmt"
	"net/http"
	"strconv"
	"strings"

	"devs-webhook/messages"
)

func getRateLimit(c *call) answer {
	q := c.g.quotaOf(c.user)
	core := object{
		"limit": quotaLimit, "used": q.used, "remaining": max(quotaLimit-q.used, 0), "reset": q.reset.Unix(),
		"resource": "core",
	}
	return ok(object{"resources": object{"core": core, "search": core}, "rate": core})
}

func getSelf(c *call) answer { return ok(c.g.fullUserJSON(c.user)) }

func getUser(c *call) answer {
	u, found := c.g.findUser(c.r.PathValue("login"))
	if !found {
		return notFound()
	}
	return ok(c.g.fullUserJSON(u))
}

func getUserByID(c *call) answer {
	for _, u := range c.g.users {
		if strconv.FormatInt(u.ID, 10) == c.r.PathValue("id") {
			return ok(c.g.fullUserJSON(u))
		}
	}
	return notFound()
}

func getRepo(c *call) answer {
	o := c.g.repoJSON(c.repo)
	o["network_count"], o["subscribers_count"] = 0, 0
	if c.user.ID != 0 {
		o["permissions"] = permissions(c.repo.role(c.user))
	}
	if c.g.orgs[c.repo.owner.ID] {
		o["organization"] = c.g.userJSON(c.repo.owner)
	}
	return ok(o)
}

func permissions(role string) object {
	o := object{}
	for name, least := range map[string]string{
		"pull": "read", "triage": "triage", "push": "write", "maintain": "maintain", "admin": "admin",
	} {
		o[name] = rank(role) >= rank(least)
	}
	return o
}

// getPermission answers for strangers too: read on what is public, none on what is private.
func getPermission(c *call) answer {
	if !c.repo.can(c.user, "write") {
		return failed(http.StatusForbidden, "Must have push access to view collaborator permission.")
	}
	login := c.r.PathValue("login")
	u, found := c.g.findUser(login)
	if !found {
		return failed(http.StatusNotFound, login+" is not a user")
	}
	role := c.repo.role(u)
	user := c.g.userJSON(u)
	user["permissions"], user["role_name"] = permissions(role), role
	return ok(object{"permission": legacy(role), "role_name": role, "user": user})
}

func listHooks(c *call) answer {
	if !c.repo.can(c.user, "admin") {
		return notFound()
	}
	return c.page([]any{c.g.hookJSON(c.repo)})
}

// deliveryJSON is a line of the log of deliveries. Its id is its place in the log, counted from 1. It needs g.mu.
func (g *GitHub) deliveryJSON(i int, d *Delivery) object {
	status := "OK"
	if d.Status < 200 || d.Status > 299 {
		status = fmt.Sprintf("Invalid HTTP Response: %d", d.Status)
		if d.Status == 0 {
			status = "failed to connect to host"
		}
	}
	return object{
		"id": i + 1, "guid": d.GUID, "delivered_at": stamp(d.At), "redelivery": d.Attempts > 1, "duration": 0.1,
		"status": status, "status_code": d.Status, "event": d.Event, "action": orNil(d.Action),
		"installation_id": nil, "repository_id": nil, "throttled_at": nil,
	}
}

// listDeliveries gives the deliveries that were tried, newest first. Unlike on GitHub a repeated delivery
// is one line, with its newest result. The pages are numbered; GitHub's have cursors.
func listDeliveries(c *call) answer {
	if !c.repo.can(c.user, "admin") || c.r.PathValue("hook") != strconv.Itoa(hookID) {
		return notFound()
	}
	var list []any
	for i := len(c.g.hooks.log) - 1; i >= 0; i-- {
		if d := c.g.hooks.log[i]; !d.Waiting && d.Hook == hookID {
			list = append(list, c.g.deliveryJSON(i, d))
		}
	}
	return c.page(list)
}

func redeliver(c *call) answer {
	n, err := strconv.Atoi(c.r.PathValue("delivery"))
	if !c.repo.can(c.user, "admin") || err != nil || n < 1 || n > len(c.g.hooks.log) {
		return notFound()
	}
	if err := c.g.enqueue(c.g.hooks.log[n-1].GUID); err != nil {
		return broken(err)
	}
	return answer{status: http.StatusAccepted, body: object{}}
}

// usersByLogin finds accounts, and says which is none.
func (c *call) usersByLogin(logins []string) ([]messages.User, *answer) {
	var list []messages.User
	for _, login := range logins {
		u, found := c.g.findUser(strings.TrimPrefix(login, "@"))
		if !found {
			return nil, new(invalid(object{"resource": "Issue", "field": "assignees", "code": "invalid", "value": login}))
		}
		list = append(list, u)
	}
	return list, nil
}
