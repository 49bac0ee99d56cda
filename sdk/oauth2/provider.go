package oauth2

import (
	"context"
	"encoding/json"
	"errors"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/authd/authd/sdk"
)

// Config is an OAuth 2.0 provider as data.
type Config struct {
	// ClientID and ClientSecret; empty: the settings client_id and client_secret.
	ClientID, ClientSecret string
	// AuthStyle must be set; AuthNone needs no secret.
	AuthStyle AuthStyle
	// Endpoint holds the URLs.
	Endpoint Endpoint
	// Params are fixed parameters of the authorization request, e.g. access_type=offline.
	Params url.Values
	// TokenParams are fixed parameters of each token request.
	TokenParams url.Values
	// Scopes are asked for whatever else is.
	Scopes []string
	// ScopeSeparator joins scopes in the authorization request; empty: a space (RFC 6749 section 3.3).
	ScopeSeparator string
	// LoginHintParam is the parameter for the login hint; empty: login_hint.
	LoginHintParam string
	// Header goes with each request for JSON, e.g. an Accept of the vendor's.
	Header http.Header
	// TokenTypeOptional takes a missing token_type for Bearer. A wrong one is always refused.
	TokenTypeOptional bool
	// ErrorCodes maps the vendor's own error codes to those of RFC 6749 section 5.2.
	ErrorCodes map[string]string
	// Password makes the provider one whose users type name and password into authd's form (RFC 6749 section 4.3).
	Password bool
	// Revoke ends a token where the vendor has something other than RFC 7009; nil: Endpoint.Revoke, if set.
	Revoke func(context.Context, *Client, *sdk.Token) error
	// Map makes the user from the answer of Endpoint.UserInfo, which is nil when there is no such endpoint. It may
	// ask further endpoints with the client. Sub must be set; Claims, if left empty, becomes the answer.
	Map func(ctx context.Context, c *Client, raw json.RawMessage, t *sdk.Token) (*sdk.User, error)
}

// Endpoint holds the URLs of an identity provider.
type Endpoint struct {
	// Authorize is where people are sent; not needed with Config.Password.
	Authorize string
	// Token is the token endpoint.
	Token string
	// UserInfo says who the token belongs to; optional.
	UserInfo string
	// Revoke is the revocation endpoint (RFC 7009); optional.
	Revoke string
}

// Provider is an OAuth 2.0 provider. It implements sdk.Provider, sdk.Refresher and sdk.Checker.
type Provider struct {
	config Config
	scopes []string
	client *Client
}

// New makes the provider and checks its configuration; it makes no request. What it returns is a *Provider, which
// can also be asked for sdk.Revoker and sdk.PasswordLogin where those are configured. Errors: source config for an
// endpoint that ValidateEndpoint refuses, naming the setting that holds it.
func New(cfg sdk.Config, c Config) (sdk.Provider, error) {
	if c.Map == nil || c.AuthStyle == "" {
		return nil, errors.New("oauth2.Config needs Map and AuthStyle")
	}
	if err := c.check(cfg); err != nil {
		return nil, err
	}
	p := &Provider{config: c, scopes: cfg.Scopes, client: &Client{
		HTTP: cfg.HTTP, ID: either(c.ClientID, cfg.Settings["client_id"]), Secret: either(c.ClientSecret, cfg.Settings["client_secret"]),
		AuthStyle: c.AuthStyle, TokenURL: c.Endpoint.Token, RevokeURL: c.Endpoint.Revoke, InsecureHTTP: cfg.InsecureHTTP,
		Header: c.Header, TokenParams: c.TokenParams, TokenTypeOptional: c.TokenTypeOptional, ErrorCodes: c.ErrorCodes,
	}}
	if p.client.ID == "" {
		return nil, sdk.ConfigErrorf("client_id", "is not set")
	}
	if p.client.Secret == "" && c.AuthStyle != AuthNone {
		return nil, sdk.ConfigErrorf("client_secret", "is not set")
	}
	return withCapabilities(p), nil
}

