package runner

import (
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"devs-webhook/messages"
)

// readSpec reads in/task.json. Fields that it does not know are of a newer service with the same protocol.
func readSpec(in string) (messages.Spec, error) {
	var spec messages.Spec
	data, err := os.ReadFile(filepath.Join(in, "task.json"))
	if err != nil {
		return spec, fmt.Errorf("read task: %w", err)
	}
	if err := json.Unmarshal(data, &spec); err != nil {
		return spec, fmt.Errorf("decode task: %w", err)
	}
	return spec, nil
}

// fill puts the attempt's directories into a text in place of their placeholders.
func (p paths) fill(text string) string {
	return strings.NewReplacer(
		"{run}", p.run, "{in}", p.in, "{out}", p.out, "{work}", p.work, "{home}", p.home, "{runner}", p.runner,
	).Replace(text)
}

// taskFile holds messages.TaskForRun for the agent.
const taskFile = "devs-task.json"

// baseEnv is the environment that setup commands and agents have in common: nothing of the runner's own but
// PATH, which is the image's.
func (a *attempt) baseEnv() map[string]string {
	path := os.Getenv("PATH")
	if path == "" {
		path = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
	}
	return map[string]string{
		"PATH": path, "HOME": a.dirs.home, "LANG": "C.UTF-8", "TERM": "dumb", "PWD": a.dirs.work,
		// A git that wants a password must fail, not ask; and one that has lost its repository must not find
		// another one above the attempt.
		"GIT_TERMINAL_PROMPT":     "0",
		"GIT_CEILING_DIRECTORIES": a.dirs.run,
		"DEVS_TASK":               filepath.Join(a.dirs.in, taskFile),
		"DEVS_THREAD_DIR":         filepath.Join(a.dirs.in, "thread"),
		"DEVS_OUTPUT":             a.dirs.out,
	}
}

// agentEnv adds what the spec gives; that may replace all but what says where the task is.
func (a *attempt) agentEnv() map[string]string {
	env := a.baseEnv()
	for name, value := range a.spec.Agent.Env {
		if !strings.HasPrefix(name, "DEVS_") {
			env[name] = a.dirs.fill(value)
		}
	}
	return env
}

// environ turns a map into what exec wants, in a stable order.
func environ(env map[string]string) []string {
	list := make([]string, 0, len(env))
	for _, name := range slices.Sorted(maps.Keys(env)) {
		list = append(list, name+"="+env[name])
	}
	return list
}

// writeTask writes what the agent may know of its task.
func (a *attempt) writeTask() error {
	data, err := json.MarshalIndent(a.spec.Task, "", "  ")
	if err != nil {
		return fmt.Errorf("encode task: %w", err)
	}
	if err := os.WriteFile(filepath.Join(a.dirs.in, taskFile), data, 0o600); err != nil {
		return fmt.Errorf("write task: %w", err)
	}
	return nil
}
