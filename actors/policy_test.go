package actors_test

import (
	"context"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"devs-webhook/actors"
	"devs-webhook/messages"
)

// TestWhoMay: every principal is asked about, by id, and what is known here is decided before GitHub is asked.
func TestWhoMay(t *testing.T) {
	t.Parallel()
	other := messages.User{ID: 3, Login: "other"}
	robot := messages.User{ID: 4, Login: "robot[bot]", Bot: true}
	only := func(logins ...string) func(*actors.Rules) {
		return func(r *actors.Rules) { r.AuthorizedUsers = logins }
	}
	for _, one := range []struct {
		name       string
		principals []messages.User
		owner      string
		rules      func(*actors.Rules)
		reason     messages.Reason
		detail     string
		asked      int // questions about permission
	}{
		{name: "writer", principals: []messages.User{author}, reason: messages.ReasonAccepted, asked: 1},
		{name: "two writers", principals: []messages.User{author, {ID: 5, Login: "second"}}, reason: messages.ReasonAccepted, asked: 2},
		{name: "reader", principals: []messages.User{other}, reason: messages.ReasonNoPermission, detail: "other may not write to octo/hello", asked: 1},
		{name: "writer and reader", principals: []messages.User{author, other}, reason: messages.ReasonNoPermission, detail: "other", asked: 2},
		{name: "nobody", reason: messages.ReasonNoPermission, detail: "who asks"},
		{name: "owner in other case", principals: []messages.User{author}, owner: "Octo", reason: messages.ReasonAccepted, asked: 1},
		{name: "other owner", principals: []messages.User{author}, owner: "octopus", reason: messages.ReasonRepoNotAllowed, detail: "ALLOWED_ORGS"},
		{name: "any owner", principals: []messages.User{author}, owner: "octopus", rules: func(r *actors.Rules) { r.AllowedOwners = nil }, reason: messages.ReasonAccepted, asked: 1},
		{name: "repository hidden", principals: []messages.User{{ID: 404, Login: "author"}}, reason: messages.ReasonUnknownRepo, detail: "cannot see octo/hello", asked: 1},
		{name: "listed", principals: []messages.User{author}, rules: only("author"), reason: messages.ReasonAccepted, asked: 1},
		{name: "listed under a new name", principals: []messages.User{{ID: 2, Login: "renamed"}}, rules: only("author"), reason: messages.ReasonAccepted, asked: 1},
		{name: "listed name of another", principals: []messages.User{{ID: 66, Login: "author"}}, rules: only("author"), reason: messages.ReasonUserNotAllowed, detail: "AUTHORIZED_TRIGGER_USERS"},
		{name: "not listed", principals: []messages.User{author}, rules: only("other"), reason: messages.ReasonUserNotAllowed, detail: "author is not in"},
		{name: "one of two listed", principals: []messages.User{author, other}, rules: only("author"), reason: messages.ReasonUserNotAllowed, detail: "other is not in", asked: 1},
		{name: "listed without permission", principals: []messages.User{other}, rules: only("other"), reason: messages.ReasonNoPermission, asked: 1},
		{name: "name of nobody listed", principals: []messages.User{author}, rules: only("gone"), reason: messages.ReasonUserNotAllowed},
		{name: "name of nobody beside", principals: []messages.User{author}, rules: only("gone", "author"), reason: messages.ReasonAccepted, asked: 1},
		{name: "bot", principals: []messages.User{robot}, reason: messages.ReasonUserNotAllowed, detail: "is a bot"},
		{name: "bot listed", principals: []messages.User{robot}, rules: only("robot[bot]"), reason: messages.ReasonAccepted, asked: 1},
	} {
		t.Run(one.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				o := newOffice(t, 0)
				if one.rules != nil {
					one.rules(&o.rules)
				}
				ids := map[string]int64{"bot": 1, "author": 2, "other": 3, "robot[bot]": 4}
				o.authority.user = func(_ context.Context, login string) (messages.User, error) {
					if ids[login] == 0 {
						return messages.User{}, messages.ErrNotFound
					}
					return messages.User{ID: ids[login], Login: login}, nil
				}
				asked := 0
				o.authority.canWrite = func(_ context.Context, _ messages.Repo, u messages.User) (bool, error) {
					asked++
					if u.ID == 404 {
						return false, fmt.Errorf("ask: %w", messages.ErrNotFound)
					}
					return u.ID != 3, nil
				}
				req := request("d1", 1)
				req.Principals = one.principals
				if one.owner != "" {
					req.Repo.Owner = one.owner
				}
				o.deliver("d1", req)
				o.serve()
				w := o.why("d1")
				if w.Reason != one.reason || !strings.Contains(w.Detail, one.detail) || asked != one.asked {
					t.Errorf("%s %q after %d questions", w.Reason, w.Detail, asked)
				}
				if (w.Task != nil) != (one.reason == messages.ReasonAccepted) {
					t.Errorf("task %v", w.Task)
				}
			})
		})
	}
}

