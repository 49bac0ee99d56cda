package archtest

import (
	"fmt"
	"go/ast"
	"go/token"
	"regexp"
	"slices"
	"strconv"
)

var (
	// secretName is how a name ends that stands for a secret, or for what proves that somebody knows one.
	secretName = regexp.MustCompile(`(?:^|[a-z0-9_])(?:[Ss]tate|[Nn]once|[Tt]oken|[Vv]erifier|[Cc]hallenge|[Ss]ecret|[Ss]ignature|[Pp]assword|[Mm]ac|MAC)$`)
	// codeName adds to it where bytes are compared. Elsewhere a code is mostly that of an error, a sum that of a file.
	codeName = regexp.MustCompile(`(?:^|[a-z0-9_])(?:[Cc]ode|[Ss]um)$`)
	// samenessName is how a function is called that only compares, so that its parameters may have any name.
	samenessName = regexp.MustCompile(`^(?:[Ss]ame|[Ee]qual|[Mm]atch|[Cc]ompare)`)
)

// plainCompares stop at the first difference, as == does; for bytes they stand in its place.
var plainCompares = map[string]bool{
	"bytes.Equal": true, "bytes.Compare": true, "slices.Equal": true, "reflect.DeepEqual": true,
	"strings.EqualFold": false, "strings.Compare": false,
}

// otherStates is where a state is that of a process, and none of OAuth's.
var otherStates = []string{"internal/catalog"}

// comparesForTests is code that compares what it made up itself.
var comparesForTests = append([]string{"sdk/providertest"}, testSupport...)

// SecretCompares finds comparisons that tell by their time how much of a secret was right: ==, != and the like where
// the name of an operand says secret, and where it was handed to a function such as sameSecret. What stands in the
// source is no secret: literals, nil, and what a package declares. A local variable that hides such a name passes for it.
func SecretCompares(m *Module) []Finding {
	var found []Finding
	declared := map[string]map[string]bool{}
	for _, pkg := range m.Packages {
		declared[pkg.Dir] = packageNames(pkg)
	}
	for _, pkg := range m.Packages {
		if matches(pkg.Dir, comparesForTests) {
			continue
		}
		for _, file := range pkg.Files {
			if file.Test || file.Generated {
				continue
			}
			c := &comparer{module: m, dir: pkg.Dir, declared: declared, imports: importNames(m, file)}
			for _, decl := range file.AST.Decls {
				c.handed = handed(decl)
				ast.Inspect(decl, c.look)
			}
			found = append(found, c.found...)
		}
	}
	return found
}

// packageNames are the constants, variables and functions of a package. No variable of a package changes.
func packageNames(pkg *Package) map[string]bool {
	names := map[string]bool{}
	for _, file := range pkg.Files {
		for _, decl := range file.AST.Decls {
			switch d := decl.(type) {
			case *ast.FuncDecl:
				names[d.Name.Name] = names[d.Name.Name] || d.Recv == nil
			case *ast.GenDecl:
				for _, spec := range d.Specs {
					if value, ok := spec.(*ast.ValueSpec); ok {
						for _, name := range value.Names {
							names[name.Name] = true
						}
					}
				}
			}
		}
	}
	return names
}

// handed are the parameters of a function that compares secrets, such as sameSecret(got, want string).
func handed(decl ast.Decl) map[string]bool {
	fn, ok := decl.(*ast.FuncDecl)
	if !ok || !secretName.MatchString(fn.Name.Name) || !samenessName.MatchString(fn.Name.Name) {
		return nil
	}
	names := map[string]bool{}
	for _, field := range fn.Type.Params.List {
		for _, name := range field.Names {
			names[name.Name] = true
		}
	}
	return names
}

// comparer looks through one file.
type comparer struct {
	module   *Module
	dir      string
	declared map[string]map[string]bool // directory → names
	imports  map[string]string
	handed   map[string]bool // of the function that is looked at
	found    []Finding
}

