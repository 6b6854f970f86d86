package agent

import (
	"fmt"

	"devs-webhook/messages"
)

// End is what a stream says about the end of its run.
type End = messages.AgentEnd

// Parser reads the output of one run of an agent. It is used by one goroutine. What it reads was made by a
// program that is not trusted: no input makes it fail, and whatever it does not understand it passes over.
type Parser interface {
	// Line takes one line of standard output, without its newline, and gives its events; Seq and At are the
	// caller's. It does not keep the slice.
	Line(line []byte) []messages.AgentEvent
	// Done says whether the agent has stated its result, so that nothing more need be waited for.
	Done() bool
	// End judges the run after its process has ended with the exit code, by the signal if it is not empty (such
	// as "SIGKILL").
	End(exit int, signal string) End
}

// NewParser makes the parser for a run of the named agent.
func NewParser(name string) (Parser, error) {
	switch name {
	case Claude:
		return newClaudeParser(), nil
	case Command, Demo:
		return &commandParser{}, nil
	}
	return nil, fmt.Errorf("unknown agent %q", name)
}
