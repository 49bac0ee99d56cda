// Package session keeps who is signed in: create, look up, renew, end.
//
// The browser holds an opaque random id; the store knows only its SHA-256, the handle, so that a copy of the store
// opens nothing. A look-up comes from a bounded cache in front of the store, which the store's Watch invalidates:
// a check costs no round trip and a revocation counts everywhere at once.
//
//	manager.go  the Manager: Create, Lookup, List, End
//	cache.go    sessions in memory
//	renew.go    upstream tokens: one renewal per session at a time, across instances
//	record.go   what stands in the store
package session

import (
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"sync/atomic"
	"time"

	"github.com/authd/authd/internal/identity"
)

// ErrNoSession is returned for an id that belongs to no live session: never made, expired, idle too long, ended.
var ErrNoSession = errors.New("no session")

// ErrRefused is what Config.Renew wraps when the identity provider, or a rule, no longer lets the person in.
var ErrRefused = errors.New("renewal refused")

// Session is one sign-in. It does not change; a renewed session is another value under the same handle.
type Session struct {
	// Handle names the session to people and in the store. It is a hash of the id and opens nothing.
	Handle string
	// User is who signed in; User.Provider is the id of the provider.
	User *identity.User
	// CreatedAt is when the person signed in; Expires is the absolute end.
	CreatedAt, Expires time.Time
	// Browser that signed in, in words for the person, and the Address that it came from.
	Browser, Address string
	// TokenExpiry is when the upstream access token ends; zero: not said.
	TokenExpiry time.Time
	// tokenFrom is when that token came; zero: not known.
	tokenFrom time.Time
	// Renewable means that there is a refresh token.
	Renewable bool

	version   uint64
	lastSeen  atomic.Int64 // unix nanoseconds; ahead of the stored one by less than Manager.grain
	savedSeen time.Time    // what the store has
	retryAt   atomic.Int64 // unix nanoseconds before which no renewal is tried again

	memo atomic.Pointer[memo]
}

// memo is what a caller made of a session, under which circumstances.
type memo struct{ under, value any }

// LastSeen is when the session was last used, as far as this instance knows.
func (s *Session) LastSeen() time.Time { return time.Unix(0, s.lastSeen.Load()) }

// Memo returns what derive makes of the session, made once for as long as the session stays in the cache and under is
// the same. There is room for one such value; it belongs to the caller that composes sessions with headers and rules.
// Callers at the same moment may each derive one.
func (s *Session) Memo(under any, derive func(*Session) any) any {
	if kept := s.memo.Load(); kept != nil && kept.under == under {
		return kept.value
	}
	made := &memo{under: under, value: derive(s)}
	s.memo.Store(made)
	return made.value
}

// idLength is the length of an id: 256 random bits in base64url.
const idLength = 43

// hash is the key of the cache: no string is made for a look-up.
type hash [sha256.Size]byte

// hashOf returns the hash of a well-formed id.
func hashOf(id string) (hash, bool) {
	if len(id) != idLength {
		return hash{}, false
	}
	var buf [idLength]byte
	copy(buf[:], id)
	return sha256.Sum256(buf[:]), true
}

func (h hash) handle() string { return base64.RawURLEncoding.EncodeToString(h[:]) }

func hashOfHandle(handle string) (h hash, ok bool) {
	raw, err := base64.RawURLEncoding.Strict().DecodeString(handle)
	if err != nil || len(raw) != len(h) {
		return h, false
	}
	copy(h[:], raw)
	return h, true
}
