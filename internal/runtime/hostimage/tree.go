package hostimage

import (
	"archive/tar"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// tree is the image's content by its path in the image, without the leading slash.
type tree map[string]node

type node struct {
	kind   byte   // as in a tar header
	source string // regular: a file of this machine, links resolved
	text   string // regular without source: its content
	target string // link
	mode   int64
	uid    int
}

// top are the directories that stand at the root by an older name. One real place for each file keeps
// a path that a program was built with and one that ldd says the same.
var top = []string{"bin", "sbin", "lib", "lib64", "lib32", "libx32"}

// place is where the file of this machine at path goes.
func place(file string) string {
	p := strings.TrimPrefix(path.Clean("/"+filepath.ToSlash(file)), "/")
	first, _, _ := strings.Cut(p, "/")
	if slices.Contains(top, first) {
		return "usr/" + p
	}
	return p
}

// add puts the file of this machine at the path to, and makes the directories above it.
func (t tree) add(file, to string) error {
	source, err := filepath.EvalSymlinks(file)
	if err != nil {
		return err
	}
	info, err := os.Stat(source)
	if err != nil {
		return err
	}
	if !info.Mode().IsRegular() {
		return fmt.Errorf("%s is not a regular file", source)
	}
	mode := int64(0o644)
	if info.Mode()&0o111 != 0 {
		mode = 0o755
	}
	t.put(to, node{kind: tar.TypeReg, source: source, mode: mode})
	return nil
}

func (t tree) put(to string, n node) {
	t[to] = n
	for dir := path.Dir(to); dir != "." && t[dir].kind == 0; dir = path.Dir(dir) {
		t[dir] = node{kind: tar.TypeDir, mode: 0o755}
	}
}

// skeleton is what programs expect of any system.
func (t tree) skeleton() {
	for _, name := range top {
		t.put("usr/"+name, node{kind: tar.TypeDir, mode: 0o755})
		t.put(name, node{kind: tar.TypeSymlink, target: "usr/" + name, mode: 0o777})
	}
	t.put("tmp", node{kind: tar.TypeDir, mode: 0o1777})
	t.put("var/tmp", node{kind: tar.TypeDir, mode: 0o1777})
	t.put("home/agent", node{kind: tar.TypeDir, mode: 0o755, uid: 1000})
	for name, text := range map[string]string{
		"etc/passwd":        "root:x:0:0:root:/root:/bin/sh\nagent:x:1000:1000:agent:/home/agent:/bin/sh\n",
		"etc/group":         "root:x:0:\nagent:x:1000:\n",
		"etc/nsswitch.conf": "passwd: files\ngroup: files\nhosts: files dns\n",
	} {
		t.put(name, node{kind: tar.TypeReg, text: text, mode: 0o644})
	}
}

// write makes the archive: the same for the same programs. Directories come before what is in them, as
// their paths sort so; a file that several names lead to is there once.
func (t tree) write(w io.Writer) error {
	archive := tar.NewWriter(w)
	first := make(map[string]string) // source -> the path where it is
	for _, name := range slices.Sorted(maps.Keys(t)) {
		if err := writeNode(archive, name, t[name], first); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
	}
	return archive.Close()
}

func writeNode(archive *tar.Writer, name string, n node, first map[string]string) error {
	head := tar.Header{
		Typeflag: n.kind, Name: name, Linkname: n.target, Mode: n.mode, Uid: n.uid, Gid: n.uid, ModTime: time.Unix(0, 0),
	}
	switch {
	case n.kind == tar.TypeDir:
		head.Name += "/"
	case n.kind == tar.TypeReg && n.source == "":
		head.Size = int64(len(n.text))
		return errors.Join(archive.WriteHeader(&head), writeText(archive, n.text))
	case n.kind == tar.TypeReg && first[n.source] != "":
		head.Typeflag, head.Linkname = tar.TypeLink, first[n.source]
	case n.kind == tar.TypeReg:
		first[n.source] = name
		return writeFile(archive, head, n.source)
	}
	return archive.WriteHeader(&head)
}

func writeText(archive *tar.Writer, text string) error {
	_, err := io.WriteString(archive, text)
	return err
}

func writeFile(archive *tar.Writer, head tar.Header, source string) error {
	f, err := os.Open(source)
	if err != nil {
		return err
	}
	defer func() { _ = f.Close() }()
	info, err := f.Stat()
	if err != nil {
		return err
	}
	head.Size = info.Size()
	if err := archive.WriteHeader(&head); err != nil {
		return err
	}
	_, err = io.CopyN(archive, f, info.Size())
	return err
}
