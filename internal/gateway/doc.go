// Package gateway lends the model's API to attempts without its key: an http.Handler that takes a random
// token of an open attempt in place of the key, puts the real key in, and passes a closed list of the API's
// routes on to the real API. It counts what each attempt uses, by the API's own figures.
//
// It may be used by any number of connections at once, and keeps nothing that a crash could lose: whose a
// token is, and whether the attempt is open, the store knows and is asked for every request. So after a
// restart the same token opens the same door, and the token of an attempt that has ended opens none.
//
// The client is hostile: it is whatever runs in a container. All it can do is to use the model, as much as
// its attempt lasts: it learns no credential, reaches no other route and no other host, and cannot take
// more connections or memory than the limits say. The upstream is trusted to be the model's API, but not
// to keep the key to itself: headers pass by a closed list, and the key is taken out of bodies too.
//
// The protocol: https://platform.claude.com/docs/en/api/overview (authentication, errors, request sizes)
// and …/build-with-claude/streaming (events).
package gateway
