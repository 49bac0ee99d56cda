package devidp

import (
	"crypto/hmac"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
)

// flawed goes through the flow under flaws of the token endpoint.
func flawed(t *testing.T, s *Server, flaws ...Flaw) (body, header, claims map[string]any, token string) {
	t.Helper()
	s.Fault(EndpointToken, Fault{Flaws: flaws})
	defer s.Fault(EndpointToken)
	body = tokens(t, s, with{"scope": "openid profile email groups offline_access"})
	token = text(t, body, "id_token")
	header, claims, _ = parts(t, token)
	return body, header, claims, token
}

// Each flaw of what an ID token says does exactly that, and nothing else.
func TestClaimFlaws(t *testing.T) {
	s := start(t, Options{Azp: true})
	now := float64(time.Now().Unix())
	gone := func(name string) func(map[string]any) bool {
		return func(c map[string]any) bool { _, said := c[name]; return !said }
	}
	is := func(name string, want any) func(map[string]any) bool {
		return func(c map[string]any) bool { return c[name] == want }
	}
	secs := func(c map[string]any, name string) float64 { v, _ := c[name].(float64); return v }
	for flaw, right := range map[Flaw]func(map[string]any) bool{
		FlawWrongIssuer:   is("iss", elsewhere),
		FlawNoIssuer:      gone("iss"),
		FlawWrongAudience: is("aud", "another-client"),
		FlawNoAudience:    gone("aud"),
		FlawExtraAudience: func(c map[string]any) bool {
			aud, _ := c["aud"].([]any)
			return len(aud) == 2 && aud[0] == "demo" && gone("azp")(c)
		},
		FlawAzpOther:       is("azp", "another-client"),
		FlawExpired:        func(c map[string]any) bool { return secs(c, "exp") < now-3600 && secs(c, "iat") < secs(c, "exp") },
		FlawNoExpiry:       gone("exp"),
		FlawFutureIssuedAt: func(c map[string]any) bool { return secs(c, "iat") > now+3000 && secs(c, "exp") > secs(c, "iat") },
		FlawNoIssuedAt:     gone("iat"),
		FlawNotYetValid:    func(c map[string]any) bool { return secs(c, "nbf") > now+3000 && secs(c, "exp") > secs(c, "nbf") },
		FlawWrongNonce:     func(c map[string]any) bool { return c["nonce"] != nil && c["nonce"] != "the-nonce" },
		FlawNoNonce:        gone("nonce"),
		FlawWrongAtHash:    func(c map[string]any) bool { return c["at_hash"] == halfHash("ES256", "another access token") },
		FlawStaleAuthTime:  func(c map[string]any) bool { return secs(c, "auth_time") < now-6*24*3600 },
		FlawNoAuthTime:     gone("auth_time"),
		FlawNumericSub:     is("sub", 42.0),
		FlawEmptySub:       is("sub", ""),
		FlawNoSub:          gone("sub"),
		FlawLongSub:        func(c map[string]any) bool { sub, _ := c["sub"].(string); return len(sub) == 300 },
		FlawEmailVerifiedString: func(c map[string]any) bool {
			return c["email_verified"] == "true" && c["email"] == "ada@example.org"
		},
		FlawNoEmailVerified: func(c map[string]any) bool { return gone("email_verified")(c) && c["email"] == "ada@example.org" },
		FlawClaimTypes: func(c map[string]any) bool {
			_, list := c["email"].([]any)
			_, object := c["groups"].(map[string]any)
			return list && object && c["name"] == 42.0
		},
		FlawOtherUser: func(c map[string]any) bool {
			return c["sub"] == "dev-2b58e4d7-grace" && c["email"] == "grace@example.org" && c["name"] == "Grace Marlowind"
		},
	} {
		t.Run(string(flaw), func(t *testing.T) {
			_, _, claims, token := flawed(t, s, flaw)
			if !right(claims) {
				t.Errorf("claims %v", claims)
			}
			if _, err := s.keys.verify(token); err != nil {
				t.Errorf("the signature is wrong too: %v", err)
			}
		})
	}
}

