package keys

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"

	"github.com/authd/authd/internal/store"
	"github.com/authd/authd/internal/store/memory"
)

// flaky is a store with faults.
type flaky struct {
	store.Store
	down, deaf atomic.Bool            // deaf: no Watch
	hangs      atomic.Bool            // Get waits for the end of its context
	beforePut  atomic.Pointer[func()] // runs once
}

func (f *flaky) fault() error {
	if f.down.Load() {
		return fmt.Errorf("%w: connection refused", store.ErrUnavailable)
	}
	return nil
}

func (f *flaky) Get(ctx context.Context, key string) (store.Item, error) {
	if err := f.fault(); err != nil {
		return store.Item{}, err
	}
	if f.hangs.Load() {
		<-ctx.Done()
		return store.Item{}, ctx.Err()
	}
	return f.Store.Get(ctx, key)
}

func (f *flaky) Put(ctx context.Context, key string, value []byte, ttl time.Duration, when store.Condition) (uint64, error) {
	if err := f.fault(); err != nil {
		return 0, err
	}
	if run := f.beforePut.Swap(nil); run != nil {
		(*run)()
	}
	return f.Store.Put(ctx, key, value, ttl, when)
}

func (f *flaky) Watch(ctx context.Context, prefix string) (<-chan string, error) {
	if f.deaf.Load() {
		return nil, store.ErrUnavailable
	}
	if err := f.fault(); err != nil {
		return nil, err
	}
	return f.Store.Watch(ctx, prefix)
}

func newStore(t testing.TB) *memory.Store {
	st := memory.New(memory.Options{})
	t.Cleanup(func() { st.Close() })
	return st
}

