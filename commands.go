package main

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"time"

	"devs-webhook/cli"
	"devs-webhook/config"
	"devs-webhook/internal/agent"
	"devs-webhook/internal/runner"
	"devs-webhook/internal/runtime/hostimage"
	"devs-webhook/internal/store"
)

// why reads the store's file, which works beside a running service as well.
func why(ctx context.Context, stateDir, delivery string, asJSON bool) error {
	stateDir = defaultStateDir(stateDir)
	r, err := store.OpenReader(ctx, stateDir)
	if errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("%s holds no store: --state-dir or STATE_DIR says where the service keeps its state", stateDir)
	}
	if err != nil {
		return err
	}
	defer r.Close()
	told, err := r.Why(ctx, delivery)
	if errors.Is(err, store.ErrUnknownDelivery) {
		return fmt.Errorf("no delivery %s: it never got here with a valid signature, or it is older than the history", delivery)
	}
	if err != nil {
		return err
	}
	if asJSON {
		out := json.NewEncoder(os.Stdout)
		out.SetIndent("", "  ")
		return out.Encode(told)
	}
	return printWhy(os.Stdout, told)
}

// printWhy tells the story for people.
func printWhy(w io.Writer, y store.Why) error {
	var b bytes.Buffer
	fmt.Fprintf(&b, "Delivery %s: %s\n", y.Delivery, cmp.Or(y.Summary, y.Event))
	fmt.Fprintf(&b, "  received %s", y.ReceivedAt.Local().Format(time.DateTime))
	if y.TimesReceived > 1 {
		fmt.Fprintf(&b, ", %d times", y.TimesReceived)
	}
	fmt.Fprintf(&b, "\n  decided  %s, because: %s", y.Decision, y.Reason)
	if y.Detail != "" {
		fmt.Fprintf(&b, " (%s)", y.Detail)
	}
	fmt.Fprintln(&b)
	if y.Task != nil {
		fmt.Fprintf(&b, "Task %s on %s#%d: %s", y.Task.ID, y.Task.Repo.FullName(), y.Task.Thread.Number, y.Task.State)
		if y.Task.Note != "" {
			fmt.Fprintf(&b, " (%s)", y.Task.Note)
		}
		fmt.Fprintln(&b)
	}
	for _, a := range y.Attempts {
		fmt.Fprintf(&b, "  attempt %d in %s (%s), started %s: ", a.Number, a.Slot, a.Runtime, a.StartedAt.Local().Format(time.DateTime))
		if a.Open {
			fmt.Fprintf(&b, "running, %d events\n", a.LastSeq)
			continue
		}
		fmt.Fprintf(&b, "%s after %s", a.Ending, a.EndedAt.Sub(a.StartedAt).Round(time.Second))
		if a.Detail != "" {
			fmt.Fprintf(&b, " (%s)", a.Detail)
		}
		fmt.Fprintln(&b)
		if u := a.Usage; u.Requests > 0 {
			fmt.Fprintf(&b, "    asked the model %d times: %d tokens in, %d out, about $%.2f\n", u.Requests, u.Input+u.CacheRead+u.CacheWrite, u.Output, u.CostUSD)
		}
	}
	for _, e := range y.Effects {
		fmt.Fprintf(&b, "  effect %-9s %s", e.Kind, e.State)
		if e.URL != "" {
			fmt.Fprintf(&b, " %s", e.URL)
		}
		if e.Error != "" {
			fmt.Fprintf(&b, " (%d tries: %s)", e.Tries, e.Error)
		}
		fmt.Fprintln(&b)
	}
	fmt.Fprintln(&b, "What each reason means: docs/reasons.md")
	_, err := w.Write(b.Bytes())
	return err
}

// showConfig checks the configuration and prints it.
func showConfig(_ context.Context, f cli.ConfigFlags) error {
	cfg, err := loadConfig(config.Flags{EnvFile: f.EnvFile, Dev: asFlag(f.Dev)})
	if err := cfg.Print(os.Stdout); err != nil {
		return err
	}
	for _, w := range cfg.Warnings {
		fmt.Fprintln(os.Stderr, "warning:", w)
	}
	return err
}

// runAttempt is the runner: what runs inside a container.
func runAttempt(ctx context.Context, dir string) error {
	program, err := os.Executable()
	if err != nil {
		return err
	}
	return runner.Run(ctx, runner.Options{
		Dir: dir, Stdout: os.Stdout, RunnerPath: program,
		Parser: func(name string) (runner.Parser, error) { return agent.NewParser(name) },
	})
}

// makeTestImage makes an image from this machine's own programs.
func makeTestImage(ctx context.Context, tag string, with []string) error {
	if err := hostimage.Build(ctx, "", tag, with...); err != nil {
		return err
	}
	_, err := fmt.Fprintln(os.Stdout, tag)
	return err
}

// adminClient speaks to the admin door of a running service.
type adminClient struct {
	http           *http.Client
	base           string
	user, password string
}

// newAdminClient uses the socket in the state directory, or the address if one is given.
func newAdminClient(stateDir, address, user, password string) cli.Admin {
	if address != "" {
		return &adminClient{http: &http.Client{Timeout: 30 * time.Second}, base: address, user: user, password: password}
	}
	path := filepath.Join(defaultStateDir(stateDir), socketName)
	transport := &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		var d net.Dialer
		return d.DialContext(ctx, "unix", path)
	}}
	return &adminClient{http: &http.Client{Timeout: 30 * time.Second, Transport: transport}, base: "http://service"}
}

// Call sends a request and decodes the answer.
func (c *adminClient) Call(ctx context.Context, method, path string, body, answer any) error {
	var in io.Reader
	if body != nil {
		text, err := json.Marshal(body)
		if err != nil {
			return err
		}
		in = bytes.NewReader(text)
	}
	r, err := http.NewRequestWithContext(ctx, method, c.base+path, in)
	if err != nil {
		return err
	}
	if c.user != "" {
		r.SetBasicAuth(c.user, c.password)
	}
	resp, err := c.http.Do(r)
	if err != nil {
		return fmt.Errorf("no service answers: %w; is it running, and is --state-dir or --host right?", err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(io.LimitReader(resp.Body, 8<<20))
	if err != nil {
		return fmt.Errorf("read the service's answer: %w", err)
	}
	if resp.StatusCode >= http.StatusBadRequest {
		var fault struct {
			Detail string `json:"detail"`
		}
		// A body that is no JSON leaves the detail empty, and the status says enough.
		_ = json.Unmarshal(text, &fault)
		return fmt.Errorf("the service answered %s: %s", resp.Status, hint(path, resp.StatusCode, fault.Detail))
	}
	return json.Unmarshal(text, answer)
}

// hint adds what to do to an answer of the service.
func hint(path string, status int, detail string) string {
	switch {
	case status == http.StatusUnauthorized:
		return detail + "; give --username and --password, or run this as the service's account without --host"
	case status == http.StatusNotFound && path == "/testevent":
		return detail + "; test events need a service in dev mode"
	}
	return detail
}

// defaultStateDir is the state directory that the configuration would name.
func defaultStateDir(dir string) string {
	if dir != "" {
		return dir
	}
	cfg, _ := config.Load(environ(), config.Flags{}) // its faults do not matter here
	return cfg.State.Dir
}
