// Package messages holds the words of the program: what a delivery, an event, a request, a task, an
// attempt, an outcome and an effect are, and the typed messages that the actors send each other.
//
// It imports nothing of ours; everybody else imports it. Its values are plain data: they are copied
// when they are sent, and none holds a channel, a context or a function. What must survive a crash is
// in the store; a value of this package is only a view of it.
package messages