// Repeated members are in the bytes, where a parser sees only one of them.
func TestRepeatedClaims(t *testing.T) {
	s := start(t, Options{})
	for flaw, second := range map[Flaw]string{FlawRepeatedClaim: `"sub":"dev-2b58e4d7-grace"}`, FlawCaseClaim: `"Sub":"dev-2b58e4d7-grace"}`} {
		_, _, _, token := flawed(t, s, flaw)
		_, _, payload := parts(t, token)
		if !strings.HasSuffix(string(payload), second) || !contains(string(payload), `"sub":"dev-7f3a91c0-ada"`) {
			t.Errorf("%s: %s", flaw, payload)
		}
		if _, err := s.keys.verify(token); err != nil {
			t.Errorf("%s: signature: %v", flaw, err)
		}
	}
	empty := &draft{claims: map[string]any{}, suffix: `"a":1`}
	if raw, err := empty.payload(); err != nil || string(raw) != `{"a":1}` {
		t.Errorf("suffix alone: %s, %v", raw, err)
	}
}

func hmacFits(token string, secret []byte) bool {
	at := strings.LastIndexByte(token, '.')
	mac := hmac.New(sha256.New, secret)
	mac.Write([]byte(token[:at]))
	return base64.RawURLEncoding.EncodeToString(mac.Sum(nil)) == token[at+1:]
}

func TestSignatureFlaws(t *testing.T) {
	s := start(t, Options{})
	if _, header, _, token := flawed(t, s, FlawAlgNone); header["alg"] != "none" || !strings.HasSuffix(token, ".") {
		t.Errorf("alg-none: %v %s", header, token)
	}
	if _, header, _, token := flawed(t, s, FlawHS256ClientSecret); header["alg"] != "HS256" || !hmacFits(token, []byte("demo-secret")) {
		t.Errorf("hs256-client-secret: %v", header)
	}
	der, err := x509.MarshalPKIXPublicKey(s.keys.signer().private.Public())
	if err != nil {
		t.Fatal(err)
	}
	public := pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der})
	if _, header, _, token := flawed(t, s, FlawHS256PublicKey); header["alg"] != "HS256" || header["kid"] != s.KeyID() || !hmacFits(token, public) {
		t.Errorf("hs256-public-key: %v", header)
	}
	_, header, _, token := flawed(t, s, FlawBrokenSignature)
	if _, err := s.keys.verify(token); err == nil || header["kid"] != s.KeyID() {
		t.Errorf("broken-signature: %v %v", err, header)
	}
	if _, err := s.keys.verify(flipLastBit(token)); err != nil {
		t.Errorf("broken-signature bent more than one bit: %v", err)
	}
	if _, header, _, _ := flawed(t, s, FlawCritical); len(header["crit"].([]any)) != 1 || header["urn:example:unknown"] != true {
		t.Errorf("critical: %v", header)
	}
	if _, header, _, token := flawed(t, s, FlawAccessTokenType); header["typ"] != "at+jwt" {
		t.Errorf("access-token-type: %v %s", header, token)
	}
	s.Fault(EndpointToken, Fault{Flaws: []Flaw{FlawNotJWT}})
	if body := tokens(t, s, nil); body["id_token"] != "this.is.no-jwt" {
		t.Errorf("not-jwt: %v", body["id_token"])
	}
	s.Fault(EndpointToken)
	if flipLastBit("a.b.") != "a.b.A" {
		t.Error("flipLastBit leaves an unsigned token as it is")
	}
}

