package github

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"devs-webhook/messages"
)

const (
	pullsPath = "/repos/octo/hello/pulls"
	branch    = "devs/1-abcdefghijkl"
)

// pull is a pull request as GitHub lists it.
func pull(number int, state, owner, ref, base string) string {
	return fmt.Sprintf(`{"number":%d,"state":%q,"html_url":"https://github.test/p/%d",`+
		`"head":{"ref":%q,"label":"%s:%s","user":{"login":%q}},"base":{"ref":%q}}`, number, state, number, ref, owner, ref, owner, base)
}

func pulls(list ...string) string { return "[" + strings.Join(list, ",") + "]" }

func TestFindPull(t *testing.T) {
	noFork := fmt.Sprintf(`{"number":3,"state":"closed","html_url":"https://github.test/p/3","head":{"ref":%q,"label":"octo:%s","user":null},"base":{"ref":"main"}}`, branch, branch)
	tests := []struct {
		name   string
		list   string
		number int
		open   bool
	}{
		{"none", "[]", 0, false},
		{"open", pulls(pull(4, "open", "octo", branch, "main")), 4, true},
		{"newest", pulls(pull(9, "closed", "octo", branch, "main"), pull(4, "open", "octo", branch, "main")), 9, false},
		{"newest in another order", pulls(pull(4, "closed", "octo", branch, "main"), pull(9, "open", "octo", branch, "main")), 9, true},
		{"owner in another case", pulls(pull(4, "open", "Octo", branch, "main")), 4, true},
		{"of a fork", pulls(pull(4, "open", "mallory", branch, "main")), 0, false},
		{"of another branch", pulls(pull(4, "open", "octo", "other", "main")), 0, false},
		{"account of the head deleted", pulls(noFork), 3, false},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			f := newFake(t)
			f.handle("GET "+pullsPath, func(w http.ResponseWriter, r *http.Request) {
				q := r.URL.Query()
				if q.Get("head") != "octo:"+branch || q.Get("state") != "all" {
					t.Errorf("asked for %v", q)
				}
				reply(w, 200, test.list)
			})
			number, url, open, found, err := newClient(t, f.URL).FindPull(t.Context(), hello, "octo", branch)
			if err != nil || number != test.number || open != test.open || found != (test.number != 0) {
				t.Errorf("got %d (open: %t, found: %t), %v", number, open, found, err)
			}
			if found && url != fmt.Sprintf("https://github.test/p/%d", number) {
				t.Errorf("its URL is %q", url)
			}
		})
	}
}

// GitHub lists all pull requests if the head is not named: none of them is ours.
func TestFindPullWantsAHead(t *testing.T) {
	f := newFake(t)
	c := newClient(t, f.URL)
	for _, head := range [][2]string{{"", branch}, {"octo", ""}} {
		if _, _, _, _, err := c.FindPull(t.Context(), hello, head[0], head[1]); err == nil {
			t.Errorf("%v was looked for", head)
		}
	}
}

func TestCreatePull(t *testing.T) {
	f := newFake(t)
	f.handle("POST "+pullsPath, func(w http.ResponseWriter, r *http.Request) {
		want := map[string]any{"title": "Fix the bug", "head": branch, "base": "main", "body": "Closes #1", "draft": true}
		if diff := cmp.Diff(want, decode(t, r)); diff != "" {
			t.Error(diff)
		}
		reply(w, 201, pull(4, "open", "octo", branch, "main"))
	})
	number, url, err := newClient(t, f.URL).CreatePull(t.Context(), hello, branch, "main", "Fix\nthe bug", "Closes #1\n", true)
	if err != nil || number != 4 || url != "https://github.test/p/4" {
		t.Errorf("got %d, %q, %v", number, url, err)
	}
}

func TestCreatePullCutsALongBody(t *testing.T) {
	f := newFake(t)
	f.handle("POST "+pullsPath, func(w http.ResponseWriter, r *http.Request) {
		body := decode(t, r)
		if text, _ := body["body"].(string); length(text) > maxBody || !strings.HasSuffix(text, cutNote) {
			t.Errorf("%d characters were sent", length(text))
		}
		if title, _ := body["title"].(string); length(title) != maxTitle {
			t.Errorf("the title has %d characters", length(title))
		}
		reply(w, 201, pull(4, "open", "octo", branch, "main"))
	})
	c := newClient(t, f.URL)
	if _, _, err := c.CreatePull(t.Context(), hello, branch, "main", strings.Repeat("t", 999), strings.Repeat("x", 99999), false); err != nil {
		t.Error(err)
	}
}

