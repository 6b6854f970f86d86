package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"devs-webhook/internal/agent/demo"
	"devs-webhook/internal/github/githubtest"
	"devs-webhook/internal/runtime/docker"
	"devs-webhook/internal/runtime/hostimage"
	"devs-webhook/internal/sim"
	"devs-webhook/internal/store"
	"devs-webhook/messages"
)

// runtimes are those that this machine can test. A missing engine is a failure if REQUIRE_DOCKER=1.
func runtimes(t *testing.T) []string {
	t.Helper()
	if err := engine(t.Context()); err != nil {
		if os.Getenv("REQUIRE_DOCKER") == "1" {
			t.Fatal(err)
		}
		t.Log("without Docker: ", err)
		return []string{"process"}
	}
	return []string{"docker", "process"}
}

const testImage = "devs-webhook-test:latest"

// engine makes sure that an engine answers and has the test image.
var engine = sync.OnceValue(func() func(context.Context) error {
	var once sync.Once
	var err error
	return func(ctx context.Context) error {
		once.Do(func() { _, err = hostimage.Ensure(ctx, "", testImage) })
		return err
	}
})()

// site is a simulated GitHub with one repository, and the service that works for it, as a process of its
// own that may be killed.
type site struct {
	t       *testing.T
	github  *sim.GitHub
	repo    messages.Repo
	person  messages.User // may write
	guest   messages.User // may not
	bot     messages.User
	dir     string
	env     []string
	name    string // of the installation
	process *exec.Cmd
	ready   ready
	log     *serviceLog
	logDone chan struct{}
}

// serviceLog is what the service has logged so far.
type serviceLog struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (l *serviceLog) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

func (l *serviceLog) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

var instances atomic.Int64

// newSite starts a GitHub for a service with this runtime. The service is started by start.
func newSite(t *testing.T, runtime string, env ...string) *site {
	t.Helper()
	check := githubtest.Checker(t)
	g, err := sim.Start(t.Context(), sim.Options{Dir: t.TempDir(), Log: zerolog.Nop(), Check: check})
	if err != nil {
		t.Fatal(err)
	}
	s := &site{t: t, github: g, dir: t.TempDir(), name: fmt.Sprintf("t%dx%d", os.Getpid(), instances.Add(1))}
	s.bot, s.person, s.guest = g.AddUser("devs-bot", false), g.AddUser("person", false), g.AddUser("guest", false)
	g.AddToken("token-of-the-bot", s.bot)
	if s.repo, err = g.AddRepo("octo", "hello", demo.Repository(), false); err != nil {
		t.Fatal(err)
	}
	g.Grant(s.repo, s.bot, "write")
	g.Grant(s.repo, s.person, "write")
	s.env = append([]string{
		"PATH=" + os.Getenv("PATH"), "DOCKER_HOST=" + os.Getenv("DOCKER_HOST"), "HOME=" + s.dir,
		"GITHUB_API_URL=" + g.APIURL(), "GITHUB_SERVER_URL=" + g.ServerURL(), "GITHUB_TOKEN=token-of-the-bot",
		"GITHUB_WEBHOOK_SECRET=secret-of-the-webhook", "GITHUB_MENTIONED_USER=devs-bot", "GITHUB_WRITE_INTERVAL=10ms",
		"ALLOWED_ORGS=octo", "STATE_DIR=" + filepath.Join(s.dir, "state"), "INSTANCE=" + s.name,
		"CONTAINER_RUNTIME=" + runtime, "CONTAINER_IMAGE=" + testImage, "CONTAINER_POOL=eamonn", "AGENT=command", "AGENT_COMMAND=DEMO_PACE=100ms {runner} agent-demo",
		"MIN_FREE_DISK=0", "LOG_FORMAT=json", "LOG_LEVEL=debug", "DEVS_WEBHOOK_RUNNER=" + binary,
	}, env...)
	t.Cleanup(func() {
		s.stop()
		if err := g.Close(); err != nil {
			t.Error(err)
		}
		for _, err := range g.CheckErrors() {
			t.Errorf("a request is not as GitHub describes it: %v", err)
		}
		if runtime == "docker" {
			s.sweep()
		}
	})
	return s
}

// start starts the service: the binary, or the test binary with the kill variable in extra.
func (s *site) start(program string, extra ...string) {
	s.t.Helper()
	s.log, s.logDone = &serviceLog{}, make(chan struct{})
	s.process = exec.Command(program, "serve", "--dev", "--port", "0")
	s.process.Env = append(append([]string{}, s.env...), extra...)
	s.process.Dir = s.dir
	stdout, err := s.process.StdoutPipe()
	if err != nil {
		s.t.Fatal(err)
	}
	stderr, err := s.process.StderrPipe()
	if err != nil {
		s.t.Fatal(err)
	}
	if err := s.process.Start(); err != nil {
		s.t.Fatal(err)
	}
	log, done := s.log, s.logDone
	go func() { defer close(done); _, _ = io.Copy(log, stderr) }()
	line, err := bufio.NewReader(stdout).ReadBytes('\n')
	if err != nil {
		s.wait()
		s.t.Fatalf("the service did not start: %v\n%s", err, s.log)
	}
	if err := json.Unmarshal(line, &s.ready); err != nil {
		s.t.Fatal(err)
	}
	s.github.SetWebhook(s.ready.Webhook, "secret-of-the-webhook")
}

