package intake_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"devs-webhook/internal/intake"
	"devs-webhook/messages"
)

// The people of these tests.
var (
	ann = messages.User{ID: 1, Login: "ann"} // a maintainer
	eve = messages.User{ID: 2, Login: "eve"} // a stranger
	bot = messages.User{ID: 3, Login: "bot"} // the mentioned account
	dev = messages.User{ID: 4, Login: "dev"} // the token's account, if it is another one
	app = messages.User{ID: 5, Login: "ci[bot]", Bot: true}
)

const marker = "<!-- devs-webhook task=abcdefghijkl kind=final -->"

var at = time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)

func issue(action string, author, sender messages.User, title, body string) messages.Event {
	return messages.Event{
		Name: "issues", Action: action, Sender: sender, UpdatedAt: at,
		Repo:   messages.Repo{ID: 10, Owner: "octo", Name: "hello"},
		Thread: messages.Thread{Number: 1, ID: 20, Title: title, Body: body, State: "open", Author: author},
		Before: messages.Text{Title: title, Body: body},
	}
}

func comment(action string, author messages.User, body string) messages.Event {
	ev := issue(action, eve, author, "title", "issue text")
	ev.Name = "issue_comment"
	ev.Comment = messages.Comment{ID: 30, Body: body, Author: author}
	ev.Before = messages.Text{Body: body}
	return ev
}

func with(ev messages.Event, change func(*messages.Event)) messages.Event {
	ev.Thread.Assignees = slices.Clone(ev.Thread.Assignees)
	change(&ev)
	return ev
}

func assignedTo(u messages.User) func(*messages.Event) {
	return func(ev *messages.Event) {
		ev.Thread.Assignees = append(ev.Thread.Assignees, u)
		if ev.Action == "assigned" {
			ev.Assignee = u
		}
	}
}

func closed(ev *messages.Event) { ev.Thread.State = "closed" }

func before(title, body string) func(*messages.Event) {
	return func(ev *messages.Event) { ev.Before = messages.Text{Title: title, Body: body} }
}

func by(sender messages.User) func(*messages.Event) {
	return func(ev *messages.Event) { ev.Sender = sender }
}

func pull(author messages.User) func(*messages.Event) {
	return func(ev *messages.Event) { ev.Thread.PullRequest, ev.Thread.Author = true, author }
}

var apart = intake.Identity{Mentioned: bot, Self: dev}

// want is what is expected of a verdict, in words: a reason, or the trigger and what else matters.
func words(v intake.Verdict) string {
	if !v.Ask {
		return string(v.Reason)
	}
	parts := []string{v.Request.Trigger}
	for _, p := range v.Request.Principals {
		parts = append(parts, p.Login)
	}
	if v.Request.ThreadTrusted {
		parts = append(parts, "trusted")
	}
	if v.Request.OnlyReplace {
		parts = append(parts, "replace")
	}
	return strings.Join(parts, " ")
}

