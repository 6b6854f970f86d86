package cli

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"time"
)

// AdminFlags say where a running service is. Without --host the socket in the state directory is used,
// which needs no password.
type AdminFlags struct {
	StateFlag
	Host     string `help:"Host of the service's admin door, instead of the socket in the state directory." placeholder:"HOST"`
	Port     int    `help:"Port of the service's admin door." default:"8000"`
	Username string `help:"Name for the admin door." env:"ADMIN_USERNAME" default:"admin"`
	Password string `help:"Password for the admin door." env:"ADMIN_PASSWORD"`
}

func (f AdminFlags) admin(p *Program) Admin {
	address := ""
	if f.Host != "" {
		address = "http://" + f.Host + ":" + strconv.Itoa(f.Port)
	}
	return p.Admin(f.StateDir, address, f.Username, f.Password)
}

// StatusCommand prints the status.
type StatusCommand struct {
	AdminFlags
}

type status struct {
	QueuedTasks   int    `json:"queued_tasks"`
	RunningTasks  int    `json:"running_tasks"`
	Undecided     int    `json:"undecided_deliveries"`
	PendingEffect int    `json:"pending_effects"`
	MentionedUser string `json:"mentioned_user"`
	Ready         bool   `json:"ready"`
	Checks        map[string]string
	Containers    struct {
		Pool    []string `json:"container_pool"`
		Running map[string]struct {
			RepoPath  string    `json:"repo_path"`
			Task      string    `json:"task"`
			StartedAt time.Time `json:"started_at"`
		} `json:"running_containers"`
	} `json:"containers"`
}

// Run prints it.
func (c *StatusCommand) Run(ctx context.Context, p *Program) error {
	var s status
	if err := c.admin(p).Call(ctx, http.MethodGet, "/status", nil, &s); err != nil {
		return err
	}
	fmt.Fprintf(p.Stdout, "Answers to @%s. %d queued, %d running, %d deliveries undecided, %d effects waiting.\n",
		s.MentionedUser, s.QueuedTasks, s.RunningTasks, s.Undecided, s.PendingEffect)
	for _, name := range s.Containers.Pool {
		if r, ok := s.Containers.Running[name]; ok {
			fmt.Fprintf(p.Stdout, "  %-12s task %s in %s, for %s\n", name, r.Task, r.RepoPath, time.Since(r.StartedAt).Round(time.Second))
		} else {
			fmt.Fprintf(p.Stdout, "  %-12s free\n", name)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(s.Checks)) {
		if s.Checks[name] != "ok" {
			fmt.Fprintf(p.Stdout, "Not ready: %s: %s\n", name, s.Checks[name])
		}
	}
	return nil
}

// StopContainerCommand stops the task that runs in a container.
type StopContainerCommand struct {
	AdminFlags
	Name string `arg:"" help:"Name of the container in the pool."`
}

// Run stops it.
func (c *StopContainerCommand) Run(ctx context.Context, p *Program) error {
	var answer struct{ Status, Container string }
	if err := c.admin(p).Call(ctx, http.MethodPost, "/container/"+url.PathEscape(c.Name)+"/stop", nil, &answer); err != nil {
		return err
	}
	fmt.Fprintf(p.Stdout, "%s: %s\n", answer.Container, answer.Status)
	return nil
}

// TestCommand sends a test event.
type TestCommand struct {
	AdminFlags
	Prompt string `arg:"" help:"What the agent is to do."`
	Repo   string `help:"Repository, as owner/name." default:"test/repo"`
}

// whyAnswer is what the test command reads of a delivery's story.
type whyAnswer struct {
	Decision string `json:"decision"`
	Reason   string `json:"reason"`
	Detail   string `json:"detail"`
	Task     *struct {
		ID    string `json:"id"`
		State string `json:"state"`
		Note  string `json:"note"`
	} `json:"task"`
	Last struct {
		Seq  int64  `json:"seq"`
		Kind string `json:"kind"`
		Tool string `json:"tool"`
		Text string `json:"text"`
	} `json:"last"`
	Outcome *struct {
		Ending string `json:"ending"`
		Detail string `json:"detail"`
		Result struct {
			Words string `json:"words"`
		} `json:"result"`
		Intents struct {
			Comment struct {
				Body string `json:"body"`
			} `json:"comment"`
		} `json:"intents"`
	} `json:"outcome"`
	Diff string `json:"diff"`
}

// Run sends the event and follows it: it prints each new step, the agent's words and its diff. A test
// event shows nothing on GitHub.
func (c *TestCommand) Run(ctx context.Context, p *Program) error {
	admin := c.admin(p)
	var accepted struct {
		DeliveryID string `json:"delivery_id"`
	}
	event := map[string]string{"prompt": c.Prompt, "repo": c.Repo}
	if err := admin.Call(ctx, http.MethodPost, "/testevent", event, &accepted); err != nil {
		return err
	}
	fmt.Fprintf(p.Stdout, "Accepted as delivery %s.\n", accepted.DeliveryID)
	return followTest(ctx, p, admin, accepted.DeliveryID)
}

func followTest(ctx context.Context, p *Program, admin Admin, delivery string) error {
	var seen int64
	state := ""
	for {
		var w whyAnswer
		if err := admin.Call(ctx, http.MethodGet, "/why/"+url.PathEscape(delivery), nil, &w); err != nil {
			return err
		}
		if w.Decision == "ignored" {
			return fmt.Errorf("the delivery was ignored: %s: %s", w.Reason, w.Detail)
		}
		if w.Task != nil && w.Task.State != state {
			state = w.Task.State
			fmt.Fprintf(p.Stdout, "Task %s is %s.%s\n", w.Task.ID, state, note(w.Task.Note))
		}
		if w.Last.Seq > seen {
			seen = w.Last.Seq
			fmt.Fprintf(p.Stdout, "  %s %s\n", cmp.Or(w.Last.Tool, w.Last.Kind), w.Last.Text)
		}
		switch state {
		case "done":
			fmt.Fprintf(p.Stdout, "\n%s\n\n%s", cmp.Or(w.Outcome.Intents.Comment.Body, w.Outcome.Result.Words), w.Diff)
			return nil
		case "failed", "cancelled":
			if w.Outcome == nil {
				return fmt.Errorf("the task was %s", state)
			}
			return fmt.Errorf("the task ended as %s: %s", w.Outcome.Ending, w.Outcome.Detail)
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(500 * time.Millisecond):
		}
	}
}

// note is why a task waits, as the end of a line.
func note(text string) string {
	if text == "" {
		return ""
	}
	return " " + text
}
