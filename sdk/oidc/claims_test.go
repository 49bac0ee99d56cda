package oidc_test

import (
	"encoding/json"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/authd/authd/sdk"
	"github.com/authd/authd/sdk/devidp"
	"github.com/authd/authd/sdk/oidc"
)

// userWith signs ada in with claims edited in the ID token and at userinfo.
func userWith(t *testing.T, change func(*oidc.Config), idToken, userInfo func(map[string]any)) (*sdk.User, map[string]any) {
	t.Helper()
	idp := startIDP(t, devidp.Options{})
	if idToken != nil {
		idp.Fault(devidp.EndpointToken, devidp.Fault{EditClaims: idToken})
	}
	if userInfo != nil {
		idp.Fault(devidp.EndpointUserInfo, devidp.Fault{EditClaims: userInfo})
	}
	config := at(idp)
	if change != nil {
		change(&config)
	}
	u, err := whole(t, idp, newProvider(t, config))
	if err != nil {
		t.Fatal(err)
	}
	var claims map[string]any
	if err := json.Unmarshal(u.Claims, &claims); err != nil {
		t.Fatal(err)
	}
	return u, claims
}

func all(edits ...func(map[string]any)) func(map[string]any) {
	return func(claims map[string]any) {
		for _, edit := range edits {
			edit(claims)
		}
	}
}

func unset(names ...string) func(map[string]any) {
	return func(claims map[string]any) {
		for _, name := range names {
			delete(claims, name)
		}
	}
}

// Threat 30: userinfo adds and updates what it is about, and says nothing about the token itself.
func TestUserInfoIsLaidOverTheIDToken(t *testing.T) {
	u, claims := userWith(t, nil,
		all(set("name", "Old Name"), set("department", "Engines"), set("sid", "the-sid"), unset("auth_time")),
		all(set("name", "New Name"), set("iss", "https://attacker.example"), set("aud", "other"), set("sid", "another"),
			set("auth_time", 1), set("azp", "other"), set("nonce", "other"), set("floor", 3)))
	if u.Name != "New Name" || u.SID != "the-sid" {
		t.Errorf("got name %q and sid %q, want the new name and the ID token's sid", u.Name, u.SID)
	}
	if claims["department"] != "Engines" || claims["floor"] != float64(3) {
		t.Errorf("got claims %v, want those of both", claims)
	}
	if claims["iss"] == "https://attacker.example" || claims["aud"] != "demo" || claims["sid"] != "the-sid" {
		t.Errorf("got claims %v, want the token's own from the ID token", claims)
	}
	for _, name := range []string{"auth_time", "azp", "nonce", "at_hash", "c_hash", "s_hash"} {
		if _, has := claims[name]; has {
			t.Errorf("claim %s is there: taken from userinfo, or transient", name)
		}
	}
}

// Threat 34: an address and its flag come from one place. A flag about one address must not verify another.
func TestEmailAndItsFlagStayTogether(t *testing.T) {
	yes, no := true, false
	const mine, yours = "ada@example.org", "other@example.org"
	tests := map[string]struct {
		idToken, userInfo func(map[string]any)
		email             string
		verified          *bool
	}{
		"both the same":                        {nil, nil, mine, &yes},
		"userinfo has another, no flag":        {nil, all(set("email", yours), unset("email_verified")), yours, nil},
		"userinfo has another, unverified":     {nil, all(set("email", yours), set("email_verified", false)), yours, &no},
		"userinfo has the flag alone":          {set("email_verified", false), all(unset("email"), set("email_verified", true)), mine, &no},
		"the ID token has the flag alone":      {unset("email"), all(set("email", yours), unset("email_verified")), yours, nil},
		"the ID token has neither":             {unset("email", "email_verified"), nil, mine, &yes},
		"userinfo has neither":                 {nil, unset("email", "email_verified"), mine, &yes},
		"userinfo's address is no text":        {nil, all(set("email", []string{yours}), unset("email_verified")), "", nil},
		"the same, flag in the ID token alone": {nil, unset("email_verified"), mine, &yes},
		"the flag is a string":                 {unset("email", "email_verified"), set("email_verified", "true"), mine, nil},
		"the flag is a number":                 {unset("email", "email_verified"), set("email_verified", 1), mine, nil},
		"the flag is null":                     {unset("email", "email_verified"), set("email_verified", nil), mine, nil},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			u, _ := userWith(t, nil, test.idToken, test.userInfo)
			if diff := cmp.Diff(u.EmailVerified, test.verified); u.Email != test.email || diff != "" {
				t.Errorf("got %q, want %q; verified (got -, want +):\n%s", u.Email, test.email, diff)
			}
		})
	}
}

