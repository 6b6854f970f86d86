// Package sim is a GitHub on the loopback interface: REST below /api/v3, git over smart HTTP, and signed
// webhooks. The demo and chaos commands run on it, and so do tests: a fake server, never a fake client.
//
// It answers as GitHub does where a client can tell the difference: status codes and error bodies,
// pagination, entity tags, rate-limit headers, permissions, one sequence of numbers for issues and pull
// requests, refs/pull/N/head, webhooks for what the API itself was used for, and no second try for a
// webhook that was not taken. Its sources are GitHub's REST and webhook documentation and the
// descriptions in octokit/openapi and octokit/webhooks, which the tests check it against.
//
// It also does what GitHub does rarely and a client must survive always: see Fault and Sending.
//
// What it does not have: organisations' members and teams, GitHub Apps, reviews and review comments,
// labels, checks, statuses, contents, GraphQL, forks. Everything but the git repositories is in memory
// and ends with Close. All methods may be called from any goroutine. The methods that stand for what a
// person does on the site (OpenIssue, CommentOn, …) panic if they are asked for what cannot be, such as
// a comment on an issue that does not exist: that is a fault of the program that plays the person.
package sim
