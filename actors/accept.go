package actors

import (
	"context"
	"errors"
	"fmt"
	"time"

	"devs-webhook/messages"
)

// Door checks what comes in from outside. It decodes no JSON beyond what that needs.
type Door interface {
	// Verify reports whether the signature (X-Hub-Signature-256) is ours for the raw body.
	Verify(body []byte, signature string) bool
	// Envelope takes the JSON payload out of the body; its errors are sentences for the sender.
	Envelope(contentType string, body []byte) ([]byte, error)
	// CheckDeliveryID says what is wrong with a delivery id.
	CheckDeliveryID(id string) error
}

// Acceptor stores a delivery. When it returns nil, the delivery is on the disk.
type Acceptor interface {
	Accept(ctx context.Context, d messages.Delivery) (repeated bool, err error)
}

// Incoming is a webhook as a source received it.
type Incoming struct {
	Event, Delivery, Signature, ContentType string
	Body                                    []byte
}

// ErrSignature means that the signature is missing or wrong.
var ErrSignature = errors.New("invalid signature")

// BadRequestError is an incoming webhook that cannot be one; its text is for the sender.
type BadRequestError struct{ Detail string }

// Error gives the detail.
func (e *BadRequestError) Error() string { return e.Detail }

// Intake is the one way in: every source calls its Accept. It is safe for concurrent use.
type Intake struct {
	Door      Door
	Store     Acceptor
	Processor messages.Bell
}

// Accept verifies an incoming webhook, stores it, and rings the processor. The order of its checks is the
// order of the answers: ErrSignature, *BadRequestError, the store's error; nil means durable.
func (i *Intake) Accept(ctx context.Context, source string, in Incoming) (repeated bool, err error) {
	if !i.Door.Verify(in.Body, in.Signature) {
		return false, ErrSignature
	}
	if in.Event == "" {
		return false, &BadRequestError{Detail: "Missing X-GitHub-Event header"}
	}
	if in.Delivery == "" {
		return false, &BadRequestError{Detail: "Missing X-GitHub-Delivery header"}
	}
	if err := i.Door.CheckDeliveryID(in.Delivery); err != nil {
		return false, &BadRequestError{Detail: err.Error()}
	}
	if err := i.Door.CheckDeliveryID(in.Event); err != nil {
		return false, &BadRequestError{Detail: "X-GitHub-Event is not the name of an event"}
	}
	payload, err := i.Door.Envelope(in.ContentType, in.Body)
	if err != nil {
		return false, &BadRequestError{Detail: err.Error()}
	}
	return i.Put(ctx, messages.Delivery{ID: in.Delivery, Event: in.Event, Source: source, Body: payload})
}

// Put stores a delivery that needs no verifying, such as a test event, and rings the processor.
func (i *Intake) Put(ctx context.Context, d messages.Delivery) (repeated bool, err error) {
	d.ReceivedAt = time.Now()
	repeated, err = i.Store.Accept(ctx, d)
	if err != nil {
		return false, fmt.Errorf("accept %s: %w", d.ID, err)
	}
	i.Processor.Ring()
	return repeated, nil
}