func TestJudgeIssues(t *testing.T) {
	tests := []struct {
		name string
		ev   messages.Event
		want string
	}{
		{"ping", messages.Event{Name: "ping"}, "ping"},
		{"unknown event", messages.Event{Name: "push"}, "event_unsupported"},
		{"other action", issue("closed", ann, ann, "@bot", ""), "action_ignored"},
		{"malformed", messages.Event{Name: "issues", Action: "opened"}, "malformed_payload"},

		{"no mention", issue("opened", ann, ann, "a", "b"), "no_mention"},
		{"mention in the title", issue("opened", ann, ann, "@bot a", "b"), "mention ann trusted"},
		{"mention in the body", issue("opened", ann, ann, "a", "@BOT"), "mention ann trusted"},
		{"mention of another", issue("opened", ann, ann, "a", "@bots"), "no_mention"},
		{"mention in code", issue("opened", ann, ann, "a", "`@bot`"), "mention_not_in_text"},
		{"mention in a quoted title", issue("opened", ann, ann, "`@bot`", ""), "mention_not_in_text"},
		{"fence in the title does not swallow the body", issue("opened", ann, ann, "```", "@bot"), "mention ann trusted"},
		{"opened by another on the author's behalf", issue("opened", eve, ann, "a", "@bot"), "mention eve trusted"},
		{"opened, and closed since", with(issue("opened", ann, ann, "a", "@bot"), closed), "mention ann trusted"},
		{"opened and assigned", with(issue("opened", ann, ann, "a", "b"), assignedTo(bot)), "assignment ann trusted"},
		{"opened, assigned and mentioned", with(issue("opened", ann, ann, "a", "@bot"), assignedTo(bot)), "assignment ann trusted"},
		{"opened and assigned to another", with(issue("opened", ann, ann, "a", "b"), assignedTo(dev)), "no_mention"},

		{"assigned", with(issue("assigned", ann, ann, "a", "b"), assignedTo(bot)), "assignment ann trusted"},
		{"assigned by another", with(issue("assigned", eve, ann, "a", "b"), assignedTo(bot)), "assignment ann"},
		{"assigned to another", with(issue("assigned", ann, ann, "a", "@bot"), assignedTo(dev)), "assigned_to_other"},
		{"another assigned beside", with(with(issue("assigned", ann, ann, "a", "b"), assignedTo(bot)), assignedTo(dev)), "assigned_to_other"},
		{"assigned by itself", with(issue("assigned", ann, bot, "a", "b"), assignedTo(bot)), "own_action"},
		{"assigned when closed", with(with(issue("assigned", ann, ann, "a", "b"), assignedTo(bot)), closed), "thread_closed"},
		{"assigned, the author is gone", with(issue("assigned", messages.User{}, ann, "a", "b"), assignedTo(bot)), "assignment ann"},

		{"edit brings the mention", with(issue("edited", ann, ann, "a", "@bot"), before("a", "b")), "mention ann trusted"},
		{"edit of the title brings it", with(issue("edited", ann, ann, "@bot", "b"), before("a", "b")), "mention ann trusted"},
		{"edit frees it from code", with(issue("edited", ann, ann, "a", "@bot"), before("a", "`@bot`")), "mention ann trusted"},
		{"edit by another", with(issue("edited", eve, ann, "a", "@bot"), before("a", "b")), "mention eve ann trusted"},
		{"edit keeps it", with(issue("edited", ann, ann, "a", "@bot x"), before("a", "@bot")), "mention ann trusted replace"},
		{"edit moves it", with(issue("edited", ann, ann, "@bot", "x"), before("x", "@bot")), "mention ann trusted replace"},
		{"edit changes nothing", issue("edited", ann, ann, "a", "@bot x"), "mention ann trusted replace"},
		{"edit takes it away", with(issue("edited", ann, ann, "a", "b"), before("a", "@bot")), "no_mention"},
		{"edit puts it into code", with(issue("edited", ann, ann, "a", "`@bot`"), before("a", "@bot")), "mention_not_in_text"},
		{"edit without it", with(issue("edited", ann, ann, "a", "b"), before("a", "c")), "no_mention"},
		{"edit when closed", with(with(issue("edited", ann, ann, "a", "@bot"), before("a", "b")), closed), "thread_closed"},
		{"edit without it when closed", with(issue("edited", ann, ann, "a", "b"), closed), "no_mention"},
		{"edit of an assigned issue", with(with(issue("edited", ann, ann, "a", "b"), before("a", "c")), assignedTo(bot)), "assignment ann trusted replace"},
		{"edit brings it to an assigned issue", with(with(issue("edited", ann, ann, "a", "@bot"), before("a", "c")), assignedTo(bot)), "mention ann trusted"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := words(intake.Judge(tt.ev, apart, false)); got != tt.want {
				t.Errorf("judged %q, want %q", got, tt.want)
			}
		})
	}
}

