package main

import (
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/authd/authd/sdk"
	"github.com/authd/authd/sdk/devidp"
	"github.com/authd/authd/sdk/providertest"
)

const poolPath = "/stand-in/eu-west-1_AbCdEf123"

// cognitoMount answers as a user pool does: the issuer is one thing, the domain of the managed login another; paths of
// https://docs.aws.amazon.com/cognito/latest/developerguide/federation-endpoints.html, claims of
// …/amazon-cognito-user-pools-using-the-id-token.html and …/userinfo-endpoint.html, where email_verified is a text.
func cognitoMount() devidp.Mount {
	return devidp.Mount{
		Name: "cognito", Issuer: poolPath, RefreshAlways: true,
		Paths: map[string]string{
			devidp.EndpointDiscovery: poolPath + "/.well-known/openid-configuration", devidp.EndpointJWKS: poolPath + "/.well-known/jwks.json",
			devidp.EndpointAuthorize: "/oauth2/authorize", devidp.EndpointToken: "/oauth2/token", devidp.EndpointUserInfo: "/oauth2/userInfo",
			devidp.EndpointRevoke: "/oauth2/revoke", devidp.EndpointEndSession: "/logout",
		},
		Claims: func(in devidp.ClaimsInput) map[string]any {
			claims := map[string]any{"preferred_username": nil, "groups": nil}
			if in.Place == devidp.PlaceIDToken {
				claims["cognito:username"], claims["cognito:groups"], claims["token_use"] = in.User.Username, in.User.Groups, "id"
				return claims
			}
			claims["username"] = in.User.Username
			if _, unsaid := in.User.Claims["email_verified"]; !unsaid {
				claims["email_verified"] = map[bool]string{true: "true", false: "false"}[in.User.EmailVerified]
			}
			return claims
		},
	}
}

func cognitoAt(idp *devidp.Server) map[string]string { return demo("domain", idp.URL()) }

func verifiedCognitoAt(idp *devidp.Server) map[string]string {
	return demo("domain", idp.URL(), "issuer", idp.URL()+poolPath)
}

func TestCognito(t *testing.T) {
	providertest.Run(t, providertest.Harness{Type: cognitoType(), IDP: devidp.Options{Mounts: []devidp.Mount{cognitoMount()}}, Settings: cognitoAt})
}

func TestCognitoWithIssuer(t *testing.T) {
	providertest.Run(t, providertest.Harness{Type: cognitoType(), IDP: devidp.Options{Mounts: []devidp.Mount{cognitoMount()}}, Settings: verifiedCognitoAt})
}

func TestCognitoPublicClient(t *testing.T) {
	providertest.Run(t, providertest.Harness{
		Type: cognitoType(), IDP: devidp.Options{Mounts: []devidp.Mount{cognitoMount()}, Clients: []devidp.Client{{ID: "demo"}}},
		Settings: func(idp *devidp.Server) map[string]string {
			return map[string]string{"domain": idp.URL(), "client_id": "demo"}
		},
	})
}

func TestCognitoUser(t *testing.T) {
	idp := startIDP(t, devidp.Options{Mounts: []devidp.Mount{cognitoMount()}})
	for name, test := range map[string]struct {
		values map[string]string
		groups []string
		openid bool
	}{
		"by domain alone": {cognitoAt(idp), nil, false},
		"with the issuer": {verifiedCognitoAt(idp), []string{"admins", "staff"}, true},
	} {
		p := mustConfigure(t, cognitoType(), test.values)
		u, err := signIn(t, idp, p)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		got := []string{u.Sub, u.PreferredUsername, u.Email, u.Name}
		if diff := cmp.Diff(got, []string{"dev-7f3a91c0-ada", "ada", "ada@example.org", "Ada Quillfeather"}); diff != "" || !isTrue(u.EmailVerified) {
			t.Errorf("%s: got %+v (got -, want +):\n%s", name, u, diff)
		}
		if diff := cmp.Diff(u.Groups, test.groups); diff != "" {
			t.Errorf("%s: groups (got -, want +):\n%s", name, diff)
		}
		if openid := slices.Contains(sdk.Capabilities(p), sdk.CapabilityOpenID); openid != test.openid {
			t.Errorf("%s: the issuer counts as verified: %v", name, openid)
		}
	}
}

// Threat 26: without the issuer nobody verified the ID token, so nobody gets to see it.
func TestCognitoDropsUnverifiedIDToken(t *testing.T) {
	idp := startIDP(t, devidp.Options{Mounts: []devidp.Mount{cognitoMount()}})
	p := mustConfigure(t, cognitoType(), cognitoAt(idp))
	token, err := getToken(t, idp, p)
	if err != nil || token.IDToken != "" || token.AccessToken == "" {
		t.Fatalf("got %+v, error %v; want a token without an ID token", token, err)
	}
	token, err = p.(sdk.Refresher).RefreshToken(t.Context(), token)
	if err != nil || token.IDToken != "" || token.AccessToken == "" {
		t.Errorf("refreshed: got %+v, error %v; want a token without an ID token", token, err)
	}
}

