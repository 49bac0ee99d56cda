package keys

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"sync"
	"sync/atomic"
	"time"

	"github.com/go-jose/go-jose/v4/jwt"

	"github.com/authd/authd/internal/store"
)

// The keys that this package writes:
//
//	signing/NAME   → all signing keys of the signer NAME, with their times; one sealed record
//
// The record is sealed whole. Who reads the store signs nothing, and who writes to it brings in no key. Threat 146.
const signingPrefix = "signing/"

// signingPurpose, with the name after it, binds the sealed record to its signer.
const signingPurpose = "signing keys:"

const (
	// storeTimeout bounds one call of the store. Making a key, which may take long for RSA, has no part in it.
	storeTimeout = 2 * time.Second
	// storeRetry is how long callers are spared the wait after the store failed.
	storeRetry = 5 * time.Second
	// putAttempts bounds the tries against other instances; each conflict means that one of them got on.
	putAttempts = 10
)

// ErrStale says that the signing keys have not been read for so long that other instances may have changed them.
var ErrStale = errors.New("the signing keys can't be read")

// ErrClaims says that claims can't be signed: they are no JSON object, or do not end in time.
var ErrClaims = errors.New("claims can't be signed")

var signerName = regexp.MustCompile(`^[a-z][a-z0-9-]{0,31}$`)

// SignerConfig is what a Signer needs.
type SignerConfig struct {
	// Name tells signers that share a store apart: 1 to 32 of a-z, 0-9 and "-".
	Name string
	// Store keeps the keys, sealed with Ring.
	Store store.Store
	Ring  *Ring
	// Algorithm of new keys; empty: ES256.
	Algorithm Algorithm
	// Period is how long a key signs; zero: 30 days. At least two Leads.
	Period time.Duration
	// TokenLife is the longest life of a token, and bounds exp; zero: 5 minutes.
	TokenLife time.Duration
	// MaxAge is how long verifiers may keep the JWKS; zero: 10 minutes. At least Skew.
	MaxAge time.Duration
	// Lead is how long a key is published before it signs; zero: one hour. An instance that can't read the store goes
	// on for Lead - MaxAge - 2 Skew, which must be at least two Refresh.
	Lead time.Duration
	// Refresh is how often the store is read where its Watch says nothing; zero: one minute.
	Refresh time.Duration
	// Warn is told what an operator should look into, Info what has changed as it should, each in a message and then names
	// and values; nil: nobody is.
	Warn, Info func(msg string, args ...any)
	// Changed is told all keys when this instance has made, rotated, revoked or resealed them; nil: nobody is.
	Changed func([]KeyInfo)
	// Now is the clock; nil: time.Now.
	Now func() time.Time
}

// Signer signs JWTs with keys that it makes, shares with other instances through the store, and replaces in time. A
// key is published before it signs and until all that it signed has ended, so verifiers that heed MaxAge always have
// it. A Signer may be used by many goroutines at once. Close stops what it runs.
type Signer struct {
	SignerConfig
	schedule schedule
	view     atomic.Pointer[view]
	turn     chan struct{} // held by whoever reads or writes the record
	failedAt time.Time     // guarded by turn, as is failure
	failure  error
	started  time.Time
	stop     context.CancelFunc
	work     sync.WaitGroup
}

// view is the record as the store had it at a time. It never changes.
type view struct {
	record
	keys      []*signingKey // as in the record
	jwks      []byte        // the members of "keys" in the JWKS, without brackets
	version   uint64
	oldSecret bool // not sealed with the first secret of the ring
	read      time.Time
}

