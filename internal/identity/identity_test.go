package identity

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/authd/authd/sdk"
)

func yes() *bool { b := true; return &b }

func TestSubjectIsStableAndOpaque(t *testing.T) {
	src := Source{Provider: "github", Plugin: "github"}
	got := src.Subject("583231")
	if len(got) != 26 || strings.Trim(got, "abcdefghijklmnopqrstuvwxyz234567") != "" {
		t.Fatalf("Subject = %q, want 26 characters of [a-z2-7]", got)
	}
	// The value itself is a promise to applications: a change of the derivation would lock every user out.
	if want := "gntjkv3wce64of5rykllfxhrhm"; got != want {
		t.Errorf("Subject = %q, want %q", got, want)
	}
}

// Threat 15, 16, 137: identity is the issuer or provider with the sub, byte by byte, within one plugin.
func TestSubjectsAreApart(t *testing.T) {
	all := map[string]string{}
	for name, subject := range map[string]string{
		"github 1":            Source{Provider: "github", Plugin: "github"}.Subject("1"),
		"github 11":           Source{Provider: "github", Plugin: "github"}.Subject("11"),
		"case of the sub":     Source{Provider: "github", Plugin: "github"}.Subject("Ada"),
		"other case":          Source{Provider: "github", Plugin: "github"}.Subject("ada"),
		"other provider id":   Source{Provider: "ghe", Plugin: "github"}.Subject("1"),
		"other plugin":        Source{Provider: "github", Plugin: "evil"}.Subject("1"),
		"openid":              Source{Provider: "a", Plugin: "oidc", Issuer: "https://i.example"}.Subject("1"),
		"openid other plugin": Source{Provider: "a", Plugin: "evil", Issuer: "https://i.example"}.Subject("1"),
		"issuer as id":        Source{Provider: "https://i.example", Plugin: "oidc"}.Subject("1"),
		"moved boundary":      Source{Provider: "github1", Plugin: "github"}.Subject(""),
	} {
		if other, taken := all[subject]; taken {
			t.Errorf("%s and %s share the subject %s", name, other, subject)
		}
		all[subject] = name
	}
	before := Source{Provider: "old", Plugin: "oidc", Issuer: "https://i.example"}
	after := Source{Provider: "new", Plugin: "oidc", Issuer: "https://i.example"}
	if before.Subject("1") != after.Subject("1") {
		t.Error("renaming an OpenID provider changed its users' subjects")
	}
}

// Threat 15, 16: every type that authd comes with, each with a person whose id there is 1: nobody is somebody else,
// whatever the types have in common. The same person through two types of one issuer is one person.
func TestTypesAreApart(t *testing.T) {
	const entra = "https://login.microsoftonline.com/72f988bf-86f1-41af-91ab-2d7cd011db47/v2.0"
	sources := map[string]Source{
		"github":               {Provider: "github", Plugin: "github"},
		"github enterprise":    {Provider: "ghe", Plugin: "github"},
		"keycloak, realm a":    {Provider: "keycloak", Plugin: "keycloak", Issuer: "https://sso.example/realms/a"},
		"keycloak, realm A":    {Provider: "keycloak", Plugin: "keycloak", Issuer: "https://sso.example/realms/A"},
		"oidc":                 {Provider: "oidc", Plugin: "oidc", Issuer: "https://id.example"},
		"oidc, with a slash":   {Provider: "oidc", Plugin: "oidc", Issuer: "https://id.example/"},
		"google":               {Provider: "google", Plugin: "oidc", Issuer: "https://accounts.google.com"},
		"azure-ad":             {Provider: "azure-ad", Plugin: "oidc", Issuer: entra},
		"azure-ad, many":       {Provider: "azure-ad", Plugin: "oidc", Issuer: "https://login.microsoftonline.com/{tenantid}/v2.0"},
		"okta":                 {Provider: "okta", Plugin: "oidc", Issuer: "https://acme.okta.com/oauth2/default"},
		"auth0":                {Provider: "auth0", Plugin: "oidc", Issuer: "https://acme.eu.auth0.com/"},
		"aws-cognito, issuer":  {Provider: "aws-cognito", Plugin: "oidc", Issuer: "https://cognito-idp.eu-west-1.amazonaws.com/eu-west-1_A"},
		"aws-cognito":          {Provider: "aws-cognito", Plugin: "oidc"},
		"gitlab":               {Provider: "gitlab", Plugin: "oidc", Issuer: "https://gitlab.com"},
		"descope":              {Provider: "descope", Plugin: "descope", Issuer: "https://api.descope.com/P1"},
		"generic":              {Provider: "generic", Plugin: "oauth2"},
		"code":                 {Provider: "code", Plugin: "oauth2"},
		"discord":              {Provider: "discord", Plugin: "oauth2"},
		"bitbucket":            {Provider: "bitbucket", Plugin: "oauth2"},
		"password":             {Provider: "password", Plugin: "password"},
		"one named as another": {Provider: "github", Plugin: "oauth2"},
	}
	taken := map[string]string{}
	for name, source := range sources {
		subject := source.Subject("1")
		if other, there := taken[subject]; there {
			t.Errorf("%s and %s share the subject %s", name, other, subject)
		}
		taken[subject] = name
		renamed := source
		renamed.Provider = "renamed"
		if stays := renamed.Subject("1") == subject; stays != (source.Issuer != "") {
			t.Errorf("%s: renamed, the subject stays: %v; it must exactly where there is an issuer", name, stays)
		}
	}
	hybrid := Source{Provider: "azure-ad-hybrid", Plugin: "oidc", Issuer: entra}
	if hybrid.Subject("1") != sources["azure-ad"].Subject("1") {
		t.Error("who comes through the hybrid flow is another person than through the code flow")
	}
}

