package main

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/authd/authd/sdk"
	"github.com/authd/authd/sdk/devidp"
	"github.com/authd/authd/sdk/providertest"
)

// auth0Mounts answer as a tenant of Auth0 does: paths of https://auth0.com/docs/api/authentication, claims of
// https://auth0.com/docs/get-started/apis/scopes/sample-use-cases-scopes-and-claims. The issuer ends in a slash. The
// second is a tenant of before November 2023, without an end_session_endpoint.
func auth0Mounts() []devidp.Mount {
	paths := func() map[string]string {
		return map[string]string{
			devidp.EndpointDiscovery: "/.well-known/openid-configuration", devidp.EndpointAuthorize: "/authorize",
			devidp.EndpointToken: "/oauth/token", devidp.EndpointUserInfo: "/userinfo", devidp.EndpointJWKS: "/.well-known/jwks.json",
			devidp.EndpointRevoke: "/oauth/revoke", devidp.EndpointEndSession: "/oidc/logout",
		}
	}
	claims := func(in devidp.ClaimsInput) map[string]any {
		return map[string]any{
			"nickname": in.User.Username, "updated_at": "2026-01-05T08:16:41.006Z", "preferred_username": nil, "groups": nil,
			"https://example.org/roles": in.User.Groups,
		}
	}
	old := paths()
	delete(old, devidp.EndpointEndSession)
	return []devidp.Mount{
		{Name: "auth0", Prefix: "/stand-in/auth0", Issuer: "/stand-in/auth0/", Paths: paths(), Claims: claims},
		{Name: "old auth0", Prefix: "/stand-in/old", Issuer: "/stand-in/old/", Paths: old, Claims: claims},
	}
}

func auth0At(idp *devidp.Server) map[string]string {
	return demo("domain", idp.URL(), "issuer", idp.URL()+"/stand-in/auth0/")
}

func TestAuth0(t *testing.T) {
	providertest.Run(t, providertest.Harness{Type: auth0Type(), IDP: devidp.Options{Mounts: auth0Mounts()}, Settings: auth0At})
}

// The issuer is the domain that was asked, with a slash: the developer identity provider has none, and is refused.
func TestAuth0Issuer(t *testing.T) {
	idp := startIDP(t, devidp.Options{})
	_, err := configure(t, auth0Type(), demo("domain", idp.URL()))
	wantSource(t, err, sdk.SourceConfig, "", `leads to the issuer "`+idp.URL()+`/"`)
	idp.Fault(devidp.EndpointDiscovery, devidp.Fault{EditBody: func(body map[string]any) { body["issuer"] = idp.URL() + "/" }})
	p := mustConfigure(t, auth0Type(), demo("domain", idp.URL()+"/"))
	if got := p.(sdk.OpenID).Metadata().Issuer; got != idp.URL()+"/" {
		t.Errorf("got issuer %q", got)
	}
}

// Chainlit sends the original domain's userinfo endpoint as audience, and asks there who it is.
func TestAuth0Audience(t *testing.T) {
	idp := startIDP(t, devidp.Options{Mounts: auth0Mounts()})
	tests := map[string]struct{ original, audience, want string }{
		"plain":           {"", "", idp.URL() + "/userinfo"},
		"custom domain":   {"acme.eu.auth0.com", "", "https://acme.eu.auth0.com/userinfo"},
		"an API":          {"", "https://api.example.com", "https://api.example.com"},
		"an API, domains": {"acme.eu.auth0.com/", "https://api.example.com", "https://api.example.com"},
	}
	for name, test := range tests {
		values := auth0At(idp)
		values["original_domain"], values["audience"] = test.original, test.audience
		params := asked(t, mustConfigure(t, auth0Type(), values))
		if got := params.Params["audience"]; len(got) != 1 || got[0] != test.want || params.Endpoint != idp.URL()+"/stand-in/auth0/authorize" {
			t.Errorf("%s: got audience %q at %s, want %q", name, got, params.Endpoint, test.want)
		}
	}
	values := auth0At(idp)
	values["original_domain"] = strings.Replace(idp.URL(), "127.0.0.1", "localhost", 1)
	if _, err := signIn(t, idp, mustConfigure(t, auth0Type(), values)); err == nil {
		t.Error("userinfo of another issuer took the token")
	}
	if got := idp.Requests(devidp.EndpointUserInfo); len(got) != 1 || got[0].Path != "/userinfo" {
		t.Errorf("got %+v, want userinfo of the original domain asked", got)
	}
}

