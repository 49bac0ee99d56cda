package oidc_test

import (
	"context"
	"crypto/rand"
	"crypto/rsa"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/authd/authd/sdk"
	"github.com/authd/authd/sdk/devidp"
	"github.com/authd/authd/sdk/oidc"
)

// atTime is at with a clock of the test's.
func atTime(idp *devidp.Server, c *clock) oidc.Config {
	config := at(idp)
	config.Now = c.Now
	return config
}

// Threat 23: keys may change at any time; the first token of a new key makes authd look, and succeeds.
func TestKeyRotation(t *testing.T) {
	c := newClock()
	idp := startIDP(t, devidp.Options{Now: c.Now})
	p := newProvider(t, atTime(idp, c))
	old := mustLogin(t, idp, p)
	for range 3 {
		idp.RotateKeys()
		mustLogin(t, idp, p)
		c.Turn(61 * time.Second)
	}
	if n := idp.RequestCount(devidp.EndpointJWKS); n != 4 {
		t.Errorf("the keys were fetched %d times, want once and once per rotation", n)
	}
	// A key that was withdrawn verifies nothing any more.
	_, err := p.GetUserInfo(t.Context(), old)
	wantUpstream(t, err)
}

// Threat 24: whoever makes up key ids makes authd fetch the keys once a minute, not more, however many ask at once.
func TestUnknownKeyFlood(t *testing.T) {
	c := newClock()
	idp, stranger := startIDP(t, devidp.Options{Now: c.Now}), startIDP(t, devidp.Options{Now: c.Now})
	p := newProvider(t, atTime(idp, c))
	mustLogin(t, idp, p)
	verifier := p.(sdk.LogoutTokenVerifier)
	flood := func() {
		var all sync.WaitGroup
		for range 50 {
			all.Add(1)
			go func() {
				defer all.Done()
				forged := stranger.LogoutTokenFor(idp.Issuer(), "sub", "", "demo", devidp.Fault{})
				if _, err := verifier.VerifyLogoutToken(t.Context(), forged); err == nil {
					t.Error("a token of a stranger's key was accepted")
				}
			}()
		}
		all.Wait()
	}
	for minute, want := range []int{2, 3, 4} {
		flood()
		flood()
		if n := idp.RequestCount(devidp.EndpointJWKS); n != want {
			t.Errorf("minute %d: the keys were fetched %d times in all, want %d", minute, n, want)
		}
		c.Turn(time.Minute)
	}
	if _, err := login(t, idp, p); err != nil {
		t.Errorf("a real login after the flood: %v", err)
	}
}

// A broken signature under a known key id is no reason to fetch anything.
func TestBrokenSignatureFetchesNothing(t *testing.T) {
	idp := startIDP(t, devidp.Options{})
	p := newProvider(t, at(idp))
	mustLogin(t, idp, p)
	idp.Fault(devidp.EndpointToken, devidp.Fault{Flaws: []devidp.Flaw{devidp.FlawBrokenSignature}})
	_, err := login(t, idp, p)
	wantUpstream(t, err)
	if n := idp.RequestCount(devidp.EndpointJWKS); n != 1 {
		t.Errorf("the keys were fetched %d times, want once", n)
	}
}

// Threat 50: a failed fetch never replaces good keys.
func TestGoodKeysSurviveAFailedFetch(t *testing.T) {
	faults := map[string]devidp.Fault{
		"down": {Status: 503}, "no keys": {Flaws: []devidp.Flaw{devidp.FlawNoKeys}}, "garbage": {NotJSON: true}, "dropped": {Drop: true},
	}
	for name, fault := range faults {
		t.Run(name, func(t *testing.T) {
			c := newClock()
			idp := startIDP(t, devidp.Options{Now: c.Now})
			p := newProvider(t, atTime(idp, c))
			mustLogin(t, idp, p)
			idp.Fault(devidp.EndpointJWKS, fault)
			for range 3 {
				c.Turn(2 * time.Hour)
				mustLogin(t, idp, p)
			}
			if n := idp.RequestCount(devidp.EndpointJWKS); n < 4 {
				t.Errorf("the keys were fetched %d times, want a try every hour", n)
			}
			idp.Clear()
			idp.RotateKeys()
			c.Turn(2 * time.Hour)
			mustLogin(t, idp, p)
		})
	}
}

