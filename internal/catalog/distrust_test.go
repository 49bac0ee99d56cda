package catalog

import (
	"encoding/json"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/authd/authd/sdk"
)

// Threat 137: what Configure says is judged, and decides what the provider is held to.
func TestCheckConfigured(t *testing.T) {
	openid := []sdk.Capability{sdk.CapabilityOpenID}
	password := []sdk.Capability{sdk.CapabilityPassword}
	configured := func(issuer, endpoint string, capabilities []sdk.Capability) sdk.Configured {
		return sdk.Configured{Metadata: sdk.Metadata{Issuer: issuer}, AuthorizationEndpoint: endpoint, Capabilities: capabilities}
	}
	typed := func(responseType string, capabilities []sdk.Capability) sdk.Configured {
		c := configured("https://idp.example", "https://idp.example/a", capabilities)
		c.ResponseType = responseType
		return c
	}
	oneOrigin := pins{authorize: "https://idp.example:443", issuer: "https://idp.example", declared: []string{"https://idp.example:443", "https://idp.example:443"}}
	for _, test := range []struct {
		name     string
		in       sdk.Configured
		insecure bool
		want     pins
		wantErr  string
	}{
		{"OAuth 2.0", configured("", "https://IdP.example/authorize?x=y", nil), false, pins{authorize: "https://idp.example:443", declared: []string{"https://idp.example:443"}}, ""},
		{
			"OpenID", configured("https://issuer.example/r", "https://idp.example:8443/a", openid), false,
			pins{authorize: "https://idp.example:8443", issuer: "https://issuer.example/r", declared: []string{"https://issuer.example:443", "https://idp.example:8443"}},
			"",
		},
		{"password", configured("", "", password), false, pins{}, ""},
		{"loopback", configured("", "http://127.0.0.1:8080/a", nil), false, pins{authorize: "http://127.0.0.1:8080", declared: []string{"http://127.0.0.1:8080"}}, ""},
		{"loopback by name", configured("", "http://localhost/a", nil), false, pins{authorize: "http://localhost:80", declared: []string{"http://localhost:80"}}, ""},
		{"insecure", configured("", "http://[fd00::1]/a", nil), true, pins{insecure: true, authorize: "http://[fd00::1]:80", declared: []string{"http://[fd00::1]:80"}}, ""},
		{"plain http", configured("", "http://idp.example/a", nil), false, pins{}, "authorization endpoint is plain http; use https, or set insecure_http"},
		{"loopback in a name", configured("", "http://127.0.0.1.evil.example/a", nil), false, pins{}, "plain http"},
		{"code", typed("code", openid), false, oneOrigin, ""},
		{"hybrid", typed("code id_token", openid), false, oneOrigin, ""},
		{"hybrid without OpenID", sdk.Configured{Metadata: sdk.Metadata{ResponseType: "code id_token"}, AuthorizationEndpoint: "https://idp.example/a"}, false, pins{}, "no OpenID provider, which could verify it"},
		{"implicit", typed("id_token", openid), false, pins{}, `asks for the response type "id_token"; authd knows "code" and "code id_token"`},
		{"a token in front", typed("code id_token token", openid), false, pins{}, "asks for the response type"},
		{"hybrid the other way round", typed("id_token code", openid), false, pins{}, "asks for the response type"},
		{"a response type of no kind", typed("code\n"+strings.Repeat("x", 9999), openid), false, pins{}, "asks for the response type"},
		{"nothing", configured("", "", nil), false, pins{}, "declares no authorization endpoint and takes no password"},
		{"OpenID without issuer", configured("", "https://idp.example/a", openid), false, pins{}, "names no issuer"},
		{"issuer without OpenID", configured("https://accounts.google.com", "https://idp.example/a", nil), false, pins{}, "does not say it is an OpenID provider"},
		{"issuer is no URL", configured("issuer", "https://idp.example/a", openid), false, pins{}, "issuer is not an absolute http or https URL"},
		{"issuer with a query", configured("https://idp.example?", "https://idp.example/a", openid), false, pins{}, "issuer holds a query"},
		{"issuer with a fragment", configured("https://idp.example#x", "https://idp.example/a", openid), false, pins{}, "issuer holds a fragment"},
	} {
		t.Run(test.name, func(t *testing.T) {
			got, err := checkConfigured(&test.in, test.insecure)
			fails(t, "checkConfigured", err, test.wantErr)
			if err != nil {
				return
			}
			test.want.endpoint = test.in.AuthorizationEndpoint
			if diff := cmp.Diff(test.want, got, cmp.AllowUnexported(pins{})); diff != "" {
				t.Errorf("pins (-want +got):\n%s", diff)
			}
		})
	}
}

