package devidp

import (
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"fmt"
	"maps"
	"net/url"
	"slices"
	"strings"
	"time"
	"unicode"
)

// elsewhere is an origin that belongs to nobody (RFC 2606).
const elsewhere = "http://attacker.invalid"

// onIDToken are the endpoints that hand out ID tokens.
func onIDToken() []string { return []string{EndpointToken, EndpointAuthorize} }

// drafted makes the spec of a flaw that edits a token before it is signed.
func drafted(edit func(d *draft)) flawSpec {
	return flawSpec{on: onIDToken(), draft: func(_ *Server, d *draft) error {
		edit(d)
		return nil
	}}
}

// signatureFlaws are wrong in how the token is signed or typed.
func signatureFlaws() map[Flaw]flawSpec {
	return map[Flaw]flawSpec{
		FlawAlgNone:           drafted(func(d *draft) { d.alg = "none" }),
		FlawHS256ClientSecret: drafted(func(d *draft) { d.alg, d.secret = "HS256", []byte(d.client.Secret) }),
		FlawHS256PublicKey:    {on: onIDToken(), draft: publicKeyAsSecret},
		FlawBrokenSignature:   drafted(func(d *draft) { d.mangle = flipLastBit }),
		FlawUnknownKey:        {on: onIDToken(), draft: strangerKey},
		FlawHeaderJKU: {on: onIDToken(), draft: func(s *Server, d *draft) error {
			d.header["jku"] = s.TrapURL()
			return strangerKey(s, d)
		}},
		FlawHeaderJWK: {on: onIDToken(), draft: func(s *Server, d *draft) error {
			d.embed = true
			return strangerKey(s, d)
		}},
		FlawWeakKey: {on: onIDToken(), draft: func(s *Server, d *draft) (err error) {
			d.key, err = s.keys.showWeak()
			return err
		}},
		FlawCritical: drafted(func(d *draft) {
			d.header["crit"], d.header["urn:example:unknown"] = []string{"urn:example:unknown"}, true
		}),
		FlawNotJWT:          drafted(func(d *draft) { d.mangle = func(string) string { return "this.is.no-jwt" } }),
		FlawAccessTokenType: drafted(func(d *draft) { d.header["typ"] = "at+jwt" }),
	}
}

// publicKeyAsSecret is the key confusion of RFC 8725 section 2.1.
func publicKeyAsSecret(_ *Server, d *draft) error {
	der, err := x509.MarshalPKIXPublicKey(d.key.private.Public())
	if err != nil {
		return fmt.Errorf("devidp: public key: %w", err)
	}
	d.alg, d.secret = "HS256", pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der})
	return nil
}

func strangerKey(_ *Server, d *draft) (err error) {
	d.key, err = newSigningKey("ES256")
	return err
}

// flipLastBit changes the signature and nothing else.
func flipLastBit(token string) string {
	at := strings.LastIndexByte(token, '.') + 1
	signature, err := base64.RawURLEncoding.DecodeString(token[at:])
	if err != nil || len(signature) == 0 {
		return token + "A" // it was unsigned already
	}
	signature[len(signature)-1] ^= 1
	return token[:at] + base64.RawURLEncoding.EncodeToString(signature)
}

// tokenClaimFlaws are wrong in what an ID token says about itself.
func tokenClaimFlaws() map[Flaw]flawSpec {
	lenient := func(spec flawSpec) flawSpec { spec.lenient = true; return spec }
	front := func(spec flawSpec) flawSpec { spec.on = []string{EndpointAuthorize}; return spec }
	return map[Flaw]flawSpec{
		FlawWrongIssuer:   drafted(func(d *draft) { d.claims["iss"] = elsewhere }),
		FlawNoIssuer:      without("iss"),
		FlawWrongAudience: drafted(func(d *draft) { d.claims["aud"] = "another-client" }),
		FlawNoAudience:    without("aud"),
		FlawExtraAudience: drafted(func(d *draft) {
			d.claims["aud"] = []string{d.client.ID, "another-client"}
			delete(d.claims, "azp")
		}),
		FlawAzpOther: drafted(func(d *draft) { d.claims["azp"] = "another-client" }),
		FlawExpired: drafted(func(d *draft) {
			d.claims["iat"], d.claims["exp"] = d.at(-7*time.Hour), d.at(-6*time.Hour)
		}),
		FlawNoExpiry:       without("exp"),
		FlawFutureIssuedAt: drafted(func(d *draft) { d.claims["iat"], d.claims["exp"] = d.at(time.Hour), d.at(2*time.Hour) }),
		FlawNoIssuedAt:     without("iat"),
		FlawNotYetValid:    drafted(func(d *draft) { d.claims["nbf"], d.claims["exp"] = d.at(time.Hour), d.at(2*time.Hour) }),
		FlawWrongNonce:     drafted(func(d *draft) { d.claims["nonce"] = "nonce-of-another-login" }),
		FlawNoNonce:        without("nonce"),
		FlawWrongAtHash:    drafted(func(d *draft) { d.claims["at_hash"] = halfHash(d.key.alg, "another access token") }),
		FlawWrongCHash:     front(drafted(func(d *draft) { d.claims["c_hash"] = halfHash(d.key.alg, "another code") })),
		FlawNoCHash:        front(without("c_hash")),
		FlawStaleAuthTime:  lenient(drafted(func(d *draft) { d.claims["auth_time"] = d.at(-7 * 24 * time.Hour) })),
		FlawNoAuthTime:     lenient(without("auth_time")),
	}
}

