// Package model is a model's API for tests and demonstrations: Anthropic's Messages API, as far as Claude Code
// uses it, with real HTTP and real streams and no model behind it. What it answers follows from a word of the
// prompt, such as scenario:fix, and from what has been said since: it keeps no state of a conversation, so that a
// retry, a resumed session and a restarted gateway are answered as the API would answer them.
//
// The form of requests and answers is that of Claude Code 2.1.330, and of the API's documentation of the version
// 2023-06-01. A request that the API would refuse is refused: without a key, of a wrong form, or with a use of a
// tool that has no result.
//
// Scenarios:
//
//	fix         runs the tests of the demonstration's repository, mends login.sh, tests again, commits, says so
//	busy        answers 529 three times, then as fix
//	slow        as fix, but its first words come over about ten seconds
//	hang-tool   uses Bash for a command that takes ten minutes
//	loop        uses a tool on and on
//	costly      as loop, and each answer is as large as answers are
//	recall      says how often it has been asked before in this conversation, and with which scenarios
//	note        adds a line to NOTES.md, commits, and answers as recall
//	overloaded  answers 529 always
//	no-credit   answers 400 as for an account without credit
//	too-long    answers 400 as for a prompt that is longer than the model reads
//	mute        accepts the request and never says anything
//
// Any other prompt is answered with one sentence.
package model