// TestTestEventAsksNobody: it came in by the admin's door, and nothing of it is shown.
func TestTestEventAsksNobody(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		o := newOffice(t, 0)
		o.authority.canWrite = func(context.Context, messages.Repo, messages.User) (bool, error) {
			t.Error("GitHub was asked")
			return false, nil
		}
		body := []byte(`{"key":"k","trigger":"mention","instruction":"fix","repo":{"id":9,"owner":"elsewhere","name":"x"},"thread":{"number":1},"object":{"kind":"issue","id":5}}`)
		if _, err := o.store.Accept(t.Context(), messages.Delivery{ID: "d1", Event: "issues", Source: "test", Body: body}); err != nil {
			t.Fatal(err)
		}
		o.serve()
		w := o.why("d1")
		if w.Task == nil || !w.Task.Test() || len(w.Effects) != 0 {
			t.Errorf("%+v %v", w.Task, w.Effects)
		}
	})
}

// TestIdentityIsRememberedWhileGitHubIsAway, however it is away: a refused connection or no answer at all.
func TestIdentityIsRememberedWhileGitHubIsAway(t *testing.T) {
	t.Parallel()
	for name, away := range map[string]func(context.Context) (messages.User, error){
		"refused": func(context.Context) (messages.User, error) { return messages.User{}, errQuiet },
		"silent":  func(ctx context.Context) (messages.User, error) { <-ctx.Done(); return messages.User{}, ctx.Err() },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				o := newOffice(t, 0)
				var seen []actors.Identity
				o.reader.judge = func(_ messages.Request, who actors.Identity) { seen = append(seen, who) }
				o.authority.self = func(context.Context) (messages.User, error) { return messages.User{ID: 77, Login: "token"}, nil }
				o.deliver("d1", chat())
				r := o.serve()
				r.stopped()

				o.authority.self = away
				r = o.serve()
				seen = nil
				o.deliver("d2", chat())
				time.Sleep(5 * time.Second)
				synctest.Wait()
				if w := o.why("d2"); w.Decision != messages.DecidedIgnored {
					t.Errorf("it is %s: %s %s", w.Decision, w.Reason, w.Detail)
				}
				if len(seen) == 0 || seen[0].Self.ID != 77 || seen[0].Mentioned.ID != 1 {
					t.Errorf("judged as %v", seen)
				}
				r.stopped()

				o.rules.MentionedUser = "somebody-else" // whom nothing is remembered about
				r = o.serve()
				o.deliver("d3", chat())
				time.Sleep(15 * time.Second)
				synctest.Wait()
				if w := o.why("d3"); w.Decision != messages.Undecided || w.Reason != messages.ReasonGitHubSilent {
					t.Errorf("under another name it is %s: %s", w.Decision, w.Reason)
				}
				r.silent()
			})
		})
	}
}

// TestUnknownMentionedUserIsSaid: the delivery says what to do, and is decided once it was done.
func TestUnknownMentionedUserIsSaid(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		o := newOffice(t, 0)
		var known atomic.Bool
		o.authority.user = func(context.Context, string) (messages.User, error) {
			if known.Load() {
				return bot, nil
			}
			return messages.User{}, fmt.Errorf("look up: %w", messages.ErrNotFound)
		}
		r := o.serve()
		o.deliver("d1", request("d1", 1))
		synctest.Wait()
		w := o.why("d1")
		if w.Decision != messages.Undecided || !strings.HasPrefix(w.Detail, `GITHUB_MENTIONED_USER: GitHub knows no account "bot"`) {
			t.Errorf("%s %q", w.Decision, w.Detail)
		}
		known.Store(true)
		time.Sleep(5 * time.Second)
		synctest.Wait()
		if w := o.why("d1"); w.Decision != messages.DecidedTask {
			t.Errorf("it is %s: %s", w.Decision, w.Detail)
		}
		r.silent()
	})
}

// TestWhoWeAreIsAskedOnce per start.
func TestWhoWeAreIsAskedOnce(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		o := newOffice(t, 0)
		asked := 0
		o.authority.self = func(context.Context) (messages.User, error) { asked++; return bot, nil }
		o.serve()
		for i := range 10 {
			o.deliver(fmt.Sprint(i), chat())
			synctest.Wait()
		}
		if asked != 1 {
			t.Errorf("GitHub was asked %d times", asked)
		}
	})
}