func (c *comparer) look(node ast.Node) bool {
	switch n := node.(type) {
	case *ast.BinaryExpr:
		if n.Op == token.EQL || n.Op == token.NEQ {
			c.compare(n.Pos(), n.Op.String(), false, n.X, n.Y)
		}
	case *ast.CallExpr:
		if sel, ok := n.Fun.(*ast.SelectorExpr); ok && len(n.Args) == 2 {
			x, _ := sel.X.(*ast.Ident)
			if bytes, known := plainCompares[nameOf(x)+"."+sel.Sel.Name]; known {
				c.compare(n.Pos(), nameOf(x)+"."+sel.Sel.Name, bytes, n.Args...)
			}
		}
	case *ast.SwitchStmt:
		for _, clause := range n.Body.List {
			for _, value := range clause.(*ast.CaseClause).List {
				if n.Tag != nil {
					c.compare(value.Pos(), "case", false, n.Tag, value)
				}
			}
		}
	}
	return true
}

func nameOf(x *ast.Ident) string {
	if x == nil {
		return ""
	}
	return x.Name
}

// compare reports a comparison if an operand is a secret and none is known to everybody.
func (c *comparer) compare(at token.Pos, how string, bytes bool, operands ...ast.Expr) {
	secret := func(e ast.Expr) bool { return c.secret(e, bytes) }
	if slices.ContainsFunc(operands, c.public) || !slices.ContainsFunc(operands, secret) {
		return
	}
	c.found = append(c.found, Finding{c.module.at(at), fmt.Sprintf(
		"%s compares a secret and takes longer the more of it is right: use subtle.ConstantTimeCompare or hmac.Equal", how)})
}

// public tells whether an operand stands in the source, or is a mere length.
func (c *comparer) public(expr ast.Expr) bool {
	switch e := expr.(type) {
	case *ast.BasicLit:
		return true
	case *ast.Ident:
		return e.Name == "nil" || e.Name == "true" || e.Name == "false" || c.declared[c.dir][e.Name] && !c.handed[e.Name]
	case *ast.SelectorExpr:
		x, _ := e.X.(*ast.Ident)
		dir, imported := c.imports[nameOf(x)]
		return imported && c.declared[dir][e.Sel.Name]
	case *ast.CallExpr:
		fn, _ := e.Fun.(*ast.Ident)
		return nameOf(fn) == "len"
	}
	return false
}

// secret tells whether the name of an operand says so, or what it is taken from: p.Get("state"), raw["id_token"].
func (c *comparer) secret(expr ast.Expr, bytes bool) bool {
	switch e := expr.(type) {
	case *ast.Ident:
		return c.handed[e.Name] || c.says(e.Name, bytes)
	case *ast.SelectorExpr:
		return c.says(e.Sel.Name, bytes)
	case *ast.BasicLit:
		text, err := strconv.Unquote(e.Value)
		return err == nil && c.says(text, bytes)
	case *ast.ParenExpr:
		return c.secret(e.X, bytes)
	case *ast.StarExpr:
		return c.secret(e.X, bytes)
	case *ast.SliceExpr:
		return c.secret(e.X, bytes)
	case *ast.IndexExpr:
		return c.secret(e.X, bytes) || c.secret(e.Index, bytes)
	case *ast.CallExpr:
		_, conversion := e.Fun.(*ast.ArrayType)
		fn, _ := e.Fun.(*ast.Ident)
		return c.secret(e.Fun, bytes) || slices.ContainsFunc(e.Args, func(arg ast.Expr) bool {
			_, literal := arg.(*ast.BasicLit)
			return (literal || conversion || nameOf(fn) == "string") && c.secret(arg, bytes)
		})
	}
	return false
}

func (c *comparer) says(name string, bytes bool) bool {
	if (name == "state" || name == "State") && slices.Contains(otherStates, c.dir) {
		return false
	}
	return secretName.MatchString(name) || bytes && codeName.MatchString(name)
}
