package oidc

import (
	"context"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rsa"
	"encoding/json"
	"errors"
	"slices"
	"strings"

	"github.com/go-jose/go-jose/v4"

	"github.com/authd/authd/sdk"
	"github.com/authd/authd/sdk/oauth2"
)

// The sizes of an RSA key. RFC 7518 section 3.3 sets the lower bound; a key beyond the upper one would only serve to
// keep this machine busy.
const (
	minRSABits = 2048
	maxRSABits = 16384
	maxKeys    = 100
)

var errSignature = errors.New("its signature can't be verified with any key of the identity provider")

// verificationKey is a key with what is not in RFC 7517: the issuer that it signs for, where it is bound to one. It may
// be a template, whose {tenantid} is the token's tid.
type verificationKey struct {
	jose.JSONWebKey
	issuer string
}

// fetchKeys reads the identity provider's key set (RFC 7517 section 5). Keys that are not for signatures, too weak or
// of an unknown kind are left out; a set without any other is an error.
func (p *Provider) fetchKeys(ctx context.Context) ([]verificationKey, error) {
	m, err := p.metadata(ctx)
	if err != nil {
		return nil, err
	}
	o, err := p.plain().GetObject(ctx, m.endpoint.JWKS, nil)
	if err != nil {
		return nil, err
	}
	var set []json.RawMessage
	if err := json.Unmarshal(o["keys"], &set); err != nil {
		return nil, sdk.UpstreamErrorf("key set: its keys are no list")
	}
	var keys []verificationKey
	for _, one := range set {
		if key, ok := signingKey(one); ok && len(keys) < maxKeys {
			keys = append(keys, key)
		}
	}
	if len(keys) == 0 {
		return nil, sdk.UpstreamErrorf("key set: none of its %d keys can verify a signature; RSA keys need at least %d bits", len(set), minRSABits)
	}
	return keys, nil
}

// signingKey reads one key, if it is one that may sign tokens.
func signingKey(raw json.RawMessage) (verificationKey, bool) {
	o, err := oauth2.ParseObject(raw)
	if err != nil {
		return verificationKey{}, false
	}
	if use := o.String("use"); use != "" && use != "sig" {
		return verificationKey{}, false
	}
	if o.Has("key_ops") && !slices.Contains(o.Strings("key_ops"), "verify") {
		return verificationKey{}, false
	}
	// Certificates say nothing that is used here, and a broken one must not spoil the key.
	for _, name := range []string{"x5c", "x5u", "x5t", "x5t#S256"} {
		delete(o, name)
	}
	var key jose.JSONWebKey
	if err := key.UnmarshalJSON(o.JSON()); err != nil {
		return verificationKey{}, false
	}
	key = key.Public()
	return verificationKey{key, o.String("issuer")}, key.Valid() && familyOf(key) != ""
}

// familyOf returns the beginning of the algorithms that a key is for; "" for a key that is not to be used.
func familyOf(key jose.JSONWebKey) string {
	switch k := key.Key.(type) {
	case *rsa.PublicKey:
		if bits := k.N.BitLen(); bits >= minRSABits && bits <= maxRSABits {
			return "RS PS"
		}
	case *ecdsa.PublicKey:
		switch k.Curve.Params().BitSize {
		case 256:
			return "ES256"
		case 384:
			return "ES384"
		case 521:
			return "ES512"
		}
	case ed25519.PublicKey:
		return "EdDSA"
	}
	return ""
}

// fits tells whether a key may have made a signature with this algorithm and key id. A key or a token without an id
// fits any.
func fits(key jose.JSONWebKey, alg, kid string) bool {
	if key.Algorithm != "" && key.Algorithm != alg || kid != "" && key.KeyID != "" && key.KeyID != kid {
		return false
	}
	family := familyOf(key)
	return family == alg || family == "RS PS" && (strings.HasPrefix(alg, "RS") || strings.HasPrefix(alg, "PS"))
}

// keySet verifies one token's signature for go-oidc. It keeps the error, of which go-oidc passes on the text alone.
type keySet struct {
	keys       *document[[]verificationKey]
	algorithms []jose.SignatureAlgorithm
	bound      bool // keep keys to the issuer that they name
	asked      bool
	err        error
}

// VerifySignature implements go-oidc's KeySet. Keys come from the identity provider's own set and nowhere else: the
// header's jwk, jku, x5u and x5c are not looked at.
func (k *keySet) VerifySignature(ctx context.Context, token string) ([]byte, error) {
	payload, err := k.verify(ctx, token)
	k.asked, k.err = true, err
	return payload, err
}

func (k *keySet) verify(ctx context.Context, token string) ([]byte, error) {
	jws, err := jose.ParseSignedCompact(token, k.algorithms)
	if err != nil {
		return nil, errSignature
	}
	before := k.keys.editions()
	keys, err := k.keys.get(ctx)
	if err != nil {
		return nil, err
	}
	if payload, ok := k.try(jws, keys); ok {
		return payload, nil
	}
	// The identity provider may have new keys (OpenID Connect Core section 10.1.1), unless these just came, or the
	// one that the token names is among them.
	kid := jws.Signatures[0].Header.KeyID
	known := kid != "" && slices.ContainsFunc(keys, func(key verificationKey) bool { return key.KeyID == kid })
	if known || k.keys.editions() != before {
		return nil, errSignature
	}
	if keys, err = k.keys.renew(ctx); err != nil {
		return nil, err
	}
	if payload, ok := k.try(jws, keys); ok {
		return payload, nil
	}
	return nil, errSignature
}

func (k *keySet) try(jws *jose.JSONWebSignature, keys []verificationKey) ([]byte, bool) {
	header := jws.Signatures[0].Header
	for _, key := range keys {
		if !fits(key.JSONWebKey, header.Algorithm, header.KeyID) {
			continue
		}
		if payload, err := jws.Verify(key.Key); err == nil && (!k.bound || key.signsFor(payload)) {
			return payload, true
		}
	}
	return nil, false
}

// signsFor tells whether the key may sign these claims. Where one key set serves many issuers, a key of one of them
// must not speak for the others.
func (k verificationKey) signsFor(payload []byte) bool {
	if k.issuer == "" {
		return true
	}
	claims, err := oauth2.ParseObject(payload)
	return err == nil && strings.ReplaceAll(k.issuer, "{tenantid}", claims.String("tid")) == claims.String("iss")
}
