package oauth2_test

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	xoauth2 "golang.org/x/oauth2"

	"github.com/authd/authd/sdk"
	"github.com/authd/authd/sdk/devidp"
	"github.com/authd/authd/sdk/oauth2"
)

// acme is a provider on made-up endpoints.
func acme() oauth2.Config {
	return oauth2.Config{
		ClientID: "id", ClientSecret: "secret", AuthStyle: oauth2.AuthPost, Map: mapByID,
		Endpoint: oauth2.Endpoint{Authorize: "https://acme.example/authorize", Token: "https://acme.example/token", UserInfo: "https://acme.example/me"},
	}
}

// Threat 47: endpoints are checked before anything is sent, and the setting at fault is named.
func TestNewChecksTheConfiguration(t *testing.T) {
	tests := map[string]struct {
		change  func(*oauth2.Config)
		setting string
	}{
		"plain http":         {func(c *oauth2.Config) { c.Endpoint.Token = "http://acme.example/token" }, "token_url"},
		"script":             {func(c *oauth2.Config) { c.Endpoint.Authorize = "javascript:alert(1)" }, ""},
		"no token endpoint":  {func(c *oauth2.Config) { c.Endpoint.Token = "" }, ""},
		"no authorize":       {func(c *oauth2.Config) { c.Endpoint.Authorize = "" }, ""},
		"userinfo by ftp":    {func(c *oauth2.Config) { c.Endpoint.UserInfo = "ftp://acme.example" }, ""},
		"revocation by http": {func(c *oauth2.Config) { c.Endpoint.Revoke = "http://acme.example" }, ""},
		"no client id":       {func(c *oauth2.Config) { c.ClientID = "" }, "client_id"},
		"no secret":          {func(c *oauth2.Config) { c.ClientSecret = "" }, "client_secret"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			config := acme()
			test.change(&config)
			_, err := oauth2.New(sdkConfig(t, map[string]string{"token_url": "http://acme.example/token"}), config)
			got := typed(t, err)
			if got.Source != sdk.SourceConfig || len(got.Diagnostics) != 1 || got.Diagnostics[0].Setting != test.setting {
				t.Errorf("got %v with %v, want source config naming %q", err, got.Diagnostics, test.setting)
			}
		})
	}
}

func TestNewAcceptsHTTPWhereAllowed(t *testing.T) {
	config := acme()
	config.Endpoint.Token = "http://acme.example/token"
	cfg := sdkConfig(t, nil)
	cfg.InsecureHTTP = true
	if _, err := oauth2.New(cfg, config); err != nil {
		t.Errorf("with insecure_http: %v", err)
	}
}

// A plugin's author must choose how the client shows itself; nothing is guessed.
func TestNewNeedsMapAndAuthStyle(t *testing.T) {
	for name, change := range map[string]func(*oauth2.Config){
		"Map":       func(c *oauth2.Config) { c.Map = nil },
		"AuthStyle": func(c *oauth2.Config) { c.AuthStyle = "" },
	} {
		config := acme()
		change(&config)
		_, err := oauth2.New(sdkConfig(t, nil), config)
		var e *sdk.Error
		if err == nil || errors.As(err, &e) || !strings.Contains(err.Error(), name) {
			t.Errorf("without %s: got %v, want a plain error that names it", name, err)
		}
	}
}

func TestClientFromSettings(t *testing.T) {
	config := acme()
	config.ClientID, config.ClientSecret = "", ""
	e := newEndpoint(t, saysJSON(200, goodToken))
	config.Endpoint.Token = e.URL
	p, err := oauth2.New(sdkConfig(t, map[string]string{"client_id": "from-settings", "client_secret": "pw"}), config)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := p.GetToken(t.Context(), exchange()); err != nil {
		t.Fatal(err)
	}
	forms, _ := e.seen()
	if forms[0].Get("client_id") != "from-settings" || forms[0].Get("client_secret") != "pw" {
		t.Errorf("got form %v, want the client of the settings", forms[0])
	}
}

