package main_test

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// module is the prefix of what is ours.
const module = "devs-webhook/"

// source is one Go file. Dir is its folder below the root, "." for the root itself.
type source struct {
	path, dir string
	test      bool // a _test.go file
	file      *ast.File
	lines     *token.FileSet
}

// sources parses every Go file of the module.
func sources(t *testing.T) []source {
	t.Helper()
	var all []source
	err := filepath.WalkDir(".", func(name string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && (d.Name() == "testdata" || d.Name() == "dist" || len(d.Name()) > 1 && d.Name()[0] == '.'):
			return filepath.SkipDir
		case d.IsDir() || !strings.HasSuffix(name, ".go"):
			return nil
		}
		lines := token.NewFileSet()
		file, err := parser.ParseFile(lines, name, nil, parser.SkipObjectResolution|parser.ParseComments)
		all = append(all, source{
			path: filepath.ToSlash(name), dir: path.Dir(filepath.ToSlash(name)),
			test: strings.HasSuffix(name, "_test.go"), file: file, lines: lines,
		})
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(all) < 100 {
		t.Fatalf("only %d Go files were found", len(all))
	}
	return all
}

// imports lists what a file imports.
func (s source) imports() []string {
	var list []string
	for _, spec := range s.file.Imports {
		name, err := strconv.Unquote(spec.Path.Value)
		if err != nil {
			name = spec.Path.Value
		}
		list = append(list, name)
	}
	return list
}

func (s source) at(n ast.Node) string { return s.lines.Position(n.Pos()).String() }

// family is the adapter that a folder belongs to: internal/runtime of internal/runtime/docker.
func family(dir string) string {
	parts := strings.Split(dir, "/")
	if len(parts) < 2 || parts[0] != "internal" {
		return ""
	}
	return "internal/" + parts[1]
}

// helps says whether a package exists for tests only, by its name.
func helps(dir string) bool {
	return slices.ContainsFunc(strings.Split(dir, "/"), func(part string) bool {
		return strings.HasSuffix(part, "test") && part != "test"
	})
}

// wrongImport says why a folder's files may not import another folder of ours; "" if they may.
func wrongImport(from string, test bool, to string) string {
	within := func(dirs ...string) bool { return slices.Contains(dirs, to) }
	switch {
	case test && (to == from || family(to) == "internal/sim" || helps(to)):
		return "" // tests may use the simulation and the helpers made for them
	case helps(to) && !helps(from):
		return "it is for tests only, and would come into the program with its dependencies"
	case from == "." || to == "messages" && from != "messages":
		return "" // main is the only room with all the keys; everybody speaks the same words
	case from == "messages" || from == "config":
		return "messages and config import nothing of ours, so that everybody can import them"
	case family(to) == "internal/sim":
		return "the simulation is for main's demo and for tests"
	case from == "actors":
		if test && (within("internal/store") || within("internal/intake")) {
			return "" // the database is never faked, and neither is a signature
		}
		return "an actor declares the narrow interface that it needs and never knows what implements it"
	case from == "supervisor":
		if within("actors") || test && within("internal/store") {
			return ""
		}
		return "the supervisor wires actors and is handed everything else"
	case from == "cli":
		return "a command parses and prints; it builds nothing, and is handed what it calls"
	case family(from) != "" && family(from) == family(to):
		return ""
	case family(from) != "":
		return "an adapter knows messages and itself: neither another adapter nor whom it serves"
	}
	return "this folder has no rule yet: give it one here, with its reason"
}

func TestImportsRunOneWay(t *testing.T) {
	for _, s := range sources(t) {
		for _, name := range s.imports() {
			to, ours := strings.CutPrefix(name, module)
			if !ours {
				continue
			}
			if why := wrongImport(s.dir, s.test, to); why != "" {
				t.Errorf("%s imports %s: %s", s.path, to, why)
			}
		}
	}
}

// The table is only worth something if it says no.
func TestWrongImportsAreFound(t *testing.T) {
	for _, c := range []struct {
		from string
		test bool
		to   string
		ok   bool
	}{
		{".", false, "internal/store", true},
		{".", false, "internal/github/githubtest", false},
		{"messages", false, "config", false},
		{"config", false, "messages", true},
		{"config", false, "actors", false},
		{"actors", false, "messages", true},
		{"actors", false, "internal/store", false},
		{"actors", true, "internal/store", true},
		{"actors", true, "internal/git", false},
		{"actors", true, "internal/sim", true},
		{"actors", false, "supervisor", false},
		{"supervisor", false, "actors", true},
		{"supervisor", false, "internal/sim", false},
		{"cli", false, "internal/web", false},
		{"internal/git", false, "internal/github", false},
		{"internal/git", false, "actors", false},
		{"internal/git", false, "config", false},
		{"internal/git", true, "internal/sim", true},
		{"internal/git", true, "internal/store", false},
		{"internal/runtime/docker", false, "internal/runtime", true},
		{"internal/runtime/docker", false, "internal/runtime/runtimetest", false},
		{"internal/runtime/docker", true, "internal/runtime/runtimetest", true},
		{"surprise", false, "actors", false},
	} {
		if got := wrongImport(c.from, c.test, c.to) == ""; got != c.ok {
			t.Errorf("%s (test: %v) may import %s: %v, want %v", c.from, c.test, c.to, got, c.ok)
		}
	}
}

// Each library is spoken to in one place, so that it can be replaced there.
func TestLibrariesHaveAHome(t *testing.T) {
	homes := []struct {
		library string
		dirs    []string
		why     string
	}{
		{"modernc.org/sqlite", []string{"internal/store"}, "only the store knows that it is SQLite"},
		{"github.com/moby/moby", []string{"internal/runtime/docker", "internal/runtime/hostimage"}, "only the Docker runtime speaks to the engine"},
		{"github.com/google/go-github", []string{"internal/github"}, "all requests to GitHub pass one rate governor"},
		{"github.com/thejerf/suture", []string{"supervisor", "actors"}, "only the tree and what actors return to it are suture's"},
		{"github.com/alecthomas/kong", []string{"cli"}, "only the commands know how words are parsed"},
		{"github.com/caarlos0/env", []string{"config"}, "only config reads the environment"},
		{"github.com/joho/godotenv", []string{"config"}, "only config reads the environment"},
		{"github.com/rs/zerolog/log", nil, "a logger is passed in; the global one is nobody's"},
	}
	for _, s := range sources(t) {
		if s.test || helps(s.dir) {
			continue
		}
		for _, name := range s.imports() {
			for _, home := range homes {
				if (name == home.library || strings.HasPrefix(name, home.library+"/")) && !slices.Contains(home.dirs, s.dir) {
					t.Errorf("%s imports %s: %s", s.path, name, home.why)
				}
			}
		}
	}
}

// wrongCall says why a call of another package's function may not stand where it stands.
func wrongCall(dir, function string, args []ast.Expr) string {
	switch function {
	case "os.Getenv", "os.LookupEnv", "os.Environ":
		// What runs in a container or as an agent has its environment from us, and PATH is for children.
		if dir == "." || strings.HasPrefix(dir, "internal/agent/demo") || len(args) == 1 && isText(args[0], "PATH") {
			return ""
		}
		return "config is the only reader of the environment"
	case "suture.New", "suture.NewSimple":
		if dir != "supervisor" {
			return "the tree is made in package supervisor, by its one suture.Spec"
		}
	case "time.Sleep":
		return "a sleep cannot be stopped: select on a timer and the context"
	}
	return ""
}

func isText(e ast.Expr, want string) bool {
	lit, ok := e.(*ast.BasicLit)
	return ok && lit.Value == strconv.Quote(want)
}

// What the style page asks for and a parser can see.
func TestStyle(t *testing.T) {
	shelves := []string{"util", "utils", "common", "types", "models", "helpers"}
	for _, s := range sources(t) {
		if slices.Contains(shelves, strings.TrimSuffix(s.file.Name.Name, "_test")) {
			t.Errorf("%s: package %s is a shelf for anything, so nobody finds anything there", s.path, s.file.Name.Name)
		}
		if s.test || helps(s.dir) {
			continue
		}
		ast.Inspect(s.file, func(n ast.Node) bool {
			switch n := n.(type) {
			case *ast.FuncDecl:
				if n.Recv == nil && n.Name.Name == "init" {
					t.Errorf("%s: init runs in every program and test that imports the package", s.at(n))
				}
			case *ast.CallExpr:
				if of, ok := n.Fun.(*ast.SelectorExpr); ok {
					if why := wrongCall(s.dir, fmt.Sprint(of.X)+"."+of.Sel.Name, n.Args); why != "" {
						t.Errorf("%s: %s.%s: %s", s.at(n), of.X, of.Sel.Name, why)
					}
				}
			}
			return true
		})
	}
}

// Each package says once what it is for.
func TestPackagesSayWhatTheyAreFor(t *testing.T) {
	said := map[string]int{}
	for _, s := range sources(t) {
		if s.test {
			continue
		}
		said[s.dir] += 0
		if s.file.Doc != nil {
			said[s.dir]++
		}
	}
	for dir, n := range said {
		if n != 1 {
			t.Errorf("package in %s has %d package comments, want one", dir, n)
		}
	}
}
