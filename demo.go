package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"syscall"
	"time"

	"github.com/rs/zerolog"

	"devs-webhook/cli"
	"devs-webhook/internal/agent/demo"
	"devs-webhook/internal/runtime/docker"
	"devs-webhook/internal/runtime/hostimage"
	"devs-webhook/internal/sim"
	"devs-webhook/messages"
)

// The demo's credentials open nothing but the simulated GitHub on loopback.
const (
	demoToken  = "demo-token-of-the-simulated-github"
	demoSecret = "demo-secret-of-the-simulated-github"
	demoBot    = "devs-bot"
	demoImage  = "devs-webhook-demo:latest"
	demoWithin = 2 * time.Minute
	demoWish   = "fix the login bug: somebody who has no account can log in."
)

// demoRun is one showing of the main job: a simulated GitHub in this process, and the service in another
// one, started as anybody would start it.
type demoRun struct {
	out     io.Writer
	dir     string
	github  *sim.GitHub
	repo    messages.Repo
	visitor messages.User
	runtime string
	image   string
	// instance is this showing's own, so that what it leaves on the engine can be told from the rest.
	instance string
	child    *exec.Cmd
	ready    ready
}

// runDemo shows the main job at work.
func runDemo(ctx context.Context, f cli.DemoFlags) (err error) {
	dir, err := os.MkdirTemp("", "devs-webhook-demo-")
	if err != nil {
		return err
	}
	d := &demoRun{out: os.Stdout, dir: dir, instance: "demo" + strconv.Itoa(os.Getpid())}
	defer func() {
		if err = errors.Join(err, d.close()); err == nil {
			err = os.RemoveAll(dir) // after a failure the log is worth reading
		}
	}()
	if err := d.chooseRuntime(ctx, f.Runtime); err != nil {
		return err
	}
	if err := d.startGitHub(ctx); err != nil {
		return err
	}
	if err := d.startService(ctx); err != nil {
		return err
	}
	number, err := d.show(ctx)
	if err != nil {
		return fmt.Errorf("%w; the service's log is %s", err, d.logPath())
	}
	d.explain(number, f.Keep)
	if f.Keep {
		return d.keep(ctx)
	}
	return nil
}

// say prints a line of the narration.
func (d *demoRun) say(format string, args ...any) { fmt.Fprintf(d.out, format+"\n", args...) }

// chooseRuntime takes Docker if an engine answers, and says in one line if not.
func (d *demoRun) chooseRuntime(ctx context.Context, wanted string) error {
	d.image = environ()("CONTAINER_IMAGE")
	if wanted != "process" {
		ensure := func() error {
			_, err := hostimage.Ensure(ctx, "", demoImage)
			return err
		}
		if d.image == "" {
			d.image = demoImage
		} else {
			ensure = func() error { return nil }
		}
		err := d.checkEngine(ctx, ensure)
		if err == nil {
			d.runtime = "docker"
			d.say("Runtime: Docker, image %s.", d.image)
			return nil
		}
		if wanted == "docker" {
			return err
		}
		var away *messages.LaterError
		why := err.Error()
		if errors.As(err, &away) {
			why = "none answers; DOCKER_HOST would name one"
		}
		d.say("Runtime: process, without a Docker Engine (%s).", why)
	}
	d.runtime = "process"
	return nil
}

// checkEngine asks the engine whether it answers before the image is made there, and then for the image.
func (d *demoRun) checkEngine(ctx context.Context, ensure func() error) error {
	rt, err := docker.New(docker.Options{Instance: "demo", Image: d.image, RunnerPath: os.Args[0], Log: zerolog.Nop()})
	if err != nil {
		return err
	}
	defer rt.Close()
	err = rt.Check(ctx)
	var missing *messages.RefusedError
	if err == nil || !errors.As(err, &missing) {
		return err
	}
	if err := ensure(); err != nil {
		return fmt.Errorf("make the image %s: %w", d.image, err)
	}
	return rt.Check(ctx)
}

// startGitHub simulates a GitHub with a repository that has a bug, somebody who found it, and the bot.
func (d *demoRun) startGitHub(ctx context.Context) error {
	g, err := sim.Start(ctx, sim.Options{Dir: filepath.Join(d.dir, "github"), Log: zerolog.Nop()})
	if err != nil {
		return fmt.Errorf("start the simulated GitHub: %w", err)
	}
	d.github = g
	bot := g.AddUser(demoBot, false)
	g.AddToken(demoToken, bot)
	d.visitor = g.AddUser("developer", false)
	if d.repo, err = g.AddRepo("example", "login", demo.Repository(), true); err != nil {
		return fmt.Errorf("make the repository: %w", err)
	}
	test, err := g.AddRepo("test", "repo", demo.Repository(), true)
	if err != nil {
		return fmt.Errorf("make the repository of test events: %w", err)
	}
	for _, repo := range []messages.Repo{d.repo, test} {
		g.Grant(repo, bot, "write")
		g.Grant(repo, d.visitor, "write")
	}
	d.say("GitHub:  %s (simulated, on this machine only)", g.ServerURL())
	return nil
}

func (d *demoRun) logPath() string  { return filepath.Join(d.dir, "service.log") }
func (d *demoRun) stateDir() string { return filepath.Join(d.dir, "state") }