// wait waits for the service's end and gives its exit code, -1 if it was killed.
func (s *site) wait() int {
	if s.process == nil {
		return 0
	}
	<-s.logDone
	_ = s.process.Wait() // its error is the exit code
	code := s.process.ProcessState.ExitCode()
	s.process = nil
	return code
}

// stop stops the service in the orderly way.
func (s *site) stop() {
	if s.process == nil {
		return
	}
	began := time.Now()
	_ = s.process.Process.Signal(syscall.SIGTERM) // it may have gone
	if code := s.wait(); code != 0 {
		s.t.Errorf("the service ended with exit code %d\n%s", code, s.log)
	}
	if took := time.Since(began); took > 10*time.Second {
		s.t.Errorf("the stop took %v", took)
	}
}

// kill ends the service as a power cut would.
func (s *site) kill() {
	_ = s.process.Process.Kill() // it may have gone
	s.wait()
}

// sweep removes what the service has on the engine, and complains about containers.
func (s *site) sweep() {
	rt, err := docker.New(docker.Options{Instance: s.name, Image: testImage, RunnerPath: binary, Log: zerolog.Nop()})
	if err != nil {
		s.t.Fatal(err)
	}
	defer rt.Close()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	if found, err := rt.Find(ctx, "eamonn"); err != nil || found.State != messages.FoundNothing {
		s.t.Errorf("the engine still has a container: %v %v", found, err)
	}
	if _, err := rt.Sweep(ctx, func(messages.AttemptRef) bool { return false }); err != nil {
		s.t.Error(err)
	}
}

// until waits for a state of the thread.
func (s *site) until(number int, what string, cond func(sim.Thread) bool) sim.Thread {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(s.t.Context(), time.Minute)
	defer cancel()
	th, err := s.github.Wait(ctx, cond, s.repo, number)
	if err != nil {
		var page strings.Builder
		_ = s.github.Render(&page, s.repo, number) // for the message only
		s.t.Fatalf("%s did not come: %v\n%s\n%s", what, err, page.String(), s.log)
	}
	return th
}

// answers counts our comments of a kind, by anybody.
func answers(th sim.Thread, kind messages.EffectKind) (n int) {
	for _, c := range th.Comments {
		if _, k, ok := messages.FindMarker(c.Body); ok && k == kind {
			n++
		}
	}
	return n
}

func answered(n int) func(sim.Thread) bool {
	return func(th sim.Thread) bool { return answers(th, messages.EffectFinal) >= n }
}

// settled waits until the service has nothing more to do, and gives the story of a delivery then.
func (s *site) settled(delivery string) store.Why {
	s.t.Helper()
	admin := newAdminClient(filepath.Join(s.dir, "state"), "", "", "")
	deadline := time.Now().Add(time.Minute)
	for time.Now().Before(deadline) {
		if err := s.github.Settle(s.t.Context()); err != nil { // all webhooks have been answered
			s.t.Fatal(err)
		}
		var status struct {
			Queued    int `json:"queued_tasks"`
			Running   int `json:"running_tasks"`
			Undecided int `json:"undecided_deliveries"`
			Pending   int `json:"pending_effects"`
		}
		err := admin.Call(s.t.Context(), http.MethodGet, "/status", nil, &status)
		if err == nil && status.Queued+status.Running+status.Undecided+status.Pending == 0 {
			var why store.Why
			if err := admin.Call(s.t.Context(), http.MethodGet, "/why/"+delivery, nil, &why); err != nil {
				s.t.Fatal(err)
			}
			return why
		}
		<-time.After(20 * time.Millisecond)
	}
	s.t.Fatalf("the service did not come to rest\n%s", s.log)
	return store.Why{}
}

// delivery is the id of the newest delivery of an event.
func (s *site) delivery(event string) string {
	s.t.Helper()
	all := s.github.Deliveries()
	for i := len(all) - 1; i >= 0; i-- {
		if all[i].Event == event {
			return all[i].GUID
		}
	}
	s.t.Fatalf("no delivery of %s", event)
	return ""
}

// once checks that a thread shows one answer, one reaction, at most one progress comment, and that there is
// one pull request.
func (s *site) once(number int) {
	s.t.Helper()
	th := s.github.Snapshot(s.repo, number)
	if n := answers(th, messages.EffectFinal); n != 1 {
		s.t.Errorf("%d final comments", n)
	}
	if n := answers(th, messages.EffectProgress); n > 1 {
		s.t.Errorf("%d progress comments", n)
	}
	if len(th.Reactions) != 1 {
		s.t.Errorf("%d reactions", len(th.Reactions))
	}
	if pulls := s.github.Pulls(s.repo); len(pulls) != 1 || pulls[0].Files != 1 {
		s.t.Errorf("%d pull requests", len(pulls))
	}
}
