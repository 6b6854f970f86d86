package gateway

import (
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"strconv"
	"strings"
	"time"

	"devs-webhook/messages"
)

// The reasons why an answer was cut off.
var (
	errResponseTooLarge = errors.New("the answer is larger than allowed")
	errAttemptEnded     = errors.New("the attempt has ended")
	errClientGone       = errors.New("the agent hung up")
)

// streams says whether an answer is a stream of events.
func streams(answer *http.Response) bool {
	kind, _, _ := mime.ParseMediaType(answer.Header.Get("Content-Type"))
	return kind == "text/event-stream"
}

// pass gives the API's answer to the client and says what it used. An error means that it was cut off.
func (p *passage) pass(ctx context.Context, answer *http.Response) (messages.Usage, error) {
	body, length, err := p.body(answer)
	if err == nil && length > p.limits.Response {
		err = errResponseTooLarge
	}
	if err == nil && answer.StatusCode/100 != 2 && answer.StatusCode < 400 {
		err = errors.New("the answer is a redirect: the API's address must be the final one")
	}
	if err != nil {
		p.log.Warn().Err(p.upstreamError(err)).Int("status", answer.StatusCode).Msg("answer of the model API refused")
		errAnswer.write(p.w)
		return messages.Usage{}, err
	}
	p.incoming(p.w.Header(), answer.Header)
	if length >= 0 {
		p.w.Header().Set("Content-Length", strconv.FormatInt(length, 10))
	}
	p.w.WriteHeader(answer.StatusCode)
	if streams(answer) {
		_ = p.control.Flush() // that it has begun is news in itself; a fault shows at the next write
	}
	meter := p.meter(answer)
	err = p.copy(ctx, body, meter, streams(answer))
	if err != nil {
		abort(p.w)
	}
	return meter.usage(), err
}

// meter counts answers that cost something: those of the model.
func (p *passage) meter(answer *http.Response) meter {
	switch {
	case answer.StatusCode/100 != 2 || p.r.URL.Path != "/v1/messages":
		return noMeter{}
	case streams(answer):
		return &streamMeter{}
	}
	return &jsonMeter{}
}

// body is the body of an answer in plain bytes, and its length, -1 if that is not known. It was asked for
// without an encoding, but not everybody in between listens.
func (p *passage) body(answer *http.Response) (io.Reader, int64, error) {
	var body io.Reader = answer.Body
	length := answer.ContentLength
	switch encoding := strings.ToLower(answer.Header.Get("Content-Encoding")); encoding {
	case "", "identity":
	case "gzip":
		if p.r.Method == http.MethodHead {
			break
		}
		plain, err := gzip.NewReader(body)
		if err != nil {
			return nil, 0, fmt.Errorf("unpack the answer: %w", err)
		}
		body, length = plain, -1
	default:
		return nil, 0, fmt.Errorf("the answer has the encoding %q", encoding)
	}
	return &maskReader{mask: p.mask, from: body}, length, nil
}

// copy gives the client each part of an answer as soon as it is there. If the client goes, a stream is cut
// off, and what is no stream is read to its end all the same.
func (p *passage) copy(ctx context.Context, body io.Reader, meter meter, stream bool) error {
	buffer := make([]byte, 32<<10)
	var size int64
	gone := false
	asked := time.Now()
	for {
		n, err := body.Read(buffer)
		if size += int64(n); size > p.limits.Response {
			return errResponseTooLarge
		}
		meter.write(buffer[:n])
		if n > 0 && !gone {
			_, werr := p.w.Write(buffer[:n])
			if werr == nil && stream {
				werr = p.control.Flush()
			}
			gone = werr != nil
		}
		switch {
		case errors.Is(err, io.EOF) && !gone:
			return nil
		case errors.Is(err, io.EOF), gone && stream:
			return errClientGone
		case err != nil:
			return err
		}
		if time.Since(asked) > p.limits.Recheck {
			if p.ended(ctx) {
				return errAttemptEnded
			}
			asked = time.Now()
		}
	}
}

// ended says whether the attempt is no longer open. If the store does not answer, it may go on.
func (p *passage) ended(ctx context.Context) bool {
	ref, open, err := p.lookup(ctx, p.token)
	return err == nil && (!open || ref != p.attempt)
}
