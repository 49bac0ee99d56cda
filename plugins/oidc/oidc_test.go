package main

import (
	"errors"
	"net/url"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/hashicorp/go-hclog"
	xoauth2 "golang.org/x/oauth2"

	"github.com/authd/authd/sdk"
	"github.com/authd/authd/sdk/devidp"
	"github.com/authd/authd/sdk/providertest"
)

const callback = "http://127.0.0.1:9/auth/oauth/oidc/callback"

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

func startIDP(t *testing.T) *devidp.Server {
	t.Helper()
	idp, err := devidp.Start(devidp.Options{SigningAlg: "ES256"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = idp.Close() })
	return idp
}

func makeProvider(t *testing.T, values map[string]string) (sdk.Provider, error) {
	t.Helper()
	settings, faults := oidcType().CheckSettings(values)
	if len(faults) > 0 {
		t.Fatal(faults)
	}
	client, err := sdk.NewHTTPClient(nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(client.CloseIdleConnections)
	return newProvider(t.Context(), sdk.Config{
		Type: "oidc", ID: "oidc", Settings: settings, Scopes: oidcType().Scopes, HTTP: client, Log: hclog.NewNullLogger(),
	})
}

// login signs ada in, as authd would.
func login(t *testing.T, idp *devidp.Server, p sdk.Provider) (*sdk.User, error) {
	t.Helper()
	verifier := xoauth2.GenerateVerifier()
	params, err := p.AuthorizeParams(t.Context(), sdk.AuthorizeRequest{Scope: []string{"openid", "profile", "email", "groups"}})
	if err != nil {
		t.Fatal(err)
	}
	for name, value := range map[string]string{
		"client_id": "demo", "response_type": "code", "redirect_uri": callback, "state": "s", "nonce": "n",
		"code_challenge": xoauth2.S256ChallengeFromVerifier(verifier), "code_challenge_method": "S256",
	} {
		params.Params.Set(name, value)
	}
	back, err := idp.Authorize(t.Context(), params.Endpoint+"?"+params.Params.Encode(), "ada")
	if err != nil {
		t.Fatal(err)
	}
	u, err := url.Parse(back)
	if err != nil {
		t.Fatal(err)
	}
	token, err := p.GetToken(t.Context(), sdk.CodeExchange{Code: u.Query().Get("code"), RedirectURI: callback, CodeVerifier: verifier, Nonce: "n"})
	if err != nil {
		return nil, err
	}
	return p.GetUserInfo(t.Context(), token)
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
			idp := startIDP(t)
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
			u, err := login(t, idp, p)
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
	idp := startIDP(t)
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
