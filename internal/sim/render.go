package sim

import (
	"fmt"
	"html"
	"io"
	"net/http"
	"regexp"
	"strconv"
	"strings"
	"unicode"

	"devs-webhook/messages"
)

// Render writes the thread as GitHub's page would show it, as plain text for a terminal: what is invisible
// there (HTML comments, folded details) is here too, and nothing that a text holds can steer the terminal.
func (g *GitHub) Render(w io.Writer, repo messages.Repo, number int) error {
	th, err := g.snapshot(repo, number)
	if err != nil {
		return err
	}
	_, err = io.WriteString(w, th.page())
	return err
}

const pageTime = "2006-01-02 15:04 UTC"

// page is the whole text.
func (th Thread) page() string {
	var b strings.Builder
	kind := "Issue"
	if th.PullRequest {
		kind = "Pull request"
	}
	fmt.Fprintf(&b, "%s · %s #%d · %s\n", th.Repo.FullName(), kind, th.Number, th.State)
	fmt.Fprintf(&b, "%s\n", visible(th.Title))
	fmt.Fprintf(&b, "opened by %s · %s", th.Author.Login, th.CreatedAt.Format(pageTime))
	var assigned []string
	for _, u := range th.Assignees {
		assigned = append(assigned, u.Login)
	}
	if len(assigned) > 0 {
		b.WriteString(" · assigned to " + strings.Join(assigned, ", "))
	}
	b.WriteString("\n\n")
	text(&b, th.Body, "No description provided.")
	reactions(&b, th.Reactions)
	for _, c := range th.Comments {
		edited := ""
		if c.UpdatedAt.After(c.CreatedAt) {
			edited = " · edited"
		}
		rule(&b, fmt.Sprintf("%s · %s%s", author(c.Author), c.CreatedAt.Format(pageTime), edited))
		text(&b, c.Body, "")
		reactions(&b, c.Reactions)
	}
	for _, p := range th.Pulls {
		p.page(&b)
	}
	return b.String()
}

// page writes the pull request with its commits and its diffstat.
func (p Pull) page(b *strings.Builder) {
	draft := ""
	if p.Draft {
		draft = " · draft"
	}
	rule(b, fmt.Sprintf("Pull request #%d · %s%s", p.Number, p.State, draft))
	fmt.Fprintf(b, "  %s\n", visible(p.Title))
	fmt.Fprintf(b, "  %s · %s into %s from %s\n", author(p.Author), count(len(p.Commits), "commit"), visible(p.Base), visible(p.Head))
	for _, c := range p.Commits {
		fmt.Fprintf(b, "    %.7s %s (%s)\n", c.SHA, visible(c.Subject), visible(c.Author))
	}
	for line := range strings.Lines(p.Stat) {
		fmt.Fprintf(b, "   %s\n", visible(strings.TrimRight(line, "\n")))
	}
	b.WriteString("\n")
}

func count(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return strconv.Itoa(n) + " " + what + "s"
}

func author(u messages.User) string {
	if u.Bot {
		return strings.TrimSuffix(u.Login, "[bot]") + " (bot)"
	}
	return u.Login
}

// rule is a line with a heading in it.
func rule(b *strings.Builder, heading string) {
	fill := max(72-len([]rune(heading)), 3)
	fmt.Fprintf(b, "── %s %s\n", heading, strings.Repeat("─", fill))
}

// text writes a body, indented, as it is after GitHub has taken away what it does not show.
func text(b *strings.Builder, body, empty string) {
	shown := strings.TrimSpace(hide(body))
	if shown == "" {
		shown = empty
	}
	for line := range strings.Lines(shown) {
		line = strings.TrimRight(visible(line), " \t\n")
		if line != "" {
			line = "  " + line
		}
		b.WriteString(line + "\n")
	}
	b.WriteString("\n")
}

// hide takes HTML comments away and folds details, but in fenced code.
func hide(body string) string {
	comment := regexp.MustCompile(`(?s)<!--.*?-->`)
	details := regexp.MustCompile(`(?is)<details>\s*(?:<summary>(.*?)</summary>)?.*?</details>`)
	var out strings.Builder
	fenced := regexp.MustCompile("(?ms)^ {0,3}(```|~~~).*?(^ {0,3}(```|~~~)[ \t]*$|\\z)")
	last := 0
	prose := func(s string) string {
		s = comment.ReplaceAllString(s, "")
		return details.ReplaceAllStringFunc(s, func(m string) string {
			summary := details.FindStringSubmatch(m)[1]
			if summary == "" {
				summary = "Details"
			}
			return "▸ " + html.UnescapeString(regexp.MustCompile(`<[^>]*>`).ReplaceAllString(summary, ""))
		})
	}
	for _, at := range fenced.FindAllStringIndex(body, -1) {
		out.WriteString(prose(body[last:at[0]]) + body[at[0]:at[1]])
		last = at[1]
	}
	out.WriteString(prose(body[last:]))
	return regexp.MustCompile(`\n{3,}`).ReplaceAllString(out.String(), "\n\n")
}

// visible takes out what a terminal would obey instead of show.
func visible(s string) string {
	return strings.Map(func(r rune) rune {
		if r == '\t' || r == '\n' || !unicode.IsControl(r) && !unicode.Is(unicode.Bidi_Control, r) {
			return r
		}
		return -1
	}, s)
}

// reactions writes how many there are of each.
func reactions(b *strings.Builder, list []Reaction) {
	signs := map[string]string{
		"+1": "👍", "-1": "👎", "laugh": "😄", "confused": "😕", "heart": "❤️", "hooray": "🎉", "rocket": "🚀", "eyes": "👀",
	}
	var parts []string
	for _, content := range reactionContents() {
		n := 0
		for _, r := range list {
			if r.Content == content {
				n++
			}
		}
		if n > 0 {
			parts = append(parts, fmt.Sprintf("%s %d", signs[content], n))
		}
	}
	if len(parts) > 0 {
		fmt.Fprintf(b, "  %s\n\n", strings.Join(parts, "  "))
	}
}

// servePage shows a thread in a browser, so that the addresses in comments lead somewhere. Private
// repositories have no page: nobody can log in.
func (g *GitHub) servePage(w http.ResponseWriter, r *http.Request) {
	number, _ := strconv.Atoi(r.PathValue("number"))
	g.mu.Lock()
	found := g.repos[key(r.PathValue("owner"), r.PathValue("repo"))]
	there := found != nil && !found.Private && found.thread(number) != nil
	g.mu.Unlock()
	if !there {
		http.NotFound(w, r)
		return
	}
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	if err := g.Render(w, found.Repo, number); err != nil {
		g.opts.Log.Error().Err(err).Msg("page was not shown")
	}
}
