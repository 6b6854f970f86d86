package actors_test

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rs/zerolog"
	"github.com/thejerf/suture/v4"

	"devs-webhook/actors"
	"devs-webhook/internal/intake"
	"devs-webhook/internal/store"
	"devs-webhook/messages"
)

const secret = "secret of the webhook"

// door is package intake, as main fits it.
type door struct{}

func (door) Verify(body []byte, signature string) bool {
	return intake.Verify([][]byte{[]byte(secret), []byte("the secret before")}, body, signature) >= 0
}

func (door) Envelope(kind string, body []byte) ([]byte, error) { return intake.Envelope(kind, body) }
func (door) CheckDeliveryID(id string) error                   { return intake.CheckDeliveryID(id) }

// acceptor is a store whose Accept can be replaced.
type acceptor func(ctx context.Context, d messages.Delivery) (bool, error)

func (f acceptor) Accept(ctx context.Context, d messages.Delivery) (bool, error) { return f(ctx, d) }

func sign(key string, body []byte) string {
	mac := hmac.New(sha256.New, []byte(key))
	mac.Write(body)
	return "sha256=" + hex.EncodeToString(mac.Sum(nil))
}

func openStore(t *testing.T) *store.Store {
	t.Helper()
	st, err := store.Open(t.Context(), t.TempDir(), store.Options{Log: zerolog.Nop()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := st.Close(); err != nil {
			t.Error(err)
		}
	})
	return st
}

// source is a running webhook source under a supervisor of its own.
type source struct {
	url    string
	bell   messages.Bell
	events atomic.Int64 // that the supervisor saw
}

// listener counts, and panics when it is told to.
type listener struct {
	*net.TCPListener
	panics atomic.Int64 // how many more Accepts panic
}

func (l *listener) Accept() (net.Conn, error) {
	if l.panics.Add(-1) >= 0 {
		panic("accept")
	}
	return l.TCPListener.Accept()
}

func startSource(t *testing.T, to actors.Acceptor) (*source, *listener) {
	t.Helper()
	tcp, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	l := &listener{TCPListener: tcp.(*net.TCPListener)}
	s := &source{url: "http://" + tcp.Addr().String() + "/webhook", bell: messages.NewBell()}
	handler := actors.NewWebhook(&actors.Intake{Door: door{}, Store: to, Processor: s.bell}, zerolog.Nop())
	tree := suture.New("test", suture.Spec{EventHook: func(suture.Event) { s.events.Add(1) }, FailureThreshold: 1e9})
	tree.Add(actors.NewHTTPDoor("webhook", l, handler, zerolog.Nop()))
	ctx, cancel := context.WithCancel(t.Context())
	ended := tree.ServeBackground(ctx)
	t.Cleanup(func() {
		began := time.Now()
		cancel()
		<-ended
		if took := time.Since(began); took > 5*time.Second {
			t.Errorf("the stop took %v", took)
		}
		tcp.Close()
		http.DefaultClient.CloseIdleConnections()
	})
	return s, l
}

// post sends a webhook and gives the answer.
func (s *source) post(t *testing.T, body string, header map[string]string) (int, http.Header, string) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, s.url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("X-GitHub-Event", "issues")
	r.Header.Set("X-GitHub-Delivery", "d1")
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("X-Hub-Signature-256", sign(secret, []byte(body)))
	for name, value := range header {
		r.Header.Set(name, value)
		if value == "" {
			r.Header.Del(name)
		}
	}
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, resp.Header, strings.TrimSpace(string(text))
}

