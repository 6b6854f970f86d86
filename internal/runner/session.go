package runner

import (
	"archive/tar"
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"time"

	"devs-webhook/messages"
)

// sessionFile is the archive of a session, in in/ and in out/: one file, named after the session.
const sessionFile = "session.tar"

// maxSession bounds the archive, in bytes. A session grows by what the agent reads and says; one above the limit is
// not kept, and the thread's next task begins a new one.
const maxSession = 20 << 20

// claudeAgent is the agent that has sessions. It keeps each in a file of JSON lines named by its id, in a directory
// of its home named after the directory in which it was begun. The file alone is enough to go on: tried with Claude
// Code 2.1.330, which finds it in whatever directory below projectsDir it lies.
const (
	claudeAgent = "claude"
	projectsDir = ".claude/projects"
)

// maxProjects bounds how many directories are looked into for a session.
const maxProjects = 10_000

// sessionID is the form of a session's id: whatever else an agent calls one is none, and so no name of a file.
var sessionID = regexp.MustCompile(`^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$`)

// putSession puts the session that the agent is to go on with into its home. That it cannot be done is no reason to
// end the attempt: the agent finds no session then, and says so in its own way.
func (a *attempt) putSession() {
	if a.spec.Session == "" {
		return
	}
	if err := a.unpackSession(); err != nil {
		a.log.writeln("runner: put back session: " + err.Error())
		a.rec.runner("the session of the thread could not be put back")
		return
	}
	a.rec.runner("the session of the thread is in place")
}

func (a *attempt) unpackSession() error {
	if a.spec.Agent.Name != claudeAgent || !sessionID.MatchString(a.spec.Session) {
		return errors.New("the agent has no such session")
	}
	file, err := os.OpenFile(filepath.Join(a.dirs.in, sessionFile), os.O_RDONLY|syscall.O_NOFOLLOW|syscall.O_NONBLOCK, 0)
	if err != nil {
		return fmt.Errorf("open archive: %w", err)
	}
	defer func() { _ = file.Close() }()
	data, err := readArchive(file, a.spec.Session+".jsonl")
	if err != nil {
		return err
	}
	root, err := os.OpenRoot(a.dirs.home)
	if err != nil {
		return fmt.Errorf("open home: %w", err)
	}
	defer func() { _ = root.Close() }()
	dir := path.Join(projectsDir, projectName(a.dirs.work))
	if err := root.MkdirAll(dir, 0o700); err != nil {
		return fmt.Errorf("make session directory: %w", err)
	}
	if err := root.WriteFile(path.Join(dir, a.spec.Session+".jsonl"), data, 0o600); err != nil {
		return fmt.Errorf("write session: %w", err)
	}
	return nil
}

// readArchive gives the content of an archive's only file, which must have the name.
func readArchive(r io.Reader, name string) ([]byte, error) {
	archive := tar.NewReader(io.LimitReader(r, maxSession))
	head, err := archive.Next()
	if err != nil {
		return nil, fmt.Errorf("read archive: %w", err)
	}
	if head.Name != name || head.Typeflag != tar.TypeReg || head.Size < 0 || head.Size > maxSession {
		return nil, errors.New("the archive does not hold the session's file")
	}
	data, err := io.ReadAll(io.LimitReader(archive, maxSession))
	if err != nil {
		return nil, fmt.Errorf("read archive: %w", err)
	}
	if _, err := archive.Next(); !errors.Is(err, io.EOF) {
		return nil, errors.New("the archive holds more than the session's file")
	}
	return data, nil
}

// projectName is how Claude Code names the directory for the sessions of a working directory.
func projectName(dir string) string {
	const longest = 200
	name := strings.Map(func(r rune) rune {
		if 'a' <= r && r <= 'z' || 'A' <= r && r <= 'Z' || '0' <= r && r <= '9' {
			return r
		}
		return '-'
	}, dir)
	return name[:min(len(name), longest)]
}

