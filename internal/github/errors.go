package github

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strconv"
	"strings"
	"time"
	"unicode"

	"github.com/google/go-github/v89/github"

	"devs-webhook/messages"
)

// account is what the transport tells about one call. go-github has errors of its own, but puts the
// context's in the place of the transport's when the context has ended, and then it is not known any more
// whether anything was sent.
type account struct {
	write  bool
	lost   error  // typed; why there is no answer
	answer answer // the last one
}

type accountKey struct{}

func accountOf(ctx context.Context) *account {
	if told, ok := ctx.Value(accountKey{}).(*account); ok {
		return told
	}
	return new(account)
}

// failure is the typed error of a call that failed with err.
func (a *account) failure(what string, err error) error {
	switch {
	case a.lost != nil:
		return fmt.Errorf("%s: %w", what, a.lost)
	case a.answer.status == 0: // it did not come to a request
		return &messages.RefusedError{Why: "The service could not " + what, Err: err}
	default:
		return a.answer.failure(what, a.write)
	}
}

// unclear is the error of an answer that says nothing: a write may have been done.
func (a *account) unclear(err error) error {
	if a.write {
		return &messages.AmbiguousError{Err: err}
	}
	return &messages.LaterError{After: a.answer.after, Err: err}
}

// lost is the typed error of a request without an answer.
func lost(write, notSent bool, origin string, err error) error {
	switch {
	case notSent:
		return later("GitHub at %s cannot be reached: %w; check the network and GITHUB_API_URL", origin, err)
	case write:
		return &messages.AmbiguousError{Err: fmt.Errorf("GitHub at %s did not answer a write: %w", origin, err)}
	default:
		return later("GitHub at %s did not answer: %w", origin, err)
	}
}

// notSent says whether it is certain that the request did not leave this machine: a connection was asked for
// and never came about (name, dial, proxy, TLS). Where the transport tells nothing, only a failed dial is
// certain.
func (p *path) notSent(err error) bool {
	if p.asked.Load() {
		return !p.connected.Load()
	}
	var op *net.OpError
	var dns *net.DNSError
	return errors.As(err, &op) && op.Op == "dial" || errors.As(err, &dns)
}

// answer is what the statuses and headers of an answer say.
type answer struct {
	status  int
	header  http.Header
	message string // GitHub's own words, for people; empty if it is no error of GitHub's
	about   string // its documentation_url

	limited bool          // refused because of a limit
	after   time.Duration // the pause that it asked for
}

// readAnswer takes the error out of an answer. The token is taken out of its words, should a server
// repeat what it was sent.
func readAnswer(resp *http.Response, body []byte, token string) answer {
	a := answer{status: resp.StatusCode, header: resp.Header}
	if a.status < 300 {
		return a
	}
	var said github.ErrorResponse
	if err := json.Unmarshal(body, &said); err != nil {
		return a
	}
	words := []string{said.Message}
	for _, e := range said.Errors {
		switch {
		case e.Message != "":
			words = append(words, e.Message)
		case e.Field != "" && e.Code != "":
			words = append(words, e.Field+" is "+strings.ReplaceAll(e.Code, "_", " "))
		}
	}
	a.message = clean(strings.ReplaceAll(strings.Join(words, ": "), token, "***"))
	a.about = said.DocumentationURL
	return a
}

