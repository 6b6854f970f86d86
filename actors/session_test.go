package actors_test

import (
	"testing"
	"testing/synctest"
	"time"

	"devs-webhook/actors"
	"devs-webhook/messages"
)

const session = "11111111-2222-4333-8444-555555555555"

// ended is what comes out of an attempt that ended like this, with a session.
func ended(ending messages.Ending) actors.Output {
	return actors.Output{
		HasResult: true, Session: "session.tar", Result: messages.Result{Ending: ending, Session: session},
	}
}

func TestSessionIsKeptForTheThread(t *testing.T) {
	t.Parallel()
	for ending, want := range map[messages.Ending]string{
		messages.EndSucceeded:     session,
		messages.EndTimedOutWall:  session, // it knows what it has tried
		messages.EndPromptTooLong: "",      // and would be too long for the next task as well
	} {
		synctest.Test(t, func(t *testing.T) {
			w := newWorkshop(t)
			w.session = "99999999-2222-4333-8444-555555555555"
			w.output = ended(ending)
			_, id := w.start()
			w.pass(id, time.Hour)
			if w.session != want {
				t.Errorf("%s: kept %q", ending, w.session)
			}
		})
	}
}

// TestLostSessionIsTriedOnceWithout: the attempt does not count, and the next one begins anew.
func TestLostSessionIsTriedOnceWithout(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorkshop(t)
		w.session = session
		w.read = func(a messages.AttemptRef) actors.Output {
			if a.Number == 1 {
				return actors.Output{HasResult: true, Result: messages.Result{Ending: messages.EndAgentFailed, SessionLost: true}}
			}
			return actors.Output{HasResult: true, Result: messages.Result{Ending: messages.EndSucceeded}}
		}
		_, id := w.start()
		v := w.pass(id, time.Hour)
		if v.Task.State != messages.TaskDone || len(v.Attempts) != 2 || v.Task.Failures != 0 || w.session != "" {
			t.Errorf("%s after %d attempts with %d failures, session %q", v.Task.State, len(v.Attempts), v.Task.Failures, w.session)
		}
	})
}

// TestWhoeverSaysThatItsSessionIsLostHadOne: the agent can forge its result, but no endless retries with it.
func TestWhoeverSaysThatItsSessionIsLostHadOne(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorkshop(t)
		w.output = actors.Output{HasResult: true, Result: messages.Result{Ending: messages.EndAgentFailed, SessionLost: true}}
		_, id := w.start()
		if v := w.pass(id, time.Hour); v.Task.State != messages.TaskFailed || len(v.Attempts) != 1 {
			t.Errorf("%s after %d attempts", v.Task.State, len(v.Attempts))
		}
	})
}
