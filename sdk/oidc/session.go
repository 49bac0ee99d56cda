package oidc

import (
	"context"
	"encoding/base64"
	"errors"
	"maps"
	"net/url"
	"strings"

	"github.com/authd/authd/sdk"
	"github.com/authd/authd/sdk/oauth2"
)

// RefreshToken implements sdk.Refresher. An ID token in the answer must be about the same user, from the same issuer
// and for the same client as before (OpenID Connect Core section 12.2); if it is not, the error is of source user with
// the code invalid_grant, because the session must end. An answer without an ID token gives a token without one, unless
// userinfo is not asked: then the old ID token stays, since nothing else tells who this is.
func (p *Provider) RefreshToken(ctx context.Context, old *sdk.Token) (*sdk.Token, error) {
	c, m, err := p.client(ctx)
	if err != nil {
		return nil, err
	}
	t, err := c.Refresh(ctx, old.RefreshToken)
	switch {
	case err != nil:
		return nil, err
	case t.IDToken == "" && !p.asksUserInfo(m):
		t.IDToken = old.IDToken
		return t, nil
	case t.IDToken == "":
		return t, nil
	}
	claims, err := p.verifyIDToken(ctx, t.IDToken, expectation{accessToken: t.AccessToken})
	if err == nil && old.IDToken != "" && subjectOf(old.IDToken) != claims.String("sub") {
		err = errIdentity
	}
	if errors.Is(err, errIdentity) {
		return nil, sdk.UserErrorf("invalid_grant", "the refreshed ID token: %w", errIdentity)
	}
	if err != nil {
		return nil, err
	}
	return t, nil
}

// subjectOf reads the sub of an ID token that was verified when it came. The key that signed it may be gone by now.
func subjectOf(token string) string {
	parts := strings.Split(token, ".")
	if len(parts) != 3 {
		return ""
	}
	payload, err := base64.RawURLEncoding.DecodeString(parts[1])
	if err != nil {
		return ""
	}
	claims, err := oauth2.ParseObject(payload)
	if err != nil {
		return ""
	}
	return claims.String("sub")
}

// withCapabilities adds what not every provider can. authd asks by type assertion, so each combination is a type.
func withCapabilities(p *Provider, m *metadata) sdk.Provider {
	revokes := m.endpoint.Revoke != ""
	ends := m.endpoint.EndSession != "" || p.config.Logout.URL != ""
	switch {
	case revokes && ends:
		return struct {
			*Provider
			revoker
			ender
		}{p, revoker{p}, ender{p}}
	case revokes:
		return struct {
			*Provider
			revoker
		}{p, revoker{p}}
	case ends:
		return struct {
			*Provider
			ender
		}{p, ender{p}}
	}
	return p
}

// revoker is the capability of providers with a revocation endpoint.
type revoker struct{ p *Provider }

// RevokeToken implements sdk.Revoker.
func (r revoker) RevokeToken(ctx context.Context, t *sdk.Token) error {
	c, m, err := r.p.client(ctx)
	if err != nil || m.endpoint.Revoke == "" {
		return err
	}
	return c.Revoke(ctx, t)
}

// ender is the capability of providers with a page where people sign out.
type ender struct{ p *Provider }

// EndSession implements sdk.EndSessioner (OpenID Connect RP-Initiated Logout 1.0 section 2).
func (e ender) EndSession(_ context.Context, in sdk.EndSessionRequest) (string, error) {
	p := e.p
	endpoint, own, more := p.current().endpoint.EndSession, p.config.Logout, url.Values{}
	if own.URL != "" && (own.Always || endpoint == "") {
		endpoint = own.URL
		if own.ReturnTo != "" && in.PostLogoutRedirectURI != "" {
			more.Set(own.ReturnTo, in.PostLogoutRedirectURI)
		}
	}
	if endpoint == "" {
		return "", nil
	}
	u, err := url.Parse(endpoint)
	if err != nil {
		return "", sdk.UpstreamErrorf("end_session_endpoint does not parse as a URL")
	}
	maps.Copy(more, u.Query())
	u.RawQuery = oauth2.AuthorizeValues(more, map[string]string{
		"client_id": p.config.ClientID, "id_token_hint": in.IDTokenHint,
		"post_logout_redirect_uri": in.PostLogoutRedirectURI, "state": in.State,
	}).Encode()
	return u.String(), nil
}
