// Package comment writes the texts that the service shows on GitHub: the comment of a task's progress, the
// final comment, and the pull request's title and body.
//
// It is pure: a text depends on its arguments only. What people and agents wrote - titles, logins, tool
// calls, file names - is put into code spans or escaped, so that it can neither mention anybody, nor close an
// issue, nor draw a link of its own. Only words that the caller says are filtered stand as they are, and
// even these cannot swallow what follows them. No text holds a path of the host, a token or a stack, as
// long as the sentences that come in do not.
package comment
