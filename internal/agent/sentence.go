package agent

import "devs-webhook/messages"

// Sentence says what an ending means for the person who asked, and whose turn it is. It is plain text without a
// name, a path or a figure, for the final comment. An ending that it does not know gets the sentence of internal.
func Sentence(e messages.Ending) string {
	if s, known := sentences()[e]; known {
		return s
	}
	return sentences()[messages.EndInternal]
}

// sentences is the text of docs/agents.md; a test holds the two together.
func sentences() map[messages.Ending]string {
	return map[messages.Ending]string{
		messages.EndSucceeded: "The work is finished. It is your turn to review it.",
		messages.EndAgentFailed: "The agent ended before its work was finished. " +
			"Ask again, with more detail if the request left something open; if it ends so again, the operator of this service should look into the log.",
		messages.EndTimedOutWall: "The work took longer than a task may take, so it was stopped; what was done until then is kept. " +
			"Ask for a smaller step, or ask the operator of this service for more time.",
		messages.EndTimedOutIdle: "The agent was silent for too long, so it was stopped; what was done until then is kept. " +
			"Ask again; if it happens again, ask for a smaller step.",
		messages.EndTimedOutTool: "A single command of the agent took too long, so the work was stopped; what was done until then is kept. " +
			"Ask again and say which command to avoid, or ask the operator of this service for more time.",
		messages.EndOutOfMemory: "The work needed more memory than a task may use. " +
			"Ask for a smaller step, or ask the operator of this service for more memory.",
		messages.EndModelBusy: "The model's provider was overloaded or could not be reached, several times in a row. " +
			"Nothing is wrong with your request: ask again later.",
		messages.EndModelQuota: "The model's usage limit or credit is used up. " +
			"The operator of this service has to see to that; then ask again.",
		messages.EndModelAuth: "The model's provider did not accept the credentials or the model's name that this service uses. " +
			"The operator of this service has to see to that; then ask again.",
		messages.EndModelRefused: "The model refused to work on this request. " +
			"It is your turn: ask again in other words.",
		messages.EndTurnLimit: "The agent used up the number of turns that a task may take; what was done until then is kept. " +
			"Ask for the rest, or for a smaller step.",
		messages.EndBudgetLimit: "The task used up the money that it may cost; what was done until then is kept. " +
			"Ask for a smaller step, or ask the operator of this service for a higher limit.",
		messages.EndPromptTooLong: "The request and its context are longer than the model can read. " +
			"It is your turn: ask again, in a shorter text or in a new issue.",
		messages.EndSetupFailed: "The workspace could not be set up, so the agent did not start. " +
			"The operator of this service, or the repository's setup commands, have to be looked at; then ask again.",
		messages.EndContainerLost: "The container in which the agent worked disappeared, and its work with it. " +
			"Nothing is wrong with your request: ask again; if it happens again, the operator of this service should look into it.",
		messages.EndImageMissing: "The container image for the agent is not there. " +
			"The operator of this service has to provide it; then ask again.",
		messages.EndCloneFailed: "The repository could not be fetched. " +
			"The operator of this service has to see whether it may be read; then ask again.",
		messages.EndCancelled: "The task was cancelled. If it is still wanted, ask again.",
		messages.EndResultInvalid: "What came out of the agent's container does not hold together, so nothing of it was published. " +
			"Ask again; if it happens again, the operator of this service should look into it.",
		messages.EndInternal: "This service made a mistake of its own. " +
			"The operator of this service should look into the log; then ask again.",
	}
}
