package main

import (
	"context"
	"net/url"

	"github.com/authd/authd/sdk"
	"github.com/authd/authd/sdk/oidc"
)

// auth0Type is a tenant of Auth0.
func auth0Type() sdk.Type {
	const env = "OAUTH_AUTH0"
	return sdk.Type{
		Name: "auth0", Label: "Auth0", DocsURL: "https://auth0.com/docs/get-started/auth0-overview/create-applications/regular-web-apps",
		Scopes: []string{"openid", "profile", "email"}, Identifier: "email",
		Settings: append(oidc.Settings(env),
			sdk.Setting{
				Name: "domain", Env: env + "_DOMAIN", Required: true, Pattern: domainShape,
				Help: "Domain of the tenant, e.g. acme.eu.auth0.com, or its custom domain; without a path.",
			},
			sdk.Setting{
				Name: "original_domain", Env: env + "_ORIGINAL_DOMAIN", Pattern: domainShape,
				Help: "Domain of the tenant at Auth0 itself, where the domain is a custom one; the audience is there.",
			},
			sdk.Setting{
				Name: "audience", Env: env + "_AUDIENCE",
				Help: "API that access tokens are for; left out, it is the userinfo endpoint at the original domain.",
			},
			sdk.Setting{
				Name: "issuer", Env: env + "_ISSUER", Pattern: `https?://[^\s?#]+`,
				Help: "Issuer identifier, with its last slash; left out, https://, the domain and a slash.",
			}),
		New: newAuth0,
	}
}

func newAuth0(ctx context.Context, cfg sdk.Config) (sdk.Provider, error) {
	base, err := atDomain(cfg, "domain")
	if err != nil {
		return nil, err
	}
	config := oidc.FromSettings(cfg)
	// Auth0 signs as the domain that it was asked at, be it a custom one, and with a slash.
	config.IssuerSetting, config.Issuer = "domain", base+"/"
	if issuer := cfg.Settings["issuer"]; issuer != "" {
		config.IssuerSetting, config.Issuer = "issuer", issuer
	}
	original := base
	if cfg.Settings["original_domain"] != "" {
		if original, err = atDomain(cfg, "original_domain"); err != nil {
			return nil, err
		}
		config.Endpoint.UserInfo = original + "/userinfo"
	}
	audience := cfg.Settings["audience"]
	if audience == "" {
		audience = original + "/userinfo"
	}
	config.Params = url.Values{"audience": {audience}}
	// Tenants of before November 2023 have no end_session_endpoint unless it was switched on.
	config.Logout = oidc.Logout{URL: base + "/v2/logout", ReturnTo: "returnTo"}
	return oidc.New(ctx, cfg, config)
}
