package sim

import (
	"bytes"
	"cmp"
	"fmt"
	"maps"
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"devs-webhook/messages"
)

// Mode is what goes wrong with a request.
type Mode string

// The modes. Only Slow and those whose name says "after" let the request have its effect.
const (
	Fault500        Mode = "500"
	Fault502        Mode = "502"           // with a page of HTML, as from GitHub's front end
	Fault502After   Mode = "502-after"     // the request is applied, then answered 502
	Fault429        Mode = "429"           // the secondary limit, with Retry-After
	Fault403Rate    Mode = "403-rate"      // the hourly limit is used up, with X-RateLimit-Reset
	Fault403Second  Mode = "403-secondary" // the secondary limit, with Retry-After
	Fault401        Mode = "401"
	FaultSlow       Mode = "slow"          // served, but only after a while
	FaultDropBefore Mode = "drop-before"   // the connection is cut and nothing is applied
	FaultDropAfter  Mode = "drop-after"    // the request is applied, then the connection is cut
	FaultTimeout    Mode = "timeout"       // nothing is applied, and no answer comes until the client gives up
	FaultHangAfter  Mode = "timeout-after" // the request is applied, and no answer comes until the client gives up
)

func modes() []Mode {
	return []Mode{
		Fault500, Fault502, Fault502After, Fault429, Fault403Rate, Fault403Second, Fault401, FaultSlow,
		FaultDropBefore, FaultDropAfter, FaultTimeout, FaultHangAfter,
	}
}

// Fault lets requests fail. The path of a REST request is the one below /api/v3, such as
// /repos/octo/hello/issues/1/comments; that of a git request is whole, /octo/hello.git/git-receive-pack.
//
// A client may try again by itself when a connection is cut: git does on one that was used before, and
// net/http does so for a GET. Such a second request counts, too.
type Fault struct {
	Method     string        // empty means every one
	PathRegexp string        // that is found anywhere in the path; empty fits every one
	Times      int           // so many requests; 0 means until ClearFaults
	Mode       Mode          //
	After      time.Duration // slow: how long, default 2 s; 429 and 403: when to come back, default 60 s
}

// FaultUse is a fault and how many requests it has hit.
type FaultUse struct {
	Fault
	Hits int
}

type fault struct {
	FaultUse
	path *regexp.Regexp
}

// Fault adds a fault to those that are set. A request is hit by at most one: the first that fits and is
// not used up. A mode or expression that does not exist panics.
func (g *GitHub) Fault(f Fault) {
	if !slices.Contains(modes(), f.Mode) {
		panic(fmt.Sprintf("sim: no fault mode %q", f.Mode))
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	g.faults = append(g.faults, &fault{FaultUse: FaultUse{Fault: f}, path: regexp.MustCompile(f.PathRegexp)})
}

// ClearFaults takes all faults away.
func (g *GitHub) ClearFaults() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.faults = nil
}

// Faults lists the faults that are set, used up or not, with their hits.
func (g *GitHub) Faults() []FaultUse {
	g.mu.Lock()
	defer g.mu.Unlock()
	var out []FaultUse
	for _, f := range g.faults {
		out = append(out, f.FaultUse)
	}
	return out
}

// hit finds the fault for a request and counts it.
func (g *GitHub) hit(method, path string, entry int) (Fault, bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	for _, f := range g.faults {
		used := f.Times > 0 && f.Hits >= f.Times
		if used || f.Method != "" && !strings.EqualFold(f.Method, method) || !f.path.MatchString(path) {
			continue
		}
		f.Hits++
		g.requests[entry].Fault = f.Mode
		return f.Fault, true
	}
	return Fault{}, false
}

// Request is a line of the log of requests, REST and git alike.
type Request struct {
	Method string
	Path   string // as in Fault
	Query  string
	User   messages.User // zero for nobody
	At     time.Time
	Status int  // that the client was given; 0 while it is under way and if the connection was cut
	Fault  Mode // empty if nothing was made to fail
}

// Requests is the log of requests so far, oldest first. Deliveries of webhooks are not in it.
func (g *GitHub) Requests() []Request {
	g.mu.Lock()
	defer g.mu.Unlock()
	return slices.Clone(g.requests)
}