func unprocessable(message string) string {
	return fmt.Sprintf(`{"message":"Validation Failed","errors":[{"resource":"PullRequest","code":"custom","message":%q}]}`, message)
}

func TestCreatePullTakesTheOneThatIsThere(t *testing.T) {
	exists := unprocessable("A pull request already exists for octo:" + branch + ".")
	tests := []struct {
		name   string
		head   string
		answer string
		list   string
		number int
		class  class
	}{
		{"open", branch, exists, pulls(pull(4, "open", "octo", branch, "main")), 4, classNone},
		{"open, of a fork", "ada:" + branch, exists, pulls(pull(4, "open", "ada", branch, "main")), 4, classNone},
		{"open, whatever the words are", branch, unprocessable("Es gibt ihn schon"), pulls(pull(4, "open", "octo", branch, "main")), 4, classNone},
		{"for another base", branch, exists, pulls(pull(4, "open", "octo", branch, "release")), 0, classLater},
		{"closed", branch, exists, pulls(pull(4, "closed", "octo", branch, "main")), 0, classLater},
		{"not in the list yet", branch, exists, "[]", 0, classLater},
		{"nothing to merge", branch, unprocessable("No commits between main and " + branch), "[]", 0, classRefused},
		{"nothing to merge, closed before", branch, unprocessable("No commits between main and " + branch), pulls(pull(4, "closed", "octo", branch, "main")), 0, classRefused},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			f := newFake(t)
			f.on("POST "+pullsPath, 422, test.answer)
			f.handle("GET "+pullsPath, func(w http.ResponseWriter, r *http.Request) {
				if got := r.URL.Query().Get("base"); got != "main" {
					t.Errorf("asked for the base %q", got)
				}
				reply(w, 200, test.list)
			})
			number, _, err := newClient(t, f.URL).CreatePull(t.Context(), hello, test.head, "main", "t", "b", true)
			wantClass(t, err, test.class)
			if number != test.number {
				t.Errorf("got %d, want %d", number, test.number)
			}
			if n := f.asked("POST"); n != 1 {
				t.Errorf("%d tries to open it", n)
			}
		})
	}
}

func TestCreatePullSaysWhyNot(t *testing.T) {
	f := newFake(t)
	f.on("POST "+pullsPath, 422, unprocessable("No commits between main and "+branch))
	f.on("GET "+pullsPath, 200, "[]")
	_, _, err := newClient(t, f.URL).CreatePull(t.Context(), hello, branch, "main", "t", "b", false)
	want := "GitHub refused to open the pull request in octo/hello: Validation Failed: No commits between main and " + branch
	if err == nil || !strings.HasPrefix(err.Error(), want) {
		t.Errorf("got %q, want %q", err, want)
	}
}

func TestCreatePullWhereThereAreNoDrafts(t *testing.T) {
	f := newFake(t)
	f.handle("POST "+pullsPath, func(w http.ResponseWriter, r *http.Request) {
		if decode(t, r)["draft"] == true {
			reply(w, 422, said("Draft pull requests are not supported in this repository."))
			return
		}
		reply(w, 201, pull(4, "open", "octo", branch, "main"))
	})
	f.on("GET "+pullsPath, 200, "[]")
	number, _, err := newClient(t, f.URL).CreatePull(t.Context(), hello, branch, "main", "t", "b", true)
	if err != nil || number != 4 {
		t.Errorf("got %d, %v", number, err)
	}
}

// The look for the one that is there can fail too; then nothing was done.
func TestCreatePullWhenLookingFails(t *testing.T) {
	f := newFake(t)
	f.on("POST "+pullsPath, 422, unprocessable("A pull request already exists"))
	f.on("GET "+pullsPath, 500, "")
	_, _, err := newClient(t, f.URL).CreatePull(t.Context(), hello, branch, "main", "t", "b", false)
	wantClass(t, err, classLater)
}

func TestCreatePullOtherFailures(t *testing.T) {
	for status, want := range map[int]class{404: classNotFound, 403: classRefused, 401: classLater, 500: classAmbiguous, 201: classAmbiguous} {
		f := newFake(t)
		body := said("no")
		if status == 201 {
			body = "" // without a number
		}
		f.on("POST "+pullsPath, status, body)
		_, _, err := newClient(t, f.URL).CreatePull(t.Context(), messages.Repo{Owner: "octo", Name: "hello"}, branch, "main", "t", "b", false)
		wantClass(t, err, want)
	}
}
