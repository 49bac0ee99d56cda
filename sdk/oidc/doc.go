// Package oidc is the engine for OpenID Connect providers: an issuer, a client and a few choices make a whole
// sdk.Provider.
//
//	config.go    Config, and the settings that most types share
//	provider.go  New and the steps of a login           session.go   refresh, sign-out, revocation
//	metadata.go  discovery, checked                     document.go  what is fetched and kept
//	keys.go      signing keys, checked                  verify.go    ID tokens
//	logout.go    logout tokens                          claims.go    claims become a user
//	check.go     is it all really usable?
//
// The way of a login: [New] reads the discovery document, whose issuer must equal the configured one byte by byte,
// unless Config.IssuerPattern or Config.IssuerOf say what else it may be.
// AuthorizeParams makes no request. GetToken redeems the code once, through package oauth2, and verifies the ID token
// as OpenID Connect Core section 3.1.3.7 says and then some: an asymmetric algorithm from a fixed list, this client as
// the only audience, exp and iat present, the nonce, at_hash, max_age, and claims that no two readers understand
// differently. GetUserInfo verifies the ID token again, asks the userinfo endpoint, whose sub must be the same, and
// lets Config.Map have the last word.
//
// Package go-oidc parses tokens, asks for the signature and computes at_hash; its other checks are too lenient for us
// (further audiences, Google's second issuer, five minutes of nbf, names in another case) and are done here.
package oidc
