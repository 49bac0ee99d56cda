package oidc

import (
	"context"
	"crypto/subtle"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	goidc "github.com/coreos/go-oidc/v3/oidc"
	"github.com/go-jose/go-jose/v4"

	"github.com/authd/authd/sdk"
	"github.com/authd/authd/sdk/oauth2"
)

// leeway is how far clocks may be apart.
const leeway = time.Minute

// errIdentity is wrapped by errors that mean: this token is about somebody else, or for somebody else.
var errIdentity = errors.New("it belongs to another issuer, client or user")

// expectation is what an ID token must match beside what every one must.
type expectation struct {
	// nonce that the token must hold; not looked at without withNonce.
	nonce     string
	withNonce bool
	// maxAge that the sign-in may have; 0: any.
	maxAge time.Duration
	// accessToken that at_hash, if there is one, must match; "": not looked at.
	accessToken string
	// code that c_hash, which must be there, must match; "": not looked at.
	code string
	// again: the token will be looked at once more, soon.
	again bool
	// expired tokens will do, since this one was verified in time before.
	expired bool
}

// verifyIDToken verifies an ID token (OpenID Connect Core section 3.1.3.7) and returns its claims. Errors are of
// source upstream and hold no part of the token but its issuer and audience.
func (p *Provider) verifyIDToken(ctx context.Context, raw string, want expectation) (oauth2.Object, error) {
	claims, err := p.verified(ctx, raw, want)
	if err == nil {
		return claims, nil
	}
	var typed *sdk.Error
	if errors.As(err, &typed) {
		return nil, typed
	}
	return nil, sdk.UpstreamErrorf("ID token: %w", err)
}

// verified is verifyIDToken, but for what is wrong with the token itself, which is no *sdk.Error yet: whose fault that
// is depends on who brought it.
func (p *Provider) verified(ctx context.Context, raw string, want expectation) (oauth2.Object, error) {
	m, err := p.metadata(ctx)
	if err != nil {
		return nil, err
	}
	claims, token, known := p.opened.take(raw, p.now())
	if !known {
		claims, token, err = p.open(ctx, m, raw, "jwt")
	}
	if err == nil {
		err = p.checkClaims(m, claims, want)
	}
	if err == nil && want.accessToken != "" && claims.Has("at_hash") {
		err = token.VerifyAccessToken(want.accessToken)
	}
	if err == nil && want.code != "" {
		err = checkCodeHash(token, claims, want.code)
	}
	if err != nil {
		return nil, err
	}
	if want.again {
		p.opened.put(raw, claims, token, p.now())
	}
	return claims, nil
}

// open checks the form, type and signature of a token and returns its claims, read strictly.
func (p *Provider) open(ctx context.Context, m *metadata, raw string, types ...string) (oauth2.Object, *goidc.IDToken, error) {
	if err := checkHeader(raw, types); err != nil {
		return nil, nil, err
	}
	keys := &keySet{keys: p.keys, bound: p.config.IssuerOf != nil}
	for _, alg := range m.algorithms {
		keys.algorithms = append(keys.algorithms, jose.SignatureAlgorithm(alg))
	}
	// Issuer, audience and times are checked by checkClaims, more strictly.
	verifier := goidc.NewVerifier(m.issuer, keys, &goidc.Config{
		SupportedSigningAlgs: m.algorithms, SkipClientIDCheck: true, SkipIssuerCheck: true, SkipExpiryCheck: true,
	})
	token, err := verifier.Verify(ctx, raw)
	switch {
	case keys.err != nil:
		return nil, nil, keys.err
	case err != nil && !keys.asked:
		return nil, nil, fmt.Errorf("it is malformed, or signed with another algorithm than %v", m.algorithms)
	case err != nil:
		return nil, nil, errors.New("its claims are of types that they must not have")
	}
	var payload json.RawMessage
	if err := token.Claims(&payload); err != nil {
		return nil, nil, err
	}
	claims, err := oauth2.ParseObject(payload)
	return claims, token, err
}

// checkHeader takes compact tokens with a strict header whose typ, if there is one, is among types (RFC 8725 section
// 3.11). go-jose refuses critical extensions that it does not know.
func checkHeader(raw string, types []string) error {
	parts := strings.Split(raw, ".")
	if len(parts) != 3 {
		return errors.New("it is no signed JWT")
	}
	text, err := base64.RawURLEncoding.DecodeString(parts[0])
	if err != nil {
		return errors.New("it is no signed JWT")
	}
	header, err := oauth2.ParseObject(text)
	if err != nil {
		return fmt.Errorf("its header: %w", err)
	}
	kind := strings.TrimPrefix(strings.ToLower(header.String("typ")), "application/")
	if header.Has("typ") && !slices.Contains(types, kind) {
		return fmt.Errorf("its typ is %.20q: it was made for something else", kind)
	}
	return nil
}

