package policy

import (
	"context"
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"github.com/authd/authd/internal/identity"
)

func ada() *identity.User {
	return &identity.User{
		Subject: "abc", Identifier: "ada", PreferredUsername: "ada", Name: "Ada", Email: "ada@example.org", EmailVerified: true,
		Groups: []string{"staff", "admins"}, Provider: "google",
		Claims: json.RawMessage(`{"hd":"example.org","id":9007199254740993,"ratio":0.5,"roles":["a","b"],"nested":{"n":2}}`),
	}
}

func TestRules(t *testing.T) {
	for rule, want := range map[string]bool{
		``:                                               true,
		`claims.hd == "example.org"`:                     true,
		`claims.hd == "evil.org"`:                        false,
		`"admins" in user.groups`:                        true,
		`"admin" in user.groups`:                         false,
		`user.email.endsWith("@example.org")`:            true,
		`user.email.endsWith("@evil.org")`:               false,
		`user.provider == "google" && user.sub == "abc"`: true,
		`claims.id == 9007199254740993`:                  true,
		`claims.id == 9007199254740992`:                  false,
		`claims.nested.n == 2 && claims.ratio < 1.0`:     true,
		`claims.roles.exists(r, r == "b")`:               true,
		`has(claims.hd)`:                                 true,
		`has(claims.missing)`:                            false,
		`user.name.matches("^A[a-z]+$")`:                 true,
		// Doubt denies: a missing claim, a value that is no boolean.
		`claims.missing != "evil"`:    false,
		`!(claims.missing == "evil")`: false,
		`claims.hd`:                   false,
		`claims.hd > 3`:               false,
		`false`:                       false,
	} {
		r, err := Compile("test", rule)
		if err != nil {
			t.Errorf("Compile(%s): %v", rule, err)
			continue
		}
		err = r.Allow(context.Background(), NewPerson(ada()))
		if (err == nil) != want {
			t.Errorf("%s: got %v, want allowed = %v", rule, err, want)
		}
		if err != nil && !errors.Is(err, ErrDenied) {
			t.Errorf("%s: %v does not wrap ErrDenied", rule, err)
		}
	}
}

// Threat 34: a rule on the address sees only one that the provider vouches for.
func TestUnverifiedEmailMatchesNoRule(t *testing.T) {
	u := ada()
	u.EmailVerified = false
	for _, rule := range []string{`user.email.endsWith("@example.org")`, `user.email == "ada@example.org"`, `user.email != ""`} {
		r, err := Compile("test", rule)
		if err != nil {
			t.Fatal(err)
		}
		if err := r.Allow(context.Background(), NewPerson(u)); err == nil {
			t.Errorf("%s let in an unverified address", rule)
		}
	}
}

func TestCompileErrorsNameTheMend(t *testing.T) {
	for rule, want := range map[string]string{
		`user.emial == "a"`: "user has no field emial; it has email,",
		`claims.hd ==`:      "does not compile",
		`"text"`:            "must be true or false",
		`unknown == 1`:      "undeclared reference",
		`request.path == 1`: "undeclared reference",
	} {
		_, err := Compile("access.allow", rule)
		if err == nil || !strings.Contains(err.Error(), want) || !strings.HasPrefix(err.Error(), "access.allow: ") {
			t.Errorf("Compile(%s) = %v, want access.allow: … %s", rule, err, want)
		}
	}
}

// What an operator reads about a slip of the pen is one short line that points at it.
func TestCompileErrorsPointAtTheSlip(t *testing.T) {
	for rule, want := range map[string]string{
		`claims.hd ==`:                         "character 13: it ends too early",
		`"a" in user.groups &&`:                "character 22: it ends too early",
		`claims.`:                              "character 8: nothing can be made of '.'",
		`foo(`:                                 "character 5: it ends too early",
		`user.email = "x"`:                     "character 12: a single = means nothing here; write == to compare",
		`user.email.endsWith("@x")x`:           "character 26: extraneous input 'x'",
		`unknown == 1`:                         "character 1: undeclared reference to 'unknown'",
		`true && 1`:                            "character 9: expected type 'bool' but found 'int'",
		"user.provider == \"github\" &&\n 'a'": "line 2, character 2: expected type 'bool' but found 'string'",
	} {
		_, err := Compile("access.allow", rule)
		if want = "access.allow: the rule does not compile: " + want; err == nil || err.Error() != want {
			t.Errorf("Compile(%s) = %v\nwant %s", rule, err, want)
		}
	}
	if _, err := Compile("access.allow", `user.email.endsWidth("x")`); err == nil || !strings.Contains(err.Error(), "did you mean 'endsWith'?") {
		t.Errorf("a method that is nearly right: %v", err)
	}
}

func TestRunawayRuleDenies(t *testing.T) {
	u := ada()
	for range 400 {
		u.Groups = append(u.Groups, strings.Repeat("g", 50))
	}
	r, err := Compile("test", `user.groups.all(a, user.groups.all(b, user.groups.all(c, a+b+c != "")))`)
	if err != nil {
		t.Fatal(err)
	}
	if err := r.Allow(context.Background(), NewPerson(u)); !errors.Is(err, ErrDenied) {
		t.Errorf("got %v, want ErrDenied", err)
	}
}

func TestAdmission(t *testing.T) {
	a, err := NewAdmission(`user.email_verified`, map[string]string{"google": `claims.hd == "example.org"`, "github": `false`})
	if err != nil {
		t.Fatal(err)
	}
	if err := a.Admit(context.Background(), ada()); err != nil {
		t.Errorf("ada was denied: %v", err)
	}
	for name, test := range map[string]struct {
		change func(*identity.User)
		want   string
	}{
		"global rule":    {func(u *identity.User) { u.EmailVerified = false }, "denied by access.allow"},
		"provider rule":  {func(u *identity.User) { u.Claims = json.RawMessage(`{"hd":"evil.org"}`) }, "denied by allow of provider google"},
		"claim missing":  {func(u *identity.User) { u.Claims = nil }, "denied by allow of provider google: no such key: hd"},
		"claims garbled": {func(u *identity.User) { u.Claims = json.RawMessage(`{`) }, "denied by allow of provider google: the claims can't be read"},
		"other provider": {func(u *identity.User) { u.Provider = "github" }, "denied by allow of provider github"},
	} {
		u := ada()
		test.change(u)
		if err := a.Admit(context.Background(), u); !errors.Is(err, ErrDenied) || !strings.HasPrefix(err.Error(), test.want) {
			t.Errorf("%s: got %v, want ErrDenied and %q", name, err, test.want)
		}
	}
	if _, err := NewAdmission(`1`, map[string]string{"google": `2`}); err == nil ||
		!strings.Contains(err.Error(), "access.allow") || !strings.Contains(err.Error(), "provider google") {
		t.Errorf("got %v, want both faults", err)
	}
}

func BenchmarkAdmit(b *testing.B) {
	a, err := NewAdmission(`user.email.endsWith("@example.org")`, map[string]string{"google": `claims.hd == "example.org" && "admins" in user.groups`})
	if err != nil {
		b.Fatal(err)
	}
	u := ada()
	b.ReportAllocs()
	for b.Loop() {
		if err := a.Admit(context.Background(), u); err != nil {
			b.Fatal(err)
		}
	}
}
