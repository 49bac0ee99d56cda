package keys

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"errors"
	"fmt"

	"github.com/go-jose/go-jose/v4"
)

// Algorithm is how a [Signer] signs, by its name in RFC 7518 §3.1 and RFC 8037 §3.1.
type Algorithm string

// The algorithms of a [Signer]. All are asymmetric, so that who verifies can't sign.
const (
	// ES256 is ECDSA on P-256 with SHA-256. It is the default: nearly every verifier knows it.
	ES256 Algorithm = "ES256"
	// EdDSA is Ed25519: the fastest to make, and not known to every verifier.
	EdDSA Algorithm = "EdDSA"
	// RS256 is RSA of 2048 bits, which OpenID Connect asks of every issuer; making a signature costs the most.
	RS256 Algorithm = "RS256"
)

// rsaBits is what SP 800-57 asks until 2030, for a key that is replaced each month.
const rsaBits = 2048

// generate makes a private key.
func (a Algorithm) generate() (crypto.Signer, error) {
	switch a {
	case ES256:
		return ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	case EdDSA:
		_, private, err := ed25519.GenerateKey(rand.Reader)
		return private, err
	case RS256:
		return rsa.GenerateKey(rand.Reader, rsaBits)
	}
	return nil, fmt.Errorf("signing algorithm %q is not known; use ES256, EdDSA or RS256", a)
}

// fits reports whether a key is one for this algorithm.
func (a Algorithm) fits(private crypto.Signer) bool {
	switch key := private.(type) {
	case *ecdsa.PrivateKey:
		return a == ES256 && key.Curve == elliptic.P256()
	case ed25519.PrivateKey:
		return a == EdDSA
	case *rsa.PrivateKey:
		return a == RS256 && key.N.BitLen() >= rsaBits
	}
	return false
}

// keyRecord is one key in the store, inside the sealed record. Times are Unix milliseconds.
type keyRecord struct {
	ID        string    `json:"kid"`
	Algorithm Algorithm `json:"alg"`
	Private   []byte    `json:"key"`  // PKCS #8
	Published int64     `json:"pub"`  // in the JWKS since
	From      int64     `json:"from"` // signs from then, until the next key's From
}

// newKeyRecord makes a key. Its id is the thumbprint of the public key (RFC 7638), so no two keys ever share one.
func newKeyRecord(alg Algorithm, published, from int64) (keyRecord, error) {
	private, err := alg.generate()
	if err != nil {
		return keyRecord{}, fmt.Errorf("make a signing key: %w", err)
	}
	der, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		return keyRecord{}, fmt.Errorf("encode a signing key: %w", err)
	}
	id, err := thumbprint(private)
	if err != nil {
		return keyRecord{}, err
	}
	return keyRecord{ID: id, Algorithm: alg, Private: der, Published: published, From: from}, nil
}

func thumbprint(private crypto.Signer) (string, error) {
	sum, err := (&jose.JSONWebKey{Key: private.Public()}).Thumbprint(crypto.SHA256)
	if err != nil {
		return "", fmt.Errorf("name a signing key: %w", err)
	}
	return base64.RawURLEncoding.EncodeToString(sum), nil
}

// signingKey is a key ready for use.
type signingKey struct {
	keyRecord
	private crypto.Signer
}

// open checks that the record holds together: the id and the algorithm are those of the key.
func (r keyRecord) open() (*signingKey, error) {
	parsed, err := x509.ParsePKCS8PrivateKey(r.Private)
	if err != nil {
		return nil, errors.New("it is not PKCS #8") // the parser's words may hold parts of the key
	}
	private, ok := parsed.(crypto.Signer)
	if !ok || !r.Algorithm.fits(private) {
		return nil, fmt.Errorf("it is no key for %s", r.Algorithm)
	}
	if id, err := thumbprint(private); err != nil || id != r.ID {
		return nil, errors.New("it has the id of another key")
	}
	return &signingKey{keyRecord: r, private: private}, nil
}

// public is the key as the JWKS shows it (RFC 7517 §4).
func (k *signingKey) public() jose.JSONWebKey {
	return jose.JSONWebKey{Key: k.private.Public(), KeyID: k.ID, Algorithm: string(k.Algorithm), Use: "sig"}
}

// sign makes a compact JWS (RFC 7515 §7.1) with kid, alg and typ in its header.
func (k *signingKey) sign(typ string, payload []byte) (string, error) {
	signer, err := jose.NewSigner(jose.SigningKey{
		Algorithm: jose.SignatureAlgorithm(k.Algorithm),
		Key:       jose.JSONWebKey{Key: k.private, KeyID: k.ID},
	}, (&jose.SignerOptions{}).WithType(jose.ContentType(typ)))
	if err != nil {
		return "", err
	}
	jws, err := signer.Sign(payload)
	if err != nil {
		return "", err
	}
	return jws.CompactSerialize()
}
