package github

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

// A repository that has moved answers with a redirect to its id; GitHub asks to follow it with the same
// method: https://docs.github.com/rest/using-the-rest-api/best-practices-for-using-the-rest-api#follow-redirects.
func TestMovedRepositoryIsFollowed(t *testing.T) {
	for _, status := range []int{301, 302, 307, 308} {
		t.Run(http.StatusText(status), func(t *testing.T) {
			f := newFake(t)
			const moved = "/repositories/99/issues/1/comments"
			f.handle(commentsPath, func(w http.ResponseWriter, r *http.Request) {
				w.Header().Set("Location", f.URL+moved+"?"+r.URL.RawQuery)
				reply(w, status, said("Moved"))
			})
			f.handle("POST "+moved, func(w http.ResponseWriter, r *http.Request) {
				if body, _ := decode(t, r)["body"].(string); !strings.HasPrefix(body, "done") {
					t.Errorf("the body got lost on the way: %q", body)
				}
				reply(w, 201, `{"id":5,"html_url":"https://github.test/c/5"}`)
			})
			f.handle("GET "+moved, func(w http.ResponseWriter, r *http.Request) {
				if r.URL.Query().Get("per_page") != "100" {
					t.Errorf("the query got lost on the way: %q", r.URL.RawQuery)
				}
				reply(w, 200, page([]comment{commentBy(5, robot, "hi")}))
			})
			c := newClient(t, f.URL)
			if err := aWrite(t.Context(), c); err != nil {
				t.Errorf("write: %v", err)
			}
			if list, err := c.Comments(t.Context(), hello, 1); err != nil || len(list) != 1 {
				t.Errorf("read: %d comments, %v", len(list), err)
			}
			if left, _ := c.Budget(); left != 498 {
				t.Errorf("%d writes are left, want 498: both requests of the write count", left)
			}
		})
	}
}

// The body goes along whatever the transport does with the first one.
func TestRedirectedBodyIsWhole(t *testing.T) {
	var bodies []string
	c := newClient(t, "https://api.test", func(o *Options) {
		o.Transport = roundTrip(func(r *http.Request) (*http.Response, error) {
			body, err := io.ReadAll(r.Body)
			bodies = append(bodies, string(body))
			if len(bodies) == 1 {
				return response(307, "", "Location", "/repositories/99/issues/1/comments"), err
			}
			return response(201, `{"id":5}`), err
		})
	})
	wantClass(t, aWrite(t.Context(), c), classNone)
	if len(bodies) != 2 || bodies[0] == "" || bodies[0] != bodies[1] {
		t.Errorf("the bodies were %q", bodies)
	}
}

func TestTokenDoesNotFollowToAnotherHost(t *testing.T) {
	thief := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		t.Errorf("%s %s came to another host, with authorization %q", r.Method, r.URL, r.Header.Get("Authorization"))
	}))
	defer thief.Close()
	f := newFake(t)
	f.handle(commentsPath, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Location", strings.Replace(thief.URL, "http://", "http://key:hunter2@", 1)+"/x")
		reply(w, 307, said("Moved"))
	})
	c := newClient(t, f.URL)
	for _, err := range []error{aRead(t.Context(), c), aWrite(t.Context(), c)} {
		wantClass(t, err, classLater)
		if err != nil && strings.Contains(err.Error(), "hunter2") {
			t.Errorf("the error repeats a password: %v", err)
		}
	}
}

// go-github puts the request into its errors.
func TestTokenIsNotInTheRequestOfAnAnswer(t *testing.T) {
	c := newClient(t, "https://api.test", func(o *Options) {
		o.Transport = roundTrip(func(r *http.Request) (*http.Response, error) {
			resp := response(422, said("no"))
			resp.Request = r
			return resp, nil
		})
	})
	_, resp, err := c.rest.Users.Get(t.Context(), "ada")
	if err == nil || resp.Request.Header.Get("Authorization") != "" {
		t.Errorf("the answer's request has the headers %v (%v)", resp.Request.Header, err)
	}
}

func TestRedirectsEnd(t *testing.T) {
	for name, location := range map[string]string{"in a circle": commentsPath, "to nowhere": "", "to nonsense": "http://[::1"} {
		t.Run(name, func(t *testing.T) {
			f := newFake(t)
			f.handle(commentsPath, func(w http.ResponseWriter, _ *http.Request) {
				w.Header().Set("Location", location)
				reply(w, 301, said("Moved"))
			})
			wantClass(t, aWrite(t.Context(), newClient(t, f.URL)), classLater)
			if n := f.asked(""); n > maxHops+1 {
				t.Errorf("%d requests", n)
			}
		})
	}
}
