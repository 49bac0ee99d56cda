package policy

import (
	"bytes"
	"encoding/json"
	"sync"

	"cel.dev/cel-go/cel"
	"cel.dev/cel-go/common/types"

	"github.com/authd/authd/internal/identity"
)

// Person is a user made ready for rules: what rules ask of the user is worked out when the first one asks, and once. A
// Person may be used by many requests at once. The nil Person is a guest.
type Person struct {
	user *identity.User

	once   sync.Once
	fields map[string]any

	decoding sync.Once
	claims   any // a map, or what is wrong with the claims (*types.Err)
}

// NewPerson makes a user ready for rules. The user must not change any more. A nil user gives a guest.
func NewPerson(user *identity.User) *Person {
	if user == nil {
		return nil
	}
	return &Person{user: user}
}

func (p *Person) userFields() map[string]any {
	p.once.Do(func() { p.fields = userFields(p.user) })
	return p.fields
}

func (p *Person) decodedClaims() any {
	p.decoding.Do(func() {
		claims, err := decode(p.user.Claims)
		if err != nil {
			p.claims = types.NewErr("the claims can't be read: %v", err)
			return
		}
		p.claims = claims
	})
	return p.claims
}

// question is all that one rule is asked about. It is what CEL calls an activation.
type question struct {
	person  *Person
	request map[string]string // host, path and method, as far as they are beyond doubt; nil for rules without a request
}

// ResolveName gives a rule the value of one variable.
func (q *question) ResolveName(name string) (any, bool) {
	switch name {
	case "user":
		return q.person.userFields(), true
	case "claims":
		return q.person.decodedClaims(), true
	case "request":
		return q.request, q.request != nil
	}
	return nil, false
}

// Parent says that there are no other variables.
func (q *question) Parent() cel.Activation { return nil }

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
