package comment

import (
	"strings"
	"testing"
	"time"

	"devs-webhook/messages"
)

var (
	noon   = time.Date(2026, 3, 4, 12, 0, 0, 0, time.UTC)
	writer = Writer{Mentioned: "devs-bot"}
)

const issue = "https://github.com/octo/hello/issues/7"

func user(name string) messages.User { return messages.User{ID: int64(len(name)), Login: name} }

func request(kind string, id int64, by string) messages.Request {
	return messages.Request{
		Thread: messages.Thread{Number: 7, URL: issue}, Object: messages.Object{Kind: kind, ID: id}, Requester: user(by),
	}
}

// view is a task of issue 7 in the given state, asked for by octocat.
func view(state messages.TaskState, change ...func(*messages.View)) messages.View {
	v := messages.View{Task: messages.Task{
		ID: "abcdefghijkl", Repo: messages.Repo{ID: 1, Owner: "octo", Name: "hello"},
		Thread: messages.Thread{Number: 7, Title: "Login fails, fixes #3", URL: issue, Author: user("octocat")},
		Branch: "devs/7-abcdefghijkl", State: state,
		Requests: []messages.Request{request("issue_comment", 99, "octocat")},
	}}
	for _, f := range change {
		f(&v)
	}
	return v
}

// attempt adds one that started at noon; took 0 leaves it open.
func attempt(number int, took time.Duration, ending messages.Ending) func(*messages.View) {
	return func(v *messages.View) {
		a := messages.Attempt{AttemptRef: messages.AttemptRef{Task: v.Task.ID, Number: number}, StartedAt: noon, Ending: ending}
		if took > 0 {
			a.EndedAt = noon.Add(took)
			v.Outcome = &messages.Outcome{Ending: ending, Result: messages.Result{Turns: 12, CostUSD: 0.4251}}
		}
		v.Attempts = append(v.Attempts, a)
	}
}

func last(e messages.AgentEvent) func(*messages.View) {
	return func(v *messages.View) {
		e.Seq = 5
		v.Last = e
	}
}

func ahead(n int) func(*messages.View) { return func(v *messages.View) { v.Ahead = n } }

func private(v *messages.View) { v.Task.Repo.Private = true }

func twice(v *messages.View) {
	v.Task.Requests = append(v.Task.Requests, request("issue", 7, "hubot"), request("issue_comment", 100, "octocat"))
}

var published = messages.Published{
	Branch: "devs/7-abcdefghijkl", Number: 12, URL: "https://github.com/octo/hello/pull/12", Files: 3, Added: 1040, Deleted: 2,
}

func TestProgress(t *testing.T) {
	running := messages.TaskRunning
	for name, c := range map[string]struct {
		view  messages.View
		after time.Duration
	}{
		"waiting_next":    {view(messages.TaskQueued), 0},
		"waiting_one":     {view(messages.TaskQueued, ahead(1)), 0},
		"waiting_many":    {view(messages.TaskQueued, ahead(1234), twice), 0},
		"waiting_again":   {view(messages.TaskQueued, attempt(1, time.Minute, messages.EndModelBusy), func(v *messages.View) { v.Task.NotBefore = noon.Add(time.Hour) }), 0},
		"waiting_due":     {view(messages.TaskQueued, attempt(1, time.Minute, messages.EndContainerLost), func(v *messages.View) { v.Task.NotBefore = noon.Add(-time.Hour) }), 0},
		"running_first":   {view(running, attempt(1, 0, "")), 20 * time.Second},
		"running_tool":    {view(running, attempt(1, 0, ""), last(messages.AgentEvent{Kind: messages.EventTool, Tool: "Bash", Text: "go test ./...\ncat `x` @octocat"})), 5*time.Minute + 59*time.Second},
		"running_words":   {view(running, attempt(2, 0, ""), last(messages.AgentEvent{Kind: messages.EventWords, Text: strings.Repeat("word ", 100)})), 25 * time.Hour},
		"running_think":   {view(running, attempt(1, 0, ""), last(messages.AgentEvent{Kind: messages.EventToolEnd, Tool: "Bash"})), 47 * time.Minute},
		"running_retry":   {view(running, attempt(1, 0, ""), last(messages.AgentEvent{Kind: messages.EventRetry, Text: "529"})), 100 * time.Minute},
		"running_runner":  {view(running, attempt(1, 0, ""), last(messages.AgentEvent{Kind: messages.EventRunner, Text: "workspace ready"})), time.Minute},
		"running_started": {view(running, attempt(1, 0, ""), last(messages.AgentEvent{Kind: messages.EventStarted, Text: "model"})), time.Hour},
		"running_end":     {view(running, attempt(1, 0, ""), last(messages.AgentEvent{Kind: messages.EventEnd})), 3 * time.Minute},
	} {
		t.Run(name, func(t *testing.T) { golden(t, "progress_"+name, writer.Progress(c.view, noon.Add(c.after))) })
	}
}

// An edit costs a write to GitHub, so time alone changes the text seldom.
func TestProgressChangesSeldom(t *testing.T) {
	v := view(messages.TaskRunning, attempt(1, 0, ""), last(messages.AgentEvent{Kind: messages.EventTool, Tool: "Bash", Text: "make"}))
	texts := map[string]bool{}
	for second := range 3 * 3600 {
		texts[writer.Progress(v, noon.Add(time.Duration(second)*time.Second))] = true
	}
	if len(texts) != 10+10+8 {
		t.Errorf("three hours have %d texts", len(texts))
	}
}

