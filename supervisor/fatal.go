package supervisor

import (
	"context"

	"github.com/rs/zerolog"
	"github.com/thejerf/suture/v4"

	"devs-webhook/actors"
)

// actor is a service with a name of its own.
type actor interface {
	suture.Service
	String() string
}

// ending is an actor whose fatal errors end the program.
type ending struct {
	actor
	fatal actors.Fatal
	log   zerolog.Logger
}

// Serve serves the actor. A fatal error is logged here, because suture reports none of those that end it.
func (e ending) Serve(ctx context.Context) error {
	err := e.actor.Serve(ctx)
	if err == nil || ctx.Err() != nil || e.fatal == nil {
		return err
	}
	code := e.fatal(err)
	if code == 0 {
		return err
	}
	e.log.Error().Err(err).Str("actor", e.String()).Int("exit_code", code).Msg("actor ended the program")
	return &actors.FatalError{Code: code, Err: err}
}
