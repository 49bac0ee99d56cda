package oidc_test

import (
	"encoding/json"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/authd/authd/sdk"
	"github.com/authd/authd/sdk/devidp"
	"github.com/authd/authd/sdk/oauth2"
	"github.com/authd/authd/sdk/oidc"
)

func TestLogin(t *testing.T) {
	for _, alg := range []string{"RS256", "ES256", "EdDSA"} {
		t.Run(alg, func(t *testing.T) {
			idp := startIDP(t, devidp.Options{SigningAlg: alg})
			p := newProvider(t, at(idp))
			u, err := whole(t, idp, p)
			if err != nil {
				t.Fatal(err)
			}
			ada, _ := idp.User("ada")
			yes := true
			want := &sdk.User{
				Sub: ada.Sub, PreferredUsername: "ada", Name: ada.Name, GivenName: "Ada", FamilyName: "Quillfeather",
				Email: "ada@example.org", EmailVerified: &yes, Picture: ada.Picture, Groups: []string{"admins", "staff"},
				SID: u.SID, Claims: u.Claims,
			}
			if diff := cmp.Diff(u, want); diff != "" {
				t.Errorf("user (got -, want +):\n%s", diff)
			}
			if u.SID == "" {
				t.Error("got no sid")
			}
			var claims map[string]any
			if err := json.Unmarshal(u.Claims, &claims); err != nil || claims["sub"] != ada.Sub || claims["iss"] != idp.Issuer() {
				t.Errorf("got claims %s, error %v; want all of them", u.Claims, err)
			}
		})
	}
}

func TestMetadataAndCapabilities(t *testing.T) {
	idp := startIDP(t, devidp.Options{})
	p := newProvider(t, at(idp))
	if diff := cmp.Diff(p.(sdk.OpenID).Metadata(), sdk.Metadata{Issuer: idp.Issuer(), ResponseIssSupported: true}); diff != "" {
		t.Errorf("metadata (got -, want +):\n%s", diff)
	}
	want := []sdk.Capability{sdk.CapabilityOpenID, sdk.CapabilityRefresh, sdk.CapabilityRevocation, sdk.CapabilityEndSession, sdk.CapabilityBackchannelLogout, sdk.CapabilityCheck}
	if diff := cmp.Diff(sdk.Capabilities(p), want); diff != "" {
		t.Errorf("capabilities (got -, want +):\n%s", diff)
	}
	idp.Fault(devidp.EndpointDiscovery, devidp.Fault{EditBody: func(body map[string]any) {
		delete(body, "revocation_endpoint")
		delete(body, "authorization_response_iss_parameter_supported")
	}})
	p = newProvider(t, at(idp))
	if _, ok := p.(sdk.Revoker); ok {
		t.Error("revocation is announced without an endpoint for it")
	}
	if p.(sdk.OpenID).Metadata().ResponseIssSupported {
		t.Error("iss in responses is announced though nobody promised it")
	}
}

func TestAuthorizeParams(t *testing.T) {
	idp := startIDP(t, devidp.Options{})
	config := at(idp)
	config.Params = url.Values{"hd": {"example.org"}}
	cfg := sdkConfig(t)
	p, err := oidc.New(t.Context(), cfg, config)
	if err != nil {
		t.Fatal(err)
	}
	cfg.HTTP.Transport = failing{t} // from here on there is nothing to ask
	tests := map[string]struct {
		in   sdk.AuthorizeRequest
		want url.Values
	}{
		"defaults": {sdk.AuthorizeRequest{}, url.Values{"hd": {"example.org"}, "scope": {"openid profile email"}}},
		"all": {
			sdk.AuthorizeRequest{Scope: []string{"groups"}, Prompt: "login", LoginHint: "ada", MaxAge: 90 * time.Second, State: "s"},
			url.Values{"hd": {"example.org"}, "scope": {"openid groups"}, "prompt": {"login"}, "login_hint": {"ada"}, "max_age": {"90"}},
		},
	}
	for name, test := range tests {
		got, err := p.AuthorizeParams(t.Context(), test.in)
		if err != nil {
			t.Fatal(err)
		}
		want := sdk.AuthorizeParams{Endpoint: idp.EndpointURL(devidp.EndpointAuthorize), Params: test.want}
		if diff := cmp.Diff(got, want); diff != "" {
			t.Errorf("%s (got -, want +):\n%s", name, diff)
		}
	}
}

