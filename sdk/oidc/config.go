package oidc

import (
	"context"
	"net/url"
	"regexp"
	"strings"
	"time"

	"github.com/authd/authd/sdk"
	"github.com/authd/authd/sdk/oauth2"
)

// Config is an OpenID Connect provider as data.
type Config struct {
	// Issuer is the issuer identifier, byte by byte as the identity provider writes it.
	Issuer string
	// IssuerSetting is the setting to name when the issuer is wrong; empty: issuer.
	IssuerSetting string
	// Discovery is where the discovery document is; empty: under the issuer.
	Discovery string
	// IssuerPattern, with Discovery, takes the issuer that the discovery document names if all of it matches, because
	// the settings know the issuer by another name; Issuer is then not looked at. Nil: Issuer and no other.
	IssuerPattern *regexp.Regexp
	// IssuerOf returns the iss that a token with these claims must have, where one discovery document stands for many
	// issuers and names a template instead, or a *sdk.Error for an issuer that is not let in. A key that is bound to an
	// issuer then signs for that one alone. Nil: the issuer of the discovery document.
	IssuerOf func(claims oauth2.Object) (string, error)
	// ClientID must be set; an empty ClientSecret makes a public client.
	ClientID, ClientSecret string
	// AuthMethod is client_secret_basic, client_secret_post or none. Empty: none without a secret, otherwise basic
	// unless the discovery document offers only post.
	AuthMethod string
	// Endpoint overrides what the discovery document says, one by one.
	Endpoint Endpoint
	// NoDiscovery takes Endpoint alone, without any discovery document.
	NoDiscovery bool
	// Logout is a sign-out page of the identity provider's own kind.
	Logout Logout
	// Hybrid asks for an ID token beside the code (OpenID Connect Core section 3.3).
	Hybrid bool
	// Params are fixed parameters of the authorization request.
	Params url.Values
	// Scopes are asked for whatever else is, as openid always is.
	Scopes []string
	// TrustedAudiences may stand beside this client in an ID token's aud; azp must then be this client.
	TrustedAudiences []string
	// NoUserInfo leaves the userinfo endpoint alone, so that the ID token must hold everything.
	NoUserInfo bool
	// EmailVerifiedString takes the string "true" in email_verified for true. Without it only the boolean counts.
	EmailVerifiedString bool
	// GroupsClaim is the claim that lists groups; it may be a path of members joined by dots. Empty: groups.
	GroupsClaim string
	// Map is called last with all claims and the user made from the standard ones, which it may change; nil: nothing
	// to change. Sub stays what it is.
	Map func(claims oauth2.Object, u *sdk.User) error
	// Extend comes after Map and may ask further endpoints about the user, with a client that shows no credentials of
	// its own and the token that the user is made from. What it adds to the claims is there for rules. Nil: nothing.
	Extend func(ctx context.Context, c *oauth2.Client, t *sdk.Token, claims oauth2.Object, u *sdk.User) error
	// Now is the clock; nil: time.Now.
	Now func() time.Time
}

// Endpoint holds the endpoints that a discovery document names (OpenID Connect Discovery 1.0 section 3).
type Endpoint struct {
	Authorize, Token, UserInfo, JWKS, Revoke, EndSession string
}

// Logout is a page where people sign out that takes more than RP-Initiated Logout 1.0 section 2 knows.
type Logout struct {
	// URL of the page; empty: there is none.
	URL string
	// ReturnTo is the parameter that says, beside post_logout_redirect_uri, where to go afterwards.
	ReturnTo string
	// Always uses the page even where the discovery document names an end_session_endpoint.
	Always bool
}

// Settings are those of a type whose client may be public: client_id, client_secret and the Tuning, with environment
// names that begin with prefix, e.g. OAUTH_OKTA.
func Settings(prefix string) []sdk.Setting {
	client := sdk.ClientSettings(prefix)
	client[1].Required = false
	client[1].Help = "Client secret that belongs to the client ID; leave it out for a public client, which PKCE alone protects."
	return append(client, Tuning(prefix)...)
}

// Tuning are the settings that every OpenID Connect type may offer.
func Tuning(prefix string) []sdk.Setting {
	return []sdk.Setting{
		{
			Name: "token_endpoint_auth_method", Env: prefix + "_TOKEN_ENDPOINT_AUTH_METHOD", Pattern: "client_secret_basic|client_secret_post|none",
			Help: "How the client shows itself to the token endpoint: client_secret_basic, client_secret_post or none. Left out, the discovery document decides.",
		},
		{
			Name: "userinfo", Env: prefix + "_USERINFO", Default: "true", Pattern: "true|false",
			Help: "Whether to ask the userinfo endpoint too (true or false); the ID token alone is quicker if it holds every claim.",
		},
		{
			Name: "groups_claim", Env: prefix + "_GROUPS_CLAIM", Default: "groups",
			Help: "Claim that lists the user's groups; a path such as realm_access.roles reaches into objects.",
		},
	}
}

// FromSettings fills a Config with what Settings or Tuning declare. The caller adds the issuer.
func FromSettings(cfg sdk.Config) Config {
	return Config{
		ClientID:     cfg.Settings["client_id"],
		ClientSecret: cfg.Settings["client_secret"],
		AuthMethod:   cfg.Settings["token_endpoint_auth_method"],
		NoUserInfo:   cfg.Settings["userinfo"] != "" && !cfg.Bool("userinfo"),
		GroupsClaim:  cfg.Settings["groups_claim"],
	}
}

func (c Config) issuerSetting() string {
	if c.IssuerSetting == "" {
		return "issuer"
	}
	return c.IssuerSetting
}

// takes tells whether an issuer that the discovery document names is the right one.
func (c Config) takes(issuer string) bool {
	if c.IssuerPattern == nil {
		return issuer == c.Issuer
	}
	// Whole, however the pattern is written: what stands around an issuer makes it another one.
	return issuer != "" && c.IssuerPattern.FindString(issuer) == issuer
}

// discovery is the address of the discovery document.
func (c Config) discovery() string {
	if c.Discovery != "" {
		return c.Discovery
	}
	return strings.TrimSuffix(c.Issuer, "/") + "/.well-known/openid-configuration"
}

func (c Config) groupsClaim() string {
	if c.GroupsClaim == "" {
		return "groups"
	}
	return c.GroupsClaim
}
