package github

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"devs-webhook/messages"
)

const createComment = "POST " + commentsPath

// thread makes a list of comments of which none is ours.
func thread(n int) []comment {
	list := make([]comment, n)
	for i := range list {
		list[i] = commentBy(int64(1000+i), stranger, fmt.Sprintf("comment %d", i))
	}
	return list
}

func TestCommentsComeOldestFirstFromAllPages(t *testing.T) {
	f := newFake(t)
	f.serveComments(commentsPath, thread(250))
	got, err := newClient(t, f.URL).Comments(t.Context(), hello, 1)
	if err != nil || len(got) != 250 {
		t.Fatalf("got %d comments, %v", len(got), err)
	}
	for i, comment := range got {
		if comment.ID != int64(1000+i) {
			t.Fatalf("comment %d has the id %d", i, comment.ID)
		}
	}
	at := time.Date(2026, 3, 1, 12, 16, 40, 0, time.UTC)
	want := messages.Comment{
		ID: 1000, Body: "comment 0", Author: messages.User{ID: 666, Login: "mallory"},
		URL: "https://github.test/c/1000", CreatedAt: at, UpdatedAt: at,
	}
	if diff := cmp.Diff(want, got[0]); diff != "" {
		t.Error(diff)
	}
}

func TestCommentsOfAnEmptyThread(t *testing.T) {
	f := newFake(t)
	f.serveComments(commentsPath, nil)
	if got, err := newClient(t, f.URL).Comments(t.Context(), hello, 1); err != nil || len(got) != 0 {
		t.Errorf("got %d comments, %v", len(got), err)
	}
}

// A deleted account leaves comments without an author.
func TestCommentWithoutAnAuthor(t *testing.T) {
	f := newFake(t)
	f.on("GET /user", 200, `{"id":42,"login":"robot"}`)
	f.on("GET "+commentsPath, 200, fmt.Sprintf(`[{"id":1,"user":null,"body":%q}]`, messages.Marker(testTask, messages.EffectFinal)))
	c := newClient(t, f.URL)
	if got, err := c.Comments(t.Context(), hello, 1); err != nil || len(got) != 1 || got[0].Author != (messages.User{}) {
		t.Errorf("got %+v, %v", got, err)
	}
	if _, _, found, err := c.FindComment(t.Context(), hello, 1, testTask, messages.EffectFinal); err != nil || found {
		t.Errorf("found %t, %v: nobody's comment was taken for ours", found, err)
	}
}

func TestCommentsOfALongThreadAreTheNewest(t *testing.T) {
	for _, n := range []int{1000, 1001, 1099, 1100, 1250, 1301, 2500} {
		t.Run(fmt.Sprint(n), func(t *testing.T) {
			f := newFake(t)
			f.serveComments(commentsPath, thread(n))
			got, err := newClient(t, f.URL).Comments(t.Context(), hello, 1)
			if err != nil || len(got) != 1000 {
				t.Fatalf("got %d comments, %v, want 1000", len(got), err)
			}
			if first, last := got[0].ID, got[999].ID; last != int64(999+n) || first != last-999 {
				t.Errorf("got %d to %d, want %d to %d", first, last, n, 999+n)
			}
			if asked := f.asked(""); asked > 13 {
				t.Errorf("%d requests for a thousand comments", asked)
			}
		})
	}
}

// Strangers write the thread: its size in memory has a bound too.
func TestNewestCommentsAreThoseThatFit(t *testing.T) {
	of := func(first, n, size int) []messages.Comment {
		list := make([]messages.Comment, n)
		for i := range list {
			list[i] = messages.Comment{ID: int64(first + i), Body: strings.Repeat("x", size)}
		}
		return list
	}
	for name, test := range map[string]struct {
		pages       [][]messages.Comment
		first, last int64
		cut         bool
	}{
		"all fit":         {[][]messages.Comment{of(1, 100, 9), of(101, 100, 9)}, 1, 200, false},
		"full":            {[][]messages.Comment{of(1, 1000, 9)}, 1, 1000, false},
		"too many":        {[][]messages.Comment{of(1, 999, 9), of(1000, 3, 9)}, 3, 1002, true},
		"full of text":    {[][]messages.Comment{of(1, 16, 1<<20)}, 1, 16, false},
		"too much text":   {[][]messages.Comment{of(1, 15, 1<<20), of(16, 3, 1<<20)}, 3, 18, true},
		"one that is all": {[][]messages.Comment{of(1, 3, 9), of(4, 1, maxText+1)}, 4, 4, true},
	} {
		t.Run(name, func(t *testing.T) {
			var n newest
			for _, page := range test.pages {
				n.add(page)
			}
			if first, last := n.list[0].ID, n.list[len(n.list)-1].ID; first != test.first || last != test.last || n.cut != test.cut {
				t.Errorf("kept %d to %d (cut: %t), want %d to %d (%t)", first, last, n.cut, test.first, test.last, test.cut)
			}
		})
	}
}

