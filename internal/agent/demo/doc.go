// Package demo is a scripted agent without a model: it makes a real edit to a real repository, so that the
// whole way of a task can be seen, tested and broken without an account at a model's provider. The runner
// starts it as `devs-webhook agent-demo`; what it needs besides is sh and git.
//
// It also holds the repository that the demonstration uses, with a bug for it to mend.
package demo
