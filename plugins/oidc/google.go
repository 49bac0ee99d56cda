package main

import (
	"context"
	"net/url"
	"slices"
	"strings"

	"github.com/authd/authd/sdk"
	"github.com/authd/authd/sdk/oauth2"
	"github.com/authd/authd/sdk/oidc"
)

// googleType is Google Accounts, private ones and those of Google Workspace.
func googleType() sdk.Type {
	const env = "OAUTH_GOOGLE"
	return sdk.Type{
		Name: "google", Label: "Google", DocsURL: "https://console.cloud.google.com/auth/clients",
		Scopes: []string{"openid", "profile", "email"}, Identifier: "email", Prompts: []string{"none", "consent", "select_account"},
		Settings: append(sdk.ClientSettings(env),
			sdk.Setting{
				Name: "hosted_domain", Env: env + "_HOSTED_DOMAIN", Pattern: `[A-Za-z0-9-]+(\.[A-Za-z0-9-]+)+( +[A-Za-z0-9-]+(\.[A-Za-z0-9-]+)+)*`,
				Help: "Domain of the Google Workspace whose members alone may sign in, e.g. example.com, without @ or https://; several are parted by spaces.",
			},
			sdk.Setting{
				Name: "issuer", Env: env + "_ISSUER", Default: "https://accounts.google.com", Pattern: `https?://[^\s?#]+`,
				Help: "Issuer identifier; another one only where something stands in for Google.",
			}),
		New: newGoogle,
	}
}

func newGoogle(ctx context.Context, cfg sdk.Config) (sdk.Provider, error) {
	config := oidc.FromSettings(cfg)
	config.Issuer = cfg.Settings["issuer"]
	config.Params = url.Values{"access_type": {"offline"}} // Google knows no scope offline_access
	if domains := strings.Fields(strings.ToLower(cfg.Settings["hosted_domain"])); len(domains) > 0 {
		config.Params.Set("hd", "*") // of any Workspace: Google takes one domain or this
		if len(domains) == 1 {
			config.Params.Set("hd", domains[0])
		}
		config.Map = memberOf(domains)
	}
	return oidc.New(ctx, cfg, config)
}

// memberOf lets in whom Google says to belong to one of the domains. The parameter hd only chooses what Google shows:
// whoever changes the URL signs in with another account. The domain of the e-mail address proves nothing.
func memberOf(domains []string) func(oauth2.Object, *sdk.User) error {
	return func(claims oauth2.Object, _ *sdk.User) error {
		switch hd := strings.ToLower(claims.String("hd")); {
		case hd == "":
			return sdk.UserErrorf("access_denied", "the account belongs to no Google Workspace (there is no claim hd); hosted_domain lets in %s alone", strings.Join(domains, " and "))
		case !slices.Contains(domains, hd):
			return sdk.UserErrorf("access_denied", "the account belongs to the Google Workspace %.100q; if its members may sign in, add it to hosted_domain", hd)
		}
		return nil
	}
}
