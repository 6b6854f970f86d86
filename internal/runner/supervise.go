package runner

import (
	"context"
	"syscall"
	"time"

	"devs-webhook/messages"
)

// agentEnd is the end of the agent as the runner saw it.
type agentEnd struct {
	messages.AgentEnd
	exit int
}

const (
	goneTime  = 10 * time.Second // for a killed agent to be gone
	drainTime = 2 * time.Second  // for its last lines, when all processes are dead
)

// guard is the state of watching one agent.
type guard struct {
	a      *attempt
	run    *agentRun
	parser Parser
	watch  *watch
	lines  <-chan []byte
	why    messages.Ending // why it is being ended; empty while it is not
	killAt time.Time       // when SIGTERM has had its chance
	gone   time.Time       // when SIGKILL has
	lost   bool            // even that did not end it
}

// watchAgent reads what the agent prints, holds it to its limits, and returns once it and all that it has started
// are dead.
func (a *attempt) watchAgent(ctx context.Context, run *agentRun, parser Parser) agentEnd {
	g := &guard{
		a: a, run: run, parser: parser, lines: run.lines,
		watch: newWatch(a.spec.Limits, a.opts.Linger, a.wall, time.Now()),
	}
	cancelled := ctx.Done()
	timer := time.NewTimer(0)
	defer timer.Stop()
	for !g.lost {
		timer.Reset(g.sleep())
		select {
		case <-run.exited:
			g.drain()
			return g.end()
		case line, ok := <-g.lines:
			g.line(line, ok)
		case <-run.activity:
			g.watch.heard = time.Now()
		case <-cancelled:
			cancelled = nil
			g.stop(messages.EndCancelled, a.opts.CancelGrace)
		case <-timer.C:
			g.tick(time.Now())
		}
	}
	g.drain()
	return g.end()
}

// line takes a line of the agent's output, or the end of it.
func (g *guard) line(line []byte, ok bool) {
	now := time.Now()
	g.watch.heard = now
	if !ok {
		g.lines, g.watch.said = nil, true
		return
	}
	for _, e := range g.parser.Line(line) {
		g.watch.event(e, now)
		g.a.rec.add(e)
	}
	g.watch.said = g.watch.said || g.parser.Done()
}

// sleep is how long nothing needs to be looked at, if nothing happens.
func (g *guard) sleep() time.Duration {
	next := time.Now().Add(time.Hour)
	sooner := func(t time.Time) {
		if !t.IsZero() && t.Before(next) {
			next = t
		}
	}
	if at, due := g.a.rec.flushAt(); due {
		sooner(at)
	}
	switch {
	case !g.gone.IsZero():
		sooner(g.gone)
	case g.why != "":
		sooner(g.killAt)
	default:
		at, _ := g.watch.next()
		sooner(at)
	}
	return max(0, time.Until(next))
}

// tick does what is due.
func (g *guard) tick(now time.Time) {
	if at, due := g.a.rec.flushAt(); due && !now.Before(at) {
		g.a.rec.flush()
	}
	switch {
	case !g.gone.IsZero():
		g.lost = !now.Before(g.gone)
	case g.why != "":
		if !now.Before(g.killAt) {
			g.a.rec.runner("the agent did not end by itself and is killed")
			g.kill(now)
		}
	default:
		if at, why := g.watch.next(); !at.IsZero() && !now.Before(at) {
			g.stop(why, g.a.opts.Grace)
		}
	}
}

// stop asks the agent's process group to end. The first reason counts; a later one can only shorten the grace.
func (g *guard) stop(why messages.Ending, grace time.Duration) {
	at := time.Now().Add(grace)
	if g.why != "" {
		if at.Before(g.killAt) {
			g.killAt = at
		}
		return
	}
	g.why, g.killAt = why, at
	g.a.rec.runner("%s; the agent is asked to end", g.watch.reason(why))
	g.signal(syscall.SIGTERM)
}

func (g *guard) kill(now time.Time) {
	g.gone = now.Add(goneTime)
	g.signal(syscall.SIGKILL)
	g.a.family.killAll()
}

// signal reaches the agent's group, which has the number of its first process.
func (g *guard) signal(s syscall.Signal) { _ = syscall.Kill(-g.run.cmd.Process.Pid, s) }

// drain kills what the agent has left behind and takes its last lines, which stay in the pipe after the death of
// whoever wrote them.
func (g *guard) drain() {
	g.signal(syscall.SIGKILL)
	g.a.family.killAll()
	timer := time.NewTimer(drainTime)
	defer timer.Stop()
	for g.lines != nil {
		select {
		case line, ok := <-g.lines:
			g.line(line, ok)
		case <-timer.C:
			// Somebody whom nobody could kill holds the pipe.
			close(g.run.abandon)
			g.lines = nil
		}
	}
	_ = g.run.stdout.Close()
	g.a.endAll()
	g.a.rec.flush()
}

// end judges. An agent that had stated its result before it was ended is judged by that: the work was done.
func (g *guard) end() agentEnd {
	exit, signal := 137, "SIGKILL"
	if !g.lost {
		exit, signal = exitCode(g.run.cmd.ProcessState), exitSignal(g.run.cmd.ProcessState)
	}
	stopped := g.why != "" && g.why != messages.EndCancelled
	if stopped && g.parser.Done() {
		return agentEnd{AgentEnd: g.parser.End(0, ""), exit: exit}
	}
	end := agentEnd{AgentEnd: g.parser.End(exit, signal), exit: exit}
	switch {
	case g.why == messages.EndCancelled:
		end.Ending, end.Detail = messages.EndCancelled, ""
	case g.why == endLinger:
		end.Detail = g.watch.reason(g.why)
	case stopped:
		end.Ending, end.Detail = g.why, g.watch.reason(g.why)
	case end.Ending == messages.EndAgentFailed && !g.lost:
		if text := g.run.stderr.text(); text != "" {
			end.Detail = cut(end.Detail+": "+g.a.withoutPaths(text), 600)
		}
	}
	return end
}