// Threat 33: one way of client authentication, chosen beforehand, and the code sent once.
func TestAuthMethods(t *testing.T) {
	tests := map[string]struct {
		setting, secret string
		offered         any // token_endpoint_auth_methods_supported; nil: left out
		want            string
		setting2        string // the setting at fault, if New must fail
	}{
		"basic by default":       {"", "demo-secret", nil, "client_secret_basic", ""},
		"basic where both":       {"", "demo-secret", []string{"client_secret_post", "client_secret_basic"}, "client_secret_basic", ""},
		"post where that is all": {"", "demo-secret", []string{"private_key_jwt", "client_secret_post"}, "client_secret_post", ""},
		"post by setting":        {"client_secret_post", "demo-secret", nil, "client_secret_post", ""},
		"basic by setting":       {"client_secret_basic", "demo-secret", []string{"client_secret_post"}, "client_secret_basic", ""},
		"public":                 {"", "", []string{"client_secret_basic"}, "none", ""},
		"nothing we can":         {"", "demo-secret", []string{"private_key_jwt"}, "", "token_endpoint_auth_method"},
		"basic without a secret": {"client_secret_basic", "", nil, "", "client_secret"},
		"unknown":                {"private_key_jwt", "demo-secret", nil, "", "token_endpoint_auth_method"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			idp := startIDP(t, devidp.Options{Clients: []devidp.Client{{ID: "demo", Secret: test.secret}}})
			idp.Fault(devidp.EndpointDiscovery, devidp.Fault{EditBody: func(body map[string]any) {
				delete(body, "token_endpoint_auth_methods_supported")
				if test.offered != nil {
					body["token_endpoint_auth_methods_supported"] = test.offered
				}
			}})
			config := at(idp)
			config.AuthMethod, config.ClientSecret = test.setting, test.secret
			p, err := oidc.New(t.Context(), sdkConfig(t), config)
			if test.setting2 != "" {
				if got := typed(t, err); got.Source != sdk.SourceConfig || got.Diagnostics[0].Setting != test.setting2 {
					t.Errorf("got %v, want source config naming %s", err, test.setting2)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			mustLogin(t, idp, p)
			sent := idp.Requests(devidp.EndpointToken)
			if len(sent) != 1 || sent[0].AuthStyle != test.want {
				t.Errorf("got %d requests, the first by %q; want one by %q", len(sent), sent[0].AuthStyle, test.want)
			}
		})
	}
}

// A wrong secret is the operator's to mend, and no second way is tried with the code.
func TestWrongSecret(t *testing.T) {
	idp := startIDP(t, devidp.Options{})
	config := at(idp)
	config.ClientSecret = "wrong"
	_, err := login(t, idp, newProvider(t, config))
	if got := typed(t, err); got.Source != sdk.SourceConfig || len(got.Diagnostics) != 2 || strings.Contains(err.Error(), "wrong") {
		t.Errorf("got %v, want source config naming client_id and client_secret, without the secret", err)
	}
	if n := idp.RequestCount(devidp.EndpointToken); n != 1 {
		t.Errorf("the code was sent %d times, want once", n)
	}
}

// Threat 9: an authorization response that says it comes from elsewhere is refused before the code is sent.
func TestResponseIssuer(t *testing.T) {
	idp := startIDP(t, devidp.Options{})
	p := newProvider(t, at(idp))
	in := authorize(t, idp, p, sdk.AuthorizeRequest{})
	in.Params = url.Values{"iss": {idp.Issuer(), "https://attacker.example"}}
	_, err := p.GetToken(t.Context(), in)
	wantUpstream(t, err)
	if n := idp.RequestCount(devidp.EndpointToken); n != 0 {
		t.Errorf("the code was sent %d times, want never", n)
	}
}

// Threat 17: max_age is asked for and checked.
func TestMaxAge(t *testing.T) {
	const hour = time.Hour
	tests := map[string]struct {
		flaw  devidp.Flaw
		asked time.Duration
		fails bool
	}{
		"recent":              {"", hour, false},
		"old":                 {devidp.FlawStaleAuthTime, hour, true},
		"unknown":             {devidp.FlawNoAuthTime, hour, true},
		"old but not asked":   {devidp.FlawStaleAuthTime, 0, false},
		"unknown, not asked":  {devidp.FlawNoAuthTime, 0, false},
		"old, though allowed": {devidp.FlawStaleAuthTime, 30 * 24 * hour, false},
	}
	idp := startIDP(t, devidp.Options{})
	p := newProvider(t, at(idp))
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			idp.Clear()
			if test.flaw != "" {
				idp.Fault(devidp.EndpointToken, devidp.Fault{Flaws: []devidp.Flaw{test.flaw}})
			}
			_, err := p.GetToken(t.Context(), authorize(t, idp, p, sdk.AuthorizeRequest{MaxAge: test.asked}))
			if (err != nil) != test.fails {
				t.Errorf("got error %v, want one: %v", err, test.fails)
			}
		})
	}
}

