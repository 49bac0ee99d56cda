package archtest

import (
	"errors"
	"fmt"
	"go/ast"
	"go/token"
	"go/types"
	"path"
	"strconv"
	"strings"
)

// NoInit finds init functions: they run before anybody asked and can't return an error.
func NoInit(m *Module) []Finding {
	var found []Finding
	for _, pkg := range m.Packages {
		for _, file := range pkg.Files {
			if file.Generated {
				continue
			}
			for _, decl := range file.AST.Decls {
				if fn, ok := decl.(*ast.FuncDecl); ok && fn.Recv == nil && fn.Name.Name == "init" {
					found = append(found, Finding{m.at(fn.Pos()), "no init functions; call a constructor where the thing is composed"})
				}
			}
		}
	}
	return found
}

// NoChangingVariables finds package-level variables that are assigned to, counted up,
// indexed into, deleted from, sent to, closed or have their address taken, anywhere in
// the module, and variables whose type is there to change (sync.Mutex, atomic.Int64 …).
// Variables of test files are free.
//
// It does its best without building anything: a change through a pointer or a slice
// that was handed out, or by a method of a type from elsewhere, is not seen.
func NoChangingVariables(m *Module) []Finding {
	var found []Finding
	variables := map[string]map[string]bool{} // directory → names
	for _, pkg := range m.Packages {
		variables[pkg.Dir] = map[string]bool{}
		for _, file := range pkg.Files {
			if file.Test || file.Generated {
				continue
			}
			for _, spec := range packageVars(file.AST) {
				for _, name := range spec.Names {
					variables[pkg.Dir][name.Name] = true
				}
				if kind := changingType(spec); kind != "" {
					found = append(found, Finding{m.at(spec.Pos()), fmt.Sprintf(
						"package-level variable %s is a %s: state belongs in a struct that somebody owns", spec.Names[0].Name, kind)})
				}
			}
		}
	}
	for _, pkg := range m.Packages {
		for _, unit := range units(pkg) {
			w := &watcher{module: m, dir: pkg.Dir, variables: variables, info: resolve(m, unit)}
			for _, file := range unit {
				if !file.Generated {
					w.imports = importNames(m, file)
					ast.Inspect(file.AST, w.look)
				}
			}
			found = append(found, w.found...)
		}
	}
	return found
}

func packageVars(file *ast.File) []*ast.ValueSpec {
	var specs []*ast.ValueSpec
	for _, decl := range file.Decls {
		if gen, ok := decl.(*ast.GenDecl); ok && gen.Tok == token.VAR {
			for _, spec := range gen.Specs {
				specs = append(specs, spec.(*ast.ValueSpec))
			}
		}
	}
	return specs
}

// changingType names the type of a variable if it is one that exists to change.
// Functions of package sync that give a lazy constant (sync.OnceValue) are no types.
func changingType(spec *ast.ValueSpec) string {
	exprs := append([]ast.Expr{spec.Type}, spec.Values...)
	for _, expr := range exprs {
		if star, ok := expr.(*ast.StarExpr); ok {
			expr = star.X
		}
		if addr, ok := expr.(*ast.UnaryExpr); ok && addr.Op == token.AND {
			expr = addr.X
		}
		if lit, ok := expr.(*ast.CompositeLit); ok {
			expr = lit.Type
		}
		if index, ok := expr.(*ast.IndexExpr); ok { // atomic.Pointer[T]
			expr = index.X
		}
		if sel, ok := expr.(*ast.SelectorExpr); ok {
			if x, ok := sel.X.(*ast.Ident); ok && (x.Name == "sync" || x.Name == "atomic") {
				return x.Name + "." + sel.Sel.Name
			}
		}
	}
	return ""
}

// units splits a directory into the package with its tests, and its external tests.
func units(pkg *Package) [][]*File {
	var inside, outside []*File
	for _, file := range pkg.Files {
		if file.Test && strings.HasSuffix(file.AST.Name.Name, "_test") {
			outside = append(outside, file)
		} else {
			inside = append(inside, file)
		}
	}
	return [][]*File{inside, outside}
}

// resolve finds out which identifier means what. Imports are not followed and errors
// not told: what a name of this package means is clear without them.
func resolve(m *Module, unit []*File) *types.Info {
	info := &types.Info{Uses: map[*ast.Ident]types.Object{}, Selections: map[*ast.SelectorExpr]*types.Selection{}}
	var files []*ast.File
	for _, file := range unit {
		files = append(files, file.AST)
	}
	conf := types.Config{Importer: noImports{}, Error: func(error) {}}
	_, _ = conf.Check("unit", m.Fset, files, info) // errors are expected: nothing is imported
	return info
}

