package main

import (
	"context"
	"errors"
	"fmt"
	"hash/fnv"
	"net/url"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"devs-webhook/actors"
	"devs-webhook/internal/agent"
	"devs-webhook/internal/comment"
	"devs-webhook/internal/git"
	"devs-webhook/internal/github"
	"devs-webhook/internal/intake"
	"devs-webhook/internal/safeoutput"
	"devs-webhook/internal/store"
	"devs-webhook/messages"
)

// The types below fit adapters to what the actors ask for, where the words differ.

// door is package intake as the sources see it.
type door struct{ secrets [][]byte }

func (d door) Verify(body []byte, signature string) bool {
	return intake.Verify(d.secrets, body, signature) >= 0
}

func (d door) Envelope(contentType string, body []byte) ([]byte, error) {
	return intake.Envelope(contentType, body)
}

func (d door) CheckDeliveryID(id string) error { return intake.CheckDeliveryID(id) }

// reader is package intake as the policy sees it.
type reader struct{}

func (reader) Read(event string, payload []byte) (messages.Event, string, messages.Reason, string, bool) {
	ev, err := intake.Parse(event, payload)
	var malformed *intake.MalformedError
	switch {
	case err == nil:
		return ev, intake.Summary(ev), "", "", true
	case errors.As(err, &malformed):
		return ev, intake.Summary(ev), messages.ReasonMalformed, malformed.Detail, false
	default:
		return ev, intake.Summary(ev), messages.ReasonEventUnsupported, fmt.Sprintf("the event %q starts nothing", event), false
	}
}

func (reader) Judge(ev messages.Event, who actors.Identity, recorded bool) (messages.Request, messages.Reason, string, bool) {
	v := intake.Judge(ev, intake.Identity{Mentioned: who.Mentioned, Self: who.Self}, recorded)
	return v.Request, v.Reason, v.Detail, v.Ask
}

// githubOf is the GitHub client as the actors see it.
type githubOf struct{ *github.Client }

func (g *githubOf) CanWrite(ctx context.Context, repo messages.Repo, user messages.User) (bool, error) {
	role, err := g.Permission(ctx, repo, user)
	return github.CanWrite(role), err
}

func (g *githubOf) FindPull(ctx context.Context, repo messages.Repo, branch string) (int, string, bool, bool, error) {
	return g.Client.FindPull(ctx, repo, repo.Owner, branch)
}

// SpareWrites leaves 60 % of the hour's writes to what must be said.
func (g *githubOf) SpareWrites() bool {
	left, blockedUntil := g.Budget()
	return left > writesPerHour*6/10 && time.Now().After(blockedUntil)
}

// writesPerHour is GitHub's limit for requests that create content.
const writesPerHour = 500

// gitOf resolves the paths of bundles, which are stored below the state directory.
type gitOf struct {
	*git.Git
	stateDir string
}

func (g gitOf) Push(ctx context.Context, task messages.Task, base messages.Base, bundle string) (messages.Published, error) {
	return g.Git.Push(ctx, task, base, filepath.Join(g.stateDir, bundle))
}

// diff is the work of a test event, which is pushed nowhere.
func (g gitOf) diff(ctx context.Context, t messages.Task, o messages.Outcome) (string, error) {
	if o.Bundle == "" {
		return "", nil
	}
	return g.Diff(ctx, t, o.Base, filepath.Join(g.stateDir, o.Bundle), maxDiff)
}

// maxDiff is how much of a diff is shown.
const maxDiff = 64 << 10

// outputs is package safeoutput as the containers see it.
type outputs struct{}

func (outputs) Read(dir string, a messages.AttemptRef) (actors.Output, error) {
	o, err := safeoutput.Read(dir, a)
	return actors.Output{
		Result: o.Result, HasResult: o.HasResult, Intents: o.Intents, Refused: o.Refused, Events: o.Events, HasBundle: o.Bundle != "",
		Session: o.Session,
	}, err
}

// storeOf is the store as the janitor sees it.
type storeOf struct {
	*store.Store
	keep store.Keep
}

// Forget counts the rows that it removed.
func (s storeOf) Forget(ctx context.Context, now time.Time) (int, error) {
	f, err := s.Store.Forget(ctx, now, s.keep)
	return f.Payloads + f.Transcripts + f.Texts + f.Tasks + f.Deliveries + f.Keys, err
}

// Pending says whether the task has effects that wait. A task that is not known has none.
func (s storeOf) Pending(ctx context.Context, id messages.TaskID) (bool, error) {
	view, err := s.View(ctx, id)
	if errors.Is(err, store.ErrUnknownTask) {
		return false, nil
	}
	waits := func(e messages.Effect) bool {
		return e.State == messages.EffectPending || e.State == messages.EffectOpen
	}
	return slices.ContainsFunc(view.Effects, waits), err
}

// writer composes texts: what the agent wrote passes the outgoing filter here, and only here.
type writer struct {
	texts   comment.Writer
	server  string
	secrets []string
}

func (w *writer) policy(t messages.Task) safeoutput.Policy {
	var requesters []string
	for _, q := range t.Requests {
		requesters = append(requesters, q.Requester.Login)
	}
	hosts := []string{}
	if u, err := url.Parse(w.server); err == nil {
		hosts = append(hosts, u.Host)
	}
	return safeoutput.Policy{
		Requesters: requesters, OwnIssue: t.Thread.Number, Repo: t.Repo.FullName(), AllowedHosts: hosts, Secrets: w.secrets,
	}
}

func (w *writer) Progress(v messages.View, now time.Time) string {
	v.Last.Text = w.policy(v.Task).Title(v.Last.Text)
	return w.texts.Progress(v, now)
}

func (w *writer) Folded(finalURL string) string { return w.texts.Folded(finalURL) }

// Final is the answer. Words that came with refused work or a failure are shown all the same.
func (w *writer) Final(v messages.View, p messages.Published) string {
	words, sentence := "", ""
	if o := v.Outcome; o != nil {
		words, sentence = o.Result.Words, agent.Sentence(o.Ending)
		if o.Intents.Comment != nil {
			words = o.Intents.Comment.Body
		}
	}
	return w.texts.Final(v, &p, sentence, w.policy(v.Task).Body(words))
}

// Pull describes the pull request: as the agent asked, or by the task.
func (w *writer) Pull(v messages.View) (title, body string, draft bool) {
	policy := w.policy(v.Task)
	said := ""
	title = w.texts.PullTitle(v)
	if in := v.Outcome.Intents.PullRequest; in != nil {
		if t := policy.Title(in.Title); strings.TrimSpace(t) != "" {
			title = t
		}
		said, draft = policy.Body(in.Body), in.Draft
	}
	return title, w.texts.PullBody(v, said), draft
}

func splitRepo(full string) (owner, name string) {
	owner, name, _ = strings.Cut(full, "/")
	return owner, name
}

// testRepoID stands for GitHub's id of a repository in test events. It is so high that it is nobody's.
func testRepoID(full string) int64 {
	h := fnv.New64a()
	h.Write([]byte(strings.ToLower(full)))
	return 1<<62 | int64(h.Sum64()>>2)
}
