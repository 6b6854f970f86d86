package main

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"sync"
	"time"

	"devs-webhook/config"
	"devs-webhook/internal/store"
	"devs-webhook/internal/web"
	"devs-webhook/messages"
	"devs-webhook/supervisor"
)

// service is what the routes show and steer: the store, the tree and the checks.
type service struct {
	cfg     config.Config
	store   *store.Store
	tree    *supervisor.Tree // set before the tree runs
	diff    func(ctx context.Context, t messages.Task, o messages.Outcome) (string, error)
	github  *remembered
	runtime *remembered
	disk    func() error
}

func newService(cfg config.Config, st *store.Store, parts supervisor.Parts) *service {
	return &service{
		cfg: cfg, store: st, disk: parts.Disk,
		diff:    parts.Git.(gitOf).diff,
		github:  &remembered{check: parts.GitHub.(*githubOf).Ping},
		runtime: &remembered{check: parts.Runtime.(runtimeOf).Check},
	}
}

// remembered keeps a check's answer for a while: readiness is asked for often, and asking GitHub each time
// would cost requests.
type remembered struct {
	check func(context.Context) error

	mu  sync.Mutex
	at  time.Time
	err error
}

const rememberFor = 15 * time.Second

func (r *remembered) ask(ctx context.Context) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if time.Since(r.at) > rememberFor {
		r.err = r.check(ctx)
		r.at = time.Now()
	}
	return r.err
}

// Ready says whether deliveries can be stored, and how the other parts are.
func (s *service) Ready(ctx context.Context) (bool, map[string]string) {
	checks := map[string]string{}
	for name, check := range map[string]func(context.Context) error{
		"store":   s.store.Healthy,
		"github":  s.github.ask,
		"runtime": s.runtime.ask,
		"disk":    func(context.Context) error { return s.disk() },
	} {
		checks[name] = "ok"
		if err := check(ctx); err != nil {
			checks[name] = err.Error()
		}
	}
	return checks["store"] == "ok", checks
}

// Status gathers what GET /status shows.
func (s *service) Status(ctx context.Context) (web.Status, error) {
	counts, err := s.store.Counts(ctx)
	if err != nil {
		return web.Status{}, err
	}
	containers, err := s.containers(ctx)
	if err != nil {
		return web.Status{}, err
	}
	ready, checks := s.Ready(ctx)
	keep := s.cfg.State.RetainHistory
	return web.Status{
		QueuedTasks:         counts.Queued,
		RunningTasks:        counts.Running,
		UndecidedDeliveries: counts.Undecided,
		PendingEffects:      counts.EffectsPending,
		ContainerPoolSize:   len(s.cfg.Containers.Slots),
		Containers:          containers,
		MentionedUser:       s.cfg.GitHub.MentionedUser,
		AuthorizedUsers:     append([]string{}, s.cfg.Access.TriggerUsers...),
		AuthorizedCIUsers:   []string{},
		DeduplicationCache:  web.DeduplicationInfo{TotalEntries: counts.Keys, ValidEntries: counts.Keys, TTLSeconds: int(keep.Seconds())},
		Ready:               ready,
		Checks:              checks,
		Instance:            s.store.Instance(),
		Version:             version,
	}, nil
}