// Keys that the token brings along itself, or that nobody has published.
func TestStrangerKeyFlaws(t *testing.T) {
	s := start(t, Options{})
	for _, flaw := range []Flaw{FlawUnknownKey, FlawHeaderJKU, FlawHeaderJWK} {
		_, header, _, token := flawed(t, s, flaw)
		if header["kid"] == s.KeyID() {
			t.Errorf("%s: signed with the published key", flaw)
		}
		if _, err := s.keys.verify(token); err == nil {
			t.Errorf("%s: the signature is of a published key", flaw)
		}
		if got := header["jku"]; (flaw == FlawHeaderJKU) != (got == s.TrapURL()) {
			t.Errorf("%s: jku %v", flaw, got)
		}
		if (flaw == FlawHeaderJWK) != (header["jwk"] != nil) {
			t.Errorf("%s: jwk %v", flaw, header["jwk"])
		}
		if flaw == FlawHeaderJWK { // whoever believed the header would be content
			jws, err := jose.ParseSignedCompact(token, []jose.SignatureAlgorithm{jose.ES256})
			if err != nil {
				t.Fatal(err)
			}
			if _, err := jws.Verify(jws.Signatures[0].Protected.JSONWebKey); err != nil {
				t.Errorf("the jwk in the header does not fit: %v", err)
			}
		}
	}
}

// The weak key is published as long as the fault is not cleared.
func TestWeakKeyFlaw(t *testing.T) {
	s := start(t, Options{SigningAlg: "RS256"})
	weak := func() *rsa.PublicKey {
		t.Helper()
		var set jose.JSONWebKeySet
		if err := json.Unmarshal(get(t, s.EndpointURL(EndpointJWKS)).raw, &set); err != nil {
			t.Fatal(err)
		}
		for _, key := range set.Keys {
			if public := key.Key.(*rsa.PublicKey); public.N.BitLen() < 2048 {
				return public
			}
		}
		return nil
	}
	if weak() != nil {
		t.Error("a weak key without a fault")
	}
	_, header, _, token := flawed(t, s, FlawWeakKey)
	key := weak()
	if key == nil || key.N.BitLen() != 1024 || header["alg"] != "RS256" {
		t.Fatalf("weak key %v, header %v", key, header)
	}
	jws, err := jose.ParseSignedCompact(token, []jose.SignatureAlgorithm{jose.RS256})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := jws.Verify(key); err != nil {
		t.Errorf("the weak key does not fit: %v", err)
	}
	s.Clear()
	if weak() != nil {
		t.Error("the weak key outlived Clear")
	}
}

func TestTokenAnswerFlaws(t *testing.T) {
	s := start(t, Options{RefreshAlways: true})
	answer := func(endpoint string, flaw Flaw) map[string]any {
		t.Helper()
		s.Fault(endpoint, Fault{Flaws: []Flaw{flaw}})
		defer s.Fault(endpoint)
		if endpoint == EndpointGitHubToken {
			return post(t, s.EndpointURL(endpoint), githubForm(githubCode(t, s, "ada", nil), nil), accept("application/json")).object(t)
		}
		r := exchange(t, s, codeOf(t, s, nil), nil)
		if r.status != http.StatusOK {
			t.Errorf("%s: status %d, want 200", flaw, r.status)
		}
		return r.object(t)
	}
	for flaw, right := range map[Flaw]func(map[string]any) bool{
		FlawNoIDToken:        func(b map[string]any) bool { return b["id_token"] == nil && b["access_token"] != nil },
		FlawNoAccessToken:    func(b map[string]any) bool { return b["access_token"] == nil && b["token_type"] != nil },
		FlawEmptyAccessToken: func(b map[string]any) bool { return b["access_token"] == "" },
		FlawTokenTypeMAC:     func(b map[string]any) bool { return b["token_type"] == "mac" },
		FlawNoTokenType:      func(b map[string]any) bool { return b["token_type"] == nil && b["access_token"] != nil },
		FlawErrorIn200:       func(b map[string]any) bool { return b["error"] == "access_denied" && b["access_token"] == nil },
		FlawErrorWithToken:   func(b map[string]any) bool { return b["error"] == "access_denied" && b["access_token"] != nil },
		FlawExpiresNegative:  func(b map[string]any) bool { return b["expires_in"] == -3600.0 },
		FlawExpiresHuge:      func(b map[string]any) bool { return b["expires_in"] == 9e18 },
		FlawExpiresString:    func(b map[string]any) bool { return b["expires_in"] == "3600" },
	} {
		for _, endpoint := range flaw.Endpoints() {
			if body := answer(endpoint, flaw); !right(body) {
				t.Errorf("%s at %s: %v", flaw, endpoint, body)
			}
		}
	}
}

