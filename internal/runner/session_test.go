package runner

import (
	"archive/tar"
	"bytes"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"devs-webhook/messages"
)

const (
	session  = "11111111-2222-4333-8444-555555555555"
	another  = "99999999-2222-4333-8444-555555555555"
	sessions = `p="$HOME/.claude/projects/-some-where"; mkdir -p "$p"; `
)

// entry is one thing in an archive.
type entry struct {
	name string
	kind byte
	text string
}

func archive(t *testing.T, entries ...entry) []byte {
	t.Helper()
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	for _, e := range entries {
		head := &tar.Header{Name: e.name, Typeflag: e.kind, Mode: 0o777, Size: int64(len(e.text))}
		if e.kind != tar.TypeReg {
			head.Size, head.Linkname = 0, e.text
		}
		if err := w.WriteHeader(head); err != nil {
			t.Fatal(err)
		}
		if e.kind == tar.TypeReg {
			if _, err := io.WriteString(w, e.text); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// session gives the only file of out/session.tar.
func (r *trial) session() (name, text string) {
	r.t.Helper()
	in := tar.NewReader(strings.NewReader(r.read("out/session.tar")))
	head, err := in.Next()
	if err != nil {
		r.t.Fatal(err)
	}
	data, err := io.ReadAll(in)
	if err != nil {
		r.t.Fatal(err)
	}
	if _, err := in.Next(); !errors.Is(err, io.EOF) {
		r.t.Errorf("the archive holds more: %v", err)
	}
	if head.Typeflag != tar.TypeReg || head.Mode != 0o600 || head.Uid != 0 || head.ModTime.Unix() != 0 {
		r.t.Errorf("entry %+v", head)
	}
	return head.Name, string(data)
}

func (r *trial) noSession(result messages.Result) {
	r.t.Helper()
	if _, err := os.Lstat(filepath.Join(r.dir, "out", sessionFile)); !errors.Is(err, os.ErrNotExist) || result.Session != "" {
		r.t.Errorf("there is a session: %q, %v", result.Session, err)
	}
}

// newSessionTrial is an attempt of the agent that has sessions.
func newSessionTrial(t *testing.T, script string) *trial {
	t.Helper()
	t.Parallel()
	return makeSessionTrial(t, script)
}

func makeSessionTrial(t *testing.T, script string) *trial {
	t.Helper()
	r := makeTrial(t, script)
	r.spec.Agent.Name = claudeAgent
	return r
}

// whichever way the agent ends, its session comes out.
func TestSessionComesOut(t *testing.T) {
	told := sessions + `echo "session ` + session + `"; printf 'one\ntwo\nhalf' >"$p/` + session + `.jsonl"; `
	for name, c := range map[string]struct {
		end  string
		want messages.Ending
		ask  func(*trial)
	}{
		"success": {`echo result`, messages.EndSucceeded, nil},
		"failure": {`exit 1`, messages.EndAgentFailed, nil},
		"crash":   {`kill -KILL $$`, messages.EndAgentFailed, nil},
		"timeout": {forever, messages.EndTimedOutIdle, func(r *trial) { r.spec.Limits.Idle = time.Second }},
	} {
		t.Run(name, func(t *testing.T) {
			r := newSessionTrial(t, told+c.end)
			if c.ask != nil {
				c.ask(r)
			}
			result := r.run()
			r.ended(result, c.want)
			if name, text := r.session(); result.Session != session || name != session+".jsonl" || text != "one\ntwo\n" {
				t.Errorf("session %q, file %s: %q", result.Session, name, text)
			}
		})
	}
}

func TestNewestFileIsTheSession(t *testing.T) {
	r := newSessionTrial(t, sessions+`cd "$p/.."; mkdir old new; f=`+session+`.jsonl; echo old >old/$f; echo new >new/$f
		touch -d 2020-01-01 old/$f; ln -s /etc/passwd "$p/$f"; echo other >new/`+another+`.jsonl; echo secret >"$HOME/.credentials.json"
		echo "session `+session+`"`)
	result := r.run()
	if name, text := r.session(); name != session+".jsonl" || text != "new\n" || result.Session != session {
		t.Errorf("file %s: %q", name, text)
	}
}

// What is no session of the agent's does not come out, whatever the agent says.
func TestNoSessionComesOut(t *testing.T) {
	for name, script := range map[string]string{
		"none":         `true`,
		"link":         sessions + `ln -s /etc/passwd "$p/` + session + `.jsonl"`,
		"hard to open": sessions + `mkfifo "$p/` + session + `.jsonl"`,
		"directory":    sessions + `mkdir "$p/` + session + `.jsonl"`,
		"pipe above":   `mkdir "$HOME/.claude"; mkfifo "$HOME/.claude/projects"`,
		"home elsewhere": `o=$(cd "$HOME/../.." && pwd)/other; mkdir -p "$o/.claude/projects/a"; echo x >"$o/.claude/projects/a/` + session + `.jsonl"
			rm -rf "$HOME"; ln -s "$o" "$HOME"`,
		"empty":         sessions + `: >"$p/` + session + `.jsonl"`,
		"large":         sessions + `yes | head -c 20971521 >"$p/` + session + `.jsonl"`,
		"large by head": sessions + `yes | head -c 20971520 >"$p/` + session + `.jsonl"`,
		"forged":        `echo x >"$DEVS_OUTPUT/session.tar"`,
		"forged folder": `mkdir -p "$DEVS_OUTPUT/session.tar/x"`,
	} {
		t.Run(name, func(t *testing.T) {
			a := newAttempt(t, claudeAgent)
			cmd := exec.Command("/bin/sh", "-c", script)
			cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "HOME=" + a.dirs.home, "DEVS_OUTPUT=" + a.dirs.out}
			if out, err := cmd.CombinedOutput(); err != nil {
				t.Fatalf("%v: %s", err, out)
			}
			a.keepsNone(session, messages.Result{})
		})
	}
}

func TestWhatIsNoSession(t *testing.T) {
	for _, c := range []struct {
		agent, id string
		lost      bool
	}{{claudeAgent, "", false}, {claudeAgent, "../x", false}, {claudeAgent, session, true}, {"command", session, false}} {
		a := newAttempt(t, c.agent)
		dir := filepath.Join(a.dirs.home, projectsDir, "a")
		if err := os.MkdirAll(dir, 0o700); err != nil {
			t.Fatal(err)
		}
		for _, name := range []string{".jsonl", "../x.jsonl", session + ".jsonl"} {
			if err := os.WriteFile(filepath.Join(dir, name), []byte("one\n"), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		a.keepsNone(c.id, messages.Result{SessionLost: c.lost})
	}
}

// attemptAtRest is an attempt of which nothing runs.
type attemptAtRest struct {
	*attempt
	t *testing.T
}

func newAttempt(t *testing.T, agent string) attemptAtRest {
	t.Helper()
	dirs, err := newPaths(filepath.Join(t.TempDir(), "run"), "")
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(makeDirs(dirs), os.MkdirAll(dirs.in, 0o700)); err != nil {
		t.Fatal(err)
	}
	rec, err := newRecorder(dirs.out, io.Discard)
	if err != nil {
		t.Fatal(err)
	}
	log, err := newLog(dirs.out)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := errors.Join(rec.close(), log.close()); err != nil {
			t.Error(err)
		}
	})
	spec := messages.Spec{Agent: messages.AgentSpec{Name: agent}, Session: session}
	return attemptAtRest{attempt: &attempt{dirs: dirs, spec: spec, rec: rec, log: log}, t: t}
}

func (a attemptAtRest) keepsNone(id string, result messages.Result) {
	a.t.Helper()
	a.takeSession(&result, id)
	if _, err := os.Lstat(filepath.Join(a.dirs.out, sessionFile)); !errors.Is(err, os.ErrNotExist) || result.Session != "" {
		a.t.Errorf("%q of %s came out: %q, %v", id, a.spec.Agent.Name, result.Session, err)
	}
}

func TestSessionGoesBackIn(t *testing.T) {
	r := newSessionTrial(t, `cd "$HOME/.claude/projects"; find . -type f; cat ./*/*; echo more >>"$(echo ./*/*.jsonl)"; echo "session `+session+`"`)
	r.spec.Session = session
	r.write(filepath.Join(r.dir, "in", sessionFile), string(archive(t, entry{session + ".jsonl", tar.TypeReg, "one\ntwo\n"})))
	result := r.run()
	r.ended(result, messages.EndSucceeded)
	// The directory has the name that the agent itself would give it for its workspace.
	project := projectName(filepath.Join(r.dir, "workspace"))
	if want := "./" + project + "/" + session + ".jsonl\none\ntwo"; result.Words != want {
		t.Errorf("the agent found %q, want %q", result.Words, want)
	}
	if _, text := r.session(); text != "one\ntwo\nmore\n" || result.Session != session || result.SessionLost {
		t.Errorf("came out as %q: %+v", text, result)
	}
	info, err := os.Stat(filepath.Join(r.dir, "home/.claude/projects", project, session+".jsonl"))
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v, %v", info.Mode(), err)
	}
}

// An archive was made by an agent: nothing but the session's file is taken from it.
func TestHostileSession(t *testing.T) {
	good := entry{session + ".jsonl", tar.TypeReg, "one\n"}
	for name, data := range map[string][]byte{
		"absolute":   archive(t, entry{"/" + good.name, tar.TypeReg, "x"}),
		"above":      archive(t, entry{"../" + good.name, tar.TypeReg, "x"}),
		"other name": archive(t, entry{".bashrc", tar.TypeReg, "x"}),
		"other id":   archive(t, entry{another + ".jsonl", tar.TypeReg, "x"}),
		"link":       archive(t, entry{good.name, tar.TypeSymlink, "/etc/passwd"}),
		"hard link":  archive(t, entry{good.name, tar.TypeLink, "/etc/passwd"}),
		"device":     archive(t, entry{good.name, tar.TypeChar, ""}),
		"more":       archive(t, good, entry{".bashrc", tar.TypeReg, "x"}),
		"twice":      archive(t, good, good),
		"large":      archive(t, entry{good.name, tar.TypeReg, strings.Repeat("x", maxSession)}),
		"cut":        archive(t, good)[:514],
		"empty":      archive(t),
		"no archive": []byte("hello"),
		"said to be large": func() []byte {
			var b bytes.Buffer
			w := tar.NewWriter(&b)
			if err := w.WriteHeader(&tar.Header{Name: good.name, Typeflag: tar.TypeReg, Size: 1 << 40}); err != nil {
				t.Fatal(err)
			}
			return b.Bytes()
		}(),
	} {
		t.Run(name, func(t *testing.T) {
			a := newAttempt(t, claudeAgent)
			if err := os.WriteFile(filepath.Join(a.dirs.in, sessionFile), data, 0o600); err != nil {
				t.Fatal(err)
			}
			if err := a.unpackSession(); err == nil {
				t.Error("it was accepted")
			}
			if left, err := os.ReadDir(a.dirs.home); err != nil || len(left) != 0 {
				t.Errorf("it left %v, %v", left, err)
			}
		})
	}
}

func TestSessionThatIsNotThere(t *testing.T) {
	for name, spoil := range map[string]func(*trial){
		"missing": func(*trial) {},
		"link": func(r *trial) {
			elsewhere := filepath.Join(r.dir, "elsewhere.tar")
			r.write(elsewhere, string(archive(t, entry{session + ".jsonl", tar.TypeReg, "one\n"})))
			if err := os.Symlink(elsewhere, filepath.Join(r.dir, "in", sessionFile)); err != nil {
				t.Fatal(err)
			}
		},
		"no id": func(r *trial) { r.spec.Session = "../x" },
	} {
		t.Run(name, func(t *testing.T) {
			r := newSessionTrial(t, `[ -e "$HOME/.claude" ] || echo lost; exit 1`)
			r.spec.Session = session
			spoil(r)
			if result := r.run(); result.Ending != messages.EndAgentFailed || !result.SessionLost {
				t.Errorf("result %+v", result)
			}
		})
	}
}

// A session can be lost only by who was to go on with one.
func TestNothingToLose(t *testing.T) {
	r := newSessionTrial(t, `echo lost; exit 1`)
	if result := r.run(); result.SessionLost {
		t.Errorf("result %+v", result)
	}
}

func FuzzReadArchive(f *testing.F) {
	good, err := writeArchive("a.jsonl", []byte("one\n"))
	if err != nil {
		f.Fatal(err)
	}
	f.Add(good)
	f.Add(good[:700])
	f.Fuzz(func(t *testing.T, data []byte) {
		if got, err := readArchive(bytes.NewReader(data), "a.jsonl"); err == nil && len(got) > len(data) {
			t.Errorf("%d bytes out of %d", len(got), len(data))
		}
	})
}
