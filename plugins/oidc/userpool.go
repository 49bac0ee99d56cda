package main

import (
	"context"
	"encoding/json"
	"net/url"

	"github.com/authd/authd/sdk"
	"github.com/authd/authd/sdk/oauth2"
)

// userPool is Cognito known by its domain alone, as Chainlit knows it. Nothing at the domain says whose keys sign the
// ID tokens, so they are not used: this is OAuth 2.0, and who signed in is what userinfo answers.
type userPool struct {
	sdk.Provider
	sdk.Refresher
	sdk.Revoker
	sdk.Checker
	logout   string
	clientID string
}

func newUserPool(cfg sdk.Config, base string) (sdk.Provider, error) {
	style := oauth2.AuthStyle(cfg.Settings["token_endpoint_auth_method"])
	switch {
	case style != "":
	case cfg.Settings["client_secret"] == "":
		style = oauth2.AuthNone
	default:
		style = oauth2.AuthBasic
	}
	p, err := oauth2.New(cfg, oauth2.Config{
		AuthStyle: style, Scopes: []string{"openid"}, // without which userinfo refuses the token
		Endpoint: oauth2.Endpoint{
			Authorize: base + "/oauth2/authorize", Token: base + "/oauth2/token", UserInfo: base + "/oauth2/userInfo", Revoke: base + "/oauth2/revoke",
		},
		Map: func(_ context.Context, _ *oauth2.Client, raw json.RawMessage, _ *sdk.Token) (*sdk.User, error) {
			return fromUserInfo(raw)
		},
	})
	if err != nil {
		return nil, err
	}
	pool := userPool{Provider: p, logout: base + "/logout", clientID: cfg.Settings["client_id"]}
	pool.Refresher, _ = p.(sdk.Refresher)
	pool.Revoker, _ = p.(sdk.Revoker)
	pool.Checker, _ = p.(sdk.Checker)
	return pool, nil
}

// GetToken redeems the code and drops the ID token, which nobody has verified.
func (p userPool) GetToken(ctx context.Context, in sdk.CodeExchange) (*sdk.Token, error) {
	return unverified(p.Provider.GetToken(ctx, in))
}

// RefreshToken renews the token and drops the ID token.
func (p userPool) RefreshToken(ctx context.Context, old *sdk.Token) (*sdk.Token, error) {
	return unverified(p.Refresher.RefreshToken(ctx, old))
}

func unverified(t *sdk.Token, err error) (*sdk.Token, error) {
	if err != nil {
		return nil, err
	}
	t.IDToken = ""
	return t, nil
}

// EndSession returns Cognito's logout page.
func (p userPool) EndSession(_ context.Context, in sdk.EndSessionRequest) (string, error) {
	params := url.Values{"client_id": {p.clientID}}
	for name, value := range map[string]string{
		"logout_uri": in.PostLogoutRedirectURI, "post_logout_redirect_uri": in.PostLogoutRedirectURI, "state": in.State,
	} {
		if value != "" {
			params.Set(name, value)
		}
	}
	return p.logout + "?" + params.Encode(), nil
}

// fromUserInfo makes the user. Cognito writes email_verified as a text.
func fromUserInfo(raw json.RawMessage) (*sdk.User, error) {
	claims, err := oauth2.ParseObject(raw)
	if err != nil {
		return nil, sdk.UpstreamErrorf("userinfo: %w", err)
	}
	u := &sdk.User{
		Sub: claims.String("sub"), PreferredUsername: claims.String("preferred_username"), Name: claims.String("name"),
		GivenName: claims.String("given_name"), FamilyName: claims.String("family_name"), Locale: claims.String("locale"),
		Email: claims.String("email"), EmailVerified: claims.Bool("email_verified"), Picture: claims.String("picture"), Claims: raw,
	}
	if said := claims.String("email_verified"); said == "true" || said == "false" {
		verified := said == "true"
		u.EmailVerified = &verified
	}
	return u, poolUser(claims, u)
}
