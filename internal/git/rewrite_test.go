package git

import (
	"slices"
	"strings"
	"testing"
)

// hush is a filter of messages as the service has one: it takes a word out.
func hush(message string) string { return strings.ReplaceAll(message, "SECRET", "[removed]") }

// log gives the work's commits as one line each, oldest first, without what rewriting has to change.
func (q *quarantine) log(t *testing.T, tip string) []string {
	t.Helper()
	out := run(t, q.dir, nil, "log", "--topo-order", "--reverse", "--format=%an|%ae|%ad|%cn|%ce|%cd|%T|%s", "--date=raw", q.base+".."+tip)
	return strings.Split(strings.TrimSpace(out), "\n")
}

// history is work with a side branch: four commits, of which the second's message is not to be shown.
func (s *site) history(t *testing.T) (tip, untouched string) {
	t.Helper()
	next := func(message, author string, parents []string, changes ...string) string {
		return commit(t, s.lab, made{parents: parents, message: message, author: author}, changes...)
	}
	first := next("First of ours\n", "Zo\u00eb <zoe@example.com> 1500000000 -0930", []string{s.main}, file("1", "1"))
	second := next("Second with SECRET\n\nand more of SECRET\n", "Bo <bo@example.com> 1 +0000", []string{first}, file("2", "2"))
	side := next("Aside\n", ann, []string{first}, file("3", "3"))
	return next("Merge SECRET\n", ann, []string{second, side}, file("3", "3")), first
}

func TestFilteredMessages(t *testing.T) {
	t.Parallel()
	s := newSite(t, func(o *Options) { o.Message = hush })
	tip, untouched := s.history(t)
	bundle := s.bundle(t, tip)
	var tips []string
	for range 2 { // the same each time
		q, err := s.git.quarantine(t.Context(), s.issue(), s.base, bundle)
		if err != nil {
			t.Fatal(err)
		}
		before := q.log(t, q.tip)
		if err := q.filterMessages(t.Context()); err != nil {
			t.Fatal(err)
		}
		after := q.log(t, q.tip)
		for i, line := range before {
			if after[i] != hush(line) {
				t.Errorf("%q, want %q", after[i], hush(line))
			}
		}
		messages := run(t, q.dir, nil, "log", "--format=%B", q.base+".."+q.tip)
		if strings.Contains(messages, "SECRET") || strings.Count(messages, "[removed]") != 3 {
			t.Errorf("%q", messages)
		}
		run(t, q.dir, nil, "merge-base", "--is-ancestor", untouched, q.tip)
		run(t, q.dir, nil, "fsck", "--strict", "--no-dangling")
		tips = append(tips, q.tip)
		q.close()
	}
	if tips[0] != tips[1] || tips[0] == tip {
		t.Errorf("%q of %s", tips, tip)
	}
	for range 2 { // so a repeat finds it
		if got := s.push(t, s.issue(), bundle); got.Beside || s.at(t, got.Branch) != tips[0] {
			t.Errorf("%+v at %s", got, s.at(t, got.Branch))
		}
	}
}

func TestMessagesThatPassStayTheSame(t *testing.T) {
	t.Parallel()
	s := newSite(t, func(o *Options) { o.Message = func(m string) string { return m } })
	tip, _ := s.history(t)
	if got := s.push(t, s.issue(), s.bundle(t, tip)); s.at(t, got.Branch) != tip {
		t.Errorf("%+v at %s", got, s.at(t, got.Branch))
	}
}

func TestRewrite(t *testing.T) {
	t.Parallel()
	const head = "tree aaaa\nparent bbbb\nparent cccc\nauthor A <a@b> 1 +0000\ncommitter C <c@d> 2 -0100\n"
	const signature = "gpgsig -----BEGIN PGP SIGNATURE-----\n \n abc\n -----END PGP SIGNATURE-----\n"
	const tag = "mergetag object cccc\n type commit\n tag v1\n \n gpgsig of the tag\n parent bbbb\n"
	for name, c := range map[string]struct {
		commit, want string
		changed      bool
	}{
		"nothing to do":       {head + "\nText\n", head + "\nText\n", false},
		"a word":              {head + "\nSECRET\n\nparent bbbb\n", head + "\n[removed]\n\nparent bbbb\n", true},
		"a signed one":        {head + signature + "encoding x\n\nSECRET", head + "encoding x\n\n[removed]", true},
		"sha256 signature":    {head + strings.Replace(signature, "gpgsig", "gpgsig-sha256", 1) + "\nSECRET", head + "\n[removed]", true},
		"a merged tag":        {head + tag + "\nSECRET", head + tag + "\n[removed]", true},
		"an empty message":    {head + "\n", head + "\nChange\n", true},
		"no message":          {head, head + "\nChange\n", true},
		"nothing is left":     {head + "\n \n", head + "\nChange\n", true},
		"a parent of another": {strings.Replace(head, "cccc", "dddd", 1) + signature + "\nx", strings.Replace(head, "cccc", "eeee", 1) + "\nx", true},
	} {
		got, changed := rewrite([]byte(c.commit), map[string]string{"dddd": "eeee"}, hush)
		if changed != c.changed || changed && string(got) != c.want {
			t.Errorf("%s: %v %q, want %q", name, changed, got, c.want)
		}
	}
}

// A signature of a commit that stays as it is stays with it.
func TestSignedCommitIsLeftAlone(t *testing.T) {
	t.Parallel()
	s := newSite(t, func(o *Options) { o.Message = hush })
	tree := strings.TrimSpace(run(t, s.lab, nil, "rev-parse", s.on(t, s.main, file("x", "y"))+"^{tree}"))
	signed := object(t, s.lab, "commit", "tree "+tree+"\nparent "+s.main+"\nauthor "+ann+"\ncommitter "+ann+
		"\ngpgsig -----BEGIN PGP SIGNATURE-----\n \n abc\n -----END PGP SIGNATURE-----\n\nFine\n")
	if got := s.push(t, s.issue(), s.bundle(t, signed)); s.at(t, got.Branch) != signed {
		t.Errorf("%+v at %s", got, s.at(t, got.Branch))
	}
}

func FuzzRewrite(f *testing.F) {
	f.Add("tree a\nparent b\nauthor x\n\nText", "Text")
	f.Add("tree a\ngpgsig x\n y\n\nSECRET", "SECRET")
	f.Fuzz(func(t *testing.T, commit, message string) {
		header, _, _ := strings.Cut(commit, "\n\n")
		got, _ := rewrite([]byte(header+"\n\n"+message), nil, hush)
		kept, text, ok := strings.Cut(string(got), "\n\n")
		if !ok || strings.TrimSpace(text) == "" || strings.Contains(text, "SECRET") {
			t.Errorf("%q", got)
		}
		for line := range strings.SplitSeq(kept, "\n") {
			if !slices.Contains(strings.Split(header, "\n"), line) {
				t.Errorf("%q was added", line)
			}
		}
	})
}
