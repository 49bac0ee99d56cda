package devidp

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"sync"

	"github.com/go-jose/go-jose/v4"
)

// signingKey is one private key with its place in the JWKS.
type signingKey struct {
	kid     string
	alg     jose.SignatureAlgorithm
	private crypto.Signer
}

func newSigningKey(alg string) (*signingKey, error) {
	var private crypto.Signer
	var err error
	switch alg {
	case "RS256":
		private, err = rsa.GenerateKey(rand.Reader, 2048)
	case "ES256":
		private, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	case "EdDSA":
		_, private, err = ed25519.GenerateKey(rand.Reader)
	default:
		return nil, fmt.Errorf("devidp: signing algorithm %q is not known; use RS256, ES256 or EdDSA", alg)
	}
	if err != nil {
		return nil, fmt.Errorf("devidp: make a %s key: %w", alg, err)
	}
	return &signingKey{kid: "dev-" + randomID()[:12], alg: jose.SignatureAlgorithm(alg), private: private}, nil
}

// public is the key as the JWKS shows it.
func (k *signingKey) public() jose.JSONWebKey {
	return jose.JSONWebKey{Key: k.private.Public(), KeyID: k.kid, Algorithm: string(k.alg), Use: "sig"}
}

// sign makes a compact JWS over a payload as it stands, byte by byte.
func (k *signingKey) sign(payload []byte, header map[string]any, embed bool) (string, error) {
	opts := &jose.SignerOptions{EmbedJWK: embed}
	for name, value := range header {
		opts.WithHeader(jose.HeaderKey(name), value)
	}
	signer, err := jose.NewSigner(jose.SigningKey{
		Algorithm: k.alg,
		Key:       jose.JSONWebKey{Key: k.private, KeyID: k.kid},
	}, opts)
	if err != nil {
		return "", fmt.Errorf("devidp: signer %s: %w", k.alg, err)
	}
	jws, err := signer.Sign(payload)
	if err != nil {
		return "", fmt.Errorf("devidp: sign with %s: %w", k.alg, err)
	}
	return jws.CompactSerialize()
}

// keyring is the current key, the keys that once signed, and a weak one when a
// flaw has asked for it.
type keyring struct {
	mu      sync.Mutex
	current *signingKey
	retired []*signingKey
	weak    *signingKey
	shown   bool // the weak key stands in the JWKS
}

func newKeyring(alg string) (*keyring, error) {
	key, err := newSigningKey(alg)
	if err != nil {
		return nil, err
	}
	return &keyring{current: key}, nil
}

func (k *keyring) signer() *signingKey {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.current
}

func (k *keyring) rotate() error {
	fresh, err := newSigningKey(string(k.signer().alg))
	if err != nil {
		return err
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	k.retired = append(k.retired, k.current)
	k.current = fresh
	return nil
}

// published are the keys of the JWKS.
func (k *keyring) published() []jose.JSONWebKey {
	k.mu.Lock()
	defer k.mu.Unlock()
	keys := []jose.JSONWebKey{k.current.public()}
	if k.shown {
		keys = append(keys, k.weak.public())
	}
	return keys
}

// showWeak makes (once) and publishes an RSA key of 1024 bits.
func (k *keyring) showWeak() (*signingKey, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.weak == nil {
		private, err := rsa.GenerateKey(rand.Reader, 1024)
		if err != nil {
			return nil, fmt.Errorf("devidp: make a weak key: %w", err)
		}
		k.weak = &signingKey{kid: "dev-weak", alg: jose.RS256, private: private}
	}
	k.shown = true
	return k.weak, nil
}

func (k *keyring) forgetWeak() {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.shown = false
}

// verify checks a JWS that this provider made at any time, for id_token_hint.
func (k *keyring) verify(token string) ([]byte, error) {
	k.mu.Lock()
	all := append([]*signingKey{k.current}, k.retired...)
	k.mu.Unlock()
	jws, err := jose.ParseSignedCompact(token, []jose.SignatureAlgorithm{jose.RS256, jose.ES256, jose.EdDSA})
	if err != nil {
		return nil, fmt.Errorf("devidp: the token is no JWS: %w", err)
	}
	for _, key := range all {
		if payload, err := jws.Verify(key.private.Public()); err == nil {
			return payload, nil
		}
	}
	return nil, fmt.Errorf("devidp: the token was not signed here")
}

// RotateKeys signs with a new key from now on; the old one leaves the JWKS at
// once. It panics when the system has no randomness left.
func (s *Server) RotateKeys() {
	if err := s.keys.rotate(); err != nil {
		panic(err)
	}
}

// KeyID is the kid of the key that signs now.
func (s *Server) KeyID() string { return s.keys.signer().kid }

// jwks serves the public keys (RFC 7517 section 5).
func (s *Server) jwks(w http.ResponseWriter, c *call) {
	if !c.method(w, http.MethodGet, http.MethodHead) {
		return
	}
	keys := []any{}
	if c.fault.has(FlawStrangeKeys) {
		keys = append(keys, strangeKeys()...)
	}
	if !c.fault.has(FlawNoKeys) {
		for _, key := range s.keys.published() {
			keys = append(keys, key)
		}
	}
	w.Header().Set("Cache-Control", "public, max-age=60")
	s.writeObject(w, c, http.StatusOK, map[string]any{"keys": keys})
}

// strangeKeys are keys a client must step over (RFC 7517 section 5): for
// encryption, a symmetric one, and one of a kind that is not known.
func strangeKeys() []any {
	secret := base64.RawURLEncoding.EncodeToString([]byte("a symmetric key that nobody may use"))
	return []any{
		map[string]any{
			"kty": "EC", "crv": "P-256", "use": "enc", "alg": "ECDH-ES", "kid": "dev-enc",
			"x": "MKBCTNIcKUSDii11ySs3526iDZ8AiTo7Tu6KPAqv7D4", "y": "4Etl6SRW2YiLUrN5vfvVHuhp7x8PxltmWWlbbM4IFyM",
		},
		map[string]any{"kty": "oct", "use": "sig", "alg": "HS256", "kid": "dev-oct", "k": secret},
		map[string]any{"kty": "QUANTUM", "use": "sig", "alg": "QS1", "kid": "dev-quantum", "q": "AQAB"},
	}
}

// writeObject answers with a JSON object after the fault's EditBody has been at it.
func (s *Server) writeObject(w http.ResponseWriter, c *call, status int, body map[string]any) {
	if c.fault.EditBody != nil {
		c.fault.EditBody(body)
	}
	raw, err := json.Marshal(body)
	if err != nil {
		http.Error(w, "devidp: EditBody left something that is no JSON: "+err.Error(), http.StatusInternalServerError)
		return
	}
	writeRawJSON(w, status, raw)
}

// randomID is 192 bits of randomness, as 32 characters that are safe in a URL.
func randomID() string {
	raw := make([]byte, 24)
	_, _ = rand.Read(raw) // never fails: the program ends first
	return base64.RawURLEncoding.EncodeToString(raw)
}
