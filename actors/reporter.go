package actors

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/rs/zerolog"

	"devs-webhook/messages"
)

// ReporterStore is what the reporter needs of the store: the outbox.
type ReporterStore interface {
	DueEffects(ctx context.Context, limit int) ([]messages.Effect, error)
	NextEffect(ctx context.Context) (time.Time, bool, error)
	EffectTrying(ctx context.Context, id int64) error
	EffectDone(ctx context.Context, id int64, e messages.Effect) error
	EffectLater(ctx context.Context, id int64, next time.Time, ambiguous bool, problem string) error
	EffectFailed(ctx context.Context, id int64, problem string) error
	EffectSkipped(ctx context.Context, id int64) error
	StartProgress(ctx context.Context, after time.Duration) (int, error)
	View(ctx context.Context, id messages.TaskID) (messages.View, error)
}

// GitHub performs visible acts. Writes that may have been applied although they failed answer with
// *messages.AmbiguousError.
type GitHub interface {
	React(ctx context.Context, repo messages.Repo, thread int, o messages.Object, content string) error
	FindComment(ctx context.Context, repo messages.Repo, number int, task messages.TaskID, kind messages.EffectKind) (id int64, url string, found bool, err error)
	CreateComment(ctx context.Context, repo messages.Repo, number int, task messages.TaskID, kind messages.EffectKind, body string) (id int64, url string, err error)
	UpdateComment(ctx context.Context, repo messages.Repo, id int64, task messages.TaskID, kind messages.EffectKind, body string) error
	FindPull(ctx context.Context, repo messages.Repo, branch string) (number int, url string, open, found bool, err error)
	CreatePull(ctx context.Context, repo messages.Repo, branch, base, title, body string, draft bool) (number int, url string, err error)
	// SpareWrites says whether progress may be shown now without eating into what answers need.
	SpareWrites() bool
}

// Pusher takes an agent's work through quarantine and pushes it.
type Pusher interface {
	Push(ctx context.Context, task messages.Task, base messages.Base, bundle string) (messages.Published, error)
}

// Writer composes the texts. What the agent wrote has passed the outgoing filter in them.
type Writer interface {
	Progress(v messages.View, now time.Time) string
	Folded(finalURL string) string
	Final(v messages.View, p messages.Published) string
	Pull(v messages.View) (title, body string, draft bool)
}

const (
	effectWithin = 3 * time.Minute // for one effect, a push included
	effectBatch  = 16
	giveUpWork   = 24 * time.Hour  // how long a fault of ours may keep work from being published, and so its answer back
	progressLook = 5 * time.Second // how often, at least, waiting tasks are checked for their first progress
)

// Reporter performs the outbox against GitHub, one effect at a time. Before each write that could be
// doubled it notes in the store that it is trying; if it finds that note later, it looks before it writes.
type Reporter struct {
	store    ReporterStore
	github   GitHub
	pusher   Pusher
	writer   Writer
	bell     messages.Bell
	progress time.Duration // how long a task waits or runs before it gets a progress comment
	fatal    Fatal
	log      zerolog.Logger

	// failures counts an effect's failures in a row, for growing pauses: the store counts only tries that may
	// have been applied. Only touched by Serve's goroutine; if it is lost, pauses are short again.
	failures map[int64]int
}

// ReporterParts are the reporter's neighbours and settings; all but Fatal are required.
type ReporterParts struct {
	Store         ReporterStore
	GitHub        GitHub
	Pusher        Pusher
	Writer        Writer
	Bell          messages.Bell
	ProgressAfter time.Duration
	Fatal         Fatal
	Log           zerolog.Logger
}

// NewReporter makes the actor.
func NewReporter(p ReporterParts) *Reporter {
	return &Reporter{
		store: p.Store, github: p.GitHub, pusher: p.Pusher, writer: p.Writer, bell: p.Bell,
		progress: p.ProgressAfter, fatal: p.Fatal, log: p.Log.With().Str("actor", "reporter").Logger(),
	}
}

// String names the actor.
func (r *Reporter) String() string { return "reporter" }

// Serve performs what is due until ctx is done.
func (r *Reporter) Serve(ctx context.Context) error {
	r.failures = map[int64]int{}
	for {
		wait, err := r.look(ctx)
		if err != nil {
			return err
		}
		timer := time.NewTimer(wait)
		select {
		case <-ctx.Done():
			timer.Stop()
			return ctx.Err()
		case <-r.bell:
		case <-timer.C:
		}
		timer.Stop()
	}
}