// record begins a line of the log and gives its place.
func (g *GitHub) record(r *http.Request, user messages.User) int {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.requests = append(g.requests, Request{
		Method: r.Method, Path: r.URL.Path, Query: r.URL.RawQuery, User: user, At: g.opts.Now(),
	})
	return len(g.requests) - 1
}

// told completes a line of the log.
func (g *GitHub) told(entry, status int) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.requests[entry].Status = status
	g.change()
}

// withFault performs a request, unless a fault has it otherwise, and sends its answer.
func (g *GitHub) withFault(w http.ResponseWriter, r *http.Request, entry int, perform func() (int, http.Header, []byte)) {
	f, hit := g.hit(r.Method, r.URL.Path, entry)
	send := func(status int, h http.Header, body []byte) {
		g.told(entry, status)
		maps.Copy(w.Header(), h)
		w.WriteHeader(status)
		_, _ = w.Write(body) // a client that went away is no matter of ours
	}
	if !hit {
		send(perform())
		return
	}
	switch f.Mode {
	case FaultDropAfter, FaultHangAfter, Fault502After:
		perform()
	}
	switch f.Mode {
	case FaultDropBefore, FaultDropAfter:
		g.told(entry, 0)
		panic(http.ErrAbortHandler)
	case FaultTimeout, FaultHangAfter:
		g.told(entry, 0)
		pause(r, 0)
		panic(http.ErrAbortHandler)
	case FaultSlow:
		pause(r, cmp.Or(f.After, 2*time.Second))
		send(perform())
	default:
		rec := &recorder{}
		g.standardHeaders(rec.Header(), g.requestUser(entry))
		g.refusal(f).write(rec, r)
		send(rec.status, rec.header, rec.body.Bytes())
	}
}

func (g *GitHub) requestUser(entry int) messages.User {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.requests[entry].User
}

// refusal is the answer of a mode that has one.
func (g *GitHub) refusal(f Fault) answer {
	wait := cmp.Or(f.After, time.Minute)
	seconds := strconv.FormatInt(int64((wait+time.Second-1)/time.Second), 10)
	switch f.Mode {
	case Fault500:
		return failed(http.StatusInternalServerError, "Server Error")
	case Fault401:
		return badToken()
	case Fault403Rate:
		a := failed(http.StatusForbidden, "API rate limit exceeded for user.")
		a.header = map[string]string{
			"X-RateLimit-Remaining": "0", "X-RateLimit-Used": strconv.Itoa(quotaLimit),
			"X-RateLimit-Reset": strconv.FormatInt(g.opts.Now().Add(wait+time.Second-1).Unix(), 10),
		}
		return a
	case Fault429, Fault403Second:
		a := failed(http.StatusForbidden, "You have exceeded a secondary rate limit. Please wait a few minutes before you try again.")
		if f.Mode == Fault429 {
			a.status = http.StatusTooManyRequests
		}
		a.body.(object)["documentation_url"] = docsURL + "/overview/rate-limits-for-the-rest-api#about-secondary-rate-limits"
		a.body.(object)["status"] = strconv.Itoa(a.status)
		a.header = map[string]string{"Retry-After": seconds}
		return a
	default:
		return answer{status: http.StatusBadGateway, body: "<html><body><h1>502 Bad Gateway</h1></body></html>\n"}
	}
}

// pause waits: for the time, or if that is 0 without end; at most until the connection is gone.
func pause(r *http.Request, d time.Duration) {
	var end <-chan time.Time
	if d > 0 {
		timer := time.NewTimer(d)
		defer timer.Stop()
		end = timer.C
	}
	select {
	case <-end:
	case <-r.Context().Done(): // Close cuts the connection, too
	}
}

// recorder keeps an answer, so that it can be sent late or not at all.
type recorder struct {
	header http.Header
	status int
	body   bytes.Buffer
}

// Header is that of http.ResponseWriter.
func (r *recorder) Header() http.Header {
	if r.header == nil {
		r.header = http.Header{}
	}
	return r.header
}

// WriteHeader is that of http.ResponseWriter.
func (r *recorder) WriteHeader(status int) {
	if r.status == 0 {
		r.status = status
	}
}

// Write is that of http.ResponseWriter.
func (r *recorder) Write(p []byte) (int, error) {
	r.WriteHeader(http.StatusOK)
	return r.body.Write(p)
}
