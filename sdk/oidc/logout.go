package oidc

import (
	"context"
	"errors"

	"github.com/authd/authd/sdk"
	"github.com/authd/authd/sdk/oauth2"
)

// logoutEvent is what the events claim must hold (OpenID Connect Back-Channel Logout 1.0 section 2.4).
const logoutEvent = "http://schemas.openid.net/event/backchannel-logout"

// VerifyLogoutToken implements sdk.LogoutTokenVerifier (OpenID Connect Back-Channel Logout 1.0 section 2.6). That a
// token is used once is for authd to see to, by its ID. A token that fails is an error of source user with the code
// invalid_request: anybody may send one, and the identity provider is not to blame for it.
func (p *Provider) VerifyLogoutToken(ctx context.Context, raw string) (*sdk.LogoutToken, error) {
	m, err := p.metadata(ctx)
	if err != nil {
		return nil, err
	}
	claims, _, err := p.open(ctx, m, raw, "logout+jwt", "jwt")
	if err == nil {
		err = p.checkLogout(m, claims)
	}
	var typed *sdk.Error
	if errors.As(err, &typed) {
		return nil, typed
	}
	if err != nil {
		return nil, sdk.UserErrorf("invalid_request", "logout token: %w", err)
	}
	end, _ := claims.Time("exp")
	return &sdk.LogoutToken{
		Issuer: claims.String("iss"), Sub: claims.String("sub"), SID: claims.String("sid"), ID: claims.String("jti"), Expiry: end,
	}, nil
}

func (p *Provider) checkLogout(m *metadata, claims oauth2.Object) error {
	if err := p.checkParties(m, claims); err != nil {
		return err
	}
	if err := p.checkTimes(claims, false); err != nil {
		return err
	}
	sub, sid := claims.String("sub"), claims.String("sid")
	switch {
	case claims.Has("nonce"):
		return errors.New("it has a nonce: it is an ID token")
	case claims.Object("events").Object(logoutEvent) == nil:
		return errors.New("its events do not say that this is a logout")
	case claims.String("jti") == "":
		return errors.New("it has no jti")
	case sub == "" && sid == "":
		return errors.New("it names neither a sub nor a sid")
	case claims.Has("sub") && !oauth2.IsSubject(sub), claims.Has("sid") && sid == "":
		return errors.New("its sub or sid can't be used")
	}
	return nil
}
