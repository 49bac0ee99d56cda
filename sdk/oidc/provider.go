package oidc

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/authd/authd/sdk"
	"github.com/authd/authd/sdk/oauth2"
)

// Provider is an OpenID Connect provider. It implements sdk.Provider, sdk.OpenID, sdk.Refresher,
// sdk.LogoutTokenVerifier and sdk.Checker.
type Provider struct {
	config   Config
	scopes   []string
	http     *http.Client
	insecure bool
	now      func() time.Time
	meta     *document[*metadata] // :: nil without discovery
	static   *metadata            // :: nil with discovery
	keys     *document[[]verificationKey]
	opened   opened
}

// New makes the provider. Unless NoDiscovery is set it reads the discovery document, which is read again in use, at
// most hourly. What it returns is a *Provider, which can also be asked for sdk.Revoker and sdk.EndSessioner where
// there are endpoints for them.
//
// Errors: source config for settings that can't be used, an issuer other than the configured one among them; source
// upstream when the discovery document can't be had or says what can't be, which may be better later.
func New(ctx context.Context, cfg sdk.Config, c Config) (sdk.Provider, error) {
	p := &Provider{config: c, scopes: cfg.Scopes, http: cfg.HTTP, insecure: cfg.InsecureHTTP, now: c.Now}
	if p.now == nil {
		p.now = time.Now
	}
	p.keys = &document[[]verificationKey]{fetch: p.fetchKeys, now: p.now}
	m, err := p.begin(ctx)
	if err != nil {
		return nil, err
	}
	if _, err := p.authStyle(m); err != nil {
		return nil, err
	}
	return withCapabilities(p, m), nil
}

// begin checks the configuration and gets the first metadata.
func (p *Provider) begin(ctx context.Context) (*metadata, error) {
	c := p.config
	if c.ClientID == "" {
		return nil, sdk.ConfigErrorf("client_id", "is not set")
	}
	issuer := c.Issuer
	if c.IssuerPattern != nil {
		issuer = c.discovery()
	}
	if fault := issuerFault(issuer, p.insecure); fault != "" {
		return nil, sdk.ConfigErrorf(c.issuerSetting(), "can't be used: %s", fault)
	}
	if c.Logout.URL != "" {
		if err := oauth2.ValidateEndpoint(c.Logout.URL, p.insecure); err != nil {
			return nil, sdk.ConfigErrorf(c.issuerSetting(), "can't be used for the logout page: %s", endpointFault(err))
		}
	}
	for _, one := range c.Endpoint.all() {
		if *one.url == "" {
			continue
		}
		if err := oauth2.ValidateEndpoint(*one.url, p.insecure); err != nil {
			return nil, sdk.ConfigErrorf(one.name, "%v", err)
		}
	}
	if c.NoDiscovery {
		var err error
		p.static, err = c.staticMetadata()
		return p.static, err
	}
	p.meta = &document[*metadata]{fetch: p.fetchMetadata, now: p.now}
	m, err := p.meta.get(ctx)
	if err == nil {
		// From here on it is this issuer: a name that comes to mean another one must not bring other people in.
		p.config.Issuer, p.config.Discovery, p.config.IssuerPattern = m.issuer, c.discovery(), nil
	}
	return m, err
}

// issuerFault says why a URL is not an issuer (OpenID Connect Discovery 1.0 section 3: https, no query, no fragment) and
// how to mend it; "" if it may be one.
func issuerFault(issuer string, insecure bool) string {
	err := oauth2.ValidateEndpoint(issuer, insecure)
	switch {
	case err == nil && strings.Contains(issuer, "?"):
		return strconv.Quote(issuer) + " holds a query; take it out"
	case err == nil:
		return ""
	}
	fault := endpointFault(err)
	if !strings.Contains(fault, "; ") {
		fault += "; an issuer is like https://idp.example.com"
	}
	return fault
}

// endpointFault is the cause alone of an error of oauth2.ValidateEndpoint.
func endpointFault(err error) string {
	return strings.TrimPrefix(err.Error(), oauth2.ErrEndpoint.Error()+": ")
}

