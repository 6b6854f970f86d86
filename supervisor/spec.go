package supervisor

import (
	"time"

	"github.com/rs/zerolog"
	"github.com/thejerf/suture/v4"
)

const (
	leafTimeout = 5 * time.Second // for an actor to stop
	midTimeout  = 6 * time.Second // for a supervisor of supervisors, which must not accuse its children
	rootTimeout = 7 * time.Second // for the whole tree; the store closes after it
)

// spec is the policy of a supervisor: five failures at once are forgiven, then it pauses for five seconds
// and a little, and the count halves every ten seconds. Actors pace their own retries; a failure is a
// fault of ours, not of the surroundings.
func spec(timeout time.Duration, hook suture.EventHook) suture.Spec {
	return suture.Spec{
		EventHook:        hook,
		FailureThreshold: 5,
		FailureDecay:     10,
		FailureBackoff:   5 * time.Second,
		Timeout:          timeout,
	}
}

// eventHook logs what the supervisors see, with the stack of a panic at debug, and passes it on to also,
// if that is set. It is called by several supervisors at once and never calls back into one.
func eventHook(log zerolog.Logger, also func(suture.Event)) suture.EventHook {
	return func(e suture.Event) {
		switch e := e.(type) {
		case suture.EventServicePanic:
			log.Error().Str("supervisor", e.SupervisorName).Str("actor", e.ServiceName).Str("panic", e.PanicMsg).
				Bool("restarting", e.Restarting).Msg("actor panicked")
			log.Debug().Str("actor", e.ServiceName).Str("stack", e.Stacktrace).Msg("stack of the panic")
		case suture.EventServiceTerminate:
			log.Error().Str("supervisor", e.SupervisorName).Str("actor", e.ServiceName).Str("err", errorText(e.Err)).
				Bool("restarting", e.Restarting).Msg("actor failed")
		case suture.EventBackoff:
			log.Warn().Str("supervisor", e.SupervisorName).Msg("restarts paused")
		case suture.EventResume:
			log.Info().Str("supervisor", e.SupervisorName).Msg("restarts resumed")
		case suture.EventStopTimeout:
			log.Error().Str("supervisor", e.SupervisorName).Str("actor", e.ServiceName).Msg("actor did not stop in time")
		default:
			log.Warn().Str("event", e.String()).Msg("supervisor reported something new")
		}
		if also != nil {
			also(e)
		}
	}
}

// errorText is the text of what a service returned: suture hands it on as any value.
func errorText(v any) string {
	if err, ok := v.(error); ok {
		return err.Error()
	}
	return "returned nil"
}
