package keys

import (
	"bytes"
	"encoding/base64"
	"errors"
)

// The form of a sealed value, before base64url without padding (RFC 4648 §5):
//
//	version (1 byte) · key id (4) · nonce (12) · ciphertext · tag (16)
//
// Version, key id and purpose are authenticated with it. The key id tells which
// secret to open with; it is derived from the secret and tells nothing about it.
//
// The nonce is random, which is good for 2^32 values per secret and purpose
// (NIST SP 800-38D §8.3): at a hundred logins a second, more than a year.
const (
	version   = 1
	idLen     = 4
	headerLen = 1 + idLen
	nonceLen  = 12
	tagLen    = 16
)

// Overhead is how many bytes sealing adds, before the third that base64 adds.
const Overhead = headerLen + nonceLen + tagLen

// ErrOpen says that a value is not one that this ring sealed for this purpose.
// There is one error for all causes, so that nobody can learn from the answer.
var ErrOpen = errors.New("not sealed by this server for this purpose")

// Seal encrypts plaintext for a purpose and returns it in letters that suit
// cookies, URLs and headers. Sealing the same plaintext twice gives two values.
func (r *Ring) Seal(purpose string, plaintext []byte) string {
	k := r.keys[0]
	s := k.sealer(purpose)
	sealed := make([]byte, headerLen, Overhead+len(plaintext))
	sealed[0] = version
	copy(sealed[1:], k.id[:])
	return base64.RawURLEncoding.EncodeToString(s.aead.Seal(sealed, nil, plaintext, s.aad))
}

// Open returns the plaintext of what Seal made for the same purpose with any of
// the secrets. Everything else, down to one bit or one character, is [ErrOpen].
func (r *Ring) Open(purpose, sealed string) ([]byte, error) {
	// The decoder passes over line breaks, and that would give one value many
	// spellings. The strict form refuses the other way, stray bits at the end.
	raw, err := base64.RawURLEncoding.Strict().DecodeString(sealed)
	if err != nil || len(raw) < Overhead || len(sealed) != base64.RawURLEncoding.EncodedLen(len(raw)) {
		return nil, ErrOpen
	}
	if raw[0] != version {
		return nil, ErrOpen
	}
	for _, k := range r.keys {
		if !bytes.Equal(raw[1:headerLen], k.id[:]) { // no secret: it travels in clear
			continue
		}
		s := k.sealer(purpose)
		if plaintext, err := s.aead.Open(nil, nil, raw[headerLen:], s.aad); err == nil {
			return plaintext, nil
		}
	}
	return nil, ErrOpen
}

// sealedByFirst reports whether a value that opens was sealed with the first secret, by the key id at its head.
func (r *Ring) sealedByFirst(sealed string) bool {
	raw, err := base64.RawURLEncoding.DecodeString(sealed)
	return err == nil && bytes.HasPrefix(raw, r.keys[0].header())
}
