package sim

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"devs-webhook/messages"
)

// call is an API request with what its path and its token stand for.
type call struct {
	g       *GitHub
	r       *http.Request
	body    []byte
	user    messages.User // zero if there is no token
	repo    *repository   // of the path, if it names one; the user may see it
	thread  *thread       // of the path, if it names one
	pattern string        // of the route
}

// may says whether the user has at least the role on the call's repository. It takes g.mu.
func (c *call) may(role string) bool {
	c.g.mu.Lock()
	defer c.g.mu.Unlock()
	return c.repo.can(c.user, role)
}

// decode reads the request's JSON.
func (c *call) decode(into any) *answer {
	if err := json.Unmarshal(bytes.TrimSpace(c.body), into); err != nil {
		if _, wrong := err.(*json.UnmarshalTypeError); wrong {
			return new(failed(http.StatusUnprocessableEntity, "Invalid request.\n\n"+strings.TrimPrefix(err.Error(), "json: ")))
		}
		return new(failed(http.StatusBadRequest, "Problems parsing JSON"))
	}
	return nil
}

// page gives one page of a list, and the addresses of its neighbours.
func (c *call) page(list []any) answer {
	size := min(number(c.r.URL.Query(), "per_page", 30), 100)
	page := number(c.r.URL.Query(), "page", 1)
	last := max((len(list)+size-1)/size, 1)
	from := min((page-1)*size, len(list))
	part := list[from:min(from+size, len(list))]
	if part == nil {
		part = []any{} // JSON's empty list, not null
	}
	a := ok(part)
	var links []string
	link := func(n int, rel string) {
		q := c.r.URL.Query()
		q.Set("page", strconv.Itoa(n))
		links = append(links, fmt.Sprintf(`<%s%s?%s>; rel="%s"`, c.g.APIURL(), c.r.URL.EscapedPath(), q.Encode(), rel))
	}
	if page > 1 {
		link(page-1, "prev")
	}
	if page < last {
		link(page+1, "next")
		link(last, "last")
	}
	if page > 1 {
		link(1, "first")
	}
	if len(links) > 0 {
		a.header = map[string]string{"Link": strings.Join(links, ", ")}
	}
	return a
}

// number is a positive number of the query, or what it is without one.
func number(q url.Values, name string, without int) int {
	if n, err := strconv.Atoi(q.Get(name)); err == nil && n > 0 {
		return n
	}
	return without
}
