package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/rs/zerolog"
	"golang.org/x/sys/unix"

	"devs-webhook/actors"
	"devs-webhook/cli"
	"devs-webhook/config"
	"devs-webhook/internal/agent"
	"devs-webhook/internal/comment"
	"devs-webhook/internal/git"
	"devs-webhook/internal/github"
	"devs-webhook/internal/runtime"
	"devs-webhook/internal/runtime/docker"
	"devs-webhook/internal/runtime/process"
	"devs-webhook/internal/safeoutput"
	"devs-webhook/internal/session"
	"devs-webhook/internal/store"
	"devs-webhook/messages"
	"devs-webhook/supervisor"
)

// buildParts builds every adapter from the configuration. None of them speaks to the outside yet, so an
// unreachable GitHub or engine is no reason not to start.
func buildParts(ctx context.Context, cfg config.Config, st *store.Store, log zerolog.Logger) (supervisor.Parts, error) {
	api, err := github.New(github.Options{
		APIURL: cfg.GitHub.APIURL, Token: cfg.GitHub.Token.Reveal, WriteGap: cfg.GitHub.WriteInterval,
		Log: log.With().Str("part", "github").Logger(), Version: version,
	})
	if err != nil {
		return supervisor.Parts{}, err
	}
	rt, err := buildRuntime(cfg, st.Instance(), log)
	if err != nil {
		return supervisor.Parts{}, err
	}
	agents, err := buildAgents(cfg)
	if err != nil {
		return supervisor.Parts{}, err
	}
	drain, err := leftSlots(ctx, cfg, st)
	if err != nil {
		return supervisor.Parts{}, err
	}
	token := func(context.Context, messages.Repo) (string, error) { return cfg.GitHub.Token.Reveal(), nil }
	repos := git.New(git.Options{
		Dir: filepath.Join(cfg.State.Dir, "repos"), ServerURL: cfg.GitHub.ServerURL, Token: token, Getenv: environ(),
		MaxBundle: maxBundle, Message: safeoutput.Policy{Secrets: allSecrets(cfg)}.CommitMessage,
		Log: log.With().Str("part", "git").Logger(),
	})
	sessions := session.New(filepath.Join(cfg.State.Dir, "sessions"))
	return supervisor.Parts{
		Store: storeOf{Store: st, keep: store.Keep{
			Ignored: cfg.State.RetainIgnored, Payloads: cfg.State.RetainPayloads,
			Transcripts: cfg.State.RetainTranscripts, History: cfg.State.RetainHistory, Keys: cfg.State.RetainHistory,
		}},
		GitHub:   &githubOf{Client: api},
		Git:      gitOf{Git: repos, stateDir: cfg.State.Dir},
		Runtime:  rt,
		Agents:   agents,
		Outputs:  outputs{},
		Model:    noLender{}, // until the gateway's door is open
		Sessions: sessions,
		Writer:   newWriter(cfg),
		Intake:   door{secrets: secrets(cfg)},
		Reader:   reader{},
		Disk:     func() error { return diskRoom(cfg.State.Dir, cfg.Task.MinFreeDisk) },
		Rules: actors.Rules{
			MentionedUser:   cfg.GitHub.MentionedUser,
			AllowedOwners:   slices.Concat(cfg.Access.AllowedOrgs, cfg.Access.AllowedUsers),
			AuthorizedUsers: cfg.Access.TriggerUsers,
		},
		Slots: cfg.Containers.Slots,
		Drain: drain,
		Limits: messages.Limits{
			Wall: cfg.Task.Timeout, Idle: cfg.Task.IdleTimeout, Tool: cfg.Task.ToolTimeout, MaxBundle: maxBundle,
		},
		StateDir:      cfg.State.Dir,
		ProgressAfter: cfg.Task.ProgressAfter,
		TidyEvery:     cfg.Containers.CleanupInterval,
		KeepOutputs:   cfg.State.RetainTranscripts,
		Forget: map[string]func(context.Context, time.Time) (int, error){
			"sessions":     func(_ context.Context, before time.Time) (int, error) { return sessions.Sweep(before) },
			"repositories": func(ctx context.Context, before time.Time) (int, error) { return 0, repos.Sweep(ctx, before) },
		},
		Fatal: fatal,
		Log:   log,
	}, nil
}

// fatal says which errors end the program: a damaged store is not mended by trying again, and must not be
// written on.
func fatal(err error) (exitCode int) {
	if errors.Is(err, store.ErrCorrupt) {
		return cli.ExitStore
	}
	return 0
}