func TestAuthorizeParams(t *testing.T) {
	config := acme()
	config.Params = url.Values{"access_type": {"offline"}, "prompt": {"consent"}}
	config.Scopes = []string{"must", "profile"}
	tests := map[string]struct {
		change func(*oauth2.Config)
		in     sdk.AuthorizeRequest
		want   url.Values
	}{
		"the type's scopes":     {nil, sdk.AuthorizeRequest{}, url.Values{"access_type": {"offline"}, "prompt": {"consent"}, "scope": {"profile must"}}},
		"the operator's scopes": {nil, sdk.AuthorizeRequest{Scope: []string{"a", "must"}}, url.Values{"access_type": {"offline"}, "prompt": {"consent"}, "scope": {"a must profile"}}},
		"prompt and hint": {
			nil,
			sdk.AuthorizeRequest{Prompt: "login", LoginHint: "ada@example.org", State: "s", Nonce: "n", CodeChallenge: "c", RedirectURI: "r"},
			url.Values{"access_type": {"offline"}, "prompt": {"login"}, "scope": {"profile must"}, "login_hint": {"ada@example.org"}},
		},
		"the vendor's own ways": {
			func(c *oauth2.Config) { c.LoginHintParam, c.ScopeSeparator, c.Params = "login", ",", nil },
			sdk.AuthorizeRequest{LoginHint: "ada"},
			url.Values{"scope": {"profile,must"}, "login": {"ada"}},
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			config := config
			if test.change != nil {
				test.change(&config)
			}
			p, err := oauth2.New(sdkConfig(t, nil), config)
			if err != nil {
				t.Fatal(err)
			}
			// Twice, since the first must leave no trace in the second.
			for range 2 {
				got, err := p.AuthorizeParams(t.Context(), test.in)
				if err != nil {
					t.Fatal(err)
				}
				if diff := cmp.Diff(got, sdk.AuthorizeParams{Endpoint: "https://acme.example/authorize", Params: test.want}); diff != "" {
					t.Errorf("params (got -, want +):\n%s", diff)
				}
			}
		})
	}
}

func TestCapabilitiesAreWhatIsConfigured(t *testing.T) {
	always := []sdk.Capability{sdk.CapabilityRefresh, sdk.CapabilityCheck}
	tests := map[string]struct {
		change func(*oauth2.Config)
		want   []sdk.Capability
	}{
		"plain":      {func(*oauth2.Config) {}, always},
		"RFC 7009":   {func(c *oauth2.Config) { c.Endpoint.Revoke = "https://acme.example/revoke" }, []sdk.Capability{sdk.CapabilityRefresh, sdk.CapabilityRevocation, sdk.CapabilityCheck}},
		"own revoke": {func(c *oauth2.Config) { c.Revoke = noRevoke }, []sdk.Capability{sdk.CapabilityRefresh, sdk.CapabilityRevocation, sdk.CapabilityCheck}},
		"password": {
			func(c *oauth2.Config) { c.Password, c.Endpoint.Authorize = true, "" },
			[]sdk.Capability{sdk.CapabilityRefresh, sdk.CapabilityPassword, sdk.CapabilityCheck},
		},
		"password and revoke": {
			func(c *oauth2.Config) { c.Password, c.Revoke = true, noRevoke },
			[]sdk.Capability{sdk.CapabilityRefresh, sdk.CapabilityRevocation, sdk.CapabilityPassword, sdk.CapabilityCheck},
		},
	}
	for name, test := range tests {
		config := acme()
		test.change(&config)
		p, err := oauth2.New(sdkConfig(t, nil), config)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if diff := cmp.Diff(sdk.Capabilities(p), test.want); diff != "" {
			t.Errorf("%s (got -, want +):\n%s", name, diff)
		}
	}
}

func noRevoke(context.Context, *oauth2.Client, *sdk.Token) error { return errors.New("own revoke") }

func TestOwnRevoke(t *testing.T) {
	config := acme()
	config.Revoke = noRevoke
	p, err := oauth2.New(sdkConfig(t, nil), config)
	if err != nil {
		t.Fatal(err)
	}
	if err := p.(sdk.Revoker).RevokeToken(t.Context(), &sdk.Token{AccessToken: "a"}); err == nil || err.Error() != "own revoke" {
		t.Errorf("got %v, want the type's own", err)
	}
}

func TestGetUserInfo(t *testing.T) {
	tests := map[string]struct {
		answer string
		want   *sdk.User // nil: refused
	}{
		"a user":              {`{"id":7,"login":"ada"}`, &sdk.User{Sub: "7", PreferredUsername: "ada", Claims: []byte(`{"id":7,"login":"ada"}`)}},
		"an id beyond 2^53":   {`{"id":9007199254740993}`, &sdk.User{Sub: "9007199254740993", Claims: []byte(`{"id":9007199254740993}`)}},
		"nobody":              {`{"login":"ada"}`, nil},
		"an id with newline":  {`{"id":"a\nb"}`, &sdk.User{Sub: `"a\nb"`, Claims: []byte(`{"id":"a\nb"}`)}},
		"an id that is long":  {`{"id":` + strings.Repeat("1", 256) + `}`, nil},
		"an id beyond ASCII":  {`{"id":"é"}`, nil},
		"a list":              {`[]`, nil},
		"two spellings of id": {`{"id":7,"Id":8}`, nil},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			config := acme()
			config.Endpoint.UserInfo = newEndpoint(t, saysJSON(200, test.answer)).URL
			p, err := oauth2.New(sdkConfig(t, nil), config)
			if err != nil {
				t.Fatal(err)
			}
			got, err := p.GetUserInfo(t.Context(), &sdk.Token{AccessToken: "a"})
			if diff := cmp.Diff(got, test.want); diff != "" {
				t.Errorf("user (got -, want +):\n%s", diff)
			}
			if (err == nil) != (test.want != nil) {
				t.Errorf("got error %v", err)
			}
		})
	}
}

