package session

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"sync"
	"time"

	"golang.org/x/sync/singleflight"

	"github.com/authd/authd/internal/identity"
	"github.com/authd/authd/internal/keys"
	"github.com/authd/authd/internal/store"
	"github.com/authd/authd/sdk"
)

// Config is what a Manager needs.
type Config struct {
	// Store keeps the sessions.
	Store store.Store
	// Ring seals upstream tokens.
	Ring *keys.Ring
	// Lifetime is the absolute end of a session after the sign-in; IdleTimeout ends one that is not used.
	Lifetime, IdleTimeout time.Duration
	// Renew gets a new token and the user as the provider sees them now. It wraps ErrRefused when the person is no
	// longer let in; any other error leaves the session as it is. Nil: tokens are never renewed.
	Renew func(ctx context.Context, user *identity.User, token *sdk.Token) (*sdk.Token, *identity.User, error)
	// Refused is told of each session that a refused renewal ended, with the cause. Nil: nobody is.
	Refused func(s *Session, cause error)
	// CacheSize bounds the sessions in memory; zero: 100,000.
	CacheSize int
	// Now is the clock; nil: time.Now.
	Now func() time.Time
}

// Manager keeps sessions. Close stops what it runs.
type Manager struct {
	Config
	cache *cache
	// grain is how far the stored last-seen may lag: the check writes no more often than that.
	grain    time.Duration
	renewals singleflight.Group
	ctx      context.Context // of the background work; ended by Close
	stop     context.CancelFunc
	work     sync.WaitGroup
}

