package sdk

import (
	"context"
	"encoding/json"
	"net/url"
	"time"
)

// Provider logs people in through one identity provider. Its three methods are the three steps of a login; what
// else a provider can do it shows by implementing Refresher, Revoker, EndSessioner, PasswordLogin, OpenID,
// LogoutTokenVerifier or Checker. All methods are called concurrently, each with a deadline.
//
// Errors should be an *Error, so that authd knows whose fault it was; any other error counts as the plugin's own.
type Provider interface {
	// AuthorizeParams gives the authorization endpoint and the parameters for it (RFC 6749 section 4.1.1). It makes
	// no request. authd writes client_id, state, nonce, redirect_uri, response_type and code_challenge itself.
	AuthorizeParams(context.Context, AuthorizeRequest) (AuthorizeParams, error)
	// GetToken exchanges the authorization code for the whole token response (RFC 6749 section 4.1.3). It sends
	// the code once, and verifies the ID token if there is one.
	GetToken(context.Context, CodeExchange) (*Token, error)
	// GetUserInfo turns a token that GetToken, RefreshToken or PasswordLogin returned into a user.
	GetUserInfo(context.Context, *Token) (*User, error)
}

// Refresher is a Provider that can renew tokens (RFC 6749 section 6). The returned token has no refresh token when
// the identity provider sent none; the old one then stays in use.
type Refresher interface {
	RefreshToken(context.Context, *Token) (*Token, error)
}

// Revoker is a Provider that can end tokens at the identity provider (RFC 7009).
type Revoker interface {
	RevokeToken(context.Context, *Token) error
}

// EndSessioner is a Provider that can end the session at the identity provider (OpenID Connect RP-Initiated
// Logout 1.0). EndSession returns the URL to send the browser to, or "" when there is none.
type EndSessioner interface {
	EndSession(context.Context, EndSessionRequest) (string, error)
}

// PasswordLogin is a Provider whose users type a name and a password into authd's own form. It needs no
// authorization endpoint: its AuthorizeParams and GetToken are never called.
type PasswordLogin interface {
	PasswordLogin(context.Context, Credentials) (*Token, error)
}

// OpenID is a Provider whose users are identified by a verified issuer (OpenID Connect Core section 2).
type OpenID interface {
	Metadata() Metadata
}

// LogoutTokenVerifier is a Provider that verifies logout tokens (OpenID Connect Back-Channel Logout 1.0 section 2.6).
type LogoutTokenVerifier interface {
	VerifyLogoutToken(ctx context.Context, logoutToken string) (*LogoutToken, error)
}

// Checker is a Provider that can tell whether its identity provider is really usable: discovery, endpoints, clock.
type Checker interface {
	Check(context.Context) ([]Diagnostic, error)
}

// AuthorizeRequest is what authd wants to be in the authorization request.
type AuthorizeRequest struct {
	// RedirectURI, State, Nonce and CodeChallenge are here to be read; authd writes them into the request.
	RedirectURI, State, Nonce, CodeChallenge, CodeChallengeMethod string
	// Scope to ask for.
	Scope []string
	// Prompt as in OpenID Connect Core section 3.1.2.1; empty: do not send the parameter.
	Prompt string
	// LoginHint is who is expected to sign in; empty: do not send the parameter.
	LoginHint string
	// MaxAge is how old the sign-in at the identity provider may be; zero: any age.
	MaxAge time.Duration
}

// AuthorizeParams are the parts of an authorization request; authd makes the URL.
type AuthorizeParams struct {
	// Endpoint is the authorization endpoint, without the parameters. Its origin can't change while the process lives.
	Endpoint string
	// Params are the provider's own parameters: scope, prompt, access_type …
	Params url.Values
}

// CodeExchange is what came back from the authorization endpoint, with what is needed to redeem it.
type CodeExchange struct {
	Code, RedirectURI, CodeVerifier string
	// Nonce that the ID token must hold.
	Nonce string
	// MaxAge that was asked for; the ID token's auth_time must obey it. Zero: any age.
	MaxAge time.Duration
	// Params are the other parameters of the authorization response, e.g. "session_state", and "id_token" exactly where
	// ResponseTypeHybrid was asked for.
	Params url.Values
}