func TestJudgeComments(t *testing.T) {
	opened := issue("opened", ann, ann, "a", "@bot fix")
	opened.Name, opened.Thread.PullRequest = "pull_request", true
	tests := []struct {
		name string
		ev   messages.Event
		want string
	}{
		{"no mention", comment("created", ann, "hello"), "no_mention"},
		{"mention", comment("created", ann, "@bot fix"), "mention ann"},
		{"mention by the thread's author", comment("created", eve, "@bot fix"), "mention eve trusted"},
		{"mention in a quote", comment("created", ann, "> @bot fix\n\nwhat is this?"), "mention_not_in_text"},
		{"the issue's mention does not count", with(comment("created", ann, "hello"), func(ev *messages.Event) {
			ev.Thread.Title, ev.Thread.Body = "@bot", "@bot"
		}), "no_mention"},
		{"on a closed issue", with(comment("created", ann, "@bot fix"), closed), "mention ann"},
		{"mention by a bot", comment("created", app, "@bot fix"), "mention ci[bot]"},
		{"deleted", comment("deleted", ann, "@bot fix"), "action_ignored"},

		{"on an assigned issue", with(comment("created", ann, "go on"), assignedTo(bot)), "conversation ann"},
		{"mention on an assigned issue", with(comment("created", ann, "@bot go on"), assignedTo(bot)), "mention ann"},
		{"on an issue of another", with(comment("created", ann, "go on"), assignedTo(dev)), "no_mention"},
		{"on its own pull request", with(comment("created", ann, "go on"), pull(bot)), "conversation ann"},
		{"on another's pull request", with(comment("created", ann, "go on"), pull(eve)), "no_mention"},
		{"on an issue that it wrote", with(comment("created", ann, "go on"), func(ev *messages.Event) { ev.Thread.Author = bot }), "no_mention"},
		{"a bot on its pull request", with(comment("created", app, "coverage 81 %"), pull(bot)), "no_mention"},
		{"a comment that nobody sees", with(comment("created", ann, "<!-- x -->"), assignedTo(bot)), "no_mention"},

		{"edit brings the mention", with(comment("edited", ann, "@bot"), before("", "x")), "mention ann"},
		{"edit by another", with(with(comment("edited", eve, "@bot"), before("", "x")), by(ann)), "mention eve ann trusted"},
		{"edit keeps it", with(comment("edited", ann, "@bot y"), before("", "@bot x")), "mention ann replace"},
		{"edit takes it away", with(comment("edited", ann, "x"), before("", "@bot x")), "no_mention"},
		{"edit in a conversation", with(with(comment("edited", ann, "y"), before("", "x")), assignedTo(bot)), "conversation ann replace"},
		{"mention taken away in a conversation", with(with(comment("edited", ann, "y"), before("", "@bot")), assignedTo(bot)), "no_mention"},

		{"pull request", opened, "mention ann trusted"},
		{"pull request, other action", with(opened, func(ev *messages.Event) { ev.Action = "synchronize" }), "action_ignored"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := words(intake.Judge(tt.ev, apart, false)); got != tt.want {
				t.Errorf("judged %q, want %q", got, tt.want)
			}
		})
	}
}

func TestLoopGuard(t *testing.T) {
	one := intake.Identity{Mentioned: bot, Self: bot}
	self := intake.Identity{Mentioned: bot, Self: ann} // a developer tries it with a token of their own
	marked := "@bot " + marker
	tests := []struct {
		name     string
		who      intake.Identity
		ev       messages.Event
		recorded bool
		want     string
	}{
		{"our comment", apart, comment("created", dev, marked), false, "own_text"},
		{"our comment, recorded", apart, comment("created", dev, "@bot"), true, "own_text"},
		{"our comment, edited by another", apart, with(comment("edited", dev, marked), by(ann)), false, "own_text"},
		{"our pull request", apart, func() messages.Event {
			ev := issue("opened", dev, dev, "a", marked)
			ev.Name = "pull_request"
			return ev
		}(), false, "own_text"},
		{"a text of our account that is not ours", apart, comment("created", dev, "@bot"), false, "mention dev"},
		{"a marker in another's text", apart, comment("created", ann, marked), false, "mention ann"},
		{"a record of another's text", apart, comment("created", ann, "@bot"), true, "mention ann"},
		{"the mentioned account speaks", apart, comment("created", bot, "@bot"), false, "own_action"},
		{"its comment is edited", apart, with(with(comment("edited", bot, "@bot"), before("", "x")), by(ann)), false, "own_text"},
		{"it opens an issue", apart, issue("opened", bot, bot, "a", "@bot"), false, "own_action"},
		{"it edits another's comment", apart, with(with(comment("edited", ann, "@bot"), before("", "x")), by(bot)), false, "own_action"},
		{"it is told by id, not by name", apart, comment("created", messages.User{ID: 99, Login: "bot"}, "@bot"), false, "mention bot"},
		{"one account for both", one, comment("created", bot, "x"), false, "own_action"},
		{"one account for both, marked", one, comment("created", bot, marked), false, "own_text"},
		{"one account for both assigns", one, with(issue("assigned", bot, bot, "a", "b"), assignedTo(bot)), false, "own_action"},
		{"developer asks", self, comment("created", ann, "@bot"), false, "mention ann"},
		{"developer's service answers", self, comment("created", ann, marked), false, "own_text"},
		{"nobody's pull request", intake.Identity{}, with(comment("created", ann, "x"), pull(messages.User{})), false, "no_mention"},
		{"nobody is not nobody", intake.Identity{Mentioned: messages.User{Login: "bot"}}, comment("created", ann, marked), true, "mention ann"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := words(intake.Judge(tt.ev, tt.who, tt.recorded)); got != tt.want {
				t.Errorf("judged %q, want %q", got, tt.want)
			}
		})
	}
}

