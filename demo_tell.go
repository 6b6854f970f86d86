package main

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/rs/zerolog"

	"devs-webhook/internal/runtime/docker"
	"devs-webhook/internal/sim"
	"devs-webhook/messages"
)

// teller narrates what becomes visible on the thread, each thing once.
type teller struct {
	demo   *demoRun
	number int
	began  time.Time

	mu       sync.Mutex
	reacted  bool
	progress string
	pull     bool
}

func (t *teller) line(what, text string) {
	const indent = "\n                       "
	fmt.Fprintf(t.demo.out, "%6.1fs  %-13s %s\n", time.Since(t.began).Seconds(), what, strings.ReplaceAll(text, "\n", indent))
}

// look tells what is new on the thread, and says whether the story is over: the answer is there, and the
// progress comment, if there is one, has been folded.
func (t *teller) look(th sim.Thread) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if len(th.Reactions) > 0 && !t.reacted {
		t.reacted = true
		t.line("reaction", th.Reactions[0].User.Login+" reacts with "+th.Reactions[0].Content)
	}
	if len(th.Pulls) > 0 && !t.pull {
		t.pull = true
		t.line("pull request", fmt.Sprintf("#%d %s", th.Pulls[0].Number, th.Pulls[0].Title))
	}
	final, open := false, false
	for _, c := range th.Comments {
		_, kind, ok := messages.FindMarker(c.Body)
		switch {
		case !ok:
		case kind == messages.EffectFinal:
			final = true
		case kind == messages.EffectProgress:
			open = c.UpdatedAt.Equal(c.CreatedAt) && !strings.Contains(c.Body, "#issuecomment-")
			if text := firstText(c.Body); text != t.progress {
				t.progress = text
				t.line("progress", text)
			}
		}
	}
	if final && !open {
		t.line("answer", "the final comment is posted")
	}
	return final && !open
}

// firstText is a comment's first visible line.
func firstText(body string) string {
	for line := range strings.SplitSeq(messages.StripMarkers(body), "\n") {
		if line = strings.TrimSpace(line); line != "" {
			return line
		}
	}
	return ""
}

// followAgent tells what the agent does, as the service's admin door shows it.
func (t *teller) followAgent(ctx context.Context) {
	admin := newAdminClient(t.demo.stateDir(), "", "", "")
	var seen int64
	tick := time.NewTicker(200 * time.Millisecond)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		var story struct {
			Attempts []messages.Attempt  `json:"attempts"`
			Last     messages.AgentEvent `json:"last"`
		}
		deliveries := t.demo.github.Deliveries()
		if len(deliveries) == 0 || admin.Call(ctx, http.MethodGet, "/why/"+deliveries[0].GUID, nil, &story) != nil {
			continue // not there yet
		}
		if story.Last.Seq > seen && len(story.Attempts) > 0 {
			seen = story.Last.Seq
			t.mu.Lock()
			t.line(story.Attempts[0].Slot, story.Last.Text)
			t.mu.Unlock()
		}
	}
}

// sweep removes what the demo's containers left on the engine.
func (d *demoRun) sweep() error {
	if d.runtime != "docker" || d.child == nil && d.ready.PID == 0 {
		return nil
	}
	rt, err := docker.New(docker.Options{
		Instance: d.instance, Image: d.image, RunnerPath: os.Args[0], Log: zerolog.Nop(),
	})
	if err != nil {
		return err
	}
	defer rt.Close()
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	if _, err := rt.Sweep(ctx, func(messages.AttemptRef) bool { return false }); err != nil {
		return fmt.Errorf("remove the demo's containers: %w", err)
	}
	return nil
}