// Threat 15, 16: two sources, or two ids, give one subject only if they mean one person.
func TestSubjectsNeverMeet(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		words := rapid.SampledFrom([]string{"", "1", "11", "a", "A", "oidc", "github", "https://i.example", "https://i.example/", "1:a", "4:", "provider", "issuer"})
		one := Source{Provider: words.Draw(t, "provider"), Plugin: words.Draw(t, "plugin"), Issuer: words.Draw(t, "issuer")}
		other := Source{Provider: words.Draw(t, "other provider"), Plugin: words.Draw(t, "other plugin"), Issuer: words.Draw(t, "other issuer")}
		id, otherID := words.Draw(t, "id"), words.Draw(t, "other id")
		same := id == otherID && one.Plugin == other.Plugin && one.Issuer == other.Issuer && (one.Issuer != "" || one.Provider == other.Provider)
		if got := one.Subject(id) == other.Subject(otherID); got != same {
			t.Errorf("%+v %q and %+v %q: one subject %v, one person %v", one, id, other, otherID, got, same)
		}
	})
}

func TestUser(t *testing.T) {
	got, err := Source{Provider: "kc", Plugin: "keycloak", Issuer: "https://i.example"}.User(&sdk.User{
		Sub: "u1", PreferredUsername: "ada", GivenName: "Ada", FamilyName: "Byron", Email: "ada@example.org",
		EmailVerified: yes(), Groups: []string{"admins", "", "staff", "admins", "bad\ngroup"}, Claims: json.RawMessage(`{"sub":"u1"}`),
	})
	if err != nil {
		t.Fatal(err)
	}
	want := &User{
		Subject: got.Subject, Identifier: "ada", PreferredUsername: "ada", Name: "Ada Byron", Email: "ada@example.org",
		EmailVerified: true, Groups: []string{"admins", "staff"}, Provider: "kc", Claims: json.RawMessage(`{"sub":"u1"}`),
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("User (-want +got):\n%s", diff)
	}
}

// Threat 31, 93: a value that can't be printed is dropped, a sub that can't be is refused.
func TestUnusable(t *testing.T) {
	src := Source{Provider: "p", Plugin: "p"}
	for _, sub := range []string{"", "a\nb", "a\x00", strings.Repeat("a", 256), "\xff"} {
		if _, err := src.User(&sdk.User{Sub: sub}); !errors.Is(err, ErrUnusable) {
			t.Errorf("sub %q: got %v, want ErrUnusable", sub, err)
		}
	}
	u, err := src.User(&sdk.User{Sub: "1", Name: "a\r\nb", PreferredUsername: "\xff", Picture: strings.Repeat("p", 600), Claims: json.RawMessage(`[1]`)})
	if err != nil {
		t.Fatal(err)
	}
	if u.Name != "" || u.PreferredUsername != "" || u.Picture != "" || u.Claims != nil {
		t.Errorf("malformed fields were kept: %+v", u)
	}
	if u.Identifier != u.Subject {
		t.Errorf("Identifier = %q, want the subject", u.Identifier)
	}
}

