package hostimage

import (
	"archive/tar"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
)

// needed are the programs without which the image is of no use, wanted those that are taken if there.
var (
	needed = []string{"git", "sh", "cat", "ls", "cp", "mv", "rm", "mkdir", "sleep", "env", "true", "false"}
	wanted = []string{
		"awk", "basename", "bash", "chmod", "comm", "cmp", "cut", "date", "dd", "diff", "dirname", "du", "echo", "expr", "find",
		"grep", "head", "id", "join", "kill", "ln", "mktemp", "nl", "od", "paste", "patch", "printf", "ps", "pwd", "readlink",
		"realpath", "rmdir", "sed", "seq", "sha256sum", "sort", "split", "stat", "tail", "tar", "tee", "test", "touch", "tr",
		"uname", "uniq", "wc", "which", "xargs", "yes",
	}
)

// collect lists what goes into the image.
func collect(ctx context.Context, extra []string) (tree, error) {
	t := make(tree)
	t.skeleton()
	var programs []string
	for _, name := range slices.Concat(needed, wanted) {
		file, err := exec.LookPath(name)
		if err != nil {
			if slices.Contains(needed, name) {
				return nil, err
			}
			continue
		}
		if err := t.add(file, "usr/bin/"+name); err != nil {
			return nil, err
		}
		programs = append(programs, file)
	}
	for _, file := range extra {
		if err := t.add(file, "usr/local/bin/"+filepath.Base(file)); err != nil {
			return nil, err
		}
		programs = append(programs, file)
	}
	if err := t.addLibraries(ctx, programs); err != nil {
		return nil, err
	}
	return t, t.addGit(ctx)
}

// addGit adds what git looks for beside itself: its own name in the exec path, by which it calls its
// parts, and the template of a new repository. The servers' sides are parts of the main program.
func (t tree) addGit(ctx context.Context) error {
	out, err := exec.CommandContext(ctx, "git", "--exec-path").Output()
	if err != nil {
		return fmt.Errorf("ask git for its exec path: %w", err)
	}
	execPath := place(strings.TrimSpace(string(out)))
	for _, link := range []string{execPath + "/git", "usr/bin/git-upload-pack", "usr/bin/git-receive-pack", "usr/bin/git-upload-archive"} {
		t.put(link, node{kind: tar.TypeSymlink, target: "/usr/bin/git", mode: 0o777})
	}
	// <prefix>/lib/git-core or <prefix>/libexec/git-core: the templates are below the prefix, too.
	prefix := filepath.Dir(filepath.Dir(strings.TrimSpace(string(out))))
	templates := filepath.Join(prefix, "share", "git-core", "templates")
	return filepath.WalkDir(templates, func(name string, entry fs.DirEntry, err error) error {
		switch {
		case errors.Is(err, fs.ErrNotExist):
			return nil // git warns, and goes on without
		case err != nil:
			return err
		case entry.IsDir():
			t.put(place(name), node{kind: tar.TypeDir, mode: 0o755})
			return nil
		}
		return t.add(name, place(name))
	})
}

// addLibraries adds the libraries and the loader that ldd names for the programs. A static program and a
// script have none.
func (t tree) addLibraries(ctx context.Context, programs []string) error {
	for _, program := range programs {
		// Its exit code says no more than its text: 1 also means "not a dynamic executable".
		out, err := exec.CommandContext(ctx, "ldd", program).Output()
		if _, exited := errors.AsType[*exec.ExitError](err); err != nil && !exited {
			return fmt.Errorf("ask ldd for libraries: %w", err)
		}
		for _, library := range parseLdd(string(out)) {
			if err := t.add(library, place(library)); err != nil {
				return err
			}
		}
		t.addNameService(string(out))
	}
	return nil
}

// addNameService adds the part of an older C library that it loads by itself to read /etc/passwd.
func (t tree) addNameService(out string) {
	for _, library := range parseLdd(out) {
		if filepath.Base(library) != "libc.so.6" {
			continue
		}
		file := filepath.Join(filepath.Dir(library), "libnss_files.so.2")
		if _, err := os.Stat(file); err == nil {
			_ = t.add(file, place(file))
		}
	}
}

// parseLdd takes the absolute paths out of lines such as "libz.so.1 => /lib/libz.so.1 (0x…)" and
// "/lib64/ld-linux-x86-64.so.2 (0x…)".
func parseLdd(out string) []string {
	var files []string
	for line := range strings.Lines(out) {
		if _, after, found := strings.Cut(line, "=>"); found {
			line = after
		}
		file, _, found := strings.Cut(strings.TrimSpace(line), " (")
		if found && strings.HasPrefix(file, "/") {
			files = append(files, file)
		}
	}
	return files
}
