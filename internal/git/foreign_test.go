package git

import (
	"testing"

	"devs-webhook/messages"
)

// fork puts a stranger's commit at the head of a pull request, and gives the base that an attempt gets.
func (s *site) fork(t *testing.T, changes ...string) messages.Base {
	t.Helper()
	theirs := commit(t, s.lab, made{parents: []string{s.main}, message: "Theirs\n"}, changes...)
	s.ref(t, "refs/pull/7/head", theirs)
	base, _ := s.take(t, s.pull())
	if base.Ref != "refs/pull/7/head" || base.Commit != theirs || base.Target != "main" {
		t.Fatalf("%+v", base)
	}
	return base
}

// onto makes work on a base.
func (s *site) onto(t *testing.T, base messages.Base, changes ...string) (tip, bundle string) {
	t.Helper()
	tip = commit(t, s.lab, made{parents: []string{base.Commit}, message: "Ours\n"}, changes...)
	return tip, s.bundle(t, tip)
}

// A fork's workflow would run with the repository's secrets as soon as it is on a branch of the repository:
// the agent need not have touched it.
func TestForksCommitsKeepTheRules(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	task := s.pull()
	base := s.fork(t, file(".github/workflows/steal.yml", "on: push\n"))
	_, bundle := s.onto(t, base, file("fix.txt", "1"))
	_, err := s.git.Push(t.Context(), task, base, bundle)
	refused(t, err, "The pull request's own commits count")
	refused(t, err, "`.github/workflows/steal.yml`")
	// Nor does it help to take it away again: it would run from the commit in between.
	_, bundle = s.onto(t, base, gone(".github/workflows/steal.yml"))
	_, err = s.git.Push(t.Context(), task, base, bundle)
	refused(t, err, "`.github/workflows/steal.yml`")
	if s.at(t, task.Branch) != "" {
		t.Error("pushed")
	}
	s.tidy(t)
}

func TestHonestForkIsPushed(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	base := s.fork(t, file("theirs.txt", "1"))
	// The repository's own workflow, on a branch that has gone on and that the work has merged.
	later := commit(t, s.lab, made{parents: []string{s.main}, message: "CI\n"}, file(".github/workflows/ci.yml", "on: push\n"))
	s.branch(t, "main", later)
	merge := commit(t, s.lab, made{parents: []string{base.Commit, later}, message: "Merge\n"}, file(".github/workflows/ci.yml", "on: push\n"), file("ours.txt", "1"))
	published, err := s.git.Push(t.Context(), s.pull(), base, s.bundle(t, merge))
	if err != nil || published.Branch != s.pull().Branch || s.at(t, published.Branch) != merge {
		t.Errorf("%+v %v", published, err)
	}
	s.tidy(t)
}

// What is on a branch of the repository was put there by somebody who may.
func TestPullRequestFromTheRepositoryItself(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	theirs := commit(t, s.lab, made{parents: []string{s.main}, message: "Theirs\n"}, file(".github/workflows/ci.yml", "on: push\n"))
	s.branch(t, "feature", theirs)
	s.branch(t, "twin", theirs) // so that it is not known which one the pull request is made from
	s.ref(t, "refs/pull/7/head", theirs)
	base, _ := s.take(t, s.pull())
	tip, bundle := s.onto(t, base, file("fix.txt", "1"))
	published, err := s.git.Push(t.Context(), s.pull(), base, bundle)
	if err != nil || s.at(t, published.Branch) != tip {
		t.Errorf("%+v %v", published, err)
	}
}

func TestForkWithoutCommonHistory(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	theirs := commit(t, s.lab, made{message: "Theirs\n"}, file("x", "1"))
	s.ref(t, "refs/pull/7/head", theirs)
	base, _ := s.take(t, s.pull())
	_, bundle := s.onto(t, base, file("fix.txt", "1"))
	_, err := s.git.Push(t.Context(), s.pull(), base, bundle)
	refused(t, err, "no history in common")
}
