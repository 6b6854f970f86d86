package actors

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"devs-webhook/messages"
)

// Intake's reading of a payload, without asking anybody.

// Reader tells what a delivery means and whether it is a request.
type Reader interface {
	// Read parses a delivery. If it is no event that can be acted on, the reason says why and ok is false.
	Read(event string, payload []byte) (ev messages.Event, summary string, reason messages.Reason, detail string, ok bool)
	// Judge decides whether an event is a request: ask is true if it is, subject to permission. Recorded
	// says that its comment is one that we wrote.
	Judge(ev messages.Event, who Identity, recorded bool) (req messages.Request, reason messages.Reason, detail string, ask bool)
}

// Authority answers who somebody is and what they may, by asking GitHub.
type Authority interface {
	Self(ctx context.Context) (messages.User, error)
	User(ctx context.Context, login string) (messages.User, error)
	// CanWrite says whether a user may write to a repository: messages.ErrNotFound if there is no such
	// repository for us.
	CanWrite(ctx context.Context, repo messages.Repo, user messages.User) (bool, error)
}

// Identity is who we are: the user whose mention counts, and the account whose token we use.
type Identity struct {
	Mentioned messages.User `json:"mentioned"`
	Self      messages.User `json:"self"`
}

// Rules is the configured part of the policy.
type Rules struct {
	MentionedUser   string
	AllowedOwners   []string // lower case; empty means all, which only dev mode may have
	AuthorizedUsers []string // lower case; empty means everybody with write permission
}

// Policy decides which deliveries become tasks: which events, whose, where.
type Policy struct {
	rules     Rules
	reader    Reader
	authority Authority
	identity  atomic.Pointer[Identity] // set once known
}

// NewPolicy makes the policy.
func NewPolicy(rules Rules, reader Reader, authority Authority) *Policy {
	return &Policy{rules: rules, reader: reader, authority: authority}
}

// Quick decides a delivery if nobody needs to be asked for it.
func (p *Policy) Quick(ctx context.Context, store ProcessorStore, d messages.Delivery) (messages.Decision, bool) {
	ev, decision, ok := p.read(d)
	if !ok {
		return decision, true
	}
	who := p.identity.Load()
	if who == nil {
		return messages.Decision{}, false
	}
	ours, err := store.IsOurs(ctx, ev.Repo.ID, ev.Comment.ID)
	if err != nil {
		return messages.Decision{}, false
	}
	_, reason, detail, ask := p.reader.Judge(ev, *who, ours)
	if ask {
		return messages.Decision{}, false
	}
	return ignore(decision, reason, detail), true
}

// Decide decides a delivery, asking GitHub where it must. An error means that it stays undecided.
func (p *Policy) Decide(ctx context.Context, store ProcessorStore, d messages.Delivery) (messages.Decision, error) {
	ev, decision, ok := p.read(d)
	if !ok {
		return decision, nil
	}
	who, err := p.whoAreWe(ctx, store)
	if err != nil {
		return messages.Decision{}, err
	}
	ours, err := store.IsOurs(ctx, ev.Repo.ID, ev.Comment.ID)
	if err != nil {
		return messages.Decision{}, err
	}
	req, reason, detail, ask := p.reader.Judge(ev, who, ours)
	if !ask {
		return ignore(decision, reason, detail), nil
	}
	req.Delivery = d.ID
	decision.Kind, decision.Reason, decision.Request, decision.React = messages.DecidedTask, messages.ReasonAccepted, req, true
	if d.Source == "test" { // the operator's own: it came in by the admin's door, and GitHub knows nothing of it
		decision.Request.Trigger, decision.React = "test", false
		return decision, nil
	}
	return p.permit(ctx, decision)
}

// read parses a delivery into the beginnings of its decision.
func (p *Policy) read(d messages.Delivery) (messages.Event, messages.Decision, bool) {
	ev, summary, reason, detail, ok := p.reader.Read(d.Event, d.Body)
	decision := messages.Decision{Delivery: d.ID, Summary: summary, Repo: ev.Repo}
	if !ok {
		return ev, ignore(decision, reason, detail), false
	}
	return ev, decision, true
}

func ignore(d messages.Decision, reason messages.Reason, detail string) messages.Decision {
	d.Kind, d.Reason, d.Detail = messages.DecidedIgnored, reason, detail
	return d
}

