package main

import (
	"context"
	"errors"

	"github.com/authd/authd/sdk"
)

// Check implements sdk.Checker. The engine's own asks with a code, which a client that may only use the password
// grant is refused; this one signs in as nobody.
func (p *password) Check(ctx context.Context) ([]sdk.Diagnostic, error) {
	return append(p.checkToken(ctx), p.client.CheckReach(ctx, "userinfo endpoint", p.userInfo)...), nil
}

// checkToken tells whether the token endpoint takes the client and the grant: then it refuses the made-up user.
func (p *password) checkToken(ctx context.Context) []sdk.Diagnostic {
	_, err := p.client.Password(ctx, sdk.Credentials{Username: "authd-check", Password: "authd-check"}, nil)
	var refused *sdk.Error
	switch {
	case err == nil:
		return []sdk.Diagnostic{{
			Severity: sdk.SeverityError, Summary: "token endpoint gives tokens to a made-up user", Detail: "do not trust this identity provider",
		}}
	case errors.As(err, &refused) && refused.Source == sdk.SourceUser:
		return []sdk.Diagnostic{{Severity: sdk.SeverityOK, Summary: "token endpoint takes the client's credentials and the password grant"}}
	case errors.As(err, &refused) && refused.Source == sdk.SourceConfig:
		return refused.Diagnostics
	}
	return []sdk.Diagnostic{{Severity: sdk.SeverityError, Summary: "token endpoint can't be used", Detail: err.Error()}}
}