// metadata returns the metadata in use, read anew when they are old.
func (p *Provider) metadata(ctx context.Context) (*metadata, error) {
	if p.static != nil {
		return p.static, nil
	}
	return p.meta.get(ctx)
}

// current returns the metadata in use without any request.
func (p *Provider) current() *metadata {
	if p.static != nil {
		return p.static
	}
	return p.meta.peek()
}

// Metadata implements sdk.OpenID.
func (p *Provider) Metadata() sdk.Metadata {
	m := p.current()
	out := sdk.Metadata{Issuer: m.issuer, ResponseIssSupported: m.responseIss}
	if p.config.Hybrid {
		out.ResponseType = sdk.ResponseTypeHybrid
	}
	return out
}

// authStyle decides how the client shows itself to the token endpoint. The first that is possible is taken and no
// other tried, since a second try would send the code twice.
func (p *Provider) authStyle(m *metadata) (oauth2.AuthStyle, error) {
	style := oauth2.AuthStyle(p.config.AuthMethod)
	offered := m.authMethods
	switch {
	case style == oauth2.AuthNone || style == "" && p.config.ClientSecret == "":
		return oauth2.AuthNone, nil
	case p.config.ClientSecret == "":
		return "", sdk.ConfigErrorf("client_secret", "is not set, but token_endpoint_auth_method = %q needs it", style)
	case style == oauth2.AuthBasic || style == oauth2.AuthPost:
		return style, nil
	case style != "":
		return "", sdk.ConfigErrorf("token_endpoint_auth_method", "%q is not known; use client_secret_basic, client_secret_post or none", style)
	case len(offered) == 0 || slices.Contains(offered, string(oauth2.AuthBasic)):
		return oauth2.AuthBasic, nil
	case slices.Contains(offered, string(oauth2.AuthPost)):
		return oauth2.AuthPost, nil
	}
	return "", sdk.ConfigErrorf("token_endpoint_auth_method", "the identity provider offers only %.100q; allow client_secret_basic or client_secret_post there", offered)
}

// client makes the OAuth client for the metadata in use.
func (p *Provider) client(ctx context.Context) (*oauth2.Client, *metadata, error) {
	m, err := p.metadata(ctx)
	if err != nil {
		return nil, nil, err
	}
	style, err := p.authStyle(m)
	if err != nil {
		return nil, nil, err
	}
	c := p.plain()
	c.ID, c.Secret, c.AuthStyle = p.config.ClientID, p.config.ClientSecret, style
	c.TokenURL, c.RevokeURL = m.endpoint.Token, m.endpoint.Revoke
	return c, m, nil
}

// AuthorizeParams implements sdk.Provider.
func (p *Provider) AuthorizeParams(_ context.Context, in sdk.AuthorizeRequest) (sdk.AuthorizeParams, error) {
	scope := in.Scope
	if len(scope) == 0 {
		scope = p.scopes
	}
	if !slices.Contains(scope, "openid") {
		scope = append([]string{"openid"}, scope...)
	}
	scope = oauth2.WithScopes(scope, p.config.Scopes...)
	maxAge := ""
	if in.MaxAge > 0 {
		maxAge = strconv.FormatInt(int64(in.MaxAge/time.Second), 10)
	}
	return sdk.AuthorizeParams{
		Endpoint: p.current().endpoint.Authorize,
		Params: oauth2.AuthorizeValues(p.config.Params, map[string]string{
			"scope": strings.Join(scope, " "), "prompt": in.Prompt, "login_hint": in.LoginHint, "max_age": maxAge,
		}),
	}, nil
}

