package gateway

import (
	"encoding/json"
	"net/http"
	"strconv"
)

// problem is an error in the API's own words, so that the agent's client knows what to do with it: it gives
// up after 4xx, but for 429, and tries again after 5xx.
type problem struct {
	status  int
	kind    string
	message string
}

// The errors of the gateway itself.
var (
	errToken    = problem{http.StatusUnauthorized, "authentication_error", "this token opens no attempt that is running"}
	errRoute    = problem{http.StatusNotFound, "not_found_error", "the gateway has no such route"}
	errTooLarge = problem{http.StatusRequestEntityTooLarge, "request_too_large", "the request is larger than the gateway allows"}
	errTooMany  = problem{http.StatusTooManyRequests, "rate_limit_error", "this attempt has too many requests under way"}
	errStore    = problem{http.StatusServiceUnavailable, "api_error", "the gateway could not look up the token; try again"}
	errUpstream = problem{http.StatusBadGateway, "api_error", "the gateway could not reach the model's API; try again"}
	errAnswer   = problem{http.StatusBadGateway, "api_error", "the model's API answered with something that the gateway does not pass on"}
)

// write answers with the error.
func (p problem) write(w http.ResponseWriter) {
	body, _ := json.Marshal(map[string]any{ // strings only: it cannot fail
		"type": "error", "error": map[string]string{"type": p.kind, "message": p.message},
	})
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Content-Length", strconv.Itoa(len(body)))
	if p.status == http.StatusTooManyRequests || p.status == http.StatusServiceUnavailable {
		w.Header().Set("Retry-After", "1")
	}
	w.WriteHeader(p.status)
	_, _ = w.Write(body) // an error means that nobody listens any more
}

// abort closes the client's connection, so that what it has got of an answer is not taken for the whole.
func abort(w http.ResponseWriter) {
	conn, _, err := http.NewResponseController(w).Hijack()
	if err != nil {
		panic(http.ErrAbortHandler) // HTTP/2 has no connection of its own to close
	}
	_ = conn.Close()
}