// Threat 136: the parameters of a redirect are few and short.
func TestCheckAuthorizeParameters(t *testing.T) {
	held := pins{authorize: "https://idp.example:443"}
	many := url.Values{}
	for i := range paramsMax + 1 {
		many.Set(fmt.Sprint(i), "x")
	}
	for want, params := range map[string]url.Values{
		"":                                 {"scope": {"openid email"}, "claims": {`{"userinfo":{}}`}},
		"more than 64 parameters":          many,
		"a parameter has no name":          {"": {"x"}},
		"a parameter's name has 257 bytes": {strings.Repeat("n", 257): {"x"}},
		"parameter x has 4097 bytes":       {"x": {strings.Repeat("v", 4097)}},
		"parameter y is not UTF-8":         {"y": {"\xff"}},
		"parameter z holds a control":      {"z": {"a\r\nb"}},
	} {
		err := held.checkAuthorize(sdk.AuthorizeParams{Endpoint: "https://idp.example/a", Params: params})
		fails(t, "checkAuthorize", err, want)
	}
}

// Threat 136, 137: a token is bounded, and an expiry that can't be is none.
func TestCheckToken(t *testing.T) {
	fine := sdk.Token{AccessToken: "a", Extra: json.RawMessage(` {"x":1}`), Expiry: time.Now()}
	for _, test := range []struct {
		name   string
		change func(*sdk.Token)
		want   string
	}{
		{"fine", func(*sdk.Token) {}, ""},
		{"only an ID token", func(t *sdk.Token) { *t = sdk.Token{IDToken: "x"} }, ""},
		{"only extra", func(t *sdk.Token) { *t = sdk.Token{Extra: json.RawMessage(`{}`)} }, ""},
		{"empty", func(t *sdk.Token) { *t = sdk.Token{RefreshToken: "r"} }, "the token is empty"},
		{"long access token", func(t *sdk.Token) { t.AccessToken = strings.Repeat("x", tokenMax+1) }, "access token has 65537 bytes"},
		{"long refresh token", func(t *sdk.Token) { t.RefreshToken = strings.Repeat("x", tokenMax+1) }, "refresh token has 65537 bytes"},
		{"ID token in lines", func(t *sdk.Token) { t.IDToken = "a\nb" }, "ID token holds a control character"},
		{"token type", func(t *sdk.Token) { t.TokenType = "\xff" }, "token type is not UTF-8"},
		{"many scopes", func(t *sdk.Token) { t.Scope = make([]string, scopesMax+1) }, "scope has 257 entries"},
		{"a long scope", func(t *sdk.Token) { t.Scope = []string{strings.Repeat("x", nameMax+1)} }, "scope has 257 bytes"},
		{"extra is a list", func(t *sdk.Token) { t.Extra = json.RawMessage(`[1]`) }, "extra part is not a JSON object"},
		{"extra is broken", func(t *sdk.Token) { t.Extra = json.RawMessage(`{"x":`) }, "extra part is not a JSON object"},
		{"extra is huge", func(t *sdk.Token) { t.Extra = make([]byte, jsonMax+1) }, "extra part has 524289 bytes"},
	} {
		token := fine
		test.change(&token)
		fails(t, test.name, checkToken(&token), test.want)
	}
	fails(t, "nil", checkToken(nil), "the token is empty")
	for _, expiry := range []time.Time{time.Unix(-1e10, 0), time.Unix(1e12, 0)} {
		token := sdk.Token{AccessToken: "a", Expiry: expiry}
		if err := checkToken(&token); err != nil || !token.Expiry.IsZero() {
			t.Errorf("checkToken with expiry %v: %v, then %v; want it to be forgotten", expiry, err, token.Expiry)
		}
	}
}

