package host

import (
	"context"
	"strconv"
	"sync"
	"time"

	"github.com/gofiber/fiber/v2"

	"github.com/authd/authd/internal/identity"
	"github.com/authd/authd/internal/keys"
	"github.com/authd/authd/internal/session"
)

const (
	// identityTyp keeps the token of a check from being taken for any other JWT (RFC 8725 section 3.11).
	identityTyp = "authd-identity+jwt"
	// identityLife is how long one may be believed; it is made anew after half of that.
	identityLife = 5 * time.Minute
	// signPause is how long a check goes without a token after signing has failed.
	signPause = time.Second
	// maxAudiences bounds the tokens of one session: without apps, or with a wildcard, hosts are as many as clients say.
	maxAudiences = 16
)

// identityClaims say who is signed in, to one app (RFC 7519, OpenID Connect Core section 5.1).
type identityClaims struct {
	Issuer            string   `json:"iss"`
	Subject           string   `json:"sub"`
	Audience          string   `json:"aud"`
	IssuedAt          int64    `json:"iat"`
	Expires           int64    `json:"exp"`
	ID                string   `json:"jti"`
	Identifier        string   `json:"identifier"`
	PreferredUsername string   `json:"preferred_username,omitempty"`
	Name              string   `json:"name,omitempty"`
	Email             string   `json:"email,omitempty"`
	EmailVerified     bool     `json:"email_verified,omitempty"`
	Groups            []string `json:"groups"`
	GroupsOmitted     bool     `json:"groups_omitted,omitempty"`
	Provider          string   `json:"provider"`
}

// tokens are what a session hands to apps, made when the first check asks and kept with the session in memory.
type tokens struct {
	mu       sync.Mutex
	identity map[string]identityToken // :: host of the app → token
	access   []byte
	accessOK bool // access was read
}

// identityToken is a signed identity.
type identityToken struct {
	jwt     []byte // :: nil: signing failed
	kid     string
	renewAt time.Time
}

// identityToken returns the signed identity of a session for the app at host, nil when the host is not known. It is
// signed once per session, app and key, since a signature costs more than all the rest of a check.
func (s *Server) identityToken(ctx context.Context, g *grant, host string) []byte {
	if host == "" {
		return nil
	}
	// The wall clock alone, which verifiers have too: the other one stands still while the machine sleeps. One that was
	// set back would leave a token that begins in the future.
	now := s.sessions.Now().Round(0)
	g.tokens.mu.Lock()
	defer g.tokens.mu.Unlock()
	kept, ok := g.tokens.identity[host]
	if left := kept.renewAt.Sub(now); ok && left > 0 && left <= identityLife/2 && kept.kid == s.signer.KeyID() {
		return kept.jwt
	}
	made := identityToken{kid: s.signer.KeyID(), renewAt: now.Add(identityLife / 2)}
	jwt, err := s.signer.Sign(ctx, identityTyp, identityClaimsOf(g.user, s.publicURL.String(), host, now))
	if err != nil {
		s.log.Error("the identity can't be signed; apps that ask for X-Auth-Request-Jwt get an empty one", "cause", err.Error())
		made.renewAt = now.Add(signPause)
	} else {
		made.jwt = []byte(jwt)
	}
	if len(g.tokens.identity) >= maxAudiences || g.tokens.identity == nil {
		g.tokens.identity = map[string]identityToken{}
	}
	g.tokens.identity[host] = made
	return made.jwt
}

func identityClaimsOf(u *identity.User, issuer, audience string, now time.Time) identityClaims {
	groups := u.Groups
	_, omitted := groupsHeader(u)
	if groups == nil || omitted != "" {
		groups = []string{}
	}
	return identityClaims{
		Issuer: issuer, Subject: u.Subject, Audience: audience, IssuedAt: now.Unix(), Expires: now.Add(identityLife).Unix(), ID: keys.RandomID(),
		Identifier: u.Identifier, PreferredUsername: u.PreferredUsername, Name: u.Name, Email: u.VerifiedEmail(),
		EmailVerified: u.VerifiedEmail() != "", Groups: groups, GroupsOmitted: omitted != "", Provider: u.Provider,
	}
}

// accessToken returns the identity provider's token for an app that asks for it, nil otherwise. One that has run out is
// not handed on; the session renews it in good time where it can.
func (s *Server) accessToken(ctx context.Context, v verdict) []byte {
	if v.app == nil || !v.app.PassAccessToken {
		return nil
	}
	found := v.grant.session
	if !found.TokenExpiry.IsZero() && !s.sessions.Now().Before(found.TokenExpiry) {
		return nil
	}
	kept := &v.grant.tokens
	kept.mu.Lock()
	defer kept.mu.Unlock()
	if kept.accessOK {
		return kept.access
	}
	token, err := s.upstreamToken(ctx, found)
	if err != nil {
		s.log.Error("the access token can't be read", "provider", found.User.Provider, "cause", err.Error())
		return nil
	}
	kept.access, kept.accessOK = token, true
	return token
}

func (s *Server) upstreamToken(ctx context.Context, found *session.Session) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, lookupTimeout)
	defer cancel()
	token, err := s.sessions.Token(ctx, found)
	if err != nil || token == nil {
		return nil, err
	}
	return []byte(headerValue(token.AccessToken, "")), nil
}

// jwks is GET /.well-known/jwks.json (RFC 7517 section 5).
func (s *Server) jwks(c *fiber.Ctx) error {
	ctx, cancel := context.WithTimeout(c.UserContext(), lookupTimeout)
	defer cancel()
	set, err := keys.JWKS(ctx, s.signer)
	if err != nil {
		return s.fail(c, failStore, err, "")
	}
	c.Set(fiber.HeaderContentType, "application/jwk-set+json")
	c.Set(fiber.HeaderCacheControl, "public, max-age="+strconv.Itoa(int(set.MaxAge.Seconds())))
	c.Set(fiber.HeaderETag, set.ETag)
	c.Set(fiber.HeaderAccessControlAllowOrigin, "*")
	c.Set(fiber.HeaderXContentTypeOptions, "nosniff")
	if c.Get(fiber.HeaderIfNoneMatch) == set.ETag {
		return c.SendStatus(fiber.StatusNotModified)
	}
	return c.Send(set.JSON)
}