func TestRequest(t *testing.T) {
	ev := with(comment("edited", eve, "@bot fix <!-- hidden -->"+marker), before("", "x"))
	ev.Sender = ann
	ev.Thread.Body = "text <!-- hidden --> end"
	v := intake.Judge(ev, apart, false)
	if !v.Ask || v.Reason != messages.ReasonAccepted {
		t.Fatalf("verdict = %+v", v)
	}
	r := v.Request
	if r.Key != "10/issue_comment/30" || r.Object != (messages.Object{Kind: "issue_comment", ID: 30}) {
		t.Errorf("key = %q, object = %+v", r.Key, r.Object)
	}
	if r.Requester != ann || r.Instruction != "@bot fix" || !r.At.Equal(at) || r.Repo != ev.Repo {
		t.Errorf("request = %+v", r)
	}
	if r.Thread.Body != "text  end" || r.Thread.Number != 1 {
		t.Errorf("thread = %+v", r.Thread)
	}
}

// TestOpenedJoinsAssigned: GitHub sends both if an issue is opened with assignees, in any order.
func TestOpenedJoinsAssigned(t *testing.T) {
	opened := intake.Judge(with(issue("opened", ann, ann, "title", "@bot body"), assignedTo(bot)), apart, false).Request
	assigned := intake.Judge(with(issue("assigned", ann, ann, "title", "@bot body"), assignedTo(bot)), apart, false).Request
	if opened.Instruction != "title\n\n@bot body" || opened.Instruction != assigned.Instruction ||
		opened.Trigger != assigned.Trigger || opened.Requester != assigned.Requester {
		t.Errorf("opened %+v\nassigned %+v", opened, assigned)
	}
	if opened.Key != "10/issue/20" || assigned.Key != "10/issue/20/assigned/3/2026-01-02T03:04:05Z" {
		t.Errorf("keys %q and %q", opened.Key, assigned.Key)
	}
}

// TestAssignmentOfAStrangersIssue: who assigns is asked for permission, the author is not, so that the
// author's text must not become an instruction.
func TestAssignmentOfAStrangersIssue(t *testing.T) {
	r := intake.Judge(with(issue("assigned", eve, ann, "run this", "curl evil"), assignedTo(bot)), apart, false).Request
	if r.Instruction != intake.AssignmentInstruction || r.ThreadTrusted || r.Requester != ann {
		t.Errorf("request = %+v", r)
	}
}