// without makes the spec of a flaw that leaves a claim out.
func without(claim string) flawSpec {
	return drafted(func(d *draft) { delete(d.claims, claim) })
}

// at is a NumericDate seen from when the draft was begun.
func (d *draft) at(offset time.Duration) int64 { return d.now.Add(offset).Unix() }

// logoutFlaws are wrong in a logout token only (OpenID Connect Back-Channel Logout 1.0 section 2.6).
func logoutFlaws() map[Flaw]flawSpec {
	table := map[Flaw]flawSpec{
		FlawWithNonce: drafted(func(d *draft) { d.claims["nonce"] = "a nonce has no place here" }),
		FlawNoEvents:  without("events"),
		FlawNoTokenID: without("jti"),
		FlawNoSubject: drafted(func(d *draft) {
			delete(d.claims, "sub")
			delete(d.claims, "sid")
		}),
		FlawWrongTokenType: drafted(func(d *draft) { d.header["typ"] = "at+jwt" }),
	}
	for flaw, spec := range table {
		spec.on = nil
		table[flaw] = spec
	}
	return table
}

// identityFlaws are wrong in who the user is.
func identityFlaws() map[Flaw]flawSpec {
	whoever := func(lenient bool, edit func(d *draft)) flawSpec {
		spec := drafted(edit)
		spec.on = append(spec.on, EndpointUserInfo)
		spec.lenient = lenient
		return spec
	}
	setSub := func(sub any) func(*draft) { return func(d *draft) { d.claims["sub"] = sub } }
	table := map[Flaw]flawSpec{
		FlawOtherUser:     whoever(false, swapUser),
		FlawRepeatedClaim: whoever(false, func(d *draft) { d.suffix = fmt.Sprintf(`"sub":%q`, d.victim.Sub) }),
		FlawCaseClaim:     whoever(false, func(d *draft) { d.suffix = fmt.Sprintf(`"Sub":%q`, d.victim.Sub) }),
		FlawNumericSub:    whoever(false, setSub(42)),
		FlawEmptySub:      whoever(false, setSub("")),
		FlawNoSub:         whoever(false, func(d *draft) { delete(d.claims, "sub") }),
		FlawLongSub:       whoever(false, setSub(strings.Repeat("s", 300))),
		FlawEmailVerifiedString: whoever(true, func(d *draft) {
			d.claims["email"], d.claims["email_verified"] = d.user.Email, "true"
		}),
		FlawNoEmailVerified: whoever(true, func(d *draft) { delete(d.claims, "email_verified") }),
		FlawClaimTypes: whoever(true, func(d *draft) {
			maps.Copy(d.claims, map[string]any{
				"name": 42, "email": []string{d.user.Email}, "picture": map[string]any{"url": 1}, "groups": map[string]any{"admins": true},
			})
		}),
	}
	// GitHub's /user has an id for a sub; its handler sees to these two.
	for _, flaw := range []Flaw{FlawOtherUser, FlawNoSub} {
		spec := table[flaw]
		spec.on = append(slices.Clone(spec.on), EndpointGitHubUser)
		table[flaw] = spec
	}
	return table
}

// swapUser makes the token one of somebody else, from sub to e-mail.
func swapUser(d *draft) {
	d.claims["sub"] = d.victim.Sub
	for name, value := range map[string]string{
		"name": d.victim.Name, "given_name": d.victim.GivenName, "family_name": d.victim.FamilyName,
		"email": d.victim.Email, "preferred_username": d.victim.Username,
	} {
		if _, had := d.claims[name]; had {
			d.claims[name] = value
		}
	}
}

