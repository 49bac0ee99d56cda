// Package policy says who may come in. A rule is an expression in CEL (Common Expression Language) over
//
//	user    sub, identifier, preferred_username, name, email, email_verified, groups, provider
//	claims  what the provider said, raw
//
// It is compiled once. Whatever is not a clean "true" denies: false, an error (a missing claim is one), a value that
// is no boolean, a rule that costs too much. user.email is empty unless the provider vouches for it.
package policy

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"cel.dev/cel-go/cel"
	"cel.dev/cel-go/common/ast"

	"github.com/authd/authd/internal/identity"
)

// ErrDenied is returned when a rule does not let a user in; the wrapping error says which rule and why, for the log.
var ErrDenied = errors.New("denied by rule")

// maxCost bounds one evaluation, in CEL's own units; a rule over a few hundred groups needs some thousand.
const maxCost = 100_000

// Rule is a compiled expression. The nil Rule allows everybody.
type Rule struct {
	name    string
	program cel.Program
}

// Compile makes a rule; name says in errors where it stands, e.g. "access.allow". An empty expression is the nil Rule.
func Compile(name, expression string) (*Rule, error) {
	if strings.TrimSpace(expression) == "" {
		return nil, nil
	}
	env, err := cel.NewEnv(
		cel.Variable("user", cel.MapType(cel.StringType, cel.DynType)),
		cel.Variable("claims", cel.MapType(cel.StringType, cel.DynType)),
	)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	compiled, issues := env.Compile(expression)
	if issues.Err() != nil {
		return nil, fmt.Errorf("%s: the rule does not compile: %w", name, issues.Err())
	}
	if out := compiled.OutputType(); !out.IsExactType(cel.BoolType) && !out.IsExactType(cel.DynType) {
		return nil, fmt.Errorf("%s: the rule gives a %s; it must be true or false, e.g. user.provider == \"github\"", name, out)
	}
	if err := checkUserFields(compiled.NativeRep()); err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	program, err := env.Program(compiled, cel.CostLimit(maxCost), cel.InterruptCheckFrequency(100))
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	return &Rule{name: name, program: program}, nil
}

// checkUserFields refuses a misspelt user.FIELD when the rule is compiled; at run time it would deny everybody.
func checkUserFields(compiled *ast.AST) error {
	known := userFields(&identity.User{})
	var wrong error
	ast.PostOrderVisit(compiled.Expr(), ast.NewExprVisitor(func(e ast.Expr) {
		if e.Kind() != ast.SelectKind {
			return
		}
		operand := e.AsSelect().Operand()
		if operand.Kind() != ast.IdentKind || operand.AsIdent() != "user" {
			return
		}
		if _, ok := known[e.AsSelect().FieldName()]; !ok {
			names := make([]string, 0, len(known))
			for name := range known {
				names = append(names, name)
			}
			slices.Sort(names)
			wrong = fmt.Errorf("user has no field %s; it has %s", e.AsSelect().FieldName(), strings.Join(names, ", "))
		}
	}))
	return wrong
}

// Allow returns nil when the rule is true for the user, else an error that wraps ErrDenied.
func (r *Rule) Allow(ctx context.Context, user *identity.User) error {
	if r == nil {
		return nil
	}
	claims, err := decode(user.Claims)
	if err != nil {
		return fmt.Errorf("%w %s: the claims can't be read: %v", ErrDenied, r.name, err)
	}
	out, _, err := r.program.ContextEval(ctx, map[string]any{"user": userFields(user), "claims": claims})
	if err != nil {
		return fmt.Errorf("%w %s: %v", ErrDenied, r.name, err)
	}
	if allowed, ok := out.Value().(bool); !ok || !allowed {
		return fmt.Errorf("%w %s", ErrDenied, r.name)
	}
	return nil
}

func userFields(u *identity.User) map[string]any {
	groups := u.Groups
	if groups == nil {
		groups = []string{}
	}
	return map[string]any{
		"sub": u.Subject, "identifier": u.Identifier, "preferred_username": u.PreferredUsername, "name": u.Name,
		"email": u.VerifiedEmail(), "email_verified": u.EmailVerified, "groups": groups, "provider": u.Provider,
	}
}

// decode keeps whole numbers whole: an id above 2^53 must not be rounded to another one.
func decode(raw json.RawMessage) (map[string]any, error) {
	claims := map[string]any{}
	if len(raw) == 0 {
		return claims, nil
	}
	d := json.NewDecoder(bytes.NewReader(raw))
	d.UseNumber()
	if err := d.Decode(&claims); err != nil {
		return nil, err
	}
	for name, value := range claims {
		claims[name] = native(value)
	}
	return claims, nil
}

func native(value any) any {
	switch v := value.(type) {
	case json.Number:
		if whole, err := v.Int64(); err == nil {
			return whole
		}
		fraction, err := v.Float64()
		if err != nil {
			return v.String()
		}
		return fraction
	case []any:
		for i := range v {
			v[i] = native(v[i])
		}
	case map[string]any:
		for name := range v {
			v[name] = native(v[name])
		}
	}
	return value
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
		a.providers[id] = add("provider "+id+": allow", expression)
	}
	return a, errors.Join(faults...)
}

// Admit returns nil when the user may come in, else an error that wraps ErrDenied.
func (a *Admission) Admit(ctx context.Context, user *identity.User) error {
	if err := a.everybody.Allow(ctx, user); err != nil {
		return err
	}
	return a.providers[user.Provider].Allow(ctx, user)
}
