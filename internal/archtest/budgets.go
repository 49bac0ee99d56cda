package archtest

import (
	"fmt"
	"go/ast"
	"go/token"
	"maps"
	"slices"
	"strings"
)

// The budgets.
const (
	maxFunctionP90  = 40
	maxFunction     = 120
	maxFile         = 600
	maxMethods      = 6
	maxChain        = 6
	minTestsPerCode = 1.0
	maxPluginMain   = 15
	maxPluginFile   = 200
	maxExample      = 80
)

// testSupport is code that only tests import: its lines are lines of tests.
var testSupport = []string{"internal/archtest", "internal/realtest", "internal/store/storetest", "test/..."}

// FunctionLength finds functions that are too long, and a ninetieth percentile over the
// budget. Tests are left out.
func FunctionLength(m *Module) []Finding {
	var found []Finding
	type function struct {
		lines int
		where string
	}
	var all []function
	for _, file := range m.code() {
		for _, decl := range file.AST.Decls {
			fn, ok := decl.(*ast.FuncDecl)
			if !ok || fn.Body == nil {
				continue
			}
			n := m.lines(fn)
			all = append(all, function{n, m.at(fn.Pos()) + " " + fn.Name.Name})
			if n > maxFunction {
				found = append(found, Finding{m.at(fn.Pos()), fmt.Sprintf(
					"func %s has %d lines, more than %d; split it", fn.Name.Name, n, maxFunction)})
			}
		}
	}
	if len(all) == 0 {
		return found
	}
	slices.SortFunc(all, func(a, b function) int { return a.lines - b.lines })
	if p90 := all[(len(all)-1)*9/10]; p90.lines > maxFunctionP90 {
		var longest []string
		for _, fn := range slices.Backward(all[max(0, len(all)-10):]) {
			longest = append(longest, fmt.Sprintf("%s (%d)", fn.where, fn.lines))
		}
		found = append(found, Finding{m.Path, fmt.Sprintf(
			"one function in ten has more than %d lines, the budget is %d; the longest: %s",
			p90.lines, maxFunctionP90, strings.Join(longest, ", "))})
	}
	return found
}

// FileLength finds files that are too long, tests included, generated code not.
func FileLength(m *Module) []Finding {
	var found []Finding
	for _, pkg := range m.Packages {
		for _, file := range pkg.Files {
			if n := file.lineCount(); n > maxFile && !file.Generated {
				found = append(found, Finding{file.Name, fmt.Sprintf("%d lines, more than %d; split it by subject", n, maxFile)})
			}
		}
	}
	return found
}

// InterfaceSize finds interfaces with too many methods. Interfaces of the same package
// that are embedded count with their methods, others as one.
func InterfaceSize(m *Module) []Finding {
	var found []Finding
	for _, pkg := range m.Packages {
		local := map[string]*ast.InterfaceType{}
		where := map[string]token.Pos{}
		for _, file := range pkg.Files {
			if file.Generated {
				continue
			}
			for name, spec := range typeSpecs(file.AST) {
				if iface, ok := spec.Type.(*ast.InterfaceType); ok {
					local[name], where[name] = iface, spec.Pos()
				}
			}
		}
		for _, name := range slices.Sorted(maps.Keys(local)) {
			if n := methodCount(local[name], local, map[*ast.InterfaceType]bool{}); n > maxMethods {
				found = append(found, Finding{m.at(where[name]), fmt.Sprintf(
					"interface %s has %d methods, more than %d; make the optional ones interfaces of their own", name, n, maxMethods)})
			}
		}
	}
	return found
}

func typeSpecs(file *ast.File) map[string]*ast.TypeSpec {
	specs := map[string]*ast.TypeSpec{}
	ast.Inspect(file, func(node ast.Node) bool {
		if spec, ok := node.(*ast.TypeSpec); ok {
			specs[spec.Name.Name] = spec
		}
		return true
	})
	return specs
}

func methodCount(iface *ast.InterfaceType, local map[string]*ast.InterfaceType, seen map[*ast.InterfaceType]bool) int {
	if seen[iface] {
		return 0
	}
	seen[iface] = true
	n := 0
	for _, field := range iface.Methods.List {
		embedded, isName := field.Type.(*ast.Ident)
		switch {
		case len(field.Names) > 0:
			n += len(field.Names)
		case isName && local[embedded.Name] != nil:
			n += methodCount(local[embedded.Name], local, seen)
		default:
			n++
		}
	}
	return n
}

// ImportChain finds a chain of imports inside the module that is too long. It counts
// packages, from a program down; tests and generated code count as well as any.
func ImportChain(m *Module) []Finding {
	imports := map[string][]string{}
	for _, pkg := range m.Packages {
		for _, file := range pkg.Files {
			if file.Test || matches(pkg.Dir, testSupport) {
				continue
			}
			for importPath := range file.imports() {
				if target, ours := m.local(importPath); ours {
					imports[pkg.Dir] = append(imports[pkg.Dir], target)
				}
			}
		}
	}
	longest := map[string][]string{}
	var chain func(dir string) []string
	chain = func(dir string) []string {
		if known, ok := longest[dir]; ok {
			return known
		}
		longest[dir] = []string{dir} // ends a cycle, which the compiler reports
		var below []string
		slices.Sort(imports[dir])
		for _, target := range imports[dir] {
			if c := chain(target); len(c) > len(below) {
				below = c
			}
		}
		longest[dir] = append([]string{dir}, below...)
		return longest[dir]
	}
	var worst []string
	for _, pkg := range m.Packages {
		if c := chain(pkg.Dir); len(c) > len(worst) {
			worst = c
		}
	}
	if len(worst) <= maxChain {
		return nil
	}
	return []Finding{{m.Path, fmt.Sprintf("a chain of %d imports, more than %d: %s", len(worst), maxChain, strings.Join(worst, " → "))}}
}

// TestShare finds out whether there are as many lines of tests as of code. Blank lines
// do not count.
func TestShare(m *Module) []Finding {
	type share struct {
		dir         string
		code, tests int
	}
	var all []share
	var sum share
	for _, pkg := range m.Packages {
		s := share{dir: pkg.Dir}
		for _, file := range pkg.Files {
			switch n := written(file.Source); {
			case file.Generated:
			case file.Test || matches(pkg.Dir, testSupport):
				s.tests += n
			default:
				s.code += n
			}
		}
		sum.code, sum.tests = sum.code+s.code, sum.tests+s.tests
		all = append(all, s)
	}
	if float64(sum.tests) >= minTestsPerCode*float64(sum.code) {
		return nil
	}
	slices.SortStableFunc(all, func(a, b share) int { return (b.code - b.tests) - (a.code - a.tests) })
	var worst []string
	for _, s := range all[:min(len(all), 10)] {
		if s.code > s.tests {
			worst = append(worst, fmt.Sprintf("%s %d/%d", s.dir, s.tests, s.code))
		}
	}
	return []Finding{{m.Path, fmt.Sprintf(
		"%d lines of tests for %d of code, %.2f; the budget is %.1f. Tests/code where most is missing: %s",
		sum.tests, sum.code, float64(sum.tests)/float64(sum.code), minTestsPerCode, strings.Join(worst, ", "))}}
}

// written counts the lines that are not blank.
func written(source []byte) int {
	n := 0
	for line := range strings.Lines(string(source)) {
		if strings.TrimSpace(line) != "" {
			n++
		}
	}
	return n
}