// Without any keys yet, a failure is told, and soon tried again.
func TestFirstFetchOfKeysIsTriedAgain(t *testing.T) {
	c := newClock()
	idp := startIDP(t, devidp.Options{Now: c.Now})
	p := newProvider(t, atTime(idp, c))
	idp.Fault(devidp.EndpointJWKS, devidp.Fault{Status: 503})
	for range 3 {
		_, err := login(t, idp, p)
		wantUpstream(t, err)
	}
	if n := idp.RequestCount(devidp.EndpointJWKS); n != 1 {
		t.Errorf("the keys were fetched %d times within a moment, want once", n)
	}
	idp.Clear()
	c.Turn(3 * time.Second)
	mustLogin(t, idp, p)
}

// Threat 25: keys that are not for this are stepped over, without failing the set.
func TestStrangeKeysAreSteppedOver(t *testing.T) {
	for _, alg := range []string{"RS256", "ES256", "EdDSA"} {
		idp := startIDP(t, devidp.Options{SigningAlg: alg})
		idp.Fault(devidp.EndpointJWKS, devidp.Fault{Flaws: []devidp.Flaw{devidp.FlawStrangeKeys}})
		if _, err := login(t, idp, newProvider(t, at(idp))); err != nil {
			t.Errorf("%s: %v", alg, err)
		}
	}
}

// signer is a hand-made identity provider: the test says what is in the key set and what signs.
type signer struct {
	*httptest.Server
	keys []any
}

func newSigner(t *testing.T, keys ...any) (*signer, sdk.Provider) {
	t.Helper()
	s := &signer{keys: keys}
	s.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_ = json.NewEncoder(w).Encode(map[string]any{"keys": s.keys})
	}))
	t.Cleanup(s.Close)
	p := newProvider(t, oidc.Config{
		Issuer: s.URL, ClientID: "demo", NoDiscovery: true,
		Endpoint: oidc.Endpoint{Authorize: s.URL + "/a", Token: s.URL + "/t", JWKS: s.URL + "/k"},
	})
	return s, p
}

