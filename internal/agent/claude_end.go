package agent

import (
	"fmt"
	"net/http"
	"slices"
	"strings"

	"devs-webhook/messages"
)

// addResult takes a result line. There is one, but for runs that take several prompts or are woken again by
// work in the background; then the last one says how it ended. total_cost_usd counts from the session's
// beginning, which may lie before this run.
func (p *claudeParser) addResult(l claudeLine) {
	p.result = &l
	p.turns = min(p.turns+min(max(l.NumTurns, 0), maxTurns), maxTurns)
	cost := l.TotalCostUSD - p.cost
	if len(l.UsageSinceLast) > 0 {
		cost = 0
		for _, usage := range l.UsageSinceLast {
			cost += min(max(usage.CostUSD, 0), maxCostUSD)
		}
	}
	p.cost = min(p.cost+max(cost, 0), maxCostUSD)
}

// What a forged stream can claim at most: sums of these stay finite.
const (
	maxTurns   = 1_000_000
	maxCostUSD = 1_000_000
)

// End judges the run. Success is a result line without an error, of subtype success, after at least one turn,
// and exit 0: an API error has subtype success too, an interrupted run ends with exit 0, and a prompt that was
// taken for a command ends well after no turn at all.
func (p *claudeParser) End(exit int, signal string) End {
	end := End{
		Words: tail(p.words, maxWords), Turns: p.turns, CostUSD: p.cost, Session: p.session, Model: p.model,
	}
	switch r := p.result; {
	case r == nil:
		end.Ending, end.Detail = p.noResult(exit, signal)
	case !succeeded(r):
		end.Ending, end.Detail = p.badResult(r)
		end.SessionLost = lostSession(r)
	case signal != "" || exit != 0:
		end.Ending, end.Detail = messages.EndAgentFailed, badExit(exit, signal)+" after it had stated its result"
	default:
		end.Ending, end.Detail = messages.EndSucceeded, denied(r)
		if r.Result != "" {
			end.Words = tail(strings.TrimSpace(strings.ToValidUTF8(r.Result, "\uFFFD")), maxWords)
		}
	}
	return end
}

func succeeded(r *claudeLine) bool {
	return withoutError(r) && r.NumTurns > 0
}

// lostSession says whether a run that was to go on with a session has not found it: it ends with an error
// before its first turn, and nothing has asked the model.
func lostSession(r *claudeLine) bool {
	return r.Subtype == "error_during_execution" && r.NumTurns == 0 && len(r.Errors) > 0
}

func withoutError(r *claudeLine) bool {
	return string(r.IsError) == "false" && r.Subtype == "success"
}

// denied names the tools whose use was denied in a run that went well otherwise.
func denied(r *claudeLine) string {
	if len(r.Denials) == 0 {
		return ""
	}
	var names []string
	for _, d := range r.Denials {
		names = append(names, cut(d.ToolName, 64))
	}
	slices.Sort(names)
	return cut("the use of a tool was denied: "+strings.Join(slices.Compact(names), ", "), 300)
}

// noResult judges a run that ended without a result line. If the last thing that it told was that it waits
// for the model's API, that is why.
func (p *claudeParser) noResult(exit int, signal string) (messages.Ending, string) {
	if p.waiting.code != "" {
		if ending, known := p.waiting.ending(p.rejected); known {
			return ending, p.waiting.String() + "; it was waiting to try again when it ended"
		}
	}
	detail := badExit(exit, signal)
	switch {
	case detail == "":
		detail = "the agent ended without a result"
	case !p.spoke:
		detail += " before it said anything"
	default:
		detail += " without a result"
	}
	return messages.EndAgentFailed, detail
}

// badResult judges a result line that does not state success, by its typed fields and never by its text.
func (p *claudeParser) badResult(r *claudeLine) (messages.Ending, string) {
	switch {
	case r.Subtype == "error_max_turns":
		return messages.EndTurnLimit, firstError(r)
	case r.Subtype == "error_max_budget_usd":
		return messages.EndBudgetLimit, firstError(r)
	case r.TerminalReason == "prompt_too_long":
		return messages.EndPromptTooLong, ""
	case r.StopReason == "refusal":
		return messages.EndModelRefused, ""
	}
	failure := p.apiError
	if status := number(r.APIStatus); status != 0 {
		failure.status = status
	}
	if ending, known := failure.ending(p.rejected); known {
		return ending, failure.String()
	}
	switch {
	case failure != (apiError{}):
		return messages.EndAgentFailed, failure.String()
	case withoutError(r):
		return messages.EndAgentFailed, "the agent ended without asking the model anything"
	case r.TerminalReason != "":
		return messages.EndAgentFailed, cut("the agent stated: "+firstLine(visible(r.TerminalReason)), 300)
	case len(r.Errors) > 0:
		return messages.EndAgentFailed, firstError(r)
	}
	return messages.EndAgentFailed, "the agent stated an error"
}

func firstError(r *claudeLine) string {
	if len(r.Errors) == 0 {
		return ""
	}
	return cut(firstLine(visible(r.Errors[0])), 300)
}

// ending says what an error of the model's API means, as far as it is known. A rate limit passes by itself, and
// so is called busy, unless the provider has said that the plan's limit is used up.
func (e apiError) ending(rejected bool) (messages.Ending, bool) {
	switch e.code {
	case "billing_error":
		return messages.EndModelQuota, true
	case "authentication_failed", "model_not_found":
		return messages.EndModelAuth, true
	}
	switch {
	case e.status == http.StatusUnauthorized, e.status == http.StatusForbidden, e.status == http.StatusNotFound:
		return messages.EndModelAuth, true
	case e.status == http.StatusPaymentRequired:
		return messages.EndModelQuota, true
	case e.status == http.StatusRequestEntityTooLarge:
		return messages.EndPromptTooLong, true
	case e.status == http.StatusTooManyRequests, e.code == "rate_limit":
		if rejected {
			return messages.EndModelQuota, true
		}
		return messages.EndModelBusy, true
	case e.status == http.StatusRequestTimeout, e.status >= 500,
		e.code == "overloaded", e.code == "server_error", e.code == "unknown" && e.status == 0:
		return messages.EndModelBusy, true
	}
	return "", false
}

// String says in a few words what the model's API answered. The provider's own sentence is not repeated: it
// may name addresses of the operator's, and asks for things that the reader cannot do.
func (e apiError) String() string {
	code := e.code
	if code == "" {
		code = "error"
	}
	code = cut(strings.Join(strings.Fields(visible(code)), " "), 64)
	switch {
	case e.status != 0:
		return fmt.Sprintf("the model's API answered %d (%s)", e.status, code)
	case e.code == "unknown":
		return "the model's API gave no answer"
	case e.code == "max_output_tokens":
		return "the model's answer was longer than it may be (max_output_tokens)"
	}
	return fmt.Sprintf("the model's API could not be used (%s)", code)
}
