package git

import (
	"bufio"
	"bytes"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"devs-webhook/messages"
)

// notTaken holds what is no work at all against the quarantine: it is refused, and nothing of it is left.
func (s *site) notTaken(t *testing.T, bundle, words string) {
	t.Helper()
	_, err := s.quarantined(t, bundle)
	if r := refused(t, err, words); r.Ending != messages.EndResultInvalid {
		t.Errorf("%+v", r)
	}
	s.tidy(t)
}

func TestFilesThatAreNoWork(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	tip, bundle := s.work(t, file("x", noise(1, 50_000)))
	content, err := os.ReadFile(bundle)
	if err != nil {
		t.Fatal(err)
	}
	good, dir := string(content), t.TempDir()
	pack := s.pack(t, tip)
	other := commit(t, s.lab, made{parents: []string{s.main}}, file("other", "1"))
	const noBundle, noObjects = "no git bundle of one branch", "do not pass the examination"
	for name, c := range map[string]struct{ content, words string }{
		"empty":              {"", noBundle},
		"garbage":            {noise(2, 5000), noBundle},
		"no line":            {strings.Repeat("x", 1<<20), noBundle},
		"header only":        {good[:len(good)-len(pack)], noObjects},
		"no ref":             {"# v2 git bundle\n\n" + pack, noBundle},
		"two refs":           {"# v2 git bundle\n" + tip + " refs/heads/a\n" + other + " refs/heads/b\n\n" + pack, noBundle},
		"the same ref twice": {"# v2 git bundle\n" + tip + " refs/heads/a\n" + tip + " refs/heads/a\n\n" + pack, noBundle},
		"a filter":           {"# v3 git bundle\n@filter=blob:none\n" + tip + " refs/heads/a\n\n" + pack, noBundle},
		"another hash":       {"# v3 git bundle\n@object-format=sha256\n" + tip + " refs/heads/a\n\n" + pack, noBundle},
		"an option":          {"# v2 git bundle\n--output=/dev/null refs/heads/a\n\n" + pack, noBundle},
		"short id":           {"# v2 git bundle\n" + tip[:39] + " refs/heads/a\n\n" + pack, noBundle},
		"many lines":         {"# v2 git bundle\n" + strings.Repeat("-"+s.main+" x\n", 2000) + tip + " refs/heads/a\n\n" + pack, noBundle},
		"no pack":            {"# v2 git bundle\n" + tip + " refs/heads/a\n\n" + noise(3, 5000), noObjects},
		"cut short":          {good[:len(good)-1000], noObjects},
		"one bit":            {good[:len(good)-1000] + "\x00" + good[len(good)-999:], noObjects},
		"another's pack":     {"# v2 git bundle\n" + other + " refs/heads/a\n\n" + pack, "does not end in a commit"},
	} {
		path := filepath.Join(dir, "work.bundle")
		write(t, path, c.content)
		t.Run(name, func(t *testing.T) { s.notTaken(t, path, c.words) })
	}
}

func TestPlacesThatHoldNoWork(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	_, bundle := s.work(t, file("x", "y"))
	dir := t.TempDir()
	in := func(name string) string { return filepath.Join(dir, name) }
	if err := errors.Join(os.Symlink(bundle, in("link")), os.Mkdir(in("dir"), 0o700), syscall.Mkfifo(in("fifo"), 0o600)); err != nil {
		t.Fatal(err)
	}
	s.notTaken(t, in("none"), "no longer on the disk")
	s.notTaken(t, in("link"), "no regular file")
	s.notTaken(t, in("dir"), "no regular file")
	s.notTaken(t, in("fifo"), "no regular file") // nobody writes to it, and nobody waits
	s.notTaken(t, os.DevNull, "no regular file")
	// What the machine could not do is no fault of the work.
	_, err := s.quarantined(t, filepath.Join(bundle, "x"))
	var r *messages.RefusedError
	if !errors.Is(err, syscall.ENOTDIR) || errors.As(err, &r) {
		t.Errorf("%T %v", err, err)
	}
}

func TestWorkThatIsTooLarge(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	_, bundle := s.work(t, file("x", noise(1, 50_000)))
	info, err := os.Stat(bundle)
	if err != nil {
		t.Fatal(err)
	}
	s.git.opts.MaxBundle = info.Size() - 1
	s.notTaken(t, bundle, "more than the")
	s.git.opts.MaxBundle = info.Size()
	if _, err := s.quarantined(t, bundle); err != nil {
		t.Error(err)
	}
}

