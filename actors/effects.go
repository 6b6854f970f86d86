package actors

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"devs-webhook/messages"
)

// react puts the eyes on what somebody wrote. GitHub keeps one reaction of a kind per account, so a repeat
// changes nothing.
func (r *Reporter) react(ctx context.Context, e messages.Effect, v messages.View) error {
	number := v.Task.Thread.Number
	for _, q := range v.Task.Requests {
		if q.Object == e.Object {
			number = q.Thread.Number
		}
	}
	if err := r.store.EffectTrying(ctx, e.ID); err != nil {
		return err
	}
	return r.github.React(ctx, v.Task.Repo, number, e.Object, "eyes")
}

// publish pushes the work and asks for the pull request. Both have names that do not change, so that a
// repeat finds what an earlier try made. Work that is refused is a result, not a failure: the final
// comment says so.
func (r *Reporter) publish(ctx context.Context, e messages.Effect, v messages.View) (messages.Effect, error) {
	o := v.Outcome
	if o == nil || o.Bundle == "" {
		return e, errSkip
	}
	if err := r.store.EffectTrying(ctx, e.ID); err != nil {
		return e, err
	}
	published, err := r.pusher.Push(ctx, v.Task, o.Base, o.Bundle)
	if err == nil {
		err = r.pull(ctx, &published, v)
	}
	var refused *messages.RefusedError
	if errors.As(err, &refused) {
		published.Refused = refused.Why
		r.log.Warn().Err(err).Str("task", string(v.Task.ID)).Msg("work not published")
	} else if err != nil {
		return e, err
	}
	detail, err := json.Marshal(published)
	if err != nil {
		return e, err
	}
	e.RemoteID, e.URL, e.Detail = int64(published.Number), published.URL, string(detail)
	return e, nil
}

// pull finds the open pull request of the branch, or makes it.
func (r *Reporter) pull(ctx context.Context, p *messages.Published, v messages.View) error {
	number, url, open, found, err := r.github.FindPull(ctx, v.Task.Repo, p.Branch)
	if err != nil {
		return fmt.Errorf("look for the pull request: %w", err)
	}
	if !found || !open {
		title, body, draft := r.writer.Pull(v)
		number, url, err = r.github.CreatePull(ctx, v.Task.Repo, p.Branch, v.Outcome.Base.Target, title, body, draft)
		if err != nil {
			return fmt.Errorf("ask for the pull request: %w", err)
		}
	}
	p.Number, p.URL = number, url
	return nil
}

// final posts the one answer.
func (r *Reporter) final(ctx context.Context, e messages.Effect, v messages.View) (messages.Effect, error) {
	published, err := publishedOf(v)
	if err != nil {
		return e, err
	}
	return r.comment(ctx, e, v, r.writer.Final(v, published))
}

// publishedOf reads what the publish effect left.
func publishedOf(v messages.View) (messages.Published, error) {
	var p messages.Published
	for _, e := range v.Effects {
		if e.Kind != messages.EffectPublish {
			continue
		}
		if e.State == messages.EffectFailed {
			p.Refused = e.Error
		}
		if e.Detail != "" {
			if err := json.Unmarshal([]byte(e.Detail), &p); err != nil {
				return p, fmt.Errorf("read what was published: %w", err)
			}
		}
	}
	return p, nil
}

// comment makes the effect's comment if it is not there. A try that may have been applied is looked for
// first, on all pages, among our own texts.
func (r *Reporter) comment(ctx context.Context, e messages.Effect, v messages.View, body string) (messages.Effect, error) {
	repo, number := v.Task.Repo, v.Task.Thread.Number
	if e.Ambiguous {
		id, url, found, err := r.github.FindComment(ctx, repo, number, e.Task, e.Kind)
		if err != nil {
			return e, asLook(err)
		}
		if found {
			r.log.Info().Str("task", string(e.Task)).Str("effect", string(e.Kind)).Str("url", url).Msg("effect found applied")
			e.RemoteID, e.URL, e.Digest = id, url, ""
			return e, nil
		}
	}
	if err := r.store.EffectTrying(ctx, e.ID); err != nil {
		return e, err
	}
	id, url, err := r.github.CreateComment(ctx, repo, number, e.Task, e.Kind, body)
	if err != nil {
		return e, err
	}
	e.RemoteID, e.URL, e.Digest = id, url, digest(body)
	return e, nil
}

// asLook turns an ambiguous failure of a mere look into a later one: nothing was written by it.
func asLook(err error) error {
	var ambiguous *messages.AmbiguousError
	if errors.As(err, &ambiguous) {
		return &messages.LaterError{Err: err}
	}
	return err
}

// showProgress makes or edits the progress comment while the task waits or runs, and folds it when the
// final comment is there. An edit is idempotent, so it needs no look.
func (r *Reporter) showProgress(ctx context.Context, e messages.Effect, v messages.View) (messages.Effect, error) {
	now := time.Now()
	if v.Task.State.Final() {
		return r.fold(ctx, e, v)
	}
	wait := nextProgress(now.Sub(e.CreatedAt))
	e.NextAt = now.Add(wait)
	switch spare := r.github.SpareWrites(); {
	case !spare && e.RemoteID == 0: // it stays unmade, so that it is no longer wanted if the task ends now
		return e, &messages.LaterError{After: wait, Err: errors.New("GitHub's writes are kept for answers")}
	case !spare:
		return e, nil
	}
	body := r.writer.Progress(v, now)
	switch {
	case e.RemoteID == 0:
		next := e.NextAt
		e, err := r.comment(ctx, e, v, body)
		e.NextAt = next
		return e, err
	case digest(body) == e.Digest:
		return e, nil
	}
	if err := r.github.UpdateComment(ctx, v.Task.Repo, e.RemoteID, e.Task, e.Kind, body); err != nil {
		return e, asLook(err)
	}
	e.Digest = digest(body)
	return e, nil
}

// fold turns the progress comment into one line that links to the answer. A comment that was never made is
// not made now; one that may have been is looked for.
func (r *Reporter) fold(ctx context.Context, e messages.Effect, v messages.View) (messages.Effect, error) {
	var answer messages.Effect
	for _, other := range v.Effects {
		if other.Kind == messages.EffectFinal {
			answer = other
		}
	}
	switch answer.State {
	case messages.EffectDone, messages.EffectFailed:
	default:
		return e, &messages.LaterError{After: 2 * time.Second, Err: errors.New("the answer is not posted yet")}
	}
	if e.RemoteID == 0 {
		if !e.Ambiguous {
			return e, errSkip
		}
		id, url, found, err := r.github.FindComment(ctx, v.Task.Repo, v.Task.Thread.Number, e.Task, e.Kind)
		if err != nil {
			return e, asLook(err)
		}
		if !found {
			return e, errSkip
		}
		e.RemoteID, e.URL = id, url
	}
	body := r.writer.Folded(answer.URL)
	if err := r.github.UpdateComment(ctx, v.Task.Repo, e.RemoteID, e.Task, e.Kind, body); err != nil {
		return e, asLook(err)
	}
	e.Digest = digest(body)
	return e, nil
}

// nextProgress is the time to the next edit: soon at first, each minute later.
func nextProgress(shown time.Duration) time.Duration {
	switch {
	case shown < 10*time.Second:
		return 10 * time.Second
	case shown < 40*time.Second:
		return 30 * time.Second
	default:
		return time.Minute
	}
}

func digest(body string) string {
	sum := sha256.Sum256([]byte(body))
	return hex.EncodeToString(sum[:8])
}
