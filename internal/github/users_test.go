package github

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"devs-webhook/messages"
)

func TestSelfIsAskedOnce(t *testing.T) {
	f := newFake(t)
	f.on("GET /user", 200, `{"id":42,"login":"robot","type":"Bot"}`)
	c := newClient(t, f.URL)
	for range 3 {
		got, err := c.Self(t.Context())
		if want := (messages.User{ID: 42, Login: "robot", Bot: true}); err != nil || got != want {
			t.Errorf("got %+v, %v, want %+v", got, err, want)
		}
	}
	if n := f.asked(""); n != 1 {
		t.Errorf("asked %d times", n)
	}
}

func TestSelfIsAskedAgainAfterAFailure(t *testing.T) {
	f := newFake(t)
	fail := true
	f.handle("GET /user", func(w http.ResponseWriter, _ *http.Request) {
		if fail {
			reply(w, 502, said("Server Error"))
			return
		}
		reply(w, 200, `{"id":42,"login":"robot"}`)
	})
	c := newClient(t, f.URL)
	_, err := c.Self(t.Context())
	wantClass(t, err, classLater)
	fail = false
	if got, err := c.Self(t.Context()); err != nil || got.ID != 42 {
		t.Errorf("got %+v, %v", got, err)
	}
}

func TestUserResolvesALogin(t *testing.T) {
	f := newFake(t)
	f.on("GET /users/ada", 200, `{"id":7,"login":"ada","type":"User"}`)
	f.on("GET /users/nobody", 404, said("Not Found"))
	f.on("GET /users/dependabot[bot]", 200, `{"id":8,"login":"dependabot[bot]","type":"Bot"}`)
	c := newClient(t, f.URL)
	for _, login := range []string{"ada", "ada", "ADA"} {
		if got, err := c.User(t.Context(), login); err != nil || got != ada {
			t.Errorf("%s is %+v, %v", login, got, err)
		}
	}
	for range 2 {
		_, err := c.User(t.Context(), "nobody")
		wantClass(t, err, classNotFound)
	}
	if got, err := c.User(t.Context(), "dependabot[bot]"); err != nil || !got.Bot {
		t.Errorf("got %+v, %v", got, err)
	}
	if ada, nobody := f.asked("GET /users/ada"), f.asked("GET /users/nobody"); ada != 1 || nobody != 1 {
		t.Errorf("asked %d times for ada and %d for nobody, want once each", ada, nobody)
	}
	for _, login := range []string{"", "..", "a/b", "a?b", "a b", "ada[bot]x", "a%2e"} {
		_, err := c.User(t.Context(), login)
		wantClass(t, err, classNotFound)
	}
	if n := f.asked(""); n != 3 {
		t.Errorf("%d requests, want 3: what is no login is not asked for", n)
	}
}

// Who is created after we asked is found a minute later; a login is believed for an hour.
func TestUserIsAskedAgainInTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		asked, exists := 0, false
		c := newClient(t, "https://api.test", func(o *Options) {
			o.Transport = roundTrip(func(*http.Request) (*http.Response, error) {
				asked++
				if !exists {
					return response(404, said("Not Found")), nil
				}
				return response(200, fmt.Sprintf(`{"id":%d,"login":"ada"}`, asked)), nil
			})
		})
		ask := func(wantAsked int) {
			t.Helper()
			_, err := c.User(t.Context(), "ada")
			if errors.Is(err, messages.ErrNotFound) == exists || asked != wantAsked {
				t.Errorf("got %v after %d requests, want %d", err, asked, wantAsked)
			}
		}
		ask(1)
		ask(1)
		exists = true
		pass(keepNobody)
		ask(2)
		pass(keepUser - time.Second)
		ask(2)
		pass(2 * time.Second)
		ask(3)
	})
}

func TestPingSaysWhatToDo(t *testing.T) {
	hotel := func(w http.ResponseWriter, _ *http.Request) {
		_, _ = w.Write([]byte("<html>Welcome to the hotel</html>"))
	}
	tests := []struct {
		name   string
		answer http.HandlerFunc
		want   []string
	}{
		{"bad token", func(w http.ResponseWriter, _ *http.Request) { reply(w, 401, said("Bad credentials")) }, []string{"401", "Bad credentials", "GITHUB_TOKEN"}},
		{"not the API", func(w http.ResponseWriter, _ *http.Request) { reply(w, 404, said("Not Found")) }, []string{"GITHUB_API_URL"}},
		{"a page of something else", hotel, []string{"not GitHub's", "GITHUB_API_URL"}},
		{"an empty answer", func(http.ResponseWriter, *http.Request) {}, []string{"not GitHub's", "GITHUB_API_URL"}},
		{"an app's token", func(w http.ResponseWriter, _ *http.Request) {
			reply(w, 403, said("Resource not accessible by integration"))
		}, []string{"Resource not accessible by integration", "GITHUB_TOKEN"}},
		{"trouble", func(w http.ResponseWriter, _ *http.Request) { reply(w, 503, "") }, []string{"503"}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			f := newFake(t)
			f.handle("GET /user", test.answer)
			err := newClient(t, f.URL).Ping(t.Context())
			if err == nil {
				t.Fatal("all is well")
			}
			for _, word := range test.want {
				if !strings.Contains(err.Error(), word) {
					t.Errorf("%q does not say %q", err, word)
				}
			}
		})
	}
}

func TestPingAlwaysAsks(t *testing.T) {
	f := newFake(t)
	f.on("GET /user", 200, `{"id":42,"login":"robot"}`)
	c := newClient(t, f.URL)
	for range 2 {
		if err := c.Ping(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := c.Self(t.Context()); err != nil {
		t.Fatal(err)
	}
	if n := f.asked(""); n != 2 {
		t.Errorf("asked %d times, want 2: each ping asks, and Self knows it then", n)
	}
}

func TestPingOfNobody(t *testing.T) {
	f := newFake(t)
	f.Close() // nobody listens there now
	err := newClient(t, f.URL).Ping(t.Context())
	wantClass(t, err, classLater)
	if !strings.Contains(err.Error(), f.URL) || !strings.Contains(err.Error(), "GITHUB_API_URL") {
		t.Errorf("%q does not say where and what to check", err)
	}
}