// look performs all that is due, and says how long there is nothing more to do.
func (r *Reporter) look(ctx context.Context) (time.Duration, error) {
	if _, err := r.store.StartProgress(ctx, r.progress); err != nil {
		return 0, fmt.Errorf("begin progress: %w", err)
	}
	for {
		due, err := r.store.DueEffects(ctx, effectBatch)
		if err != nil {
			return 0, fmt.Errorf("list due effects: %w", err)
		}
		if len(due) == 0 {
			break
		}
		for _, e := range due {
			if ctx.Err() != nil {
				return 0, ctx.Err()
			}
			if err := r.perform(ctx, e); err != nil {
				return 0, err
			}
		}
	}
	next, ok, err := r.store.NextEffect(ctx)
	if err != nil {
		return 0, fmt.Errorf("look for the next effect: %w", err)
	}
	wait := min(progressLook, max(r.progress, time.Second))
	if ok {
		wait = min(wait, max(time.Until(next), 10*time.Millisecond))
	}
	return wait, nil
}

// perform does one effect and stores what came of it. Only an error of the store comes back: what GitHub
// says is about the effect, and a panic is put off with it, so that one bad row cannot stop the others.
func (r *Reporter) perform(ctx context.Context, e messages.Effect) error {
	view, err := r.store.View(ctx, e.Task)
	if err != nil {
		return fmt.Errorf("read task %s: %w", e.Task, err)
	}
	within, cancel := context.WithTimeout(ctx, effectWithin)
	defer cancel()
	var done messages.Effect
	err = guard(func() error {
		var err error
		done, err = r.act(within, e, view)
		return err
	})
	log := r.log.With().Str("task", string(e.Task)).Str("effect", string(e.Kind)).Logger()
	if err == nil {
		delete(r.failures, e.ID)
		if e.Kind != messages.EffectProgress {
			log.Info().Str("url", done.URL).Msg("effect performed")
		}
		return r.store.EffectDone(ctx, e.ID, done)
	}
	return r.failed(ctx, e, err, log)
}

// act does what the effect asks for. The effect that it returns carries what is to be stored.
func (r *Reporter) act(ctx context.Context, e messages.Effect, v messages.View) (messages.Effect, error) {
	switch e.Kind {
	case messages.EffectReaction:
		return e, r.react(ctx, e, v)
	case messages.EffectPublish:
		return r.publish(ctx, e, v)
	case messages.EffectFinal:
		return r.final(ctx, e, v)
	case messages.EffectProgress:
		return r.showProgress(ctx, e, v)
	default:
		return e, &messages.RefusedError{Why: fmt.Sprintf("unknown effect %q", e.Kind)}
	}
}

// errSkip means that the effect is no longer wanted.
var errSkip = errors.New("no longer wanted")

// failed stores why an effect was not performed, and when it is tried again.
func (r *Reporter) failed(ctx context.Context, e messages.Effect, err error, log zerolog.Logger) error {
	if ctx.Err() != nil {
		return ctx.Err() // we are stopping; what the store says about the try is right
	}
	if r.fatal.is(err) {
		return err
	}
	var refused *messages.RefusedError
	switch {
	case errors.Is(err, messages.ErrEffectClosed), errors.Is(err, errSkip):
		delete(r.failures, e.ID)
		return r.store.EffectSkipped(ctx, e.ID)
	case errors.As(err, &refused):
		log.Warn().Err(err).Msg("effect refused")
		return r.giveUp(ctx, e, refused.Why)
	case errors.Is(err, messages.ErrNotFound):
		log.Warn().Err(err).Msg("effect has no target")
		return r.giveUp(ctx, e, "GitHub does not know the thread, or the token may not see it")
	default:
		return r.later(ctx, e, err, log)
	}
}

// giveUp closes an effect that another try does not bring about.
func (r *Reporter) giveUp(ctx context.Context, e messages.Effect, why string) error {
	delete(r.failures, e.ID)
	return r.store.EffectFailed(ctx, e.ID, why)
}

// later puts an effect off. It is tried for as long as it takes, but for work that a fault of ours keeps from
// being published: its answer must not wait for ever.
func (r *Reporter) later(ctx context.Context, e messages.Effect, err error, log zerolog.Logger) error {
	var later *messages.LaterError
	var ambiguous *messages.AmbiguousError
	unclear := true
	pause := backoff(2*time.Second, 5*time.Minute, max(e.Tries, r.failures[e.ID]))
	switch {
	case errors.As(err, &later):
		pause, unclear = max(pause, later.After), e.Ambiguous
		log.Warn().Err(err).Dur("again_in", pause).Msg("effect put off")
	case errors.As(err, &ambiguous):
		log.Warn().Err(err).Dur("again_in", pause).Msg("effect may have been applied")
	case e.Kind == messages.EffectPublish && time.Since(e.CreatedAt) > giveUpWork:
		log.Error().Err(err).Msg("effect given up")
		return r.giveUp(ctx, e, "The service itself failed at publishing it, for a day.")
	default:
		log.Error().Err(err).Dur("again_in", pause).Msg("effect failed")
	}
	r.failures[e.ID]++
	return r.store.EffectLater(ctx, e.ID, time.Now().Add(pause), unclear, err.Error())
}