// Threat 136, 137: a user is somebody, and fits.
func TestCheckUser(t *testing.T) {
	for _, test := range []struct {
		name   string
		change func(*sdk.User)
		want   string
	}{
		{"fine", func(u *sdk.User) {
			u.Groups, u.Claims = []string{"a b", "Grüße"}, json.RawMessage(`{"id":9007199254740993}`)
		}, ""},
		{"no sub", func(u *sdk.User) { u.Sub = "" }, "the user has no sub"},
		{"blank sub", func(u *sdk.User) { u.Sub = " \t" }, "the user has no sub"},
		{"long sub", func(u *sdk.User) { u.Sub = strings.Repeat("x", 256) }, "sub has 256 bytes, more than 255"},
		{"sub in lines", func(u *sdk.User) { u.Sub = "1\n2" }, "sub holds a control character"},
		{"name in lines", func(u *sdk.User) { u.Name = "Ann\r\nX-Admin: 1" }, "name holds a control character"},
		{"e-mail", func(u *sdk.User) { u.Email = strings.Repeat("x", 513) }, "email has 513 bytes"},
		{"user name", func(u *sdk.User) { u.PreferredUsername = "\xff" }, "preferred_username is not UTF-8"},
		{"many groups", func(u *sdk.User) { u.Groups = make([]string, groupsMax+1) }, "groups has 2001 entries"},
		{"group in lines", func(u *sdk.User) { u.Groups = []string{"a", "b\x00"} }, "groups holds a control character"},
		{"claims are text", func(u *sdk.User) { u.Claims = json.RawMessage(`"x"`) }, "the raw claims is not a JSON object"},
		{"sid", func(u *sdk.User) { u.SID = strings.Repeat("x", 257) }, "sid has 257 bytes"},
	} {
		user := sdk.User{Sub: "1"}
		test.change(&user)
		fails(t, test.name, checkUser(&user), test.want)
	}
	fails(t, "nil", checkUser(nil), "the user has no sub")
	user := sdk.User{Sub: "1", Picture: "data:image/png;base64," + strings.Repeat("A", 50<<10)}
	if err := checkUser(&user); err != nil || user.Picture != "" {
		t.Errorf("checkUser with a huge picture: %v, %d bytes left", err, len(user.Picture))
	}
}

func TestCheckLogoutToken(t *testing.T) {
	held := pins{issuer: "https://idp.example"}
	for _, test := range []struct {
		token *sdk.LogoutToken
		want  string
	}{
		{&sdk.LogoutToken{Issuer: "https://idp.example", Sub: "1", ID: "j"}, ""},
		{&sdk.LogoutToken{Issuer: "https://idp.example", SID: "s", ID: "j"}, ""},
		{nil, "neither sub nor sid"},
		{&sdk.LogoutToken{Issuer: "https://idp.example", ID: "j"}, "neither sub nor sid"},
		{&sdk.LogoutToken{Issuer: "https://other.example", Sub: "1", ID: "j"}, "of another issuer"},
		{&sdk.LogoutToken{Issuer: "https://idp.example", Sub: "1"}, "has no jti"},
		{&sdk.LogoutToken{Issuer: "https://idp.example", Sub: "1", ID: strings.Repeat("j", 257)}, "jti has 257 bytes"},
	} {
		fails(t, fmt.Sprintf("%+v", test.token), held.checkLogoutToken(test.token), test.want)
	}
}