// check validates the endpoints.
func (c Config) check(cfg sdk.Config) error {
	for _, e := range []struct {
		name, url string
		needed    bool
	}{
		{"authorization", c.Endpoint.Authorize, !c.Password},
		{"token", c.Endpoint.Token, true},
		{"userinfo", c.Endpoint.UserInfo, false},
		{"revocation", c.Endpoint.Revoke, false},
	} {
		if e.url == "" && !e.needed {
			continue
		}
		if err := ValidateEndpoint(e.url, cfg.InsecureHTTP); err != nil {
			return sdk.ConfigErrorf(settingOf(cfg, e.url), "%s endpoint: %v", e.name, err)
		}
	}
	return nil
}

// settingOf finds which setting a URL came from.
func settingOf(cfg sdk.Config, value string) string {
	for _, name := range slices.Sorted(maps.Keys(cfg.Settings)) {
		if value != "" && cfg.Settings[name] == value {
			return name
		}
	}
	return ""
}

// AuthorizeParams implements sdk.Provider.
func (p *Provider) AuthorizeParams(_ context.Context, in sdk.AuthorizeRequest) (sdk.AuthorizeParams, error) {
	scope := in.Scope
	if len(scope) == 0 {
		scope = p.scopes
	}
	return sdk.AuthorizeParams{
		Endpoint: p.config.Endpoint.Authorize,
		Params: AuthorizeValues(p.config.Params, map[string]string{
			"scope":  strings.Join(WithScopes(scope, p.config.Scopes...), either(p.config.ScopeSeparator, " ")),
			"prompt": in.Prompt,
			either(p.config.LoginHintParam, "login_hint"): in.LoginHint,
		}),
	}, nil
}

// AuthorizeValues puts the parameters that are not empty over the fixed ones.
func AuthorizeValues(fixed url.Values, params map[string]string) url.Values {
	values := url.Values{}
	for name, vs := range fixed {
		values[name] = slices.Clone(vs)
	}
	for name, value := range params {
		if value != "" {
			values.Set(name, value)
		}
	}
	return values
}

// WithScopes adds the wanted scopes that are not there yet; the order of the others stays.
func WithScopes(scope []string, wanted ...string) []string {
	out := slices.Clone(scope)
	for _, s := range wanted {
		if !slices.Contains(out, s) {
			out = append(out, s)
		}
	}
	return out
}

// GetToken implements sdk.Provider.
func (p *Provider) GetToken(ctx context.Context, in sdk.CodeExchange) (*sdk.Token, error) {
	return p.client.Exchange(ctx, in)
}

// RefreshToken implements sdk.Refresher.
func (p *Provider) RefreshToken(ctx context.Context, t *sdk.Token) (*sdk.Token, error) {
	return p.client.Refresh(ctx, t.RefreshToken)
}

// GetUserInfo implements sdk.Provider.
func (p *Provider) GetUserInfo(ctx context.Context, t *sdk.Token) (*sdk.User, error) {
	var raw json.RawMessage
	if p.config.Endpoint.UserInfo != "" {
		var err error
		if raw, err = p.client.GetJSON(ctx, p.config.Endpoint.UserInfo, t); err != nil {
			return nil, err
		}
	}
	u, err := p.config.Map(ctx, p.client, raw, t)
	if err != nil {
		return nil, err
	}
	if u == nil || !IsSubject(u.Sub) {
		return nil, sdk.UpstreamErrorf("the identity provider names no user id, or one that can't be used")
	}
	if u.Claims == nil {
		u.Claims = raw
	}
	return u, nil
}

// IsSubject tells whether a user id can be used: 1 to 255 printable ASCII characters, as OpenID Connect Core section 2
// has it for sub.
func IsSubject(sub string) bool {
	return sub != "" && len(sub) <= 255 && !strings.ContainsFunc(sub, func(r rune) bool { return r < ' ' || r > '~' })
}

func either(value, otherwise string) string {
	if value == "" {
		return otherwise
	}
	return value
}
