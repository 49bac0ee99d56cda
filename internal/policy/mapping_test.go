package policy

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/authd/authd/internal/identity"
	"github.com/authd/authd/sdk"
)

// aSource and said are what a provider gives before anything is mapped.
func aSource() identity.Source {
	return identity.Source{Provider: "corp", Plugin: "authd-provider-oidc", Identifier: "preferred_username"}
}

func said(claims string) *sdk.User {
	yes := true
	return &sdk.User{
		Sub: "s1", PreferredUsername: "ada", Name: "Ada", GivenName: "A", FamilyName: "L", Email: "ada@example.org", EmailVerified: &yes, Groups: []string{"old"},
		Claims: json.RawMessage(claims),
	}
}

// apply maps as the host does.
func apply(t *testing.T, expressions map[string]string, claims string) (*identity.User, error) {
	t.Helper()
	m, err := NewMapping("corp", expressions)
	if err != nil {
		t.Fatal(err)
	}
	source, before := aSource(), said(claims)
	user, err := source.User(before)
	if err != nil {
		t.Fatal(err)
	}
	now, err := m.Apply(t.Context(), user, before)
	if err != nil {
		return nil, err
	}
	if diff := cmp.Diff(said(claims), before); diff != "" {
		t.Errorf("what the provider said was changed (-want +got):\n%s", diff)
	}
	return source.User(now)
}

