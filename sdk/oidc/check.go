package oidc

import (
	"context"
	"errors"
	"fmt"

	"github.com/authd/authd/sdk"
)

// Check implements sdk.Checker: the discovery document, the clock, the keys, the token endpoint with the client's
// credentials, and userinfo, all asked anew.
func (p *Provider) Check(ctx context.Context) ([]sdk.Diagnostic, error) {
	found := p.checkDiscovery(ctx)
	keys, err := p.fetchKeys(ctx)
	if err != nil {
		found = append(found, diagnose("keys can't be used", err)...)
	} else {
		found = append(found, sdk.Diagnostic{Severity: sdk.SeverityOK, Summary: fmt.Sprintf("%d keys can verify signatures", len(keys))})
	}
	c, m, err := p.client(ctx)
	if err != nil {
		return append(found, diagnose("token endpoint can't be asked", err)...), nil
	}
	found = append(found, c.CheckToken(ctx)...)
	if p.static != nil {
		found = append(found, p.plain().CheckReach(ctx, "key set", m.endpoint.JWKS)...)
	}
	if p.asksUserInfo(m) {
		if reach := p.plain().CheckReach(ctx, "userinfo endpoint", m.endpoint.UserInfo); len(reach) > 0 {
			found = append(found, reach[0]) // the clock was looked at before
		}
	}
	return found, nil
}

// checkDiscovery reads the discovery document anew, whatever is in use.
func (p *Provider) checkDiscovery(ctx context.Context) []sdk.Diagnostic {
	if p.static != nil {
		return nil
	}
	found := p.plain().CheckReach(ctx, "discovery document", p.config.discovery())
	if _, err := p.fetchMetadata(ctx); err != nil {
		found = append(found, diagnose("discovery document can't be used", err)...)
	}
	return found
}

// diagnose makes diagnostics of an error; those that it brings along go first.
func diagnose(summary string, err error) []sdk.Diagnostic {
	var typed *sdk.Error
	if errors.As(err, &typed) && len(typed.Diagnostics) > 0 {
		return typed.Diagnostics
	}
	return []sdk.Diagnostic{{Severity: sdk.SeverityError, Summary: summary, Detail: err.Error()}}
}
