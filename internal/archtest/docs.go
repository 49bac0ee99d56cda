package archtest

import (
	"fmt"
	"go/ast"
	"go/token"
	"slices"
	"strings"
)

// Documented finds exported symbols without a doc comment, comments that do not start
// with the name of their symbol, and packages without a package comment. Methods count
// in interfaces of more than one method, and fields where they are keys of the
// configuration file. Tests and generated code are left out.
func Documented(m *Module) []Finding {
	var found []Finding
	for _, pkg := range m.Packages {
		d := documenter{module: m}
		packageDoc, code := false, false
		for _, file := range pkg.Files {
			if file.Test || file.Generated {
				continue
			}
			code = true
			packageDoc = packageDoc || file.AST.Doc != nil
			for _, decl := range file.AST.Decls {
				d.decl(decl)
			}
		}
		if code && !packageDoc {
			d.found = append(d.found, Finding{pkg.Dir, "the package has no package comment; say in it what the package is for"})
		}
		found = append(found, d.found...)
	}
	return found
}

type documenter struct {
	module *Module
	found  []Finding
}

func (d *documenter) decl(decl ast.Decl) {
	switch decl := decl.(type) {
	case *ast.FuncDecl:
		if decl.Name.IsExported() && (decl.Recv == nil || ast.IsExported(receiver(decl))) {
			d.named(decl.Pos(), decl.Name.Name, decl.Doc)
		}
	case *ast.GenDecl:
		for _, spec := range decl.Specs {
			switch spec := spec.(type) {
			case *ast.TypeSpec:
				d.typeSpec(decl, spec)
			case *ast.ValueSpec:
				d.valueSpec(decl, spec)
			}
		}
	}
}

func (d *documenter) typeSpec(decl *ast.GenDecl, spec *ast.TypeSpec) {
	if !spec.Name.IsExported() {
		return
	}
	doc := spec.Doc
	if doc == nil && len(decl.Specs) == 1 {
		doc = decl.Doc
	}
	d.named(spec.Pos(), spec.Name.Name, doc)
	switch t := spec.Type.(type) {
	case *ast.InterfaceType:
		if len(t.Methods.List) > 1 {
			d.members(spec.Name.Name, t.Methods.List)
		}
	case *ast.StructType:
		d.members(spec.Name.Name, slices.DeleteFunc(slices.Clone(t.Fields.List), func(f *ast.Field) bool {
			return f.Tag == nil || !strings.Contains(f.Tag.Value, `toml:"`)
		}))
	}
}

// valueSpec accepts a comment above the whole group, above the line or at its end.
func (d *documenter) valueSpec(decl *ast.GenDecl, spec *ast.ValueSpec) {
	for _, name := range spec.Names {
		if !name.IsExported() {
			continue
		}
		if decl.Lparen == token.NoPos {
			d.named(spec.Pos(), name.Name, decl.Doc)
		} else if decl.Doc == nil && spec.Doc == nil && spec.Comment == nil {
			d.missing(spec.Pos(), name.Name)
		}
	}
}

// members looks at the methods of an interface or the fields of a struct. One comment
// may stand for several names of a line.
func (d *documenter) members(owner string, list []*ast.Field) {
	for _, field := range list {
		for _, name := range field.Names {
			if name.IsExported() && field.Doc == nil && field.Comment == nil {
				d.missing(field.Pos(), owner+"."+name.Name)
			}
		}
	}
}

func (d *documenter) named(pos token.Pos, name string, doc *ast.CommentGroup) {
	if doc == nil || strings.TrimSpace(doc.Text()) == "" {
		d.missing(pos, name)
		return
	}
	words := strings.Fields(doc.Text())
	if len(words) > 1 && (words[0] == "A" || words[0] == "An" || words[0] == "The") {
		words = words[1:]
	}
	first := strings.TrimSuffix(strings.TrimRight(words[0], ",.:;"), "'s")
	if first != name && words[0] != "Deprecated:" {
		d.found = append(d.found, Finding{d.module.at(pos), fmt.Sprintf("the comment of %s does not start with its name", name)})
	}
}

func (d *documenter) missing(pos token.Pos, name string) {
	d.found = append(d.found, Finding{d.module.at(pos), fmt.Sprintf("%s is exported and has no comment", name)})
}

// receiver returns the name of the type of a method.
func receiver(fn *ast.FuncDecl) string {
	expr := fn.Recv.List[0].Type
	for {
		switch e := expr.(type) {
		case *ast.StarExpr:
			expr = e.X
		case *ast.IndexExpr:
			expr = e.X
		case *ast.IndexListExpr:
			expr = e.X
		case *ast.Ident:
			return e.Name
		default:
			return ""
		}
	}
}
