package actors

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"time"

	"github.com/rs/zerolog"
)

const (
	// maxBody is the size of the largest webhook: GitHub sends none above 25 MB
	// (docs.github.com/webhooks/webhook-events-and-payloads, "payload cap").
	maxBody = 25 << 20
	// answerWithin is the time from a request's first byte to its answer. GitHub hangs up after 10 s and
	// counts the delivery as failed, without trying again by itself.
	answerWithin = 8 * time.Second
	// largeBody and largeAtOnce bound the memory that senders without a valid signature can take.
	largeBody   = 1 << 20
	largeAtOnce = 8
)

// Webhook answers POSTs of GitHub's webhooks. HTTPDoor serves it.
type Webhook struct {
	intake *Intake
	log    zerolog.Logger
	large  chan struct{} // one place for each large body in memory
}

// NewWebhook makes the handler.
func NewWebhook(intake *Intake, log zerolog.Logger) *Webhook {
	return &Webhook{intake: intake, log: log.With().Str("actor", "webhook").Logger(), large: make(chan struct{}, largeAtOnce)}
}

// ServeHTTP answers one webhook: 200 only after the commit and its fsync.
func (h *Webhook) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	deadline := time.Now().Add(answerWithin)
	ctx, cancel := context.WithDeadline(r.Context(), deadline)
	defer cancel()
	if r.Method != http.MethodPost {
		w.Header().Set("Allow", http.MethodPost)
		answer(w, http.StatusMethodNotAllowed, map[string]string{"detail": "Method Not Allowed"})
		return
	}
	// Errors of SetReadDeadline mean that the transport has none, as in tests without a connection.
	_ = http.NewResponseController(w).SetReadDeadline(deadline)
	if r.ContentLength > maxBody {
		tooLarge(w)
		return
	}
	if r.ContentLength < 0 || r.ContentLength > largeBody {
		select {
		case h.large <- struct{}{}:
			defer func() { <-h.large }()
		case <-ctx.Done():
			unavailable(w)
			return
		}
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
	if err != nil {
		var tooBig *http.MaxBytesError
		if errors.As(err, &tooBig) {
			tooLarge(w)
			return
		}
		unavailable(w)
		return
	}
	in := Incoming{
		Event:       r.Header.Get("X-GitHub-Event"),
		Delivery:    r.Header.Get("X-GitHub-Delivery"),
		Signature:   r.Header.Get("X-Hub-Signature-256"),
		ContentType: r.Header.Get("Content-Type"),
		Body:        body,
	}
	repeated, err := h.intake.Accept(ctx, "webhook", in)
	h.reply(w, in, repeated, err)
}

func (h *Webhook) reply(w http.ResponseWriter, in Incoming, repeated bool, err error) {
	var bad *BadRequestError
	switch {
	case err == nil:
		h.log.Info().Str("delivery", in.Delivery).Str("event", in.Event).Bool("repeated", repeated).Msg("delivery accepted")
		answer(w, http.StatusOK, map[string]string{"status": "accepted", "delivery_id": in.Delivery})
	case errors.Is(err, ErrSignature):
		h.log.Warn().Str("event", in.Event).Int("bytes", len(in.Body)).Msg("signature refused")
		answer(w, http.StatusUnauthorized, map[string]string{"detail": "Invalid signature"})
	case errors.As(err, &bad):
		h.log.Warn().Str("delivery", in.Delivery).Str("detail", bad.Detail).Msg("delivery refused")
		answer(w, http.StatusBadRequest, map[string]string{"detail": bad.Detail})
	default:
		h.log.Error().Err(err).Str("delivery", in.Delivery).Msg("delivery not stored")
		unavailable(w)
	}
}

func tooLarge(w http.ResponseWriter) {
	w.Header().Set("Connection", "close")
	answer(w, http.StatusRequestEntityTooLarge, map[string]string{"detail": "Payload is over 25 MiB"})
}

func unavailable(w http.ResponseWriter) {
	w.Header().Set("Retry-After", "30")
	answer(w, http.StatusServiceUnavailable, map[string]string{"detail": "The delivery could not be stored; send it again"})
}

func answer(w http.ResponseWriter, status int, body any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	// An error here means that the client has gone; there is nobody to tell.
	_ = json.NewEncoder(w).Encode(body)
}