func TestAuth0Logout(t *testing.T) {
	idp := startIDP(t, devidp.Options{Mounts: auth0Mounts()})
	standard := endSession(t, mustConfigure(t, auth0Type(), auth0At(idp)), idp.URL()+"/stand-in/auth0/oidc/logout")
	if standard.Get("post_logout_redirect_uri") == "" || standard.Get("id_token_hint") != "hint" || standard.Has("returnTo") {
		t.Errorf("got %v, want the parameters of RP-Initiated Logout alone", standard)
	}
	values := auth0At(idp)
	values["issuer"] = idp.URL() + "/stand-in/old/"
	old := endSession(t, mustConfigure(t, auth0Type(), values), idp.URL()+"/v2/logout")
	if old.Get("returnTo") != "https://auth.example.com/auth/logout" || old.Get("client_id") != "demo" {
		t.Errorf("got %v, want returnTo and client_id", old)
	}
}

// Roles come under a name that the tenant chose, a URL; its dots don't make it a path.
func TestAuth0Groups(t *testing.T) {
	idp := startIDP(t, devidp.Options{Mounts: auth0Mounts()})
	values := auth0At(idp)
	values["groups_claim"] = "https://example.org/roles"
	u, err := signIn(t, idp, mustConfigure(t, auth0Type(), values))
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(u.Groups, []string{"admins", "staff"}); diff != "" || u.Email != "ada@example.org" || !isTrue(u.EmailVerified) {
		t.Errorf("got %+v, groups (got -, want +):\n%s", u, diff)
	}
}

func TestAuth0WrongSettings(t *testing.T) {
	idp := startIDP(t, devidp.Options{Mounts: auth0Mounts()})
	testWrong(t, auth0Type(), auth0At(idp), map[string]wrong{
		"no domain":           {map[string]string{"domain": ""}, "domain", "OAUTH_AUTH0_DOMAIN"},
		"the tenant's name":   {map[string]string{"domain": "acme"}, "domain", "e.g. acme.eu.auth0.com"},
		"a path":              {map[string]string{"domain": "https://acme.eu.auth0.com/authorize"}, "domain", "without a path"},
		"plain http":          {map[string]string{"domain": "http://acme.eu.auth0.com"}, "domain", "use https"},
		"plain http original": {map[string]string{"original_domain": "http://acme.eu.auth0.com"}, "original_domain", "use https"},
		"issuer sans slash":   {map[string]string{"issuer": idp.URL() + "/stand-in/auth0"}, "issuer", "to the last slash"},
		"wrong tenant":        {map[string]string{"issuer": idp.URL() + "/stand-in/acne/"}, "issuer", "there is no discovery document"},
	})
}

// Auth0 calls HS256 an algorithm for clients without much trust in RS256; authd refuses it and says so.
func TestAuth0SymmetricSignature(t *testing.T) {
	idp := startIDP(t, devidp.Options{Mounts: auth0Mounts()})
	idp.Fault(devidp.EndpointToken, devidp.Fault{Flaws: []devidp.Flaw{devidp.FlawHS256ClientSecret}})
	_, err := getToken(t, idp, mustConfigure(t, auth0Type(), auth0At(idp)))
	wantSource(t, err, sdk.SourceUpstream, "", "signed with another algorithm")
}