func TestFindCommentByItsMarker(t *testing.T) {
	final := messages.Marker(testTask, messages.EffectFinal)
	ours := func(id int64, body string) comment { return commentBy(id, robot, body) }
	tests := []struct {
		name string
		put  map[int]comment // into a thread of 250
		want int64           // 0: none
	}{
		{"none", nil, 0},
		{"on the first page", map[int]comment{3: ours(1003, "done\n\n"+final)}, 1003},
		{"on page 3", map[int]comment{249: ours(1249, "done\n\n"+final)}, 1249},
		{"copied by a stranger", map[int]comment{5: commentBy(1005, stranger, "done\n\n"+final)}, 0},
		{"copied by a stranger before ours", map[int]comment{
			5: commentBy(1005, stranger, final), 220: ours(1220, final),
		}, 1220},
		{"several are ours", map[int]comment{230: ours(1230, final), 120: ours(1120, final), 121: ours(1121, final)}, 1120},
		{"of another task", map[int]comment{7: ours(1007, messages.Marker("zzzzzzzzzzzz", messages.EffectFinal))}, 0},
		{"of another kind", map[int]comment{7: ours(1007, messages.Marker(testTask, messages.EffectProgress))}, 0},
		{"edited by a maintainer", map[int]comment{7: ours(1007, "done\r\n\r\n"+final+"\r\n(see also #5)")}, 1007},
		{"without a marker", map[int]comment{7: ours(1007, "done")}, 0},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			f := newFake(t)
			f.on("GET /user", 200, `{"id":42,"login":"robot"}`)
			list := thread(250)
			for i, comment := range test.put {
				list[i] = comment
			}
			f.serveComments(commentsPath, list)
			id, url, found, err := newClient(t, f.URL).FindComment(t.Context(), hello, 1, testTask, messages.EffectFinal)
			if err != nil || found != (test.want != 0) || id != test.want {
				t.Errorf("found %t, id %d, %v, want id %d", found, id, err, test.want)
			}
			if found && url != fmt.Sprintf("https://github.test/c/%d", id) {
				t.Errorf("its URL is %q", url)
			}
		})
	}
}

// 'There is none' leads to a second comment, so whatever hinders the search is an error.
func TestFindCommentFailsRatherThanMisses(t *testing.T) {
	t.Run("a page is missing", func(t *testing.T) {
		f := newFake(t)
		f.on("GET /user", 200, `{"id":42,"login":"robot"}`)
		f.handle("GET "+commentsPath, func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Query().Get("page") == "2" {
				reply(w, 502, "")
				return
			}
			w.Header().Set("Link", fmt.Sprintf(`<%s%s?per_page=100&page=2>; rel="next"`, f.URL, commentsPath))
			reply(w, 200, page(thread(100)))
		})
		_, _, found, err := newClient(t, f.URL).FindComment(t.Context(), hello, 1, testTask, messages.EffectFinal)
		wantClass(t, err, classLater)
		if found {
			t.Error("found one")
		}
	})
	t.Run("who we are is not known", func(t *testing.T) {
		f := newFake(t)
		f.on("GET /user", 500, "")
		_, _, _, err := newClient(t, f.URL).FindComment(t.Context(), hello, 1, testTask, messages.EffectFinal)
		wantClass(t, err, classLater)
	})
	t.Run("the thread has gone", func(t *testing.T) {
		f := newFake(t)
		f.on("GET /user", 200, `{"id":42,"login":"robot"}`)
		f.on("GET "+commentsPath, 410, said("This issue was deleted"))
		_, _, _, err := newClient(t, f.URL).FindComment(t.Context(), hello, 1, testTask, messages.EffectFinal)
		wantClass(t, err, classNotFound)
	})
}

// A server whose list never ends must not hold the reporter for ever.
func TestListsEnd(t *testing.T) {
	f := newFake(t)
	f.handle("GET "+commentsPath, func(w http.ResponseWriter, r *http.Request) {
		var n int
		_, _ = fmt.Sscan(r.URL.Query().Get("page"), &n)
		w.Header().Set("Link", fmt.Sprintf(`<%s%s?page=%d>; rel="next"`, f.URL, commentsPath, n+1))
		reply(w, 200, "[]")
	})
	_, err := newClient(t, f.URL).Comments(t.Context(), hello, 1)
	wantClass(t, err, classLater)
}