// checkCodeHash holds c_hash against the code (OpenID Connect Core section 3.3.2.10). It is made as at_hash is.
func checkCodeHash(token *goidc.IDToken, claims oauth2.Object, code string) error {
	hashed := *token
	hashed.AccessTokenHash = claims.String("c_hash")
	if hashed.VerifyAccessToken(code) != nil {
		return errors.New("its c_hash is missing, or not that of the code that came with it")
	}
	return nil
}

// checkClaims checks what the claims say about the token.
func (p *Provider) checkClaims(m *metadata, claims oauth2.Object, want expectation) error {
	if err := p.checkParties(m, claims); err != nil {
		return err
	}
	if sub := claims.String("sub"); !oauth2.IsSubject(sub) {
		return errors.New("it has no sub of 1 to 255 ASCII characters")
	}
	// Keycloak signs its other tokens with the same keys and tells them apart by this claim.
	if kind := claims.String("typ"); slices.Contains([]string{"Bearer", "Refresh", "Offline", "Logout"}, kind) {
		return fmt.Errorf("it is a token of type %s", kind)
	}
	if err := p.checkTimes(claims, want.expired); err != nil {
		return err
	}
	if want.withNonce && !sameSecret(claims.String("nonce"), want.nonce) {
		return errors.New("its nonce is not the one of this login")
	}
	if want.maxAge > 0 {
		signedIn, ok := claims.Time("auth_time")
		if !ok || p.now().Sub(signedIn) > want.maxAge+leeway {
			return errors.New("its auth_time is missing or older than max_age")
		}
	}
	return nil
}

// checkParties checks who made the token and for whom.
func (p *Provider) checkParties(m *metadata, claims oauth2.Object) error {
	issuer := m.issuer
	if p.config.IssuerOf != nil {
		var err error
		if issuer, err = p.config.IssuerOf(claims); err != nil {
			return err
		}
	}
	if iss := claims.String("iss"); iss != issuer || iss == "" {
		return fmt.Errorf("%w: its iss is %.100q, not %q", errIdentity, iss, issuer)
	}
	audience, ok := audienceOf(claims)
	if !ok || !slices.Contains(audience, p.config.ClientID) {
		return fmt.Errorf("%w: its aud is not this client", errIdentity)
	}
	azp := claims.String("azp")
	if claims.Has("azp") && azp != p.config.ClientID {
		return fmt.Errorf("%w: its azp is not this client", errIdentity)
	}
	for _, other := range audience {
		if other == p.config.ClientID {
			continue
		}
		if !slices.Contains(p.config.TrustedAudiences, other) || azp == "" {
			return fmt.Errorf("%w: its aud names %.100q beside this client, which is not trusted; if it should be, name it in trusted_audiences, and have azp sent", errIdentity, other)
		}
	}
	return nil
}

// audienceOf reads aud: a string, or a list of strings and nothing else.
func audienceOf(claims oauth2.Object) ([]string, bool) {
	var one string
	if json.Unmarshal(claims["aud"], &one) == nil {
		return []string{one}, one != ""
	}
	var list []*string
	if json.Unmarshal(claims["aud"], &list) != nil || len(list) == 0 {
		return nil, false
	}
	out := make([]string, 0, len(list))
	for _, item := range list {
		if item == nil {
			return nil, false
		}
		out = append(out, *item)
	}
	return out, true
}

// checkTimes checks exp, iat and nbf (RFC 7519 section 4.1).
func (p *Provider) checkTimes(claims oauth2.Object, expired bool) error {
	now := p.now()
	end, hasEnd := claims.Time("exp")
	made, hasMade := claims.Time("iat")
	begin, hasBegin := claims.Time("nbf")
	switch {
	case !hasEnd || !hasMade:
		return errors.New("it lacks exp or iat")
	case !expired && !now.Before(end.Add(leeway)):
		return errors.New("it has expired; compare the clocks of both machines")
	case made.After(now.Add(leeway)):
		return errors.New("its iat is in the future; compare the clocks of both machines")
	case claims.Has("nbf") && !hasBegin, hasBegin && begin.After(now.Add(leeway)):
		return errors.New("its nbf is in the future; compare the clocks of both machines")
	}
	return nil
}

// sameSecret compares in constant time; an empty one is never the same as anything.
func sameSecret(got, want string) bool {
	return want != "" && subtle.ConstantTimeCompare([]byte(got), []byte(want)) == 1
}