// NewSigner reads the keys, or makes them, and starts to keep them. It fails when the store can't be reached. Keys that
// no secret of the Ring opens are replaced, and Warn is told: only short tokens rest on them.
func NewSigner(ctx context.Context, cfg SignerConfig) (*Signer, error) {
	cfg.Algorithm = cmp.Or(cfg.Algorithm, ES256)
	cfg.Period = cmp.Or(cfg.Period, 30*24*time.Hour)
	cfg.TokenLife = cmp.Or(cfg.TokenLife, 5*time.Minute)
	cfg.MaxAge = cmp.Or(cfg.MaxAge, 10*time.Minute)
	cfg.Lead = cmp.Or(cfg.Lead, time.Hour)
	cfg.Refresh = cmp.Or(cfg.Refresh, time.Minute)
	for _, tell := range []*func(string, ...any){&cfg.Warn, &cfg.Info} {
		if *tell == nil {
			*tell = func(string, ...any) {}
		}
	}
	if cfg.Changed == nil {
		cfg.Changed = func([]KeyInfo) {}
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	s := &Signer{
		SignerConfig: cfg, turn: make(chan struct{}, 1),
		schedule: schedule{cfg.Algorithm, cfg.Period, cfg.Lead, cfg.MaxAge, cfg.TokenLife},
	}
	if err := s.check(); err != nil {
		return nil, fmt.Errorf("signer %s: %w", cfg.Name, err)
	}
	s.started = s.now()
	if err := s.change(ctx, s.schedule.adopt); err != nil {
		return nil, fmt.Errorf("signer %s: authd needs its signing keys at the start: %w", cfg.Name, err)
	}
	ctx, s.stop = context.WithCancel(context.WithoutCancel(ctx))
	s.work.Go(func() { s.keep(ctx) })
	return s, nil
}

func (s *Signer) check() error {
	switch {
	case !signerName.MatchString(s.Name):
		return errors.New("the name must be 1 to 32 of a-z, 0-9 and -, and start with a letter")
	case s.Algorithm != ES256 && s.Algorithm != EdDSA && s.Algorithm != RS256:
		return fmt.Errorf("signing algorithm %q is not known; use ES256, EdDSA or RS256", s.Algorithm)
	case s.TokenLife < 0 || s.Refresh < 0 || s.MaxAge < Skew:
		return fmt.Errorf("TokenLife and Refresh must be positive, and MaxAge at least %s", Skew)
	case s.schedule.offline() < 2*s.Refresh:
		return fmt.Errorf("the Lead of %s is too short; at least %s are needed", s.Lead, s.MaxAge+2*Skew+2*s.Refresh)
	case s.Period < 2*s.Lead:
		return fmt.Errorf("the Period of %s is too short; at least %s are needed", s.Period, 2*s.Lead)
	}
	return nil
}

// Close stops the background work and waits for it.
func (s *Signer) Close() {
	s.stop()
	s.work.Wait()
}

// Sign returns claims as a compact JWS with the current key's kid and alg, and typ, in its header. The claims must be a
// JSON object whose exp is at most TokenLife away, else the error wraps ErrClaims. Without a store it goes on for a
// while with the keys that it has; then the error wraps ErrStale.
func (s *Signer) Sign(ctx context.Context, typ string, claims any) (string, error) {
	payload, err := json.Marshal(claims)
	if err != nil {
		return "", fmt.Errorf("%w: %w", ErrClaims, err)
	}
	if err := s.checkEnd(payload); err != nil {
		return "", err
	}
	v, err := s.fresh(ctx)
	if err != nil {
		return "", err
	}
	compact, err := v.current(s.now()).sign(typ, payload)
	if err != nil {
		return "", fmt.Errorf("signer %s: %w", s.Name, err)
	}
	return compact, nil
}

// checkEnd refuses what would outlive the key that verifies it.
func (s *Signer) checkEnd(payload []byte) error {
	var end struct {
		Expiry *jwt.NumericDate `json:"exp"`
	}
	if err := json.Unmarshal(payload, &end); err != nil {
		return fmt.Errorf("%w: they must be a JSON object with a numeric exp", ErrClaims)
	}
	if end.Expiry == nil || end.Expiry.Time().After(s.now().Add(s.TokenLife+time.Second)) {
		return fmt.Errorf("%w: exp must be there and at most %s away", ErrClaims, s.TokenLife)
	}
	return nil
}

// KeyID returns the id of the key that signs now, so that whoever keeps a signed token knows when to sign anew. It asks
// no store. It is "" when the keys have not been read for too long; Sign then tries again.
func (s *Signer) KeyID() string {
	v, now := s.view.Load(), s.now()
	if !v.within(s.schedule.offline(), now) {
		return ""
	}
	return v.current(now).ID
}

// Keys describes the keys, in the order in which they sign.
func (s *Signer) Keys(ctx context.Context) ([]KeyInfo, error) {
	v, err := s.fresh(ctx)
	if err != nil {
		return nil, err
	}
	return v.infos(s.now()), nil
}

// Rotate lets the next key sign as soon as every verifier has it, which is at once unless it was made within the last
// Lead. No verification fails. It returns that key.
func (s *Signer) Rotate(ctx context.Context) (KeyInfo, error) {
	var id string
	err := s.change(ctx, func(r *record, now time.Time) error {
		if err := s.schedule.rotate(r, now); err != nil {
			return err
		}
		id = r.Keys[len(r.Keys)-1].ID
		return nil
	})
	if err != nil {
		return KeyInfo{}, fmt.Errorf("rotate the signing keys: %w", err)
	}
	for _, info := range s.view.Load().infos(s.now()) {
		if info.ID == id {
			return info, nil
		}
	}
	return KeyInfo{}, fmt.Errorf("rotate the signing keys: %w: %q; another instance revoked it meanwhile", ErrNoKey, id)
}

// Revoke drops the keys of these ids at once, or all keys when none is given, for when they may be known to others.
// What they signed fails from then on: here at once, on other instances when they hear of it (within Refresh), at
// verifiers within MaxAge. After a revocation of all keys, verifiers need the new JWKS before anything verifies. The
// error wraps ErrNoKey when an id is not known; nothing is dropped then.
func (s *Signer) Revoke(ctx context.Context, ids ...string) error {
	err := s.change(ctx, func(r *record, now time.Time) error { return s.schedule.revoke(r, now, ids) })
	if err != nil {
		return fmt.Errorf("revoke signing keys: %w", err)
	}
	return nil
}

// now is the wall clock alone: the other one stands still while the machine sleeps.
func (s *Signer) now() time.Time { return s.Now().Round(0) }

// within reports whether the view is not older than age. One from the future says that the clock was set back.
func (v *view) within(age time.Duration, now time.Time) bool {
	is := now.Sub(v.read)
	return is >= 0 && is <= age
}

func (v *view) current(now time.Time) *signingKey { return v.keys[v.currentAt(now.UnixMilli())] }