// takeSession puts the session of the agent's run into out/session.tar, whatever the ending is, and notes its id in
// the result. A lost one is not taken: it would be lost again.
func (a *attempt) takeSession(result *messages.Result, id string) {
	// The agent may have made a file of this name.
	if err := os.RemoveAll(filepath.Join(a.dirs.out, sessionFile)); err != nil {
		a.log.writeln("runner: " + err.Error())
		return
	}
	if a.spec.Agent.Name != claudeAgent || !sessionID.MatchString(id) || result.SessionLost {
		return
	}
	if err := a.packSession(id); err != nil {
		a.log.writeln("runner: take session: " + err.Error())
		a.rec.runner("the session could not be kept; the thread's next task begins a new one")
		return
	}
	result.Session = id
}

func (a *attempt) packSession(id string) error {
	data, err := a.readSession(id + ".jsonl")
	if err != nil {
		return err
	}
	if err := os.MkdirAll(a.dirs.out, 0o700); err != nil {
		return fmt.Errorf("make output directory: %w", err)
	}
	archive, err := writeArchive(id+".jsonl", data)
	if err != nil {
		return err
	}
	if len(archive) > maxSession {
		return fmt.Errorf("the session is too large: %d bytes", len(archive))
	}
	temp := filepath.Join(a.dirs.out, ".session.tar.new")
	if err := os.RemoveAll(temp); err != nil {
		return fmt.Errorf("write archive: %w", err)
	}
	if err := writeNew(temp, archive); err != nil {
		return fmt.Errorf("write archive: %w", err)
	}
	return putInPlace(temp, filepath.Join(a.dirs.out, sessionFile))
}

// writeArchive makes the archive: the same session gives the same bytes.
func writeArchive(name string, data []byte) ([]byte, error) {
	var archive bytes.Buffer
	w := tar.NewWriter(&archive)
	head := &tar.Header{Typeflag: tar.TypeReg, Name: name, Size: int64(len(data)), Mode: 0o600, ModTime: time.Unix(0, 0), Format: tar.FormatUSTAR}
	err := w.WriteHeader(head)
	if err == nil {
		_, err = w.Write(data)
	}
	if err := errors.Join(err, w.Close()); err != nil {
		return nil, fmt.Errorf("make archive: %w", err)
	}
	return archive.Bytes(), nil
}

// readSession reads the session's file. The home is the agent's: what lies there may be a link or a pipe, and of
// several files of the name the one last written to is the session. A line without an end is of an agent that was
// killed while it wrote, and left out.
func (a *attempt) readSession(name string) ([]byte, error) {
	root, err := os.OpenRoot(a.dirs.run)
	if err != nil {
		return nil, fmt.Errorf("open run directory: %w", err)
	}
	defer func() { _ = root.Close() }()
	found, err := findSession(root, name)
	if err != nil {
		return nil, err
	}
	file, err := root.OpenFile(found, os.O_RDONLY|syscall.O_NOFOLLOW|syscall.O_NONBLOCK, 0)
	if err != nil {
		return nil, fmt.Errorf("open session: %w", err)
	}
	defer func() { _ = file.Close() }()
	if info, err := file.Stat(); err != nil || !info.Mode().IsRegular() {
		return nil, errors.Join(errors.New("the session is no regular file"), err)
	}
	data, err := io.ReadAll(io.LimitReader(file, maxSession+1))
	if err != nil {
		return nil, fmt.Errorf("read session: %w", err)
	}
	if len(data) > maxSession {
		return nil, errors.New("the session is too large")
	}
	data = data[:bytes.LastIndexByte(data, '\n')+1]
	if len(data) == 0 {
		return nil, errors.New("the session is empty")
	}
	return data, nil
}

// findSession gives the path, below the attempt's directory, of the newest regular file of the name.
func findSession(root *os.Root, name string) (string, error) {
	below := path.Join(homeName, projectsDir)
	projects, err := root.OpenFile(below, os.O_RDONLY|syscall.O_DIRECTORY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return "", fmt.Errorf("look for session: %w", err)
	}
	defer func() { _ = projects.Close() }()
	dirs, err := projects.Readdirnames(maxProjects)
	if err != nil {
		return "", fmt.Errorf("look for session: %w", err)
	}
	var found string
	var newest time.Time
	for _, dir := range dirs {
		file := path.Join(below, dir, name)
		if info, err := root.Lstat(file); err == nil && info.Mode().IsRegular() && (found == "" || info.ModTime().After(newest)) {
			found, newest = file, info.ModTime()
		}
	}
	if found == "" {
		return "", errors.New("the session's file is not there")
	}
	return found, nil
}
