// Package login is the way of a login, from the button to the user.
//
//	GET /auth/oauth/{id}
//	  host/routes.go      every route of authd on one screen
//	  host/login.go       copies id, return_to out of Fiber; login.Start
//	  login/returnto.go   is it ours?         login/pkce.go  state, nonce, verifier
//	  login/start.go      Provider.AuthorizeParams; the host's own parameters over it
//	  catalog/provider.go the facade: deadline, distrust of the answer, "provider github: …" on errors
//	  sdk/client.go ─gRPC→ sdk/server.go → plugins/github/github.go
//	  login/transaction.go seals state+nonce+verifier+return_to+provider into the flow cookie
//	GET /auth/oauth/{id}/callback
//	  host/callback.go    login.Finish → policy.Admit → session.Create → cookie → 303
//	  login/finish.go     open the cookie, compare state (empty is a failure), burn the flow, all BEFORE any exchange;
//	                      GetToken, GetUserInfo
//	Later
//	  login/renew.go      a new token and the user as they are now, when the access token has run out
//	ANY /auth/check
//	  host/forwardauth.go session.Lookup → host/identity.go headers → 200 | 401 | 403
//
// The package decides nothing about who may come in and knows no HTTP; its errors are sentinels that host turns
// into pages.
package login
