package demo

import (
	"fmt"

	"devs-webhook/messages"
)

func mendIntents(task messages.TaskForRun, before, after string) messages.Intents {
	return messages.Intents{
		Version: 1,
		Comment: &messages.CommentIntent{Body: fmt.Sprintf(
			"The login let anybody in who gave an unknown name and an empty password: `%s` compared the empty stored password "+
				"with the empty given one. Now a user needs a stored password to get in.\n\n"+
				"`%s` failed before the change and passes now.", loginFile, testFile)},
		PullRequest: &messages.PullRequestIntent{
			Title: "Refuse the login of unknown users",
			Body: fmt.Sprintf("For a user who is not in `users.txt`, `%s` found no stored password and compared nothing with nothing: "+
				"an empty password let them in. The stored password must now be there as well as fit.\n\n"+
				"`%s` before:\n\n```\n%s\n```\n\nand after:\n\n```\n%s\n```\n\nAsked for in #%d.",
				loginFile, testFile, before, after, task.Number),
		},
	}
}

func noteIntents(task messages.TaskForRun) messages.Intents {
	return messages.Intents{
		Version: 1,
		Comment: &messages.CommentIntent{Body: fmt.Sprintf(
			"This is the demonstration's agent: it has no model, and can mend only the demonstration's own repository. "+
				"So that you see the way of a change, I wrote your request into `%s`.", otherFile)},
		PullRequest: &messages.PullRequestIntent{
			Title: "Note the request of #" + fmt.Sprint(task.Number),
			Body:  fmt.Sprintf("Adds the request of #%d to `%s`.", task.Number, otherFile),
			Draft: true,
		},
	}
}