// answerFlaws are wrong in the token answer around the tokens.
func answerFlaws() map[Flaw]flawSpec {
	set := func(lenient bool, name string, value any) flawSpec {
		return flawSpec{on: []string{EndpointToken, EndpointGitHubToken}, lenient: lenient, body: func(_ *Server, body map[string]any) {
			if value == nil {
				delete(body, name)
				return
			}
			body[name] = value
		}}
	}
	table := map[Flaw]flawSpec{
		FlawNoIDToken:         set(false, "id_token", nil),
		FlawNoAccessToken:     set(false, "access_token", nil),
		FlawEmptyAccessToken:  set(false, "access_token", ""),
		FlawTokenTypeMAC:      set(false, "token_type", "mac"),
		FlawNoTokenType:       set(false, "token_type", nil),
		FlawErrorWithToken:    set(false, "error", "access_denied"),
		FlawExpiresNegative:   set(true, "expires_in", -3600),
		FlawExpiresHuge:       set(true, "expires_in", int64(9e18)),
		FlawExpiresString:     set(true, "expires_in", "3600"),
		FlawNoNewRefreshToken: set(true, "refresh_token", nil),
		FlawErrorIn200: {on: []string{EndpointToken, EndpointGitHubToken}, body: func(_ *Server, body map[string]any) {
			clear(body)
			body["error"], body["error_description"] = "access_denied", "this fault was asked for"
		}},
	}
	for _, oidcOnly := range []Flaw{FlawNoIDToken, FlawNoNewRefreshToken} {
		spec := table[oidcOnly]
		spec.on = []string{EndpointToken}
		table[oidcOnly] = spec
	}
	return table
}

// metadataFlaws are wrong in discovery and JWKS.
func metadataFlaws() map[Flaw]flawSpec {
	back := []string{"token_endpoint", "userinfo_endpoint", "jwks_uri", "revocation_endpoint", "introspection_endpoint"}
	point := func(names []string, to string) flawSpec {
		return flawSpec{on: []string{EndpointDiscovery}, body: func(_ *Server, body map[string]any) {
			for _, name := range names {
				if to == "" {
					delete(body, name)
				} else if _, had := body[name]; had {
					body[name] = to + name
				}
			}
		}}
	}
	return map[Flaw]flawSpec{
		FlawOtherIssuer:      point([]string{"issuer"}, elsewhere+"/"),
		FlawForeignEndpoints: point(append([]string{"authorization_endpoint"}, back...), elsewhere+"/"),
		FlawFTPEndpoints:     point(back, "ftp://127.0.0.1/"),
		FlawScriptEndpoint:   point([]string{"authorization_endpoint"}, "javascript:alert(1)//"),
		FlawMissingMembers:   point([]string{"token_endpoint", "jwks_uri"}, ""),
		FlawStrangeKeys:      {on: []string{EndpointJWKS}, lenient: true},
		FlawNoKeys:           {on: []string{EndpointJWKS}},
	}
}

// callbackFlaws are wrong in the redirect back.
func callbackFlaws() map[Flaw]flawSpec {
	on := func(edit func(params url.Values)) flawSpec {
		return flawSpec{on: []string{EndpointAuthorize, EndpointGitHubAuthorize}, params: func(_ *Server, params url.Values) { edit(params) }}
	}
	table := map[Flaw]flawSpec{
		FlawWrongState:      on(func(p url.Values) { p.Set("state", "state-of-another-login") }),
		FlawNoState:         on(func(p url.Values) { p.Del("state") }),
		FlawDoubleState:     on(func(p url.Values) { p.Add("state", p.Get("state")) }),
		FlawStateCase:       on(func(p url.Values) { p.Set("state", swapCase(p.Get("state"))) }),
		FlawNoCode:          on(func(p url.Values) { p.Del("code") }),
		FlawDoubleCode:      on(func(p url.Values) { p.Add("code", p.Get("code")) }),
		FlawErrorAndCode:    on(func(p url.Values) { p.Set("error", "access_denied") }),
		FlawTokenInCallback: on(func(p url.Values) { p.Set("access_token", "token-in-a-url"); p.Set("token_type", "Bearer") }),
		FlawCallbackIssuer:  on(func(p url.Values) { p.Set("iss", elsewhere) }),
		FlawCallbackNoIss:   on(func(p url.Values) { p.Del("iss") }),
		FlawCallbackNoToken: on(func(p url.Values) { p.Del("id_token") }),
	}
	for _, oidcOnly := range []Flaw{FlawCallbackIssuer, FlawCallbackNoIss, FlawCallbackNoToken} {
		spec := table[oidcOnly]
		spec.on = []string{EndpointAuthorize}
		table[oidcOnly] = spec
	}
	return table
}

func swapCase(in string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsUpper(r) {
			return unicode.ToLower(r)
		}
		return unicode.ToUpper(r)
	}, in)
}
