package keys

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"time"
)

// KeySet is a JWK Set (RFC 7517 §5) as it is served.
type KeySet struct {
	// JSON is the document.
	JSON []byte
	// ETag names this content, in quotes as in the HTTP header.
	ETag string
	// MaxAge is how long a verifier may keep it: the max-age of Cache-Control.
	MaxAge time.Duration
}

// JWKS returns the public keys of these signers in one set: those to come, those that sign, and those that once signed
// what may be alive. It has no private member. The error wraps ErrStale when the keys of one can't be known. Threat 122.
func JWKS(ctx context.Context, signers ...*Signer) (KeySet, error) {
	var set KeySet
	var sets [][]byte
	for i, s := range signers {
		v, err := s.fresh(ctx)
		if err != nil {
			return KeySet{}, err
		}
		sets = append(sets, v.jwks)
		if i == 0 || s.MaxAge < set.MaxAge {
			set.MaxAge = s.MaxAge
		}
	}
	set.JSON = document(sets)
	sum := sha256.Sum256(set.JSON)
	set.ETag = `"` + base64.RawURLEncoding.EncodeToString(sum[:16]) + `"`
	return set, nil
}

// document joins members to the document.
func document(sets [][]byte) []byte {
	return append(append([]byte(`{"keys":[`), bytes.Join(sets, []byte{','})...), "]}"...)
}

// members writes the public keys with commas between them. It is done once for each change.
func members(keys []*signingKey) ([]byte, error) {
	var all [][]byte
	for _, k := range keys {
		public := k.public()
		if !public.IsPublic() {
			return nil, fmt.Errorf("signing key %s: its public half is none", k.ID)
		}
		one, err := json.Marshal(public)
		if err != nil {
			return nil, fmt.Errorf("signing key %s: %w", k.ID, err)
		}
		all = append(all, one)
	}
	return bytes.Join(all, []byte{','}), nil
}
