package oidc_test

import (
	"encoding/base64"
	"encoding/json"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/authd/authd/sdk"
	"github.com/authd/authd/sdk/devidp"
	"github.com/authd/authd/sdk/oauth2"
	"github.com/authd/authd/sdk/oidc"
)

// manyIssuers is a configuration for an identity provider that serves the tenants "a" and "b" under one document.
func manyIssuers(idp *devidp.Server) oidc.Config {
	c := at(idp)
	c.Discovery = idp.URL() + "/.well-known/openid-configuration"
	c.Issuer = idp.URL() + "/{tenantid}"
	c.IssuerOf = func(claims oauth2.Object) (string, error) {
		if tid := claims.String("tid"); tid == "a" || tid == "b" {
			return idp.URL() + "/" + tid, nil
		}
		return "", sdk.UserErrorf("access_denied", "the tenant is not let in")
	}
	return c
}

// startTenants starts an identity provider of many tenants, whose tokens are those of tid, signed by a key that is
// bound to keyIssuer ("" = to none).
func startTenants(t *testing.T, tid, keyIssuer string) *devidp.Server {
	t.Helper()
	idp := startIDP(t, devidp.Options{})
	idp.Fault(devidp.EndpointDiscovery, devidp.Fault{EditBody: func(body map[string]any) { body["issuer"] = idp.URL() + "/{tenantid}" }})
	idp.Fault(devidp.EndpointToken, devidp.Fault{EditClaims: func(claims map[string]any) { claims["iss"], claims["tid"] = idp.URL()+"/"+tid, tid }})
	if keyIssuer != "" {
		idp.Fault(devidp.EndpointJWKS, devidp.Fault{EditBody: func(body map[string]any) { bindKeys(t, body, idp.URL()+keyIssuer) }})
	}
	return idp
}

func bindKeys(t *testing.T, body map[string]any, issuer string) {
	raw, err := json.Marshal(body["keys"])
	if err != nil {
		t.Error(err)
		return
	}
	var keys []map[string]any
	if err := json.Unmarshal(raw, &keys); err != nil {
		t.Error(err)
		return
	}
	for _, key := range keys {
		key["issuer"] = issuer
	}
	body["keys"] = keys
}

// Threat 26: one key set for many issuers; each token is one issuer's, and signed by a key that may speak for it.
func TestIssuerOf(t *testing.T) {
	tests := map[string]struct {
		tid, key string
		source   sdk.Source // 0 = let in
	}{
		"a tenant":                  {"a", "", 0},
		"the other":                 {"b", "", 0},
		"one that is not let in":    {"c", "", sdk.SourceUser},
		"key of every tenant":       {"a", "/{tenantid}", 0},
		"key of this tenant":        {"a", "/a", 0},
		"key of the other tenant":   {"a", "/b", sdk.SourceUpstream},
		"key of a longer name":      {"a", "/{tenantid}b", sdk.SourceUpstream},
		"template for a tenant":     {"{tenantid}", "/{tenantid}", sdk.SourceUser},
		"key of somewhere entirely": {"b", ".example.net/{tenantid}", sdk.SourceUpstream},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			idp := startTenants(t, test.tid, test.key)
			in := sdk.AuthorizeRequest{Scope: []string{"openid"}}
			p := newProvider(t, manyIssuers(idp))
			exchange := authorize(t, idp, p, in)
			exchange.Params = nil // an identity provider of this kind sends no iss
			token, err := p.GetToken(t.Context(), exchange)
			if test.source == 0 && err != nil || test.source != 0 && typed(t, err).Source != test.source {
				t.Errorf("got %v, error %v; want source %v", token, err, test.source)
			}
		})
	}
}

// A key's issuer is no claim of everybody's: an ordinary identity provider's keys are its own, whatever is beside them.
func TestKeyIssuerElsewhere(t *testing.T) {
	idp := startIDP(t, devidp.Options{})
	idp.Fault(devidp.EndpointJWKS, devidp.Fault{EditBody: func(body map[string]any) { bindKeys(t, body, "https://other.example") }})
	mustLogin(t, idp, newProvider(t, at(idp)))
}

