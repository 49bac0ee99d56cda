package oidc_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/authd/authd/sdk"
	"github.com/authd/authd/sdk/devidp"
	"github.com/authd/authd/sdk/oidc"
)

func TestCheck(t *testing.T) {
	const ok, warning, bad = sdk.SeverityOK, sdk.SeverityWarning, sdk.SeverityError
	tests := map[string]struct {
		change   func(*oidc.Config)
		endpoint string
		fault    devidp.Fault
		want     []sdk.Severity // discovery, clock, keys, token endpoint, userinfo
		says     string
	}{
		"all is well":  {nil, "", devidp.Fault{}, []sdk.Severity{ok, ok, ok, ok, ok}, "1 keys can verify signatures"},
		"wrong secret": {func(c *oidc.Config) { c.ClientSecret = "wrong" }, "", devidp.Fault{}, []sdk.Severity{ok, ok, ok, bad, bad, ok}, "client_secret is not accepted"},
		"clock": {
			nil, devidp.EndpointDiscovery,
			devidp.Fault{Header: http.Header{"Date": {"Mon, 02 Jan 2006 15:04:05 GMT"}}},
			[]sdk.Severity{ok, warning, ok, ok, ok},
			"NTP",
		},
		"no keys":        {nil, devidp.EndpointJWKS, devidp.Fault{Flaws: []devidp.Flaw{devidp.FlawNoKeys}}, []sdk.Severity{ok, ok, bad, ok, ok}, "none of its 0 keys"},
		"keys down":      {nil, devidp.EndpointJWKS, devidp.Fault{Status: 503}, []sdk.Severity{ok, ok, bad, ok, ok}, "keys can't be used"},
		"discovery down": {nil, devidp.EndpointDiscovery, devidp.Fault{Status: 503}, []sdk.Severity{bad, bad, ok, ok, ok}, "discovery document can't be used"},
		"issuer changed": {nil, devidp.EndpointDiscovery, devidp.Fault{Flaws: []devidp.Flaw{devidp.FlawOtherIssuer}}, []sdk.Severity{ok, ok, bad, ok, ok, ok}, "issuer leads to the issuer"},
		"userinfo gone":  {nil, devidp.EndpointUserInfo, devidp.Fault{Status: 404, Body: "{}"}, []sdk.Severity{ok, ok, ok, ok, bad}, "HTTP 404"},
		"no userinfo":    {func(c *oidc.Config) { c.NoUserInfo = true }, "", devidp.Fault{}, []sdk.Severity{ok, ok, ok, ok}, ""},
		"static": {func(c *oidc.Config) {
			c.NoDiscovery, c.Endpoint = true, oidc.Endpoint{Authorize: c.Issuer + "/authorize", Token: c.Issuer + "/token", JWKS: c.Issuer + "/jwks"}
		}, "", devidp.Fault{}, []sdk.Severity{ok, ok, ok, ok}, "the clocks agree"},
	}
	idp := startIDP(t, devidp.Options{})
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			idp.Clear()
			config := at(idp)
			if test.change != nil {
				test.change(&config)
			}
			p := newProvider(t, config)
			if test.endpoint != "" {
				idp.Fault(test.endpoint, test.fault)
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
			if strings.Contains(text.String(), "demo-secret") {
				t.Errorf("the secret is in the findings:\n%s", &text)
			}
		})
	}
}
