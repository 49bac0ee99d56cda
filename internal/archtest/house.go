package archtest

import (
	"fmt"
	"go/ast"
	"io/fs"
	"path"
	"slices"
	"strings"
)

// vague are names that say nothing about what a package is for.
var vague = []string{
	"util", "utils", "common", "helper", "helpers", "types", "base", "shared", "misc",
}

// PackageNames finds packages with a name that says nothing.
func PackageNames(m *Module) []Finding {
	var found []Finding
	for _, pkg := range m.Packages {
		for _, file := range pkg.Files {
			name := strings.TrimSuffix(file.AST.Name.Name, "_test")
			if slices.Contains(vague, name) || slices.Contains(vague, path.Base(pkg.Dir)) {
				found = append(found, Finding{file.Name, fmt.Sprintf("package %s: name it after the one thing that it knows", name)})
				break
			}
		}
	}
	return found
}

// markers are put together here so that this file holds none of them.
var markers = []string{"TO" + "DO", "FIX" + "ME", "X" + "XX"}

// Markers finds notes of unfinished work in code. Tests are left out.
func Markers(m *Module) []Finding {
	var found []Finding
	for _, file := range m.code() {
		number := 0
		for line := range strings.Lines(string(file.Source)) {
			number++
			for _, marker := range markers {
				if strings.Contains(line, marker) {
					found = append(found, Finding{fmt.Sprintf("%s:%d", file.Name, number), marker + ": finish it or open an issue"})
				}
			}
		}
	}
	return found
}

// TestsWait finds tests that are skipped, and tests that sleep instead of waiting for
// the thing itself. Inside a bubble of testing/synctest sleeping is waiting.
func TestsWait(m *Module) []Finding {
	var found []Finding
	for _, pkg := range m.Packages {
		for _, file := range pkg.Files {
			if !file.Test && !matches(pkg.Dir, testSupport) {
				continue
			}
			_, bubble := file.imports()["testing/synctest"]
			ast.Inspect(file.AST, func(node ast.Node) bool {
				call, ok := node.(*ast.CallExpr)
				if !ok {
					return true
				}
				sel, ok := call.Fun.(*ast.SelectorExpr)
				if !ok {
					return true
				}
				x, _ := sel.X.(*ast.Ident)
				switch {
				case x != nil && x.Name == "time" && sel.Sel.Name == "Sleep" && !bubble:
					found = append(found, Finding{m.at(call.Pos()), "no time.Sleep in tests: wait for the thing itself, or use testing/synctest"})
				case x != nil && slices.Contains([]string{"t", "b", "f", "tb"}, x.Name) && slices.Contains([]string{"Skip", "Skipf", "SkipNow"}, sel.Sel.Name):
					found = append(found, Finding{m.at(call.Pos()), "no skipped tests: a part that is missing fails the test with the command that installs it"})
				}
				return true
			})
		}
	}
	return found
}

// PluginShape finds plugins that are not of the one shape: main.go of a few lines, small
// files beside it, a test and a README; and an example that is more than one small file.
func PluginShape(m *Module) []Finding {
	var found []Finding
	for _, pkg := range m.Packages {
		parent, name := path.Split(pkg.Dir)
		switch {
		case parent == "plugins/":
			found = append(found, shape(m, pkg, maxPluginFile)...)
			if main := pkg.file("main.go"); main == nil || main.lineCount() > maxPluginMain {
				found = append(found, Finding{pkg.Dir, fmt.Sprintf("a plugin has a main.go of at most %d lines that serves its type", maxPluginMain)})
			}
		case parent == "examples/" && name == "custom-provider":
			found = append(found, shape(m, pkg, maxExample)...)
			if n := pkg.codeFiles(); n != 1 {
				found = append(found, Finding{pkg.Dir, fmt.Sprintf("%d files of code; the example is one file", n)})
			}
		}
	}
	return found
}

func shape(m *Module, pkg *Package, limit int) []Finding {
	var found []Finding
	tests := false
	for _, file := range pkg.Files {
		tests = tests || file.Test
		if n := file.lineCount(); !file.Test && n > limit {
			found = append(found, Finding{file.Name, fmt.Sprintf("%d lines, more than %d: what is not special to this provider belongs in sdk", n, limit)})
		}
	}
	if !tests {
		found = append(found, Finding{pkg.Dir, "no test"})
	}
	if _, err := fs.Stat(m.FS, path.Join(pkg.Dir, "README.md")); err != nil {
		found = append(found, Finding{pkg.Dir, "no README.md"})
	}
	return found
}

// file returns the file with the given base name, or nil.
func (p *Package) file(base string) *File {
	for _, file := range p.Files {
		if path.Base(file.Name) == base {
			return file
		}
	}
	return nil
}

func (p *Package) codeFiles() int {
	n := 0
	for _, file := range p.Files {
		if !file.Test {
			n++
		}
	}
	return n
}
