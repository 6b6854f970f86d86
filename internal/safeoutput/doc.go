// Package safeoutput stands between an agent and the world. Read takes in what a runtime collected from an
// attempt, where every byte may be hostile; Policy is the one filter that all text of an agent passes
// before it is shown on GitHub.
//
// Nothing here speaks to the network or keeps state: all functions may be called from anywhere, at once.
// What an agent asked for and may not have is not thrown away: it comes back as text, for the report.
//
// The filter turns text into Markdown that GitHub renders as the words it was, and that does nothing else:
// it notifies nobody but the requesters, closes no other issue, gives no order to a bot, loads no image,
// leads to no unknown host, carries no secret, and cannot be taken for a comment of the service itself.
// It decides on a place once and then writes so that GitHub must agree: a backtick that it did not take
// for code is escaped, a fence that it thinks closed is closed. The filter of its own output is that output.
package safeoutput
