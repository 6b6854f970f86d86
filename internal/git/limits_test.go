package git

import (
	"fmt"
	"io"
	"runtime"
	"strconv"
	"strings"
	"testing"
)

func TestHowMuchIsTaken(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	chain := func(n int) string {
		var in strings.Builder
		fmt.Fprintf(&in, "reset refs/lab/chain\nfrom %s\n", s.main)
		for i := range n {
			fmt.Fprintf(&in, "commit refs/lab/chain\nmark :%d\ncommitter %s\ndata 1\nx\nM 100644 inline f\ndata 3\n%03d\n", i+1, ann, i)
		}
		fmt.Fprintf(&in, "get-mark :%d\n", n)
		return strings.TrimSpace(run(t, s.lab, strings.NewReader(in.String()), "fast-import", "--quiet", "--force"))
	}
	if err := s.judge(t, chain(maxCommits)); err != nil {
		t.Error(err)
	}
	refused(t, s.judge(t, chain(maxCommits+1)), "more than the 500 commits")
	files := make([]string, maxFiles+1)
	for i := range files {
		files[i] = file("many/"+strconv.Itoa(i), "x")
	}
	most := s.on(t, s.main, files[:maxFiles]...)
	if err := s.judge(t, most); err != nil {
		t.Error(err)
	}
	if err := s.judge(t, s.on(t, most, file("many/1", "y"), file("many/2", "y"))); err != nil {
		t.Errorf("the same files once more: %v", err)
	}
	refused(t, s.judge(t, s.on(t, s.main, files...)), "changes 3001 files")
	refused(t, s.judge(t, s.on(t, most, gone("README.md"))), "changes 3001 files")
}

func TestFileThatGitHubWouldRefuse(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	large := run(t, s.lab, io.LimitReader(zeros{}, maxFileSize+1), "-c", "core.compression=1", "hash-object", "-w", "--stdin")
	tip := s.on(t, s.main, "M 100644 "+strings.TrimSpace(large)+" zeros\n")
	refused(t, s.judge(t, tip), "`zeros` with 100 MiB")
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) {
	clear(p)
	return len(p), nil
}

// The limit is one of the process, whatever git does in it.
func TestMemoryIsLimited(t *testing.T) {
	t.Parallel()
	if runtime.GOOS != "linux" {
		t.Skip("a running process cannot be limited here")
	}
	s := newSite(t)
	tip := s.bomb(t, 5)
	list := call{dir: s.lab, to: io.Discard, args: []string{"diff-tree", "-r", "--raw", s.main, tip}}
	if _, err := s.git.run(t.Context(), list); err != nil {
		t.Fatal(err)
	}
	list.memory = 16 << 20
	if _, err := s.git.run(t.Context(), list); !answeredNo(err) {
		t.Error(err)
	}
}

// bomb is a commit of a tree with 10^levels files, in as many objects as there are levels.
func (s *site) bomb(t *testing.T, levels int) string {
	t.Helper()
	blob := object(t, s.lab, "blob", "")
	level := make([][3]string, 10)
	for i := range level {
		level[i] = [3]string{"100644", "f" + strconv.Itoa(i), blob}
	}
	for range levels - 1 {
		below := tree(t, s.lab, level...)
		for i := range level {
			level[i] = [3]string{"40000", "d" + strconv.Itoa(i), below}
		}
	}
	return s.commitOf(t, tree(t, s.lab, level...))
}

// A few trees that name one another ten times each describe more files than there is memory to count them.
func TestTreeBomb(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	refused(t, s.judge(t, s.bomb(t, 10)), "more files than can be examined")
}
