package main

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/authd/authd/sdk"
	"github.com/authd/authd/sdk/devidp"
	"github.com/authd/authd/sdk/providertest"
)

// oktaMounts answer as Okta's authorization servers do, by https://developer.okta.com/docs/api/openapi/okta-oauth/guides/overview/.
// The organisation's own, whose issuer has no path, is the developer identity provider itself.
func oktaMounts() []devidp.Mount {
	return []devidp.Mount{{
		Name: "okta", Prefix: "/oauth2/{server}",
		Paths: map[string]string{
			devidp.EndpointDiscovery: "/.well-known/openid-configuration", devidp.EndpointAuthorize: "/v1/authorize",
			devidp.EndpointToken: "/v1/token", devidp.EndpointUserInfo: "/v1/userinfo", devidp.EndpointJWKS: "/v1/keys",
			devidp.EndpointRevoke: "/v1/revoke", devidp.EndpointIntrospect: "/v1/introspect", devidp.EndpointEndSession: "/v1/logout",
		},
		// https://developer.okta.com/docs/api/openapi/okta-oauth/guides/overview/#id-token-payload
		Claims: func(in devidp.ClaimsInput) map[string]any {
			if in.Place == devidp.PlaceIDToken {
				return map[string]any{"ver": 1, "jti": "ID.Qz9LbDrZ-example", "amr": []string{"pwd"}, "idp": "00o1example"}
			}
			return nil
		},
	}}
}

func oktaAt(idp *devidp.Server) map[string]string { return demo("domain", idp.URL()) }

func TestOkta(t *testing.T) {
	providertest.Run(t, providertest.Harness{Type: oktaType(), IDP: devidp.Options{Mounts: oktaMounts()}, Settings: oktaAt})
}

func TestOktaOrganisation(t *testing.T) {
	providertest.Run(t, providertest.Harness{
		Type: oktaType(),
		Settings: func(idp *devidp.Server) map[string]string {
			return demo("domain", idp.URL()+"/", "authorization_server_id", "false")
		},
	})
}

func TestOktaIssuer(t *testing.T) {
	idp := startIDP(t, devidp.Options{Mounts: oktaMounts()})
	tests := map[string]struct{ domain, server, want string }{
		"default server":      {idp.URL(), "", "/oauth2/default"},
		"default by name":     {idp.URL() + "/", "default", "/oauth2/default"},
		"another server":      {idp.URL(), "aus9o8wzkhckw9TLa0h7", "/oauth2/aus9o8wzkhckw9TLa0h7"},
		"organisation server": {idp.URL(), "false", ""},
		"False as of Python":  {idp.URL() + "/", "False", ""},
	}
	for name, test := range tests {
		p, err := configure(t, oktaType(), demo("domain", test.domain, "authorization_server_id", test.server))
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if got := p.(sdk.OpenID).Metadata().Issuer; got != idp.URL()+test.want {
			t.Errorf("%s: got issuer %q, want %q", name, got, idp.URL()+test.want)
		}
	}
}

// A domain has https unless it says otherwise, and one slash less than people write.
func TestDomain(t *testing.T) {
	for value, want := range map[string]string{
		"acme.okta.com": "https://acme.okta.com", "https://acme.okta.com": "https://acme.okta.com", "acme.okta.com/": "https://acme.okta.com",
		"http://127.0.0.1:8080/": "http://127.0.0.1:8080", "id.example.com:8443": "https://id.example.com:8443",
	} {
		got, err := atDomain(sdk.Config{Settings: map[string]string{"domain": value}}, "domain")
		if err != nil || got != want {
			t.Errorf("%s: got %q, error %v; want %q", value, got, err, want)
		}
	}
}

func TestOktaUser(t *testing.T) {
	idp := startIDP(t, devidp.Options{Mounts: oktaMounts()})
	u, err := signIn(t, idp, mustConfigure(t, oktaType(), oktaAt(idp)))
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{u.Sub, u.Email, strings.Join(u.Groups, " ")}, []string{"dev-7f3a91c0-ada", "ada@example.org", "admins staff"}); diff != "" || !isTrue(u.EmailVerified) {
		t.Errorf("got %+v (got -, want +):\n%s", u, diff)
	}
}

func TestOktaWrongSettings(t *testing.T) {
	idp := startIDP(t, devidp.Options{})
	testWrong(t, oktaType(), oktaAt(idp), map[string]wrong{
		"no domain":            {map[string]string{"domain": ""}, "domain", "OAUTH_OKTA_DOMAIN"},
		"the issuer":           {map[string]string{"domain": "https://acme.okta.com/oauth2/default"}, "domain", "without a path"},
		"the name alone":       {map[string]string{"domain": "acme"}, "domain", "e.g. acme.okta.com"},
		"the admin console":    {map[string]string{"domain": "https://acme-admin.okta.com"}, "domain", "people sign in at acme.okta.com: leave out -admin"},
		"plain http":           {map[string]string{"domain": "http://acme.okta.com"}, "domain", "use https"},
		"no such server":       {map[string]string{"authorization_server_id": "aus1"}, "authorization_server_id", `set it to "false"`},
		"a path for a server":  {map[string]string{"authorization_server_id": "/default"}, "authorization_server_id", "ID of the authorization server"},
		"basic without secret": {map[string]string{"authorization_server_id": "false", "client_secret": "", "token_endpoint_auth_method": "client_secret_basic"}, "client_secret", "is not set"},
	})
}
