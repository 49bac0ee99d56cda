// Package keys seals small secrets, makes random ids, and derives keys, all from
// the server's own secrets (session.secret in the configuration). It also makes
// the keys that sign tokens, and keeps them, sealed, in the store.
//
// Whatever authd lets out of its hands and wants to trust again goes through a
// [Ring]: the cookie of a login under way, tokens of the provider at rest. Each
// use has a purpose, a fixed text such as "flow" or "session tokens". What was
// sealed for one purpose does not open for another, so that a value can never
// be carried from one place, where a user may choose it, to another, where it is
// believed.
//
// A [Signer] signs short tokens that applications verify with the JWKS. Its keys
// are made, published, used, retired and dropped without anybody's help, and all
// instances that share a store have the same ones.
//
//	keys.go        the ring: secrets, rotation, derived keys
//	seal.go        Seal and Open; the form of a sealed value
//	random.go      random ids and secrets
//	signing.go     the signer: Sign, Rotate, Revoke; what it writes to the store
//	signingkey.go  one signing key: algorithms, making, signing
//	rotation.go    when keys change: pure functions of the record and the clock
//	refresh.go     how instances share one record
//	jwks.go        the public keys as they are served
//	verify.go      authd's own check of what it signed
package keys

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/sha256"
	"errors"
	"fmt"
	"maps"
	"sync"
	"sync/atomic"
)

// MinSecretLen is the least length of a secret, in bytes.
const MinSecretLen = 32

// MaxSubkeyLen is the greatest length of a subkey: 255 blocks of SHA-256, RFC 5869 §2.3.
const MaxSubkeyLen = 255 * sha256.Size

// These tie what is derived to this package and to one use of it (RFC 5869 §3.2).
// To change one is to lose everything that was sealed before.
const (
	salt       = "authd/keys/v1"
	infoKeyID  = "key id"
	infoSeal   = "seal:"
	infoSubkey = "subkey:"
)

// cachedPurposes bounds the purposes whose ciphers are kept ready per secret. It
// is far above what the code uses; purposes past it work, only slower.
const cachedPurposes = 64

// ErrSecret says that a secret cannot be used. Errors that wrap it say which one
// and how to mend it, and never hold the secret.
var ErrSecret = errors.New("secret is not usable")

// Ring seals and opens small secrets with AES-256-GCM, bound to a purpose. The
// first secret seals, all of them open: to rotate, put a new secret first, and
// drop the old one when nothing sealed with it is alive any more. A Ring may be
// used by many goroutines at once. It never changes.
type Ring struct {
	keys []*key
}

// key is what is derived from one secret.
type key struct {
	id  [idLen]byte
	prk []byte // HKDF's pseudorandom key; the secret itself is not kept

	mu      sync.Mutex                                // one writer of sealers at a time
	sealers atomic.Pointer[map[string]*purposeSealer] // by purpose; replaced, never changed
}

// purposeSealer is a cipher for one secret and purpose.
type purposeSealer struct {
	aead cipher.AEAD // puts a random nonce before the ciphertext
	aad  []byte      // version, key id, purpose
}

// NewRing returns a ring of these secrets, of which the first seals. Each must
// have at least [MinSecretLen] bytes of good randomness, as `authd keygen` prints.
func NewRing(secrets ...[]byte) (*Ring, error) {
	if len(secrets) == 0 {
		return nil, fmt.Errorf("%w: there is none; make one with `authd keygen`", ErrSecret)
	}
	r := &Ring{}
	var faults []error
	for i, secret := range secrets {
		if len(secret) < MinSecretLen {
			faults = append(faults, fmt.Errorf("%w: number %d of %d has %d bytes, at least %d are needed; make one with `authd keygen`",
				ErrSecret, i+1, len(secrets), len(secret), MinSecretLen))
			continue
		}
		k, err := newKey(secret)
		if err != nil {
			return nil, err
		}
		r.keys = append(r.keys, k)
	}
	if faults != nil {
		return nil, errors.Join(faults...)
	}
	return r, nil
}

func newKey(secret []byte) (*key, error) {
	prk, err := hkdf.Extract(sha256.New, secret, []byte(salt))
	if err != nil {
		return nil, fmt.Errorf("deriving a key: %w", err)
	}
	k := &key{prk: prk}
	copy(k.id[:], k.derive(infoKeyID, idLen))
	k.sealers.Store(&map[string]*purposeSealer{})
	return k, nil
}

// Subkey returns n bytes (1 to [MaxSubkeyLen]) derived with HKDF (RFC 5869) from
// the FIRST secret, the same for the same secret and purpose for ever, and apart
// from every key that seals. It is for what must stay stable without being
// stored, such as derived ids; rotating the secrets changes it. It panics when n
// is out of range.
func (r *Ring) Subkey(purpose string, n int) []byte {
	if n < 1 || n > MaxSubkeyLen {
		panic(fmt.Sprintf("keys: a subkey of %d bytes was asked for; 1 to %d can be had", n, MaxSubkeyLen))
	}
	return r.keys[0].derive(infoSubkey+purpose, n)
}

// String tells the number of secrets, and nothing else, whatever the verb: a ring
// that gets into a log line must not take its keys along.
func (r *Ring) String() string { return fmt.Sprintf("keys.Ring(%d)", len(r.keys)) }

// GoString is [Ring.String], for %#v.
func (r *Ring) GoString() string { return r.String() }

// derive expands the key for one use.
func (k *key) derive(info string, n int) []byte {
	b, err := hkdf.Expand(sha256.New, k.prk, info, n)
	if err != nil { // n is in range and SHA-256 is always allowed
		panic("keys: " + err.Error())
	}
	return b
}

// sealer returns the cipher for a purpose, and keeps it for the next time.
func (k *key) sealer(purpose string) *purposeSealer {
	if s, ok := (*k.sealers.Load())[purpose]; ok {
		return s
	}
	s := k.newSealer(purpose)
	k.mu.Lock()
	defer k.mu.Unlock()
	known := *k.sealers.Load()
	if len(known) < cachedPurposes {
		more := maps.Clone(known)
		more[purpose] = s
		k.sealers.Store(&more)
	}
	return s
}

func (k *key) newSealer(purpose string) *purposeSealer {
	block, err := aes.NewCipher(k.derive(infoSeal+purpose, 32))
	if err != nil {
		panic("keys: " + err.Error()) // 32 bytes are a key of AES
	}
	aead, err := cipher.NewGCMWithRandomNonce(block)
	if err != nil {
		panic("keys: " + err.Error()) // AES has the block size that GCM needs
	}
	return &purposeSealer{aead: aead, aad: append(k.header(), purpose...)}
}

// header returns what every value that this key seals begins with.
func (k *key) header() []byte { return append([]byte{version}, k.id[:]...) }
