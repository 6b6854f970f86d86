package agent

import (
	"errors"
	"fmt"
	"maps"
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
	// Env is what the agent needs to reach its model: ANTHROPIC_API_KEY, CLAUDE_CODE_OAUTH_TOKEN,
	// ANTHROPIC_BASE_URL and the like. Nothing else of the service's environment reaches the agent.
	Env map[string]string
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
	cfg.Env = maps.Clone(cfg.Env)
	return &Agents{cfg: cfg}, nil
}

// start says how the configured agent is started.
func (a *Agents) start() messages.AgentSpec {
	spec := messages.AgentSpec{Name: a.cfg.Agent, Env: map[string]string{}, Stdin: promptFile}
	maps.Copy(spec.Env, a.cfg.Env)
	switch a.cfg.Agent {
	case Claude:
		spec.Argv = claudeArgv()
		maps.Copy(spec.Env, claudeEnv())
	case Command:
		spec.Argv = []string{"/bin/sh", "-c", a.cfg.Command}
	case Demo:
		spec.Argv = []string{"{runner}", "agent-demo"}
	}
	return spec
}

// claudeArgv starts Claude Code without a terminal. stream-json wants --verbose. The two options after it
// keep the checked-out repository's own settings, hooks and MCP servers from being loaded: without them
// they run, trusted or not. The prompt goes in on stdin: as an argument it could be taken for an option.
func claudeArgv() []string {
	return []string{
		"claude", "-p",
		"--output-format", "stream-json", "--verbose",
		"--setting-sources", "user", "--strict-mcp-config",
		"--permission-mode", "bypassPermissions",
	}
}

// claudeEnv keeps Claude Code to the model's API. Three retries are seconds where its own ten are minutes,
// and the task is tried again later anyway. IS_SANDBOX lets it bypass permissions as root, which it is in the
// process runtime only.
func claudeEnv() map[string]string {
	return map[string]string{
		"CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC": "1",
		"CLAUDE_CODE_MAX_RETRIES":                  "3",
		"IS_SANDBOX":                               "1",
	}
}