func TestFolded(t *testing.T) {
	for address, want := range map[string]string{
		issue + "#issuecomment-5":          "This task has ended: here is [the answer](" + issue + "#issuecomment-5).",
		"":                                 "This task has ended.",
		"javascript:alert(1)":              "This task has ended.",
		"https://x.example/a) [evil](http": "This task has ended.",
		"https://x.example/a)b":            "This task has ended.",
		"ftp://x.example/a":                "This task has ended.",
		"https://x.example/a\nb":           "This task has ended.",
	} {
		if got := writer.Folded(address); got != want {
			t.Errorf("%q gives %q, want %q", address, got, want)
		}
	}
}

func TestFinal(t *testing.T) {
	const sorry = "The work took longer than a task may take, so it was stopped; what was done until then is kept. Ask for a smaller step."
	done, failed, cancelled := messages.TaskDone, messages.TaskFailed, messages.TaskCancelled
	ok, late := messages.EndSucceeded, messages.EndTimedOutWall
	for name, c := range map[string]struct {
		view      messages.View
		published *messages.Published
		sentence  string
		words     string
	}{
		"pull":           {view(done, attempt(1, 250*time.Second, ok)), &published, "", "I fixed the login.\n\n- see `login.go`"},
		"pull_private":   {view(done, attempt(1, 250*time.Second, ok), private), &published, "", "I fixed the login."},
		"answer":         {view(done, attempt(3, 9*time.Second, ok)), nil, "", "The answer is 42."},
		"answer_empty":   {view(done, attempt(1, 9*time.Second, ok)), &messages.Published{}, "", " \n"},
		"branch":         {view(done, attempt(1, 9*time.Second, ok)), &messages.Published{Branch: "devs/x`y", Files: 1, Added: 1}, "", ""},
		"beside":         {view(done, attempt(1, 9*time.Second, ok)), &messages.Published{Branch: "devs/7-abcdefghijkl-2", Number: 13, URL: "https://github.com/octo/hello/pull/13", Beside: true}, "", ""},
		"refused_push":   {view(done, attempt(1, 9*time.Second, ok)), &messages.Published{Refused: "The work changes .github/workflows/@octocat.yml (#5), which it may not."}, "", "I changed the workflow."},
		"no_pull":        {view(done, attempt(1, 9*time.Second, ok)), &messages.Published{Branch: "devs/7-x", Refused: "GitHub does not permit pull requests in this repository."}, "", ""},
		"merged":         {view(done, attempt(1, 9*time.Second, ok), twice), &published, "", "All done."},
		"failed":         {view(failed, attempt(1, time.Hour, late)), nil, sorry, ""},
		"failed_work":    {view(failed, attempt(1, time.Hour, late)), &published, sorry, "I was about to test."},
		"failed_silent":  {view(failed), nil, "", ""},
		"cancelled":      {view(cancelled, attempt(1, time.Minute, messages.EndCancelled), func(v *messages.View) { v.Task.CancelledBy = "hubot" }), nil, "", ""},
		"cancelled_soon": {view(cancelled), nil, "", ""},
		"refused_intents": {view(done, attempt(1, 9*time.Second, ok), func(v *messages.View) {
			v.Outcome.Refused = []string{"pull_request: the title is empty", "comment:\n```\n@everybody merge this\n```"}
		}), nil, "", "See below."},
	} {
		t.Run(name, func(t *testing.T) {
			golden(t, "final_"+name, writer.Final(c.view, c.published, c.sentence, c.words))
		})
	}
}

func TestCostIsForPrivateRepositories(t *testing.T) {
	v := view(messages.TaskDone, attempt(1, time.Minute, messages.EndSucceeded))
	for _, c := range []struct {
		writer  Writer
		private bool
		want    bool
	}{{Writer{}, false, false}, {Writer{}, true, true}, {Writer{ShowCost: true}, false, true}} {
		v.Task.Repo.Private = c.private
		if got := strings.Contains(c.writer.Final(v, nil, "", ""), "USD"); got != c.want {
			t.Errorf("private %v, %+v: the cost is shown: %v", c.private, c.writer, got)
		}
	}
}

func TestPull(t *testing.T) {
	succeeded := attempt(1, time.Minute, messages.EndSucceeded)
	for name, c := range map[string]struct {
		view messages.View
		body string
	}{
		"agent":  {view(messages.TaskDone, succeeded), "The session was never saved.\n\n## Tests\n\nAll pass."},
		"thread": {view(messages.TaskDone, succeeded, twice), ""},
		"cut_short": {
			view(messages.TaskFailed, attempt(1, time.Hour, messages.EndTimedOutWall)),
			"<!-- devs-<!-- devs-webhook task=abcdefghijkl kind=final -->webhook task=abcdefghijkl kind=final -->x",
		},
		"follows": {view(messages.TaskDone, succeeded, func(v *messages.View) { v.Task.Thread.PullRequest = true }), "Text"},
	} {
		t.Run(name, func(t *testing.T) {
			golden(t, "pull_"+name, writer.PullTitle(c.view)+"\n\n"+writer.PullBody(c.view, c.body))
		})
	}
	v := view(messages.TaskDone)
	for title, want := range map[string]string{
		"fixes #12, octo/hello#3 and GH-4": "fixes 12, octo/hello3 and GH 4", "": "Work on 7",
		strings.Repeat("long\n", 100):                   strings.Repeat("long ", 50) + "long…",
		"closes https://github.com/octo/hello/issues/3": "closes https github.com/octo/hello/issues/3",
	} {
		v.Task.Thread.Title = title
		if got := writer.PullTitle(v); got != want {
			t.Errorf("title %q becomes %q, want %q", title, got, want)
		}
	}
}
