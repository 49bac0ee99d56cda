package main

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/authd/authd/sdk"
	"github.com/authd/authd/sdk/devidp"
	"github.com/authd/authd/sdk/providertest"
)

// gitlabMount answers as a GitLab under a path does: paths of its discovery document, claims of
// https://docs.gitlab.com/integration/openid_connect_provider/#shared-information. The ID token has groups_direct,
// userinfo has groups.
func gitlabMount() devidp.Mount {
	return devidp.Mount{
		Name: "gitlab", Prefix: "/stand-in/gitlab", RefreshAlways: true,
		Paths: map[string]string{
			devidp.EndpointDiscovery: "/.well-known/openid-configuration", devidp.EndpointAuthorize: "/oauth/authorize",
			devidp.EndpointToken: "/oauth/token", devidp.EndpointUserInfo: "/oauth/userinfo", devidp.EndpointJWKS: "/oauth/discovery/keys",
			devidp.EndpointRevoke: "/oauth/revoke", devidp.EndpointIntrospect: "/oauth/introspect",
		},
		Claims: func(in devidp.ClaimsInput) map[string]any {
			claims := map[string]any{"nickname": in.User.Username, "profile": "https://gitlab.example.com/" + in.User.Username}
			if in.Place == devidp.PlaceIDToken {
				claims["groups"], claims["groups_direct"] = nil, []string{"acme/web", ""}
				claims["sub_legacy"] = "f0c2e6ef1a3b4f5d8c7b6a5948372615"
			} else {
				claims["groups"] = []string{"acme", "acme/web"}
				claims["https://gitlab.org/claims/groups/owner"] = []string{"acme"}
			}
			return claims
		},
	}
}

func gitlabAt(idp *devidp.Server) map[string]string {
	return demo("domain", idp.URL()+"/stand-in/gitlab")
}

func TestGitLab(t *testing.T) {
	providertest.Run(t, providertest.Harness{
		Type: gitlabType(), IDP: devidp.Options{Mounts: []devidp.Mount{gitlabMount()}}, Settings: gitlabAt,
	})
}

func TestGitLabDomain(t *testing.T) {
	idp := startIDP(t, devidp.Options{Mounts: []devidp.Mount{gitlabMount()}})
	for domain, want := range map[string]string{
		idp.URL(): "", idp.URL() + "/": "", idp.URL() + "/stand-in/gitlab": "/stand-in/gitlab", idp.URL() + "/stand-in/gitlab/": "/stand-in/gitlab",
	} {
		p := mustConfigure(t, gitlabType(), demo("domain", domain))
		if got := p.(sdk.OpenID).Metadata().Issuer; got != idp.URL()+want {
			t.Errorf("%s: got issuer %q, want %q", domain, got, idp.URL()+want)
		}
	}
	settings, faults := gitlabType().CheckSettings(demo())
	if base, err := atDomain(sdk.Config{Settings: settings}, "domain"); len(faults) > 0 || err != nil || base != "https://gitlab.com" {
		t.Errorf("without a domain: got %q, faults %v, error %v; want gitlab.com", base, faults, err)
	}
}

func TestGitLabGroups(t *testing.T) {
	idp := startIDP(t, devidp.Options{Mounts: []devidp.Mount{gitlabMount()}})
	tests := map[string]struct {
		set  []string
		want []string
	}{
		"all of userinfo":         {nil, []string{"acme", "acme/web"}},
		"direct ones of ID token": {[]string{"userinfo", "false"}, []string{"acme/web"}},
		"direct ones by name":     {[]string{"groups_claim", "groups_direct"}, []string{"acme/web"}},
		"those that one owns":     {[]string{"groups_claim", "https://gitlab.org/claims/groups/owner"}, []string{"acme"}},
		"owned, without userinfo": {[]string{"groups_claim", "https://gitlab.org/claims/groups/owner", "userinfo", "false"}, nil},
	}
	for name, test := range tests {
		values := gitlabAt(idp)
		for setting, value := range demo(test.set...) {
			values[setting] = value
		}
		u, err := signIn(t, idp, mustConfigure(t, gitlabType(), values))
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if diff := cmp.Diff(u.Groups, test.want); diff != "" {
			t.Errorf("%s (got -, want +):\n%s", name, diff)
		}
	}
}

func TestGitLabWrongSettings(t *testing.T) {
	idp := startIDP(t, devidp.Options{})
	testWrong(t, gitlabType(), demo("domain", idp.URL()), map[string]wrong{
		"a group":     {map[string]string{"domain": idp.URL() + "/acme"}, "domain", "there is no discovery document"},
		"a query":     {map[string]string{"domain": "gitlab.com?x=y"}, "domain", "not that of a group"},
		"the name":    {map[string]string{"domain": "gitlab"}, "domain", "e.g. gitlab.example.com"},
		"plain http":  {map[string]string{"domain": "http://gitlab.example.com"}, "domain", "use https"},
		"no client":   {map[string]string{"client_id": ""}, "client_id", "OAUTH_GITLAB_CLIENT_ID"},
		"other names": {map[string]string{"domain": "http://localhost" + idp.URL()[len("http://127.0.0.1"):]}, "domain", "so that both are the same"},
	})
}

// An application that was registered there without the scope openid gets no ID token.
func TestGitLabMissingScope(t *testing.T) {
	idp := startIDP(t, devidp.Options{})
	idp.Fault(devidp.EndpointToken, devidp.Fault{EditBody: func(body map[string]any) { delete(body, "id_token") }})
	_, err := getToken(t, idp, mustConfigure(t, gitlabType(), demo("domain", idp.URL())))
	wantSource(t, err, sdk.SourceUpstream, "", "scope openid")
}