// A runner's pack leaves out what the base has, also where the work is a small change of it.
func TestThinPack(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	long := noise(1, 20_000)
	s.main = s.on(t, s.main, file("long", long))
	s.branch(t, "main", s.main)
	s.base.Commit = s.main
	tip, bundle := s.work(t, file("long", long+"x"))
	if info, err := os.Stat(bundle); err != nil || info.Size() > 5000 {
		t.Fatal(info.Size(), err)
	}
	if got := s.push(t, s.issue(), bundle); s.at(t, got.Branch) != tip {
		t.Errorf("%+v", got)
	}
}

// A disk that is full is a matter of the machine. The work must not be blamed for it, nor given up.
func TestFullDiskIsNotTheWorksFault(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	dir := t.TempDir()
	q := &quarantine{git: s.git, dir: filepath.Join(dir, "gone")}
	later(t, q.unpack(t.Context(), strings.NewReader("x")), "write into the quarantine")
	if err := q.checkDisk(); !errors.Is(err, fs.ErrNotExist) {
		t.Error(err)
	}
	q.dir = dir
	if err := q.checkDisk(); err != nil || len(names(t, dir)) != 0 {
		t.Error(err, names(t, dir))
	}
}

func TestWhatWorkEndsIn(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	tip, _ := s.work(t, file("x", "y"))
	blob := object(t, s.lab, "blob", "text")
	tag := object(t, s.lab, "tag", "object "+tip+"\ntype commit\ntag v1\ntagger "+ann+"\n\nv1\n")
	alien := commit(t, s.lab, made{message: "Another beginning\n"}, file("x", "y"))
	older := commit(t, s.lab, made{message: "Beside\n"}, file("x", "z"))
	joined := commit(t, s.lab, made{parents: []string{older, s.main}, message: "Joined\n"}, file("README.md", "hello\n"))
	for name, c := range map[string]struct{ tip, words string }{
		"a tag":             {tag, "does not end in a commit"},
		"a blob":            {blob, "does not end in a commit"},
		"a tree":            {strings.TrimSpace(run(t, s.lab, nil, "rev-parse", tip+"^{tree}")), "does not end in a commit"},
		"nothing":           {strings.Repeat("1", 40), "does not end in a commit"},
		"another beginning": {alien, "does not build on the commit"},
		"the base":          {s.main, "adds nothing"},
	} {
		pack := s.pack(t, tip)
		if c.tip != strings.Repeat("1", 40) {
			pack = s.pack(t, c.tip)
		}
		path := writeBundle(t, c.tip, pack)
		t.Run(name, func(t *testing.T) { s.notTaken(t, path, c.words) })
	}
	if _, err := s.quarantined(t, s.bundle(t, joined)); err != nil {
		t.Errorf("a history that contains the base: %v", err)
	}
}

// TestBadObjects: what git itself would never write, and some of its readers trip over.
func TestBadObjects(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	blob := object(t, s.lab, "blob", "text\n")
	sub := tree(t, s.lab, [3]string{"100644", "f", blob})
	modules := object(t, s.lab, "blob", "[submodule \"x\"]\n\tpath = x\n\turl = -u./evil\n")
	climbing := object(t, s.lab, "blob", "[submodule \"../../x\"]\n\tpath = x\n\turl = https://example.com/x\n")
	target := object(t, s.lab, "blob", "README.md")
	none := strings.Repeat("1", 40)
	for name, entries := range map[string][][3]string{
		"the same name twice":     {{"100644", "a", blob}, {"100644", "a", blob}},
		"a file and a folder":     {{"100644", "a", blob}, {"40000", "a", sub}},
		"not sorted":              {{"100644", "b", blob}, {"100644", "a", blob}},
		".git":                    {{"40000", ".git", sub}},
		".GIT":                    {{"40000", ".GIT", sub}},
		"git~1":                   {{"40000", "git~1", sub}},
		".git with a hidden mark": {{"40000", ".g\u200cit", sub}},
		"..":                      {{"40000", "..", sub}},
		".":                       {{"40000", ".", sub}},
		"no name":                 {{"100644", "", blob}},
		"a name with a slash":     {{"100644", "a/b", blob}},
		"a mode with a zero":      {{"0100644", "a", blob}},
		"a folder with a zero":    {{"040000", "a", sub}},
		"no object":               {{"100644", "a", none}},
		"a folder that is a file": {{"40000", "a", blob}},
		"a file that is a folder": {{"100644", "a", sub}},
		"null":                    {{"100644", "a", strings.Repeat("0", 40)}},
		"an option as submodule":  {{"100644", ".gitmodules", modules}},
		"a climbing submodule":    {{"100644", ".gitmodules", climbing}},
		"a link for .gitmodules":  {{"120000", ".gitmodules", target}},
	} {
		t.Run(name, func(t *testing.T) {
			bundle := s.bundleOf(t, func() string { return s.commitOf(t, tree(t, s.lab, entries...)) })
			s.notTaken(t, bundle, "do not pass the examination")
		})
	}
	good := tree(t, s.lab, [3]string{"100644", "a", blob}, [3]string{"40000", "b", sub})
	for name, text := range map[string]string{
		"no author":     "tree " + good + "\nparent " + s.main + "\ncommitter " + ann + "\n\nWork\n",
		"two trees":     "tree " + good + "\ntree " + good + "\nparent " + s.main + "\nauthor " + ann + "\ncommitter " + ann + "\n\nWork\n",
		"no tree":       "tree " + none + "\nparent " + s.main + "\nauthor " + ann + "\ncommitter " + ann + "\n\nWork\n",
		"no parent":     "tree " + good + "\nparent " + none + "\nauthor " + ann + "\ncommitter " + ann + "\n\nWork\n",
		"a bad date":    "tree " + good + "\nparent " + s.main + "\nauthor Ann <a@b> 99999999999999999999 +0000\ncommitter " + ann + "\n\nWork\n",
		"NUL":           "tree " + good + "\nparent " + s.main + "\nauthor " + ann + "\ncommitter " + ann + "\n\nWork\x00more\n",
		"a line inside": "tree " + good + "\nparent " + s.main + "\nauthor A\x00nn <a@b> 1 +0000\ncommitter " + ann + "\n\nWork\n",
	} {
		t.Run(name, func(t *testing.T) {
			bundle := s.bundleOf(t, func() string { return object(t, s.lab, "commit", text) })
			s.notTaken(t, bundle, "do not pass the examination")
		})
	}
	bundle := s.bundleOf(t, func() string { return s.commitOf(t, good) })
	if _, err := s.quarantined(t, bundle); err != nil {
		t.Errorf("what is good is refused, too: %v", err)
	}
}

