package github

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/google/go-github/v89/github"

	"devs-webhook/messages"
)

// How long it is believed who has a login: logins change hands rarely, and new ones appear.
const (
	keepUser   = time.Hour
	keepNobody = time.Minute
)

// knownUser is the answer to a login: an account, or that there is none.
type knownUser struct {
	user  messages.User
	found bool
}

// Self is the token's own account. It is asked for once; a token of another account needs a new client.
func (c *Client) Self(ctx context.Context) (messages.User, error) {
	return c.self.get(ctx, struct{}{}, func() (messages.User, time.Duration, error) {
		user, err := c.askSelf(ctx)
		return user, forever, err
	})
}

// Ping finds out whether GitHub answers and takes the token. It always asks. Its error is a sentence that
// says what to do.
func (c *Client) Ping(ctx context.Context) error {
	user, err := c.askSelf(ctx)
	if errors.Is(err, messages.ErrNotFound) {
		return &messages.LaterError{Err: fmt.Errorf("%w; GITHUB_API_URL does not lead to GitHub's REST API", err)}
	}
	if refused, ok := errors.AsType[*messages.RefusedError](err); ok {
		return &messages.RefusedError{
			Why: refused.Why + "; set GITHUB_TOKEN to a personal access token that may do it", Err: refused.Err,
		}
	}
	if err != nil {
		return err
	}
	c.self.put(struct{}{}, user, forever)
	return nil
}

// User is the account that has the login now. There is none: ErrNotFound. Both are believed for a while.
func (c *Client) User(ctx context.Context, login string) (messages.User, error) {
	if !loginName.MatchString(login) {
		return messages.User{}, fmt.Errorf("%q is no login: %w", login, messages.ErrNotFound)
	}
	known, err := c.users.get(ctx, strings.ToLower(login), func() (knownUser, time.Duration, error) {
		user, err := c.askUser(ctx, "look up the account "+login, func(ctx context.Context) (*github.User, error) {
			user, _, err := c.rest.Users.Get(ctx, login)
			return user, err
		})
		if errors.Is(err, messages.ErrNotFound) {
			return knownUser{}, keepNobody, nil
		}
		return knownUser{user: user, found: true}, keepUser, err
	})
	if err == nil && !known.found {
		err = fmt.Errorf("look up the account %s: %w", login, messages.ErrNotFound)
	}
	return known.user, err
}

func (c *Client) askSelf(ctx context.Context) (messages.User, error) {
	return c.askUser(ctx, "look up the token's own account", func(ctx context.Context) (*github.User, error) {
		user, _, err := c.rest.Users.Get(ctx, "")
		return user, err
	})
}

// userByID is the account with the id under its present login.
func (c *Client) userByID(ctx context.Context, id int64) (messages.User, error) {
	user, err := c.askUser(ctx, fmt.Sprintf("look up the account %d", id), func(ctx context.Context) (*github.User, error) {
		user, _, err := c.rest.Users.GetByID(ctx, id)
		return user, err
	})
	if err == nil && user.ID != id {
		return messages.User{}, later("look up the account %d: GitHub answered with account %d", id, user.ID)
	}
	return user, err
}

// askUser asks and refuses an answer that names nobody.
func (c *Client) askUser(ctx context.Context, what string, ask func(context.Context) (*github.User, error)) (messages.User, error) {
	var user messages.User
	err := c.do(ctx, what, func(ctx context.Context) error {
		answer, err := ask(ctx)
		user = userOf(answer)
		return err
	})
	if err == nil && (user.ID == 0 || user.Login == "") {
		err = later("%s: an answer that is not GitHub's: check GITHUB_API_URL", what)
	}
	return user, err
}

// userOf is zero for an account that was deleted.
func userOf(u *github.User) messages.User {
	return messages.User{ID: u.GetID(), Login: u.GetLogin(), Bot: u.GetType() == "Bot"}
}
