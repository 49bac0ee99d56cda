package main

import (
	"context"

	"github.com/authd/authd/sdk"
	"github.com/authd/authd/sdk/oauth2"
)

// genericType is any OAuth 2.0 server that tells at some address, in JSON, who a token belongs to.
func genericType() sdk.Type {
	const env = "OAUTH_GENERIC"
	client := sdk.ClientSettings(env)
	client[1].Required = false // newGeneric asks for it, unless the client is public
	scope := settingIn(env, "scope", "openid profile email", "", "Scopes to ask for, parted by spaces; the same as scopes.")
	scope.Env = env + "_SCOPES" // as Chainlit has it
	settings := append(
		client,
		endpointIn(env, "auth_url", "Authorization endpoint"),
		endpointIn(env, "token_url", "Token endpoint"),
		endpointIn(env, "user_info_url", "Address that says who a token belongs to"),
		scope,
		settingIn(env, "name", "", "", "Another name for the button, and for the provider itself when it comes from the environment alone."),
		settingIn(env, "user_identifier", "email", `[^\s,]+`, "Where userinfo has what becomes preferred_username, by which applications call the person."),
		settingIn(env, "token_endpoint_auth_method", string(oauth2.AuthPost), "client_secret_post|client_secret_basic|none", "How the client shows who it is at the token endpoint: client_secret_post, client_secret_basic, or none for a public client."),
		settingIn(env, "logout_url", "", address, "Where people are sent to sign out there too, on the server of auth_url and beginning with https://; left out, they stay signed in there."),
	)
	return sdk.Type{
		Name: "generic", Label: "OAuth 2.0", DocsURL: "https://www.rfc-editor.org/rfc/rfc6749#section-2",
		Scopes: []string{"openid", "profile", "email"}, Identifier: "preferred_username",
		Settings: append(settings, pathSettings(env)...), New: newGeneric,
	}
}

func newGeneric(_ context.Context, cfg sdk.Config) (sdk.Provider, error) {
	s := cfg.Settings
	style := oauth2.AuthStyle(s["token_endpoint_auth_method"])
	if s["client_secret"] == "" && style != oauth2.AuthNone {
		return nil, sdk.ConfigErrorf("client_secret", "is not set; set it, or OAUTH_GENERIC_CLIENT_SECRET in the environment, or client_secret_file; a public client has token_endpoint_auth_method = \"none\"")
	}
	return newProvider(cfg, oauth2.Config{
		AuthStyle: style, Map: mapping{settings: s, identifier: s["user_identifier"]}.user,
		Endpoint: oauth2.Endpoint{Authorize: s["auth_url"], Token: s["token_url"], UserInfo: s["user_info_url"]},
	}, "auth_url")
}