// A refresh that keeps the old refresh token must leave it good.
func TestNoNewRefreshToken(t *testing.T) {
	s := start(t, Options{RefreshAlways: true})
	token := text(t, tokens(t, s, nil), "refresh_token")
	s.Fault(EndpointToken, Fault{Flaws: []Flaw{FlawNoNewRefreshToken}})
	for range 3 {
		if body := refresh(t, s, token, nil).want(t, 200, ""); body["refresh_token"] != nil || body["access_token"] == nil {
			t.Errorf("refresh answer %v", body)
		}
	}
}

// A refresh that answers somebody else.
func TestRefreshOfAnotherUser(t *testing.T) {
	s := start(t, Options{RefreshAlways: true})
	token := text(t, tokens(t, s, nil), "refresh_token")
	s.Fault(EndpointToken, Fault{Grant: "refresh_token", Flaws: []Flaw{FlawOtherUser}})
	if got := claimsOf(t, text(t, refresh(t, s, token, nil).want(t, 200, ""), "id_token"))["sub"]; got != "dev-2b58e4d7-grace" {
		t.Errorf("refreshed as %v", got)
	}
	alone := start(t, Options{Users: DefaultUsers()[:1], RefreshAlways: true})
	_, _, claims, _ := flawed(t, alone, FlawOtherUser)
	if claims["sub"] != "dev-somebody-else" {
		t.Errorf("with one user alone: %v", claims["sub"])
	}
}

func TestUserInfoFlaws(t *testing.T) {
	s := start(t, Options{})
	token := text(t, tokens(t, s, nil), "access_token")
	for flaw, part := range map[Flaw]string{
		FlawOtherUser:           `"sub":"dev-2b58e4d7-grace"`,
		FlawRepeatedClaim:       `,"sub":"dev-2b58e4d7-grace"}`,
		FlawCaseClaim:           `,"Sub":"dev-2b58e4d7-grace"}`,
		FlawNumericSub:          `"sub":42`,
		FlawEmptySub:            `"sub":""`,
		FlawLongSub:             `"sub":"` + strings.Repeat("s", 300),
		FlawEmailVerifiedString: `"email_verified":"true"`,
		FlawClaimTypes:          `"name":42`,
	} {
		s.Fault(EndpointUserInfo, Fault{Flaws: []Flaw{flaw}})
		if r := userinfo(t, s, token); r.status != 200 || !contains(string(r.raw), part) {
			t.Errorf("%s: %d %s", flaw, r.status, r.raw)
		}
	}
	for flaw, absent := range map[Flaw]string{FlawNoSub: `"sub"`, FlawNoEmailVerified: `"email_verified"`} {
		s.Fault(EndpointUserInfo, Fault{Flaws: []Flaw{flaw}})
		if r := userinfo(t, s, token); r.status != 200 || contains(string(r.raw), absent) {
			t.Errorf("%s: %d %s", flaw, r.status, r.raw)
		}
	}
}

func TestGitHubUserFlaws(t *testing.T) {
	s := start(t, Options{})
	token := githubAccess(t, s, "ada", nil)
	user := func(flaw Flaw) map[string]any {
		t.Helper()
		s.Fault(EndpointGitHubUser, Fault{Flaws: []Flaw{flaw}})
		return get(t, s.EndpointURL(EndpointGitHubUser), bearing("token", token)).want(t, 200, "")
	}
	if got := user(FlawOtherUser); got["id"] != 1002.0 || got["login"] != "grace" {
		t.Errorf("other-user: %v", got)
	}
	if got := user(FlawNoSub); got["id"] != nil || got["login"] != "ada" {
		t.Errorf("no-sub: %v", got)
	}
}