func (s *service) containers(ctx context.Context) (web.Containers, error) {
	open, err := s.store.OpenAttempts(ctx)
	if err != nil {
		return web.Containers{}, err
	}
	c := web.Containers{
		Queues:        map[string]int{},
		Running:       map[string]web.Running{},
		SingleQueue:   map[string]string{},
		CachedConfigs: []string{},
		Cleanup: web.Cleanup{
			IdleTimeoutMinutes: int(s.cfg.Task.IdleTimeout.Minutes()),
			MaxAgeHours:        int(math.Ceil(s.cfg.Task.Timeout.Hours())), // a container is as old as its attempt
			CheckIntervalSecs:  int(s.cfg.Containers.CleanupInterval.Seconds()),
			StopAfterTask:      true,
		},
		Pool:            s.cfg.Containers.Slots,
		TotalContainers: len(s.cfg.Containers.Slots),
	}
	for _, slot := range s.cfg.Containers.Slots {
		c.Queues[slot] = 0
	}
	for _, a := range open {
		view, err := s.store.View(ctx, a.Task)
		if err != nil {
			return c, err
		}
		used := a.StartedAt
		if view.Last.At.After(used) {
			used = view.Last.At
		}
		c.Running[a.Slot] = web.Running{
			RepoPath: view.Task.Repo.FullName(), Task: string(a.Task), Attempt: a.Number, StartedAt: a.StartedAt, LastUsed: used,
			AgeHours: time.Since(a.StartedAt).Hours(), IdleMinutes: time.Since(used).Minutes(),
		}
	}
	return c, nil
}

// story is a delivery's story with what a test event has nowhere else to show.
type story struct {
	store.Why
	Last    messages.AgentEvent `json:"last,omitzero"`
	Outcome *messages.Outcome   `json:"outcome,omitempty"`
	Diff    string              `json:"diff,omitempty"`
}

// Why tells the story of a delivery.
func (s *service) Why(ctx context.Context, delivery string) (any, error) {
	why, err := s.store.Why(ctx, delivery)
	if errors.Is(err, store.ErrUnknownDelivery) {
		return nil, web.ErrUnknown
	}
	if err != nil {
		return nil, err
	}
	told := story{Why: why}
	if why.Task == nil {
		return told, nil
	}
	view, err := s.store.View(ctx, why.Task.ID)
	if err != nil {
		return nil, err
	}
	told.Last, told.Outcome = view.Last, view.Outcome
	if view.Task.Test() && view.Task.State.Final() && view.Outcome != nil {
		if told.Diff, err = s.diff(ctx, view.Task, *view.Outcome); err != nil {
			return nil, err
		}
	}
	return told, nil
}

// Stop ends the task that runs in a container.
func (s *service) Stop(ctx context.Context, container string) error {
	open, err := s.store.OpenAttempts(ctx)
	if err != nil {
		return err
	}
	for _, a := range open {
		if a.Slot == container {
			return s.tree.Cancel(ctx, a.Task, a.Slot, "the operator")
		}
	}
	return web.ErrUnknown
}

// TestEvent makes an issue that mentions the bot, in GitHub's form, and puts it in by the inner door.
// Nothing of it is shown on GitHub.
func (s *service) TestEvent(ctx context.Context, repo, prompt string) (string, error) {
	word := make([]byte, 4)
	rand.Read(word) // never fails
	id := "test-" + hex.EncodeToString(word)
	body, err := testPayload(repo, prompt, s.cfg.GitHub.MentionedUser, time.Now())
	if err != nil {
		return "", err
	}
	if _, err := s.tree.Put(ctx, messages.Delivery{ID: id, Event: "issues", Source: "test", Body: body}); err != nil {
		return "", fmt.Errorf("put the test event in: %w", err)
	}
	return id, nil
}

// testPayload is an `issues opened` payload with the keys that matter.
func testPayload(repo, prompt, mentioned string, now time.Time) ([]byte, error) {
	type m = map[string]any
	owner, name := splitRepo(repo)
	operator := m{"login": "operator", "id": 1, "type": "User"}
	return json.Marshal(m{
		"action": "opened",
		"issue": m{
			"id": now.UnixNano(), "number": 1, "title": "Test event", "body": "@" + mentioned + " " + prompt,
			"state": "open", "user": operator, "assignees": []any{}, "created_at": now.UTC(), "updated_at": now.UTC(),
		},
		"repository": m{
			"id": testRepoID(repo), "name": name, "full_name": repo, "owner": m{"login": owner, "id": 1, "type": "User"},
		},
		"sender": operator,
	})
}
