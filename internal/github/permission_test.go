package github

import (
	"context"
	"fmt"
	"net/http"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"devs-webhook/messages"
)

const (
	adaPath  = "GET /repos/octo/hello/collaborators/ada/permission"
	helloOK  = `{"id":99,"name":"hello","full_name":"octo/hello"}`
	helloGet = "GET /repos/octo/hello"
)

// role is GitHub's answer about an account.
func role(permission, roleName string, id int64) string {
	return fmt.Sprintf(`{"permission":%q,"role_name":%q,"user":{"id":%d,"login":"ada"}}`, permission, roleName, id)
}

func TestPermissionNamesTheRole(t *testing.T) {
	tests := []struct {
		permission, roleName string
		want                 string
		write                bool
	}{
		{"admin", "admin", "admin", true},
		{"write", "maintain", "maintain", true},
		{"write", "write", "write", true},
		{"read", "triage", "triage", false},
		{"read", "read", "read", false},
		{"none", "none", "none", false},
		{"write", "release-manager", "write", true}, // a custom role
		{"read", "auditor", "read", false},
		{"write", "", "write", true}, // an old server
	}
	for _, test := range tests {
		t.Run(test.permission+" as "+test.roleName, func(t *testing.T) {
			f := newFake(t)
			f.on(helloGet, 200, helloOK)
			f.on(adaPath, 200, role(test.permission, test.roleName, ada.ID))
			got, err := newClient(t, f.URL).Permission(t.Context(), hello, ada)
			if err != nil || got != test.want || CanWrite(got) != test.write {
				t.Errorf("got %q (may write: %t), %v, want %q (%t)", got, CanWrite(got), err, test.want, test.write)
			}
		})
	}
}

func TestCanWriteKnowsNoOther(t *testing.T) {
	for _, role := range []string{"", "Write", "owner", "admin ", "triage", "read", "none"} {
		if CanWrite(role) {
			t.Errorf("%q may write", role)
		}
	}
}

// Whoever takes a login that somebody has given up must not get their rights, nor they lose them.
func TestPermissionGoesByID(t *testing.T) {
	f := newFake(t)
	f.on(helloGet, 200, helloOK)
	f.on(adaPath, 200, role("admin", "admin", 1234)) // another account has the login now
	f.on("GET /user/7", 200, `{"id":7,"login":"lovelace"}`)
	f.on("GET /repos/octo/hello/collaborators/lovelace/permission", 200, role("read", "read", 7))
	c := newClient(t, f.URL)
	if got, err := c.Permission(t.Context(), hello, ada); err != nil || got != "read" {
		t.Errorf("got %q, %v, want read: that of account 7", got, err)
	}
}

func TestPermissionOfRenamedAccount(t *testing.T) {
	f := newFake(t)
	f.on(helloGet, 200, helloOK)
	f.on(adaPath, 404, said("ada is not a user"))
	f.on("GET /user/7", 200, `{"id":7,"login":"lovelace"}`)
	f.on("GET /repos/octo/hello/collaborators/lovelace/permission", 200, role("write", "write", 7))
	if got, err := newClient(t, f.URL).Permission(t.Context(), hello, ada); err != nil || got != "write" {
		t.Errorf("got %q, %v, want write", got, err)
	}
}

func TestPermissionThatCannotBePinned(t *testing.T) {
	for name, answer := range map[string]string{
		"names another account always": role("admin", "admin", 1234),
		"names no account":             `{"permission":"admin","role_name":"admin","user":null}`,
		"names no role":                `{"user":{"id":7,"login":"ada"}}`,
		"is nothing":                   `{}`,
		"is a page":                    `<html>`,
	} {
		t.Run(name, func(t *testing.T) {
			f := newFake(t)
			f.on(helloGet, 200, helloOK)
			f.on(adaPath, 200, answer)
			f.on("GET /user/7", 200, `{"id":7,"login":"ada"}`)
			got, err := newClient(t, f.URL).Permission(t.Context(), hello, ada)
			wantClass(t, err, classLater)
			if got != "" {
				t.Errorf("got the role %q", got)
			}
		})
	}
}

