// Package devidp is a developer identity provider: a real OpenID Provider with
// made-up people, and a GitHub-style one beside it, in one process and without
// an account anywhere. It can also misbehave on purpose, so that a client can
// be tested against every lie and accident an identity provider may come up with.
//
// It is NEVER for production. Whoever reaches it signs in as whoever they like.
// That is why [Start] listens on loopback only and refuses every other address.
// Nothing is stored: all people, sessions, codes and tokens end with the process.
//
// # Endpoints
//
// Every endpoint has a name (EndpointToken …) by which faults are set and
// requests are looked up, and a path in each [Mount] that serves it:
//
//	name               OIDC (issuer itself)               Keycloak: /realms/{realm} +          Descope-like
//	discovery          /.well-known/openid-configuration  /.well-known/openid-configuration    /{client_id}/.well-known/openid-configuration
//	authorize          /authorize                         /protocol/openid-connect/auth        /oauth2/v1/authorize
//	token              /token                             /protocol/openid-connect/token       /oauth2/v1/token
//	userinfo           /userinfo                          /protocol/openid-connect/userinfo    /oauth2/v1/userinfo
//	jwks               /jwks                              /protocol/openid-connect/certs       /{client_id}/.well-known/jwks.json
//	revoke             /revoke                            /protocol/openid-connect/revoke      /oauth2/v1/revoke
//	introspect         /introspect                        /protocol/openid-connect/token/introspect
//	end_session        /end_session                       /protocol/openid-connect/logout      /oauth2/v1/logout
//
//	github_authorize   /login/oauth/authorize
//	github_token       /login/oauth/access_token
//	github_user        /user
//	github_emails      /user/emails
//	github_orgs        /user/orgs
//	github_teams       /user/teams
//	github_revoke      /applications/{client_id}/token   (DELETE)
//
// A further vendor is one more [Mount] in [Options]: data, no code.
//
// # What it does
//
//   - Authorization code flow and hybrid flow (code id_token), PKCE with S256,
//     response modes query, fragment and form_post, RFC 9207 iss, prompt,
//     max_age, login_hint, id_token_hint (OpenID Connect Core 1.0).
//   - Grants authorization_code (single use, 60 s), refresh_token (rotation with
//     reuse detection) and password; client_secret_basic, client_secret_post and none.
//   - A request without the scope openid is plain OAuth 2.0 and gets no ID token.
//   - Userinfo, revocation (RFC 7009), introspection (RFC 7662), RP-Initiated
//     Logout and Back-Channel Logout.
//
// # The map of the package
//
//	devidp.go     Options, Start, New, Close       people.go     users and clients
//	mount.go      vendors as data, routing         vendors.go    the four built in
//	call.go       one request, JSON answers        recorder.go   what clients really sent
//	authorize.go  the authorization request        interact.go   the page and its answer
//	callback.go   the redirect back                client.go     client authentication
//	token.go      the token endpoint               grants.go     codes, tokens, families
//	claims.go     who the user is                  jwt.go        payload, header, signature
//	keys.go       signing keys, JWKS               userinfo.go   userinfo
//	revoke.go     revocation, introspection        logout.go     end_session, logout tokens
//	github.go     GitHub's OAuth                   githubapi.go  GitHub's API
//	discovery.go  the metadata                     pages.go      pages, from assets/
//	faults.go     Fault and its queue              spoil.go      transport faults
//	flaws.go      the names of flaws               flawtable.go  what each one does
//	browser.go    a browser for tests
package devidp
