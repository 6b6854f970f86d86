package model

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
)

// answer is what the model says to one request: an error, silence, or a message.
type answer struct {
	status int    // other than 200 for an error
	kind   string // of the error
	text   string // the error's, or the message's
	mute   bool
	slow   bool   // the text comes slowly
	tool   string // empty if the message ends the turn
	input  map[string]any
	usage  Usage
}

// What an ordinary answer uses, and a large one.
func ordinary() Usage { return Usage{Input: 1000, Output: 50, CacheRead: 2000, CacheWrite: 100} }
func large() Usage    { return Usage{Input: 200_000, Output: 20_000} }

func say(format string, args ...any) answer {
	return answer{status: http.StatusOK, text: fmt.Sprintf(format, args...), usage: ordinary()}
}

func (a answer) use(tool string, input map[string]any) answer {
	a.tool, a.input = tool, input
	return a
}

func (a answer) bash(command, description string) answer {
	return a.use("Bash", map[string]any{"command": command, "description": description})
}

func refuse(status int, kind, text string) answer {
	return answer{status: status, kind: kind, text: text}
}

func overloaded() answer { return refuse(529, "overloaded_error", "Overloaded") }

// answer follows the scenario of the turn.
func (m *Model) answer(t turn) answer {
	switch t.scenario {
	case "fix":
		return fix(t)
	case "busy":
		if t.steps() == 0 && m.isBusy(t.prompt) {
			return overloaded()
		}
		return fix(t)
	case "slow":
		a := fix(t)
		a.slow = t.steps() == 0
		return a
	case "hang-tool":
		return hangTool(t)
	case "loop":
		return loop(t)
	case "costly":
		a := loop(t)
		a.usage = large()
		return a
	case "recall":
		return recall(t)
	case "note":
		if t.steps() > 0 {
			return recall(t)
		}
		return say("I will note it.").bash("echo 'Asked again.' >>NOTES.md && git add NOTES.md && git commit --quiet --message 'Note the request'", "Note and commit")
	case "overloaded":
		return overloaded()
	case "no-credit":
		return refuse(http.StatusBadRequest, "invalid_request_error",
			"Your credit balance is too low to access the Anthropic API. Please go to Plans & Billing to upgrade or purchase credits.")
	case "too-long":
		return refuse(http.StatusBadRequest, "invalid_request_error", "prompt is too long: 250000 tokens > 200000 maximum")
	case "mute":
		return answer{status: http.StatusOK, mute: true}
	}
	return say("I have read what you wrote, and there is nothing for me to do.")
}

// recall proves that a session was gone on with.
func recall(t turn) answer {
	if len(t.before) == 0 {
		return say("This is the first thing that you ask me.")
	}
	return say("You have asked me %d times before: %s.", len(t.before), strings.Join(t.before, ", "))
}

// The bug of the demonstration's repository, and its mending.
const (
	buggyLine = `if [ "$stored" = "$password" ]; then`
	fixedLine = `if [ -n "$stored" ] && [ "$stored" = "$password" ]; then`
)

// fix takes one step after the other; its first one also finds out the working directory, because Read and Edit want
// whole paths.
func fix(t turn) answer {
	dir := ""
	if len(t.results) > 0 {
		dir = firstLine(t.results[0].text)
	}
	switch t.steps() {
	case 0:
		return say("I will run the tests to see what is wrong.").bash("pwd; sh test.sh; true", "Run the tests")
	case 1:
		return say("A user who is not known gets in. I will look at login.sh.").use("Read", map[string]any{"file_path": dir + "/login.sh"})
	case 2:
		return say("An unknown user has an empty stored password, and an empty one fits.").use("Edit", map[string]any{
			"file_path": dir + "/login.sh", "old_string": buggyLine, "new_string": fixedLine,
		})
	case 3:
		return say("Now the tests again, and a commit.").bash(
			"sh test.sh && git add login.sh && git commit --quiet --message 'Refuse the login of unknown users'", "Run the tests and commit")
	}
	if last := t.results[len(t.results)-1]; last.failed {
		return say("I could not mend the login: %s", firstLine(last.text))
	}
	return say("The login no longer lets unknown users in: login.sh now asks for a stored password. test.sh passes, and the change is committed.")
}

// hangTool waits in a way that Claude Code accepts: a bare sleep it refuses. The tool's own limit is asked to be as
// long as it may be.
func hangTool(t turn) answer {
	if t.steps() > 0 {
		return say("I have waited.")
	}
	return say("I will wait for the server.").use("Bash", map[string]any{
		"command": "sh -c 'echo waiting; sleep 600'", "description": "Wait for the server", "timeout": 600_000,
	})
}

func loop(t turn) answer {
	return say("Once more.").bash(fmt.Sprintf("echo turn %d", t.steps()+1), "Take a turn")
}

func firstLine(text string) string {
	line, _, _ := strings.Cut(strings.TrimSpace(text), "\n")
	return strings.TrimSpace(line)
}

// blocks are the parts of an answer's message. The id of a use of a tool is unique by the request's number.
func (a answer) blocks(number int) []block {
	list := []block{{Type: "text", Text: a.text}}
	if a.tool != "" {
		input, err := json.Marshal(a.input)
		if err != nil { // only of texts and numbers, which cannot fail
			input = []byte("{}")
		}
		list = append(list, block{Type: "tool_use", ID: fmt.Sprintf("toolu_sim%06d", number), Name: a.tool, Input: input})
	}
	return list
}

func (a answer) stopReason() string {
	if a.tool != "" {
		return "tool_use"
	}
	return "end_turn"
}
