// Package archtest keeps the house in order: layers, fences and code budgets as tests
// over the source of the whole module.
//
//	layers.go   who may import whom; a new package is entered here
//	fences.go   which outside package is known where
//	budgets.go  length of functions, files, interfaces and import chains; share of tests
//	state.go    no init, no package-level variable that changes
//	docs.go     every exported symbol is documented
//	secrets.go  secrets are compared in constant time
//	house.go    names of packages, markers, tests that wait or skip, shape of plugins
//
// A rule sees the files of every platform: it reads them with go/parser and needs no
// build. rules_test.go proves on small made-up modules that each rule bites.
package archtest

import (
	"bytes"
	"errors"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path"
	"slices"
	"strconv"
	"strings"
)

// Module is the source of one Go module.
type Module struct {
	Path     string // module path of go.mod
	Fset     *token.FileSet
	Packages []*Package // sorted by Dir
	// FS is the tree that was read, for what is not Go.
	FS fs.FS
}

// Package is one directory with Go files.
type Package struct {
	Dir   string // slash-separated, relative to the module; "." is the root
	Files []*File
}

// File is one Go file.
type File struct {
	Name      string // slash-separated, relative to the module
	AST       *ast.File
	Source    []byte
	Test      bool // its name ends in _test.go
	Generated bool
}

// Finding is one breach of a rule.
type Finding struct {
	Pos     string // file:line, a package, or the module
	Message string // what is wrong and how to mend it
}

// String returns the finding in one line.
func (f Finding) String() string { return f.Pos + ": " + f.Message }

// Rule is one rule of the house.
type Rule struct {
	Name  string
	Check func(*Module) []Finding
}

// Rules returns every rule.
func Rules() []Rule {
	return []Rule{
		{"layers", Layers},
		{"fences", Fences},
		{"function length", FunctionLength},
		{"file length", FileLength},
		{"interface size", InterfaceSize},
		{"import chain", ImportChain},
		{"test share", TestShare},
		{"no init", NoInit},
		{"no changing variables", NoChangingVariables},
		{"documented", Documented},
		{"secret compares", SecretCompares},
		{"package names", PackageNames},
		{"markers", Markers},
		{"tests wait for the thing", TestsWait},
		{"plugin shape", PluginShape},
	}
}

// Load reads the module whose go.mod is at the root of fsys. Directories that the go
// command ignores (testdata, names that start with "." or "_"), node_modules and nested
// modules are left out.
func Load(fsys fs.FS) (*Module, error) {
	m := &Module{Fset: token.NewFileSet(), FS: fsys}
	mod, err := fs.ReadFile(fsys, "go.mod")
	if err != nil {
		return nil, fmt.Errorf("archtest: %w", err)
	}
	if m.Path = modulePath(mod); m.Path == "" {
		return nil, errors.New("archtest: go.mod names no module")
	}
	packages := map[string]*Package{}
	err = fs.WalkDir(fsys, ".", func(name string, entry fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case entry.IsDir() && ignored(fsys, name):
			return fs.SkipDir
		case entry.IsDir() || path.Ext(name) != ".go":
			return nil
		}
		file, err := m.parse(name)
		if err != nil {
			return err
		}
		dir := path.Dir(name)
		if packages[dir] == nil {
			packages[dir] = &Package{Dir: dir}
			m.Packages = append(m.Packages, packages[dir])
		}
		packages[dir].Files = append(packages[dir].Files, file)
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("archtest: %w", err)
	}
	slices.SortFunc(m.Packages, func(a, b *Package) int { return strings.Compare(a.Dir, b.Dir) })
	return m, nil
}

func modulePath(mod []byte) string {
	for line := range strings.Lines(string(mod)) {
		if name, ok := strings.CutPrefix(strings.TrimSpace(line), "module "); ok {
			return strings.TrimSpace(name)
		}
	}
	return ""
}

func ignored(fsys fs.FS, dir string) bool {
	if dir == "." {
		return false
	}
	base := path.Base(dir)
	if base == "testdata" || base == "vendor" || base == "node_modules" || base[0] == '.' || base[0] == '_' {
		return true
	}
	_, err := fs.Stat(fsys, path.Join(dir, "go.mod"))
	return err == nil
}

func (m *Module) parse(name string) (*File, error) {
	source, err := fs.ReadFile(m.FS, name)
	if err != nil {
		return nil, err
	}
	tree, err := parser.ParseFile(m.Fset, name, source, parser.ParseComments|parser.SkipObjectResolution)
	if err != nil {
		return nil, err
	}
	return &File{
		Name:      name,
		AST:       tree,
		Source:    source,
		Test:      strings.HasSuffix(name, "_test.go"),
		Generated: ast.IsGenerated(tree),
	}, nil
}

// local returns the directory of an import path inside the module.
func (m *Module) local(importPath string) (dir string, ok bool) {
	if importPath == m.Path {
		return ".", true
	}
	return strings.CutPrefix(importPath, m.Path+"/")
}

// at returns file:line of a position.
func (m *Module) at(pos token.Pos) string {
	p := m.Fset.Position(pos)
	return p.Filename + ":" + strconv.Itoa(p.Line)
}

// lines counts the lines from the first to the last character of a node.
func (m *Module) lines(node ast.Node) int {
	return m.Fset.Position(node.End()).Line - m.Fset.Position(node.Pos()).Line + 1
}

// code returns the files that somebody has written and that are no tests.
func (m *Module) code() []*File {
	var files []*File
	for _, pkg := range m.Packages {
		for _, file := range pkg.Files {
			if !file.Test && !file.Generated {
				files = append(files, file)
			}
		}
	}
	return files
}

// imports returns the import paths of a file with their positions.
func (f *File) imports() map[string]token.Pos {
	all := map[string]token.Pos{}
	for _, spec := range f.AST.Imports {
		if p, err := strconv.Unquote(spec.Path.Value); err == nil {
			all[p] = spec.Pos()
		}
	}
	return all
}

// lineCount is the number of lines of the file.
func (f *File) lineCount() int {
	n := bytes.Count(f.Source, []byte("\n"))
	if len(f.Source) > 0 && f.Source[len(f.Source)-1] != '\n' {
		n++
	}
	return n
}

// matches tells whether a slash-separated path is meant by one of the patterns. As in
// the go command, "x/..." is x and everything below it, and "..." is everything.
func matches(name string, patterns []string) bool {
	return slices.ContainsFunc(patterns, func(pattern string) bool {
		if pattern == "..." {
			return true
		}
		if base, ok := strings.CutSuffix(pattern, "/..."); ok {
			return name == base || strings.HasPrefix(name, base+"/")
		}
		return name == pattern
	})
}