func TestCognitoLogout(t *testing.T) {
	idp := startIDP(t, devidp.Options{Mounts: []devidp.Mount{cognitoMount()}})
	for name, values := range map[string]map[string]string{"plain": cognitoAt(idp), "issuer": verifiedCognitoAt(idp)} {
		query := endSession(t, mustConfigure(t, cognitoType(), values), idp.URL()+"/logout")
		if query.Get("client_id") != "demo" || query.Get("logout_uri") != "https://auth.example.com/auth/logout" {
			t.Errorf("%s: got %v, want client_id and logout_uri", name, query)
		}
	}
}

// Threat 31, 34: what is no text where a text belongs is left out; only a clear yes counts for the address.
func TestCognitoUserInfo(t *testing.T) {
	tests := map[string]struct {
		raw      string
		verified string
		email    string
	}{
		"text":        {`{"sub":"a","email":"x@example.org","email_verified":"true"}`, "true", "x@example.org"},
		"text, no":    {`{"sub":"a","email":"x@example.org","email_verified":"false"}`, "false", "x@example.org"},
		"boolean":     {`{"sub":"a","email":"x@example.org","email_verified":true}`, "true", "x@example.org"},
		"other text":  {`{"sub":"a","email":"x@example.org","email_verified":"yes"}`, "", "x@example.org"},
		"number":      {`{"sub":"a","email":"x@example.org","email_verified":1}`, "", "x@example.org"},
		"list":        {`{"sub":"a","email":["x@example.org"],"email_verified":["true"]}`, "", ""},
		"not said":    {`{"sub":"a","email":"x@example.org"}`, "", "x@example.org"},
		"no username": {`{"sub":"a","username":7}`, "", ""},
	}
	for name, test := range tests {
		u, err := fromUserInfo([]byte(test.raw))
		if err != nil {
			t.Fatal(err)
		}
		got := ""
		if u.EmailVerified != nil {
			got = map[bool]string{true: "true", false: "false"}[*u.EmailVerified]
		}
		if got != test.verified || u.Email != test.email || u.PreferredUsername != "" {
			t.Errorf("%s: got %+v, verified %q; want %q and %q", name, u, got, test.verified, test.email)
		}
	}
	for name, raw := range map[string]string{"repeated": `{"sub":"a","sub":"b"}`, "list": `[]`, "no JSON": `<html>`} {
		if u, err := fromUserInfo([]byte(raw)); err == nil {
			t.Errorf("%s: got %+v, want an error", name, u)
		}
	}
}

func TestCognitoWrongSettings(t *testing.T) {
	idp := startIDP(t, devidp.Options{Mounts: []devidp.Mount{cognitoMount()}})
	testWrong(t, cognitoType(), verifiedCognitoAt(idp), map[string]wrong{
		"no domain":     {map[string]string{"domain": ""}, "domain", "OAUTH_COGNITO_DOMAIN"},
		"prefix alone":  {map[string]string{"domain": "acme"}, "domain", "amazoncognito.com"},
		"login page":    {map[string]string{"domain": "https://acme.auth.eu-west-1.amazoncognito.com/login"}, "domain", "without a path"},
		"plain http":    {map[string]string{"domain": "http://acme.auth.eu-west-1.amazoncognito.com"}, "domain", "use https"},
		"no pool":       {map[string]string{"issuer": "https://cognito-idp.eu-west-1.amazonaws.com"}, "issuer", "USER_POOL_ID"},
		"wrong pool":    {map[string]string{"issuer": idp.URL() + "/stand-in/eu-west-1_Other"}, "issuer", "there is no discovery document"},
		"post, secret?": {map[string]string{"issuer": "", "client_secret": "", "token_endpoint_auth_method": "client_secret_post"}, "client_secret", "is not set"},
	})
	p := mustConfigure(t, cognitoType(), demo("domain", strings.TrimPrefix("https://acme.auth.eu-west-1.amazoncognito.com/", "https://")))
	if got := asked(t, p).Endpoint; got != "https://acme.auth.eu-west-1.amazoncognito.com/oauth2/authorize" {
		t.Errorf("got %q", got)
	}
}

// Chainlit's names begin with another word than the type; the scopes' is one of them.
func TestCognitoEnvironmentNames(t *testing.T) {
	for _, s := range cognitoType().Settings {
		if want := "OAUTH_COGNITO_" + strings.ToUpper(s.Name); s.Env != want {
			t.Errorf("%s: got %q, want %q", s.Name, s.Env, want)
		}
	}
}