// idToken signs a good ID token.
func (s *signer) idToken(t *testing.T, alg jose.SignatureAlgorithm, kid string, key any) string {
	t.Helper()
	options := &jose.SignerOptions{}
	if kid != "" {
		options = options.WithHeader("kid", kid)
	}
	maker, err := jose.NewSigner(jose.SigningKey{Algorithm: alg, Key: key}, options)
	if err != nil {
		t.Fatal(err)
	}
	payload, err := json.Marshal(map[string]any{
		"iss": s.URL, "aud": "demo", "sub": "u1", "iat": time.Now().Unix(), "exp": time.Now().Add(time.Hour).Unix(),
	})
	if err != nil {
		t.Fatal(err)
	}
	jws, err := maker.Sign(payload)
	if err != nil {
		t.Fatal(err)
	}
	raw, err := jws.CompactSerialize()
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

func rsaKey(t *testing.T, bits int) *rsa.PrivateKey {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, bits)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

// jwk is a key as a key set shows it, with members of the test's choice.
func jwk(t *testing.T, key any, members map[string]any) map[string]any {
	t.Helper()
	raw, err := (&jose.JSONWebKey{Key: key}).MarshalJSON()
	if err != nil {
		t.Fatal(err)
	}
	var o map[string]any
	if err := json.Unmarshal(raw, &o); err != nil {
		t.Fatal(err)
	}
	for name, value := range members {
		o[name] = value
	}
	return o
}

// Threat 25: which keys may verify what.
func TestWhichKeyVerifies(t *testing.T) {
	good, weak := rsaKey(t, 2048), rsaKey(t, 1024)
	type m = map[string]any
	tests := map[string]struct {
		key   any
		sign  any
		alg   jose.SignatureAlgorithm
		kid   string
		fails bool
	}{
		"no kid anywhere":            {jwk(t, &good.PublicKey, nil), good, jose.RS256, "", false},
		"kid in the set alone":       {jwk(t, &good.PublicKey, m{"kid": "k1"}), good, jose.RS256, "", false},
		"kid in the token alone":     {jwk(t, &good.PublicKey, nil), good, jose.RS256, "k1", false},
		"same kid":                   {jwk(t, &good.PublicKey, m{"kid": "k1"}), good, jose.RS256, "k1", false},
		"another kid":                {jwk(t, &good.PublicKey, m{"kid": "k1"}), good, jose.RS256, "k2", true},
		"PS256":                      {jwk(t, &good.PublicKey, nil), good, jose.PS256, "", false},
		"alg of the key fits":        {jwk(t, &good.PublicKey, m{"alg": "RS256"}), good, jose.RS256, "", false},
		"alg of the key differs":     {jwk(t, &good.PublicKey, m{"alg": "RS512"}), good, jose.RS256, "", true},
		"use sig":                    {jwk(t, &good.PublicKey, m{"use": "sig"}), good, jose.RS256, "", false},
		"use enc":                    {jwk(t, &good.PublicKey, m{"use": "enc"}), good, jose.RS256, "", true},
		"use unknown":                {jwk(t, &good.PublicKey, m{"use": "tea"}), good, jose.RS256, "", true},
		"key_ops verify":             {jwk(t, &good.PublicKey, m{"key_ops": []string{"verify"}}), good, jose.RS256, "", false},
		"key_ops encrypt":            {jwk(t, &good.PublicKey, m{"key_ops": []string{"encrypt"}}), good, jose.RS256, "", true},
		"1024 bits":                  {jwk(t, &weak.PublicKey, nil), weak, jose.RS256, "", true},
		"exponent 1":                 {jwk(t, &good.PublicKey, m{"e": "AQ"}), good, jose.RS256, "", true},
		"symmetric":                  {m{"kty": "oct", "k": "c2VjcmV0LXNlY3JldC1zZWNyZXQtc2VjcmV0LXNlY3JldA"}, []byte("secret-secret-secret-secret-secret"), jose.HS256, "", true},
		"broken certificate beside":  {jwk(t, &good.PublicKey, m{"x5c": []string{"???"}, "x5t": "??"}), good, jose.RS256, "", false},
		"a private key in the set":   {jwk(t, good, nil), good, jose.RS256, "", false},
		"a key that is no object":    {"key", good, jose.RS256, "", true},
		"a key with repeated member": {json.RawMessage(`{"kty":"RSA","kty":"oct","n":"AQ","e":"AQAB"}`), good, jose.RS256, "", true},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			s, p := newSigner(t, test.key)
			_, err := p.GetUserInfo(t.Context(), &sdk.Token{IDToken: s.idToken(t, test.alg, test.kid, test.sign)})
			if (err != nil) != test.fails {
				t.Fatalf("got error %v, want one: %v", err, test.fails)
			}
			if test.fails {
				wantUpstream(t, err)
			}
		})
	}
}

// A key set may hold several keys under one id, while one replaces another.
func TestTwoKeysUnderOneID(t *testing.T) {
	first, second := rsaKey(t, 2048), rsaKey(t, 2048)
	s, p := newSigner(t, jwk(t, &first.PublicKey, map[string]any{"kid": "k"}), jwk(t, &second.PublicKey, map[string]any{"kid": "k"}))
	for _, key := range []*rsa.PrivateKey{first, second} {
		if _, err := p.GetUserInfo(t.Context(), &sdk.Token{IDToken: s.idToken(t, jose.RS256, "k", key)}); err != nil {
			t.Error(err)
		}
	}
}

// A caller who gives up gets away at once, and spoils nothing for the others.
func TestCallerWhoGivesUp(t *testing.T) {
	idp := startIDP(t, devidp.Options{})
	p := newProvider(t, at(idp))
	in := authorize(t, idp, p, sdk.AuthorizeRequest{})
	idp.Fault(devidp.EndpointJWKS, devidp.Fault{Hang: true, Times: 1})
	ctx, giveUp := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() {
		_, err := p.GetToken(ctx, in)
		ended <- err
	}()
	if err := idp.WaitRequests(t.Context(), devidp.EndpointJWKS, 1); err != nil {
		t.Fatal(err)
	}
	giveUp()
	wantUpstream(t, <-ended)
}