// startService starts this very program as the service, in an environment of its own.
func (d *demoRun) startService(ctx context.Context) error {
	program, err := os.Executable()
	if err != nil {
		return err
	}
	log, err := os.OpenFile(d.logPath(), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer log.Close() // the child has its own
	// Not bound to ctx: an interrupt must reach it as SIGTERM, from close.
	d.child = exec.Command(program, "serve", "--dev", "--port", "0") //nolint:noctx // see above
	d.child.Dir = d.dir
	d.child.Env = d.environment()
	d.child.Stderr = log
	d.child.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} // Ctrl-C is ours to handle
	stdout, err := d.child.StdoutPipe()
	if err != nil {
		return err
	}
	if err := d.child.Start(); err != nil {
		return fmt.Errorf("start the service: %w", err)
	}
	line, err := bufio.NewReader(stdout).ReadBytes('\n')
	if err != nil {
		return fmt.Errorf("the service did not start: %w; its log is %s", err, d.logPath())
	}
	if err := json.Unmarshal(line, &d.ready); err != nil {
		return fmt.Errorf("read the service's ready line: %w", err)
	}
	d.github.SetWebhook(d.ready.Webhook, demoSecret)
	d.say("Service: %s, process %d", d.ready.Webhook, d.ready.PID)
	return ctx.Err()
}

// environment is what the service is configured with: what production has, with other addresses and
// credentials.
func (d *demoRun) environment() []string {
	env := []string{
		"GITHUB_API_URL=" + d.github.APIURL(),
		"GITHUB_SERVER_URL=" + d.github.ServerURL(),
		"GITHUB_TOKEN=" + demoToken,
		"GITHUB_WEBHOOK_SECRET=" + demoSecret,
		"GITHUB_MENTIONED_USER=" + demoBot,
		"GITHUB_WRITE_INTERVAL=200ms",
		"ALLOWED_USERS=example,test",
		"STATE_DIR=" + d.stateDir(),
		"INSTANCE=" + d.instance,
		"CONTAINER_RUNTIME=" + d.runtime,
		"CONTAINER_IMAGE=" + d.image,
		"AGENT=demo",
		"PROGRESS_AFTER=2s",
		"MIN_FREE_DISK=0",
		"LOG_FORMAT=json",
	}
	for _, name := range []string{"PATH", "HOME", "TMPDIR", "DOCKER_HOST", "DOCKER_CERT_PATH", "DOCKER_TLS_VERIFY", "DEVS_WEBHOOK_RUNNER"} {
		if value, ok := os.LookupEnv(name); ok {
			env = append(env, name+"="+value)
		}
	}
	return env
}

// show opens the issue and tells what happens until the answer is there.
func (d *demoRun) show(ctx context.Context) (number int, err error) {
	ctx, cancel := context.WithTimeout(ctx, demoWithin)
	defer cancel()
	d.say("\n%s opens an issue on %s:\n    @%s %s\n", d.visitor.Login, d.repo.FullName(), demoBot, demoWish)
	number = d.github.OpenIssue(d.repo, d.visitor, "Login without an account", "@"+demoBot+" "+demoWish)
	told := &teller{demo: d, number: number, began: time.Now()}
	following, stop := context.WithCancel(ctx)
	defer stop()
	go told.followAgent(following)
	_, err = d.github.Wait(ctx, told.look, d.repo, number)
	if err != nil {
		return number, fmt.Errorf("the answer did not come: %w", err)
	}
	d.say("")
	if err := d.github.Render(d.out, d.repo, number); err != nil {
		return number, err
	}
	for _, p := range d.github.Pulls(d.repo) {
		d.say("\nThe diff of pull request #%d:\n\n%s", p.Number, p.Diff)
	}
	return number, nil
}

// explain says where to look next.
func (d *demoRun) explain(number int, keep bool) {
	delivery := d.github.Deliveries()[0].GUID
	if !keep {
		d.say("\nWhere to look next: make run KEEP=1 stays up; README.md says how to run it for real.")
		return
	}
	d.say(`Still up. Look around:
    %[9]s status --state-dir %[1]s
    %[9]s why --state-dir %[1]s %[2]s
    %[9]s test --state-dir %[1]s "Fix the login bug"
    curl %[3]s/status
    git clone http://x-access-token:%[4]s@%[5]s/%[6]s.git
    kill -9 %[7]d    (the service; it is started again and goes on)
Its log is %[8]s. Ctrl-C ends it.`,
		d.stateDir(), delivery, d.ready.Admin, demoToken, hostOf(d.github.ServerURL()), d.repo.FullName(), d.ready.PID, d.logPath(), os.Args[0])
}

func hostOf(address string) string {
	u, err := url.Parse(address)
	if err != nil {
		return address
	}
	return u.Host
}

// keep stays up until it is interrupted, and starts the service again when somebody kills it.
func (d *demoRun) keep(ctx context.Context) error {
	for {
		ended := make(chan error, 1)
		go func() { ended <- d.child.Wait() }()
		select {
		case <-ctx.Done():
			d.say("\nStopping.")
			// An error means that it has gone already, which is what is wanted.
			_ = d.child.Process.Signal(syscall.SIGTERM)
			<-ended
			d.child = nil
			return nil
		case err := <-ended:
			d.say("The service ended (%v) and is started again.", err)
			if err := d.startService(ctx); err != nil {
				return err
			}
		}
	}
}

// close stops what runs and removes what was made.
func (d *demoRun) close() error {
	var errs []error
	if d.child != nil && d.child.Process != nil {
		_ = d.child.Process.Signal(syscall.SIGTERM) // as in keep
		if err := d.child.Wait(); err != nil {
			errs = append(errs, fmt.Errorf("the service ended with: %w; its log is %s", err, d.logPath()))
		}
	}
	if d.github != nil {
		errs = append(errs, d.github.Close())
	}
	return errors.Join(append(errs, d.sweep())...)
}
