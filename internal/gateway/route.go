package gateway

import (
	"net/http"
	"regexp"
)

// modelPath is the path of one model. The name is not decoded, so nothing in it can lead elsewhere.
var modelPath = regexp.MustCompile(`^/v1/models/[A-Za-z0-9][A-Za-z0-9._:@-]{0,127}$`)

// routed says whether a request is for one of the routes that an attempt may use: those of the Messages
// API, and the one by which Claude Code sees whether the API is there.
func routed(r *http.Request) bool {
	path := r.URL.EscapedPath()
	switch r.Method {
	case http.MethodPost:
		return path == "/v1/messages" || path == "/v1/messages/count_tokens"
	case http.MethodGet:
		return path == "/v1/models" || path == "/api/hello" || modelPath.MatchString(path)
	case http.MethodHead:
		return path == "/api/hello"
	}
	return false
}