func newSigner(t testing.TB, cfg SignerConfig) *Signer {
	t.Helper()
	if cfg.Name == "" {
		cfg.Name = "identity"
	}
	if cfg.Ring == nil {
		cfg.Ring = newRing(t, "k")
	}
	s, err := NewSigner(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	return s
}

const (
	testType = "authd-test+jwt"
	issuer   = "https://auth.example.com"
	audience = "app.example.com"
)

var expected = Expected{Issuer: issuer, Audience: audience}

func claimsFor(s *Signer, life time.Duration) map[string]any {
	now := s.now()
	return map[string]any{"iss": issuer, "aud": audience, "sub": "somebody", "iat": now.Unix(), "exp": now.Add(life).Unix()}
}

func mustSign(t testing.TB, s *Signer) string {
	t.Helper()
	compact, err := s.Sign(t.Context(), testType, claimsFor(s, s.TokenLife))
	if err != nil {
		t.Fatal(err)
	}
	return compact
}

func mustVerify(t testing.TB, s *Signer, compact string) {
	t.Helper()
	if err := s.Verify(t.Context(), testType, compact, expected, nil); err != nil {
		t.Fatal(err)
	}
}

func mustRefuse(t testing.TB, s *Signer, compact string) {
	t.Helper()
	if err := s.Verify(t.Context(), testType, compact, expected, nil); !errors.Is(err, ErrToken) {
		t.Fatalf("Verify = %v, want ErrToken", err)
	}
}

func mustJWKS(t testing.TB, signers ...*Signer) KeySet {
	t.Helper()
	set, err := JWKS(t.Context(), signers...)
	if err != nil {
		t.Fatal(err)
	}
	return set
}

// kidOf reads the header of a token.
func kidOf(t testing.TB, compact string) string {
	t.Helper()
	raw, err := base64.RawURLEncoding.DecodeString(strings.Split(compact, ".")[0])
	if err != nil {
		t.Fatal(err)
	}
	var header struct{ Kid string }
	if err := json.Unmarshal(raw, &header); err != nil {
		t.Fatal(err)
	}
	return header.Kid
}

func TestSignAndVerify(t *testing.T) {
	for _, alg := range []Algorithm{ES256, EdDSA, RS256} {
		t.Run(string(alg), func(t *testing.T) {
			s := newSigner(t, SignerConfig{Store: newStore(t), Algorithm: alg})
			compact := mustSign(t, s)
			raw, err := base64.RawURLEncoding.DecodeString(strings.Split(compact, ".")[0])
			if err != nil {
				t.Fatal(err)
			}
			var header map[string]any
			if err := json.Unmarshal(raw, &header); err != nil {
				t.Fatal(err)
			}
			if len(header) != 3 || header["kid"] != s.KeyID() || header["alg"] != string(alg) || header["typ"] != testType {
				t.Errorf("header %v, want kid %s, alg %s, typ %s and no more", header, s.KeyID(), alg, testType)
			}
			var claims struct{ Sub string }
			if err := s.Verify(t.Context(), testType, compact, expected, &claims); err != nil || claims.Sub != "somebody" {
				t.Errorf("Verify = %v, sub %q", err, claims.Sub)
			}
			var set jose.JSONWebKeySet
			if err := json.Unmarshal(mustJWKS(t, s).JSON, &set); err != nil {
				t.Fatal(err)
			}
			parsed, err := jwt.ParseSigned(compact, []jose.SignatureAlgorithm{jose.SignatureAlgorithm(alg)})
			if err != nil {
				t.Fatal(err)
			}
			if err := parsed.Claims(set.Key(s.KeyID())[0].Key, &claims); err != nil {
				t.Errorf("with the key of the JWKS: %v", err)
			}
		})
	}
}

// Threat 96: a token says when it ends, and that is soon.
func TestClaimsMustEnd(t *testing.T) {
	s := newSigner(t, SignerConfig{Store: newStore(t)})
	for name, claims := range map[string]any{
		"no exp":      map[string]any{"iss": issuer},
		"exp too far": claimsFor(s, s.TokenLife+time.Minute),
		"exp a text":  map[string]any{"exp": "soon"},
		"a list":      []string{"exp"},
		"nothing":     nil,
		"not JSON":    func() {},
	} {
		if compact, err := s.Sign(t.Context(), testType, claims); !errors.Is(err, ErrClaims) || compact != "" {
			t.Errorf("%s: Sign = %q, %v, want ErrClaims", name, compact, err)
		}
	}
}

// Threat 96: what was not signed for exactly this is refused.
func TestVerifyRefuses(t *testing.T) {
	st := newStore(t)
	s := newSigner(t, SignerConfig{Store: st})
	stranger := newSigner(t, SignerConfig{Store: st, Name: "stranger"})
	good := mustSign(t, s)
	parts := strings.Split(good, ".")
	key := s.view.Load().current(s.now())
	encode := base64.RawURLEncoding.EncodeToString
	forged := func(alg jose.SignatureAlgorithm, with any) string {
		opts := (&jose.SignerOptions{}).WithType(testType).WithHeader("kid", key.ID)
		signer, err := jose.NewSigner(jose.SigningKey{Algorithm: alg, Key: with}, opts)
		if err != nil {
			t.Fatal(err)
		}
		payload, _ := json.Marshal(claimsFor(s, time.Minute))
		jws, err := signer.Sign(payload)
		if err != nil {
			t.Fatal(err)
		}
		compact, _ := jws.CompactSerialize()
		return compact
	}
	other, err := EdDSA.generate()
	if err != nil {
		t.Fatal(err)
	}
	of := func(change func(map[string]any)) string {
		claims := claimsFor(s, time.Minute)
		change(claims)
		payload, _ := json.Marshal(claims)
		compact, err := key.sign(testType, payload)
		if err != nil {
			t.Fatal(err)
		}
		return compact
	}
	otherType, err := s.Sign(t.Context(), "at+jwt", claimsFor(s, time.Minute))
	if err != nil {
		t.Fatal(err)
	}
	for name, compact := range map[string]string{
		"empty": "", "junk": "a.b.c", "two parts": parts[0] + "." + parts[1], "no signature": parts[0] + "." + parts[1] + ".",
		"too long":             good + strings.Repeat("A", maxToken),
		"alg none":             encode([]byte(`{"alg":"none","kid":"`+key.ID+`","typ":"`+testType+`"}`)) + "." + parts[1] + ".",
		"HMAC by public key":   forged(jose.HS256, mustJWKS(t, s).JSON),
		"other key, same kid":  forged(jose.EdDSA, other),
		"other signer":         mustSign(t, stranger),
		"other payload":        parts[0] + "." + encode([]byte(`{"iss":"`+issuer+`","aud":"`+audience+`","exp":9999999999}`)) + "." + parts[2],
		"signature cut":        good[:len(good)-4],
		"other typ":            otherType,
		"other issuer":         of(func(c map[string]any) { c["iss"] = "https://evil.example" }),
		"other audience":       of(func(c map[string]any) { c["aud"] = "other.example.com" }),
		"no audience":          of(func(c map[string]any) { delete(c, "aud") }),
		"no exp":               of(func(c map[string]any) { delete(c, "exp") }),
		"ended":                of(func(c map[string]any) { c["exp"] = s.now().Add(-Skew - 2*time.Second).Unix() }),
		"issued in the future": of(func(c map[string]any) { c["iat"] = s.now().Add(2 * Skew).Unix() }),
	} {
		err := s.Verify(t.Context(), testType, compact, expected, nil)
		if !errors.Is(err, ErrToken) {
			t.Errorf("%s: Verify = %v, want ErrToken", name, err)
		}
	}
	for _, want := range []Expected{{}, {Issuer: issuer}, {Audience: audience}} {
		if err := s.Verify(t.Context(), testType, good, want, nil); !errors.Is(err, ErrToken) {
			t.Errorf("Verify that expects %+v = %v, want ErrToken", want, err)
		}
	}
	if err := s.Verify(t.Context(), "", of(func(map[string]any) {}), expected, nil); !errors.Is(err, ErrToken) {
		t.Errorf("Verify without typ = %v, want ErrToken", err)
	}
	mustVerify(t, s, good)
	// Threat 150: a clock that is a minute off does no harm.
	mustVerify(t, s, of(func(c map[string]any) { c["exp"] = s.now().Add(-Skew + 5*time.Second).Unix() }))
	mustVerify(t, s, of(func(c map[string]any) { c["iat"] = s.now().Add(Skew - 5*time.Second).Unix() }))
}

// Threat 122: every member that holds a private key or a secret is absent, RFC 7518 §6.
func TestJWKSHasNoPrivateMember(t *testing.T) {
	st := newStore(t)
	var signers []*Signer
	for name, alg := range map[string]Algorithm{"ec": ES256, "okp": EdDSA, "rsa": RS256} {
		signers = append(signers, newSigner(t, SignerConfig{Store: st, Name: name, Algorithm: alg}))
	}
	set := mustJWKS(t, signers...)
	var document struct{ Keys []map[string]any }
	if err := json.Unmarshal(set.JSON, &document); err != nil {
		t.Fatal(err)
	}
	if len(document.Keys) != 6 {
		t.Fatalf("%d keys, want a current and a next one of each signer", len(document.Keys))
	}
	for _, key := range document.Keys {
		for _, private := range []string{"d", "p", "q", "dp", "dq", "qi", "oth", "k", "priv"} {
			if _, there := key[private]; there {
				t.Errorf("a key of type %v has the member %s", key["kty"], private)
			}
		}
		if key["use"] != "sig" || key["kid"] == nil || key["alg"] == nil || key["kty"] == nil {
			t.Errorf("key %v lacks use, kid, alg or kty", key)
		}
	}
	for _, s := range signers {
		for _, k := range s.view.Load().keys {
			private, err := json.Marshal(jose.JSONWebKey{Key: k.private})
			if err != nil {
				t.Fatal(err)
			}
			var secret struct{ D string }
			if err := json.Unmarshal(private, &secret); err != nil || secret.D == "" {
				t.Fatalf("the private half of %s: %v", k.ID, err)
			}
			if strings.Contains(string(set.JSON), secret.D) {
				t.Error("the JWKS holds a private key")
			}
		}
	}
}

func TestJWKSTag(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		st := newStore(t)
		a := newSigner(t, SignerConfig{Store: st})
		b := newSigner(t, SignerConfig{Store: st})
		first := mustJWKS(t, a)
		if other := mustJWKS(t, b); other.ETag != first.ETag || string(other.JSON) != string(first.JSON) {
			t.Error("two instances serve two documents")
		}
		if first.MaxAge != 10*time.Minute || !strings.HasPrefix(first.ETag, `"`) {
			t.Errorf("max-age %s, ETag %s", first.MaxAge, first.ETag)
		}
		time.Sleep(a.Lead)
		if _, err := a.Rotate(t.Context()); err != nil {
			t.Fatal(err)
		}
		if mustJWKS(t, a).ETag == first.ETag {
			t.Error("other keys have the same ETag")
		}
		if none := mustJWKS(t); string(none.JSON) != `{"keys":[]}` {
			t.Errorf("no signer: %s", none.JSON)
		}
	})
}