// Threat 34: the strings count only by option, and only these two.
func TestEmailVerifiedAsString(t *testing.T) {
	yes, no := true, false
	option := func(c *oidc.Config) { c.EmailVerifiedString = true }
	for said, want := range map[any]*bool{"true": &yes, "false": &no, "TRUE": nil, "1": nil, "": nil, true: &yes, 1: nil} {
		u, _ := userWith(t, option, unset("email", "email_verified"), set("email_verified", said))
		if diff := cmp.Diff(u.EmailVerified, want); diff != "" {
			t.Errorf("%v (got -, want +):\n%s", said, diff)
		}
	}
}

// Threat 31: claims of types that nobody expects are left out of the user, and stay in the raw claims as they are.
func TestClaimsOfUnexpectedTypes(t *testing.T) {
	odd := all(set("name", 42), set("given_name", []string{"A"}), set("family_name", map[string]any{}), set("locale", true),
		set("preferred_username", nil), set("picture", "javascript:alert(1)"), set("groups", map[string]any{"admins": true}))
	u, claims := userWith(t, nil, odd, odd)
	got := *u
	got.Sub, got.Email, got.EmailVerified, got.SID, got.Claims = "", "", nil, "", nil
	if diff := cmp.Diff(got, sdk.User{}); diff != "" {
		t.Errorf("user (got -, want +):\n%s", diff)
	}
	if claims["name"] != float64(42) {
		t.Errorf("got claims %v, want them raw", claims)
	}
}

// Threat 36: groups are whole names in a list.
func TestGroups(t *testing.T) {
	tests := map[string]struct {
		claim string
		value any
		want  []string
	}{
		"list":                 {"", []string{"a,b", "c d"}, []string{"a,b", "c d"}},
		"one name alone":       {"", "a,b", []string{"a,b"}},
		"what is no name":      {"", []any{"a", 7, nil, "", map[string]any{}, "b"}, []string{"a", "b"}},
		"a number":             {"", 7, nil},
		"another claim":        {"roles", nil, []string{"r1"}},
		"a path":               {"realm_access.roles", nil, []string{"r2"}},
		"a claim that is none": {"nowhere", []string{"a"}, nil},
	}
	for name, test := range tests {
		edit := all(set("groups", test.value), set("roles", []string{"r1"}), set("realm_access", map[string]any{"roles": []string{"r2"}}))
		u, _ := userWith(t, func(c *oidc.Config) { c.GroupsClaim = test.claim }, edit, edit)
		if diff := cmp.Diff(u.Groups, test.want); diff != "" {
			t.Errorf("%s (got -, want +):\n%s", name, diff)
		}
	}
}

// An id beyond 2^53 passes through unspoilt.
func TestBigNumbersInClaims(t *testing.T) {
	u, _ := userWith(t, nil, set("employee", json.Number("9007199254740993")), nil)
	var claims map[string]json.RawMessage
	if err := json.Unmarshal(u.Claims, &claims); err != nil || string(claims["employee"]) != "9007199254740993" {
		t.Errorf("got %s, error %v; want every digit", claims["employee"], err)
	}
}

// With userinfo switched off nothing is asked of it.
func TestNoUserInfo(t *testing.T) {
	idp := startIDP(t, devidp.Options{})
	config := at(idp)
	config.NoUserInfo = true
	if u, err := whole(t, idp, newProvider(t, config)); err != nil || u.Email != "ada@example.org" {
		t.Errorf("got %+v, error %v; want all from the ID token", u, err)
	}
	if n := idp.RequestCount(devidp.EndpointUserInfo); n != 0 {
		t.Errorf("userinfo was asked %d times, want never", n)
	}
}

// An ID token that names the sub alone is completed by userinfo.
func TestThinIDToken(t *testing.T) {
	idp := startIDP(t, devidp.Options{ThinIDToken: true})
	u, err := whole(t, idp, newProvider(t, at(idp)))
	if err != nil || u.Email != "ada@example.org" || u.EmailVerified == nil || !*u.EmailVerified {
		t.Errorf("got %+v, error %v; want the rest from userinfo", u, err)
	}
}
