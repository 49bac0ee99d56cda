package main

import (
	"context"
	"errors"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/authd/authd/sdk"
	"github.com/authd/authd/sdk/oauth2"
	"github.com/authd/authd/sdk/oidc"
)

// keycloakType is one realm of Keycloak.
func keycloakType() sdk.Type {
	return sdk.Type{
		Name: "keycloak", Label: "Keycloak", DocsURL: "https://www.keycloak.org/docs/latest/server_admin/#_oidc_clients",
		Scopes: []string{"openid", "profile", "email"}, Identifier: "email",
		Prompts: []string{"none", "login", "consent"}, // a browser is signed in to a realm with one account
		Settings: append(oidc.Settings("OAUTH_KEYCLOAK"),
			sdk.Setting{
				Name: "base_url", Env: "OAUTH_KEYCLOAK_BASE_URL", Required: true, Pattern: `https?://[^\s?#]+`,
				Help: "Address of Keycloak as its users see it, with the path up to, not including, /realms.",
			},
			sdk.Setting{Name: "realm", Env: "OAUTH_KEYCLOAK_REALM", Required: true, Pattern: `[^\s/?#]+`, Help: "Name of the realm."},
			sdk.Setting{Name: "name", Env: "OAUTH_KEYCLOAK_NAME", Help: "Another name for the button, and for the provider itself when it comes from the environment alone."},
			sdk.Setting{
				Name: "roles", Env: "OAUTH_KEYCLOAK_ROLES", Default: "false", Pattern: "true|false",
				Help: "Whether roles count as groups too (true or false): role:NAME for realm roles, role:CLIENT:NAME for client roles.",
			}),
		New: newProvider,
	}
}

func newProvider(ctx context.Context, cfg sdk.Config) (sdk.Provider, error) {
	config := oidc.FromSettings(cfg)
	config.IssuerSetting = "base_url"
	config.Issuer = strings.TrimRight(cfg.Settings["base_url"], "/") + "/realms/" + url.PathEscape(cfg.Settings["realm"])
	if cfg.Bool("roles") {
		config.Map = addRoles
	}
	p, err := oidc.New(ctx, cfg, config)
	var typed *sdk.Error
	if errors.As(err, &typed) && typed.HTTPStatus == http.StatusNotFound {
		typed.Diagnostics = append(typed.Diagnostics, sdk.Diagnostic{
			Severity: sdk.SeverityError, Setting: "realm", Summary: "names no realm there",
			Detail: "spell it as the admin console does; base_url ends before /realms, and needs /auth at its end only with an old Keycloak",
		})
	}
	return p, err
}

// addRoles adds the roles to the groups. The prefix keeps a role from being taken for a group of the same name, and a
// group that has it in its own name is left out.
func addRoles(claims oauth2.Object, u *sdk.User) error {
	u.Groups = slices.DeleteFunc(u.Groups, func(group string) bool { return strings.HasPrefix(group, "role:") })
	for _, role := range claims.Object("realm_access").Strings("roles") {
		u.Groups = append(u.Groups, "role:"+role)
	}
	clients := claims.Object("resource_access")
	for _, client := range slices.Sorted(maps.Keys(clients)) {
		for _, role := range clients.Object(client).Strings("roles") {
			u.Groups = append(u.Groups, "role:"+client+":"+role)
		}
	}
	return nil
}