func TestMetadataFlaws(t *testing.T) {
	s := start(t, Options{})
	doc := func(endpoint string, flaw Flaw) map[string]any {
		t.Helper()
		s.Fault(endpoint, Fault{Flaws: []Flaw{flaw}})
		return get(t, s.EndpointURL(endpoint)).want(t, 200, "")
	}
	if got := doc(EndpointDiscovery, FlawOtherIssuer); got["issuer"] == s.Issuer() || got["issuer"] == nil || got["token_endpoint"] != s.URL()+"/token" {
		t.Errorf("other-issuer: %v", got)
	}
	if got := doc(EndpointDiscovery, FlawForeignEndpoints); got["token_endpoint"] != elsewhere+"/token_endpoint" ||
		got["authorization_endpoint"] != elsewhere+"/authorization_endpoint" || got["issuer"] != s.Issuer() {
		t.Errorf("foreign-endpoints: %v", got)
	}
	if got := doc(EndpointDiscovery, FlawFTPEndpoints); got["jwks_uri"] != "ftp://127.0.0.1/jwks_uri" || got["authorization_endpoint"] != s.URL()+"/authorize" {
		t.Errorf("ftp-endpoints: %v", got)
	}
	if got := doc(EndpointDiscovery, FlawScriptEndpoint); !strings.HasPrefix(got["authorization_endpoint"].(string), "javascript:") {
		t.Errorf("script-endpoint: %v", got)
	}
	if got := doc(EndpointDiscovery, FlawMissingMembers); got["token_endpoint"] != nil || got["jwks_uri"] != nil || got["issuer"] != s.Issuer() {
		t.Errorf("missing-members: %v", got)
	}
	keys := doc(EndpointJWKS, FlawStrangeKeys)["keys"].([]any)
	var uses []any
	for _, key := range keys {
		uses = append(uses, key.(map[string]any)["kty"], key.(map[string]any)["use"])
	}
	if !slices.Equal(uses, []any{"EC", "enc", "oct", "sig", "QUANTUM", "sig", "EC", "sig"}) {
		t.Errorf("strange-keys: %v", uses)
	}
	if got := doc(EndpointJWKS, FlawNoKeys)["keys"].([]any); len(got) != 0 {
		t.Errorf("no-keys: %v", got)
	}
}

func TestCallbackFlaws(t *testing.T) {
	s := start(t, Options{})
	one := func(p url.Values, name, want string) bool { return len(p[name]) == 1 && p.Get(name) == want }
	for flaw, right := range map[Flaw]func(url.Values) bool{
		FlawWrongState: func(p url.Values) bool { return p.Has("state") && p.Get("state") != "the-state" },
		FlawNoState:    func(p url.Values) bool { return !p.Has("state") && p.Has("code") },
		FlawDoubleState: func(p url.Values) bool {
			return len(p["state"]) == 2 && p["state"][0] == "the-state" && p["state"][1] == "the-state"
		},
		FlawStateCase:       func(p url.Values) bool { return one(p, "state", "THE-STATE") },
		FlawNoCode:          func(p url.Values) bool { return !p.Has("code") && !p.Has("error") },
		FlawDoubleCode:      func(p url.Values) bool { return len(p["code"]) == 2 },
		FlawErrorAndCode:    func(p url.Values) bool { return one(p, "error", "access_denied") && p.Has("code") },
		FlawTokenInCallback: func(p url.Values) bool { return p.Has("access_token") && p.Has("code") },
		FlawCallbackIssuer:  func(p url.Values) bool { return one(p, "iss", elsewhere) },
		FlawCallbackNoIss:   func(p url.Values) bool { return !p.Has("iss") && p.Has("code") },
	} {
		s.Fault(EndpointAuthorize, Fault{Flaws: []Flaw{flaw}})
		if got := authorize(t, s, nil); !right(got) {
			t.Errorf("%s: %v", flaw, got)
		}
	}
	s.Clear()
	s.Fault(EndpointGitHubAuthorize, Fault{Flaws: []Flaw{FlawWrongState}})
	params := url.Values{"client_id": {"demo"}, "redirect_uri": {callbackURI}, "state": {"st"}}
	if got := authorizeAs(t, s.NewBrowser(), "ada", s.EndpointURL(EndpointGitHubAuthorize)+"?"+params.Encode()); got.Get("state") == "st" {
		t.Errorf("wrong-state at GitHub: %v", got)
	}
}

