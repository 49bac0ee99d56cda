package main

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/authd/authd/sdk"
	"github.com/authd/authd/sdk/devidp"
	"github.com/authd/authd/sdk/providertest"
)

// googleMount answers as Google does: paths and claims of https://accounts.google.com/.well-known/openid-configuration
// and of https://developers.google.com/identity/openid-connect/openid-connect#an-id-tokens-payload. A person's hd, if
// any, is among their own claims.
func googleMount() devidp.Mount {
	return devidp.Mount{
		Name: "google", Prefix: "/stand-in/google", Azp: true,
		Paths: map[string]string{
			devidp.EndpointDiscovery: "/.well-known/openid-configuration", devidp.EndpointAuthorize: "/o/oauth2/v2/auth",
			devidp.EndpointToken: "/token", devidp.EndpointUserInfo: "/v1/userinfo", devidp.EndpointJWKS: "/oauth2/v3/certs",
			devidp.EndpointRevoke: "/revoke",
		},
		Claims: func(devidp.ClaimsInput) map[string]any {
			return map[string]any{"preferred_username": nil, "groups": nil}
		},
	}
}

func googleAt(idp *devidp.Server) map[string]string {
	return demo("issuer", idp.URL()+"/stand-in/google")
}

func TestGoogle(t *testing.T) {
	providertest.Run(t, providertest.Harness{
		Type: googleType(), IDP: devidp.Options{Mounts: []devidp.Mount{googleMount()}}, Settings: googleAt,
	})
}

func TestGoogleWorkspace(t *testing.T) {
	providertest.Run(t, providertest.Harness{
		Type: googleType(), IDP: devidp.Options{Mounts: []devidp.Mount{googleMount()}},
		Settings: func(idp *devidp.Server) map[string]string {
			values := googleAt(idp)
			values["hosted_domain"] = "example.org"
			return values
		},
		Person: func(u *devidp.User) {
			claims := map[string]any{"hd": "example.org"}
			for name, value := range u.Claims {
				claims[name] = value
			}
			u.Claims = claims
		},
	})
}

func TestGoogleAsks(t *testing.T) {
	idp := startIDP(t, devidp.Options{Mounts: []devidp.Mount{googleMount()}})
	tests := map[string]struct {
		domain string
		hd     []string
	}{
		"anybody":         {"", nil},
		"one domain":      {"Example.org", []string{"example.org"}},
		"several domains": {"example.org  example.com", []string{"*"}},
	}
	for name, test := range tests {
		values := googleAt(idp)
		values["hosted_domain"] = test.domain
		params := asked(t, mustConfigure(t, googleType(), values)).Params
		if diff := cmp.Diff(params["hd"], test.hd); diff != "" {
			t.Errorf("%s: hd (got -, want +):\n%s", name, diff)
		}
		if params.Get("access_type") != "offline" || params.Has("prompt") {
			t.Errorf("%s: got %v, want access_type=offline and no prompt", name, params)
		}
	}
}

// Threat 34: the parameter hd only shapes Google's page; who gets in depends on the claim that Google signed, never on
// the e-mail address.
func TestGoogleHostedDomain(t *testing.T) {
	tests := map[string]struct {
		domains string
		hd      any
		says    string // "" = let in
	}{
		"member":                 {"example.org", "example.org", ""},
		"member, other case":     {"EXAMPLE.org", "Example.ORG", ""},
		"member of the second":   {"example.com example.org", "example.org", ""},
		"of another":             {"example.org", "example.com", "add it to hosted_domain"},
		"of a part":              {"example.org", "ample.org", "add it to hosted_domain"},
		"of a domain below":      {"example.org", "dev.example.org", "add it to hosted_domain"},
		"of a domain around":     {"example.org", "example.org.attacker.net", "add it to hosted_domain"},
		"address alone":          {"example.org", nil, "there is no claim hd"},
		"a list instead of text": {"example.org", []string{"example.org"}, "there is no claim hd"},
		"a star":                 {"example.org", "*", "add it to hosted_domain"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			idp := startIDP(t, devidp.Options{Mounts: []devidp.Mount{googleMount()}})
			ada, _ := idp.User("ada") // ada@example.org, verified
			ada.Claims = map[string]any{"hd": test.hd}
			if err := idp.SetUser(ada); err != nil {
				t.Fatal(err)
			}
			values := googleAt(idp)
			values["hosted_domain"] = test.domains
			u, err := signIn(t, idp, mustConfigure(t, googleType(), values))
			switch {
			case test.says != "":
				wantSource(t, err, sdk.SourceUser, "access_denied", test.says)
			case err != nil || u.Email != "ada@example.org":
				t.Errorf("got %+v, error %v; want ada let in", u, err)
			}
		})
	}
}

func TestGoogleWrongSettings(t *testing.T) {
	idp := startIDP(t, devidp.Options{Mounts: []devidp.Mount{googleMount()}})
	testWrong(t, googleType(), googleAt(idp), map[string]wrong{
		"no secret":         {map[string]string{"client_secret": ""}, "client_secret", "OAUTH_GOOGLE_CLIENT_SECRET"},
		"no client":         {map[string]string{"client_id": ""}, "client_id", "OAUTH_GOOGLE_CLIENT_ID"},
		"domain as address": {map[string]string{"hosted_domain": "@example.com"}, "hosted_domain", "without @"},
		"domain as URL":     {map[string]string{"hosted_domain": "https://example.com"}, "hosted_domain", "or https://"},
		"domains by comma":  {map[string]string{"hosted_domain": "a.example,b.example"}, "hosted_domain", "parted by spaces"},
		"any domain":        {map[string]string{"hosted_domain": "*"}, "hosted_domain", "e.g. example.com"},
		"slash at the end":  {map[string]string{"issuer": idp.URL() + "/stand-in/google/"}, "issuer", "to the last slash"},
		"nothing there":     {map[string]string{"issuer": idp.URL() + "/stand-in/googol"}, "issuer", "there is no discovery document"},
	})
}

// Chainlit's names, Google's address, the prompts that Google knows.
func TestGoogleManifest(t *testing.T) {
	settings, faults := googleType().CheckSettings(demo())
	if len(faults) > 0 || settings["issuer"] != "https://accounts.google.com" {
		t.Errorf("got %v, faults %v; want Google's issuer", settings, faults)
	}
	if got := strings.Join(googleType().Prompts, " "); got != "none consent select_account" {
		t.Errorf("got prompts %q", got)
	}
}
