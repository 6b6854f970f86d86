package actors

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/rs/zerolog"

	"devs-webhook/messages"
)

// ProcessorStore is what the processor needs of the store.
type ProcessorStore interface {
	Undecided(ctx context.Context, limit int) ([]messages.Delivery, error)
	NextUndecided(ctx context.Context) (time.Time, bool, error)
	PutOff(ctx context.Context, delivery string, reason messages.Reason, detail string, next time.Time) error
	Decide(ctx context.Context, d messages.Decision) (messages.Decision, messages.TaskID, error)
	Runnable(ctx context.Context, limit int) ([]messages.Task, error)
	NextRunnable(ctx context.Context) (time.Time, bool, error)
	OpenAttempts(ctx context.Context) ([]messages.Attempt, error)
	IsOurs(ctx context.Context, repoID, commentID int64) (bool, error)
	Setting(ctx context.Context, key string) (string, error)
	SetSetting(ctx context.Context, key, value string) error
}

// Slot is a container's name with the send end of its mailbox.
type Slot struct {
	Name  string
	Inbox chan<- messages.ToContainer
}

const (
	askAtOnce  = 4                // questions to GitHub under way at the same time
	askWithin  = 10 * time.Second // for all questions about one delivery
	nameWithin = 4 * time.Second  // of it, to learn who we are, where the store remembers it
	askBacklog = 1024             // deliveries that wait for a question in memory; more wait in the store
	batch      = 64               // deliveries looked at in one go
	lookAnyway = time.Minute      // a look at the store that nobody rang for
	offerAgain = 5 * time.Second  // a look while an offer is not taken: its container may be restarting
)

// ProcessorParts are the processor's neighbours; all but Fatal are required.
type ProcessorParts struct {
	Store  ProcessorStore
	Policy *Policy
	Disk   func() error // says why no task may start now; nil if one may
	Slots  []Slot
	Bell   messages.Bell
	Report messages.Bell // the reporter's
	Fatal  Fatal
	Log    zerolog.Logger
}

// Processor turns stored deliveries into decisions and gives queued tasks to free containers. It asks
// GitHub before its transaction, beside its loop, so that one slow answer stalls nobody.
type Processor struct {
	store  ProcessorStore
	policy *Policy
	disk   func() error
	slots  []Slot
	bell   messages.Bell
	report messages.Bell
	fatal  Fatal
	log    zerolog.Logger

	// Made anew by every Serve, and only touched by its goroutine.
	asking  map[string]bool // deliveries that wait for GitHub, by id
	waiting []messages.Delivery
	running int
	answers chan answered
	full    string // why no task may start, as last logged
}

// answered is what a question came to.
type answered struct {
	delivery messages.Delivery
	decision messages.Decision
	err      error
}

// NewProcessor makes the actor.
func NewProcessor(p ProcessorParts) *Processor {
	return &Processor{
		store: p.Store, policy: p.Policy, disk: p.Disk, slots: p.Slots, bell: p.Bell, report: p.Report, fatal: p.Fatal,
		log: p.Log.With().Str("actor", "processor").Logger(),
	}
}

// String names the actor.
func (p *Processor) String() string { return "processor" }

// Serve decides and assigns until ctx is done. Questions that are under way when it ends are given up and
// asked again by the next Serve.
func (p *Processor) Serve(ctx context.Context) error {
	p.asking, p.waiting, p.running = map[string]bool{}, nil, 0
	p.answers = make(chan answered, askAtOnce)
	askCtx, stop := context.WithCancel(ctx)
	defer p.join()
	defer stop()
	for news := true; ; {
		// Asked before the look: what falls due while it lasts is due at once, and not missed.
		next := p.next(ctx)
		if err := p.look(askCtx, news); err != nil {
			return err
		}
		if p.untaken() {
			next = earlier(next, time.Now().Add(offerAgain))
		}
		timer := time.NewTimer(max(time.Until(next), 10*time.Millisecond))
		news = true
		select {
		case <-ctx.Done():
			timer.Stop()
			return ctx.Err()
		case <-p.bell:
		case <-timer.C:
		case a := <-p.answers:
			if err := p.settle(ctx, a); err != nil {
				timer.Stop()
				return err
			}
			// While enough deliveries wait here to be asked about, their rows are not read again for each answer.
			news = len(p.waiting) < askAtOnce || !time.Now().Before(next)
		}
		timer.Stop()
	}
}

// join waits for the questions under way: no goroutine outlives Serve.
func (p *Processor) join() {
	for ; p.running > 0; p.running-- {
		<-p.answers
	}
}

// look decides what can be decided now, if there may be news of that kind, starts questions about the rest,
// and gives out tasks.
func (p *Processor) look(ctx context.Context, news bool) error {
	for news {
		seen, err := p.decideBatch(ctx)
		if err != nil {
			return err
		}
		news = seen >= batch
	}
	p.ask(ctx)
	return p.assign(ctx)
}

// decideBatch looks at undecided deliveries, oldest first, and says how many of them it had not seen yet:
// those that must wait for an answer hold up none behind them.
func (p *Processor) decideBatch(ctx context.Context) (seen int, err error) {
	if len(p.asking) >= askBacklog {
		return 0, nil
	}
	deliveries, err := p.store.Undecided(ctx, batch+len(p.asking))
	if err != nil {
		return 0, fmt.Errorf("list undecided deliveries: %w", err)
	}
	for _, d := range deliveries {
		if p.asking[d.ID] {
			continue
		}
		seen++
		decision, done := p.consider(ctx, d)
		if !done {
			p.asking[d.ID] = true
			p.waiting = append(p.waiting, d)
			continue
		}
		if err := p.decide(ctx, d, decision); err != nil {
			return seen, err
		}
	}
	return seen, nil
}

