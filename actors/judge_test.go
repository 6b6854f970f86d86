package actors_test

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"devs-webhook/actors"
	"devs-webhook/messages"
)

// TestJudge: how an attempt ended, by what the engine and the agent say of it.
func TestJudge(t *testing.T) {
	t.Parallel()
	says := func(e messages.Ending) actors.Output {
		return actors.Output{HasResult: true, HasBundle: true, Result: messages.Result{Ending: e, Detail: "so it says"}}
	}
	for _, one := range []struct {
		name   string
		exit   messages.Exit
		out    actors.Output
		cancel bool
		ending messages.Ending
		detail string
		state  messages.TaskState
		bundle bool
	}{
		{"success", messages.Exit{}, says(messages.EndSucceeded), false, messages.EndSucceeded, "so it says", messages.TaskDone, true},
		{"failure", messages.Exit{Code: 1}, says(messages.EndAgentFailed), false, messages.EndAgentFailed, "so it says", messages.TaskFailed, true},
		{"failure out of memory", messages.Exit{Code: 1, OutOfMemory: true}, says(messages.EndAgentFailed), false, messages.EndOutOfMemory, "A process of the agent ran out of memory.", messages.TaskFailed, true},
		{"success after a process ran out of memory", messages.Exit{OutOfMemory: true}, says(messages.EndSucceeded), false, messages.EndSucceeded, "so it says", messages.TaskDone, true},
		{"time over", messages.Exit{}, says(messages.EndTimedOutIdle), false, messages.EndTimedOutIdle, "so it says", messages.TaskFailed, true},
		{"no result out of memory", messages.Exit{Code: 137, OutOfMemory: true}, actors.Output{HasBundle: true}, false, messages.EndOutOfMemory, "The container ran out of memory.", messages.TaskFailed, true},
		{"no result", messages.Exit{Code: 137}, actors.Output{}, false, messages.EndContainerLost, "It ended with exit code 137 and without a result.", messages.TaskQueued, false},
		{"no result and lost", messages.Exit{Lost: true}, actors.Output{}, false, messages.EndContainerLost, "It ended without a result.", messages.TaskQueued, false},
		{"to be tried again with work", messages.Exit{}, says(messages.EndModelBusy), false, messages.EndModelBusy, "so it says", messages.TaskQueued, false},
		{"cancelled", messages.Exit{}, says(messages.EndSucceeded), true, messages.EndCancelled, "", messages.TaskCancelled, false},
		{"cancelled without a result", messages.Exit{Code: 137}, actors.Output{}, true, messages.EndCancelled, "", messages.TaskCancelled, false},
		{"says that it was cancelled", messages.Exit{}, says(messages.EndCancelled), false, messages.EndCancelled, "so it says", messages.TaskCancelled, false},
		{"no work", messages.Exit{}, actors.Output{HasResult: true, Result: messages.Result{Ending: messages.EndSucceeded}}, false, messages.EndSucceeded, "", messages.TaskDone, false},
	} {
		t.Run(one.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorkshop(t)
				w.engine.exit, w.output = one.exit, one.out
				r, id := w.start()
				if one.cancel {
					w.inbox <- messages.Cancel{Task: id}
				}
				time.Sleep(time.Minute)
				synctest.Wait()
				v := view(t, w.store.Store, id)
				o := v.Outcome
				if o == nil || o.Ending != one.ending || o.Detail != one.detail || v.Task.State != one.state || (o.Bundle != "") != one.bundle {
					t.Errorf("%s %+v", v.Task.State, o)
				}
				if o != nil && o.Exit.Code != one.exit.Code {
					t.Errorf("exit code %d", o.Exit.Code)
				}
				r.silent()
			})
		})
	}
}

// TestWhichEndingsAreTriedAgain, when, and how often: the third failure that counts is the last.
func TestWhichEndingsAreTriedAgain(t *testing.T) {
	t.Parallel()
	tried := map[messages.Ending][]time.Duration{
		messages.EndContainerLost: {5 * time.Second, 10 * time.Second},
		messages.EndInternal:      {5 * time.Second, 10 * time.Second},
		messages.EndResultInvalid: {5 * time.Second, 10 * time.Second},
		messages.EndModelBusy:     {time.Minute, 2 * time.Minute},
	}
	synctest.Test(t, func(t *testing.T) {
		w := newWorkshop(t)
		w.engine.work = time.Second
		r := serve(t, w.container())
		for i, ending := range []messages.Ending{
			messages.EndAgentFailed, messages.EndTimedOutWall, messages.EndTimedOutIdle, messages.EndTimedOutTool,
			messages.EndOutOfMemory, messages.EndModelBusy, messages.EndModelQuota, messages.EndModelAuth, messages.EndModelRefused,
			messages.EndTurnLimit, messages.EndBudgetLimit, messages.EndPromptTooLong, messages.EndSetupFailed,
			messages.EndContainerLost, messages.EndImageMissing, messages.EndCloneFailed, messages.EndResultInvalid, messages.EndInternal,
		} {
			w.output.Result.Ending = ending
			v := w.pass(newTask(t, w.store.Store, request(string(ending), i+1)), time.Hour)
			if v.Task.State != messages.TaskFailed || v.Outcome.Ending != ending || v.Task.Failures != len(tried[ending])+1 {
				t.Errorf("%s: %s %s after %d failures", ending, v.Task.State, v.Outcome.Ending, v.Task.Failures)
			}
			var pauses []time.Duration
			for i := range len(v.Attempts) - 1 {
				pauses = append(pauses, v.Attempts[i+1].StartedAt.Sub(v.Attempts[i].EndedAt))
			}
			if fmt.Sprint(pauses) != fmt.Sprint(tried[ending]) {
				t.Errorf("%s: tried again after %v", ending, pauses)
			}
		}
		r.silent()
	})
}
