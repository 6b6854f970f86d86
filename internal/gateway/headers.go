package gateway

import (
	"net/http"
	"slices"
	"strings"
)

// dropped are the headers of a request that do not go on: credentials of any kind, what concerns this
// connection only, what tells of the client's network, and what is decided here. Further ones are dropped
// by prefix, by the Connection header and by their value.
var dropped = map[string]bool{
	"Authorization": true, "X-Api-Key": true, "Proxy-Authorization": true, "Cookie": true, "Cookie2": true,
	"Connection": true, "Proxy-Connection": true, "Keep-Alive": true, "Te": true, "Trailer": true,
	"Transfer-Encoding": true, "Upgrade": true, "Http2-Settings": true, "Expect": true, "Content-Length": true, "Host": true,
	"Forwarded": true, "Via": true, "X-Real-Ip": true, "True-Client-Ip": true, "X-Client-Ip": true, "Client-Ip": true,
	"X-Original-Url": true, "X-Rewrite-Url": true, "X-Http-Method-Override": true, "Max-Forwards": true,
	"Accept-Encoding": true, "Range": true, "Origin": true, "Referer": true,
}

// droppedPrefixes are of the same kinds.
var droppedPrefixes = []string{"X-Forwarded-", "Proxy-", "Cf-", "X-Amz-", "X-Goog-", "Sec-"}

// outgoing makes the headers of the request to the API from those of the client. token is the attempt's
// own, which no header carries on.
func (g *Gateway) outgoing(from http.Header, token string) http.Header {
	named := connectionNamed(from)
	to := make(http.Header, len(from))
	for name, values := range from {
		if dropped[name] || named[name] ||
			slices.ContainsFunc(droppedPrefixes, func(p string) bool { return strings.HasPrefix(name, p) }) ||
			slices.ContainsFunc(values, func(v string) bool { return strings.Contains(v, token) }) {
			continue
		}
		to[name] = slices.Clone(values)
	}
	if _, ok := to["User-Agent"]; !ok {
		to["User-Agent"] = []string{""} // or else net/http names itself
	}
	// What comes back is looked through.
	to.Set("Accept-Encoding", "identity")
	g.authorize(to)
	return to
}

// connectionNamed are the headers that the client's Connection header says are for this connection only.
func connectionNamed(h http.Header) map[string]bool {
	named := make(map[string]bool)
	for _, value := range h["Connection"] {
		for name := range strings.SplitSeq(value, ",") {
			named[http.CanonicalHeaderKey(strings.TrimSpace(name))] = true
		}
	}
	return named
}

// passed are the headers of an answer that go on to the client; those of the API itself do by prefix.
var passed = map[string]bool{
	"Content-Type": true, "Date": true, "Request-Id": true, "X-Request-Id": true, "Cf-Ray": true,
	"Retry-After": true, "Retry-After-Ms": true, "X-Should-Retry": true, "Cache-Control": true,
}

// incoming copies what the client may see of an answer's headers, without the key.
func (g *Gateway) incoming(to, from http.Header) {
	for name, values := range from {
		if !passed[name] && !strings.HasPrefix(name, "Anthropic-") {
			continue
		}
		for _, value := range values {
			to.Add(name, g.mask.text(value))
		}
	}
}
