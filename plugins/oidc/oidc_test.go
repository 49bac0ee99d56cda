package main

import (
	"errors"
	"slices"
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

func TestWrongSettings(t *testing.T) {
	idp := startIDP(t, devidp.Options{})
	testWrong(t, oidcType(), settingsAt(idp), map[string]wrong{
		"no issuer":          {map[string]string{"issuer": ""}, "issuer", "OAUTH_OIDC_ISSUER"},
		"no client":          {map[string]string{"client_id": ""}, "client_id", "OAUTH_OIDC_CLIENT_ID"},
		"no scheme":          {map[string]string{"issuer": "id.example.com"}, "issuer", "to the last slash"},
		"not encrypted":      {map[string]string{"issuer": "http://id.example.com"}, "issuer", "https"},
		"a slash too many":   {map[string]string{"issuer": idp.Issuer() + "/"}, "issuer", "so that both are the same, to the last slash"},
		"the document":       {map[string]string{"issuer": idp.Issuer() + "/.well-known/openid-configuration"}, "issuer", "there is no discovery document"},
		"the wrong realm":    {map[string]string{"issuer": idp.URL() + "/realm/dev"}, "issuer", "there is no discovery document"},
		"another name of it": {map[string]string{"issuer": strings.Replace(idp.Issuer(), "127.0.0.1", "localhost", 1)}, "issuer", idp.Issuer()},
		"a query":            {map[string]string{"issuer": idp.Issuer() + "?x=y"}, "issuer", "to the last slash"},
		"secret is needed":   {map[string]string{"client_secret": "", "token_endpoint_auth_method": "client_secret_post"}, "client_secret", "needs it"},
		"unknown method":     {map[string]string{"token_endpoint_auth_method": "basic"}, "token_endpoint_auth_method", "client_secret_post or none"},
		"discovery off":      {map[string]string{"discovery": "false"}, "discovery", "must all be set"},
		"userinfo by URL":    {map[string]string{"userinfo": "https://id.example.com/userinfo"}, "userinfo", "true or false"},
	})
}

// A client that was registered without the scope openid gets no ID token, whatever the vendor's name.
func TestMissingScope(t *testing.T) {
	idp := startIDP(t, devidp.Options{Mounts: append([]devidp.Mount{azureMount(), googleMount(), cognitoMount()}, slices.Concat(oktaMounts(), auth0Mounts())...)})
	for _, at := range []struct {
		kind   sdk.Type
		values map[string]string
	}{
		{oidcType(), settingsAt(idp)},
		{googleType(), googleAt(idp)},
		{azureType(), azureAt(idp)},
		{azureHybridType(), azureAt(idp)},
		{oktaType(), oktaAt(idp)},
		{auth0Type(), auth0At(idp)},
		{cognitoType(), verifiedCognitoAt(idp)},
	} {
		idp.Clear()
		idp.Fault(devidp.EndpointToken, devidp.Fault{EditBody: func(body map[string]any) { delete(body, "id_token") }})
		_, err := getToken(t, idp, mustConfigure(t, at.kind, at.values))
		if err == nil || !strings.Contains(err.Error(), "scope openid") {
			t.Errorf("%s: got %v, want it to name the scope openid", at.kind.Name, err)
		}
	}
}

// What each vendor does with prompt, so that authd can tell an operator who sets another; empty means all of them.
func TestPrompts(t *testing.T) {
	want := map[string]string{"google": "none consent select_account", "okta": "none login consent", "gitlab": "none login consent"}
	for _, kind := range types() {
		if got := strings.Join(kind.Prompts, " "); got != want[kind.Name] {
			t.Errorf("%s: got %q, want %q", kind.Name, got, want[kind.Name])
		}
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
