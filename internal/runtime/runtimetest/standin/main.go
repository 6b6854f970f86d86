// Standin is a runner for tests: it keeps the runner's place in an attempt's directory and does what the
// script in in/script.json says, which no well-behaved runner would.
package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"devs-webhook/internal/runtime/runtimetest/script"
	"devs-webhook/messages"
)

func main() {
	if len(os.Args) != 4 || os.Args[1] != "runner" || os.Args[2] != "--dir" {
		log.Fatalf("want: runner --dir DIR, got %q", os.Args[1:])
	}
	run := os.Args[3]
	term := make(chan os.Signal, 1)
	signal.Notify(term, syscall.SIGTERM)
	s := read[script.Script](run + "/in/script.json")
	if s.Count {
		must(appendTo(run+"/out/agent.log", "ran\n"))
	}
	if s.Child {
		spawn(run)
	}
	emit(run, s)
	if s.Facts {
		write(run+"/out/agent.log", facts(run, s))
	}
	outputs(run+"/out", s)
	use(s.Memory)
	switch {
	case s.Stubborn:
		for range term { //nolint:revive // the point is to do nothing
		}
	case s.Hang:
		<-term
		must(appendTo(run+"/out/agent.log", "terminated\n"))
	}
	if !s.NoResult {
		spec := read[messages.Spec](run + "/in/task.json")
		write(run+"/out/result.json", messages.Result{Protocol: messages.RunnerProtocol, Attempt: spec.Attempt, Ending: messages.EndSucceeded})
	}
	os.Exit(s.Exit)
}

// emit writes the events to the record and to stdout, and the raw lines in between.
func emit(run string, s script.Script) {
	file, err := os.OpenFile(run+"/out/events.jsonl", os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o644)
	must(err)
	out := io.MultiWriter(file, os.Stdout)
	for i := range s.Events {
		if i == s.Events/2 {
			for _, raw := range s.Raw {
				_, err := io.WriteString(out, raw+"\n")
				must(err)
			}
		}
		line, err := json.Marshal(messages.AgentEvent{
			Seq: int64(i + 1), At: time.Now(), Kind: messages.EventWords, Text: fmt.Sprint("word ", i+1, strings.Repeat(" ", s.Pad)),
		})
		must(err)
		_, err = out.Write(append(line, '\n'))
		must(err)
		if s.Pace > 0 {
			time.Sleep(s.Pace)
		}
	}
	must(file.Close())
}

func outputs(out string, s script.Script) {
	for name, size := range s.Files {
		must(os.WriteFile(filepath.Join(out, name), bytes.Repeat([]byte("x"), size), 0o644))
	}
	for name, target := range s.Links {
		_ = os.Remove(filepath.Join(out, name))
		must(os.Symlink(target, filepath.Join(out, name)))
	}
	for _, name := range s.Pipes {
		must(syscall.Mkfifo(filepath.Join(out, name), 0o644))
	}
	for _, name := range s.Dirs {
		must(os.Mkdir(filepath.Join(out, name), 0o755))
		must(os.WriteFile(filepath.Join(out, name, "inner"), nil, 0o644))
		must(os.Chmod(filepath.Join(out, name), 0o555))
	}
	if s.SparseBundle > 0 {
		must(os.WriteFile(filepath.Join(out, "work.bundle"), nil, 0o644))
		must(os.Truncate(filepath.Join(out, "work.bundle"), s.SparseBundle))
	}
}

// use takes n bytes of memory and touches each page.
func use(n int) {
	var kept [][]byte
	for ; n > 0; n -= 1 << 20 {
		kept = append(kept, bytes.Repeat([]byte{1}, 1<<20))
	}
	if len(kept) > 0 {
		time.Sleep(time.Minute)
		log.Fatal("had all the memory it wanted: ", len(kept))
	}
}

// spawn starts a child that ignores SIGTERM, in a session of its own, and notes down its number.
func spawn(run string) {
	cmd := exec.Command("/bin/sh", "-c", `trap "" TERM; while :; do sleep 1; done`)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	must(cmd.Start())
	must(appendTo(run+"/out/agent.log", fmt.Sprintf("child %d\n", cmd.Process.Pid)))
}