func TestCreateCommentEndsInTheMarker(t *testing.T) {
	tests := []struct{ name, body, want string }{
		{"plain", "done\n", "done\n\n<!-- devs-webhook task=abcdefghijkl kind=final -->"},
		{"empty", "", "<!-- devs-webhook task=abcdefghijkl kind=final -->"},
		{
			"with somebody else's marker", "done <!-- devs-webhook task=zzzzzzzzzzzz kind=final --> so",
			"done  so\n\n<!-- devs-webhook task=abcdefghijkl kind=final -->",
		},
		{"with HTML characters", "a < b && c > d", "a < b && c > d\n\n<!-- devs-webhook task=abcdefghijkl kind=final -->"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			f := newFake(t)
			var got string
			f.handle(createComment, func(w http.ResponseWriter, r *http.Request) {
				got, _ = decode(t, r)["body"].(string)
				reply(w, 201, `{"id":5,"html_url":"https://github.test/c/5"}`)
			})
			id, url, err := newClient(t, f.URL).CreateComment(t.Context(), hello, 1, testTask, messages.EffectFinal, test.body)
			if err != nil || id != 5 || url != "https://github.test/c/5" {
				t.Errorf("got %d, %q, %v", id, url, err)
			}
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestLongCommentIsCutAndKeepsItsMarker(t *testing.T) {
	f := newFake(t)
	var got string
	f.handle(createComment, func(w http.ResponseWriter, r *http.Request) {
		got, _ = decode(t, r)["body"].(string)
		reply(w, 201, `{"id":5}`)
	})
	c := newClient(t, f.URL)
	_, _, err := c.CreateComment(t.Context(), hello, 1, testTask, messages.EffectFinal, strings.Repeat("ä", 70000))
	if err != nil {
		t.Fatal(err)
	}
	if n := len([]rune(got)); n > 65536 || n < 65000 {
		t.Errorf("%d characters were sent", n)
	}
	if !strings.HasSuffix(got, cutNote+"\n\n"+messages.Marker(testTask, messages.EffectFinal)) {
		t.Errorf("it ends in %q", got[len(got)-200:])
	}
}

func TestUpdateComment(t *testing.T) {
	f := newFake(t)
	f.handle("PATCH /repos/octo/hello/issues/comments/5", func(w http.ResponseWriter, r *http.Request) {
		want := "still at it\n\n" + messages.Marker(testTask, messages.EffectProgress)
		if diff := cmp.Diff(map[string]any{"body": want}, decode(t, r)); diff != "" {
			t.Error(diff)
		}
		reply(w, 200, `{"id":5}`)
	})
	f.on("PATCH /repos/octo/hello/issues/comments/6", 404, said("Not Found"))
	c := newClient(t, f.URL)
	if err := c.UpdateComment(t.Context(), hello, 5, testTask, messages.EffectProgress, "still at it"); err != nil {
		t.Error(err)
	}
	wantClass(t, c.UpdateComment(t.Context(), hello, 6, testTask, messages.EffectProgress, "x"), classNotFound)
}

func TestDeleteComment(t *testing.T) {
	f := newFake(t)
	f.handle("DELETE /repos/octo/hello/issues/comments/5", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(204) })
	f.on("DELETE /repos/octo/hello/issues/comments/6", 404, said("Not Found"))
	f.on("DELETE /repos/octo/hello/issues/comments/7", 500, "")
	f.on("DELETE /repos/octo/hello/issues/comments/8", 404, "<html>")
	c := newClient(t, f.URL)
	for id, want := range map[int64]class{5: classNone, 6: classNone, 7: classAmbiguous, 8: classAmbiguous} {
		wantClass(t, c.DeleteComment(t.Context(), hello, id), want)
	}
}

func TestReact(t *testing.T) {
	f := newFake(t)
	for _, path := range []string{"/repos/octo/hello/issues/1/reactions", "/repos/octo/hello/issues/comments/5/reactions"} {
		f.handle("POST "+path, func(w http.ResponseWriter, r *http.Request) {
			if diff := cmp.Diff(map[string]any{"content": "eyes"}, decode(t, r)); diff != "" {
				t.Error(diff)
			}
			reply(w, 200, `{"id":1,"content":"eyes"}`) // 200: it was there already
		})
	}
	f.on("POST /repos/octo/hello/issues/comments/6/reactions", 404, said("Not Found"))
	c := newClient(t, f.URL)
	for o, want := range map[messages.Object]class{
		{Kind: "issue", ID: 77}:                      classNone,
		{Kind: "pull_request", ID: 78}:               classNone,
		{Kind: "issue_comment", ID: 5}:               classNone,
		{Kind: "issue_comment", ID: 6}:               classNotFound,
		{Kind: "pull_request_review_comment", ID: 5}: classRefused,
	} {
		wantClass(t, c.React(t.Context(), hello, 1, o, "eyes"), want)
	}
	if n := f.asked("POST /repos/octo/hello/issues/1/reactions"); n != 2 {
		t.Errorf("%d reactions to the thread, want 2: of the issue and of the pull request", n)
	}
}
