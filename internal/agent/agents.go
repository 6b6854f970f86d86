package agent

import (
	"errors"
	"fmt"
	"maps"
	"strconv"
	"strings"

	"devs-webhook/messages"
)

// The names of the agents.
const (
	Claude  = "claude"  // Claude Code, the CLI that the image has as `claude`
	Command = "command" // any program, through /bin/sh
	Demo    = "demo"    // a scripted agent without a model, built into the runner
)

// Names lists the agents that can be configured.
func Names() []string { return []string{Claude, Command, Demo} }

// Config says which agent works, and with what.
type Config struct {
	Agent string // one of Names
	// Command is AGENT_COMMAND, a shell command; used by the command agent only.
	Command string
	// MaxTurns and MaxBudgetUSD bound one run of Claude Code; 0 is no bound.
	MaxTurns     int
	MaxBudgetUSD float64
	// Commit is the identity of the commits, and the message of the one that the runner makes.
	Commit messages.CommitSpec
	// MentionedUser is the account that people write to, without the @; may be empty.
	MentionedUser string
}

// Agents prepares attempts for the configured agent. It is safe for concurrent use.
type Agents struct {
	cfg Config
}

// New checks the configuration. It reports all faults at once.
func New(cfg Config) (*Agents, error) {
	var faults []error
	switch cfg.Agent {
	case Claude, Demo:
	case Command:
		if strings.TrimSpace(cfg.Command) == "" {
			faults = append(faults, errors.New("the command agent needs AGENT_COMMAND"))
		}
	default:
		faults = append(faults, fmt.Errorf("unknown agent %q: it is one of %s", cfg.Agent, strings.Join(Names(), ", ")))
	}
	if cfg.Commit.Name == "" || cfg.Commit.Email == "" || cfg.Commit.Message == "" {
		faults = append(faults, errors.New("commits need a name, an e-mail address and a message"))
	}
	if err := errors.Join(faults...); err != nil {
		return nil, err
	}
	return &Agents{cfg: cfg}, nil
}

// start says how the configured agent is started.
func (a *Agents) start(job messages.Job) messages.AgentSpec {
	spec := messages.AgentSpec{Name: a.cfg.Agent, Env: map[string]string{}, Stdin: promptFile}
	switch a.cfg.Agent {
	case Claude:
		spec.Argv = a.claudeArgv(job.Session)
		maps.Copy(spec.Env, accessEnv(job.Access))
		maps.Copy(spec.Env, claudeEnv())
	case Command:
		spec.Argv = []string{"/bin/sh", "-c", a.cfg.Command}
		maps.Copy(spec.Env, accessEnv(job.Access))
	case Demo:
		spec.Argv = []string{"{runner}", "agent-demo"}
	}
	return spec
}

// claudeArgv starts Claude Code without a terminal. stream-json wants --verbose. The two options after it
// keep the checked-out repository's own settings, hooks and MCP servers from being loaded: without them
// they run, trusted or not. The prompt goes in on stdin: as an argument it could be taken for an option.
func (a *Agents) claudeArgv(session string) []string {
	argv := []string{
		"claude", "-p",
		"--output-format", "stream-json", "--verbose",
		"--setting-sources", "user", "--strict-mcp-config",
		"--permission-mode", "bypassPermissions",
	}
	if a.cfg.MaxTurns > 0 {
		argv = append(argv, "--max-turns", strconv.Itoa(a.cfg.MaxTurns))
	}
	if a.cfg.MaxBudgetUSD > 0 {
		argv = append(argv, "--max-budget-usd", strconv.FormatFloat(a.cfg.MaxBudgetUSD, 'f', -1, 64))
	}
	if session != "" {
		argv = append(argv, "--resume", session)
	}
	return argv
}

// accessEnv is how Claude Code, and what else speaks to the same API, finds the gateway and its token of this
// attempt. Which of the two variables holds the token decides by which header it is sent.
func accessEnv(access messages.Access) map[string]string {
	if access.URL == "" {
		return nil
	}
	token := "ANTHROPIC_API_KEY"
	if access.OAuth {
		token = "CLAUDE_CODE_OAUTH_TOKEN"
	}
	return map[string]string{"ANTHROPIC_BASE_URL": access.URL, token: access.Token}
}

// claudeEnv keeps Claude Code to the model's API. It waits twice as long before each further try: six are
// over half a minute, in which the service and its gateway can be started anew, where its own ten are three
// minutes; and the task is tried again later anyway. IS_SANDBOX lets it bypass permissions as root, which it
// is in the process runtime only.
func claudeEnv() map[string]string {
	return map[string]string{
		"CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC": "1",
		"CLAUDE_CODE_MAX_RETRIES":                  "6",
		"IS_SANDBOX":                               "1",
	}
}
