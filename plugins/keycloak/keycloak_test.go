package main

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/authd/authd/sdk"
	"github.com/authd/authd/sdk/devidp"
	"github.com/authd/authd/sdk/oauth2"
	"github.com/authd/authd/sdk/providertest"
)

func settingsAt(idp *devidp.Server) map[string]string {
	return map[string]string{"base_url": idp.URL(), "realm": "dev", "client_id": "demo", "client_secret": "demo-secret"}
}

func TestProvider(t *testing.T) {
	providertest.Run(t, providertest.Harness{Type: keycloakType(), Settings: settingsAt})
}

func TestProviderWithRolesAndPublicClient(t *testing.T) {
	providertest.Run(t, providertest.Harness{
		Type: keycloakType(), IDP: devidp.Options{Clients: []devidp.Client{{ID: "demo"}}},
		Settings: func(idp *devidp.Server) map[string]string {
			return map[string]string{"base_url": idp.URL() + "/", "realm": "dev", "client_id": "demo", "roles": "true"}
		},
	})
}

func makeProvider(t *testing.T, values map[string]string) (sdk.Provider, error) {
	t.Helper()
	return providertest.Configure(t, keycloakType(), values, nil)
}

func startIDP(t *testing.T, opt devidp.Options) *devidp.Server {
	t.Helper()
	opt.SigningAlg = "ES256"
	return providertest.StartIDP(t, opt)
}

// The issuer is made of base_url, whatever path it has, and the realm.
func TestIssuer(t *testing.T) {
	old := devidp.Mount{Name: "old keycloak", Prefix: "/auth/realms/{realm}", Paths: map[string]string{
		devidp.EndpointDiscovery: "/.well-known/openid-configuration", devidp.EndpointAuthorize: "/protocol/openid-connect/auth",
		devidp.EndpointToken: "/protocol/openid-connect/token", devidp.EndpointJWKS: "/protocol/openid-connect/certs",
	}}
	idp := startIDP(t, devidp.Options{Mounts: []devidp.Mount{old}})
	tests := map[string]struct{ base, realm, want string }{
		"plain":           {idp.URL(), "dev", "/realms/dev"},
		"slash":           {idp.URL() + "/", "dev", "/realms/dev"},
		"up to Quarkus":   {idp.URL() + "/auth", "dev", "/auth/realms/dev"},
		"with slash":      {idp.URL() + "/auth/", "dev", "/auth/realms/dev"},
		"realm with dash": {idp.URL(), "my-realm", "/realms/my-realm"},
	}
	for name, test := range tests {
		p, err := makeProvider(t, map[string]string{"base_url": test.base, "realm": test.realm, "client_id": "demo"})
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if got := p.(sdk.OpenID).Metadata().Issuer; got != idp.URL()+test.want {
			t.Errorf("%s: got issuer %q, want %q", name, got, idp.URL()+test.want)
		}
	}
}

// Threat 47: Keycloak that knows itself by another address says so, and the operator reads which setting to change.
func TestWrongBaseURL(t *testing.T) {
	idp := startIDP(t, devidp.Options{})
	_, err := makeProvider(t, map[string]string{"base_url": strings.Replace(idp.URL(), "127.0.0.1", "localhost", 1), "realm": "dev", "client_id": "demo"})
	var typed *sdk.Error
	if !errors.As(err, &typed) || typed.Source != sdk.SourceConfig || typed.Diagnostics[0].Setting != "base_url" || !strings.Contains(err.Error(), idp.URL()+"/realms/dev") {
		t.Errorf("got %v, want source config that names base_url and the issuer to use", err)
	}
}

