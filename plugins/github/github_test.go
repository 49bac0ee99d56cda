package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"testing"

	"github.com/google/go-cmp/cmp"
	xoauth2 "golang.org/x/oauth2"

	"github.com/authd/authd/sdk"
	"github.com/authd/authd/sdk/devidp"
	"github.com/authd/authd/sdk/providertest"
)

const callback = "http://127.0.0.1:9/auth/oauth/github/callback"

// settingsAt points the type at the developer identity provider, which stands in for GitHub.
func settingsAt(idp *devidp.Server) map[string]string {
	return map[string]string{
		"client_id": "demo", "client_secret": "demo-secret",
		"auth_url":      idp.EndpointURL(devidp.EndpointGitHubAuthorize),
		"token_url":     idp.EndpointURL(devidp.EndpointGitHubToken),
		"user_info_url": idp.EndpointURL(devidp.EndpointGitHubUser),
	}
}

func TestProvider(t *testing.T) {
	providertest.Run(t, providertest.Harness{Type: githubType(), Settings: settingsAt})
}

func startIDP(t *testing.T, opt devidp.Options) *devidp.Server {
	t.Helper()
	opt.SigningAlg = "ES256"
	return providertest.StartIDP(t, opt)
}

// newGitHub makes the provider with settings laid over the usual ones.
func newGitHub(t *testing.T, idp *devidp.Server, over map[string]string) sdk.Provider {
	t.Helper()
	values := settingsAt(idp)
	maps.Copy(values, over)
	p, err := providertest.Configure(t, githubType(), values, nil)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// login signs a user in as authd would, with the scopes given or the type's, and returns the token.
func login(t *testing.T, idp *devidp.Server, p sdk.Provider, user string, scope ...string) *sdk.Token {
	t.Helper()
	verifier := xoauth2.GenerateVerifier()
	params, err := p.AuthorizeParams(t.Context(), sdk.AuthorizeRequest{Scope: scope})
	if err != nil {
		t.Fatal(err)
	}
	for name, value := range map[string]string{
		"client_id": "demo", "response_type": "code", "redirect_uri": callback, "state": "s",
		"code_challenge": xoauth2.S256ChallengeFromVerifier(verifier), "code_challenge_method": "S256",
	} {
		params.Params.Set(name, value)
	}
	back, err := idp.Authorize(t.Context(), params.Endpoint+"?"+params.Params.Encode(), user)
	if err != nil {
		t.Fatal(err)
	}
	u, err := url.Parse(back)
	if err != nil {
		t.Fatal(err)
	}
	token, err := p.GetToken(t.Context(), sdk.CodeExchange{Code: u.Query().Get("code"), RedirectURI: callback, CodeVerifier: verifier})
	if err != nil {
		t.Fatal(err)
	}
	return token
}

func userInfo(t *testing.T, p sdk.Provider, token *sdk.Token) *sdk.User {
	t.Helper()
	u, err := p.GetUserInfo(t.Context(), token)
	if err != nil {
		t.Fatal(err)
	}
	return u
}

// Threat 16: the user is the numeric id, not the login name.
func TestUser(t *testing.T) {
	idp := startIDP(t, devidp.Options{})
	p := newGitHub(t, idp, nil)
	u := userInfo(t, p, login(t, idp, p, "ada"))
	ada, _ := idp.User("ada")
	yes := true
	want := &sdk.User{
		Sub: "1001", PreferredUsername: "ada", Name: ada.Name, Email: "ada@example.org", EmailVerified: &yes, Picture: ada.Picture, Claims: u.Claims,
	}
	if diff := cmp.Diff(u, want); diff != "" {
		t.Errorf("user (got -, want +):\n%s", diff)
	}
	var claims struct {
		ID     json.Number
		Login  string
		Emails []struct {
			Email             string
			Primary, Verified bool
		}
	}
	if err := json.Unmarshal(u.Claims, &claims); err != nil || claims.ID != "1001" || len(claims.Emails) != 1 || !claims.Emails[0].Verified {
		t.Errorf("got claims %s, error %v; want all of /user and the emails", u.Claims, err)
	}
	for _, endpoint := range []string{devidp.EndpointGitHubUser, devidp.EndpointGitHubEmails} {
		h := idp.Requests(endpoint)[0].Header
		if h.Get("Accept") != accept || h.Get("User-Agent") == "" || h.Get("Authorization")[:7] != "Bearer " {
			t.Errorf("%s: got headers %v", endpoint, h)
		}
	}
	exchange := idp.Requests(devidp.EndpointGitHubToken)
	if len(exchange) != 1 || exchange[0].AuthStyle != "client_secret_post" || exchange[0].Header.Get("Accept") != "application/json" {
		t.Errorf("got %d token requests, want one that posts the secret and asks for JSON", len(exchange))
	}
}

// Threat 34: only the primary address counts, and only GitHub's word makes it verified.
func TestEmail(t *testing.T) {
	yes, no := true, false
	type mail = devidp.GitHubEmail
	one := func(address string, primary, verified bool) mail {
		return mail{Email: address, Primary: primary, Verified: verified}
	}
	tests := map[string]struct {
		emails   []mail
		scope    []string
		fault    devidp.Fault
		email    string
		verified *bool
		fails    bool
	}{
		"primary and verified":    {[]mail{one("b@example.org", false, true), one("a@example.org", true, true)}, nil, devidp.Fault{}, "a@example.org", &yes, false},
		"primary, not verified":   {[]mail{one("b@example.org", false, true), one("a@example.org", true, false)}, nil, devidp.Fault{}, "a@example.org", &no, false},
		"no primary":              {[]mail{one("b@example.org", false, true)}, nil, devidp.Fault{}, "shown@example.org", nil, false},
		"none at all":             {[]mail{}, nil, devidp.Fault{}, "shown@example.org", nil, false},
		"scope not granted":       {[]mail{one("a@example.org", true, true)}, []string{"read:user"}, devidp.Fault{}, "shown@example.org", nil, false},
		"a GitHub App: forbidden": {nil, nil, devidp.Fault{Status: 403, Body: `{"message":"Resource not accessible by integration"}`}, "shown@example.org", nil, false},
		"not found":               {nil, nil, devidp.Fault{Status: 404, Body: `{}`}, "shown@example.org", nil, false},
		"down":                    {nil, nil, devidp.Fault{Status: 503}, "", nil, true},
		"garbage":                 {nil, nil, devidp.Fault{NotJSON: true}, "", nil, true},
		"no list":                 {nil, nil, devidp.Fault{Body: `{"email":"a@example.org","primary":true,"verified":true}`}, "", nil, true},
		"verified is a text":      {nil, nil, devidp.Fault{Body: `[{"email":"a@example.org","primary":true,"verified":"true"}]`}, "a@example.org", nil, false},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			idp := startIDP(t, devidp.Options{Users: []devidp.User{{Sub: "u", Username: "u", Email: "shown@example.org", GitHubEmails: test.emails}}})
			if test.fault.Status != 0 || test.fault.NotJSON || test.fault.Body != "" {
				idp.Fault(devidp.EndpointGitHubEmails, test.fault)
			}
			p := newGitHub(t, idp, nil)
			u, err := p.GetUserInfo(t.Context(), login(t, idp, p, "u", test.scope...))
			if test.fails {
				var typed *sdk.Error
				if !errors.As(err, &typed) || typed.Source != sdk.SourceUpstream {
					t.Fatalf("got %+v, error %v; want source upstream", u, err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(u.EmailVerified, test.verified); u.Email != test.email || diff != "" {
				t.Errorf("got %q, want %q; verified (got -, want +):\n%s", u.Email, test.email, diff)
			}
		})
	}
}

// Threat 16: what has no numeric id is nobody.
func TestUserWithoutNumericID(t *testing.T) {
	for _, id := range []any{nil, "1001", 0, -5, 1.5, true} {
		idp := startIDP(t, devidp.Options{})
		idp.Fault(devidp.EndpointGitHubUser, devidp.Fault{EditBody: func(body map[string]any) { body["id"] = id }})
		p := newGitHub(t, idp, nil)
		if u, err := p.GetUserInfo(t.Context(), login(t, idp, p, "ada")); err == nil {
			t.Errorf("id %v: got %+v, want an error", id, u)
		}
	}
}

// Threats 28, 31: what is of another type than GitHub's is left out and never printed as text; what two readers may
// understand differently is refused.
func TestOddUser(t *testing.T) {
	idp := startIDP(t, devidp.Options{})
	p := newGitHub(t, idp, nil)
	token := login(t, idp, p, "ada")
	token.Scope = []string{"read:user"}
	idp.Fault(devidp.EndpointGitHubUser, devidp.Fault{Body: `{"id":7,"login":{"a":1},"name":7,"email":["ada@example.org"],"avatar_url":true}`})
	u := userInfo(t, p, token)
	if u.Sub != "7" || u.PreferredUsername != "" || u.Name != "" || u.Email != "" || u.Picture != "" || u.EmailVerified != nil {
		t.Errorf("got %+v, want the id alone", u)
	}
	for _, body := range []string{`{"id":7,"login":"ada","id":8}`, `{"id":7,"ID":8}`, `{"id":7.5}`, `{"id":"7"}`, `{"id":-7}`, `[{"id":7}]`} {
		idp.Clear()
		idp.Fault(devidp.EndpointGitHubUser, devidp.Fault{Body: body})
		if u, err := p.GetUserInfo(t.Context(), token); err == nil {
			t.Errorf("%s: got %+v, want an error", body, u)
		}
	}
}

// Threat 36: a group is one whole name, whatever it holds; it never becomes two.
func TestGroupNamesStayWhole(t *testing.T) {
	idp := startIDP(t, devidp.Options{})
	p := newGitHub(t, idp, map[string]string{"groups": "teams"})
	token := login(t, idp, p, "ada")
	idp.Fault(devidp.EndpointGitHubOrgs, devidp.Fault{Body: `[{"login":"a,b"},{"login":7},{"login":"c d"}]`})
	idp.Fault(devidp.EndpointGitHubTeams, devidp.Fault{Body: `[{"slug":"x,admins","organization":{"login":"a"}},{"slug":"admins","organization":"a"}]`})
	u := userInfo(t, p, token)
	if diff := cmp.Diff(u.Groups, []string{"a,b", "c d", "a:x,admins"}); diff != "" {
		t.Errorf("groups (got -, want +):\n%s", diff)
	}
}

func TestGroups(t *testing.T) {
	idp := startIDP(t, devidp.Options{})
	tests := map[string]struct {
		setting string
		user    string
		want    []string
	}{
		"none":             {"none", "ada", nil},
		"orgs":             {"orgs", "ada", []string{"example-org"}},
		"teams":            {"teams", "ada", []string{"example-org", "example-org:admins"}},
		"teams, in none":   {"teams", "grace", []string{"example-org"}},
		"orgs, in nowhere": {"orgs", "linus", nil},
	}
	for name, test := range tests {
		p := newGitHub(t, idp, map[string]string{"groups": test.setting})
		u := userInfo(t, p, login(t, idp, p, test.user))
		if diff := cmp.Diff(u.Groups, test.want); diff != "" {
			t.Errorf("%s (got -, want +):\n%s", name, diff)
		}
	}
}

// Threat 37: a person in many organizations is read page by page.
func TestManyGroups(t *testing.T) {
	user := devidp.User{Sub: "u", Username: "u"}
	for i := range 250 {
		user.GitHubOrgs = append(user.GitHubOrgs, fmt.Sprintf("org-%d", i))
	}
	idp := startIDP(t, devidp.Options{Users: []devidp.User{user}})
	p := newGitHub(t, idp, map[string]string{"groups": "orgs"})
	u := userInfo(t, p, login(t, idp, p, "u"))
	if diff := cmp.Diff(u.Groups, user.GitHubOrgs); diff != "" {
		t.Errorf("groups (got -, want +):\n%s", diff)
	}
	if n := idp.RequestCount(devidp.EndpointGitHubOrgs); n != 3 {
		t.Errorf("the list was asked for %d times, want three pages", n)
	}
}

// Groups that the token may not see are no groups; groups that can't be had now are an error, so that no rule is
// decided on half of them.
func TestGroupsThatCannotBeSeen(t *testing.T) {
	idp := startIDP(t, devidp.Options{})
	p := newGitHub(t, idp, map[string]string{"groups": "teams"})
	token := login(t, idp, p, "ada")
	idp.Fault(devidp.EndpointGitHubOrgs, devidp.Fault{Status: 403, Body: `{"message":"SAML enforcement"}`})
	idp.Fault(devidp.EndpointGitHubTeams, devidp.Fault{Status: 403, Body: `{"message":"SAML enforcement"}`})
	if u := userInfo(t, p, token); len(u.Groups) != 0 {
		t.Errorf("got groups %v, want none", u.Groups)
	}
	idp.Fault(devidp.EndpointGitHubTeams, devidp.Fault{Status: 500})
	if u, err := p.GetUserInfo(t.Context(), token); err == nil {
		t.Errorf("got %+v, want an error", u)
	}
}

func TestRevoke(t *testing.T) {
	idp := startIDP(t, devidp.Options{})
	p := newGitHub(t, idp, nil)
	token := login(t, idp, p, "ada")
	for range 2 { // the second time there is nothing left to revoke
		if err := p.(sdk.Revoker).RevokeToken(t.Context(), token); err != nil {
			t.Fatal(err)
		}
	}
	if u, err := p.GetUserInfo(t.Context(), token); err == nil {
		t.Errorf("got %+v with a revoked token", u)
	}
	idp.Fault(devidp.EndpointGitHubRevoke, devidp.Fault{Status: 401, Body: "{}"})
	if err := p.(sdk.Revoker).RevokeToken(t.Context(), token); err == nil {
		t.Error("a refused revocation passes for a good one")
	}
}

// Without a known API there is nowhere to revoke.
func TestNoRevocationAtAnUnknownAPI(t *testing.T) {
	idp := startIDP(t, devidp.Options{})
	if _, ok := newGitHub(t, idp, map[string]string{"user_info_url": idp.URL() + "/somebody"}).(sdk.Revoker); ok {
		t.Error("revocation is announced")
	}
}

// GitHub answers errors with status 200 and with codes of its own.
func TestErrorCodes(t *testing.T) {
	tests := map[string]struct {
		source sdk.Source
		code   string
	}{
		"bad_verification_code":        {sdk.SourceUser, "invalid_grant"},
		"unverified_user_email":        {sdk.SourceUser, "access_denied"},
		"incorrect_client_credentials": {sdk.SourceConfig, "invalid_client"},
		"redirect_uri_mismatch":        {sdk.SourceConfig, "redirect_uri_mismatch"},
		"application_suspended":        {sdk.SourceConfig, "unauthorized_client"},
	}
	idp := startIDP(t, devidp.Options{})
	p := newGitHub(t, idp, nil)
	for code, want := range tests {
		idp.Fault(devidp.EndpointGitHubToken, devidp.Fault{Status: http.StatusOK, Body: `{"error":"` + code + `","error_description":"no"}`})
		_, err := p.GetToken(t.Context(), sdk.CodeExchange{Code: "c", RedirectURI: callback})
		var typed *sdk.Error
		if !errors.As(err, &typed) || typed.Source != want.source || typed.Code != want.code {
			t.Errorf("%s: got %v, want %v with %s", code, err, want.source, want.code)
		}
	}
}

// What people get wrong most, and what they are told: the setting, and how to mend it.
func TestMistakes(t *testing.T) {
	right := map[string]string{"client_id": "c", "client_secret": "s"}
	for name, test := range map[string]struct {
		set           map[string]string
		setting, says string
	}{
		"no client":            {map[string]string{"client_id": ""}, "client_id", "OAUTH_GITHUB_CLIENT_ID"},
		"no secret":            {map[string]string{"client_secret": ""}, "client_secret", "OAUTH_GITHUB_CLIENT_SECRET"},
		"server sans scheme":   {map[string]string{"enterprise_url": "git.example.com"}, "enterprise_url", "Address of a GitHub Enterprise server"},
		"server's API":         {map[string]string{"enterprise_url": "https://git.example.com/api/v3"}, "enterprise_url", "Address of a GitHub Enterprise server"},
		"server not encrypted": {map[string]string{"enterprise_url": "http://git.example.com"}, "enterprise_url", "use https"},
		"page sans scheme":     {map[string]string{"auth_url": "git.example.com/login/oauth/authorize"}, "auth_url", "https"},
		"token not encrypted":  {map[string]string{"token_url": "http://git.example.com/login/oauth/access_token"}, "token_url", "use https"},
		"API not encrypted":    {map[string]string{"user_info_url": "http://git.example.com/api/v3/user"}, "user_info_url", "use https"},
		"groups by name":       {map[string]string{"groups": "example-org"}, "groups", "none, orgs (organization), or teams"},
	} {
		t.Run(name, func(t *testing.T) {
			providertest.CheckMistake(t, githubType(), right, test.set, test.setting, test.says)
		})
	}
}

// The scope for organizations is asked for exactly when they are groups.
func TestGroupScope(t *testing.T) {
	idp := startIDP(t, devidp.Options{})
	for groups, want := range map[string]string{"none": "read:user user:email", "orgs": "read:user user:email read:org", "teams": "read:user user:email read:org"} {
		params, err := newGitHub(t, idp, map[string]string{"groups": groups}).AuthorizeParams(t.Context(), sdk.AuthorizeRequest{})
		if got := params.Params.Get("scope"); err != nil || got != want {
			t.Errorf("groups %s: got scope %q, error %v; want %q", groups, got, err, want)
		}
	}
}

// Without the scope user:email there is an address that nobody vouches for, and no request for more.
func TestMissingScope(t *testing.T) {
	idp := startIDP(t, devidp.Options{})
	p := newGitHub(t, idp, nil)
	token := login(t, idp, p, "ada")
	token.Scope = []string{"read:user"}
	if u := userInfo(t, p, token); u.EmailVerified != nil || idp.RequestCount(devidp.EndpointGitHubEmails) != 0 {
		t.Errorf("got %+v, and %d requests for addresses", u, idp.RequestCount(devidp.EndpointGitHubEmails))
	}
}

// GitHub knows one prompt, so that authd can tell an operator who sets another.
func TestPrompts(t *testing.T) {
	if diff := cmp.Diff(githubType().Prompts, []string{"select_account"}); diff != "" {
		t.Errorf("prompts (got -, want +):\n%s", diff)
	}
}

func TestEndpoints(t *testing.T) {
	tests := map[string]struct {
		over                 map[string]string
		auth, token, userURL string
	}{
		"github.com": {nil, authURL, tokenURL, userInfoURL},
		"an Enterprise server": {
			map[string]string{"enterprise_url": "https://git.example.com/"},
			"https://git.example.com/login/oauth/authorize", "https://git.example.com/login/oauth/access_token", "https://git.example.com/api/v3/user",
		},
		"a company's ghe.com": {
			map[string]string{"enterprise_url": "https://octo.ghe.com"},
			"https://octo.ghe.com/login/oauth/authorize", "https://octo.ghe.com/login/oauth/access_token", "https://api.octo.ghe.com/user",
		},
		"one URL by hand": {
			map[string]string{"enterprise_url": "https://git.example.com", "token_url": "https://inside.example.com/token"},
			"https://git.example.com/login/oauth/authorize", "https://inside.example.com/token", "https://git.example.com/api/v3/user",
		},
	}
	for name, test := range tests {
		values := map[string]string{"client_id": "c", "client_secret": "s"}
		for name, value := range test.over {
			values[name] = value
		}
		settings, faults := githubType().CheckSettings(values)
		if len(faults) > 0 {
			t.Fatal(faults)
		}
		got := endpoints(settings)
		if got.Authorize != test.auth || got.Token != test.token || got.UserInfo != test.userURL {
			t.Errorf("%s: got %+v", name, got)
		}
	}
}
