package main

import (
	"context"
	"strings"

	"github.com/authd/authd/sdk"
	"github.com/authd/authd/sdk/oauth2"
	"github.com/authd/authd/sdk/oidc"
)

// cognitoType is a user pool of Amazon Cognito, with its managed login.
func cognitoType() sdk.Type {
	const env = "OAUTH_COGNITO"
	return sdk.Type{
		Name: "aws-cognito", Label: "Amazon Cognito", DocsURL: "https://docs.aws.amazon.com/cognito/latest/developerguide/cognito-userpools-server-contract-reference.html",
		Scopes: []string{"openid", "profile", "email"}, Identifier: "email",
		Settings: append(standard("groups_claim", "cognito:groups", oidc.Settings(env)),
			sdk.Setting{
				Name: "domain", Env: env + "_DOMAIN", Required: true, Pattern: domainShape,
				Help: "Domain of the user pool's managed login, e.g. acme.auth.eu-west-1.amazoncognito.com, or a custom one; without a path such as /login.",
			},
			sdk.Setting{
				Name: "issuer", Env: env + "_ISSUER", Pattern: `https?://[^\s/?#]+/[^\s?#]+`,
				Help: "https://cognito-idp.REGION.amazonaws.com/USER_POOL_ID; with it ID tokens are verified and tell groups. To set it later makes everybody a new user.",
			},
			sdk.Setting{Name: "scope", Env: env + "_SCOPE", Help: "Scopes, parted by spaces; the same as scopes."}),
		New: newCognito,
	}
}

func newCognito(ctx context.Context, cfg sdk.Config) (sdk.Provider, error) {
	base, err := atDomain(cfg, "domain")
	if err != nil {
		return nil, err
	}
	if cfg.Settings["issuer"] == "" {
		return newUserPool(cfg, base)
	}
	config := oidc.FromSettings(cfg)
	config.Issuer = strings.TrimRight(cfg.Settings["issuer"], "/")
	config.EmailVerifiedString = true // in userinfo it is a text
	config.Endpoint = oidc.Endpoint{
		Authorize: base + "/oauth2/authorize", Token: base + "/oauth2/token", UserInfo: base + "/oauth2/userInfo", Revoke: base + "/oauth2/revoke",
	}
	config.Logout = oidc.Logout{URL: base + "/logout", ReturnTo: "logout_uri", Always: true}
	config.Map = poolUser
	return oidc.New(ctx, cfg, config)
}

// poolUser finds the user name, which Cognito calls by its own name in ID tokens and by another in userinfo.
func poolUser(claims oauth2.Object, u *sdk.User) error {
	for _, name := range []string{"cognito:username", "username"} {
		if u.PreferredUsername == "" {
			u.PreferredUsername = claims.String(name)
		}
	}
	return nil
}
