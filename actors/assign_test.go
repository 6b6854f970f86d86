package actors_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"devs-webhook/messages"
)

// offered is the task that lies in a mailbox; empty if none does.
func (o *office) offered(slot int) messages.TaskID {
	select {
	case m := <-o.inboxes[slot]:
		return m.(messages.Run).Task
	default:
		return ""
	}
}

// work claims what is offered and ends it, as a container does, and says which it was.
func (o *office) work(slot int, end func(*messages.Outcome)) messages.TaskID {
	o.t.Helper()
	id := o.offered(slot)
	if id == "" {
		return ""
	}
	a, _, err := o.store.Store.Claim(o.t.Context(), id, fmt.Sprintf("slot%d", slot), "docker")
	if err != nil {
		o.t.Fatal(err)
	}
	time.Sleep(time.Second)
	out := messages.Outcome{Attempt: a.AttemptRef, Ending: messages.EndSucceeded}
	if end != nil {
		end(&out)
	}
	if err := o.store.Store.Finish(o.t.Context(), out); err != nil {
		o.t.Fatal(err)
	}
	o.bell.Ring()
	synctest.Wait()
	return id
}

func TestNothingStartsWhileTheDiskIsFull(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		o := newOffice(t, 1)
		var room atomic.Bool
		o.disk = func() error {
			if room.Load() {
				return nil
			}
			return errors.New("1 GiB is free")
		}
		id := newTask(t, o.store.Store, request("k", 1))
		r := o.serve()
		for range 20 {
			o.bell.Ring()
			time.Sleep(time.Minute)
			synctest.Wait()
		}
		if got := o.offered(0); got != "" {
			t.Fatalf("%s was offered", got)
		}
		if n := strings.Count(o.log.String(), "no task starts"); n != 1 {
			t.Errorf("it was said %d times", n)
		}
		room.Store(true)
		time.Sleep(time.Minute)
		synctest.Wait()
		if got := o.offered(0); got != id {
			t.Errorf("offered within a minute: %q", got)
		}
		if n := strings.Count(o.log.String(), "tasks start again"); n != 1 {
			t.Errorf("its end was said %d times", n)
		}
		r.silent()
	})
}

// TestTurnGoesRound: a repository with one task does not wait for another's many.
func TestTurnGoesRound(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		o := newOffice(t, 1)
		names := map[messages.TaskID]string{}
		for i, name := range []string{"a", "a", "a", "a", "b", "c", "c"} {
			r := request(fmt.Sprint(name, i), i+1)
			r.Repo = messages.Repo{ID: int64(name[0]), Owner: "octo", Name: name}
			names[newTask(t, o.store.Store, r)] = name
		}
		o.serve()
		var turns []string
		for range 7 {
			turns = append(turns, names[o.work(0, nil)])
		}
		if want := strings.Split("a b c a c a a", " "); !slices.Equal(turns, want) {
			t.Errorf("the turns were %v", turns)
		}
	})
}

// TestTaskIsOfferedWhenItsTimeHasCome, to the second: nobody rings for it.
func TestTaskIsOfferedWhenItsTimeHasCome(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		o := newOffice(t, 1)
		id := newTask(t, o.store.Store, request("k", 1))
		o.serve()
		o.work(0, func(out *messages.Outcome) {
			out.Ending, out.Retry, out.NotBefore = messages.EndContainerLost, true, time.Now().Add(77*time.Second)
		})
		time.Sleep(76 * time.Second)
		synctest.Wait()
		if o.offered(0) != "" {
			t.Error("it was offered too early")
		}
		time.Sleep(time.Second + 10*time.Millisecond)
		synctest.Wait()
		if o.offered(0) != id {
			t.Error("it was not offered")
		}
	})
}

// TestFreeContainersGetDifferentTasks, busy ones and ones with mail get none.
func TestFreeContainersGetDifferentTasks(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		o := newOffice(t, 4)
		busy := newTask(t, o.store.Store, request("busy", 1))
		if _, _, err := o.store.Store.Claim(t.Context(), busy, "slot0", "docker"); err != nil {
			t.Fatal(err)
		}
		o.inboxes[1] <- messages.Cancel{Task: "x"}
		one := newTask(t, o.store.Store, request("one", 2))
		two := newTask(t, o.store.Store, request("two", 3))
		three := newTask(t, o.store.Store, request("three", 4))
		o.serve()
		if len(o.inboxes[0]) != 0 {
			t.Error("the busy one has mail")
		}
		if _, ok := (<-o.inboxes[1]).(messages.Cancel); !ok {
			t.Error("the mail of the second was replaced")
		}
		if a, b := o.offered(2), o.offered(3); a != one || b != two {
			t.Errorf("offered: %s and %s, not %s and %s", a, b, one, two)
		}
		o.bell.Ring() // the offers were taken, and not claimed: they are made again
		synctest.Wait()
		if a, b, c := o.offered(1), o.offered(2), o.offered(3); a != one || b != two || c != three {
			t.Errorf("offered again: %s, %s and %s", a, b, c)
		}
	})
}

// TestOfferThatIsNotTakenGoesToAnother soon: the container that it was made to may be restarting.
func TestOfferThatIsNotTakenGoesToAnother(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		o := newOffice(t, 2)
		id := newTask(t, o.store.Store, request("k", 1))
		o.serve()
		if len(o.inboxes[0]) != 1 || len(o.inboxes[1]) != 0 {
			t.Fatal("the first container has no offer, or the second one has")
		}
		time.Sleep(5 * time.Second)
		synctest.Wait()
		if o.offered(1) != id {
			t.Error("the second container has no offer after five seconds")
		}
	})
}