func TestIssuerPattern(t *testing.T) {
	idp := startIDP(t, devidp.Options{})
	c := at(idp)
	c.IssuerSetting, c.Issuer, c.Discovery = "tenant", "", idp.URL()+"/.well-known/openid-configuration"
	for pattern, good := range map[string]bool{
		`^` + regexp.QuoteMeta(idp.URL()) + `$`: true, `http://[a-z0-9.]+:[0-9]+`: true,
		`http://`: false, `^https://.*$`: false, `127\.0\.0\.1`: false,
	} {
		c.IssuerPattern = regexp.MustCompile(pattern)
		p, err := oidc.New(t.Context(), sdkConfig(t), c)
		if good != (err == nil) {
			t.Errorf("%s: got error %v, want one: %v", pattern, err, !good)
			continue
		}
		if !good {
			if got := typed(t, err); got.Source != sdk.SourceConfig || got.Diagnostics[0].Setting != "tenant" {
				t.Errorf("%s: got %v, want source config that names the setting", pattern, err)
			}
			continue
		}
		if got := p.(sdk.OpenID).Metadata().Issuer; got != idp.URL() {
			t.Errorf("%s: got issuer %q", pattern, got)
		}
		mustLogin(t, idp, p)
	}
}

// The issuer that was learned at the start stays: a name that is given to somebody else brings nobody in.
func TestIssuerPatternIsPinned(t *testing.T) {
	idp := startIDP(t, devidp.Options{})
	clock := newClock()
	c := at(idp)
	c.Now, c.Issuer, c.Discovery, c.IssuerPattern = clock.Now, "", idp.URL()+"/.well-known/openid-configuration", regexp.MustCompile(`.*`)
	p := newProvider(t, c)
	idp.Fault(devidp.EndpointDiscovery, devidp.Fault{EditBody: func(body map[string]any) { body["issuer"] = "http://127.0.0.1:9/other" }})
	idp.Fault(devidp.EndpointToken, devidp.Fault{EditClaims: func(claims map[string]any) { claims["iss"] = "http://127.0.0.1:9/other" }})
	clock.Turn(2 * time.Hour)
	if token, err := login(t, idp, p); err == nil {
		t.Errorf("got %v, want the token of another issuer refused", token)
	}
	if idp.RequestCount(devidp.EndpointDiscovery) < 2 {
		t.Error("the discovery document was not read again, so nothing was tried")
	}
	if got := p.(sdk.OpenID).Metadata().Issuer; got != idp.URL() {
		t.Errorf("the issuer became %q", got)
	}
}

// Where there is no discovery document, the message names the setting that led there.
func TestNoDocumentThere(t *testing.T) {
	idp := startIDP(t, devidp.Options{})
	for _, status := range []int{400, 404, 500} {
		idp.Fault(devidp.EndpointDiscovery, devidp.Fault{Status: status})
		c := at(idp)
		c.IssuerSetting = "tenant"
		_, err := oidc.New(t.Context(), sdkConfig(t), c)
		got := typed(t, err)
		named := slices.ContainsFunc(got.Diagnostics, func(d sdk.Diagnostic) bool { return d.Setting == "tenant" })
		if got.Source != sdk.SourceUpstream || got.HTTPStatus != status || named != (status < 500) {
			t.Errorf("%d: got %v, want source upstream, and the setting named below 500", status, err)
		}
	}
}