func TestGetUserInfoWithoutEndpoint(t *testing.T) {
	config := acme()
	config.Endpoint.UserInfo = ""
	config.Map = func(_ context.Context, _ *oauth2.Client, raw json.RawMessage, tok *sdk.Token) (*sdk.User, error) {
		if raw != nil {
			t.Errorf("got %s, want nothing", raw)
		}
		o, err := oauth2.ParseObject(tok.Extra)
		return &sdk.User{Sub: o.String("user_id"), Claims: tok.Extra}, err
	}
	p, err := oauth2.New(sdkConfig(t, nil), config)
	if err != nil {
		t.Fatal(err)
	}
	u, err := p.GetUserInfo(t.Context(), &sdk.Token{AccessToken: "a", Extra: []byte(`{"user_id":"u1"}`)})
	if err != nil || u.Sub != "u1" {
		t.Errorf("got %+v, error %v", u, err)
	}
}

// startIDP runs the developer identity provider.
func startIDP(t *testing.T) *devidp.Server {
	t.Helper()
	idp, err := devidp.Start(devidp.Options{SigningAlg: "ES256", RefreshAlways: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = idp.Close() })
	return idp
}

// at devidp: plain OAuth 2.0, without the scope openid.
func atIDP(idp *devidp.Server) oauth2.Config {
	return oauth2.Config{
		ClientID: "demo", ClientSecret: "demo-secret", AuthStyle: oauth2.AuthBasic,
		Endpoint: oauth2.Endpoint{
			Authorize: idp.EndpointURL(devidp.EndpointAuthorize), Token: idp.EndpointURL(devidp.EndpointToken),
			UserInfo: idp.EndpointURL(devidp.EndpointUserInfo), Revoke: idp.EndpointURL(devidp.EndpointRevoke),
		},
		Map: func(_ context.Context, _ *oauth2.Client, raw json.RawMessage, _ *sdk.Token) (*sdk.User, error) {
			o, err := oauth2.ParseObject(raw)
			return &sdk.User{Sub: o.String("sub"), Name: o.String("name")}, err
		},
	}
}

// codeFrom signs a user in at the identity provider, as authd would send them there, and returns the exchange.
func codeFrom(t *testing.T, idp *devidp.Server, p sdk.Provider, user string) sdk.CodeExchange {
	t.Helper()
	const callback = "http://127.0.0.1:9/auth/oauth/acme/callback"
	verifier := xoauth2.GenerateVerifier()
	params, err := p.AuthorizeParams(t.Context(), sdk.AuthorizeRequest{})
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
	if err != nil || u.Query().Get("code") == "" {
		t.Fatalf("got %q, error %v; want a code", back, err)
	}
	return sdk.CodeExchange{Code: u.Query().Get("code"), RedirectURI: callback, CodeVerifier: verifier}
}

// A whole life: sign in, renew, revoke, renew no more.
func TestAgainstAnIdentityProvider(t *testing.T) {
	idp := startIDP(t)
	p, err := oauth2.New(sdkConfig(t, nil), atIDP(idp))
	if err != nil {
		t.Fatal(err)
	}
	in := codeFrom(t, idp, p, "grace")
	token, err := p.GetToken(t.Context(), in)
	if err != nil {
		t.Fatal(err)
	}
	u, err := p.GetUserInfo(t.Context(), token)
	if err != nil || u.Name != "Grace Marlowind" {
		t.Fatalf("got %+v, error %v; want Grace", u, err)
	}
	renewed, err := p.(sdk.Refresher).RefreshToken(t.Context(), token)
	if err != nil || renewed.AccessToken == token.AccessToken || renewed.RefreshToken == "" {
		t.Fatalf("got %+v, error %v; want new tokens", renewed, err)
	}
	if err := p.(sdk.Revoker).RevokeToken(t.Context(), renewed); err != nil {
		t.Fatal(err)
	}
	// Threat 39: a refused refresh is the user's end, not a fault of the identity provider.
	_, err = p.(sdk.Refresher).RefreshToken(t.Context(), renewed)
	if got := typed(t, err); got.Source != sdk.SourceUser || got.Code != "invalid_grant" {
		t.Errorf("got %v, want invalid_grant of the user", err)
	}
	// The same code again.
	_, err = p.GetToken(t.Context(), in)
	if got := typed(t, err); got.Source != sdk.SourceUser || got.Code != "invalid_grant" {
		t.Errorf("got %v, want invalid_grant of the user", err)
	}
}

