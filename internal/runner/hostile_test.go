package runner

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"devs-webhook/messages"
)

func TestRewrittenHistory(t *testing.T) {
	r := newTrial(t, `
		echo two >>file.txt; git add --all; git commit --quiet --amend --message=rewritten; echo three >new.txt`)
	result := r.run()
	r.ended(result, messages.EndSucceeded)
	r.fetch(result)
	if log := r.git("log", "--format=%s", result.Head); log != "Left by the agent\nstart" {
		t.Errorf("log %q", log)
	}
	if files := r.git("diff", "--name-status", r.base, result.Head); files != "M\tfile.txt\nA\tnew.txt" {
		t.Errorf("changed %q", files)
	}
}

func TestDeletedRepository(t *testing.T) {
	for name, script := range map[string]string{
		"deleted":     `rm -rf .git; echo two >>file.txt`,
		"made anew":   `rm -rf .git; git init --quiet; echo two >>file.txt; git add --all; git commit --quiet --message=mine`,
		"no objects":  `rm -rf .git/objects; echo two >>file.txt`,
		"broken head": `echo nonsense >.git/HEAD; echo two >>file.txt`,
		"a file":      `rm -rf .git; echo "gitdir: /nonexistent" >.git; echo two >>file.txt`,
		"a fifo":      `rm .git/HEAD; mkfifo .git/index.lock fifo; echo two >>file.txt`,
		"half":        `echo two >>file.txt; git commit --quiet --all --message=x; rm -f .git/objects/$(git rev-parse HEAD: | cut -c1-2)/*`,
	} {
		t.Run(name, func(t *testing.T) {
			r := newTrial(t, script)
			result := r.run()
			r.ended(result, messages.EndSucceeded)
			r.fetch(result)
			if files := r.git("diff", "--name-status", r.base, result.Head); files != "M\tfile.txt" {
				t.Errorf("changed %q", files)
			}
		})
	}
}

func TestDeletedWorkspace(t *testing.T) {
	r := newTrial(t, `echo two >file.txt; git commit --quiet --all --message=two; cd ..; rm -rf workspace out in/thread`)
	result := r.run()
	r.ended(result, messages.EndSucceeded)
	r.nothing(result) // its only copy is gone
}

func TestHostileConfiguration(t *testing.T) {
	r := newTrial(t, `
		bad="touch $HOME/owned; false"
		for key in core.fsmonitor core.sshCommand core.pager core.editor gpg.program filter.evil.clean filter.evil.process diff.external; do
			git config "$key" "$bad"
		done
		git config commit.gpgSign true
		mkdir -p .git/hooks
		for hook in pre-commit commit-msg post-commit reference-transaction post-index-change fsmonitor-watchman; do
			printf '#!/bin/sh\n%s\n' "$bad" >".git/hooks/$hook"; chmod +x ".git/hooks/$hook"
		done
		touch .git/index.lock .git/HEAD.lock
		echo '* filter=evil' >.gitattributes
		rm -f "$HOME/owned"
		printf '[core]\n\tfsmonitor = %s\n' "$bad" >>"$HOME/.gitconfig"
		echo two >>file.txt`)
	result := r.run()
	r.ended(result, messages.EndSucceeded)
	r.fetch(result)
	if _, err := os.Stat(filepath.Join(r.dir, "home", "owned")); err == nil {
		t.Error("a program of the agent's choice was run")
	}
	if text := r.git("show", result.Head+":file.txt"); text != "one\ntwo" {
		t.Errorf("file is %q", text)
	}
}

func TestHostileNames(t *testing.T) {
	r := newTrial(t, `
		echo a >"$(printf 'new\nline')"; echo b >"-rf"; echo c >'a"b\c'; echo d >"$(printf 'bad\377utf')"
		ln -s /etc/passwd link; mkfifo fifo; echo f >'$(touch x)'; mkdir -p 'deep/ /.x'; echo g >'deep/ /.x/y'
		git init --quiet empty-repo; echo h >empty-repo/file`)
	result := r.run()
	r.ended(result, messages.EndSucceeded)
	r.fetch(result)
	files := r.git("-c", "core.quotePath=true", "diff", "--name-only", r.base, result.Head)
	if n := strings.Count(files, "\n") + 1; n != 7 {
		t.Errorf("%d files: %s", n, files)
	}
	if mode := r.git("ls-tree", result.Head, "link"); !strings.HasPrefix(mode, "120000") {
		t.Errorf("link is %q", mode)
	}
}

func TestHugeLine(t *testing.T) {
	r := newTrial(t, `head -c 12000000 /dev/zero | tr '\0' a; echo; echo after; printf unfinished`)
	result := r.run()
	r.ended(result, messages.EndSucceeded)
	if lines := strings.Split(result.Words, "\n"); len(lines) != 3 || len(lines[0]) != maxLine || lines[1] != "after" || lines[2] != "unfinished" {
		t.Errorf("%d lines", len(lines))
	}
	for _, e := range r.events() {
		if len(e.Text) > maxText {
			t.Errorf("event of %d bytes", len(e.Text))
		}
	}
}

func TestFlood(t *testing.T) {
	r := newTrial(t, `yes "$(printf '%0200d' 7)" | head -n 110000`)
	result := r.run()
	r.ended(result, messages.EndSucceeded)
	if log := len(r.read("out/agent.log")); log > maxLog+100 {
		t.Errorf("log of %d bytes", log)
	}
	if n := len(r.events()); n > 300 {
		t.Errorf("%d events of one flood", n)
	}
}

func TestTooLargeWork(t *testing.T) {
	r := newTrial(t, `head -c 300000 /dev/urandom >large`)
	r.spec.Limits.MaxBundle = 100_000
	result := r.run()
	r.ended(result, messages.EndAgentFailed)
	r.nothing(result)
	if result.Detail != "the work is too large to be published: 0.3 MB of at most 0.1 MB" {
		t.Errorf("detail %q", result.Detail)
	}
}
