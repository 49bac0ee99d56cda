package policy

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"cel.dev/cel-go/cel"
	"cel.dev/cel-go/common/types/ref"
	"cel.dev/cel-go/common/types/traits"

	"github.com/authd/authd/internal/identity"
	"github.com/authd/authd/sdk"
)

// Mapping replaces fields of a user by what expressions (CEL) over user and claims give. The nil Mapping replaces none.
type Mapping struct {
	provider string
	fields   []mapped
}

// mapped is one field with its expression.
type mapped struct {
	name    string
	program cel.Program
}

// kind is what the expression of a field gives.
type kind struct {
	out  []*cel.Type // what it may be known to give when it is compiled
	word string
	// set writes the value into the user; false: it is of another kind.
	set func(*sdk.User, ref.Val) bool
}

// MappedFields are the fields that a mapping may replace. The subject is not among them: who somebody is stays with the
// provider.
func MappedFields() []string { return slices.Sorted(maps.Keys(kinds())) }

func kinds() map[string]kind {
	text := func(field func(*sdk.User) *string) kind {
		return kind{out: []*cel.Type{cel.StringType}, word: "a text", set: func(u *sdk.User, v ref.Val) (ok bool) {
			*field(u), ok = v.Value().(string)
			return ok
		}}
	}
	return map[string]kind{
		"email":              text(func(u *sdk.User) *string { return &u.Email }),
		"name":               text(func(u *sdk.User) *string { return &u.Name }),
		"preferred_username": text(func(u *sdk.User) *string { return &u.PreferredUsername }),
		"email_verified": {out: []*cel.Type{cel.BoolType}, word: "true or false", set: func(u *sdk.User, v ref.Val) bool {
			verified, ok := v.Value().(bool)
			u.EmailVerified = &verified
			return ok
		}},
		"groups": {
			out: []*cel.Type{cel.ListType(cel.StringType), cel.ListType(cel.DynType)}, word: "a list of texts",
			set: func(u *sdk.User, v ref.Val) (ok bool) { u.Groups, ok = texts(v); return ok },
		},
	}
}

// NewMapping compiles the expressions of the provider with that id, by field. All faults are returned together. Without
// any expression it is the nil Mapping.
func NewMapping(id string, expressions map[string]string) (*Mapping, error) {
	if len(expressions) == 0 {
		return nil, nil
	}
	c := newMappingCompiler()
	m := &Mapping{provider: id}
	var faults []error
	for _, name := range slices.Sorted(maps.Keys(expressions)) {
		program, err := c.compileField(name, expressions[name])
		if err != nil {
			faults = append(faults, fmt.Errorf("provider %s: claims.%s: %w", id, name, err))
		}
		m.fields = append(m.fields, mapped{name: name, program: program})
	}
	return m, errors.Join(faults...)
}

// CheckMapping returns what is wrong with the expression of one field.
func CheckMapping(field, expression string) error {
	_, err := newMappingCompiler().compileField(field, expression)
	return err
}

// newMappingCompiler makes a compiler that knows optional values too: claims.?roles.orValue([]).
func newMappingCompiler() *compiler { return newCompiler(false, cel.OptionalTypes()) }

func (c *compiler) compileField(name, expression string) (cel.Program, error) {
	field, known := kinds()[name]
	switch {
	case name == "sub":
		return nil, errors.New("the subject can't be mapped: who somebody is stays with the provider; remove it")
	case !known:
		return nil, fmt.Errorf("it is not a field that can be mapped; these can: %s", strings.Join(MappedFields(), ", "))
	case strings.TrimSpace(expression) == "":
		return nil, errors.New("the expression is empty; remove it to keep what the provider says")
	}
	env, err := c.environment()
	if err != nil {
		return nil, err
	}
	compiled, issues := env.Compile(expression)
	if issues.Err() != nil {
		return nil, fmt.Errorf("the expression does not compile: %s", firstFault(issues))
	}
	out := compiled.OutputType()
	if !out.IsExactType(cel.DynType) && !slices.ContainsFunc(field.out, out.IsExactType) {
		return nil, fmt.Errorf("the expression gives a %s; it must give %s", out, field.word)
	}
	if err := c.look(compiled.NativeRep(), &Rule{}); err != nil {
		return nil, err
	}
	return env.Program(compiled, cel.CostLimit(maxCost), cel.InterruptCheckFrequency(100))
}

// Apply returns what the provider said with the mapped fields replaced; user is what authd made of said, which the
// expressions see. Whoever calls it makes a user of the result in the same way, so that what is mapped is bounded and
// checked like anything that a provider says. Said does not change.
//
// An expression that fails, or gives another kind of value than its field has, is an error that wraps ErrDenied: nobody
// comes in as half a person. A mapped address is verified only if email_verified is mapped too: what the provider vouched
// for was another one.
func (m *Mapping) Apply(ctx context.Context, user *identity.User, said *sdk.User) (*sdk.User, error) {
	if m == nil {
		return said, nil
	}
	now := *said
	q := &question{person: NewPerson(user)}
	for _, field := range m.fields {
		out, _, err := field.program.ContextEval(ctx, q)
		if err != nil {
			return nil, fmt.Errorf("%w: provider %s: claims.%s: %v", ErrDenied, m.provider, field.name, err)
		}
		kind := kinds()[field.name]
		if !kind.set(&now, out) {
			return nil, fmt.Errorf("%w: provider %s: claims.%s gives a %s; it must give %s", ErrDenied, m.provider, field.name, out.Type().TypeName(), kind.word)
		}
	}
	if m.has("email") && !m.has("email_verified") {
		now.EmailVerified = nil
	}
	if m.has("name") {
		now.GivenName, now.FamilyName = "", "" // they stand in for an empty name, and this one is meant
	}
	return &now, nil
}

func (m *Mapping) has(name string) bool {
	return slices.ContainsFunc(m.fields, func(f mapped) bool { return f.name == name })
}

// texts makes a list of texts of a value; false if it is anything else, or holds anything else.
func texts(v ref.Val) ([]string, bool) {
	list, ok := v.(traits.Lister)
	if !ok {
		return nil, false
	}
	found := []string{}
	for it := list.Iterator(); it.HasNext().Value() == true; {
		text, ok := it.Next().Value().(string)
		if !ok {
			return nil, false
		}
		found = append(found, text)
	}
	return found, true
}