// Threat 17: auth_time is measured by the clock, with the same leeway as the rest.
func TestMaxAgeByTheClock(t *testing.T) {
	c := newClock()
	idp := startIDP(t, devidp.Options{Now: c.Now})
	config := at(idp)
	config.Now = c.Now
	p := newProvider(t, config)
	in := authorize(t, idp, p, sdk.AuthorizeRequest{MaxAge: time.Minute})
	c.Turn(50 * time.Second) // within the life of the code
	if _, err := p.GetToken(t.Context(), in); err != nil {
		t.Errorf("a sign-in of 50 s ago, max_age 60 s: %v", err)
	}
}

func TestMapHasTheLastWord(t *testing.T) {
	idp := startIDP(t, devidp.Options{})
	config := at(idp)
	config.Map = func(claims oauth2.Object, u *sdk.User) error {
		u.Groups = append(u.Groups, "iss:"+claims.String("iss"))
		u.Sub = "somebody else"
		return nil
	}
	u, err := whole(t, idp, newProvider(t, config))
	ada, _ := idp.User("ada")
	if err != nil || u.Sub != ada.Sub {
		t.Fatalf("got %+v, error %v; want the sub untouched", u, err)
	}
	if diff := cmp.Diff(u.Groups, []string{"admins", "staff", "iss:" + idp.Issuer()}); diff != "" {
		t.Errorf("groups (got -, want +):\n%s", diff)
	}
	config.Map = func(oauth2.Object, *sdk.User) error { return sdk.UserErrorf("access_denied", "not of this tenant") }
	if _, err := whole(t, idp, newProvider(t, config)); typed(t, err).Source != sdk.SourceUser {
		t.Errorf("got %v, want the map's own error", err)
	}
}

