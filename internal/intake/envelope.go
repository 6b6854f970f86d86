package intake

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"mime"
	"net/url"
)

// maxDeliveryID is the length of the longest delivery id that is taken. GitHub sends a GUID of 36
// characters, its fakes and the SQS forwarders send other forms.
const maxDeliveryID = 128

// Envelope takes the JSON payload out of a request body whose signature has been verified. The body is
// JSON itself, or a form with one field named payload (GitHub's two content types). An empty contentType,
// as a queue has it, means: look which of the two it is.
//
// It checks no more than that the payload is one JSON object; the returned bytes may share memory with
// raw. Its errors are sentences for the client.
func Envelope(contentType string, raw []byte) ([]byte, error) {
	form, err := isForm(contentType, raw)
	if err != nil {
		return nil, err
	}
	payload := raw
	if form {
		if payload, err = formPayload(raw); err != nil {
			return nil, err
		}
	}
	payload = bytes.Trim(payload, " \t\r\n")
	if len(payload) == 0 {
		return nil, errors.New("the payload is empty")
	}
	if payload[0] != '{' || !json.Valid(payload) {
		return nil, errors.New("the payload is not a JSON object")
	}
	return payload, nil
}

func isForm(contentType string, raw []byte) (bool, error) {
	if contentType == "" {
		return bytes.HasPrefix(raw, []byte("payload=")), nil
	}
	// The parameters do not matter here, so a fault in them does not either.
	media, _, err := mime.ParseMediaType(contentType)
	if err != nil && !errors.Is(err, mime.ErrInvalidMediaParameter) {
		return false, errors.New("the content type cannot be read: use application/json")
	}
	switch media {
	case "application/json":
		return false, nil
	case "application/x-www-form-urlencoded":
		return true, nil
	}
	return false, fmt.Errorf("the content type %.100q is not supported: use application/json", media)
}

func formPayload(raw []byte) ([]byte, error) {
	fields, err := url.ParseQuery(string(raw))
	if err != nil {
		return nil, errors.New("the form cannot be read")
	}
	switch values := fields["payload"]; len(values) {
	case 0:
		return nil, errors.New("the form has no field named payload")
	case 1:
		return []byte(values[0]), nil
	}
	return nil, errors.New("the form has more than one field named payload")
}

// CheckDeliveryID says what is wrong with the value of X-GitHub-Delivery, as a sentence for the client:
// an id is 1 to 128 printable ASCII characters without a space.
func CheckDeliveryID(id string) error {
	if id == "" {
		return errors.New("the delivery id is missing: the header X-GitHub-Delivery must be set")
	}
	if len(id) > maxDeliveryID {
		return fmt.Errorf("the delivery id is longer than %d characters", maxDeliveryID)
	}
	for i := range len(id) {
		if id[i] < 0x21 || id[i] > 0x7e {
			return errors.New("the delivery id has a character that is not printable ASCII")
		}
	}
	return nil
}
