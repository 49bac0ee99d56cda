package main

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/authd/authd/sdk"
	"github.com/authd/authd/sdk/devidp"
	"github.com/authd/authd/sdk/providertest"
)

func settingsAt(idp *devidp.Server) map[string]string {
	return map[string]string{"issuer": idp.Issuer(), "client_id": "demo", "client_secret": "demo-secret"}
}

// staticAt names every endpoint by hand.
func staticAt(idp *devidp.Server) map[string]string {
	s := settingsAt(idp)
	s["discovery"] = "false"
	s["authorization_endpoint"] = idp.EndpointURL(devidp.EndpointAuthorize)
	s["token_endpoint"] = idp.EndpointURL(devidp.EndpointToken)
	s["jwks_uri"] = idp.EndpointURL(devidp.EndpointJWKS)
	s["userinfo_endpoint"] = idp.EndpointURL(devidp.EndpointUserInfo)
	s["revocation_endpoint"] = idp.EndpointURL(devidp.EndpointRevoke)
	s["end_session_endpoint"] = idp.EndpointURL(devidp.EndpointEndSession)
	return s
}

func TestProvider(t *testing.T) {
	providertest.Run(t, providertest.Harness{Type: oidcType(), Settings: settingsAt})
}

func TestProviderWithoutDiscovery(t *testing.T) {
	providertest.Run(t, providertest.Harness{Type: oidcType(), Settings: staticAt})
}

func TestPublicClient(t *testing.T) {
	providertest.Run(t, providertest.Harness{
		Type: oidcType(), IDP: devidp.Options{Clients: []devidp.Client{{ID: "demo"}}},
		Settings: func(idp *devidp.Server) map[string]string {
			return map[string]string{"issuer": idp.Issuer(), "client_id": "demo"}
		},
	})
}

func makeProvider(t *testing.T, values map[string]string) (sdk.Provider, error) {
	t.Helper()
	return configure(t, oidcType(), values)
}

// Each special setting does what it says.
func TestSpecialSettings(t *testing.T) {
	edit := func(name string, value any) devidp.Fault {
		return devidp.Fault{EditClaims: func(claims map[string]any) { claims[name] = value }}
	}
	both := devidp.Fault{EditClaims: func(claims map[string]any) {
		claims["aud"], claims["azp"] = []string{"demo", "project-7"}, "demo"
	}}
	verified := func(u *sdk.User) any {
		if u.EmailVerified == nil {
			return nil
		}
		return *u.EmailVerified
	}
	tests := map[string]struct {
		name, value string
		token, info devidp.Fault
		see         func(*sdk.User) any
		want        any // nil value of see, or "error"
	}{
		"audience not trusted": {"", "", both, devidp.Fault{}, nil, "error"},
		"audience trusted":     {"trusted_audiences", "project-6 project-7", both, devidp.Fault{}, func(u *sdk.User) any { return u.PreferredUsername }, "ada"},
		"groups elsewhere":     {"groups_claim", "roles", edit("roles", []string{"r"}), edit("roles", []string{"r"}), func(u *sdk.User) any { return strings.Join(u.Groups, " ") }, "r"},
		"string not verified":  {"", "", edit("email_verified", "true"), edit("email_verified", "true"), verified, nil},
		"string verified":      {"email_verified_string", "true", edit("email_verified", "true"), edit("email_verified", "true"), verified, true},
		"no userinfo":          {"userinfo", "false", devidp.Fault{}, edit("name", "Other"), func(u *sdk.User) any { return u.Name }, "Ada Quillfeather"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			idp := startIDP(t, devidp.Options{})
			idp.Fault(devidp.EndpointToken, test.token)
			idp.Fault(devidp.EndpointUserInfo, test.info)
			values := settingsAt(idp)
			if test.name != "" {
				values[test.name] = test.value
			}
			p, err := makeProvider(t, values)
			if err != nil {
				t.Fatal(err)
			}
			u, err := signIn(t, idp, p)
			if test.want == "error" {
				if err == nil {
					t.Errorf("got %+v, want an error", u)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(test.see(u), test.want); diff != "" {
				t.Errorf("got -, want +:\n%s", diff)
			}
		})
	}
}

func TestEndpointSettings(t *testing.T) {
	idp := startIDP(t, devidp.Options{})
	for _, name := range []string{"authorization_endpoint", "token_endpoint", "jwks_uri", "userinfo_endpoint", "revocation_endpoint", "end_session_endpoint"} {
		values := staticAt(idp)
		values[name] = "http://192.0.2.1/"
		_, err := makeProvider(t, values)
		var typed *sdk.Error
		if !errors.As(err, &typed) || typed.Source != sdk.SourceConfig || typed.Diagnostics[0].Setting != name {
			t.Errorf("%s by plain http: got %v, want source config that names it", name, err)
		}
	}
	for _, name := range []string{"authorization_endpoint", "token_endpoint", "jwks_uri"} {
		values := staticAt(idp)
		delete(values, name)
		if _, err := makeProvider(t, values); err == nil {
			t.Errorf("without discovery and %s there is a provider", name)
		}
	}
}

// Every setting can be made in the environment alone.
func TestEnvironmentNames(t *testing.T) {
	seen := map[string]bool{}
	for _, s := range oidcType().Settings {
		if want := "OAUTH_OIDC_" + strings.ToUpper(s.Name); s.Env != want || seen[s.Env] {
			t.Errorf("%s: got environment name %q, want %q once", s.Name, s.Env, want)
		}
		seen[s.Env] = true
	}
}