// maxBundle is the size of the largest work that is taken out of a container.
const maxBundle = 500 << 20

// commitEmail is of a domain that GitHub keeps for commits of no account.
const commitEmail = "devs-webhook@users.noreply.github.com"

func buildAgents(cfg config.Config) (*agent.Agents, error) {
	return agent.New(agent.Config{
		Agent: cfg.Agent.Name, Command: cfg.Agent.Command, MentionedUser: cfg.GitHub.MentionedUser,
		MaxTurns: cfg.Agent.MaxTurns, MaxBudgetUSD: cfg.Agent.MaxBudget,
		Commit: messages.CommitSpec{Name: "devs-webhook", Email: commitEmail, Message: "Keep what the agent left uncommitted"},
	})
}

// runtimeOf is a runtime with the question whether it works.
type runtimeOf interface {
	supervisor.Runtime
	Check(ctx context.Context) error
	Reach(ctx context.Context, slot string) (host string, err error)
}

func buildRuntime(cfg config.Config, instance string, log zerolog.Logger) (runtimeOf, error) {
	program, err := runnerProgram()
	if err != nil {
		return nil, err
	}
	log = log.With().Str("part", "runtime").Logger()
	output := runtime.OutputLimits{Bundle: maxBundle}
	if cfg.Containers.Runtime == "process" {
		return process.New(process.Options{Dir: filepath.Join(cfg.State.Dir, "process"), RunnerPath: program, Output: output, Log: log})
	}
	return docker.New(docker.Options{
		Instance: instance, Slots: cfg.Containers.Slots, Image: cfg.Containers.Image, RunnerPath: program,
		Memory: int64(cfg.Containers.Memory), CPUs: cfg.Containers.CPUs, Egress: cfg.Containers.Egress, PIDs: int64(cfg.Containers.PIDs), Output: output, Log: log,
	})
}

// runnerProgram is what runs inside a container: this very program, which must be static for it. Where it
// is not, as in a test binary, DEVS_WEBHOOK_RUNNER names one that is.
func runnerProgram() (string, error) {
	if path := environ()("DEVS_WEBHOOK_RUNNER"); path != "" {
		return path, nil
	}
	path, err := os.Executable()
	if err != nil {
		return "", fmt.Errorf("find the runner: %w", err)
	}
	return path, nil
}

// leftSlots are those with work in hand that are no longer in the pool: each is drained by an actor.
func leftSlots(ctx context.Context, cfg config.Config, st *store.Store) ([]string, error) {
	open, err := st.OpenAttempts(ctx)
	if err != nil {
		return nil, fmt.Errorf("list open attempts: %w", err)
	}
	var left []string
	for _, a := range open {
		if !slices.Contains(cfg.Containers.Slots, a.Slot) {
			left = append(left, a.Slot)
		}
	}
	return left, nil
}

func secrets(cfg config.Config) [][]byte {
	var list [][]byte
	for _, s := range []config.Secret{cfg.Webhook.Secret, cfg.Webhook.PreviousSecret} {
		if !s.Empty() {
			list = append(list, []byte(s.Reveal()))
		}
	}
	return list
}

// diskRoom says whether the disk has the room that a task needs.
func diskRoom(dir string, least config.Space) error {
	var fs unix.Statfs_t
	if err := unix.Statfs(dir, &fs); err != nil {
		return fmt.Errorf("look at the disk: %w", err)
	}
	block := uint64(fs.Bsize)
	free, total := fs.Bavail*block, fs.Blocks*block
	if wanted := least.Of(total); free < wanted {
		return fmt.Errorf("%s is free on the disk of the state directory, and MIN_FREE_DISK asks for %s",
			config.Bytes(free>>20<<20), config.Bytes(wanted>>20<<20))
	}
	return nil
}

// newWriter makes the composer of the texts.
func newWriter(cfg config.Config) *writer {
	return &writer{
		texts: comment.Writer{Mentioned: cfg.GitHub.MentionedUser}, server: cfg.GitHub.ServerURL,
		secrets: allSecrets(cfg),
	}
}

// allSecrets are the values that must never be shown.
func allSecrets(cfg config.Config) []string {
	var list []string
	for _, s := range []config.Secret{
		cfg.GitHub.Token, cfg.Webhook.Secret, cfg.Webhook.PreviousSecret, cfg.Admin.Password, cfg.Agent.APIKey, cfg.Agent.OAuthToken,
	} {
		if !s.Empty() {
			list = append(list, s.Reveal())
		}
	}
	return list
}
