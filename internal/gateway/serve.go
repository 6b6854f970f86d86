package gateway

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/rs/zerolog"

	"devs-webhook/messages"
)

// ServeHTTP answers one request of an attempt. It sets the connection's deadlines by itself: an answer may
// take as long as the model thinks, whatever the server's own time limits are.
func (g *Gateway) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if local, ok := r.Context().Value(http.LocalAddrContextKey).(net.Addr); !ok || !g.allow(local) {
		abort(w)
		return
	}
	if !routed(r) {
		errRoute.write(w)
		return
	}
	token := tokenOf(r.Header)
	ref, open, err := g.lookup(r.Context(), token)
	switch {
	case err != nil:
		g.log.Error().Err(err).Msg("token not looked up")
		errStore.write(w)
		return
	case !open:
		g.log.Debug().Str("method", r.Method).Str("path", r.URL.Path).Msg("token refused")
		errToken.write(w)
		return
	case r.ContentLength > g.limits.Request:
		errTooLarge.write(w)
		return
	case !g.take(ref):
		errTooMany.write(w)
		return
	}
	defer g.release(ref)
	control := http.NewResponseController(w)
	// They fail where the transport has none, as in a test without a connection.
	_ = errors.Join(control.SetReadDeadline(time.Time{}), control.SetWriteDeadline(time.Time{}))
	p := passage{
		Gateway: g, attempt: ref, token: token, w: w, r: r, control: control,
		log: g.log.With().Str("attempt", ref.String()).Str("method", r.Method).Str("path", r.URL.Path).Logger(),
	}
	p.run()
}

// maxToken is longer than any token of ours.
const maxToken = 256

// tokenOf is the attempt's token, where the agent's client puts an API key or a subscription's token.
func tokenOf(h http.Header) string {
	if key := h.Get("X-Api-Key"); key != "" {
		return key
	}
	scheme, token, _ := strings.Cut(h.Get("Authorization"), " ")
	if !strings.EqualFold(scheme, "Bearer") {
		return ""
	}
	return strings.TrimSpace(token)
}

// lookup asks whose the token is. It is asked for each request: an attempt that has ended is refused at
// once, and the answer costs next to nothing beside the model's.
func (g *Gateway) lookup(ctx context.Context, token string) (messages.AttemptRef, bool, error) {
	if token == "" || len(token) > maxToken {
		return messages.AttemptRef{}, false, nil
	}
	sum := sha256.Sum256([]byte(token))
	return g.attempts.ByToken(ctx, hex.EncodeToString(sum[:]))
}

// passage is one request on its way to the API, and its answer on the way back.
type passage struct {
	*Gateway
	attempt messages.AttemptRef
	token   string
	w       http.ResponseWriter
	r       *http.Request
	control *http.ResponseController
	log     zerolog.Logger
}

// run asks the API. The request to it ends with the client's, until the headers of an answer that is no
// stream are there: from then on it is paid for, and is read to its end, to be counted.
func (p *passage) run() {
	ctx, cancel := context.WithCancel(context.WithoutCancel(p.r.Context()))
	defer cancel()
	unlink := context.AfterFunc(p.r.Context(), cancel)
	defer unlink()
	begun := time.Now()
	// RoundTrip, and not a client: it follows no redirect.
	out := p.request(ctx)
	defer func() { _ = out.Body.Close() }() // the transport may read on after it has answered
	answer, err := p.transport.RoundTrip(out)
	if err != nil {
		p.failed(err)
		return
	}
	defer func() { _ = answer.Body.Close() }()
	if !streams(answer) {
		unlink()
		defer time.AfterFunc(p.limits.Drain, cancel).Stop()
	}
	used, err := p.pass(ctx, answer)
	p.count(ctx, p.attempt, used)
	if err != nil {
		err = p.upstreamError(err)
	}
	p.log.Debug().AnErr("cut", err).Int("status", answer.StatusCode).Dur("dur", time.Since(begun)).Int64("input", used.Input).
		Int64("output", used.Output).Float64("cost_usd", used.CostUSD).Msg("request passed on")
}

// request is the one that goes to the API. Its address is made of ours and of a path that was compared as
// a whole.
func (p *passage) request(ctx context.Context) *http.Request {
	target := *p.upstream
	if target.RawPath != "" {
		target.RawPath += p.r.URL.EscapedPath()
	}
	target.Path += p.r.URL.Path
	target.RawQuery = cleanQuery(p.r.URL.RawQuery)
	out := &http.Request{
		Method: p.r.Method, URL: &target, Host: target.Host, Header: p.outgoing(p.r.Header, p.token),
		ContentLength: p.r.ContentLength, Body: http.NoBody,
		Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
	}
	if p.r.Method == http.MethodPost && p.r.ContentLength != 0 {
		out.Body = http.MaxBytesReader(p.w, p.r.Body, p.limits.Request)
	} else {
		out.ContentLength = 0
	}
	return out.WithContext(ctx)
}

// cleanQuery is the query as the API will read it, whatever other ways there are to read it.
func cleanQuery(raw string) string {
	values, _ := url.ParseQuery(raw) // what cannot be read is left out
	return values.Encode()
}

// failed answers a request to which the API gave no answer.
func (p *passage) failed(err error) {
	switch tooLarge, _ := errors.AsType[*http.MaxBytesError](err); {
	case tooLarge != nil:
		errTooLarge.write(p.w)
	case p.r.Context().Err() != nil: // the client has gone
		p.log.Debug().Msg("request given up by the agent")
	default:
		p.log.Warn().Err(p.upstreamError(err)).Msg("model API not reached")
		errUpstream.write(p.w)
	}
}
