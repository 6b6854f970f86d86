package config_test

import (
	"errors"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"devs-webhook/config"
)

// working is an environment without a fault.
func working() map[string]string {
	return map[string]string{
		"HOME":                  "/home/dev",
		"GITHUB_TOKEN":          "token-of-the-account",
		"GITHUB_WEBHOOK_SECRET": "a-secret-of-some-length",
		"GITHUB_MENTIONED_USER": "devs-bot",
		"ALLOWED_ORGS":          "octo",
		"CONTAINER_IMAGE":       "agent:1",
		"ANTHROPIC_API_KEY":     "key-of-the-model",
	}
}

// with adds to the working environment; "" takes a name out.
func with(pairs ...string) map[string]string {
	env := working()
	for pair := range slices.Chunk(pairs, 2) {
		env[pair[0]] = pair[1]
	}
	return env
}

func lookup(env map[string]string) func(string) string {
	var list []string
	for name, value := range env {
		list = append(list, name+"="+value)
	}
	return config.Environ(list)
}

func load(t *testing.T, env map[string]string) config.Config {
	t.Helper()
	c, err := config.Load(lookup(env), config.Flags{})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// faultsOf gives the problems by name.
func faultsOf(err error) map[string]string {
	problems := map[string]string{}
	if all, ok := errors.AsType[*config.FaultsError](err); ok {
		for _, f := range all.Faults {
			problems[f.Name] = f.Problem
		}
	}
	return problems
}

func TestDefaults(t *testing.T) {
	c := load(t, working())
	if got := c.Containers.Slots; !slices.Equal(got, []string{"eamonn", "harry", "darren"}) {
		t.Errorf("pool is %v", got)
	}
	for _, check := range []struct {
		what      string
		got, want any
	}{
		{"api", c.GitHub.APIURL, "https://api.github.com"},
		{"server", c.GitHub.ServerURL, "https://github.com"},
		{"token", c.GitHub.Token.Reveal(), "token-of-the-account"},
		{"write interval", c.GitHub.WriteInterval, time.Second},
		{"host", c.Webhook.Host, "0.0.0.0"},
		{"port", c.Webhook.Port, 8000},
		{"path", c.Webhook.Path, "/webhook"},
		{"admin", c.Admin.Addr, "127.0.0.1:8001"},
		{"admin on webhook port", c.Admin.OnWebhookPort, false},
		{"admin http", c.AdminHTTP(), false},
		{"runtime", c.Containers.Runtime, "docker"},
		{"memory", c.Containers.Memory, config.Bytes(0)},
		{"cpus", c.Containers.CPUs, 2.0},
		{"pids", c.Containers.PIDs, 512},
		{"cleanup", c.Containers.CleanupInterval, time.Minute},
		{"timeout", c.Task.Timeout, time.Hour},
		{"idle", c.Task.IdleTimeout, 15 * time.Minute},
		{"tool", c.Task.ToolTimeout, time.Duration(0)},
		{"progress", c.Task.ProgressAfter, 45 * time.Second},
		{"free disk", c.Task.MinFreeDisk.Of(1000), uint64(100)},
		{"state", c.State.Dir, "/home/dev/.devs-webhook"},
		{"history", c.State.RetainHistory, 400 * 24 * time.Hour},
		{"agent", c.Agent.Name, "claude"},
		{"source", c.Service.Source, "webhook"},
		{"level", c.Service.LogLevel, "info"},
		{"format", c.Service.LogFormat, "json"},
		{"warnings", len(c.Warnings), 0},
	} {
		if check.got != check.want {
			t.Errorf("%s is %v, want %v", check.what, check.got, check.want)
		}
	}
}

func TestValues(t *testing.T) {
	c := load(t, with(
		"GITHUB_MENTIONED_USER", "@Devs-Bot",
		"GITHUB_API_URL", "http://127.0.0.1:9999/api/v3/",
		"GITHUB_SERVER_URL", "http://127.0.0.1:9999/git/",
		"ALLOWED_ORGS", " Octo , @Example,",
		"CONTAINER_POOL", "Ann, bob",
		"CONTAINER_MEMORY", "512m",
		"CLEANUP_CHECK_INTERVAL_SECONDS", "2.5",
		"MIN_FREE_DISK", "5GiB",
		"RETAIN_PAYLOADS", "2d",
		"WEBHOOK_HOST", "[::1]",
		"WEBHOOK_PATH", "/hooks/github/",
		"ADMIN_ADDR", "none",
		"LOG_LEVEL", "WARNING",
		"STATE_DIR", "~/state/",
		"TASK_TIMEOUT", " 90m\n",
		"DEV_MODE", "no",
		"CONTAINER_EGRESS", "NONE",
		"GATEWAY_ADDR", "[fd00::1]:8790",
		"GATEWAY_PORT", "8790",
	))
	for _, check := range []struct {
		what      string
		got, want any
	}{
		{"user", c.GitHub.MentionedUser, "Devs-Bot"},
		{"egress", c.Containers.Egress, "none"},
		{"gateway", c.Containers.GatewayAddr, "[fd00::1]:8790"},
		{"gateway's port", c.Containers.GatewayPort, 8790},
		{"api", c.GitHub.APIURL, "http://127.0.0.1:9999/api/v3"},
		{"server", c.GitHub.ServerURL, "http://127.0.0.1:9999/git"},
		{"orgs", strings.Join(c.Access.AllowedOrgs, " "), "octo example"},
		{"pool", strings.Join(c.Containers.Slots, " "), "ann bob"},
		{"memory", c.Containers.Memory, config.Bytes(512 << 20)},
		{"cleanup", c.Containers.CleanupInterval, 2500 * time.Millisecond},
		{"disk", c.Task.MinFreeDisk.Of(1), uint64(5 << 30)},
		{"payloads", c.State.RetainPayloads, 48 * time.Hour},
		{"host", c.Webhook.Host, "::1"},
		{"path", c.Webhook.Path, "/hooks/github"},
		{"admin", c.Admin.Addr, ""},
		{"level", c.Service.LogLevel, "warn"},
		{"state", c.State.Dir, "/home/dev/state"},
		{"timeout", c.Task.Timeout, 90 * time.Minute},
	} {
		if check.got != check.want {
			t.Errorf("%s is %v, want %v", check.what, check.got, check.want)
		}
	}
}

// Each of these alone is a fault of the named variable, and of no other.
func TestFaults(t *testing.T) {
	for _, c := range []struct{ name, value, fault, says string }{
		{"GITHUB_TOKEN", "", "GITHUB_TOKEN", "required"},
		{"GITHUB_TOKEN", "two words", "GITHUB_TOKEN", "white space"},
		{"GITHUB_WEBHOOK_SECRET", "", "GITHUB_WEBHOOK_SECRET", "required"},
		{"GITHUB_MENTIONED_USER", "", "GITHUB_MENTIONED_USER", "required"},
		{"GITHUB_MENTIONED_USER", "a b", "GITHUB_MENTIONED_USER", "not a login"},
		{"GITHUB_API_URL", "api.github.com", "GITHUB_API_URL", "http"},
		{"GITHUB_API_URL", "https://u:p@api.github.com", "GITHUB_API_URL", "password"},
		{"GITHUB_API_URL", "https://api.github.com?x=1", "GITHUB_API_URL", "more than a path"},
		{"GITHUB_API_URL", "https://ghe.example.com/api/v3", "GITHUB_SERVER_URL", "one server"},
		{"GITHUB_SERVER_URL", "https://ghe.example.com", "GITHUB_API_URL", "one server"},
		{"GITHUB_SERVER_URL", "https://", "GITHUB_SERVER_URL", "no host"},
		{"ALLOWED_ORGS", "", "ALLOWED_ORGS", "both empty"},
		{"ALLOWED_ORGS", ",", "ALLOWED_ORGS", "no name"},
		{"ALLOWED_ORGS", "*", "ALLOWED_ORGS", "*"},
		{"ALLOWED_USERS", "octo/hello", "ALLOWED_USERS", "not a login"},
		{"AUTHORIZED_TRIGGER_USERS", " , ", "AUTHORIZED_TRIGGER_USERS", "no name"},
		{"CONTAINER_POOL", ",", "CONTAINER_POOL", "no name"},
		{"CONTAINER_POOL", "a,-b", "CONTAINER_POOL", `"-b"`},
		{"CONTAINER_POOL", "a,b/c", "CONTAINER_POOL", `"b/c"`},
		{"CONTAINER_POOL", strings.Repeat("x", 32), "CONTAINER_POOL", "31"},
		{"CONTAINER_POOL", "ann,Ann", "CONTAINER_POOL", "twice"},
		{"CONTAINER_RUNTIME", "podman", "CONTAINER_RUNTIME", "none of docker, process"},
		{"CONTAINER_RUNTIME", "process", "CONTAINER_RUNTIME", "dev mode"},
		{"CONTAINER_IMAGE", "", "CONTAINER_IMAGE", "required"},
		{"CONTAINER_MEMORY", "lots", "CONTAINER_MEMORY", "not an amount"},
		{"CONTAINER_MEMORY", "4ib", "CONTAINER_MEMORY", "not an amount"},
		{"CONTAINER_MEMORY", "1k", "CONTAINER_MEMORY", "less than 64MiB"},
		{"CONTAINER_MEMORY", "99999999t", "CONTAINER_MEMORY", "range"},
		{"CONTAINER_CPUS", "0", "CONTAINER_CPUS", "less than"},
		{"CONTAINER_CPUS", "NaN", "CONTAINER_CPUS", "not a number"},
		{"CONTAINER_PIDS", "-1", "CONTAINER_PIDS", "less than"},
		{"CONTAINER_EGRESS", "some", "CONTAINER_EGRESS", "none of none, open"},
		{"GATEWAY_PORT", "0", "GATEWAY_PORT", "less than 1"},
		{"GATEWAY_PORT", "65536", "GATEWAY_PORT", "more than"},
		{"GATEWAY_PORT", "8000", "GATEWAY_PORT", "WEBHOOK_PORT"},
		{"GATEWAY_PORT", "8001", "GATEWAY_PORT", "ADMIN_ADDR"},
		{"GATEWAY_ADDR", "host", "GATEWAY_ADDR", "host with a port"},
		{"GATEWAY_ADDR", ":8790", "GATEWAY_ADDR", "host with a port"},
		{"GATEWAY_ADDR", "host:0", "GATEWAY_ADDR", "host with a port"},
		{"GATEWAY_ADDR", "http://host:8790", "GATEWAY_ADDR", "host with a port"},
		{"GATEWAY_ADDR", "ho st:8790", "GATEWAY_ADDR", "neither an IP address"},
		{"AGENT", "gpt", "AGENT", "none of"},
		{"AGENT", "command", "AGENT_COMMAND", "required"},
		{"ANTHROPIC_API_KEY", "", "ANTHROPIC_API_KEY", "CLAUDE_CODE_OAUTH_TOKEN"},
		{"ANTHROPIC_BASE_URL", "ftp://x", "ANTHROPIC_BASE_URL", "http"},
		{"TASK_TIMEOUT", "60", "TASK_TIMEOUT", "no unit"},
		{"TASK_TIMEOUT", "an hour", "TASK_TIMEOUT", "not a duration"},
		{"TASK_TIMEOUT", "0s", "TASK_TIMEOUT", "less than 1s"},
		{"TASK_IDLE_TIMEOUT", "-5m", "TASK_IDLE_TIMEOUT", "less than"},
		{"MIN_FREE_DISK", "100%", "MIN_FREE_DISK", "share"},
		{"MIN_FREE_DISK", "10", "MIN_FREE_DISK", "neither a share"},
		{"WEBHOOK_HOST", "localhost:8000", "WEBHOOK_HOST", "host's name"},
		{"WEBHOOK_PORT", "abc", "WEBHOOK_PORT", `"abc" is not a whole number`},
		{"WEBHOOK_PORT", "65536", "WEBHOOK_PORT", "more than 65535"},
		{"WEBHOOK_PORT", "8001", "ADMIN_ADDR", "webhook's own address"},
		{"WEBHOOK_PATH", "webhook", "WEBHOOK_PATH", "not a path"},
		{"WEBHOOK_PATH", "/", "WEBHOOK_PATH", "root"},
		{"WEBHOOK_PATH", "/health", "WEBHOOK_PATH", "something else"},
		{"WEBHOOK_PATH", "/a/../b", "WEBHOOK_PATH", "something else"},
		{"WEBHOOK_PATH", "/{id}", "WEBHOOK_PATH", "not a path"},
		{"ADMIN_ADDR", "8001", "ADMIN_ADDR", "address with a port"},
		{"ADMIN_USERNAME", "a:b", "ADMIN_USERNAME", "colon"},
		{"DEV_MODE", "maybe", "DEV_MODE", "neither true nor false"},
		{"STATE_DIR", "state", "STATE_DIR", "absolute"},
		{"STATE_DIR", "~bob/state", "STATE_DIR", "somebody else"},
		{"HOME", "", "STATE_DIR", "HOME is not set"},
		{"INSTANCE", "Build-1", "INSTANCE", "1 to 16"},
		{"LOG_LEVEL", "loud", "LOG_LEVEL", "none of"},
		{"LOG_FORMAT", "xml", "LOG_FORMAT", "none of"},
		{"TASK_SOURCE", "sqs", "TASK_SOURCE", "not there yet"},
		{"TASK_SOURCE", "kafka", "TASK_SOURCE", "none of"},
		{"RETAIN_HISTORY", "1d", "RETAIN_HISTORY", "less than 30d"},
	} {
		t.Run(c.name+"="+c.value, func(t *testing.T) {
			_, err := config.Load(lookup(with(c.name, c.value)), config.Flags{})
			problems := faultsOf(err)
			// Without dev mode's milder rules and without a source, others may follow from the first.
			if !strings.Contains(problems[c.fault], c.says) {
				t.Errorf("faults are %q, want one of %s that says %q", problems, c.fault, c.says)
			}
			if len(problems) != 1 {
				t.Errorf("faults are %q, want one", problems)
			}
		})
	}
}

func TestAllFaultsAtOnce(t *testing.T) {
	env := map[string]string{
		"HOME": "/home/dev", "GITHUB_WEBHOOK_SECRET": "hunter2\r\n", "GITHUB_TOKEN": "sesame open",
		"WEBHOOK_PORT": "many", "TASK_TIMEOUT": "60", "AGENT": "command", "CONTAINER_POOL": "a,a",
		"GITHUB_API_URL": "https://me:hunter3@host/%zz",
	}
	_, err := config.Load(lookup(env), config.Flags{})
	golden(t, "testdata/faults.txt", err.Error()+"\n")
	for _, secret := range []string{"hunter2", "hunter3", "sesame"} {
		if strings.Contains(err.Error(), secret) {
			t.Errorf("the faults show %q", secret)
		}
	}
}

func TestDevMode(t *testing.T) {
	env := with("DEV_MODE", "1", "ALLOWED_ORGS", "", "CONTAINER_RUNTIME", "process", "CONTAINER_IMAGE", "")
	c := load(t, env)
	if c.Webhook.Host != "127.0.0.1" || !c.Admin.OnWebhookPort || c.Service.LogFormat != "console" || !c.AdminHTTP() {
		t.Errorf("dev mode gives %+v %+v", c.Webhook, c.Admin)
	}
	// ADMIN_ADDR is not used then, so it cannot be in the way.
	load(t, with("ADMIN_ON_WEBHOOK_PORT", "true", "ADMIN_PASSWORD", "long enough", "WEBHOOK_PORT", "8001"))
	env["WEBHOOK_HOST"], env["LOG_FORMAT"] = "0.0.0.0", "json"
	c, err := config.Load(lookup(env), config.Flags{})
	if c.Webhook.Host != "0.0.0.0" || c.Service.LogFormat != "json" {
		t.Errorf("what is given is replaced: %+v %+v", c.Webhook, c.Service)
	}
	if p := faultsOf(err); !strings.Contains(p["ADMIN_PASSWORD"], "not loopback") {
		t.Errorf("open admin routes on all addresses: %v", p)
	}
	env["ADMIN_PASSWORD"], env["ADMIN_ADDR"] = "long enough", "0.0.0.0:8001"
	load(t, env)
	env["ADMIN_PASSWORD"], env["ADMIN_ON_WEBHOOK_PORT"] = "", "false"
	_, err = config.Load(lookup(env), config.Flags{})
	if p := faultsOf(err); !strings.Contains(p["ADMIN_PASSWORD"], "ADMIN_ADDR") {
		t.Errorf("open admin routes on an address of their own: %v", p)
	}
}

func TestWarnings(t *testing.T) {
	for _, c := range []struct{ name, value, says string }{
		{"GITHUB_WEBHOOK_SECRET", "short", "only 5 characters"},
		{"CLAUDE_CODE_OAUTH_TOKEN", "other", "the first is used"},
		{"ANTHROPIC_BASE_URL", "http://models.example.com", "not https"},
		{"ADMIN_ADDR", "0.0.0.0:9000", "no admin routes"},
		{"CONTAINER_EGRESS", "open", "the internet"},
		{"STOP_CONTAINER_AFTER_TASK", "false", "has no effect"},
		{"CONTAINER_TIMEOUT_MINUTES", "30", "TASK_IDLE_TIMEOUT"},
		{"CLAUDE_API_KEY", "the-old-name", "ANTHROPIC_API_KEY"},
		{"AWS_SQS_QUEUE_URL", "https://sqs", "SQS source is not there yet"},
	} {
		got := load(t, with(c.name, c.value)).Warnings
		if len(got) != 1 || !strings.Contains(got[0], c.says) || strings.Contains(got[0], c.value) {
			t.Errorf("%s gives warnings %q, want one that says %q", c.name, got, c.says)
		}
	}
	if got := load(t, with("ANTHROPIC_BASE_URL", "http://127.0.0.1:1/x", "SOMETHING", "else")).Warnings; len(got) != 0 {
		t.Errorf("warnings are %q", got)
	}
}

// Whatever a secret is, no text that people get to see holds it.
func TestSecretsAreNeverShown(t *testing.T) {
	env := working()
	maps.DeleteFunc(env, func(name, _ string) bool { return name == "ALLOWED_ORGS" })
	for _, v := range config.Variables() {
		if v.Secret {
			env[v.Name] = "hunter 2 of " + v.Name
		}
	}
	c, err := config.Load(lookup(env), config.Flags{})
	var printed strings.Builder
	if err := c.Print(&printed); err != nil {
		t.Fatal(err)
	}
	if text := err.Error() + printed.String() + strings.Join(c.Warnings, "\n"); strings.Contains(text, "hunter") {
		t.Errorf("a secret is shown:\n%s", text)
	}
}