// GitHub's word on another account is no word on this one.
func TestPermissionWhenTheAnswerIsAboutAnother(t *testing.T) {
	f := newFake(t)
	f.on(helloGet, 200, helloOK)
	f.on(adaPath, 404, said("Not Found"))
	f.on("GET /user/7", 200, `{"id":8,"login":"ada"}`)
	got, err := newClient(t, f.URL).Permission(t.Context(), hello, ada)
	wantClass(t, err, classLater)
	if got != "" {
		t.Errorf("got the role %q", got)
	}
}

func TestPermissionOfNobody(t *testing.T) {
	for name, answer := range map[string]struct {
		status int
		body   string
	}{
		"deleted":            {404, said("Not Found")},
		"unknown in the org": {200, `{"id":7,"login":"ada"}`},
	} {
		t.Run(name, func(t *testing.T) {
			f := newFake(t)
			f.on(helloGet, 200, helloOK)
			f.on(adaPath, 404, said("Not Found"))
			f.on("GET /user/7", answer.status, answer.body)
			if got, err := newClient(t, f.URL).Permission(t.Context(), hello, ada); err != nil || got != "none" {
				t.Errorf("got %q, %v, want none", got, err)
			}
		})
	}
}

func TestPermissionInUnknownRepository(t *testing.T) {
	f := newFake(t)
	f.on(helloGet, 404, said("Not Found"))
	_, err := newClient(t, f.URL).Permission(t.Context(), hello, ada)
	wantClass(t, err, classNotFound)
}

// The repository goes away between two questions: what is remembered of it must not make a stranger of ada.
func TestPermissionInRepositoryThatHasGone(t *testing.T) {
	f := newFake(t)
	gone := false
	f.handle(helloGet, func(w http.ResponseWriter, _ *http.Request) {
		if gone {
			reply(w, 404, said("Not Found"))
			return
		}
		gone = true
		reply(w, 200, helloOK)
	})
	f.on(adaPath, 404, said("Not Found"))
	_, err := newClient(t, f.URL).Permission(t.Context(), hello, ada)
	wantClass(t, err, classNotFound)
}

// A name that its owner gave up can be taken by another repository, where other people may write.
func TestPermissionInRepositoryOfTheSameName(t *testing.T) {
	f := newFake(t)
	f.on(helloGet, 200, `{"id":1000}`)
	f.on(adaPath, 200, role("admin", "admin", 7))
	got, err := newClient(t, f.URL).Permission(t.Context(), hello, ada)
	wantClass(t, err, classNotFound)
	if got != "" {
		t.Errorf("got the role %q", got)
	}
}

func TestPermissionWithoutAnID(t *testing.T) {
	f := newFake(t)
	got, err := newClient(t, f.URL).Permission(t.Context(), hello, messages.User{Login: "ada"})
	wantClass(t, err, classRefused)
	if got != "" {
		t.Errorf("got the role %q", got)
	}
}

// An error is neither a yes nor a no, and it is not remembered.
func TestPermissionErrors(t *testing.T) {
	for path, answers := range map[string]map[int]class{
		helloGet:          {500: classLater, 401: classLater, 403: classRefused},
		adaPath:           {500: classLater, 401: classLater, 403: classRefused},
		"GET /user/{any}": {500: classLater, 401: classLater, 403: classRefused},
	} {
		for status, want := range answers {
			t.Run(fmt.Sprint(path, " ", status), func(t *testing.T) {
				f := newFake(t)
				broken := true
				answer := func(pattern string, good int, body string) {
					f.handle(pattern, func(w http.ResponseWriter, _ *http.Request) {
						if pattern == path && broken {
							reply(w, status, said("trouble"))
							return
						}
						reply(w, good, body)
					})
				}
				answer(helloGet, 200, helloOK)
				answer("GET /user/{any}", 200, `{"id":7,"login":"lovelace"}`)
				answer(adaPath, 404, said("Not Found"))
				f.on("GET /repos/octo/hello/collaborators/lovelace/permission", 200, role("write", "write", 7))
				c := newClient(t, f.URL)
				got, err := c.Permission(t.Context(), hello, ada)
				wantClass(t, err, want)
				if got != "" {
					t.Errorf("got the role %q with an error", got)
				}
				broken = false
				if got, err := c.Permission(t.Context(), hello, ada); err != nil || got != "write" {
					t.Errorf("afterwards got %q, %v, want write", got, err)
				}
			})
		}
	}
}

