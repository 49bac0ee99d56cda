package oidc_test

import (
	"strings"
	"testing"
	"time"

	"github.com/authd/authd/sdk"
	"github.com/authd/authd/sdk/devidp"
	"github.com/authd/authd/sdk/oidc"
)

// Threat 47: every flaw of discovery is refused when the provider is made.
func TestFlawedDiscoveryIsRefused(t *testing.T) {
	idp := startIDP(t, devidp.Options{})
	for _, flaw := range devidp.Flaws(devidp.EndpointDiscovery) {
		t.Run(string(flaw), func(t *testing.T) {
			idp.Clear()
			idp.Fault(devidp.EndpointDiscovery, devidp.Fault{Flaws: []devidp.Flaw{flaw}})
			_, err := oidc.New(t.Context(), sdkConfig(t), at(idp))
			if !flaw.MustRefuse() {
				t.Fatalf("the test knows no flaw that may be survived, but this one: %v", err)
			}
			want := sdk.SourceUpstream
			if flaw == devidp.FlawOtherIssuer {
				want = sdk.SourceConfig // the issuer is what the operator wrote
			}
			if got := typed(t, err); got.Source != want {
				t.Errorf("got %v, want source %v", err, want)
			}
		})
	}
}

// Threat 47: the issuer is compared byte by byte, and the operator learns what to write.
func TestIssuerIsComparedByteByByte(t *testing.T) {
	idp := startIDP(t, devidp.Options{})
	for _, issuer := range []string{idp.Issuer() + "/", strings.Replace(idp.Issuer(), "http:", "HTTP:", 1)} {
		config := at(idp)
		config.Issuer, config.IssuerSetting = issuer, "base_url"
		_, err := oidc.New(t.Context(), sdkConfig(t), config)
		got := typed(t, err)
		if got.Source != sdk.SourceConfig || got.Diagnostics[0].Setting != "base_url" || !strings.Contains(err.Error(), `"`+idp.Issuer()+`"`) {
			t.Errorf("issuer %q: got %v, want source config naming base_url and the right issuer", issuer, err)
		}
	}
}

func TestIssuerMustBeAURL(t *testing.T) {
	for issuer, want := range map[string]string{
		"":                               `issuer can't be used: "" is no https URL; an issuer is like https://idp.example.com`,
		"idp.example.com":                `issuer can't be used: "idp.example.com" is no https URL; an issuer is like https://idp.example.com`,
		"ftp://idp.example.com":          `issuer can't be used: "ftp://idp.example.com" is no https URL; an issuer is like https://idp.example.com`,
		"https:///":                      `issuer can't be used: "https:///" names no host; an issuer is like https://idp.example.com`,
		"https://idp.example.com:x":      `issuer can't be used: it does not parse as a URL; an issuer is like https://idp.example.com`,
		"http://idp.example.com":         `issuer can't be used: "http://idp.example.com" is not encrypted; use https, or set insecure_http = true on this provider if the network is yours`,
		"https://idp.example.com/?a=b":   `issuer can't be used: "https://idp.example.com/?a=b" holds a query; take it out`,
		"https://idp.example.com/#a":     `issuer can't be used: "https://idp.example.com/#a" has a fragment; take it out`,
		"https://a:hush@idp.example.com": `issuer can't be used: the URL for idp.example.com holds a user name; take it out`,
	} {
		_, err := oidc.New(t.Context(), sdkConfig(t), oidc.Config{Issuer: issuer, ClientID: "demo"})
		if got := typed(t, err); got.Source != sdk.SourceConfig || got.Diagnostics[0].Setting != "issuer" || got.Diagnostics[0].String() != want {
			t.Errorf("issuer %q: got %v, want source config and %q", issuer, err, want)
		}
	}
	config := oidc.Config{Issuer: "https://idp.example.com", ClientID: "demo", IssuerSetting: "domain"}
	config.Logout.URL = "ftp://idp.example.com/logout"
	_, err := oidc.New(t.Context(), sdkConfig(t), config)
	if got := typed(t, err).Diagnostics[0].String(); got != `domain can't be used for the logout page: "ftp://idp.example.com/logout" is no https URL` {
		t.Errorf("logout page: got %q", got)
	}
	_, err = oidc.New(t.Context(), sdkConfig(t), oidc.Config{Issuer: "https://idp.example.com"})
	if got := typed(t, err); got.Source != sdk.SourceConfig || got.Diagnostics[0].Setting != "client_id" {
		t.Errorf("without a client id: got %v, want source config naming client_id", err)
	}
}

// An issuer may have a path, with or without a slash at its end (OpenID Connect Discovery 1.0 section 4.1).
func TestIssuerWithPath(t *testing.T) {
	idp := startIDP(t, devidp.Options{})
	config := at(idp)
	config.Issuer = idp.URL() + "/realms/dev"
	if _, err := whole(t, idp, newProvider(t, config)); err != nil {
		t.Error(err)
	}
}

