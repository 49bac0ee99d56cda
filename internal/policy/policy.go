// Package policy says who may come in, and who may reach which app. A rule is an expression in CEL (Common Expression
// Language) over
//
//	user     sub, identifier, preferred_username, name, email, email_verified, groups, provider
//	claims   what the provider said, raw
//	request  host, path, method; in the rules of apps only
//
// It is compiled once. Whatever is not a clean "true" denies: false, an error (a missing claim is one), a value that
// is no boolean, a rule that costs too much. user.email is empty unless the provider vouches for it.
//
// # The map of the package
//
//	policy.go  rules, and Admission: who may come in    apps.go         the sites behind forward auth, and their rules
//	person.go  a user made ready for rules              decide.go       which rule decides, and how
//	path.go    the one way in which a path is read      constraints.go  what oauth2-proxy takes in the query
package policy

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"cel.dev/cel-go/cel"
	"cel.dev/cel-go/common/ast"
	"cel.dev/cel-go/common/operators"

	"github.com/authd/authd/internal/identity"
)

// ErrDenied is returned when a rule does not let a user in; the wrapping error says which rule and why, for the log.
var ErrDenied = errors.New("denied")

// maxCost bounds one evaluation, in CEL's own units; a rule over a few hundred groups needs some thousand.
const maxCost = 100_000

// Rule is a compiled expression. The nil Rule allows everybody.
type Rule struct {
	name    string
	program cel.Program
	// readsRequest is set when the rule looks at the request, readsMethod when its method may count.
	readsRequest, readsMethod bool
}

// Compile makes a rule; name says in errors where it stands, e.g. "access.allow". An empty expression is the nil Rule.
func Compile(name, expression string) (*Rule, error) { return compileOne(false, name, expression) }

// CompileAppRule is Compile for a rule of an app, which may also look at the request.
func CompileAppRule(name, expression string) (*Rule, error) {
	return compileOne(true, name, expression)
}

func compileOne(forApps bool, name, expression string) (*Rule, error) {
	return newCompiler(forApps).compile(name, expression)
}

// compiler makes rules of one kind. CEL's environment costs megabytes, so that it is made for the first rule.
type compiler struct {
	options []cel.EnvOption
	fields  map[string][]string // :: variable → all that it has
	env     *cel.Env            // :: nil until the first rule
}

func newCompiler(forApps bool, options ...cel.EnvOption) *compiler {
	c := &compiler{fields: map[string][]string{"user": slices.Sorted(maps.Keys(userFields(&identity.User{})))}}
	c.options = append(options,
		cel.Variable("user", cel.MapType(cel.StringType, cel.DynType)),
		cel.Variable("claims", cel.MapType(cel.StringType, cel.DynType)))
	if forApps {
		c.fields["request"] = []string{"host", "method", "path"}
		c.options = append(c.options, cel.Variable("request", cel.MapType(cel.StringType, cel.StringType)))
	}
	return c
}

// environment returns the one that all rules of this compiler share.
func (c *compiler) environment() (env *cel.Env, err error) {
	if c.env == nil {
		c.env, err = cel.NewEnv(c.options...)
	}
	return c.env, err
}

// firstFault says in one line what is wrong with an expression, and where. The parser's own words name each token that
// could have stood there; what helps is where it stopped.
func firstFault(issues *cel.Issues) string {
	first := issues.Errors()[0]
	text, _, _ := strings.Cut(strings.TrimPrefix(first.Message, "Syntax error: "), " expecting ")
	text = strings.TrimSuffix(text, " (in container '')")
	token, stuck := strings.CutPrefix(text, "no viable alternative at input ")
	switch {
	case stuck:
		text = "nothing can be made of " + token
	case text == "mismatched input '<EOF>'":
		text = "it ends too early"
	case strings.HasPrefix(text, "token recognition error at: '="):
		text = "a single = means nothing here; write == to compare"
	}
	where := fmt.Sprintf("character %d", first.Location.Column()+1)
	if line := first.Location.Line(); line > 1 {
		where = fmt.Sprintf("line %d, %s", line, where)
	}
	return where + ": " + text
}

