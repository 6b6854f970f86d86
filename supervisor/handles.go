package supervisor

import (
	"context"
	"net/http"

	"devs-webhook/actors"
	"devs-webhook/messages"
)

// HandlerFor makes a door's handler from what the tree offers.
type HandlerFor func(*Tree) http.Handler

// Webhook is the source's handler.
func (t *Tree) Webhook() http.Handler { return t.webhook }

// Put stores a delivery that did not come from GitHub: a test event.
func (t *Tree) Put(ctx context.Context, d messages.Delivery) (repeated bool, err error) {
	return t.intake.Put(ctx, d)
}

// Cancel ends a task: at once if it is queued, else by a message to the container that runs it. The wish is
// in the store first, so that a message that is lost costs only time.
func (t *Tree) Cancel(ctx context.Context, id messages.TaskID, slot, by string) error {
	if _, err := t.store.CancelTask(ctx, id, by); err != nil {
		return err
	}
	t.report.Ring()
	if inbox, ok := t.inboxes[slot]; ok {
		select {
		case inbox <- messages.Cancel{Task: id}:
		default: // an offer lies there; the container finds the wish in the store
		}
	}
	return nil
}

// Interface guards.
var (
	_ actors.Listener = (*Listener)(nil)
)
