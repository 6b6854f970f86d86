package supervisor

import (
	"bytes"
	"errors"
	"strings"
	"testing"

	"github.com/rs/zerolog"
	"github.com/thejerf/suture/v4"
)

// news is an event of a kind that this release does not know.
type news struct{ suture.Event }

func (news) String() string { return "something happened" }

// TestWhatIsLoggedOfEachEvent, and that each is passed on.
func TestWhatIsLoggedOfEachEvent(t *testing.T) {
	t.Parallel()
	for _, one := range []struct {
		event suture.Event
		log   string
	}{
		{
			suture.EventServicePanic{SupervisorName: "harry", ServiceName: "container harry", PanicMsg: "boom", Stacktrace: "main.go:1", Restarting: true},
			`{"level":"error","supervisor":"harry","actor":"container harry","panic":"boom","restarting":true,"message":"actor panicked"}
{"level":"debug","actor":"container harry","stack":"main.go:1","message":"stack of the panic"}`,
		},
		{
			suture.EventServiceTerminate{SupervisorName: "harry", ServiceName: "container harry", Err: errors.New("no room"), Restarting: false},
			`{"level":"error","supervisor":"harry","actor":"container harry","err":"no room","restarting":false,"message":"actor failed"}`,
		},
		{
			suture.EventServiceTerminate{SupervisorName: "harry", ServiceName: "container harry", Restarting: true},
			`{"level":"error","supervisor":"harry","actor":"container harry","err":"returned nil","restarting":true,"message":"actor failed"}`,
		},
		{suture.EventBackoff{SupervisorName: "harry"}, `{"level":"warn","supervisor":"harry","message":"restarts paused"}`},
		{suture.EventResume{SupervisorName: "harry"}, `{"level":"info","supervisor":"harry","message":"restarts resumed"}`},
		{
			suture.EventStopTimeout{SupervisorName: "harry", ServiceName: "container harry"},
			`{"level":"error","supervisor":"harry","actor":"container harry","message":"actor did not stop in time"}`,
		},
		{news{}, `{"level":"warn","event":"something happened","message":"supervisor reported something new"}`},
	} {
		var log bytes.Buffer
		var passed []suture.Event
		eventHook(zerolog.New(&log), func(e suture.Event) { passed = append(passed, e) })(one.event)
		if got := strings.TrimSpace(log.String()); got != one.log {
			t.Errorf("%T was logged as\n%s\nand not as\n%s", one.event, got, one.log)
		}
		if len(passed) != 1 || passed[0] != one.event {
			t.Errorf("%T was passed on as %v", one.event, passed)
		}
		eventHook(zerolog.Nop(), nil)(one.event) // nobody else wants to know
	}
}

// TestEachSupervisorWaitsLongerThanThoseBelow: else it would accuse them.
func TestEachSupervisorWaitsLongerThanThoseBelow(t *testing.T) {
	t.Parallel()
	if leafTimeout >= midTimeout || midTimeout >= rootTimeout {
		t.Errorf("%v, %v and %v", leafTimeout, midTimeout, rootTimeout)
	}
	s := spec(leafTimeout, func(suture.Event) {})
	if s.Timeout != leafTimeout || s.EventHook == nil || s.PassThroughPanics || s.DontPropagateTermination {
		t.Errorf("%+v", s)
	}
}