// Threat 34: only true counts as verified, and an unverified address never names the person.
func TestEmailVerified(t *testing.T) {
	no := false
	src := Source{Provider: "p", Plugin: "p", Identifier: "email"}
	for _, c := range []struct {
		name     string
		email    string
		verified *bool
		want     string
	}{
		{"verified", "a@example.org", yes(), "a@example.org"},
		{"unverified", "a@example.org", &no, ""},
		{"not said", "a@example.org", nil, ""},
		{"malformed", "a@b@example.org", yes(), ""},
	} {
		u, err := src.User(&sdk.User{Sub: "1", Email: c.email, EmailVerified: c.verified})
		if err != nil {
			t.Fatal(err)
		}
		if got := u.VerifiedEmail(); got != c.want {
			t.Errorf("%s: VerifiedEmail = %q, want %q", c.name, got, c.want)
		}
		want := c.want
		if want == "" {
			want = u.Subject
		}
		if u.Identifier != want {
			t.Errorf("%s: Identifier = %q, want %q", c.name, u.Identifier, want)
		}
	}
}

// Threat 35: exactly one "@", an ASCII domain of whole labels.
func TestEmailSyntax(t *testing.T) {
	for address, ok := range map[string]bool{
		"a@example.org": true, "a+b.c@sub.example.org": true, "o'neil@example.org": true, "ü@example.org": true,
		"@example.org": false, "a@": false, "a": false, "a@@example.org": false, "a@b@example.org": false,
		`"a@evil.com"@example.org`: false, "a b@example.org": false, "a@example..org": false, "a@.example.org": false,
		"a@example.org.": false, "a@exämple.org": false, "a@example.org\n": false, "<a@example.org>": false,
		"a@example.org,b@evil.com": false, "a@exa mple.org": false, "a@[127.0.0.1]": false,
		strings.Repeat("a", 250) + "@example.org": false,
	} {
		if got := email(address) != ""; got != ok {
			t.Errorf("email(%q) accepted = %v, want %v", address, got, ok)
		}
	}
}

// Threat 37: more groups than can be kept are all left out and marked, never a part of them.
func TestGroupsAreBounded(t *testing.T) {
	many := make([]string, maxGroups+1)
	for i := range many {
		many[i] = strings.Repeat("g", 1+i%7) + string(rune('a'+i%26)) + strings.Repeat("x", i/26)
	}
	for _, said := range [][]string{many} {
		u, err := Source{Provider: "p", Plugin: "p"}.User(&sdk.User{Sub: "1", Groups: said})
		if err != nil {
			t.Fatal(err)
		}
		if u.Groups != nil || !u.GroupsOmitted {
			t.Errorf("kept %d of %d groups, omitted %v", len(u.Groups), len(said), u.GroupsOmitted)
		}
	}
}

func FuzzUser(f *testing.F) {
	f.Add("1", "a@example.org", "Ada", "admins", `{"a":1}`)
	f.Fuzz(func(t *testing.T, sub, mail, name, group, raw string) {
		u, err := Source{Provider: "p", Plugin: "p", Identifier: "name"}.User(&sdk.User{
			Sub: sub, Email: mail, EmailVerified: yes(), Name: name, Groups: []string{group}, Claims: json.RawMessage(raw),
		})
		if err != nil {
			return
		}
		for _, s := range append(u.Groups, u.Identifier, u.Name, u.Email) {
			if strings.ContainsFunc(s, unprintable) || len(s) > maxText {
				t.Errorf("kept %q", s)
			}
		}
		if strings.Count(u.Email, "@") > 1 {
			t.Errorf("kept the address %q", u.Email)
		}
	})
}