// Threat 132, 133: a manifest can't ask for what is not meant for a plugin.
func TestCheckManifest(t *testing.T) {
	fine := func() *sdk.Manifest {
		return &sdk.Manifest{Version: "v1", Types: []sdk.Type{{
			Name: "acme", Label: "Acme", DocsURL: "https://acme.example/docs", Icon: "<svg/>", Identifier: "email",
			Scopes: []string{"openid"}, Prompts: []string{"login"}, Settings: sdk.ClientSettings("OAUTH_ACME"),
		}}}
	}
	for _, test := range []struct {
		name   string
		change func(*sdk.Manifest, *sdk.Type)
		want   string
	}{
		{"fine", func(*sdk.Manifest, *sdk.Type) {}, ""},
		{"no types", func(m *sdk.Manifest, _ *sdk.Type) { m.Types = nil }, "serves 0 types"},
		{"many types", func(m *sdk.Manifest, _ *sdk.Type) { m.Types = make([]sdk.Type, 65) }, "serves 65 types"},
		{"twice", func(m *sdk.Manifest, _ *sdk.Type) { m.Types = append(m.Types, m.Types[0]) }, "serves type acme twice"},
		{"version", func(m *sdk.Manifest, _ *sdk.Type) { m.Version = "v1\n" }, "version holds a control character"},
		{"name", func(_ *sdk.Manifest, t *sdk.Type) { t.Name = "../x\n" }, `type ../x\n: the name is not`},
		{"no label", func(_ *sdk.Manifest, t *sdk.Type) { t.Label = "" }, "type acme: has no label"},
		{"label", func(_ *sdk.Manifest, t *sdk.Type) { t.Label = "a\x1b" }, "the label holds a control character"},
		{"identifier", func(_ *sdk.Manifest, t *sdk.Type) { t.Identifier = "phone" }, "identifier is none of"},
		{"icon", func(_ *sdk.Manifest, t *sdk.Type) { t.Icon = strings.Repeat("x", iconMax+1) }, "the icon is not UTF-8 of at most 32768 bytes"},
		{"documentation", func(_ *sdk.Manifest, t *sdk.Type) { t.DocsURL = "javascript:alert(1)" }, "the documentation URL is not an absolute"},
		{"scopes", func(_ *sdk.Manifest, t *sdk.Type) { t.Scopes = []string{"\x00"} }, "scopes holds a control character"},
		{"many settings", func(_ *sdk.Manifest, t *sdk.Type) { t.Settings = make([]sdk.Setting, 65) }, "has 65 settings"},
		{"a setting twice", func(_ *sdk.Manifest, t *sdk.Type) { t.Settings = append(t.Settings, t.Settings[0]) }, "has setting client_id twice"},
		{"setting's name", func(_ *sdk.Manifest, t *sdk.Type) { t.Settings[0].Name = "Client-ID" }, "setting Client-ID: the name is not"},
		{"another's environment", func(_ *sdk.Manifest, t *sdk.Type) { t.Settings[0].Env = "AUTHD_SESSION_SECRET" }, "the environment name does not begin with OAUTH_"},
		{"no environment", func(_ *sdk.Manifest, t *sdk.Type) { t.Settings[0].Env = "" }, ""},
		{"pattern", func(_ *sdk.Manifest, t *sdk.Type) { t.Settings[0].Pattern = "(" }, "the pattern does not compile"},
		{"help", func(_ *sdk.Manifest, t *sdk.Type) { t.Settings[0].Help = "a\nb" }, "the help holds a control character"},
	} {
		m := fine()
		m.Types[0].Settings = slices.Clone(m.Types[0].Settings)
		test.change(m, &m.Types[0])
		fails(t, test.name, checkManifest(m), test.want)
	}
}