// New makes a Manager and starts to watch the store.
func New(cfg Config) *Manager {
	if cfg.CacheSize == 0 {
		cfg.CacheSize = 100_000
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	m := &Manager{Config: cfg, cache: newCache(cfg.CacheSize), grain: min(cfg.IdleTimeout/20, 5*time.Minute)}
	m.ctx, m.stop = context.WithCancel(context.Background())
	m.work.Go(func() { m.cache.watch(m.ctx, cfg.Store, time.Second) })
	return m
}

// Close ends the background work and waits for it.
func (m *Manager) Close() {
	m.stop()
	m.work.Wait()
}

// Login is a completed sign-in.
type Login struct {
	User  *identity.User
	Token *sdk.Token
	// Browser says which one it was, in words for the person; Address is where it came from.
	Browser, Address string
	// Previous is the id that the browser still held; its session ends.
	Previous string
}

// maxBrowser bounds what is kept to show a person their sessions.
const maxBrowser = 64

// storePatience bounds a look-up that has to ask the store: who waits at a door wants an answer (Threat 144).
const storePatience = time.Second

// discardTimeout bounds the removal of a session that could not be begun.
const discardTimeout = 3 * time.Second

// Create starts a session under a new id. The previous one ends only after the new one is there.
func (m *Manager) Create(ctx context.Context, login Login) (id string, s *Session, err error) {
	now := m.Now()
	id = keys.RandomID()
	h, ok := hashOf(id)
	if !ok {
		return "", nil, fmt.Errorf("a new session id has %d characters, want %d", len(id), idLength)
	}
	s = &Session{
		Handle: h.handle(), User: login.User, CreatedAt: now, Expires: now.Add(m.Lifetime),
		Browser: login.Browser[:min(len(login.Browser), maxBrowser)], Address: login.Address,
	}
	if login.Token != nil {
		s.TokenExpiry, s.tokenFrom, s.Renewable = login.Token.Expiry, now, login.Token.RefreshToken != ""
	}
	if err := m.begin(ctx, s, login.Token, now); err != nil {
		return "", nil, fmt.Errorf("create session: %w", err)
	}
	if login.Previous != "" {
		if _, _, err := m.End(ctx, login.Previous); err != nil && !errors.Is(err, ErrNoSession) {
			return "", nil, fmt.Errorf("end the previous session: %w", err)
		}
	}
	return id, s, nil
}

// begin writes all that belongs to a new session, at once: a store that waits for its disk then waits once. In which
// order it gets there is no matter, since nobody has the id before all of it is there. If a part fails, none is left.
func (m *Manager) begin(ctx context.Context, s *Session, token *sdk.Token, now time.Time) error {
	var work sync.WaitGroup
	var errs [3]error
	work.Go(func() { errs[0] = m.save(ctx, s, now, store.Absent()) })
	work.Go(func() { _, errs[1] = m.Store.Put(ctx, userKey(s.User.Subject, s.Handle), nil, m.Lifetime, store.Any()) })
	if token != nil {
		work.Go(func() { errs[2] = m.saveToken(ctx, s, token) })
	}
	work.Wait()
	err := errors.Join(errs[:]...)
	if err == nil {
		return nil
	}
	// The caller may have gone; what was written must go nevertheless.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), discardTimeout)
	defer cancel()
	for _, key := range []string{sessionPrefix + s.Handle, tokenPrefix + s.Handle, userKey(s.User.Subject, s.Handle)} {
		err = errors.Join(err, m.Store.Delete(ctx, key))
	}
	return err
}

// Lookup returns the live session of an id, or ErrNoSession. Any other error means that the store can't tell, and
// that nobody may be let in.
func (m *Manager) Lookup(ctx context.Context, id string) (*Session, error) {
	h, ok := hashOf(id)
	if !ok {
		return nil, ErrNoSession
	}
	s, generation := m.cache.get(h)
	if s == nil {
		var err error
		if s, err = m.load(ctx, h.handle()); err != nil {
			return nil, err
		}
		m.cache.put(h, s, generation)
	}
	now := m.Now()
	if m.over(s, now) {
		m.cache.drop(h)
		return nil, ErrNoSession
	}
	if now.Sub(s.savedSeen) >= m.grain {
		m.touch(ctx, s, now)
	}
	if now.UnixNano() > s.lastSeen.Load() {
		s.lastSeen.Store(now.UnixNano())
	}
	return m.renewed(ctx, s, now)
}

// over reports whether the session has ended by itself.
func (m *Manager) over(s *Session, now time.Time) bool {
	return !now.Before(s.Expires) || now.Sub(s.LastSeen()) >= m.IdleTimeout
}

func (m *Manager) load(ctx context.Context, handle string) (*Session, error) {
	ctx, cancel := context.WithTimeout(ctx, storePatience)
	defer cancel()
	item, err := m.Store.Get(ctx, sessionPrefix+handle)
	if errors.Is(err, store.ErrNotFound) {
		return nil, ErrNoSession
	}
	if err != nil {
		return nil, fmt.Errorf("look up session: %w", err)
	}
	return decode(handle, item)
}

// save writes the record; it lives no longer than the session would, idle, from now on.
func (m *Manager) save(ctx context.Context, s *Session, seen time.Time, when store.Condition) error {
	value, err := s.encode(seen)
	if err != nil {
		return fmt.Errorf("encode session: %w", err)
	}
	ttl := min(s.Expires.Sub(seen), m.IdleTimeout+m.grain)
	if ttl <= 0 {
		return ErrNoSession
	}
	if _, err := m.Store.Put(ctx, sessionPrefix+s.Handle, value, ttl, when); err != nil {
		return fmt.Errorf("save session: %w", err)
	}
	return nil
}

// touch notes in the store that the session is in use. It may fail: another instance was quicker, or the session
// was ended just now, and then the next look-up knows.
func (m *Manager) touch(ctx context.Context, s *Session, now time.Time) {
	ctx, cancel := context.WithTimeout(ctx, storePatience)
	defer cancel()
	_ = m.save(ctx, s, now, store.AtVersion(s.version))
	if h, ok := hashOfHandle(s.Handle); ok {
		m.cache.drop(h)
	}
}

// List returns the live sessions of a user, oldest key first.
func (m *Manager) List(ctx context.Context, subject string) ([]*Session, error) {
	var found []*Session
	prefix := userKey(subject, "")
	for item, err := range m.Store.Scan(ctx, prefix) {
		if err != nil {
			return nil, fmt.Errorf("list sessions: %w", err)
		}
		s, err := m.load(ctx, item.Key[len(prefix):])
		if errors.Is(err, ErrNoSession) {
			continue
		}
		if err != nil {
			return nil, err
		}
		if !m.over(s, m.Now()) {
			found = append(found, s)
		}
	}
	return found, nil
}

// All visits every live session, in no order that means anything. Records that can't be read are left out: they let
// nobody in, and must not keep an operator from ending the others.
func (m *Manager) All(ctx context.Context) iter.Seq2[*Session, error] {
	return func(yield func(*Session, error) bool) {
		for item, err := range m.Store.Scan(ctx, sessionPrefix) {
			if err != nil {
				yield(nil, fmt.Errorf("list sessions: %w", err))
				return
			}
			s, err := decode(item.Key[len(sessionPrefix):], item)
			if err != nil || m.over(s, m.Now()) {
				continue
			}
			if !yield(s, nil) {
				return
			}
		}
	}
}

// End ends the session of an id and returns it with its upstream token, which is nil if there was none. It returns
// ErrNoSession when there is nothing to end.
func (m *Manager) End(ctx context.Context, id string) (*Session, *sdk.Token, error) {
	h, ok := hashOf(id)
	if !ok {
		return nil, nil, ErrNoSession
	}
	return m.EndHandle(ctx, h.handle())
}

// EndHandle is End for a handle, as shown to people.
func (m *Manager) EndHandle(ctx context.Context, handle string) (*Session, *sdk.Token, error) {
	h, ok := hashOfHandle(handle)
	if !ok {
		return nil, nil, ErrNoSession
	}
	item, err := m.Store.Take(ctx, sessionPrefix+handle)
	m.cache.drop(h)
	if errors.Is(err, store.ErrNotFound) {
		return nil, nil, ErrNoSession
	}
	if err != nil {
		return nil, nil, fmt.Errorf("end session: %w", err)
	}
	s, err := decode(handle, item)
	if err != nil {
		return nil, nil, err
	}
	token, err := m.takeToken(ctx, s)
	if err != nil {
		return s, nil, err
	}
	return s, token, m.Store.Delete(ctx, userKey(s.User.Subject, handle))
}

func (m *Manager) saveToken(ctx context.Context, s *Session, token *sdk.Token) error {
	left := s.Expires.Sub(m.Now())
	if left <= 0 {
		return ErrNoSession
	}
	plain, err := json.Marshal(token)
	if err != nil {
		return fmt.Errorf("encode token: %w", err)
	}
	sealed := m.Ring.Seal(tokenPurpose, append([]byte(s.Handle), plain...))
	if _, err := m.Store.Put(ctx, tokenPrefix+s.Handle, []byte(sealed), left, store.Any()); err != nil {
		return fmt.Errorf("save token: %w", err)
	}
	return nil
}

// tokenPurpose binds sealed tokens to this use; the handle inside binds each to its session.
const tokenPurpose = "session token"

// Token returns the upstream token of a session, or nil when there is none.
func (m *Manager) Token(ctx context.Context, s *Session) (*sdk.Token, error) {
	item, err := m.Store.Get(ctx, tokenPrefix+s.Handle)
	return m.openToken(s, item, err)
}

func (m *Manager) takeToken(ctx context.Context, s *Session) (*sdk.Token, error) {
	item, err := m.Store.Take(ctx, tokenPrefix+s.Handle)
	return m.openToken(s, item, err)
}

func (m *Manager) openToken(s *Session, item store.Item, err error) (*sdk.Token, error) {
	if errors.Is(err, store.ErrNotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read token: %w", err)
	}
	plain, err := m.Ring.Open(tokenPurpose, string(item.Value))
	if err != nil || len(plain) < len(s.Handle) || string(plain[:len(s.Handle)]) != s.Handle {
		return nil, fmt.Errorf("session %s: the stored token can't be opened; was session.secret changed without keeping the old one?", s.Handle)
	}
	var token sdk.Token
	if err := json.Unmarshal(plain[len(s.Handle):], &token); err != nil {
		return nil, fmt.Errorf("session %s: the stored token can't be read: %w", s.Handle, err)
	}
	return &token, nil
}
