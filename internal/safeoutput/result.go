package safeoutput

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"regexp"
	"time"

	"devs-webhook/messages"
)

// readResult reads result.json. One of another attempt, or of another protocol, is not taken.
func (o *Output) readResult(dir string, want messages.AttemptRef) error {
	raw, err := readFile(dir, resultFile, maxResult)
	if hostile, ok := errors.AsType[*hostileError](err); ok {
		o.Problem = resultFile + " was not read: " + hostile.what
		return nil
	}
	if err != nil || raw == nil {
		return err
	}
	result, err := parseResult(raw, want)
	if err != nil {
		o.Problem = err.Error()
		return nil
	}
	o.Result, o.HasResult = result, true
	return nil
}

// parseResult reads a result that may be forged in every field. The error is a sentence for people.
func parseResult(raw []byte, want messages.AttemptRef) (messages.Result, error) {
	var r messages.Result
	if err := json.Unmarshal(raw, &r); err != nil {
		return messages.Result{}, fmt.Errorf("%s cannot be read: %s", resultFile, cutRunes(oneLine(err.Error()), maxLine))
	}
	switch {
	case r.Protocol != messages.RunnerProtocol:
		return messages.Result{}, fmt.Errorf("%s is of protocol %d, not %d", resultFile, r.Protocol, messages.RunnerProtocol)
	case r.Attempt != want:
		return messages.Result{}, fmt.Errorf("%s belongs to attempt %s, not %s", resultFile, cutRunes(oneLine(r.Attempt.String()), 40), want)
	case !known(r.Ending):
		return messages.Result{}, fmt.Errorf("%s has the unknown ending %q", resultFile, cutRunes(oneLine(string(r.Ending)), 40))
	}
	r.Detail = cutRunes(oneLine(r.Detail), maxLine)
	r.Words = cutRunes(clean(r.Words), maxWords)
	r.Session, r.Model = cutRunes(oneLine(r.Session), maxName), cutRunes(oneLine(r.Model), maxName)
	r.Turns, r.Events = max(r.Turns, 0), max(r.Events, 0)
	if math.IsNaN(r.CostUSD) || r.CostUSD < 0 || r.CostUSD > 1e6 {
		r.CostUSD = 0
	}
	r.Base, r.Head = objectID(r.Base), objectID(r.Head)
	r.StartedAt, r.EndedAt = sensible(r.StartedAt), sensible(r.EndedAt)
	return r, nil
}

// known tells the endings that there are; a new one is to be added here.
func known(e messages.Ending) bool {
	switch e {
	case messages.EndSucceeded, messages.EndAgentFailed, messages.EndTimedOutWall, messages.EndTimedOutIdle,
		messages.EndTimedOutTool, messages.EndOutOfMemory, messages.EndModelBusy, messages.EndModelQuota,
		messages.EndModelAuth, messages.EndModelRefused, messages.EndTurnLimit, messages.EndBudgetLimit,
		messages.EndPromptTooLong, messages.EndSetupFailed, messages.EndContainerLost, messages.EndImageMissing,
		messages.EndCloneFailed, messages.EndCancelled, messages.EndResultInvalid, messages.EndInternal:
		return true
	}
	return false
}

var objectName = regexp.MustCompile(`^(?:[0-9a-f]{40}|[0-9a-f]{64})$`)

// objectID is the id of a git object, or nothing.
func objectID(id string) string {
	if !objectName.MatchString(id) {
		return ""
	}
	return id
}

// sensible is a time that later sums cannot overflow with, or none.
func sensible(t time.Time) time.Time {
	if y := t.Year(); y < 2000 || y > 2200 {
		return time.Time{}
	}
	return t.UTC()
}
