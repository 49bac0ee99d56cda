package keys

import (
	"crypto/rand"
	"encoding/base64"
)

// randomLen is 256 bits: nobody guesses one of any number of them.
const randomLen = 32

// NewSecret returns a fresh secret for [NewRing] as a line of text: 32 random
// bytes in base64url. The text itself, 43 bytes, is the secret.
func NewSecret() string { return random() }

// RandomID returns 256 random bits in base64url, 43 characters: for session ids,
// state, nonce and whatever else must not be guessed.
func RandomID() string { return random() }

func random() string {
	var b [randomLen]byte
	rand.Read(b[:]) // never fails: without randomness the process ends
	return base64.RawURLEncoding.EncodeToString(b[:])
}
