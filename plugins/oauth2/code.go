package main

import (
	"context"

	"github.com/authd/authd/sdk"
	"github.com/authd/authd/sdk/oauth2"
)

// codeType is a public client of any OAuth 2.0 server: the authorization code grant with PKCE and no secret.
func codeType() sdk.Type {
	const env = "OAUTH_CODE"
	settings := []sdk.Setting{
		sdk.ClientSettings(env)[0],
		endpointIn(env, "authorize_url", "Authorization endpoint"),
		endpointIn(env, "token_url", "Token endpoint"),
		endpointIn(env, "user_url", "Address that says who a token belongs to"),
		settingIn(env, "logout_url", "", address, "Where people are sent to sign out there too, on the server of authorize_url and beginning with https://; left out, they stay signed in there."),
		settingIn(env, "user_key", "email", `[^\s,]+`, "Where userinfo has what becomes preferred_username, by which applications call the person."),
	}
	return sdk.Type{
		Name: "code", Label: "OAuth 2.0 (public client)", DocsURL: "https://www.rfc-editor.org/rfc/rfc7636",
		Scopes: []string{"openid", "profile", "email"}, Identifier: "preferred_username",
		Settings: append(settings, pathSettings(env)...), New: newCode,
	}
}

func newCode(_ context.Context, cfg sdk.Config) (sdk.Provider, error) {
	s := cfg.Settings
	return newProvider(cfg, oauth2.Config{
		AuthStyle: oauth2.AuthNone, Map: mapping{settings: s, identifier: s["user_key"]}.user,
		Endpoint: oauth2.Endpoint{Authorize: s["authorize_url"], Token: s["token_url"], UserInfo: s["user_url"]},
	}, "authorize_url")
}