// facts is what the agent could find out about the place where it runs.
func facts(run string, s script.Script) script.Facts {
	f := script.Facts{
		UID: os.Getuid(), GID: os.Getgid(), PID: os.Getpid(), Env: os.Environ(), Status: slurp("/proc/self/status"),
		Writable: make(map[string]bool),
	}
	f.Dir, _ = os.Getwd()
	for _, dir := range []string{"/", "/usr", "/etc", "/devs", "/devs/bin", "/tmp", run, run + "/in", run + "/out", run + "/workspace", run + "/home"} {
		err := os.WriteFile(dir+"/.probe", nil, 0o644)
		f.Writable[strings.TrimPrefix(dir, run)] = err == nil
		_ = os.Remove(dir + "/.probe")
	}
	interfaces, err := net.Interfaces()
	must(err)
	for _, i := range interfaces {
		if i.Flags&net.FlagLoopback == 0 && i.Flags&net.FlagUp != 0 {
			f.Interfaces = append(f.Interfaces, i.Name)
		}
	}
	_ = os.WriteFile("/tmp/program", []byte("#!/bin/sh\nexit 0\n"), 0o755)
	f.TmpExec = exec.Command("/tmp/program").Run() == nil
	_ = os.Remove("/tmp/program")
	var fs syscall.Statfs_t
	must(syscall.Statfs("/tmp", &fs))
	f.TmpSize = int64(fs.Blocks) * int64(fs.Bsize)
	var limit syscall.Rlimit
	must(syscall.Getrlimit(syscall.RLIMIT_CORE, &limit))
	f.CoreLimit = limit.Max
	f.Input = slurp(run + "/in/thread/1.md")
	f.Routes, f.Inet6 = slurp("/proc/net/route"), slurp("/proc/net/if_inet6")
	f.Dialed, f.Resolved = probe(s)
	for mount := range strings.Lines(slurp("/proc/self/mounts")) {
		if fields := strings.Fields(mount); len(fields) > 3 && fields[1] == "/" {
			f.RootMount = fields[3]
		}
	}
	return f
}

// probe tries the network: all of it at once, as what is not there may take its time.
func probe(s script.Script) (dialed, resolved map[string]string) {
	type answer struct {
		to         map[string]string
		name, text string
	}
	dialed, resolved = make(map[string]string), make(map[string]string)
	answers := make(chan answer)
	for _, address := range append(s.Dial, s.DialLink...) {
		go func() {
			dialer := net.Dialer{Timeout: dialTimeout}
			if slices.Contains(s.DialLink, address) {
				dialer.Control = onLink
			}
			conn, err := dialer.Dial("tcp", address)
			if err != nil {
				answers <- answer{dialed, address, err.Error()}
				return
			}
			_ = conn.Close()
			answers <- answer{dialed, address, ""}
		}()
	}
	for _, name := range s.Resolve {
		go func() {
			ctx, cancel := context.WithTimeout(context.Background(), dialTimeout)
			defer cancel()
			found, _ := net.DefaultResolver.LookupHost(ctx, name)
			answers <- answer{resolved, name, strings.Join(found, " ")}
		}()
	}
	for range len(s.Dial) + len(s.DialLink) + len(s.Resolve) {
		a := <-answers
		a.to[a.name] = a.text
	}
	return dialed, resolved
}

// onLink has a connection leave by the container's interface, past the routes. It needs no privilege.
func onLink(_, _ string, raw syscall.RawConn) error {
	var err error
	control := raw.Control(func(fd uintptr) {
		err = errors.Join(syscall.SetsockoptString(int(fd), syscall.SOL_SOCKET, syscall.SO_BINDTODEVICE, "eth0"),
			syscall.SetsockoptInt(int(fd), syscall.SOL_SOCKET, syscall.SO_DONTROUTE, 1))
	})
	return errors.Join(control, err)
}

const dialTimeout = 3 * time.Second

func slurp(path string) string {
	text, err := os.ReadFile(path)
	if err != nil {
		return err.Error()
	}
	return string(text)
}

func read[T any](path string) T {
	var v T
	text, err := os.ReadFile(path)
	must(err)
	must(json.Unmarshal(text, &v))
	return v
}

func write(path string, v any) {
	text, err := json.Marshal(v)
	must(err)
	must(os.WriteFile(path, text, 0o644))
}

func appendTo(path, text string) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o644)
	if err != nil {
		return err
	}
	_, err = f.WriteString(text)
	if err != nil {
		return err
	}
	return f.Close()
}

func must(err error) {
	if err != nil {
		log.Fatal(err)
	}
}