// consider decides without asking anybody, if that is possible. A delivery that makes the rules panic is
// left to a question, whose guard puts it off: it must not stop its neighbours.
func (p *Processor) consider(ctx context.Context, d messages.Delivery) (decision messages.Decision, done bool) {
	err := guard(func() error {
		decision, done = p.policy.Quick(ctx, p.store, d)
		return nil
	})
	return decision, done && err == nil
}

// ask starts as many questions as may be under way at once.
func (p *Processor) ask(ctx context.Context) {
	for p.running < askAtOnce && len(p.waiting) > 0 {
		d := p.waiting[0]
		p.waiting = p.waiting[1:]
		p.running++
		answers := p.answers
		go func() {
			a := answered{delivery: d}
			a.err = guard(func() error {
				within, cancel := context.WithTimeout(ctx, askWithin)
				defer cancel()
				var err error
				a.decision, err = p.policy.Decide(within, p.store, d)
				return err
			})
			answers <- a
		}()
	}
}

// settle stores what a question came to.
func (p *Processor) settle(ctx context.Context, a answered) error {
	p.running--
	delete(p.asking, a.delivery.ID)
	if a.err == nil {
		return p.decide(ctx, a.delivery, a.decision)
	}
	if p.fatal.is(a.err) {
		return fmt.Errorf("decide %s: %w", a.delivery.ID, a.err)
	}
	return p.putOff(ctx, a.delivery, a.err)
}

// putOff leaves a delivery undecided for a while.
func (p *Processor) putOff(ctx context.Context, d messages.Delivery, why error) error {
	reason, detail, after := p.policy.Silence(why, d.Tries)
	level := zerolog.WarnLevel
	if reason == messages.ReasonInternal {
		level = zerolog.ErrorLevel
	}
	p.log.WithLevel(level).Err(why).Str("delivery", d.ID).Dur("again_in", after).Msg("delivery put off")
	if err := p.store.PutOff(ctx, d.ID, reason, detail, time.Now().Add(after)); err != nil {
		return fmt.Errorf("put off %s: %w", d.ID, err)
	}
	return nil
}

// decide stores a decision. One that the store cannot carry out is put off: if that works, the fault is the
// delivery's own, and it must not stop its neighbours.
func (p *Processor) decide(ctx context.Context, d messages.Delivery, decision messages.Decision) error {
	made, task, err := p.store.Decide(ctx, decision)
	if err != nil {
		err = fmt.Errorf("decide %s: %w", d.ID, err)
		if ctx.Err() != nil || p.fatal.is(err) {
			return err
		}
		if putOff := p.putOff(ctx, d, &internalError{err}); putOff != nil {
			return errors.Join(err, putOff)
		}
		p.bell.Ring() // look when it is due
		return nil
	}
	level := zerolog.InfoLevel
	if made.Kind == messages.DecidedIgnored {
		level = zerolog.DebugLevel
	}
	p.log.WithLevel(level).Str("delivery", d.ID).Str("event", decision.Summary).Str("decision", string(made.Kind)).
		Str("reason", string(made.Reason)).Str("task", string(task)).Msg("delivery decided")
	if made.Kind == messages.DecidedTask {
		p.report.Ring()
	}
	return nil
}

// assign offers the next tasks to the containers that have none. An offer that is not taken is made again
// at the next look, to whoever is free then.
func (p *Processor) assign(ctx context.Context) error {
	open, err := p.store.OpenAttempts(ctx)
	if err != nil {
		return fmt.Errorf("list running attempts: %w", err)
	}
	busy := map[string]bool{}
	for _, a := range open {
		busy[a.Slot] = true
	}
	var free []Slot
	for _, s := range p.slots {
		if !busy[s.Name] && len(s.Inbox) == 0 {
			free = append(free, s)
		}
	}
	if len(free) == 0 || !p.mayStart() {
		return nil
	}
	tasks, err := p.store.Runnable(ctx, len(free))
	if err != nil {
		return fmt.Errorf("list runnable tasks: %w", err)
	}
	for i, task := range tasks {
		select {
		case free[i].Inbox <- messages.Run{Task: task.ID}:
			p.log.Debug().Str("task", string(task.ID)).Str("container", free[i].Name).Msg("task offered")
		default: // somebody wrote to it meanwhile; the task waits for the next look
		}
	}
	return nil
}

// untaken says whether an offer lies in a mailbox. Its task is offered to the others at the next look.
func (p *Processor) untaken() bool {
	return slices.ContainsFunc(p.slots, func(s Slot) bool { return len(s.Inbox) > 0 })
}

// mayStart says whether a task may start, and logs a change of mind once.
func (p *Processor) mayStart() bool {
	err := p.disk()
	why := ""
	if err != nil {
		why = err.Error()
	}
	if why != p.full {
		if err != nil {
			p.log.Warn().Err(err).Msg("no task starts")
		} else {
			p.log.Info().Msg("tasks start again")
		}
		p.full = why
	}
	return err == nil
}

// next is when something in the store that is not due yet falls due, and at most a minute away.
func (p *Processor) next(ctx context.Context) time.Time {
	soonest := time.Now().Add(lookAnyway)
	for _, next := range []func(context.Context) (time.Time, bool, error){p.store.NextUndecided, p.store.NextRunnable} {
		// An error here shows itself at the look, which has a way to report it.
		if at, ok, err := next(ctx); err == nil && ok {
			soonest = earlier(soonest, at)
		}
	}
	return soonest
}

func earlier(a, b time.Time) time.Time {
	if b.Before(a) {
		return b
	}
	return a
}
