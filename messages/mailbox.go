package messages

// ToContainer is what a container actor finds in its mailbox. A mailbox holds one message at most, so a
// send is always a try: who finds it full tries again at the next look at the store.
//
//sumtype:decl
type ToContainer interface{ toContainer() }

// Run offers a queued task. The receiver claims it in the store before it acts, so an offer may come
// late, twice, or for a task that another container has taken.
type Run struct{ Task TaskID }

// Cancel asks the container to end the task, if it is the one that runs there. The wish is also in the
// store, so that it outlives both ends.
type Cancel struct{ Task TaskID }

func (Run) toContainer()    {}
func (Cancel) toContainer() {}

// Bell wakes a listener that will look at the store. It holds one ring; further rings merge with it.
type Bell chan struct{}

// NewBell makes a bell that nobody has rung.
func NewBell() Bell { return make(Bell, 1) }

// Ring wakes the listener, now or when it is next free. It never blocks.
func (b Bell) Ring() {
	select {
	case b <- struct{}{}:
	default:
	}
}
