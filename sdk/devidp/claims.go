package devidp

import (
	"maps"
	"slices"

	"github.com/go-jose/go-jose/v4"
)

// claimScopes are the scopes that choose claims (OpenID Connect Core 5.4; groups
// is what Dex, Okta and others added).
func claimScopes() []string { return []string{"openid", "profile", "email", "groups"} }

// userClaims is what a grant's scopes let a place say about a user. A plain
// OAuth 2.0 grant, which knows none of the claim scopes, gets everything.
func (s *Server) userClaims(gr *grant, u User, place string) map[string]any {
	client, _ := s.people.client(gr.clientID)
	claims := map[string]any{"sub": u.Sub}
	all := !slices.ContainsFunc(gr.scopes, func(one string) bool { return slices.Contains(claimScopes(), one) })
	if place != PlaceIDToken || !s.opt.ThinIDToken {
		if all || hasScope(gr.scopes, "profile") {
			addText(claims, map[string]string{
				"name": u.Name, "given_name": u.GivenName, "family_name": u.FamilyName,
				"preferred_username": u.Username, "picture": u.Picture,
			})
		}
		if (all || hasScope(gr.scopes, "email")) && u.Email != "" {
			claims["email"], claims["email_verified"] = u.Email, u.EmailVerified
		}
		if all || hasScope(gr.scopes, "groups") {
			claims["groups"] = list(u.Groups)
		}
		addClaims(claims, u.Claims)
	}
	if gr.mount.Claims != nil {
		addClaims(claims, gr.mount.Claims(ClaimsInput{User: u, Client: client, Scopes: slices.Clone(gr.scopes), Place: place}))
	}
	return claims
}

func addText(claims map[string]any, values map[string]string) {
	for name, value := range values {
		if value != "" {
			claims[name] = value
		}
	}
}

// addClaims lays further claims over the ones there; nil takes a claim away.
func addClaims(claims, more map[string]any) {
	for name, value := range more {
		if value == nil {
			delete(claims, name)
		} else {
			claims[name] = value
		}
	}
}

// idToken makes the ID token of a grant (OpenID Connect Core 2, 3.1.3.6). The
// access token and the code, where there are such, are bound by their hashes.
func (s *Server) idToken(gr *grant, accessToken, code string, f Fault) (string, error) {
	u, _ := s.people.bySub(gr.sub)
	client, _ := s.people.client(gr.clientID)
	d := s.newDraft("JWT", s.userClaims(gr, u, PlaceIDToken), client, u)
	now := s.opt.Now()
	maps.Copy(d.claims, map[string]any{
		"iss": gr.issuer, "aud": gr.clientID,
		"iat": now.Unix(), "exp": now.Add(s.opt.IDTokenLife).Unix(), "auth_time": gr.authTime.Unix(),
	})
	if s.opt.Azp || gr.mount.Azp {
		d.claims["azp"] = gr.clientID
	}
	addText(d.claims, map[string]string{"nonce": gr.nonce, "sid": gr.sid, "acr": gr.acr})
	addHash(d.claims, "at_hash", d.key.alg, accessToken)
	addHash(d.claims, "c_hash", d.key.alg, code)
	return s.seal(d, f)
}

func addHash(claims map[string]any, name string, alg jose.SignatureAlgorithm, value string) {
	if value != "" {
		claims[name] = halfHash(alg, value)
	}
}

// accessToken makes an access token: opaque, or a JWT where the mount says so.
func (s *Server) accessToken(gr *grant) (string, error) {
	if !gr.mount.JWTAccessToken {
		return randomID(), nil
	}
	u, _ := s.people.bySub(gr.sub)
	client, _ := s.people.client(gr.clientID)
	d := s.newDraft("JWT", s.userClaims(gr, u, PlaceAccessToken), client, u)
	now := s.opt.Now()
	maps.Copy(d.claims, map[string]any{
		"iss": gr.issuer, "iat": now.Unix(), "exp": now.Add(s.opt.AccessTokenLife).Unix(),
		"azp": gr.clientID, "scope": joinScope(gr.scopes), "jti": randomID(),
	})
	if _, said := d.claims["aud"]; !said {
		d.claims["aud"] = gr.clientID
	}
	addText(d.claims, map[string]string{"sid": gr.sid})
	return s.seal(d, Fault{})
}