// What people get wrong most, and what they are told: the setting, and how to mend it.
func TestMistakes(t *testing.T) {
	idp := startIDP(t, devidp.Options{})
	idp.Fault("/realms/stuff/.well-known/openid-configuration", devidp.Fault{Status: 404, Body: `{"error":"Realm does not exist"}`})
	right := settingsAt(idp)
	for name, test := range map[string]struct {
		set           map[string]string
		setting, says string
	}{
		"no client":        {map[string]string{"client_id": ""}, "client_id", "OAUTH_KEYCLOAK_CLIENT_ID"},
		"no realm":         {map[string]string{"realm": ""}, "realm", "OAUTH_KEYCLOAK_REALM"},
		"no address":       {map[string]string{"base_url": ""}, "base_url", "OAUTH_KEYCLOAK_BASE_URL"},
		"wrong realm":      {map[string]string{"realm": "stuff"}, "realm", "spell it as the admin console does"},
		"no scheme":        {map[string]string{"base_url": "sso.example.com"}, "base_url", "Address of Keycloak"},
		"not encrypted":    {map[string]string{"base_url": "http://sso.example.com"}, "base_url", "https"},
		"realm in both":    {map[string]string{"base_url": idp.URL() + "/realms/dev"}, "realm", "base_url ends before /realms"},
		"needless /auth":   {map[string]string{"base_url": idp.URL() + "/auth"}, "realm", "only with an old Keycloak"},
		"a query":          {map[string]string{"base_url": "https://sso.example.com/?x=y"}, "base_url", "up to, not including, /realms"},
		"a realm's path":   {map[string]string{"realm": "realms/dev"}, "realm", "Name of the realm"},
		"unknown method":   {map[string]string{"token_endpoint_auth_method": "post"}, "token_endpoint_auth_method", "client_secret_post or none"},
		"secret is needed": {map[string]string{"client_secret": "", "token_endpoint_auth_method": "client_secret_basic"}, "client_secret", "needs it"},
		"roles by name":    {map[string]string{"roles": "realm"}, "roles", "true or false"},
	} {
		t.Run(name, func(t *testing.T) {
			providertest.CheckMistake(t, keycloakType(), right, test.set, test.setting, test.says)
		})
	}
}

// A client that was registered there without the scope openid gets no ID token.
func TestMissingScope(t *testing.T) {
	idp := startIDP(t, devidp.Options{})
	p, err := makeProvider(t, settingsAt(idp))
	if err != nil {
		t.Fatal(err)
	}
	idp.Fault(devidp.EndpointToken, devidp.Fault{Body: `{"access_token":"a","token_type":"Bearer"}`})
	_, err = p.GetToken(t.Context(), sdk.CodeExchange{Code: "c", RedirectURI: "http://127.0.0.1:9/cb", CodeVerifier: "v", Nonce: "n"})
	if err == nil || !strings.Contains(err.Error(), "scope openid") {
		t.Errorf("got %v, want it to name the scope openid", err)
	}
}

// A realm's name is one segment of the path and can't reach elsewhere.
func TestRealmNames(t *testing.T) {
	for _, realm := range []string{"a/b", "a?b", "a#b", "a b", ""} {
		if _, faults := keycloakType().CheckSettings(map[string]string{"base_url": "https://sso.example.com", "realm": realm, "client_id": "c"}); len(faults) != 1 {
			t.Errorf("realm %q: got faults %v, want one", realm, faults)
		}
	}
}

// Threat 36: a role is never taken for a group of the same name.
func TestRoles(t *testing.T) {
	tests := map[string]struct {
		claims string
		want   []string
	}{
		"both kinds": {
			`{"realm_access":{"roles":["admin","user"]},"resource_access":{"shop":{"roles":["editor"]},"account":{"roles":["view"]}}}`,
			[]string{"/staff", "role:admin", "role:user", "role:account:view", "role:shop:editor"},
		},
		"none":       {`{}`, []string{"/staff"}},
		"odd types":  {`{"realm_access":["admin"],"resource_access":{"shop":["editor"],"b":{"roles":{"x":1}}}}`, []string{"/staff"}},
		"not a name": {`{"realm_access":{"roles":[1,null,"x"]}}`, []string{"/staff", "role:x"}},
	}
	for name, test := range tests {
		claims, err := oauth2.ParseObject([]byte(test.claims))
		if err != nil {
			t.Fatal(err)
		}
		u := &sdk.User{Groups: []string{"role:admin", "/staff", "role:shop:editor"}} // two were named to be taken for roles
		if err := addRoles(claims, u); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(u.Groups, test.want); diff != "" {
			t.Errorf("%s (got -, want +):\n%s", name, diff)
		}
	}
}

// The environment names are those that Chainlit's users have already.
func TestEnvironmentNames(t *testing.T) {
	want := map[string]string{
		"client_id": "OAUTH_KEYCLOAK_CLIENT_ID", "client_secret": "OAUTH_KEYCLOAK_CLIENT_SECRET",
		"realm": "OAUTH_KEYCLOAK_REALM", "base_url": "OAUTH_KEYCLOAK_BASE_URL", "name": "OAUTH_KEYCLOAK_NAME",
	}
	for _, s := range keycloakType().Settings {
		if name, known := want[s.Name]; known && s.Env != name {
			t.Errorf("%s: got environment name %q, want %q", s.Name, s.Env, name)
		}
		delete(want, s.Name)
	}
	if len(want) > 0 {
		t.Errorf("the settings %v are missing", want)
	}
}
