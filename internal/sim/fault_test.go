package sim

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-github/v89/github"
)

func TestFaults(t *testing.T) {
	for _, c := range []struct {
		mode    Mode
		status  int // that the client sees, -1 for none
		applied bool
	}{
		{Fault500, 500, false},
		{Fault502, 502, false},
		{Fault502After, 502, true},
		{Fault429, 429, false},
		{Fault403Rate, 403, false},
		{Fault403Second, 403, false},
		{Fault401, 401, false},
		{FaultSlow, 201, true},
		{FaultDropBefore, -1, false},
		{FaultDropAfter, -1, true},
		{FaultTimeout, -1, false},
		{FaultHangAfter, -1, true},
	} {
		t.Run(string(c.mode), func(t *testing.T) {
			s := newSite(t)
			n := s.OpenIssue(s.hello, s.alice, "One", "")
			s.Fault(Fault{Method: "POST", PathRegexp: `/issues/\d+/comments$`, Times: 1, Mode: c.mode, After: 50 * time.Millisecond})
			client := s.client(t, "devs-bot")
			ctx, cancel := context.WithCancel(soon(t))
			defer cancel()
			go func() { // give up once the request has been dealt with: only the modes that hang notice
				_, _ = s.Wait(ctx, func(th Thread) bool { return len(th.Requests) == 1 }, s.hello, n)
				if strings.HasPrefix(string(c.mode), "timeout") {
					cancel()
				}
			}()
			_, res, err := client.Issues.CreateComment(ctx, "octo", "hello", n, &github.IssueComment{Body: new("x")})
			got := -1
			if res != nil && res.Response != nil {
				got = res.StatusCode
			}
			if got != c.status || (err == nil) != (c.status == 201) {
				t.Errorf("status %d, %v", got, err)
			}
			th := s.Snapshot(s.hello, n)
			if applied := len(th.Comments) == 1; applied != c.applied {
				t.Errorf("applied: %v", applied)
			}
			if r := th.Requests[0]; r.Fault != c.mode || r.Status != max(c.status, 0) {
				t.Errorf("%+v", r)
			}
			// used up: the next one passes
			if _, _, err := client.Issues.CreateComment(t.Context(), "octo", "hello", n, &github.IssueComment{Body: new("y")}); err != nil {
				t.Error(err)
			}
			if f := s.Faults(); len(f) != 1 || f[0].Hits != 1 {
				t.Errorf("%+v", f)
			}
		})
	}
}

// TestRateLimitsAreUnderstood: go-github tells the two kinds apart by headers and address.
func TestRateLimitsAreUnderstood(t *testing.T) {
	s := newSite(t)
	client := s.client(t, "devs-bot")
	s.Fault(Fault{Times: 1, Mode: Fault403Rate, After: 90 * time.Second})
	_, _, err := client.Users.Get(t.Context(), "")
	limit, ok := errors.AsType[*github.RateLimitError](err)
	if !ok || limit.Rate.Remaining != 0 {
		t.Fatalf("%v", err)
	}
	if wait := time.Until(limit.Rate.Reset.Time); wait < 80*time.Second || wait > 92*time.Second {
		t.Errorf("back in %s", wait)
	}
	s.Fault(Fault{Times: 1, Mode: Fault403Second, After: 1500 * time.Millisecond})
	_, _, err = client.Users.Get(t.Context(), "")
	abuse, ok := errors.AsType[*github.AbuseRateLimitError](err)
	if !ok || abuse.GetRetryAfter() != 2*time.Second {
		t.Errorf("%v", err)
	}
}

func TestSeveralFaultsAtOnce(t *testing.T) {
	s := newSite(t)
	s.Fault(Fault{PathRegexp: "^/users/", Times: 1, Mode: Fault500})
	s.Fault(Fault{PathRegexp: "^/users/", Times: 2, Mode: Fault502})
	s.Fault(Fault{Method: "POST", Mode: Fault401})
	var got []int
	for _, path := range []string{"/users/eve", "/user", "/users/eve", "/users/eve", "/users/eve"} {
		res, _ := s.raw(t, "GET", path, "", "User-Agent", "test")
		got = append(got, res.StatusCode)
	}
	if fmt.Sprint(got) != "[500 200 502 502 200]" {
		t.Errorf("%v", got)
	}
	n := s.OpenIssue(s.hello, s.alice, "One", "")
	path := fmt.Sprintf("/repos/octo/hello/issues/%d/comments", n)
	for range 3 {
		if res, _ := s.raw(t, "POST", path, `{"body":"x"}`); res.StatusCode != http.StatusUnauthorized {
			t.Errorf("%d", res.StatusCode)
		}
	}
	s.ClearFaults()
	if res, _ := s.raw(t, "POST", path, `{"body":"x"}`); res.StatusCode != http.StatusCreated || len(s.Faults()) != 0 {
		t.Errorf("%d", res.StatusCode)
	}
}

func TestFaultsOfGit(t *testing.T) {
	s := newSite(t)
	dir := s.clone(t, s.hello, "devs-bot")
	head := write(t, dir, "new.txt", "x")
	for _, c := range []struct {
		mode    Mode
		applied bool
	}{{FaultDropBefore, false}, {Fault502, false}, {FaultDropAfter, true}} {
		s.ClearFaults()
		s.Fault(Fault{PathRegexp: `git-receive-pack$`, Mode: c.mode}) // each time: git itself tries a cut request again
		if out, err := runGit(t, dir, "push", "--quiet", "origin", "HEAD:"+string(c.mode)); err == nil {
			t.Errorf("%s: push went well: %s", c.mode, out)
		}
		if applied := s.Branch(s.hello, string(c.mode)) == head; applied != c.applied {
			t.Errorf("%s: applied: %v", c.mode, applied)
		}
	}
}

// TestCloseEndsWhatHangs: a request that is never answered does not hold Close up.
func TestCloseEndsWhatHangs(t *testing.T) {
	s := newSite(t)
	s.Fault(Fault{Mode: FaultTimeout})
	client := s.client(t, "devs-bot")
	done := make(chan error, 1)
	go func() {
		_, _, err := client.Users.Get(soon(t), "")
		done <- err
	}()
	if err := s.until(soon(t), func() (bool, error) { return len(s.Requests()) == 1, nil }); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
	if err := <-done; err == nil {
		t.Error("answered after all")
	}
}

func TestUnknownFaultPanics(t *testing.T) {
	s := newSite(t)
	defer func() {
		if recover() == nil {
			t.Error("a mode that does not exist was taken")
		}
	}()
	s.Fault(Fault{Mode: "explode"})
}