// wireOf answers about ada's role in a bubble and counts the questions.
func wireOf(permission *string, asked *int) roundTrip {
	var mu sync.Mutex
	return func(r *http.Request) (*http.Response, error) {
		mu.Lock()
		defer mu.Unlock()
		if r.URL.Path == "/repos/octo/hello" {
			return response(200, helloOK), nil
		}
		*asked++
		return response(200, role(*permission, *permission, 7)), nil
	}
}

func TestPermissionIsBelievedForAWhile(t *testing.T) {
	for permission, keep := range map[string]time.Duration{"write": time.Minute, "read": 30 * time.Second} {
		synctest.Test(t, func(t *testing.T) {
			asked, now := 0, permission
			c := newClient(t, "https://api.test", func(o *Options) { o.Transport = wireOf(&now, &asked) })
			ask := func(want string, wantAsked int) {
				t.Helper()
				got, err := c.Permission(t.Context(), hello, ada)
				if err != nil || got != want || asked != wantAsked {
					t.Errorf("got %q, %v after %d questions, want %q after %d", got, err, asked, want, wantAsked)
				}
			}
			ask(permission, 1)
			now = "none"
			pass(keep - time.Second)
			ask(permission, 1)
			pass(time.Second)
			ask("none", 2)
		})
	}
}

func TestPermissionIsAskedOnceForManyAtOnce(t *testing.T) {
	f := newFake(t)
	f.on(helloGet, 200, helloOK)
	arrived, goOn := make(chan struct{}, 20), make(chan struct{})
	f.handle(adaPath, func(w http.ResponseWriter, _ *http.Request) {
		arrived <- struct{}{}
		<-goOn
		reply(w, 200, role("write", "write", 7))
	})
	c := newClient(t, f.URL)
	var all sync.WaitGroup
	for range 20 {
		all.Go(func() {
			if got, err := c.Permission(t.Context(), hello, ada); err != nil || got != "write" {
				t.Errorf("got %q, %v", got, err)
			}
		})
	}
	<-arrived
	close(goOn)
	all.Wait()
	if n := f.asked(adaPath); n != 1 {
		t.Errorf("asked %d times", n)
	}
}

// Who leaves while all wait for their question must not take the others with them.
func TestPermissionOutlivesTheOneWhoAsked(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		asked := 0
		c := newClient(t, "https://api.test", func(o *Options) {
			o.Transport = roundTrip(func(r *http.Request) (*http.Response, error) {
				if r.URL.Path == "/repos/octo/hello" {
					return response(200, helloOK), nil
				}
				if asked++; asked == 1 {
					<-r.Context().Done()
					return nil, r.Context().Err()
				}
				return response(200, role("write", "write", 7)), nil
			})
		})
		ctx, leave := context.WithCancel(t.Context())
		go func() {
			_, err := c.Permission(ctx, hello, ada)
			wantClass(t, err, classLater)
		}()
		synctest.Wait()
		got := make(chan string)
		go func() {
			role, err := c.Permission(t.Context(), hello, ada)
			if err != nil {
				t.Error(err)
			}
			got <- role
		}()
		impatient, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		_, err := c.Permission(impatient, hello, ada)
		wantClass(t, err, classLater)
		leave()
		if role := <-got; role != "write" || asked != 2 {
			t.Errorf("got %q after %d questions, want write after 2", role, asked)
		}
	})
}
