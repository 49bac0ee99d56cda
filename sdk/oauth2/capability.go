package oauth2

import (
	"context"

	"github.com/authd/authd/sdk"
)

// revoker and password hold the capabilities that not every provider has. authd asks by type assertion what a
// provider can do, so each combination is a type of its own.
type (
	revoker  struct{ p *Provider }
	password struct{ p *Provider }
)

// RevokeToken implements sdk.Revoker.
func (r revoker) RevokeToken(ctx context.Context, t *sdk.Token) error {
	if r.p.config.Revoke != nil {
		return r.p.config.Revoke(ctx, r.p.client, t)
	}
	return r.p.client.Revoke(ctx, t)
}

// PasswordLogin implements sdk.PasswordLogin.
func (l password) PasswordLogin(ctx context.Context, in sdk.Credentials) (*sdk.Token, error) {
	return l.p.client.Password(ctx, in, WithScopes(l.p.scopes, l.p.config.Scopes...))
}

func withCapabilities(p *Provider) sdk.Provider {
	revokes := p.config.Revoke != nil || p.config.Endpoint.Revoke != ""
	switch {
	case revokes && p.config.Password:
		return struct {
			*Provider
			revoker
			password
		}{p, revoker{p}, password{p}}
	case revokes:
		return struct {
			*Provider
			revoker
		}{p, revoker{p}}
	case p.config.Password:
		return struct {
			*Provider
			password
		}{p, password{p}}
	}
	return p
}
