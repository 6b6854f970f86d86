package config_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"devs-webhook/config"
)

func TestNamesInAnyCase(t *testing.T) {
	get := config.Environ([]string{"webhook_port=1", "WEBHOOK_PORT=2", "Webhook_Path=/a", "EMPTY=", "empty=3", "odd"})
	for name, want := range map[string]string{"WEBHOOK_PORT": "2", "WEBHOOK_PATH": "/a", "webhook_path": "/a", "EMPTY": "3", "ODD": ""} {
		if got := get(name); got != want {
			t.Errorf("%s is %q, want %q", name, got, want)
		}
	}
}

func TestFlagsWin(t *testing.T) {
	env := with("WEBHOOK_PORT", "9000", "WEBHOOK_HOST", "10.0.0.1", "DEV_MODE", "true")
	c, err := config.Load(lookup(env), config.Flags{Host: "::1", Port: new(0), Dev: new(false), Source: "WEBHOOK"})
	if err != nil {
		t.Fatal(err)
	}
	if c.Webhook.Host != "::1" || c.Webhook.Port != 0 || c.Service.Dev || c.Service.Source != "webhook" {
		t.Errorf("got %+v %+v", c.Webhook, c.Service)
	}
}

func write(t *testing.T, name, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestEnvFile(t *testing.T) {
	path := write(t, "env", "# comment\nexport webhook_port=7000\nWEBHOOK_PATH=/file\nUNKNOWN=1\nGITHUB_TOKEN='of$the file'\nGITHUB_APP_ID=7\n")
	env := with("WEBHOOK_PATH", "/process", "GITHUB_TOKEN", "")
	c, err := config.Load(lookup(env), config.Flags{EnvFile: path})
	if p := faultsOf(err); len(p) != 1 || p["GITHUB_TOKEN"] == "" {
		t.Errorf("the token of the file has a space, and that alone is wrong: %v", p)
	}
	if c.Webhook.Port != 7000 || c.Webhook.Path != "/process" || c.GitHub.Token.Reveal() != "of$the file" {
		t.Errorf("got %+v, token %q", c.Webhook, c.GitHub.Token.Reveal())
	}
	if len(c.Warnings) != 1 || !strings.HasPrefix(c.Warnings[0], "GITHUB_APP_ID has no effect") {
		t.Errorf("warnings are %q", c.Warnings)
	}

	_, err = config.Load(lookup(working()), config.Flags{EnvFile: path + "-none"})
	if p := faultsOf(err)["--env-file"]; !strings.Contains(p, "no such file") {
		t.Errorf("a missing file is %q", p)
	}
	_, err = config.Load(lookup(working()), config.Flags{EnvFile: write(t, "bad", "GITHUB_TOKEN hunter2\n")})
	if p := faultsOf(err)["--env-file"]; p == "" || strings.Contains(err.Error(), "hunter2") {
		t.Errorf("a line without = is %q", p)
	}
}

func TestDevFlagReadsDotEnv(t *testing.T) {
	t.Chdir(t.TempDir())
	flags := config.Flags{Dev: new(true)}
	if _, err := config.Load(lookup(working()), flags); err != nil {
		t.Errorf("without a file: %v", err)
	}
	if err := os.WriteFile(".env", []byte("WEBHOOK_PORT=7001\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if c, err := config.Load(lookup(working()), flags); err != nil || c.Webhook.Port != 7001 {
		t.Errorf("with a file: port %d, %v", c.Webhook.Port, err)
	}
	if c, err := config.Load(lookup(working()), config.Flags{}); err != nil || c.Webhook.Port != 8000 {
		t.Errorf("without the flag: port %d, %v", c.Webhook.Port, err)
	}
}

func TestSecretsFromFiles(t *testing.T) {
	env := with("GITHUB_TOKEN", "", "GITHUB_TOKEN_FILE", write(t, "token", "from-a-file\r\n"))
	if c := load(t, env); c.GitHub.Token.Reveal() != "from-a-file" {
		t.Errorf("token is %q", c.GitHub.Token.Reveal())
	}
	env["GITHUB_TOKEN"] = "also"
	_, err := config.Load(lookup(env), config.Flags{})
	if p := faultsOf(err)["GITHUB_TOKEN"]; !strings.Contains(p, "twice") {
		t.Errorf("both is %q", p)
	}
	for path, says := range map[string]string{
		"/nowhere/token": "no such file", write(t, "empty", "\n"): "empty", t.TempDir(): "directory",
	} {
		_, err := config.Load(lookup(with("GITHUB_TOKEN", "", "GITHUB_TOKEN_FILE", path)), config.Flags{})
		if p := faultsOf(err)["GITHUB_TOKEN_FILE"]; !strings.Contains(p, says) {
			t.Errorf("%s is %q, want %q", path, p, says)
		}
	}
	// A value that is no secret has no such second name.
	c := load(t, with("WEBHOOK_PATH_FILE", "/nowhere"))
	if c.Webhook.Path != "/webhook" {
		t.Errorf("path is %q", c.Webhook.Path)
	}
}

func TestSystemdCredentials(t *testing.T) {
	dir := t.TempDir()
	for name, value := range map[string]string{"GITHUB_TOKEN": "upper\n", "anthropic_api_key": "lower", "GITHUB_WEBHOOK_SECRET": "credential"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(value), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	env := with("CREDENTIALS_DIRECTORY", dir, "GITHUB_TOKEN", "", "ANTHROPIC_API_KEY", "", "STATE_DIRECTORY", "/var/lib/devs:/other")
	file := write(t, "env", "GITHUB_TOKEN=of-the-file\n")
	c, err := config.Load(lookup(env), config.Flags{EnvFile: file})
	if err != nil {
		t.Fatal(err)
	}
	if c.GitHub.Token.Reveal() != "upper" || c.Agent.APIKey.Reveal() != "lower" {
		t.Errorf("token %q, key %q", c.GitHub.Token.Reveal(), c.Agent.APIKey.Reveal())
	}
	if c.Webhook.Secret.Reveal() != "a-secret-of-some-length" {
		t.Errorf("the credential won over the environment")
	}
	if c.State.Dir != "/var/lib/devs" {
		t.Errorf("state directory is %s", c.State.Dir)
	}
}