func TestConfigFaults(t *testing.T) {
	st, ring := newStore(t), newRing(t, "k")
	for says, cfg := range map[string]SignerConfig{
		"name must be":         {Name: "Not/this"},
		"is not known":         {Name: "x", Algorithm: "HS256"},
		"at least 14m0s":       {Name: "x", Lead: 13 * time.Minute},
		"MaxAge at least 1m0s": {Name: "x", MaxAge: time.Second},
		"at least 2h0m0s":      {Name: "x", Period: time.Hour},
		"must be positive":     {Name: "x", TokenLife: -1},
	} {
		cfg.Store, cfg.Ring = st, ring
		s, err := NewSigner(t.Context(), cfg)
		if s != nil || err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("NewSigner of %+v = %v, want an error that says %q", cfg, err, says)
		}
	}
}

func BenchmarkSign(b *testing.B) {
	for _, alg := range []Algorithm{ES256, EdDSA, RS256} {
		b.Run(string(alg), func(b *testing.B) {
			s := newSigner(b, SignerConfig{Store: newStore(b), Algorithm: alg})
			claims := claimsFor(s, time.Minute)
			b.ReportAllocs()
			for b.Loop() {
				if _, err := s.Sign(b.Context(), testType, claims); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkKeyID(b *testing.B) {
	s := newSigner(b, SignerConfig{Store: newStore(b)})
	b.ReportAllocs()
	for b.Loop() {
		if s.KeyID() == "" {
			b.Fatal("no key")
		}
	}
}
