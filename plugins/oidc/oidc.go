package main

import (
	"context"
	"strings"

	"github.com/authd/authd/sdk"
	"github.com/authd/authd/sdk/oidc"
)

const env = "OAUTH_OIDC"

// oidcType is any OpenID Connect provider.
func oidcType() sdk.Type {
	return sdk.Type{
		Name: "oidc", Label: "OpenID Connect", DocsURL: "https://openid.net/developers/how-connect-works/",
		Scopes: []string{"openid", "profile", "email"}, Identifier: "preferred_username",
		Settings: append(append([]sdk.Setting{{
			Name: "issuer", Env: env + "_ISSUER", Required: true, Pattern: `https?://[^\s?#]+`,
			Help: "Issuer identifier, to the last slash as the identity provider's discovery document has it.",
		}}, oidc.Settings(env)...), specialSettings()...),
		New: newProvider,
	}
}

// specialSettings are for identity providers that differ from the usual.
func specialSettings() []sdk.Setting {
	settings := []sdk.Setting{
		{Name: "trusted_audiences", Env: env + "_TRUSTED_AUDIENCES", Help: "Audiences that may stand beside this client in an ID token, parted by spaces."},
		{
			Name: "email_verified_string", Env: env + "_EMAIL_VERIFIED_STRING", Default: "false", Pattern: "true|false",
			Help: "Whether the text \"true\" in email_verified counts as true (true or false); OpenID Connect has a boolean there.",
		},
		{
			Name: "discovery", Env: env + "_DISCOVERY", Default: "true", Pattern: "true|false",
			Help: "Whether to read the discovery document (true or false); without it the first three endpoints below are needed.",
		},
	}
	for _, e := range []struct{ name, help string }{
		{"authorization_endpoint", "Where people are sent to sign in; left out, as discovery says."},
		{"token_endpoint", "Where codes become tokens; left out, as discovery says."},
		{"jwks_uri", "Where the signing keys are; left out, as discovery says."},
		{"userinfo_endpoint", "Where more about the user is; left out, as discovery says."},
		{"revocation_endpoint", "Where tokens are ended; left out, as discovery says."},
		{"end_session_endpoint", "Where people are sent to sign out; left out, as discovery says."},
	} {
		settings = append(settings, sdk.Setting{Name: e.name, Env: env + "_" + strings.ToUpper(e.name), Help: e.help})
	}
	return settings
}

func newProvider(ctx context.Context, cfg sdk.Config) (sdk.Provider, error) {
	s := cfg.Settings
	config := oidc.FromSettings(cfg)
	config.Issuer = s["issuer"]
	config.TrustedAudiences = strings.Fields(s["trusted_audiences"])
	config.EmailVerifiedString = cfg.Bool("email_verified_string")
	config.NoDiscovery = !cfg.Bool("discovery")
	config.Endpoint = oidc.Endpoint{
		Authorize: s["authorization_endpoint"], Token: s["token_endpoint"], UserInfo: s["userinfo_endpoint"],
		JWKS: s["jwks_uri"], Revoke: s["revocation_endpoint"], EndSession: s["end_session_endpoint"],
	}
	return oidc.New(ctx, cfg, config)
}