// bundleOf packs every loose object of the laboratory, whatever it is, and takes those away that were made
// last. To walk from commit to blob, as pack-objects does otherwise, stops at what is broken.
func (s *site) bundleOf(t *testing.T, make func() (tip string)) string {
	t.Helper()
	loose := func() (list []string) {
		list, err := filepath.Glob(filepath.Join(s.lab, "objects", "??", "*"))
		if err != nil {
			t.Fatal(err)
		}
		return list
	}
	before := loose()
	tip := make()
	var ids strings.Builder
	for _, path := range loose() {
		ids.WriteString(filepath.Base(filepath.Dir(path)) + filepath.Base(path) + "\n")
	}
	pack := run(t, s.lab, strings.NewReader(ids.String()), "pack-objects", "--quiet", "--stdout")
	for _, path := range loose() {
		if slices.Contains(before, path) {
			continue
		}
		if err := os.Remove(path); err != nil {
			t.Fatal(err)
		}
	}
	return writeBundle(t, tip, pack)
}

// The quarantine sees the mirror, and never adds to it.
func TestQuarantineLeavesTheMirrorAlone(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.take(t, s.issue())
	tip, bundle := s.work(t, file("x", "y"))
	q, err := s.quarantined(t, bundle)
	if err != nil {
		t.Fatal(err)
	}
	if info, err := os.Stat(q.dir); err != nil || info.Mode().Perm() != 0o700 {
		t.Error(info, err)
	}
	if _, err := s.git.commit(t.Context(), q.mirror, tip); !answeredNo(err) {
		t.Errorf("the mirror has the work: %v", err)
	}
	if _, err := s.git.commit(t.Context(), q.dir, tip); err != nil {
		t.Error(err)
	}
}

func FuzzBundleTip(f *testing.F) {
	id := strings.Repeat("a1", 20)
	for _, seed := range []string{
		"# v2 git bundle\n" + id + " refs/heads/x\n\nPACK", "# v3 git bundle\n@object-format=sha1\n-" + id + " why\n" + id + " x\n\n",
		"# v2 git bundle\n\n", "# v2 git bundle\n" + id + " a\n" + id + " b\n\n", "", "\n", "# v2 git bundle\n" + id + "\n\n",
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, in []byte) {
		r := bufio.NewReader(bytes.NewReader(in))
		tip, err := bundleTip(r)
		if err != nil {
			if tip != "" {
				t.Errorf("%q with %v", tip, err)
			}
			refused(t, err, "no git bundle")
			return
		}
		header, pack, _ := bytes.Cut(in, []byte("\n\n"))
		if !commitID.MatchString(tip) || bytes.Count(header, []byte("\n"+tip+" ")) != 1 {
			t.Errorf("%q of %q", tip, header)
		}
		var rest bytes.Buffer
		if _, err := rest.ReadFrom(r); err != nil || !bytes.Equal(rest.Bytes(), pack) {
			t.Errorf("%q is left of %q", rest.Bytes(), in)
		}
	})
}
