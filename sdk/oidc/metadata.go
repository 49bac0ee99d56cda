package oidc

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"strings"

	"github.com/authd/authd/sdk"
	"github.com/authd/authd/sdk/oauth2"
)

// asymmetric lists the algorithms that an ID token may be signed with. With a symmetric one, whoever can verify can
// also sign; with none, everybody can.
var asymmetric = [...]string{"RS256", "RS384", "RS512", "ES256", "ES384", "ES512", "PS256", "PS384", "PS512", "EdDSA"}

// metadata is what a discovery document says, checked, with the configured endpoints put over it.
type metadata struct {
	issuer      string
	endpoint    Endpoint
	algorithms  []string
	authMethods []string
	responseIss bool
}

// fetchMetadata reads the discovery document (OpenID Connect Discovery 1.0 section 4).
func (p *Provider) fetchMetadata(ctx context.Context) (*metadata, error) {
	o, err := p.plain().GetObject(ctx, p.config.discovery(), nil)
	if err != nil {
		return nil, p.config.lost(err)
	}
	issuer := o.String("issuer")
	if !p.config.takes(issuer) {
		return nil, p.config.otherIssuer(issuer)
	}
	m := &metadata{
		issuer: issuer,
		endpoint: Endpoint{
			Authorize: o.String("authorization_endpoint"), Token: o.String("token_endpoint"), UserInfo: o.String("userinfo_endpoint"),
			JWKS: o.String("jwks_uri"), Revoke: o.String("revocation_endpoint"), EndSession: o.String("end_session_endpoint"),
		},
		authMethods: o.Strings("token_endpoint_auth_methods_supported"),
	}
	if iss := o.Bool("authorization_response_iss_parameter_supported"); iss != nil {
		m.responseIss = *iss
	}
	if m.algorithms, err = algorithmsOf(o.Strings("id_token_signing_alg_values_supported")); err != nil {
		return nil, err
	}
	// What a document fetched over TLS says must not lead to plain http, not even to this machine.
	if err := m.endpoint.check(p.insecure || !strings.HasPrefix(p.config.discovery(), "https:"), p.insecure); err != nil {
		return nil, sdk.UpstreamErrorf("discovery document: %w", err)
	}
	m.endpoint = m.endpoint.under(p.config.Endpoint)
	return m, m.endpoint.complete()
}

// otherIssuer is the error for a discovery document of an issuer that is not the configured one.
func (c Config) otherIssuer(named string) error {
	if c.IssuerPattern != nil {
		return sdk.ConfigErrorf(c.issuerSetting(), "leads to a discovery document of another kind of issuer, %.200q; expected %v", named, c.IssuerPattern)
	}
	return sdk.ConfigErrorf(c.issuerSetting(),
		"leads to the issuer %q, but the discovery document there names %.200q; set it so that both are the same, to the last slash", c.Issuer, named)
}

// lost names the setting, too, where the identity provider says that it has no discovery document at that address.
func (c Config) lost(err error) error {
	var typed *sdk.Error
	if errors.As(err, &typed) && (typed.HTTPStatus == http.StatusNotFound || typed.HTTPStatus == http.StatusBadRequest) {
		typed.Diagnostics = append(typed.Diagnostics, sdk.Diagnostic{
			Severity: sdk.SeverityError, Setting: c.issuerSetting(), Summary: "leads to " + c.discovery() + ", where there is no discovery document",
			Detail: "correct the setting, or create there what it names",
		})
	}
	return err
}

// staticMetadata makes metadata of the configuration alone.
func (c Config) staticMetadata() (*metadata, error) {
	m := &metadata{issuer: c.Issuer, endpoint: c.Endpoint, algorithms: asymmetric[:]}
	if err := m.endpoint.complete(); err != nil {
		return nil, sdk.ConfigErrorf("discovery", "is off, so authorization_endpoint, token_endpoint and jwks_uri must all be set")
	}
	return m, nil
}

func algorithmsOf(named []string) ([]string, error) {
	if len(named) == 0 {
		return asymmetric[:], nil
	}
	var usable []string
	for _, alg := range asymmetric {
		if slices.Contains(named, alg) {
			usable = append(usable, alg)
		}
	}
	if len(usable) == 0 {
		return nil, sdk.UpstreamErrorf("discovery document: ID tokens are signed with %.80q only; let the identity provider sign with one of %v", named, asymmetric)
	}
	return usable, nil
}

// all lists the endpoints by the names of their settings, which are those of the discovery document.
func (e *Endpoint) all() []struct {
	name string
	url  *string
} {
	return []struct {
		name string
		url  *string
	}{
		{"authorization_endpoint", &e.Authorize},
		{"token_endpoint", &e.Token},
		{"jwks_uri", &e.JWKS},
		{"userinfo_endpoint", &e.UserInfo},
		{"revocation_endpoint", &e.Revoke},
		{"end_session_endpoint", &e.EndSession},
	}
}

// check validates every endpoint that is set. Without plain only https will do; insecure allows http off the loopback.
func (e Endpoint) check(plain, insecure bool) error {
	for _, one := range e.all() {
		if *one.url == "" {
			continue
		}
		if err := oauth2.ValidateEndpoint(*one.url, insecure); err != nil {
			return sdk.UpstreamErrorf("%s: %w", one.name, err)
		}
		if !plain && !strings.HasPrefix(strings.ToLower(*one.url), "https:") {
			return sdk.UpstreamErrorf("%s: %w: the issuer has https, this has not", one.name, oauth2.ErrEndpoint)
		}
	}
	return nil
}

// under puts the endpoints of another set, where it has any, over these.
func (e Endpoint) under(over Endpoint) Endpoint {
	winners := over.all()
	for i, one := range e.all() {
		if *winners[i].url != "" {
			*one.url = *winners[i].url
		}
	}
	return e
}

// complete tells whether the endpoints that a login needs are there.
func (e Endpoint) complete() error {
	for _, one := range e.all()[:3] {
		if *one.url == "" {
			return sdk.UpstreamErrorf("discovery document: it has no %s", one.name)
		}
	}
	return nil
}

// plain is a client for requests without credentials.
func (p *Provider) plain() *oauth2.Client {
	return &oauth2.Client{
		HTTP: p.http, InsecureHTTP: p.insecure, AuthStyle: oauth2.AuthNone, Now: p.now,
		Header: http.Header{"Accept": {"application/json"}},
	}
}