type noImports struct{}

// Import says that there is nothing to import.
func (noImports) Import(string) (*types.Package, error) { return nil, errors.New("not imported") }

// importNames returns the directory of each import of this module by the name that it
// has in the file.
func importNames(m *Module, file *File) map[string]string {
	names := map[string]string{}
	for _, spec := range file.AST.Imports {
		importPath, err := strconv.Unquote(spec.Path.Value)
		if err != nil {
			continue
		}
		if dir, ours := m.local(importPath); ours {
			name := path.Base(importPath)
			if spec.Name != nil {
				name = spec.Name.Name
			}
			names[name] = dir
		}
	}
	return names
}

// watcher looks for statements that change a package-level variable.
type watcher struct {
	module    *Module
	dir       string
	variables map[string]map[string]bool
	info      *types.Info
	imports   map[string]string // of the file that is looked at
	found     []Finding
}

func (w *watcher) look(node ast.Node) bool {
	switch n := node.(type) {
	case *ast.AssignStmt:
		if n.Tok != token.DEFINE {
			for _, left := range n.Lhs {
				w.touch(left, "is assigned to")
			}
		}
	case *ast.IncDecStmt:
		w.touch(n.X, "is counted")
	case *ast.SendStmt:
		w.touch(n.Chan, "is sent to")
	case *ast.RangeStmt:
		if n.Tok == token.ASSIGN {
			w.touch(n.Key, "is assigned to")
			w.touch(n.Value, "is assigned to")
		}
	case *ast.UnaryExpr:
		if n.Op == token.AND {
			w.touch(n.X, "has its address taken")
		}
	case *ast.CallExpr:
		w.call(n)
	}
	return true
}

// call sees the built-in functions that change their first argument, and methods of
// this package that are called through the address of a variable.
func (w *watcher) call(n *ast.CallExpr) {
	switch fn := n.Fun.(type) {
	case *ast.Ident:
		switch fn.Name {
		case "delete", "clear", "copy", "close":
			if len(n.Args) > 0 {
				w.touch(n.Args[0], "is changed by "+fn.Name)
			}
		}
	case *ast.SelectorExpr:
		selection := w.info.Selections[fn]
		if selection == nil || selection.Kind() != types.MethodVal {
			return
		}
		signature, ok := selection.Obj().Type().(*types.Signature)
		if !ok {
			return
		}
		_, byPointer := signature.Recv().Type().(*types.Pointer)
		_, isPointer := selection.Recv().(*types.Pointer)
		if byPointer && !isPointer {
			w.touch(fn.X, "has its address taken by "+fn.Sel.Name)
		}
	}
}

// touch reports expr if what it reaches into is a package-level variable.
func (w *watcher) touch(expr ast.Expr, how string) {
	for {
		switch e := expr.(type) {
		case *ast.Ident:
			v, ok := w.info.Uses[e].(*types.Var)
			if ok && v.Parent() == v.Pkg().Scope() && w.variables[w.dir][e.Name] {
				w.report(e, e.Name, how)
			}
			return
		case *ast.SelectorExpr:
			if x, ok := e.X.(*ast.Ident); ok && w.isImport(x) {
				if dir := w.imports[x.Name]; w.variables[dir][e.Sel.Name] {
					w.report(e, x.Name+"."+e.Sel.Name, how)
				}
				return
			}
			expr = e.X
		case *ast.IndexExpr:
			expr = e.X
		case *ast.SliceExpr:
			expr = e.X
		case *ast.StarExpr:
			expr = e.X
		case *ast.ParenExpr:
			expr = e.X
		default:
			return
		}
	}
}

// isImport tells whether a name stands for an imported package and not for a variable
// that hides it.
func (w *watcher) isImport(x *ast.Ident) bool {
	if _, known := w.imports[x.Name]; !known {
		return false
	}
	_, variable := w.info.Uses[x].(*types.Var)
	return !variable
}

func (w *watcher) report(node ast.Node, name, how string) {
	w.found = append(w.found, Finding{w.module.at(node.Pos()), fmt.Sprintf(
		"package-level variable %s %s: make it a field of a struct that somebody owns", name, how)})
}
