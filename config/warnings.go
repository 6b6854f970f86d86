package config

import (
	"fmt"
	"net/url"
	"strings"
)

// leastSecret is how long a webhook secret should be at least.
const leastSecret = 16

// warn notes what is unwise, and the variables of the original service that have no effect here.
func (c *Config) warn(from lookup) {
	say := func(format string, args ...any) { c.Warnings = append(c.Warnings, fmt.Sprintf(format, args...)) }
	for _, s := range []struct {
		name   string
		secret Secret
	}{
		{"GITHUB_WEBHOOK_SECRET", c.Webhook.Secret},
		{"GITHUB_WEBHOOK_SECRET_PREVIOUS", c.Webhook.PreviousSecret},
	} {
		if n := len(s.secret.Reveal()); n > 0 && n < leastSecret {
			say("%s has only %d characters; %d at least are advised", s.name, n, leastSecret)
		}
	}
	for _, address := range []struct{ name, value string }{
		{"GITHUB_API_URL", c.GitHub.APIURL},
		{"GITHUB_SERVER_URL", c.GitHub.ServerURL},
		{"ANTHROPIC_BASE_URL", c.Agent.ModelURL},
	} {
		if u, err := url.Parse(address.value); err == nil && u.Scheme == "http" && !loopback(u.Hostname()) {
			say("%s is not https: credentials cross the network in the clear", address.name)
		}
	}
	if c.Agent.Name == "claude" && !c.Agent.APIKey.Empty() && !c.Agent.OAuthToken.Empty() {
		say("ANTHROPIC_API_KEY and CLAUDE_CODE_OAUTH_TOKEN are both set; the first is used")
	}
	if !c.AdminHTTP() && (c.origins["ADMIN_ADDR"] != "" && c.Admin.Addr != "" || c.Admin.OnWebhookPort) {
		say("ADMIN_PASSWORD is empty, so there are no admin routes over HTTP")
	}
	if c.Service.Dev && c.Containers.Runtime == "process" {
		say("CONTAINER_RUNTIME is process: agents run on this machine without any isolation")
	}
	if c.Containers.Runtime == "docker" && c.Containers.Egress == "open" {
		say("CONTAINER_EGRESS lets agents reach the internet and whatever else this machine reaches")
	}
	if c.Containers.Runtime == "process" && c.origins["CONTAINER_EGRESS"] != "" {
		say("CONTAINER_EGRESS has no effect on the process runtime")
	}
	for _, former := range formerVariables() {
		for _, place := range from.layers {
			if strings.TrimSpace(place.get(former.name)) != "" {
				say("%s has no effect: %s", former.name, former.why)
				break
			}
		}
	}
}

// former is a variable of the original service that has no effect in this one.
type former struct{ name, why string }

// formerVariables lists them.
func formerVariables() []former {
	groups := []struct {
		why   string
		names string
	}{
		{"GitHub App authentication is not there yet", "GITHUB_APP_ID GITHUB_APP_PRIVATE_KEY GITHUB_APP_INSTALLATION_ID"},
		{"running tests for CI is not there yet", "AUTHORIZED_CI_TRIGGER_USERS CI_CONTAINER_POOL"},
		{
			"the SQS source is not there yet",
			"AWS_SQS_QUEUE_URL AWS_SQS_DLQ_URL AWS_REGION SQS_WAIT_TIME_SECONDS",
		},
		{"uploading artifacts is not there yet", "AWS_S3_ARTIFACT_BUCKET AWS_S3_ARTIFACT_PREFIX AWS_S3_ARTIFACT_BASE_URL"},
		{"a container lives for one attempt and is always removed after it", "STOP_CONTAINER_AFTER_TASK"},
		{"a container lives for one attempt; see TASK_TIMEOUT and TASK_IDLE_TIMEOUT", "CONTAINER_TIMEOUT_MINUTES CONTAINER_MAX_AGE_HOURS"},
		{"what the service keeps is below STATE_DIR", "REPO_CACHE_DIR WORKSPACE_DIR DEVS_WORKSPACES_DIR DEVS_BRIDGE_DIR"},
		{
			"an agent's home is new for every attempt",
			"CLAUDE_CONFIG_DIR CODEX_CONFIG_DIR DEVS_CLAUDE_CONFIG_DIR DEVS_CODEX_CONFIG_DIR",
		},
		{"containers are named after the pool and INSTANCE", "DEVS_PROJECT_PREFIX"},
		{
			"what an agent does is kept in the store; see RETAIN_TRANSCRIPTS",
			"CONTAINER_LOGS_ENABLED CONTAINER_LOGS_DIR WORKER_LOGS_ENABLED WORKER_LOGS_DIR",
		},
		{"the name is ANTHROPIC_API_KEY", "CLAUDE_API_KEY"},
	}
	var list []former
	for _, group := range groups {
		for name := range strings.FieldsSeq(group.names) {
			list = append(list, former{name, group.why})
		}
	}
	return list
}