// Threats 44 to 46: whatever happens to an answer, the fault is the identity provider's and the code is sent once.
func TestSpoiltAnswers(t *testing.T) {
	faults := map[string]devidp.Fault{
		"500":         {Status: 500},
		"503":         {Status: 503, RetryAfter: "7"},
		"429":         {Status: 429, RetryAfter: "7"},
		"redirect":    {RedirectTo: "https://attacker.invalid/"},
		"not JSON":    {NotJSON: true},
		"garbage":     {Body: "\x00\x01{{{"},
		"list":        {Body: "[]"},
		"empty":       {Body: " "},
		"truncated":   {Truncate: true},
		"dropped":     {Drop: true},
		"huge":        {BodyBytes: 2 << 20},
		"endless":     {BodyBytes: -1},
		"gzip bomb":   {GzipBomb: 64 << 20},
		"big headers": {HeaderBytes: 128 << 10},
	}
	for _, endpoint := range []string{devidp.EndpointToken, devidp.EndpointUserInfo, devidp.EndpointJWKS, devidp.EndpointDiscovery} {
		idp := startIDP(t, devidp.Options{})
		for name, fault := range faults {
			t.Run(endpoint+" "+name, func(t *testing.T) {
				idp.Clear()
				idp.ForgetRequests()
				idp.Fault(endpoint, fault)
				var err error
				if endpoint == devidp.EndpointDiscovery {
					_, err = oidc.New(t.Context(), sdkConfig(t), at(idp))
				} else {
					_, err = whole(t, idp, newProvider(t, at(idp)))
				}
				got := typed(t, err)
				if got.Source != sdk.SourceUpstream {
					t.Errorf("got source %v (%v), want upstream", got.Source, err)
				}
				if fault.RetryAfter != "" && (got.RetryAfter != 7*time.Second || got.HTTPStatus != fault.Status) {
					t.Errorf("got Retry-After %v and status %d, want 7s and %d", got.RetryAfter, got.HTTPStatus, fault.Status)
				}
				if n := idp.RequestCount(devidp.EndpointToken); n > 1 {
					t.Errorf("the code was sent %d times, want at most once", n)
				}
				// A GET whose connection broke without an answer may be repeated by net/http; nothing else may.
				if n := idp.RequestCount(endpoint); n != 1 && !(fault.Drop && n == 2) {
					t.Errorf("the endpoint was asked %d times, want once", n)
				}
			})
		}
	}
}

func TestStaticEndpoints(t *testing.T) {
	idp := startIDP(t, devidp.Options{})
	idp.Fault(devidp.EndpointDiscovery, devidp.Fault{Status: http.StatusNotFound, Body: "{}"})
	config := at(idp)
	config.NoDiscovery = true
	config.Endpoint = oidc.Endpoint{
		Authorize: idp.EndpointURL(devidp.EndpointAuthorize), Token: idp.EndpointURL(devidp.EndpointToken), JWKS: idp.EndpointURL(devidp.EndpointJWKS),
	}
	p := newProvider(t, config)
	if u, err := whole(t, idp, p); err != nil || u.PreferredUsername != "ada" {
		t.Errorf("got %+v, error %v; want ada from the ID token alone", u, err)
	}
	if n := idp.RequestCount(devidp.EndpointDiscovery); n != 0 {
		t.Errorf("discovery was asked %d times, want never", n)
	}
	config.Endpoint.JWKS = ""
	_, err := oidc.New(t.Context(), sdkConfig(t), config)
	if got := typed(t, err); got.Source != sdk.SourceConfig {
		t.Errorf("got %v, want source config for a missing jwks_uri", err)
	}
}

// A single endpoint can be put over what discovery says, as for a token endpoint that is nearer on the inside.
func TestEndpointOverDiscovery(t *testing.T) {
	idp := startIDP(t, devidp.Options{})
	config := at(idp)
	config.Endpoint.UserInfo = idp.URL() + "/nowhere"
	_, err := whole(t, idp, newProvider(t, config))
	if got := typed(t, err); got.HTTPStatus != http.StatusNotFound || idp.RequestCount(devidp.EndpointUserInfo) != 0 {
		t.Errorf("got %v, want the configured endpoint to be asked instead", err)
	}
	config.Endpoint.UserInfo = "http://192.0.2.1/userinfo"
	_, err = oidc.New(t.Context(), sdkConfig(t), config)
	if got := typed(t, err); got.Source != sdk.SourceConfig || got.Diagnostics[0].Setting != "userinfo_endpoint" {
		t.Errorf("got %v, want source config naming userinfo_endpoint", err)
	}
}
