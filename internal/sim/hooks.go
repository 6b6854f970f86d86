package sim

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"slices"
	"time"

	"devs-webhook/messages"
)

// hookTimeout is how long GitHub waits for the answer to a webhook.
const hookTimeout = 10 * time.Second

// Delivery is one webhook and what became of it. GitHub never tries again by itself; Redeliver does.
type Delivery struct {
	GUID     string // X-GitHub-Delivery: the same each time it is sent
	Hook     int64  // X-GitHub-Hook-ID
	Event    string // X-GitHub-Event
	Action   string
	Payload  []byte // not to be changed
	At       time.Time
	Attempts int    // requests that were made
	Status   int    // HTTP status of the last answer, 0 if there was none
	Error    string // why there was none
	Waiting  bool   // held back, or not sent yet
}

// Sending is how webhooks go out. The zero value is in order, once each, as soon as they happen.
type Sending struct {
	Hold       bool // keep them until Release
	Copies     int  // send each so often under its one GUID; 0 means once
	SecondHook bool // send each also under a GUID of its own, as with a hook of the organisation beside the repository's
}

// hooks is the hook's configuration and the log of deliveries.
type hooks struct {
	url, secret string
	sending     Sending
	log         []*Delivery
	queue       []*Delivery // next first; a delivery may be in it several times
	busy        bool        // one is under way
	bell        messages.Bell
}

func newHooks(url, secret string) hooks {
	return hooks{url: url, secret: secret, bell: messages.NewBell()}
}

// The ids of the repository's hook and of the second one.
const (
	hookID       = 500_001
	secondHookID = 500_002
)

func newSender() *http.Client {
	return &http.Client{
		Timeout:       hookTimeout,
		Transport:     &http.Transport{DialContext: (&net.Dialer{}).DialContext, MaxIdleConnsPerHost: 2},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

// SetWebhook says where webhooks go from now on, those that wait included, and what signs them: an empty
// secret means unsigned, an empty URL that they are recorded only.
func (g *GitHub) SetWebhook(url, secret string) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.hooks.url, g.hooks.secret = url, secret
}

// SetSending says how webhooks go out from now on. Taking Hold away does not release what is held.
func (g *GitHub) SetSending(s Sending) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.hooks.sending = s
}

// Release sends what was held: the named deliveries in that order, one that is named twice twice; without
// names all of them, oldest first.
func (g *GitHub) Release(guids ...string) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	if len(guids) == 0 {
		for _, d := range g.hooks.log {
			if d.Waiting && !slices.Contains(g.hooks.queue, d) {
				guids = append(guids, d.GUID)
			}
		}
	}
	var errs []error
	for _, guid := range guids {
		errs = append(errs, g.enqueue(guid))
	}
	return errors.Join(errs...)
}

// Redeliver sends a delivery again: same GUID, same payload, signed with the secret of now.
func (g *GitHub) Redeliver(guid string) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.enqueue(guid)
}

// enqueue needs g.mu.
func (g *GitHub) enqueue(guid string) error {
	for _, d := range g.hooks.log {
		if d.GUID == guid {
			d.Waiting = true
			g.hooks.queue = append(g.hooks.queue, d)
			g.hooks.bell.Ring()
			return nil
		}
	}
	return fmt.Errorf("send delivery %q: %w", guid, messages.ErrNotFound)
}

// Deliveries lists every delivery so far, oldest first.
func (g *GitHub) Deliveries() []Delivery {
	g.mu.Lock()
	defer g.mu.Unlock()
	out := make([]Delivery, 0, len(g.hooks.log))
	for _, d := range g.hooks.log {
		out = append(out, *d)
	}
	return out
}

// Settle waits until no webhook is queued or under way. What is held does not count.
func (g *GitHub) Settle(ctx context.Context) error {
	return g.until(ctx, func() (bool, error) {
		g.mu.Lock()
		defer g.mu.Unlock()
		return len(g.hooks.queue) == 0 && !g.hooks.busy, nil
	})
}

// Ping sends the event that GitHub sends when a hook is made.
func (g *GitHub) Ping(repo messages.Repo, by messages.User) {
	g.mu.Lock()
	defer g.mu.Unlock()
	r := g.mustRepo(repo)
	g.emit(r, "ping", "", by, object{"zen": "Keep it logically awesome.", "hook_id": hookID, "hook": g.hookJSON(r)})
}

// hookJSON needs g.mu.
func (g *GitHub) hookJSON(r *repository) object {
	api := fmt.Sprintf("%s/hooks/%d", g.repoURL(r), hookID)
	config := object{"content_type": "json", "insecure_ssl": "0", "url": g.hooks.url}
	if g.hooks.secret != "" {
		config["secret"] = "********"
	}
	return object{
		"type": "Repository", "id": hookID, "name": "web", "active": true,
		"events": []string{"issue_comment", "issues", "pull_request"}, "config": config,
		"created_at": stamp(r.created), "updated_at": stamp(r.created), "url": api, "test_url": api + "/test",
		"ping_url": api + "/pings", "deliveries_url": api + "/deliveries",
		"last_response": object{"code": nil, "status": "unused", "message": nil},
	}
}

