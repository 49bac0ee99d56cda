package main

import (
	"context"
	"errors"
	"net/http"
	"strings"

	"github.com/authd/authd/sdk"
	"github.com/authd/authd/sdk/oidc"
)

// oktaType is an organisation of Okta, with one of its authorization servers.
func oktaType() sdk.Type {
	const env = "OAUTH_OKTA"
	return sdk.Type{
		Name: "okta", Label: "Okta", DocsURL: "https://developer.okta.com/docs/guides/sign-into-web-app-redirect/",
		Scopes: []string{"openid", "profile", "email"}, Identifier: "email", Prompts: []string{"none", "login", "consent"},
		Settings: append(oidc.Settings(env),
			sdk.Setting{
				Name: "domain", Env: env + "_DOMAIN", Required: true, Pattern: domainShape,
				Help: "Okta domain of the organisation, or its custom domain, e.g. acme.okta.com; without a path such as /oauth2/default.",
			},
			sdk.Setting{
				Name: "authorization_server_id", Env: env + "_AUTHORIZATION_SERVER_ID", Default: "default", Pattern: `[A-Za-z0-9_-]+`,
				Help: "ID of the authorization server; \"false\" for the organisation's own, which every Okta has.",
			}),
		New: newOkta,
	}
}

func newOkta(ctx context.Context, cfg sdk.Config) (sdk.Provider, error) {
	base, err := atDomain(cfg, "domain")
	if err != nil {
		return nil, err
	}
	for _, end := range []string{".okta.com", ".oktapreview.com", ".okta-emea.com"} {
		if right, admin := strings.CutSuffix(strings.ToLower(base), "-admin"+end); admin {
			return nil, sdk.ConfigErrorf("domain", "is that of the admin console; people sign in at %s%s: leave out -admin", strings.TrimPrefix(right, "https://"), end)
		}
	}
	config := oidc.FromSettings(cfg)
	config.IssuerSetting, config.Issuer = "domain", base
	server := cfg.Settings["authorization_server_id"]
	if !strings.EqualFold(server, "false") {
		config.Issuer += "/oauth2/" + server
	}
	p, err := oidc.New(ctx, cfg, config)
	var typed *sdk.Error
	if errors.As(err, &typed) && typed.HTTPStatus == http.StatusNotFound && config.Issuer != base {
		typed.Diagnostics = append(typed.Diagnostics, sdk.Diagnostic{
			Severity: sdk.SeverityError, Setting: "authorization_server_id", Summary: "names no authorization server there",
			Detail: "look it up under Security > API; without API Access Management set it to \"false\"",
		})
	}
	return p, err
}
