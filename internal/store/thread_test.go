package store

import (
	"testing"

	"devs-webhook/messages"
)

// published runs a task to its end and opens a pull request for it.
func published(t *testing.T, s *Store, id messages.TaskID, pull int) {
	t.Helper()
	must(t, s.Finish(t.Context(), messages.Outcome{Attempt: claimed(t, s, id, "eamonn"), Ending: messages.EndSucceeded, Bundle: "b"}))
	opens(t, s, id, pull)
}

// opens tells the store of the pull request of a task that has ended.
func opens(t *testing.T, s *Store, id messages.TaskID, pull int) {
	t.Helper()
	e := effectOf(t, s, id, messages.EffectPublish)
	must(t, s.EffectTrying(t.Context(), e.ID))
	must(t, s.EffectDone(t.Context(), e.ID, messages.Effect{RemoteID: int64(pull), URL: "u", Detail: "devs/branch"}))
}

// Our pull request is part of the thread: one lock, one branch. People are answered where they asked.
func TestPullRequestJoinsThread(t *testing.T) {
	s := opened(t)
	first := queued(t, s, 1)
	published(t, s, first, 5)
	onPull := asked("on-pull", 5, "rename it")
	onPull.Thread.PullRequest = true
	_, second := decided(t, s, "p", onPull)
	a, b := viewed(t, s, first).Task, viewed(t, s, second).Task
	equal(t, "thread key", b.ThreadKey, a.ThreadKey)
	equal(t, "branch", b.Branch, "devs/1-"+string(first))
	equal(t, "branch of the first", a.Branch, b.Branch)
	equal(t, "pull request", b.PullRequestNumber, 5)
	equal(t, "thread asked on", b.Thread.Number, 5)
	equal(t, "thread of the first", a.Thread.Number, 1)
	d, merged := decided(t, s, "i", asked("on-issue", 1, "and this"))
	equal(t, "reason", d.Reason, messages.ReasonMerged)
	equal(t, "task", merged, second)
	b = viewed(t, s, second).Task
	equal(t, "thread of the task", b.Thread.Number, 5)
	equal(t, "thread of the second request", b.Requests[1].Thread.Number, 1)
	for _, number := range []int{1, 5} {
		equal(t, "tasks by thread", len(value(s.Tasks(t.Context(), Filter{RepoID: 7, Number: number}))(t)), 2)
	}
}

// A comment on the pull request may be decided before its number is recorded: its task moves into the thread.
func TestPullRequestJoinsLate(t *testing.T) {
	s := opened(t)
	first := queued(t, s, 1)
	must(t, s.Finish(t.Context(), messages.Outcome{Attempt: claimed(t, s, first, "eamonn"), Ending: messages.EndSucceeded, Bundle: "b"}))
	early := queued(t, s, 5)
	opens(t, s, first, 5)
	a, b := viewed(t, s, first).Task, viewed(t, s, early).Task
	equal(t, "thread key", b.ThreadKey, a.ThreadKey)
	equal(t, "branch", b.Branch, a.Branch)
	d, id := decided(t, s, "i", asked("on-issue", 1, "and this"))
	equal(t, "reason", d.Reason, messages.ReasonMerged)
	equal(t, "task", id, early)
}

// If both threads have a queued task, the two stay apart and both end; what comes later goes to one place.
func TestPullRequestJoinsTooLate(t *testing.T) {
	s := opened(t)
	first := queued(t, s, 1)
	ref := claimed(t, s, first, "eamonn")
	_, follow := decided(t, s, "f", asked("follow", 1, "more"))
	must(t, s.Finish(t.Context(), messages.Outcome{Attempt: ref, Ending: messages.EndSucceeded, Bundle: "b"}))
	early := queued(t, s, 5)
	opens(t, s, first, 5)
	if a, b := viewed(t, s, follow).Task, viewed(t, s, early).Task; a.ThreadKey == b.ThreadKey {
		t.Error("two queued tasks on one thread")
	}
	_, id := decided(t, s, "l", asked("late", 5, "and more"))
	equal(t, "task", id, follow)
	must(t, s.Finish(t.Context(), ended(claimed(t, s, early, "eamonn"), messages.EndSucceeded)))
}

func TestBranchIsForgottenWithItsPullRequest(t *testing.T) {
	s := opened(t)
	first := queued(t, s, 1)
	published(t, s, first, 5)
	_, waiting := decided(t, s, "w", asked("waiting", 1, "more"))
	must(t, s.ThreadBranchClosed(t.Context(), 7, 6)) // not ours
	must(t, s.ThreadBranchClosed(t.Context(), 8, 5)) // another repository
	must(t, s.ThreadBranchClosed(t.Context(), 7, 1)) // the issue
	equal(t, "branch before", viewed(t, s, waiting).Task.Branch, "devs/1-"+string(first))
	must(t, s.ThreadBranchClosed(t.Context(), 7, 5))
	got := viewed(t, s, waiting).Task
	equal(t, "branch after", got.Branch, "devs/1-"+string(waiting))
	equal(t, "pull request", got.PullRequestNumber, 0)
	equal(t, "branch of the ended task", viewed(t, s, first).Task.Branch, "devs/1-"+string(first))
	published(t, s, waiting, 9)
	_, next := decided(t, s, "n", asked("next", 5, "once more")) // on the closed pull request
	after := viewed(t, s, next).Task
	equal(t, "branch of the next", after.Branch, "devs/1-"+string(waiting))
	equal(t, "pull request of the next", after.PullRequestNumber, 9)
}

// With nothing queued, the next task begins the new branch.
func TestBranchIsNewAfterClose(t *testing.T) {
	s := opened(t)
	first := queued(t, s, 1)
	published(t, s, first, 5)
	must(t, s.ThreadBranchClosed(t.Context(), 7, 5))
	_, next := decided(t, s, "n", asked("next", 1, "more"))
	equal(t, "branch", viewed(t, s, next).Task.Branch, "devs/1-"+string(next))
}

// A task that ran while its branch was forgotten brings it back with its pull request.
func TestBranchComesBackWithARunningTask(t *testing.T) {
	s := opened(t)
	first := queued(t, s, 1)
	published(t, s, first, 5)
	_, second := decided(t, s, "n", asked("next", 1, "more"))
	ref := claimed(t, s, second, "eamonn")
	must(t, s.ThreadBranchClosed(t.Context(), 7, 5))
	must(t, s.Finish(t.Context(), messages.Outcome{Attempt: ref, Ending: messages.EndSucceeded, Bundle: "b"}))
	opens(t, s, second, 8)
	_, third := decided(t, s, "m", asked("third", 8, "more still"))
	got := viewed(t, s, third).Task
	equal(t, "branch", got.Branch, "devs/1-"+string(first))
	equal(t, "pull request", got.PullRequestNumber, 8)
}