func TestMapping(t *testing.T) {
	const claims = `{"roles":["admins","a,b"],"mail":"a.lovelace@corp.example","ok":true,"person":{"full":"Ada Lovelace"},"upn":"alovelace","n":9007199254740993}`
	tests := map[string]struct {
		expressions map[string]string
		want        func(*identity.User)
	}{
		"nothing":           {nil, func(*identity.User) {}},
		"groups":            {map[string]string{"groups": "claims.roles"}, func(u *identity.User) { u.Groups = []string{"admins", "a,b"} }},
		"groups joined":     {map[string]string{"groups": `user.groups + claims.roles.filter(r, r != "a,b") + ["x"]`}, func(u *identity.User) { u.Groups = []string{"old", "admins", "x"} }},
		"no groups":         {map[string]string{"groups": "[]"}, func(u *identity.User) { u.Groups = nil }},
		"has":               {map[string]string{"groups": `has(claims.none) ? claims.none : ["d"]`}, func(u *identity.User) { u.Groups = []string{"d"} }},
		"optional":          {map[string]string{"groups": `claims.?none.?deep.orValue(["d"])`}, func(u *identity.User) { u.Groups = []string{"d"} }},
		"name":              {map[string]string{"name": "claims.person.full"}, func(u *identity.User) { u.Name = "Ada Lovelace" }},
		"username":          {map[string]string{"preferred_username": "claims.upn"}, func(u *identity.User) { u.PreferredUsername, u.Identifier = "alovelace", "alovelace" }},
		"no name":           {map[string]string{"name": `""`}, func(u *identity.User) { u.Name = "" }},
		"a whole number":    {map[string]string{"name": "string(claims.n)"}, func(u *identity.User) { u.Name = "9007199254740993" }},
		"address":           {map[string]string{"email": "claims.mail"}, func(u *identity.User) { u.Email, u.EmailVerified = "a.lovelace@corp.example", false }},
		"verified address":  {map[string]string{"email": "claims.mail", "email_verified": "claims.ok"}, func(u *identity.User) { u.Email = "a.lovelace@corp.example" }},
		"not verified":      {map[string]string{"email_verified": "false"}, func(u *identity.User) { u.EmailVerified = false }},
		"malformed address": {map[string]string{"email": `"a@b@c"`, "email_verified": "true"}, func(u *identity.User) { u.Email, u.EmailVerified = "", false }},
		"unprintable name":  {map[string]string{"name": `"a\nb"`}, func(u *identity.User) { u.Name = "" }},
	}
	for name, test := range tests {
		got, err := apply(t, test.expressions, claims)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		want, err := aSource().User(said(claims))
		if err != nil {
			t.Fatal(err)
		}
		test.want(want)
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
}

// Threat 37: groups over the limit are left out, all of them, as if the provider itself had said them.
func TestMappedGroupsAreBounded(t *testing.T) {
	names := make([]string, 1500)
	for i := range names {
		names[i] = fmt.Sprintf("%q", fmt.Sprint("group-", i))
	}
	u, err := apply(t, map[string]string{"groups": "claims.g"}, `{"g":[`+strings.Join(names, ",")+`]}`)
	if err != nil || !u.GroupsOmitted || len(u.Groups) != 0 {
		t.Errorf("got %d groups, omitted %v, error %v; want none of them", len(u.Groups), u.GroupsOmitted, err)
	}
}

// Doubt denies: nobody comes in with half of what was to be mapped.
func TestMappingDenies(t *testing.T) {
	many := strings.TrimSuffix(strings.Repeat(`"g",`, 3000), ",")
	for name, test := range map[string]struct{ field, expression, claims string }{
		"no such claim":       {"groups", "claims.roles", `{}`},
		"null":                {"groups", "claims.roles", `{"roles":null}`},
		"a text for a list":   {"groups", "claims.roles", `{"roles":"admins"}`},
		"a map for a list":    {"groups", "claims.roles", `{"roles":{"admins":true}}`},
		"a number in a list":  {"groups", "claims.roles", `{"roles":["admins",7]}`},
		"a list in a list":    {"groups", "claims.roles", `{"roles":[["admins"]]}`},
		"null in a list":      {"groups", "claims.roles", `{"roles":[null]}`},
		"a number for a text": {"email", "claims.mail", `{"mail":7}`},
		"a list for a text":   {"name", "claims.mail", `{"mail":["a"]}`},
		"a text for a bool":   {"email_verified", "claims.ok", `{"ok":"true"}`},
		"a number for a bool": {"email_verified", "claims.ok", `{"ok":1}`},
		"too costly":          {"groups", "claims.g.filter(a, claims.g.exists(b, claims.g.exists(c, a + b == c)))", `{"g":[` + many + `]}`},
	} {
		_, err := apply(t, map[string]string{test.field: test.expression}, test.claims)
		if !errors.Is(err, ErrDenied) || !strings.Contains(err.Error(), "provider corp: claims."+test.field) {
			t.Errorf("%s: got %v, want ErrDenied and the place", name, err)
		}
		if err != nil && strings.Contains(err.Error(), "admins") {
			t.Errorf("%s: the log would hold what the provider said: %v", name, err)
		}
	}
}

func TestMappingFaults(t *testing.T) {
	for expression, says := range map[[2]string]string{
		{"sub", "claims.id"}:              "the subject can't be mapped",
		{"picture", "claims.photo"}:       "not a field that can be mapped; these can: email, email_verified, groups, name, preferred_username",
		{"name", " "}:                     "the expression is empty",
		{"name", "claims."}:               "does not compile",
		{"name", "nobody.name"}:           "does not compile",
		{"name", "request.host"}:          "does not compile",
		{"name", "user.nick"}:             "user has no field nick",
		{"name", "7"}:                     "gives a int; it must give a text",
		{"groups", `"admins"`}:            "gives a string; it must give a list of texts",
		{"groups", `[1]`}:                 "gives a list(int); it must give a list of texts",
		{"email_verified", `"true"`}:      "gives a string; it must give true or false",
		{"name", "claims.?name"}:          "it must give a text",
		{"name", `optional.of("a")`}:      "it must give a text",
		{"preferred_username", `{"a":1}`}: "it must give a text",
	} {
		_, err := NewMapping("corp", map[string]string{expression[0]: expression[1]})
		if err == nil || !strings.Contains(err.Error(), "provider corp: claims."+expression[0]+": ") || !strings.Contains(err.Error(), says) {
			t.Errorf("%s: got %v, want %q", expression, err, says)
		}
		if err := CheckMapping(expression[0], expression[1]); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%s: CheckMapping says %v, want %q", expression, err, says)
		}
	}
	_, err := NewMapping("corp", map[string]string{"sub": "x", "name": "7", "email": "claims.mail"})
	if err == nil || !strings.Contains(err.Error(), "claims.sub") || !strings.Contains(err.Error(), "claims.name") || strings.Contains(err.Error(), "claims.email") {
		t.Errorf("got %v, want both faults and no more", err)
	}
	if m, err := NewMapping("corp", nil); m != nil || err != nil {
		t.Errorf("got %v, %v, want the nil Mapping", m, err)
	}
	if err := CheckMapping("email", "claims.mail"); err != nil {
		t.Error(err)
	}
}