func TestWebhookAnswersInTheDocumentedOrder(t *testing.T) {
	st := openStore(t)
	s, _ := startSource(t, st)
	accepted := func(id string) string { return `{"delivery_id":"` + id + `","status":"accepted"}` }
	form := "payload=" + url.QueryEscape(`{"action":"opened"}`)
	for _, one := range []struct {
		name   string
		body   string
		header map[string]string
		status int
		answer string
	}{
		{"accepted", `{}`, nil, 200, accepted("d1")},
		{"repeated", `{}`, nil, 200, accepted("d1")},
		{"unknown event", `{}`, map[string]string{"X-GitHub-Event": "star", "X-GitHub-Delivery": "d2"}, 200, accepted("d2")},
		{"old secret", `{}`, map[string]string{"X-GitHub-Delivery": "d3", "X-Hub-Signature-256": sign("the secret before", []byte(`{}`))}, 200, accepted("d3")},
		{"form", form, map[string]string{"X-GitHub-Delivery": "d4", "Content-Type": "application/x-www-form-urlencoded"}, 200, accepted("d4")},
		{"odd id", `{}`, map[string]string{"X-GitHub-Delivery": "../../etc/passwd"}, 200, accepted("../../etc/passwd")},
		{"no signature", `{}`, map[string]string{"X-Hub-Signature-256": ""}, 401, `{"detail":"Invalid signature"}`},
		{"wrong signature", `{}`, map[string]string{"X-Hub-Signature-256": sign("guess", []byte(`{}`))}, 401, `{"detail":"Invalid signature"}`},
		{"signature that is no ASCII", `{}`, map[string]string{"X-Hub-Signature-256": "sha256=ü"}, 401, `{"detail":"Invalid signature"}`},
		{"signature before headers", `{}`, map[string]string{"X-Hub-Signature-256": "", "X-GitHub-Event": ""}, 401, `{"detail":"Invalid signature"}`},
		{"no event", `{}`, map[string]string{"X-GitHub-Event": ""}, 400, `{"detail":"Missing X-GitHub-Event header"}`},
		{"no delivery", `{}`, map[string]string{"X-GitHub-Delivery": ""}, 400, `{"detail":"Missing X-GitHub-Delivery header"}`},
		{"long delivery", `{}`, map[string]string{"X-GitHub-Delivery": strings.Repeat("x", 129)}, 400, ""},
		{"no object", `[]`, nil, 400, ""},
		{"no JSON", `{`, nil, 400, ""},
	} {
		t.Run(one.name, func(t *testing.T) {
			status, _, answer := s.post(t, one.body, one.header)
			if status != one.status || one.answer != "" && answer != one.answer || !strings.HasPrefix(answer, "{") {
				t.Errorf("%d %s", status, answer)
			}
		})
	}
	waiting, err := st.Undecided(t.Context(), 100)
	if err != nil || len(waiting) != 5 {
		t.Errorf("%d deliveries are stored, %v", len(waiting), err)
	}
	for _, d := range waiting {
		if d.ID == "d4" && string(d.Body) != `{"action":"opened"}` {
			t.Errorf("the form's payload was stored as %s", d.Body)
		}
	}
	if s.events.Load() != 0 {
		t.Error("the supervisor had something to do")
	}
}

func TestWebhookTakesOnlyPosts(t *testing.T) {
	s, _ := startSource(t, openStore(t))
	resp, err := http.Get(s.url)
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if resp.StatusCode != 405 || resp.Header.Get("Allow") != "POST" {
		t.Errorf("%d, Allow %q", resp.StatusCode, resp.Header.Get("Allow"))
	}
}

// TestWebhookRefusesWhatIsTooLarge: announced or not, before the signature is looked at.
func TestWebhookRefusesWhatIsTooLarge(t *testing.T) {
	s, _ := startSource(t, openStore(t))
	for name, body := range map[string]io.Reader{
		"announced": bytes.NewReader(make([]byte, 25<<20+1)),
		"streamed":  io.MultiReader(bytes.NewReader(make([]byte, 25<<20)), strings.NewReader("x")),
	} {
		resp, err := http.Post(s.url, "application/json", body)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		resp.Body.Close()
		if resp.StatusCode != 413 {
			t.Errorf("%s: %d", name, resp.StatusCode)
		}
	}
	largest := `{"a":"` + strings.Repeat("x", 25<<20-8) + `"}`
	if status, _, answer := s.post(t, largest, nil); status != 200 {
		t.Errorf("25 MiB: %d %s", status, answer)
	}
}

func TestWebhookSays503IfItCannotStore(t *testing.T) {
	s, _ := startSource(t, acceptor(func(context.Context, messages.Delivery) (bool, error) { return false, errors.New("disk full") }))
	status, header, answer := s.post(t, `{}`, nil)
	if status != 503 || header.Get("Retry-After") == "" || strings.Contains(answer, "disk full") {
		t.Errorf("%d %v %s", status, header, answer)
	}
	select {
	case <-s.bell:
		t.Error("the processor was rung for nothing")
	default:
	}
}