// GetToken implements sdk.Provider: it redeems the code and verifies the ID token, which must be there. In the hybrid
// flow the ID token that came with the code is verified first, and both must be about the same user.
func (p *Provider) GetToken(ctx context.Context, in sdk.CodeExchange) (*sdk.Token, error) {
	c, m, err := p.client(ctx)
	if err != nil {
		return nil, err
	}
	if err := checkResponseIssuer(in.Params, m.issuer); err != nil {
		return nil, err
	}
	front, err := p.verifyFront(ctx, in)
	if err != nil {
		return nil, err
	}
	t, err := c.Exchange(ctx, in)
	if err != nil {
		return nil, err
	}
	if t.IDToken == "" {
		return nil, sdk.UpstreamErrorf("the token response holds no id_token; the client may not be registered for OpenID Connect (scope openid)")
	}
	claims, err := p.verifyIDToken(ctx, t.IDToken, expectation{nonce: in.Nonce, withNonce: true, maxAge: in.MaxAge, accessToken: t.AccessToken, again: true})
	if err != nil {
		return nil, err
	}
	if front != nil && (front.String("iss") != claims.String("iss") || front.String("sub") != claims.String("sub")) {
		return nil, sdk.UpstreamErrorf("ID token: its iss and sub are not those of the ID token that came with the code, so it is about somebody else")
	}
	return t, nil
}

// verifyFront verifies the ID token of the authorization response (OpenID Connect Core section 3.3.2.12) and returns
// its claims; nil without the hybrid flow, for which authd lets none through. What is wrong with it is no fault of the
// identity provider's: it was the browser that brought it, and whoever sits there may bring anything.
func (p *Provider) verifyFront(ctx context.Context, in sdk.CodeExchange) (oauth2.Object, error) {
	if !p.config.Hybrid {
		return nil, nil
	}
	if came := in.Params["id_token"]; len(came) != 1 || came[0] == "" || in.Code == "" {
		return nil, sdk.UserErrorf("invalid_grant", "the authorization response holds no code and id_token; allow ID tokens from the authorization endpoint for this client")
	}
	claims, err := p.verified(ctx, in.Params.Get("id_token"), expectation{
		nonce: in.Nonce, withNonce: true, maxAge: in.MaxAge, code: in.Code,
	})
	var typed *sdk.Error
	switch {
	case err == nil:
		return claims, nil
	case errors.As(err, &typed):
		return nil, typed
	}
	return nil, sdk.UserErrorf("invalid_grant", "authorization response: ID token: %w", err)
}

// checkResponseIssuer compares the iss of the authorization response (RFC 9207 section 2.4), if it is there. That it
// must be there, where metadata promise it, is for authd to see to.
func checkResponseIssuer(params url.Values, issuer string) error {
	for _, iss := range params["iss"] {
		if iss != issuer {
			return sdk.UpstreamErrorf("the authorization response comes from another issuer: %.100q", iss)
		}
	}
	return nil
}

// GetUserInfo implements sdk.Provider. An ID token in t is verified again, but for its end and its nonce, which
// GetToken saw to. A token without one, as a refresh may give, needs the userinfo endpoint.
func (p *Provider) GetUserInfo(ctx context.Context, t *sdk.Token) (*sdk.User, error) {
	var id, info oauth2.Object
	if t.IDToken != "" {
		var err error
		if id, err = p.verifyIDToken(ctx, t.IDToken, expectation{expired: true}); err != nil {
			return nil, err
		}
	}
	m, err := p.metadata(ctx)
	if err != nil {
		return nil, err
	}
	if p.asksUserInfo(m) {
		if info, err = p.userInfo(ctx, m, t, id); err != nil {
			return nil, err
		}
	}
	if id == nil && info == nil {
		return nil, sdk.UpstreamErrorf("there is neither an ID token nor a userinfo endpoint to tell who this is")
	}
	return p.user(ctx, t, merge(id, info))
}

func (p *Provider) asksUserInfo(m *metadata) bool {
	return m.endpoint.UserInfo != "" && !p.config.NoUserInfo
}

// userInfo asks the userinfo endpoint (OpenID Connect Core section 5.3).
func (p *Provider) userInfo(ctx context.Context, m *metadata, t *sdk.Token, id oauth2.Object) (oauth2.Object, error) {
	info, err := p.plain().GetObject(ctx, m.endpoint.UserInfo, t)
	if err != nil {
		return nil, err
	}
	sub := info.String("sub")
	if !oauth2.IsSubject(sub) {
		return nil, sdk.UpstreamErrorf("userinfo: it has no sub of 1 to 255 ASCII characters")
	}
	if id != nil && sub != id.String("sub") {
		return nil, sdk.UpstreamErrorf("userinfo: its sub is not the ID token's, so it is about somebody else")
	}
	return info, nil
}
