package oauth2

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/authd/authd/sdk"
)

// AuthStyle is how a client shows the token endpoint who it is, by the names of the OAuth Token Endpoint
// Authentication Methods registry. It is never guessed: a guess would send a code twice.
type AuthStyle string

// The styles.
const (
	// AuthBasic puts id and secret into the Authorization header (RFC 6749 section 2.3.1).
	AuthBasic AuthStyle = "client_secret_basic"
	// AuthPost puts them into the body.
	AuthPost AuthStyle = "client_secret_post"
	// AuthNone sends the id alone: a public client, held by PKCE.
	AuthNone AuthStyle = "none"
)

// Client is one registered client of one authorization server. Its methods may be called concurrently.
type Client struct {
	// HTTP sends the requests; use sdk.Config.HTTP.
	HTTP *http.Client
	// ID and Secret of the client.
	ID, Secret string
	// AuthStyle must be set.
	AuthStyle AuthStyle
	// TokenURL is the token endpoint, RevokeURL that of RFC 7009, if there is one.
	TokenURL, RevokeURL string
	// InsecureHTTP allows http endpoints off the loopback.
	InsecureHTTP bool
	// Header goes with each GetJSON, e.g. an Accept of the vendor's.
	Header http.Header
	// TokenParams go with each token request, beside the standard ones.
	TokenParams url.Values
	// TokenTypeOptional takes a missing token_type for Bearer.
	TokenTypeOptional bool
	// ErrorCodes maps the vendor's own error codes to those of RFC 6749 section 5.2.
	ErrorCodes map[string]string
	// Now is the clock; nil: time.Now.
	Now func() time.Time
}

func (c *Client) now() time.Time {
	if c.Now == nil {
		return time.Now()
	}
	return c.Now()
}

// Exchange redeems an authorization code (RFC 6749 section 4.1.3). The code is sent once, whatever happens.
func (c *Client) Exchange(ctx context.Context, in sdk.CodeExchange) (*sdk.Token, error) {
	form := url.Values{"grant_type": {"authorization_code"}, "code": {in.Code}, "redirect_uri": {in.RedirectURI}}
	if in.CodeVerifier != "" {
		form.Set("code_verifier", in.CodeVerifier)
	}
	return c.grant(ctx, form, in.Code, in.CodeVerifier)
}

// Refresh renews an access token (RFC 6749 section 6). The refresh token is sent once, since some authorization
// servers take a second time for theft. The returned token has no refresh token when the response held none.
func (c *Client) Refresh(ctx context.Context, refreshToken string) (*sdk.Token, error) {
	if refreshToken == "" {
		return nil, sdk.UserErrorf("invalid_grant", "there is no refresh token to renew the access token with")
	}
	form := url.Values{"grant_type": {"refresh_token"}, "refresh_token": {refreshToken}}
	return c.grant(ctx, form, refreshToken)
}

// Password asks with a user's name and password (RFC 6749 section 4.3).
func (c *Client) Password(ctx context.Context, in sdk.Credentials, scope []string) (*sdk.Token, error) {
	form := url.Values{"grant_type": {"password"}, "username": {in.Username}, "password": {in.Password}}
	if len(scope) > 0 {
		form.Set("scope", strings.Join(scope, " "))
	}
	return c.grant(ctx, form, in.Password)
}

// grant makes one token request. The secrets, and the client's own, are kept out of errors.
func (c *Client) grant(ctx context.Context, form url.Values, secrets ...string) (*sdk.Token, error) {
	for name, values := range c.TokenParams {
		if !form.Has(name) {
			form[name] = values
		}
	}
	o, what, err := c.post(ctx, "token endpoint", c.TokenURL, form, secrets)
	if err != nil {
		return nil, err
	}
	t, err := c.token(o)
	if err != nil {
		return nil, sdk.UpstreamErrorf("%s: the answer can't be used: %w", what, err)
	}
	return t, nil
}

// Revoke ends the refresh token, if there is one, and the access token (RFC 7009 section 2.1). Both are tried; the
// first error is returned.
func (c *Client) Revoke(ctx context.Context, t *sdk.Token) error {
	var first error
	for _, kind := range []struct{ hint, token string }{{"refresh_token", t.RefreshToken}, {"access_token", t.AccessToken}} {
		if kind.token == "" {
			continue
		}
		form := url.Values{"token": {kind.token}, "token_type_hint": {kind.hint}}
		_, _, err := c.post(ctx, "revocation endpoint", c.RevokeURL, form, []string{kind.token})
		var refused *sdk.Error
		if errors.As(err, &refused) && refused.Code == "unsupported_token_type" {
			continue // RFC 7009 section 2.2.1: this kind ends by itself
		}
		if first == nil {
			first = err
		}
	}
	return first
}

// post sends a form with the client's credentials and reads the answer, which may be empty for a revocation. It also
// returns how to name the endpoint in errors.
func (c *Client) post(ctx context.Context, name, endpoint string, form url.Values, secrets []string) (Object, string, error) {
	r, err := c.formRequest(ctx, endpoint, form)
	if err != nil {
		return nil, name, err
	}
	what := place(name, r.URL)
	a, err := c.Send(name, r)
	if err != nil {
		return nil, what, err
	}
	ok := a.Status >= 200 && a.Status < 300
	if ok && !form.Has("grant_type") {
		return nil, what, nil // RFC 7009 section 2.2: the body says nothing
	}
	o, err := parseAnswer(a)
	switch {
	case err == nil && saysError(o):
		return nil, what, c.refusal(what, a.Status, o, append(secrets, c.Secret))
	case !ok:
		return nil, what, unexpected(what, a.Status)
	case err != nil:
		unreadable := sdk.UpstreamErrorf("%s: the answer can't be read: %w", what, err)
		unreadable.HTTPStatus = a.Status
		return nil, what, unreadable
	}
	return o, what, nil
}

// formRequest makes a POST that carries the client's credentials in the way that AuthStyle says.
func (c *Client) formRequest(ctx context.Context, endpoint string, form url.Values) (*http.Request, error) {
	if c.AuthStyle != AuthBasic {
		form.Set("client_id", c.ID)
	}
	if c.AuthStyle == AuthPost {
		form.Set("client_secret", c.Secret)
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, endpoint, strings.NewReader(form.Encode()))
	if err != nil {
		return nil, sdk.UpstreamErrorf("%w: it does not parse as a URL", ErrEndpoint)
	}
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.Header.Set("Accept", "application/json")
	if c.AuthStyle == AuthBasic {
		r.SetBasicAuth(url.QueryEscape(c.ID), url.QueryEscape(c.Secret))
	}
	return r, nil
}

// saysError tells whether a response is an error whatever its status: some send one with a 200, others send an empty
// member when all is well.
func saysError(o Object) bool {
	raw := string(o["error"])
	return raw != "" && raw != "null" && raw != `""`
}
