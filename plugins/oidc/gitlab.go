package main

import (
	"context"

	"github.com/authd/authd/sdk"
	"github.com/authd/authd/sdk/oauth2"
	"github.com/authd/authd/sdk/oidc"
)

// gitlabType is gitlab.com or a GitLab of one's own.
func gitlabType() sdk.Type {
	const env = "OAUTH_GITLAB"
	return sdk.Type{
		Name: "gitlab", Label: "GitLab", DocsURL: "https://docs.gitlab.com/integration/openid_connect_provider/",
		Scopes: []string{"openid", "profile", "email"}, Identifier: "email",
		Prompts: []string{"none", "login", "consent"}, // select_account is an error there
		Settings: append(oidc.Settings(env), sdk.Setting{
			Name: "domain", Env: env + "_DOMAIN", Default: "gitlab.com", Pattern: hostShape + `(/[A-Za-z0-9._~-]+)*/?`,
			Help: "Domain of GitLab, e.g. gitlab.example.com, with the path that it lies under, if any; not that of a group or project.",
		}),
		New: newGitLab,
	}
}

func newGitLab(ctx context.Context, cfg sdk.Config) (sdk.Provider, error) {
	base, err := atDomain(cfg, "domain")
	if err != nil {
		return nil, err
	}
	config := oidc.FromSettings(cfg)
	config.IssuerSetting, config.Issuer = "domain", base
	if config.GroupsClaim == "groups" {
		config.Map = directGroups
	}
	return oidc.New(ctx, cfg, config)
}

// directGroups takes the groups of the ID token, which has only those that the user is a direct member of, where
// userinfo, which has all, was not asked.
func directGroups(claims oauth2.Object, u *sdk.User) error {
	if !claims.Has("groups") {
		for _, group := range claims.Strings("groups_direct") {
			if group != "" {
				u.Groups = append(u.Groups, group)
			}
		}
	}
	return nil
}