// Token is the whole token response (RFC 6749 section 5.1).
type Token struct {
	AccessToken, TokenType, RefreshToken, IDToken string
	// Expiry is when the access token ends; zero: not said.
	Expiry time.Time
	// Scope that was granted; nil: as asked.
	Scope []string
	// Extra is the token response as the JSON object it was, if the provider keeps it.
	Extra json.RawMessage
}

// User is who signed in, in the claims of OpenID Connect Core section 5.1.
type User struct {
	// Sub is the user's id at the identity provider: stable, never reassigned, never an e-mail address.
	Sub                                                                         string
	PreferredUsername, Name, GivenName, FamilyName, Email, Picture, Locale, SID string
	// EmailVerified is nil when the identity provider did not say; that never counts as verified.
	EmailVerified *bool
	// Groups are whole names.
	Groups []string
	// Claims is all that the identity provider said, as a JSON object. Rules see it as "claims".
	Claims json.RawMessage
}

// Credentials are what a person typed into authd's form.
type Credentials struct {
	Username, Password string
}

// EndSessionRequest is what RP-Initiated Logout 1.0 section 2 sends.
type EndSessionRequest struct {
	IDTokenHint, PostLogoutRedirectURI, State string
}

// Metadata is what an OpenID provider says of itself (OpenID Connect Discovery 1.0 section 3).
type Metadata struct {
	// Issuer identifier, verified.
	Issuer string
	// ResponseIssSupported means that each authorization response holds iss (RFC 9207 section 3).
	ResponseIssSupported bool
	// ResponseType that authd asks for; empty means ResponseTypeCode.
	ResponseType string
}

// The response types (OAuth 2.0 Multiple Response Type Encoding Practices section 5).
const (
	// ResponseTypeCode asks for a code alone.
	ResponseTypeCode = "code"
	// ResponseTypeHybrid asks for an ID token beside the code (OpenID Connect Core section 3.3). authd has the answer
	// posted as a form, so that no token is ever in a URL, and hands the ID token on among CodeExchange.Params; GetToken
	// verifies it, c_hash included, and refuses an ID token of the token response that is about somebody else. A wrong one
	// is a UserErrorf("invalid_grant", …): the browser brought it.
	ResponseTypeHybrid = "code id_token"
)

// Hybrid tells whether authd asks for an ID token beside the code.
func (m Metadata) Hybrid() bool { return m.ResponseType == ResponseTypeHybrid }

// LogoutToken is a verified logout token.
type LogoutToken struct {
	Issuer, Sub, SID, ID string
	Expiry               time.Time
}

// Capability is something optional that a configured provider can do. authd learns of it by asking which of the
// optional interfaces the provider implements.
type Capability string

// The capabilities, one for each optional interface.
const (
	CapabilityOpenID            Capability = "openid"
	CapabilityRefresh           Capability = "refresh"
	CapabilityRevocation        Capability = "revocation"
	CapabilityEndSession        Capability = "end_session"
	CapabilityBackchannelLogout Capability = "backchannel_logout"
	CapabilityPassword          Capability = "password"
	CapabilityCheck             Capability = "check"
)

// Capabilities tells what p can do besides the three required methods.
func Capabilities(p Provider) []Capability {
	var found []Capability
	add := func(has bool, c Capability) {
		if has {
			found = append(found, c)
		}
	}
	_, openid := p.(OpenID)
	_, refresh := p.(Refresher)
	_, revoke := p.(Revoker)
	_, end := p.(EndSessioner)
	_, logout := p.(LogoutTokenVerifier)
	_, password := p.(PasswordLogin)
	_, check := p.(Checker)
	add(openid, CapabilityOpenID)
	add(refresh, CapabilityRefresh)
	add(revoke, CapabilityRevocation)
	add(end, CapabilityEndSession)
	add(logout, CapabilityBackchannelLogout)
	add(password, CapabilityPassword)
	add(check, CapabilityCheck)
	return found
}