// Threat 73: a sign-out page of the identity provider's own kind, and none at all.
func TestLogoutPage(t *testing.T) {
	page := oidc.Logout{URL: "https://id.example.com/v2/logout", ReturnTo: "returnTo"}
	always := page
	always.Always = true
	for name, test := range map[string]struct {
		logout   oidc.Logout
		endpoint bool // the discovery document has one
		want     url.Values
		own      bool
	}{
		"only where there is none": {page, true, nil, false},
		"there is none":            {page, false, url.Values{"returnTo": {callback}}, true},
		"always":                   {always, true, url.Values{"returnTo": {callback}}, true},
		"no name for the way back": {oidc.Logout{URL: page.URL}, false, url.Values{}, true},
	} {
		idp := startIDP(t, devidp.Options{})
		if !test.endpoint {
			idp.Fault(devidp.EndpointDiscovery, devidp.Fault{EditBody: func(body map[string]any) { delete(body, "end_session_endpoint") }})
		}
		c := at(idp)
		c.Logout = test.logout
		to, err := newProvider(t, c).(sdk.EndSessioner).EndSession(t.Context(), sdk.EndSessionRequest{PostLogoutRedirectURI: callback})
		if err != nil {
			t.Fatal(err)
		}
		if own := strings.HasPrefix(to, page.URL+"?"); own != test.own {
			t.Errorf("%s: got %q", name, to)
			continue
		}
		u, err := url.Parse(to)
		if err != nil {
			t.Fatal(err)
		}
		want := url.Values{"client_id": {"demo"}, "post_logout_redirect_uri": {callback}}
		for param, values := range test.want {
			want[param] = values
		}
		if diff := cmp.Diff(u.Query(), want); diff != "" {
			t.Errorf("%s (got -, want +):\n%s", name, diff)
		}
	}
}

func TestNoLogoutPage(t *testing.T) {
	idp := startIDP(t, devidp.Options{})
	idp.Fault(devidp.EndpointDiscovery, devidp.Fault{EditBody: func(body map[string]any) { delete(body, "end_session_endpoint") }})
	if got := sdk.Capabilities(newProvider(t, at(idp))); slices.Contains(got, sdk.CapabilityEndSession) || !slices.Contains(got, sdk.CapabilityRevocation) {
		t.Errorf("got capabilities %v, want no end_session, and revocation", got)
	}
	c := at(idp)
	c.IssuerSetting, c.Logout = "domain", oidc.Logout{URL: "http://id.example.com/logout"}
	_, err := oidc.New(t.Context(), sdkConfig(t), c)
	if got := typed(t, err); got.Source != sdk.SourceConfig || got.Diagnostics[0].Setting != "domain" {
		t.Errorf("a logout page by plain http: got %v, want source config that names the setting", err)
	}
}

// Threat 28: nothing about a token is looked at before it is whole, the tenant neither.
func TestIssuerOfAfterSignature(t *testing.T) {
	idp := startTenants(t, "a", "")
	c := manyIssuers(idp)
	asked := 0
	c.IssuerOf = func(oauth2.Object) (string, error) { asked++; return idp.URL() + "/a", nil }
	p := newProvider(t, c)
	claims := base64.RawURLEncoding.EncodeToString([]byte(`{"iss":"` + idp.URL() + `/a","tid":"a","sub":"x"}`))
	header := base64.RawURLEncoding.EncodeToString([]byte(`{"alg":"ES256","kid":"` + idp.KeyID() + `"}`))
	_, err := p.GetUserInfo(t.Context(), &sdk.Token{AccessToken: "x", IDToken: header + "." + claims + "." + strings.Repeat("A", 86)})
	wantUpstream(t, err)
	if asked > 0 {
		t.Error("the tenant of a token that nobody signed was looked up")
	}
}

func TestScopesAlways(t *testing.T) {
	idp := startIDP(t, devidp.Options{})
	c := at(idp)
	c.Scopes = []string{"profile", "email"}
	p := newProvider(t, c)
	for in, want := range map[string]string{"": "openid profile email", "email": "openid email profile", "openid x profile": "openid x profile email"} {
		got, err := p.AuthorizeParams(t.Context(), sdk.AuthorizeRequest{Scope: strings.Fields(in)})
		if err != nil || got.Params.Get("scope") != want {
			t.Errorf("%q: got %q, error %v; want %q", in, got.Params.Get("scope"), err, want)
		}
	}
}
