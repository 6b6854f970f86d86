package web_test

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/rs/zerolog"
	"go.uber.org/goleak"

	"devs-webhook/internal/web"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// service is a web.Service of funcs.
type service struct {
	ready func() (bool, map[string]string)
	stop  func(name string) error
	test  func(repo, prompt string) (string, error)
}

func (s service) Ready(context.Context) (bool, map[string]string) { return s.ready() }
func (s service) Status(context.Context) (web.Status, error) {
	return web.Status{MentionedUser: "bot"}, nil
}

func (s service) Why(_ context.Context, delivery string) (any, error) {
	if delivery == "unknown/one" {
		return nil, web.ErrUnknown
	}
	return map[string]string{"delivery": delivery}, nil
}
func (s service) Stop(_ context.Context, name string) error { return s.stop(name) }
func (s service) TestEvent(_ context.Context, repo, prompt string) (string, error) {
	return s.test(repo, prompt)
}

func get(h http.Handler, method, path, body string, change ...func(*http.Request)) (int, http.Header, string) {
	r := httptest.NewRequest(method, path, strings.NewReader(body))
	for _, c := range change {
		c(r)
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w.Code, w.Header(), strings.TrimSpace(w.Body.String())
}

func TestHealthIsExactlyTheOriginals(t *testing.T) {
	h := web.Public(service{})
	for _, path := range []string{"/", "/health"} {
		status, _, body := get(h, http.MethodGet, path, "")
		var got map[string]string
		if err := json.Unmarshal([]byte(body), &got); err != nil || status != 200 || len(got) != 2 || got["status"] != "healthy" || got["service"] != "devs-webhook" {
			t.Errorf("%s: %d %s", path, status, body)
		}
	}
	if status, _, _ := get(h, http.MethodGet, "/docs", ""); status != 404 {
		t.Errorf("/docs: %d", status)
	}
}

func TestReadinessSaysWhy(t *testing.T) {
	for _, ready := range []bool{true, false} {
		h := web.Public(service{ready: func() (bool, map[string]string) { return ready, map[string]string{"store": "the disk is full"} }})
		want := map[bool]int{true: 200, false: 503}[ready]
		status, _, body := get(h, http.MethodGet, "/readyz", "")
		var got struct {
			Ready  bool
			Checks map[string]string
		}
		if err := json.Unmarshal([]byte(body), &got); err != nil || status != want || got.Ready != ready || got.Checks["store"] != "the disk is full" {
			t.Errorf("%d %s", status, body)
		}
	}
}

func TestAdminNeedsThePassword(t *testing.T) {
	with := func(user, password string) func(*http.Request) {
		return func(r *http.Request) { r.SetBasicAuth(user, password) }
	}
	h := web.Admin(service{}, web.Options{Username: "admin", Password: "sesame"})
	for name, one := range map[string]struct {
		change []func(*http.Request)
		want   int
	}{
		"nobody":         {nil, 401},
		"wrong password": {[]func(*http.Request){with("admin", "guess")}, 401},
		"wrong name":     {[]func(*http.Request){with("root", "sesame")}, 401},
		"not ASCII":      {[]func(*http.Request){with("ädmin", "sésame")}, 401},
		"right":          {[]func(*http.Request){with("admin", "sesame")}, 200},
	} {
		status, header, _ := get(h, http.MethodGet, "/status", "", one.change...)
		if status != one.want || header.Get("WWW-Authenticate") != "" {
			t.Errorf("%s: %d %q", name, status, header.Get("WWW-Authenticate"))
		}
	}
	if status, _, _ := get(web.Admin(service{}, web.Options{}), http.MethodGet, "/status", ""); status != 404 {
		t.Errorf("without a password, outside dev mode: %d", status)
	}
	if status, _, _ := get(web.Admin(service{}, web.Options{Dev: true}), http.MethodGet, "/status", "", with("any", "thing")); status != 200 {
		t.Errorf("without a password, in dev mode: %d", status)
	}
}

// TestStatusHasEveryKeyOfTheOriginal: scripts read them.
func TestStatusHasEveryKeyOfTheOriginal(t *testing.T) {
	h := web.Local(service{}, web.Options{})
	for path, keys := range map[string][]string{
		"/status": {
			"queued_tasks", "container_pool_size", "containers", "mentioned_user", "authorized_trigger_users",
			"authorized_ci_trigger_users", "deduplication_cache",
		},
		"/containers": {
			"container_queues", "running_containers", "single_queue_assignments", "cached_repo_configs", "cleanup_settings",
			"container_pool", "total_containers",
		},
	} {
		status, _, body := get(h, http.MethodGet, path, "")
		var got map[string]any
		if err := json.Unmarshal([]byte(body), &got); err != nil || status != 200 {
			t.Fatalf("%s: %d %v", path, status, err)
		}
		for _, key := range keys {
			if _, ok := got[key]; !ok {
				t.Errorf("%s has no %s", path, key)
			}
		}
	}
}

func TestStopContainer(t *testing.T) {
	h := web.Local(service{stop: func(name string) error {
		switch name {
		case "eamonn":
			return nil
		case "harry":
			return web.ErrUnknown
		}
		return errors.New("disk full")
	}}, web.Options{Log: zerolog.Nop()})
	for name, want := range map[string]int{"eamonn": 200, "harry": 404, "darren": 500} {
		status, _, body := get(h, http.MethodPost, "/container/"+name+"/stop", "")
		if status != want || strings.Contains(body, "disk") || want == 200 && body != `{"container":"eamonn","status":"stopped"}` {
			t.Errorf("%s: %d %s", name, status, body)
		}
	}
}

func TestTestEventsAreForDevMode(t *testing.T) {
	event := service{test: func(repo, prompt string) (string, error) {
		if prompt == "break" {
			return "", errors.New("disk full")
		}
		return "test-" + repo, nil
	}}
	long := strings.Repeat("ä", 200)
	for _, one := range []struct {
		dev    bool
		body   string
		status int
		part   string
	}{
		{false, `{"prompt":"x"}`, 404, ""},
		{true, `{"prompt":"x"}`, 202, `"delivery_id":"test-test/repo"`},
		{true, `{"prompt":"x","repo":"octo/hello"}`, 202, `"repo":"octo/hello"`},
		{true, `{"prompt":"` + long + `"}`, 202, `"prompt":"` + strings.Repeat("ä", 100) + `"`},
		{true, `{"prompt":"x","repo":"../../x"}`, 422, ""},
		{true, `{"prompt":" "}`, 422, ""},
		{true, `nonsense`, 422, ""},
		{true, `{"prompt":"break"}`, 500, ""},
	} {
		status, _, body := get(web.Local(event, web.Options{Dev: one.dev, Log: zerolog.Nop()}), http.MethodPost, "/testevent", one.body)
		if status != one.status || !strings.Contains(body, one.part) {
			t.Errorf("%s: %d %s", one.body, status, body)
		}
	}
}

func TestWhyTakesAnyDeliveryID(t *testing.T) {
	h := web.Local(service{}, web.Options{})
	if status, _, body := get(h, http.MethodGet, "/why/..%2F..%2Fpasswd", ""); status != 200 || body != `{"delivery":"../../passwd"}` {
		t.Errorf("%d %s", status, body)
	}
	if status, _, _ := get(h, http.MethodGet, "/why/unknown%2Fone", ""); status != 404 {
		t.Errorf("unknown: %d", status)
	}
}

func TestBothKeepsTheDoorsApart(t *testing.T) {
	say := func(text string) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.Write([]byte(text)) })
	}
	h := web.Both(say("admin"), say("rest"))
	for path, want := range map[string]string{
		"/status": "admin", "/containers": "admin", "/why/x": "admin", "/container/x/stop": "admin", "/testevent": "admin",
		"/": "rest", "/health": "rest", "/webhook": "rest", "/statusx": "rest",
	} {
		if _, _, body := get(h, http.MethodGet, path, ""); body != want {
			t.Errorf("%s: %s", path, body)
		}
	}
}
