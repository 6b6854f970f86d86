// Package github is the service's side of GitHub's REST API: who an account is, what it may do, and the
// visible acts on issues and pull requests.
//
// The reporter and the processor call it, from any goroutine. Nothing in it survives a crash; what must
// be known afterwards (was this comment written?) is found again on GitHub by its marker, or by the
// branch of a pull request.
//
// It tries everything once. Each failure comes back as one of the types of package messages, so that the
// caller can decide: LaterError (nothing was done, try again), AmbiguousError (it may have been done, look
// first), RefusedError (GitHub said no), ErrNotFound. A governor keeps to GitHub's limits: writes one after
// the other, and nothing at all while GitHub has asked for a pause.
//
// Sources: https://docs.github.com/rest/using-the-rest-api/rate-limits-for-the-rest-api and
// https://docs.github.com/rest/using-the-rest-api/best-practices-for-using-the-rest-api.
package github
