package actors_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"devs-webhook/messages"
)

// TestWorkThatIsNotPublishedIsAnswered: the final comment says why, and what there is all the same.
func TestWorkThatIsNotPublishedIsAnswered(t *testing.T) {
	t.Parallel()
	for _, one := range []struct {
		name, place string
		err         error
		refused     string
		branch      bool
		state       messages.EffectState
	}{
		{"push refused", "push", &messages.RefusedError{Why: "It touches the workflows."}, "It touches the workflows.", false, messages.EffectDone},
		{"repository gone", "push", messages.ErrNotFound, "GitHub does not know the thread, or the token may not see it", false, messages.EffectFailed},
		{"pull request refused", "create pull into main", &messages.RefusedError{Why: "GitHub refused it."}, "GitHub refused it.", true, messages.EffectDone},
	} {
		t.Run(one.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				d := newDesk(t)
				id := d.task("k", 1)
				d.end(id, "work.bundle")
				d.before = func(_ context.Context, name string, _ messages.TaskID) error {
					if name == one.place {
						return fmt.Errorf("try: %w", one.err)
					}
					return nil
				}
				r := d.serve()
				p := d.answers[id]
				if d.posted(id, messages.EffectFinal) != 1 || p.Refused != one.refused || (p.Branch != "") != one.branch || p.Number != 0 {
					t.Errorf("%d answers, told %+v", d.posted(id, messages.EffectFinal), p)
				}
				if e := d.effect(id, messages.EffectPublish); e.State != one.state {
					t.Errorf("%+v", e)
				}
				r.silent()
			})
		})
	}
}

// TestAnswerWaitsForTheWork while it can still be published, and not for ever for a fault of ours.
func TestAnswerWaitsForTheWork(t *testing.T) {
	t.Parallel()
	for _, one := range []struct {
		name  string
		err   error
		gives bool
	}{
		{"GitHub away", &messages.LaterError{After: time.Minute, Err: errQuiet}, false},
		{"no answer", &messages.AmbiguousError{Err: errQuiet}, false},
		{"fault of ours", errors.New("open work.bundle: no such file"), true},
	} {
		t.Run(one.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				d := newDesk(t)
				id := d.task("k", 1)
				d.end(id, "work.bundle")
				d.before = func(_ context.Context, name string, _ messages.TaskID) error {
					if name == "push" && (one.gives || len(d.times("push")) < 3) {
						return one.err
					}
					return nil
				}
				if one.gives { // most of the day is over when it is tried
					time.Sleep(24*time.Hour - 2*time.Minute)
				}
				r := d.serve()
				time.Sleep(time.Second)
				synctest.Wait()
				if d.posted(id, messages.EffectFinal) != 0 {
					t.Error("it was answered before the work was published")
				}
				time.Sleep(3 * time.Minute)
				synctest.Wait()
				p := d.answers[id]
				if d.posted(id, messages.EffectFinal) != 1 || (p.Refused != "") != one.gives || strings.Contains(p.Refused, "bundle") {
					t.Errorf("%d answers, told %+v", d.posted(id, messages.EffectFinal), p)
				}
				r.silent()
			})
		})
	}
}

// TestEffectThatHangsIsGivenThreeMinutes, and then the others have their turn.
func TestEffectThatHangsIsGivenThreeMinutes(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		d := newDesk(t)
		stuck, other := d.task("stuck", 1), d.task("other", 2)
		d.end(stuck, "work.bundle")
		d.end(other, "")
		d.before = func(ctx context.Context, name string, _ messages.TaskID) error {
			if name == "push" && len(d.times("push")) == 1 {
				<-ctx.Done()
				return ctx.Err()
			}
			return nil
		}
		r := d.serve()
		time.Sleep(4 * time.Minute)
		synctest.Wait()
		if first := d.times("create final"); len(first) != 2 || first[0] != 180 {
			t.Errorf("answers at %v s", first)
		}
		if e := d.effect(stuck, messages.EffectPublish); e.State != messages.EffectDone || e.Tries != 2 {
			t.Errorf("%+v", e)
		}
		r.silent()
	})
}