// Flaws of ID tokens are shown in the hybrid flow's redirect as well.
func TestHybridFlaws(t *testing.T) {
	s := start(t, Options{})
	s.Fault(EndpointAuthorize, Fault{Flaws: []Flaw{FlawWrongNonce, FlawNoState}})
	_, form, err := s.AuthorizeForm(t.Context(), authURL(s, with{"response_type": "code id_token", "response_mode": "form_post"}), "ada")
	if err != nil {
		t.Fatal(err)
	}
	if claimsOf(t, form.Get("id_token"))["nonce"] == "the-nonce" || form.Has("state") {
		t.Errorf("form %v", form)
	}
	for flaw, right := range map[Flaw]func(token string) bool{
		FlawWrongCHash:      func(token string) bool { return claimsOf(t, token)["c_hash"] == halfHash("ES256", "another code") },
		FlawNoCHash:         func(token string) bool { return claimsOf(t, token)["c_hash"] == nil },
		FlawCallbackNoToken: func(token string) bool { return token == "" },
	} {
		s.Fault(EndpointAuthorize, Fault{Flaws: []Flaw{flaw}})
		_, form, err := s.AuthorizeForm(t.Context(), authURL(s, with{"response_type": "code id_token", "response_mode": "form_post"}), "ada")
		if err != nil || !form.Has("code") || !right(form.Get("id_token")) {
			t.Errorf("%s: form %v, error %v", flaw, form, err)
		}
	}
}

// What MustRefuse says is true: a strict client refuses exactly those flaws and
// signs the right person in under all others.
func TestStrictClientRefuses(t *testing.T) {
	s := start(t, Options{SigningAlg: "RS256"})
	for _, endpoint := range []string{EndpointDiscovery, EndpointJWKS, EndpointToken, EndpointUserInfo, EndpointAuthorize} {
		flaws := Flaws(endpoint)
		if len(flaws) == 0 || !slices.IsSorted(flaws) {
			t.Errorf("Flaws(%s) = %v", endpoint, flaws)
		}
		for _, flaw := range flaws {
			t.Run(endpoint+" "+string(flaw), func(t *testing.T) {
				defer s.Clear()
				s.Fault(endpoint, Fault{Flaws: []Flaw{flaw}})
				c := newStrictClient(t, s)
				c.hybrid = endpoint == EndpointAuthorize
				id, err := c.login("ada")
				if refused := err != nil; refused != mustRefuse(endpoint, flaw) {
					t.Errorf("refused: %v (%v), want %v", refused, err, mustRefuse(endpoint, flaw))
				}
				if err == nil && id.sub != "dev-7f3a91c0-ada" {
					t.Errorf("signed in as %s", id.sub)
				}
			})
		}
	}
	if s.RequestCount(EndpointTrap) != 0 {
		t.Errorf("a strict client walked into the trap: %v", s.Requests(EndpointTrap))
	}
	c := newStrictClient(t, s)
	c.maxAge = time.Hour
	for _, flaw := range []Flaw{FlawStaleAuthTime, FlawNoAuthTime} {
		s.Fault(EndpointToken, Fault{Flaws: []Flaw{flaw}})
		if _, err := c.login("ada"); err == nil {
			t.Errorf("%s was accepted though max_age was asked", flaw)
		}
	}
	if Flaw("unknown").MustRefuse() {
		t.Error("an unknown flaw must be refused")
	}
}

// mustRefuse is Flaw.MustRefuse, but for what cannot be seen in one place: an
// at_hash without an access token, and discovery that is asked once.
func mustRefuse(endpoint string, flaw Flaw) bool {
	if endpoint == EndpointAuthorize && flaw == FlawWrongAtHash {
		return false // no access token comes with code id_token, so there is nothing to compare
	}
	return flaw.MustRefuse()
}
