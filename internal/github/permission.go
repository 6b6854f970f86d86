package github

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"devs-webhook/messages"
)

// How long a role is believed. Who loses the right to write is kept out after a minute; who gets it need
// not wait long.
const (
	keepWriter   = 60 * time.Second
	keepStranger = 30 * time.Second
	keepRepo     = 5 * time.Minute
)

// roleNone is the role of somebody whom GitHub does not know in the repository, or at all.
const roleNone = "none"

type roleKey struct {
	name string // lower-case owner/name
	repo int64
	user int64
}

// CanWrite says whether who has this role may push to the repository.
func CanWrite(role string) bool { return role == "admin" || role == "maintain" || role == "write" }

// Permission is the role of the account in the repository: admin, maintain, write, triage, read or none. The
// account is known by its id: if its login has changed, or belongs to somebody else now, the present login is
// asked about. A custom role counts as the role that it is built on. ErrNotFound means that the repository is
// not there, is hidden from the token, or that its name belongs to another repository now. Any other error
// says nothing about the account.
//
// The answer may be 60 s old for who may write, and 30 s for others.
func (c *Client) Permission(ctx context.Context, repo messages.Repo, u messages.User) (string, error) {
	if err := checkRepo(repo); err != nil {
		return "", err
	}
	if u.ID <= 0 {
		return "", &messages.RefusedError{Why: fmt.Sprintf("The account %q has no id, so its permission cannot be looked up.", u.Login)}
	}
	key := roleKey{strings.ToLower(repo.FullName()), repo.ID, u.ID}
	return c.roles.get(ctx, key, func() (string, time.Duration, error) {
		role, err := c.askRole(ctx, repo, u)
		if CanWrite(role) {
			return role, keepWriter, err
		}
		return role, keepStranger, err
	})
}

// askRole asks about the login and, if that is not the account's any more, about its present one.
func (c *Client) askRole(ctx context.Context, repo messages.Repo, u messages.User) (string, error) {
	if err := c.sameRepo(ctx, repo); err != nil {
		return "", err
	}
	login := u.Login
	for range 2 {
		role, id, err := c.roleOf(ctx, repo, login)
		unknown := errors.Is(err, messages.ErrNotFound)
		switch {
		case err == nil && id == u.ID:
			return role, nil
		case err != nil && !unknown:
			return "", err
		}
		if unknown { // the account, or the repository?
			c.repos.forget(strings.ToLower(repo.FullName()))
			if err := c.sameRepo(ctx, repo); err != nil {
				return "", err
			}
		}
		now, err := c.userByID(ctx, u.ID)
		switch {
		case errors.Is(err, messages.ErrNotFound): // deleted
			return roleNone, nil
		case err != nil:
			return "", err
		case unknown && strings.EqualFold(now.Login, login):
			return roleNone, nil
		}
		c.log.Warn().Str("repo", repo.FullName()).Int64("user", u.ID).Str("login", login).Str("login_now", now.Login).
			Msg("login belonged to another account")
		login = now.Login
	}
	return "", later("look up the permission of account %d in %s: GitHub answered about another account", u.ID, repo.FullName())
}

// roleOf is the role of who has the login, and that account's id.
func (c *Client) roleOf(ctx context.Context, repo messages.Repo, login string) (role string, id int64, err error) {
	what := fmt.Sprintf("look up the permission of %s in %s", login, repo.FullName())
	if !loginName.MatchString(login) {
		return "", 0, fmt.Errorf("%q is no login: %w", login, messages.ErrNotFound)
	}
	err = c.do(ctx, what, func(ctx context.Context) error {
		level, _, err := c.rest.Repositories.GetPermissionLevel(ctx, repo.Owner, repo.Name, login)
		if err == nil {
			role, id = roleFrom(level.GetRoleName(), level.GetPermission()), level.GetUser().GetID()
		}
		return err
	})
	if err == nil && role == "" {
		err = later("%s: GitHub named no role that is known", what)
	}
	return role, id, err
}

// roleFrom chooses the exact role, or for a custom one the old permission, which has four values only. Empty:
// neither is known.
func roleFrom(roleName, permission string) string {
	for _, role := range []string{roleName, permission} {
		switch role {
		case "admin", "maintain", "write", "triage", "read", roleNone:
			return role
		}
	}
	return ""
}

// sameRepo checks that the name still belongs to the repository that the event came from: somebody else can
// take the name of one that has moved. A repository that has moved itself is the same one.
func (c *Client) sameRepo(ctx context.Context, repo messages.Repo) error {
	id, err := c.repos.get(ctx, strings.ToLower(repo.FullName()), func() (int64, time.Duration, error) {
		what := "look up the repository " + repo.FullName()
		var id int64
		err := c.do(ctx, what, func(ctx context.Context) error {
			answer, _, err := c.rest.Repositories.Get(ctx, repo.Owner, repo.Name)
			id = answer.GetID()
			return err
		})
		if err == nil && id == 0 {
			err = later("%s: an answer that is not GitHub's: check GITHUB_API_URL", what)
		}
		return id, keepRepo, err
	})
	if err == nil && repo.ID != 0 && id != repo.ID {
		return fmt.Errorf("%s is now the name of another repository: %w", repo.FullName(), messages.ErrNotFound)
	}
	return err
}
