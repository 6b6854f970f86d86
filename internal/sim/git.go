package sim

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"devs-webhook/messages"
)

// gitDeadline bounds one git command: all of them are local and small.
const gitDeadline = time.Minute

// findBackend finds the CGI program that is git's own smart HTTP server.
func findBackend(ctx context.Context) (string, error) {
	out, err := exec.CommandContext(ctx, "git", "--exec-path").Output()
	if err != nil {
		return "", fmt.Errorf("find git (is it installed?): %w", err)
	}
	backend := filepath.Join(strings.TrimSpace(string(out)), "git-http-backend")
	if _, err := os.Stat(backend); err != nil {
		return "", fmt.Errorf("find git-http-backend, a part of git: %w", err)
	}
	return backend, nil
}

// gitEnv keeps git away from the configuration of the user and the machine.
func gitEnv(home string) []string {
	return []string{
		"PATH=" + os.Getenv("PATH"), "HOME=" + home, "LC_ALL=C",
		"GIT_CONFIG_GLOBAL=/dev/null", "GIT_CONFIG_NOSYSTEM=1", "GIT_TERMINAL_PROMPT=0",
		"GIT_COMMITTER_NAME=" + simName, "GIT_COMMITTER_EMAIL=" + simEmail,
		"GIT_AUTHOR_NAME=" + simName, "GIT_AUTHOR_EMAIL=" + simEmail,
	}
}

// The author of what nobody in particular wrote.
const (
	simName  = "Simulated GitHub"
	simEmail = "sim@users.noreply.github.com"
)

// git runs a git command in a bare repository and gives its output without the last line's end.
func git(dir string, stdin []byte, args ...string) (string, error) {
	ctx, cancel := context.WithTimeout(context.Background(), gitDeadline)
	defer cancel()
	cmd := exec.CommandContext(ctx, "git", args...)
	cmd.Dir = dir
	cmd.Env = gitEnv(dir)
	cmd.Stdin = bytes.NewReader(stdin)
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	if err := cmd.Run(); err != nil {
		return "", fmt.Errorf("git %s: %w: %s", args[0], err, strings.TrimSpace(errs.String()))
	}
	return strings.TrimSuffix(out.String(), "\n"), nil
}

// makeBare makes an empty bare repository that behaves like one of GitHub's with a protected history.
func makeBare(dir, branch string) error {
	if err := os.MkdirAll(filepath.Dir(dir), 0o700); err != nil {
		return fmt.Errorf("make directory of repository: %w", err)
	}
	if err := os.Mkdir(dir, 0o700); err != nil {
		return fmt.Errorf("make repository: %w", err)
	}
	if _, err := git(dir, nil, "init", "--quiet", "--bare", "--template=", "--initial-branch="+branch, "."); err != nil {
		return err
	}
	const settings = `
[receive]
	denyNonFastForwards = true
	fsckObjects = true
	hideRefs = refs/pull # can be fetched, never pushed
	autogc = false # nothing may run on after an answer
[gc]
	auto = 0
[uploadpack]
	allowFilter = true
	allowReachableSHA1InWant = true
`
	file, err := os.OpenFile(filepath.Join(dir, "config"), os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		return fmt.Errorf("configure repository: %w", err)
	}
	_, err = file.WriteString(settings)
	if err := errors.Join(err, file.Close()); err != nil {
		return fmt.Errorf("configure repository: %w", err)
	}
	return nil
}

// refs lists every ref of a repository with its object.
func refs(dir string) (map[string]string, error) {
	out, err := git(dir, nil, "for-each-ref", "--format=%(objectname) %(refname)")
	if err != nil {
		return nil, err
	}
	found := map[string]string{}
	for line := range strings.Lines(out) {
		object, name, _ := strings.Cut(strings.TrimSpace(line), " ")
		found[name] = object
	}
	delete(found, "")
	return found, nil
}

// compare finds the facts of base...head: what head has that base has not.
func compare(dir, base, head string) (facts, error) {
	var f facts
	log, err := git(dir, nil, "log", "--reverse", "--format=%H%x00%an%x00%s", base+".."+head)
	if err != nil {
		return facts{}, err
	}
	for line := range strings.Lines(log) {
		part := strings.SplitN(strings.TrimSuffix(line, "\n"), "\x00", 3)
		if len(part) == 3 {
			f.commits = append(f.commits, Commit{SHA: part[0], Author: part[1], Subject: part[2]})
		}
	}
	three := base + "..." + head
	if f.diff, err = git(dir, nil, "diff", three); err != nil {
		return facts{}, err
	}
	if f.stat, err = git(dir, nil, "diff", "--stat=72", three); err != nil {
		return facts{}, err
	}
	numbers, err := git(dir, nil, "diff", "--numstat", three)
	if err != nil {
		return facts{}, err
	}
	for line := range strings.Lines(numbers) {
		part := strings.SplitN(line, "\t", 3)
		added, _ := strconv.Atoi(part[0]) // a binary file has "-" and counts no lines
		deleted, _ := strconv.Atoi(part[1])
		f.files, f.added, f.deleted = f.files+1, f.added+added, f.deleted+deleted
	}
	return f, nil
}

// identity is a person as author of a commit.
func identity(u messages.User) string {
	if u.Login == "" {
		return simName + " <" + simEmail + ">"
	}
	return fmt.Sprintf("%s <%d+%s@users.noreply.github.com>", u.Login, u.ID, u.Login)
}

// commit puts files on top of a branch as one commit: from is the object or ref that it stands on, empty
// for a first commit. A file that begins with #! is executable.
func commit(dir, branch, from, who, message string, files map[string]string, at time.Time) (string, error) {
	var in bytes.Buffer
	fmt.Fprintf(&in, "commit refs/heads/%s\n", branch)
	fmt.Fprintf(&in, "author %s %d +0000\ncommitter %s %d +0000\n", who, at.Unix(), who, at.Unix())
	fmt.Fprintf(&in, "data %d\n%s\n", len(message), message)
	if from != "" {
		fmt.Fprintf(&in, "from %s\n", from)
	}
	for path, content := range files {
		if !filepath.IsLocal(path) || strings.ContainsAny(path, "\n\"\\") {
			return "", fmt.Errorf("file name %q does not fit into a repository", path)
		}
		mode := "100644"
		if strings.HasPrefix(content, "#!") {
			mode = "100755"
		}
		fmt.Fprintf(&in, "M %s inline %s\ndata %d\n%s\n", mode, path, len(content), content)
	}
	if _, err := git(dir, in.Bytes(), "fast-import", "--quiet", "--date-format=raw"); err != nil {
		return "", err
	}
	return git(dir, nil, "rev-parse", "refs/heads/"+branch)
}

// merge makes the merge commit of head into base and moves the base's branch to it.
func merge(dir, branch, base, head, message string) (string, error) {
	out, err := git(dir, nil, "merge-tree", "--write-tree", base, head)
	if err != nil {
		return "", err
	}
	tree, _, _ := strings.Cut(out, "\n")
	object, err := git(dir, nil, "commit-tree", "-p", base, "-p", head, "-m", message, tree)
	if err != nil {
		return "", err
	}
	_, err = git(dir, nil, "update-ref", "refs/heads/"+branch, object, base)
	return object, err
}