// emitThread sends an event about an issue or a pull request. It needs g.mu.
func (g *GitHub) emitThread(r *repository, t *thread, action string, by messages.User, extra object) {
	payload := object{"issue": g.issueJSON(r, t)}
	event := "issues"
	if t.pull != nil {
		event = "pull_request"
		payload = object{"number": t.number, "pull_request": g.pullJSON(r, t)}
	}
	maps.Copy(payload, extra)
	g.emit(r, event, action, by, payload)
}

// emitComment sends an event about a comment. It needs g.mu.
func (g *GitHub) emitComment(r *repository, t *thread, c *comment, action string, by messages.User, extra object) {
	payload := object{"issue": g.issueJSON(r, t), "comment": g.commentJSON(r, t, c)}
	maps.Copy(payload, extra)
	g.emit(r, "issue_comment", action, by, payload)
}

// emit records a delivery and queues it, unless deliveries are held. It needs g.mu.
func (g *GitHub) emit(r *repository, event, action string, by messages.User, payload object) {
	if action != "" {
		payload["action"] = action
	}
	payload["repository"], payload["sender"] = g.repoJSON(r), g.userJSON(by)
	if g.orgs[r.owner.ID] {
		payload["organization"] = g.orgJSON(r.owner)
	}
	body, err := json.Marshal(payload)
	if err != nil {
		panic(fmt.Sprintf("sim: payload of %s: %v", event, err)) // it holds only strings, numbers and lists of them
	}
	ids := []int64{hookID}
	if g.hooks.sending.SecondHook {
		ids = append(ids, secondHookID)
	}
	for _, id := range ids {
		d := &Delivery{GUID: newGUID(), Hook: id, Event: event, Action: action, Payload: body, At: g.opts.Now()}
		g.hooks.log = append(g.hooks.log, d)
		d.Waiting = g.hooks.sending.Hold
		for n := 0; n < max(g.hooks.sending.Copies, 1) && !g.hooks.sending.Hold; n++ {
			_ = g.enqueue(d.GUID) // it is there: it was put into the log above
		}
	}
	g.change()
}

// sendWebhooks sends what is queued, one after the other, until the end.
func (g *GitHub) sendWebhooks() {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	stop := make(chan struct{})
	defer func() { <-stop }()
	go func() {
		defer close(stop)
		select {
		case <-g.done:
			cancel()
		case <-ctx.Done():
		}
	}()
	for {
		for g.sendNext(ctx) {
		}
		select {
		case <-g.done:
			return
		case <-g.hooks.bell:
		}
	}
}

// sendNext sends the first delivery of the queue. False if there is none, or at the end.
func (g *GitHub) sendNext(ctx context.Context) bool {
	g.mu.Lock()
	if len(g.hooks.queue) == 0 || g.closed {
		g.mu.Unlock()
		return false
	}
	d := g.hooks.queue[0]
	g.hooks.queue = g.hooks.queue[1:]
	g.hooks.busy = true
	url, secret, copied := g.hooks.url, g.hooks.secret, *d
	g.mu.Unlock()

	status, err := 0, error(nil)
	if url != "" {
		status, err = g.post(ctx, url, secret, copied)
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	g.hooks.busy = false
	d.Status, d.Error = status, ""
	d.Waiting = slices.Contains(g.hooks.queue, d)
	switch {
	case url == "":
		d.Error = "no webhook is set"
	case err != nil:
		d.Attempts++
		d.Error = err.Error()
	default:
		d.Attempts++
	}
	g.change()
	g.opts.Log.Debug().Str("delivery", d.GUID).Str("event", d.Event).Int("status", status).Err(err).Msg("webhook sent")
	return true
}

// post makes one request with a payload, signed over its bytes.
func (g *GitHub) post(ctx context.Context, url, secret string, d Delivery) (int, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, url, bytes.NewReader(d.Payload))
	if err != nil {
		return 0, err
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Accept", "*/*")
	req.Header.Set("User-Agent", "GitHub-Hookshot/sim")
	req.Header.Set("X-GitHub-Event", d.Event)
	req.Header.Set("X-GitHub-Delivery", d.GUID)
	req.Header.Set("X-GitHub-Hook-ID", fmt.Sprint(d.Hook))
	req.Header.Set("X-GitHub-Hook-Installation-Target-Type", "repository")
	if secret != "" {
		req.Header.Set("X-Hub-Signature-256", sign(secret, d.Payload))
	}
	res, err := g.sender.Do(req)
	if err != nil {
		return 0, err
	}
	defer func() { _ = res.Body.Close() }()
	_, _ = io.Copy(io.Discard, io.LimitReader(res.Body, 1<<20)) // the answer's text is of no interest
	return res.StatusCode, nil
}

// sign is the value of X-Hub-Signature-256.
func sign(secret string, body []byte) string {
	mac := hmac.New(sha256.New, []byte(secret))
	mac.Write(body)
	return "sha256=" + hex.EncodeToString(mac.Sum(nil))
}

// newGUID is a random UUID, version 4.
func newGUID() string {
	var b [16]byte
	_, _ = rand.Read(b[:]) // never fails
	b[6], b[8] = b[6]&0x0f|0x40, b[8]&0x3f|0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", b[:4], b[4:6], b[6:8], b[8:10], b[10:])
}