func TestInstructionShowsWhatIsSeen(t *testing.T) {
	tests := []struct{ name, body, want string }{
		{"plain", "@bot fix", "@bot fix"},
		{"line ends", "@bot\r\na\rb", "@bot\na\nb"},
		{"controls", "@bot \x00a\x1b[31m\x7f\u0085b\tc", "@bot a[31mb\tc"},
		{"comment", "@bot a<!-- b\n\nc -->d", "@bot a<!-- b\n\nc -->d"}, // not hidden: it is no comment
		{"comment block", "@bot\n<!-- b\n\nc -->d", "@bot\nd"},
		{"comment to the end", "@bot\n<!-- b\n\nc", "@bot"},
		{"comment in code stays", "@bot `<!-- a -->`", "@bot `<!-- a -->`"},
		{"comment in a fence stays", "@bot\n```html\n<!-- a -->\n```", "@bot\n```html\n<!-- a -->\n```"},
		{"comment in a quote", "@bot\n> a <!-- b --> c", "@bot\n> a  c"},
		{"definition as a comment", "@bot\n\n[//]: # (hidden)\nb", "@bot\n\n\nb"},
		{"definition of a link stays", "@bot [a]\n\n[a]: https://example.com", "@bot [a]\n\n[a]: https://example.com"},
		{"bidirectional", "@bot a\u202eb\u2066c\u200fd", "@bot abcd"},
		{"zero width", "@bot a\u200bb\ufeffc\u00add\u2060e", "@bot abcde"},
		{"tags", "@bot a\U000e0041\U000e0042b", "@bot ab"},
		{"fillers", "@bot a\u3164b\u115fc\u034fd", "@bot abcd"},
		{"variation selectors", "@bot a\U000e0100\U000e0101\ufe00\ufe01b", "@bot ab"},
		{"row of emoji selectors", "@bot ❤\ufe0f\ufe0f\ufe0e\ufe0fb", "@bot ❤\ufe0fb"},
		{"emoji", "@bot ✔️ 1️⃣ 👨‍👩‍👧", "@bot ✔️ 1️⃣ 👨‍👩‍👧"},
		{"joiner in Persian", "@bot می\u200cخواهم", "@bot می\u200cخواهم"},
		{"joiners between letters", "@bot a\u200db\u200cc", "@bot abc"},
		{"joiner before a letter", "@bot é\u200da", "@bot éa"},
		{"joiner after a letter", "@bot a\u200dé", "@bot aé"},
		{"joiner before a selector", "@bot ❤\u200d\ufe0f", "@bot ❤\ufe0f"},
		{"row of joiners", "@bot ی\u200c\u200d\u200c\u200dی", "@bot ی\u200dی"},
		{"visible format characters", "@bot \u06dd", "@bot \u06dd"},
		{"line separator", "@bot a\u2028b", "@bot a\nb"},
		{"marker", "@bot a " + marker + " b", "@bot a  b"},
		{"marker in code", "@bot `" + marker + "`", "@bot ``"},
		{"hidden in a marker", "@bot `<!-- devs-\u200bwebhook task=abcdefghijkl kind=final -->`", "@bot ``"},
		{
			"marker in a marker", "@bot `<!-- devs-webhook " + marker + "task=abcdefghijkl kind=final -->`",
			"@bot `<!- - devs-webhook task=abcdefghijkl kind=final -->`",
		},
		{"not UTF-8", "@bot \ufffd", "@bot \ufffd"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r := intake.Judge(comment("created", ann, tt.body), apart, false).Request
			if r.Instruction != tt.want {
				t.Errorf("instruction = %q, want %q", r.Instruction, tt.want)
			}
		})
	}
}

func TestInstructionIsLimited(t *testing.T) {
	for _, filler := range []string{"x", "é", "👍"} {
		body := "@bot " + strings.Repeat(filler, 1<<16)
		got := intake.Judge(issue("opened", ann, ann, "title", body), apart, false).Request.Instruction
		if len(got) > 64<<10 || len(got) < 60<<10 || !strings.HasSuffix(got, "longer than 64 KiB.]") || !strings.HasPrefix(got, "title\n\n@bot ") {
			t.Errorf("%s: %d bytes, ending in %q", filler, len(got), got[len(got)-80:])
		}
		if strings.ContainsRune(got, '\ufffd') || strings.ToValidUTF8(got, "") != got {
			t.Errorf("%s: cut inside of a character", filler)
		}
	}
	ev := comment("created", ann, "@bot")
	ev.Thread.Body = strings.Repeat("x", 1<<18)
	if got := intake.Judge(ev, apart, false).Request.Thread.Body; len(got) != 64<<10 {
		t.Errorf("the thread's text has %d bytes", len(got))
	}
	exact := "@bot " + strings.Repeat("x", 64<<10-5)
	if got := intake.Judge(comment("created", ann, exact), apart, false).Request.Instruction; got != exact {
		t.Errorf("a text of exactly 64 KiB has become %d bytes", len(got))
	}
}
