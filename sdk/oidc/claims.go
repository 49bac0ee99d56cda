package oidc

import (
	"context"
	"net/url"

	"github.com/authd/authd/sdk"
	"github.com/authd/authd/sdk/oauth2"
)

// tokenClaims belong to the ID token and are never taken from userinfo, which is not signed for this client.
var tokenClaims = [...]string{
	"iss", "sub", "aud", "exp", "nbf", "iat", "jti", "auth_time", "nonce", "acr", "amr", "azp", "at_hash", "c_hash", "s_hash", "sid", "typ", "events",
}

// transientClaims serve the protocol alone: no rule can use them, and every session would hold them.
var transientClaims = [...]string{"nonce", "at_hash", "c_hash", "s_hash"}

// merge puts the claims of userinfo over those of the ID token, except the ones that belong to the token itself.
// Either may be nil. An e-mail address and whether it is verified come from one place together: a flag for one
// address must not end up beside another.
func merge(id, info oauth2.Object) oauth2.Object {
	if id == nil {
		return info
	}
	all := oauth2.Object{}
	for name, value := range id {
		all[name] = value
	}
	extra := oauth2.Object{}
	for name, value := range info {
		extra[name] = value
	}
	for _, name := range tokenClaims {
		delete(extra, name)
	}
	switch {
	case extra.Has("email") && extra.String("email") != id.String("email"):
		delete(all, "email_verified")
	case !extra.Has("email") && id.Has("email"):
		delete(extra, "email_verified")
	}
	for name, value := range extra {
		all[name] = value
	}
	return all
}

// user makes the user from the claims of OpenID Connect Core section 5.1. A claim of an unexpected type is left out.
// User.Claims is all of them but transientClaims.
func (p *Provider) user(ctx context.Context, t *sdk.Token, claims oauth2.Object) (*sdk.User, error) {
	u := &sdk.User{
		Sub:               claims.String("sub"),
		PreferredUsername: claims.String("preferred_username"),
		Name:              claims.String("name"),
		GivenName:         claims.String("given_name"),
		FamilyName:        claims.String("family_name"),
		Email:             claims.String("email"),
		Picture:           webURL(claims.String("picture")),
		Locale:            claims.String("locale"),
		SID:               claims.String("sid"),
		EmailVerified:     claims.Bool("email_verified"),
		Groups:            notEmpty(claims.Find(p.config.groupsClaim())),
	}
	if p.config.EmailVerifiedString && u.EmailVerified == nil {
		if said := claims.String("email_verified"); said == "true" || said == "false" {
			verified := said == "true"
			u.EmailVerified = &verified
		}
	}
	sub := u.Sub
	if p.config.Map != nil {
		if err := p.config.Map(claims, u); err != nil {
			return nil, err
		}
	}
	if p.config.Extend != nil {
		if err := p.config.Extend(ctx, p.plain(), t, claims, u); err != nil {
			return nil, err
		}
	}
	u.Sub = sub
	if u.Claims == nil {
		for _, name := range transientClaims {
			delete(claims, name)
		}
		u.Claims = claims.JSON()
	}
	return u, nil
}

// webURL keeps only what a browser may be given as the address of a picture. Nothing is fetched from it here.
func webURL(raw string) string {
	u, err := url.Parse(raw)
	if err != nil || u.Scheme != "https" && u.Scheme != "http" || u.Host == "" {
		return ""
	}
	return raw
}

func notEmpty(names []string) []string {
	var out []string
	for _, name := range names {
		if name != "" {
			out = append(out, name)
		}
	}
	return out
}