func TestPasswordLogin(t *testing.T) {
	idp := startIDP(t)
	config := atIDP(idp)
	config.Password, config.Endpoint.Authorize = true, ""
	p, err := oauth2.New(sdkConfig(t, nil), config)
	if err != nil {
		t.Fatal(err)
	}
	login := p.(sdk.PasswordLogin)
	token, err := login.PasswordLogin(t.Context(), sdk.Credentials{Username: "ada", Password: "ada-password"})
	if err != nil {
		t.Fatal(err)
	}
	if u, err := p.GetUserInfo(t.Context(), token); err != nil || u.Name != "Ada Quillfeather" {
		t.Errorf("got %+v, error %v; want Ada", u, err)
	}
	_, err = login.PasswordLogin(t.Context(), sdk.Credentials{Username: "ada", Password: "wrong"})
	if got := typed(t, err); got.Source != sdk.SourceUser || got.Code != "invalid_grant" {
		t.Errorf("got %v, want invalid_grant of the user", err)
	}
}

func TestCheck(t *testing.T) {
	const ok, warning, bad = sdk.SeverityOK, sdk.SeverityWarning, sdk.SeverityError
	tests := map[string]struct {
		change func(*oauth2.Config)
		fault  map[string]devidp.Fault
		want   []sdk.Severity
		says   string
	}{
		"all is well":  {nil, nil, []sdk.Severity{ok, ok, ok}, "takes the client's credentials"},
		"wrong secret": {func(c *oauth2.Config) { c.ClientSecret = "wrong" }, nil, []sdk.Severity{bad, bad, ok, ok}, "client_secret is not accepted"},
		"clock": {
			nil,
			map[string]devidp.Fault{devidp.EndpointUserInfo: {Header: http.Header{"Date": {"Mon, 02 Jan 2006 15:04:05 GMT"}}}},
			[]sdk.Severity{ok, ok, warning},
			"ahead of the identity provider's",
		},
		"clock the other way": {
			nil,
			map[string]devidp.Fault{devidp.EndpointUserInfo: {Header: http.Header{"Date": {"Mon, 02 Jan 2090 15:04:05 GMT"}}}},
			[]sdk.Severity{ok, ok, warning},
			"behind the identity provider's",
		},
		"token endpoint down": {nil, map[string]devidp.Fault{devidp.EndpointToken: {Status: 503}}, []sdk.Severity{bad, ok, ok}, "can't be used"},
		"token endpoint says invalid_request": {
			nil,
			map[string]devidp.Fault{devidp.EndpointToken: {Error: "invalid_request"}},
			[]sdk.Severity{ok, ok, ok},
			"answers (invalid_request)",
		},
		"token endpoint is a page": {
			nil,
			map[string]devidp.Fault{devidp.EndpointToken: {Status: 405, Body: "<html>", ContentType: "text/html"}},
			[]sdk.Severity{warning, ok, ok},
			"without an error code",
		},
		"tokens for anything": {nil, map[string]devidp.Fault{devidp.EndpointToken: {Body: goodToken}}, []sdk.Severity{bad, ok, ok}, "do not trust"},
		"userinfo is gone":    {nil, map[string]devidp.Fault{devidp.EndpointUserInfo: {Status: 404, Body: "{}"}}, []sdk.Severity{ok, bad}, "HTTP 404"},
		"userinfo is down":    {nil, map[string]devidp.Fault{devidp.EndpointUserInfo: {Status: 500}}, []sdk.Severity{ok, bad}, "can't be used"},
	}
	idp := startIDP(t)
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			idp.Clear()
			for endpoint, fault := range test.fault {
				idp.Fault(endpoint, fault)
			}
			config := atIDP(idp)
			if test.change != nil {
				test.change(&config)
			}
			p, err := oauth2.New(sdkConfig(t, nil), config)
			if err != nil {
				t.Fatal(err)
			}
			found, err := p.(sdk.Checker).Check(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			var got []sdk.Severity
			var text strings.Builder
			for _, d := range found {
				got = append(got, d.Severity)
				text.WriteString(d.String() + "\n")
			}
			if diff := cmp.Diff(got, test.want); diff != "" || !strings.Contains(text.String(), test.says) {
				t.Errorf("severities (got -, want +):\n%s\nthe text should hold %q:\n%s", diff, test.says, &text)
			}
		})
	}
}
