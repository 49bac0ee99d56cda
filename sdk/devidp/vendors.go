package devidp

import "slices"

// builtIn are the vendors every provider serves: the OpenID Provider itself,
// GitHub, Keycloak and Descope.
func builtIn(prefix, issuer string) []*Mount {
	return []*Mount{
		{
			Name: "oidc", Prefix: prefix, exact: issuer,
			Paths: map[string]string{
				EndpointDiscovery:  "/.well-known/openid-configuration",
				EndpointAuthorize:  "/authorize",
				EndpointToken:      "/token",
				EndpointUserInfo:   "/userinfo",
				EndpointJWKS:       "/jwks",
				EndpointRevoke:     "/revoke",
				EndpointIntrospect: "/introspect",
				EndpointEndSession: "/end_session",
			},
		},
		{
			Name: "github", Issuer: "/login/oauth",
			Paths: map[string]string{
				EndpointGitHubAuthorize: "/login/oauth/authorize",
				EndpointGitHubToken:     "/login/oauth/access_token",
				EndpointGitHubUser:      "/user",
				EndpointGitHubEmails:    "/user/emails",
				EndpointGitHubOrgs:      "/user/orgs",
				EndpointGitHubTeams:     "/user/teams",
				EndpointGitHubRevoke:    "/applications/{client_id}/token",
			},
		},
		{
			Name: "keycloak", Prefix: "/realms/{realm}",
			JWTAccessToken: true, RefreshAlways: true, Azp: true, Claims: keycloakClaims,
			Paths: map[string]string{
				EndpointDiscovery:  "/.well-known/openid-configuration",
				EndpointAuthorize:  "/protocol/openid-connect/auth",
				EndpointToken:      "/protocol/openid-connect/token",
				EndpointUserInfo:   "/protocol/openid-connect/userinfo",
				EndpointJWKS:       "/protocol/openid-connect/certs",
				EndpointRevoke:     "/protocol/openid-connect/revoke",
				EndpointIntrospect: "/protocol/openid-connect/token/introspect",
				EndpointEndSession: "/protocol/openid-connect/logout",
			},
		},
		{
			// Descope's client id is the project id, and the issuer ends in it.
			Name: "descope", Issuer: "/{client_id}",
			Paths: map[string]string{
				EndpointDiscovery:  "/{client_id}/.well-known/openid-configuration",
				EndpointJWKS:       "/{client_id}/.well-known/jwks.json",
				EndpointAuthorize:  "/oauth2/v1/authorize",
				EndpointToken:      "/oauth2/v1/token",
				EndpointUserInfo:   "/oauth2/v1/userinfo",
				EndpointRevoke:     "/oauth2/v1/revoke",
				EndpointEndSession: "/oauth2/v1/logout",
			},
		},
	}
}

// keycloakClaims puts roles and groups where Keycloak's usual mappers put them.
func keycloakClaims(in ClaimsInput) map[string]any {
	clientRoles := map[string]any{}
	for client, roles := range in.User.ClientRoles {
		clientRoles[client] = map[string]any{"roles": list(roles)}
	}
	claims := map[string]any{
		"realm_access":    map[string]any{"roles": list(in.User.Roles)},
		"resource_access": clientRoles,
		"groups":          list(in.User.Groups),
	}
	switch in.Place {
	case PlaceIDToken:
		claims["typ"] = "ID"
	case PlaceAccessToken:
		claims["typ"] = "Bearer"
		claims["aud"] = "account"
	}
	return claims
}

// list is never null in JSON.
func list(in []string) []string {
	if in == nil {
		return []string{}
	}
	return slices.Clone(in)
}