// permit checks the repository and every principal, in this order: what is known here before what GitHub
// must be asked for.
func (p *Policy) permit(ctx context.Context, d messages.Decision) (messages.Decision, error) {
	if owners := p.rules.AllowedOwners; len(owners) > 0 && !slices.Contains(owners, strings.ToLower(d.Repo.Owner)) {
		return ignore(d, messages.ReasonRepoNotAllowed, fmt.Sprintf("%s is in neither ALLOWED_ORGS nor ALLOWED_USERS", d.Repo.Owner)), nil
	}
	if len(d.Request.Principals) == 0 {
		return ignore(d, messages.ReasonNoPermission, "the event does not say who asks"), nil
	}
	authorized, err := p.authorized(ctx)
	if err != nil {
		return d, err
	}
	for _, user := range d.Request.Principals {
		listed := authorized[user.ID]
		if len(p.rules.AuthorizedUsers) > 0 && !listed {
			return ignore(d, messages.ReasonUserNotAllowed, fmt.Sprintf("%s is not in AUTHORIZED_TRIGGER_USERS", user.Login)), nil
		}
		if user.Bot && !listed {
			return ignore(d, messages.ReasonUserNotAllowed, fmt.Sprintf("%s is a bot, and bots must be in AUTHORIZED_TRIGGER_USERS", user.Login)), nil
		}
		can, err := p.authority.CanWrite(ctx, d.Repo, user)
		if errors.Is(err, messages.ErrNotFound) {
			return ignore(d, messages.ReasonUnknownRepo, fmt.Sprintf("the token cannot see %s", d.Repo.FullName())), nil
		}
		if err != nil {
			return d, err
		}
		if !can {
			return ignore(d, messages.ReasonNoPermission, fmt.Sprintf("%s may not write to %s", user.Login, d.Repo.FullName())), nil
		}
	}
	return d, nil
}

// authorized resolves AUTHORIZED_TRIGGER_USERS to ids. The authority remembers them, so this is cheap.
func (p *Policy) authorized(ctx context.Context) (map[int64]bool, error) {
	ids := map[int64]bool{}
	for _, login := range p.rules.AuthorizedUsers {
		user, err := p.authority.User(ctx, login)
		if errors.Is(err, messages.ErrNotFound) {
			continue // nobody has that name, so nobody is let in by it
		}
		if err != nil {
			return nil, fmt.Errorf("resolve %s of AUTHORIZED_TRIGGER_USERS: %w", login, err)
		}
		ids[user.ID] = true
	}
	return ids, nil
}

// identityKey is the store's setting that remembers who we are, so that a restart can judge while GitHub
// is away.
const identityKey = "identity"

// whoAreWe resolves the mentioned user and the token's account: from GitHub once per start, else as last
// known for the same name. A GitHub that does not answer must leave time to use what is known.
func (p *Policy) whoAreWe(ctx context.Context, store ProcessorStore) (Identity, error) {
	if known := p.identity.Load(); known != nil {
		return *known, nil
	}
	remembered, ok := p.remembered(ctx, store)
	who, err := p.askWhoWeAre(ctx, ok)
	if err != nil && ok {
		return remembered, nil
	}
	if err != nil {
		return Identity{}, err
	}
	text, err := json.Marshal(who)
	if err != nil {
		return Identity{}, err
	}
	if err := store.SetSetting(ctx, identityKey, string(text)); err != nil {
		return Identity{}, fmt.Errorf("remember who we are: %w", err)
	}
	p.identity.Store(&who)
	return who, nil
}

func (p *Policy) askWhoWeAre(ctx context.Context, remembered bool) (Identity, error) {
	if remembered {
		within, cancel := context.WithTimeout(ctx, nameWithin)
		defer cancel()
		ctx = within
	}
	self, err := p.authority.Self(ctx)
	if err != nil {
		return Identity{}, fmt.Errorf("ask GitHub whose token this is: %w", err)
	}
	mentioned, err := p.authority.User(ctx, p.rules.MentionedUser)
	if errors.Is(err, messages.ErrNotFound) {
		return Identity{}, fmt.Errorf("GITHUB_MENTIONED_USER: GitHub knows no account %q: %w", p.rules.MentionedUser, err)
	}
	if err != nil {
		return Identity{}, fmt.Errorf("resolve GITHUB_MENTIONED_USER: %w", err)
	}
	return Identity{Mentioned: mentioned, Self: self}, nil
}

func (p *Policy) remembered(ctx context.Context, store ProcessorStore) (Identity, bool) {
	text, err := store.Setting(ctx, identityKey)
	if err != nil || text == "" {
		return Identity{}, false
	}
	var who Identity
	if err := json.Unmarshal([]byte(text), &who); err != nil {
		return Identity{}, false
	}
	return who, strings.EqualFold(who.Mentioned.Login, p.rules.MentionedUser)
}

// Silence says how an undecided delivery is put off after an error.
func (p *Policy) Silence(err error, tries int) (messages.Reason, string, time.Duration) {
	after := backoff(5*time.Second, 5*time.Minute, tries)
	var later *messages.LaterError
	if errors.As(err, &later) {
		return messages.ReasonGitHubSilent, err.Error(), max(after, later.After)
	}
	var panicked *panicError
	var internal *internalError
	if errors.As(err, &panicked) || errors.As(err, &internal) {
		return messages.ReasonInternal, err.Error(), after
	}
	return messages.ReasonGitHubSilent, err.Error(), after
}

// backoff doubles from first to most with the number of tries so far.
func backoff(first, most time.Duration, tries int) time.Duration {
	for range min(tries, 30) {
		first *= 2
		if first >= most {
			return most
		}
	}
	return first
}