// failure is the typed error of an answer other than the wanted one.
func (a answer) failure(what string, write bool) error {
	told := account{write: write, answer: a}
	switch {
	case a.limited:
		return fmt.Errorf("%s: %w", what, &messages.LaterError{
			After: a.after,
			Err:   fmt.Errorf("GitHub asked for a pause of %s (%s)", a.after.Round(time.Second), a.said()),
		})
	case a.status == http.StatusUnauthorized:
		return fmt.Errorf("%s: %w", what, &messages.LaterError{
			After: time.Minute,
			Err:   fmt.Errorf("GitHub does not accept the token (%s): set GITHUB_TOKEN to a valid one", a.said()),
		})
	case a.status == http.StatusProxyAuthRequired:
		return fmt.Errorf("%s: %w", what, later("the proxy wants a password (%s)", a.said()))
	case a.status == http.StatusRequestTimeout || a.status >= 500:
		return fmt.Errorf("%s: %w", what, told.unclear(fmt.Errorf("GitHub is in trouble (%s)", a.said())))
	case a.status < 400 || a.message == "":
		// A page of a proxy's, a captive portal's: neither a yes nor a no of GitHub's.
		return fmt.Errorf("%s: %w", what, told.unclear(
			fmt.Errorf("an answer that is not GitHub's (%s): check GITHUB_API_URL and the proxy", a.said())))
	case a.status == http.StatusNotFound || a.status == http.StatusGone:
		return fmt.Errorf("%s: GitHub answered %s: %w", what, a.said(), messages.ErrNotFound)
	default:
		return &messages.RefusedError{
			Why: fmt.Sprintf("GitHub refused to %s: %s", what, a.message),
			Err: fmt.Errorf("status %d", a.status),
		}
	}
}

func (a answer) said() string {
	if a.message == "" {
		return strconv.Itoa(a.status)
	}
	return strconv.Itoa(a.status) + ": " + a.message
}

// pause says whether GitHub wants to hear nothing for a while, and how long (0: it did not say). It may say
// so with a success, the last one of the hour.
func (a answer) pause(now time.Time) (after time.Duration, stop bool) {
	if date, err := http.ParseTime(a.header.Get("Date")); err == nil {
		now = date // the times in the headers are of GitHub's clock
	}
	retry := retryAfter(a.header.Get("Retry-After"), now)
	spent := a.header.Get("X-RateLimit-Remaining") == "0"
	if resource := a.header.Get("X-RateLimit-Resource"); resource != "" && resource != "core" {
		spent = spent && a.status >= 400 // the budget of another kind of request
	}
	var reset time.Duration
	if seconds, err := strconv.ParseInt(a.header.Get("X-RateLimit-Reset"), 10, 64); spent && err == nil {
		reset = until(time.Unix(seconds, 0), now)
		if reset > 0 {
			reset += time.Second // it names the second, not its end
		}
	}
	after = min(max(retry, reset), longestWait)
	switch {
	case a.status == http.StatusTooManyRequests:
		return after, true
	case a.status == http.StatusForbidden:
		return after, spent || retry > 0 || a.secondary()
	case a.status >= 500:
		return after, retry > 0
	default:
		return after, reset > 0
	}
}

// longestWait bounds what a header can ask for: GitHub's windows are an hour.
const longestWait = 24 * time.Hour

// secondary says whether the words are those of a secondary limit, which has no status or header of its own.
func (a answer) secondary() bool {
	return strings.HasSuffix(a.about, "secondary-rate-limits") || strings.HasSuffix(a.about, "#abuse-rate-limits") ||
		strings.Contains(strings.ToLower(a.message), "secondary rate limit")
}

// retryAfter reads the header: seconds or a date, 0 if it is not there or is neither. What is there asks for
// a second at least.
func retryAfter(text string, now time.Time) time.Duration {
	if text == "" {
		return 0
	}
	if seconds, err := strconv.ParseInt(text, 10, 64); err == nil {
		seconds = min(max(seconds, 1), int64(longestWait/time.Second))
		return time.Duration(seconds) * time.Second
	}
	if date, err := http.ParseTime(text); err == nil {
		return max(until(date, now), time.Second)
	}
	return 0
}

// until is how long the time is away, 0 if it has passed. It is bounded, so that it can be added to.
func until(t, now time.Time) time.Duration { return min(max(t.Sub(now), 0), longestWait) }

// clean makes one line of what another program said, of 300 characters at most.
func clean(text string) string {
	text = strings.Map(func(r rune) rune {
		if unicode.IsControl(r) {
			return ' '
		}
		return r
	}, strings.ToValidUTF8(text, "?"))
	text = strings.TrimSpace(text)
	if runes := []rune(text); len(runes) > 300 {
		return string(runes[:300]) + "…"
	}
	return text
}