// TestWebhookHas8SecondsToStore: GitHub hangs up after ten.
func TestWebhookHas8SecondsToStore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		slow := acceptor(func(ctx context.Context, _ messages.Delivery) (bool, error) { <-ctx.Done(); return false, ctx.Err() })
		h := actors.NewWebhook(&actors.Intake{Door: door{}, Store: slow, Processor: messages.NewBell()}, zerolog.Nop())
		r, _ := http.NewRequestWithContext(t.Context(), http.MethodPost, "/webhook", strings.NewReader(`{}`))
		r.Header.Set("X-GitHub-Event", "issues")
		r.Header.Set("X-GitHub-Delivery", "d1")
		r.Header.Set("X-Hub-Signature-256", sign(secret, []byte(`{}`)))
		w := &recorder{header: http.Header{}}
		began := time.Now()
		h.ServeHTTP(w, r)
		if took := time.Since(began); w.status != 503 || took != 8*time.Second {
			t.Errorf("%d after %v", w.status, took)
		}
	})
}

type recorder struct {
	header http.Header
	status int
}

func (r *recorder) Header() http.Header         { return r.header }
func (r *recorder) WriteHeader(status int)      { r.status = status }
func (r *recorder) Write(p []byte) (int, error) { return len(p), nil }

// TestHundredPanicsRefuseNoConnection crashes the source a hundred times while webhooks come in: every one
// of them is answered 200 and is in the store.
func TestHundredPanicsRefuseNoConnection(t *testing.T) {
	st := openStore(t)
	s, l := startSource(t, st)
	var senders sync.WaitGroup
	var sent, refused atomic.Int64
	stop := make(chan struct{})
	for sender := range 8 {
		senders.Go(func() {
			client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}} // a connection for each
			for i := 0; ; i++ {
				select {
				case <-stop:
					return
				default:
				}
				r, _ := http.NewRequestWithContext(t.Context(), http.MethodPost, s.url, strings.NewReader(`{}`))
				r.Header.Set("X-GitHub-Event", "issues")
				r.Header.Set("X-GitHub-Delivery", fmt.Sprintf("%d-%d", sender, i))
				r.Header.Set("X-Hub-Signature-256", sign(secret, []byte(`{}`)))
				resp, err := client.Do(r)
				if err != nil || resp.StatusCode != 200 {
					refused.Add(1)
					t.Errorf("refused: %v %v", resp, err)
					return
				}
				resp.Body.Close()
				sent.Add(1)
			}
		})
	}
	for crash := int64(1); crash <= 100; crash++ {
		before := sent.Load()
		l.panics.Store(1)
		for s.events.Load() < crash || sent.Load() < before+2 { // it has crashed, and works again
			if refused.Load() > 0 {
				break
			}
			<-time.After(time.Millisecond)
		}
	}
	close(stop)
	senders.Wait()
	waiting, err := st.Undecided(t.Context(), 1<<20)
	if err != nil || int64(len(waiting)) != sent.Load() {
		t.Errorf("%d of %d are stored, %v", len(waiting), sent.Load(), err)
	}
	if s.events.Load() < 100 {
		t.Errorf("only %d crashes", s.events.Load())
	}
}

// TestPanicOfARequestIsItsOwn: a request whose handling panics gets 500, and the source works on.
func TestPanicOfARequestIsItsOwn(t *testing.T) {
	var calls atomic.Int64
	s, _ := startSource(t, acceptor(func(context.Context, messages.Delivery) (bool, error) {
		if calls.Add(1) == 1 {
			panic("store")
		}
		return false, nil
	}))
	for i, want := range []int{500, 200} {
		if status, _, _ := s.post(t, `{}`, map[string]string{"X-GitHub-Delivery": strconv.Itoa(i)}); status != want {
			t.Errorf("request %d: %d", i, status)
		}
	}
	if s.events.Load() != 0 {
		t.Error("the source was restarted for it")
	}
}