func (c *compiler) compile(name, expression string) (*Rule, error) {
	if strings.TrimSpace(expression) == "" {
		return nil, nil
	}
	env, err := c.environment()
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	compiled, issues := env.Compile(expression)
	if issues.Err() != nil {
		return nil, fmt.Errorf("%s: the rule does not compile: %s", name, firstFault(issues))
	}
	if out := compiled.OutputType(); !out.IsExactType(cel.BoolType) && !out.IsExactType(cel.DynType) {
		return nil, fmt.Errorf("%s: the rule gives a %s; it must be true or false, e.g. user.provider == \"github\"", name, out)
	}
	rule := &Rule{name: name}
	if err := c.look(compiled.NativeRep(), rule); err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	rule.program, err = env.Program(compiled, cel.CostLimit(maxCost), cel.InterruptCheckFrequency(100))
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	return rule, nil
}

// look refuses a misspelt user.FIELD or request.FIELD when the rule is compiled: at run time it would deny everybody.
// It also notes what the rule reads of the request.
func (c *compiler) look(compiled *ast.AST, rule *Rule) (wrong error) {
	mentions, otherFields := 0, 0
	ast.PostOrderVisit(compiled.Expr(), ast.NewExprVisitor(func(e ast.Expr) {
		if e.Kind() == ast.IdentKind && e.AsIdent() == "request" {
			mentions++
		}
		variable, field := access(e)
		if known, ok := c.fields[variable]; ok && !slices.Contains(known, field) {
			wrong = fmt.Errorf("%s has no field %s; it has %s", variable, field, strings.Join(known, ", "))
		}
		if variable == "request" && field != "method" {
			otherFields++
		}
	}))
	rule.readsRequest, rule.readsMethod = mentions > 0, mentions > otherFields
	return wrong
}

// access takes VARIABLE.FIELD and VARIABLE["FIELD"] apart; variable is empty for any other expression.
func access(e ast.Expr) (variable, field string) {
	var of ast.Expr
	switch e.Kind() {
	case ast.SelectKind:
		of, field = e.AsSelect().Operand(), e.AsSelect().FieldName()
	case ast.CallKind:
		call := e.AsCall()
		if call.FunctionName() != operators.Index || call.Args()[1].Kind() != ast.LiteralKind {
			return "", ""
		}
		text, ok := call.Args()[1].AsLiteral().Value().(string)
		if !ok {
			return "", ""
		}
		of, field = call.Args()[0], text
	}
	if of == nil || of.Kind() != ast.IdentKind {
		return "", ""
	}
	return of.AsIdent(), field
}

// Allow returns nil when the rule is true for the person, else an error that wraps ErrDenied. A guest is let in by the
// nil Rule alone.
func (r *Rule) Allow(ctx context.Context, person *Person) error {
	if r == nil {
		return nil
	}
	return r.ask(ctx, &question{person: person})
}

func (r *Rule) ask(ctx context.Context, q *question) error {
	if q.person == nil {
		return fmt.Errorf("%w by %s: nobody is signed in", ErrDenied, r.name)
	}
	out, _, err := r.program.ContextEval(ctx, q)
	if err != nil {
		return fmt.Errorf("%w by %s: %v", ErrDenied, r.name, err)
	}
	if allowed, ok := out.Value().(bool); !ok || !allowed {
		return fmt.Errorf("%w by %s", ErrDenied, r.name)
	}
	return nil
}

// Admission is who may come in: the rule for everybody, then the rule of the provider.
type Admission struct {
	everybody *Rule
	providers map[string]*Rule // :: provider id → rule
}

// NewAdmission compiles the rules; all faults are returned together. An empty rule lets in whoever the provider does.
func NewAdmission(everybody string, providers map[string]string) (*Admission, error) {
	a := &Admission{providers: map[string]*Rule{}}
	var faults []error
	add := func(name, expression string) *Rule {
		rule, err := Compile(name, expression)
		if err != nil {
			faults = append(faults, err)
		}
		return rule
	}
	a.everybody = add("access.allow", everybody)
	for id, expression := range providers {
		a.providers[id] = add("allow of provider "+id, expression)
	}
	return a, errors.Join(faults...)
}

// Admit returns nil when the user may come in, else an error that wraps ErrDenied.
func (a *Admission) Admit(ctx context.Context, user *identity.User) error {
	return a.AdmitPerson(ctx, NewPerson(user))
}

// AdmitPerson is Admit for whom more rules will be asked about.
func (a *Admission) AdmitPerson(ctx context.Context, person *Person) error {
	if person == nil {
		return fmt.Errorf("%w: nobody is signed in", ErrDenied)
	}
	if err := a.everybody.Allow(ctx, person); err != nil {
		return err
	}
	return a.providers[person.user.Provider].Allow(ctx, person)
}