// Threat 47: members of the discovery document, one by one.
func TestDiscoveryMembers(t *testing.T) {
	tests := map[string]struct {
		member string
		value  any
		fails  bool
	}{
		"userinfo by plain http":   {"userinfo_endpoint", "http://192.0.2.1/u", true},
		"end session is a script":  {"end_session_endpoint", "javascript:alert(1)", true},
		"revocation is a file":     {"revocation_endpoint", "file:///etc/passwd", true},
		"jwks_uri is a list":       {"jwks_uri", []string{"https://a.example"}, true},
		"no userinfo":              {"userinfo_endpoint", nil, false},
		"symmetric only":           {"id_token_signing_alg_values_supported", []string{"HS256", "none"}, true},
		"symmetric too":            {"id_token_signing_alg_values_supported", []string{"HS256", "ES256", "XX999"}, false},
		"algorithms not named":     {"id_token_signing_alg_values_supported", nil, false},
		"algorithms that are none": {"id_token_signing_alg_values_supported", 7, false},
		"another algorithm alone":  {"id_token_signing_alg_values_supported", []string{"RS256"}, true}, // Threat 20: the list is kept to
		"promise of another type":  {"authorization_response_iss_parameter_supported", "true", false},
		"two spellings":            {"Issuer", "https://attacker.invalid", true}, // Threat 28
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			idp := startIDP(t, devidp.Options{})
			idp.Fault(devidp.EndpointDiscovery, devidp.Fault{EditBody: func(body map[string]any) {
				if body[test.member] = test.value; test.value == nil {
					delete(body, test.member)
				}
			}})
			p, err := oidc.New(t.Context(), sdkConfig(t), at(idp))
			if err == nil {
				_, err = whole(t, idp, p)
			}
			if (err != nil) != test.fails {
				t.Fatalf("got error %v, want one: %v", err, test.fails)
			}
			if test.fails {
				wantUpstream(t, err)
			}
		})
	}
}

// Threats 47, 50: metadata are read again in use, at most hourly, and a failed or lying answer never replaces them.
func TestMetadataAreKept(t *testing.T) {
	faults := map[string]devidp.Fault{
		"down": {Status: 500}, "other issuer": {Flaws: []devidp.Flaw{devidp.FlawOtherIssuer}}, "elsewhere": {Flaws: []devidp.Flaw{devidp.FlawForeignEndpoints}},
	}
	for name, fault := range faults {
		t.Run(name, func(t *testing.T) {
			c := newClock()
			idp := startIDP(t, devidp.Options{Now: c.Now})
			p := newProvider(t, atTime(idp, c))
			for range 3 {
				mustLogin(t, idp, p)
				c.Turn(19 * time.Minute)
			}
			if n := idp.RequestCount(devidp.EndpointDiscovery); n != 1 {
				t.Fatalf("discovery was asked %d times within an hour, want once", n)
			}
			idp.Fault(devidp.EndpointDiscovery, fault)
			c.Turn(time.Hour)
			mustLogin(t, idp, p)
			mustLogin(t, idp, p)
			if n := idp.RequestCount(devidp.EndpointDiscovery); n != 2 {
				t.Errorf("discovery was asked %d times, want once more, and not again within the minute", n)
			}
			if got := p.(sdk.OpenID).Metadata().Issuer; got != idp.Issuer() {
				t.Errorf("got issuer %q, want the good one", got)
			}
			idp.Clear()
			c.Turn(2 * time.Minute)
			mustLogin(t, idp, p)
			if n := idp.RequestCount(devidp.EndpointDiscovery); n != 3 {
				t.Errorf("discovery was asked %d times, want a try after a pause", n)
			}
		})
	}
}

// New metadata are put to use.
func TestMetadataAreRefreshed(t *testing.T) {
	c := newClock()
	idp := startIDP(t, devidp.Options{Now: c.Now})
	p := newProvider(t, atTime(idp, c))
	idp.Fault(devidp.EndpointDiscovery, devidp.Fault{EditBody: func(body map[string]any) { delete(body, "end_session_endpoint") }})
	c.Turn(2 * time.Hour)
	mustLogin(t, idp, p)
	if to, err := p.(sdk.EndSessioner).EndSession(t.Context(), sdk.EndSessionRequest{}); err != nil || to != "" {
		t.Errorf("got %q, error %v; want no end-session URL any more", to, err)
	}
}

// Threat 48: what came over TLS does not lead back to plain http on this machine.
func TestTLSIssuerLeadsNowhereElse(t *testing.T) {
	p, err := newTLS(t, func(body map[string]any) { body["userinfo_endpoint"] = "http://127.0.0.1:1/" })
	if err == nil {
		t.Fatalf("got %v, want it refused", p)
	}
	wantUpstream(t, err)
	if _, err := newTLS(t, func(map[string]any) {}); err != nil {
		t.Errorf("with https everywhere: %v", err)
	}
}
