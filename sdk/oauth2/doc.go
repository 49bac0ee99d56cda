// Package oauth2 is the engine for OAuth 2.0 providers: an identity provider becomes data (endpoints, how the client
// authenticates, what scopes are called) plus one function that maps its answer to a user.
//
//	provider.go    Config and New: a whole sdk.Provider       capability.go  what else it can do, as far as configured
//	client.go      the grants of RFC 6749, revocation         send.go        one request, its limits and its faults
//	token.go       the token response                         refusal.go     what an error means and whose fault it is
//	object.go      JSON read strictly                         endpoint.go    which URLs may be spoken to
//	check.go       is it all really usable?
//
// The way of a login: [New] checks the endpoints; AuthorizeParams makes no request; GetToken sends the code exactly
// once ([Client.Exchange]); GetUserInfo asks the userinfo endpoint ([Client.GetJSON]) and calls Config.Map, which may
// ask further endpoints with the same client.
//
// The token request is written here and not taken from golang.org/x/oauth2, because that one tries a second way of
// client authentication with the same code, prints whole answers in its errors, takes a repeated member's last value
// and fails on an expires_in that is no number.
package oauth2
