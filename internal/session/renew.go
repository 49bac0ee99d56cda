package session

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/authd/authd/internal/store"
	"github.com/authd/authd/sdk"
)

const (
	// renewTimeout bounds one renewal; the lock in the store outlives it by a little.
	renewTimeout = 15 * time.Second
	lockLife     = 20 * time.Second
	// grace is how long after the token's end a look-up still answers at once while the renewal runs beside it.
	// Later the look-up waits, since the person may have been shut out long ago.
	grace = 5 * time.Minute
	// Patience is how long such a look-up waits; an identity provider that is down locks nobody out.
	Patience = 3 * time.Second
	// retryDelay keeps a failing identity provider from being asked at each look-up.
	retryDelay = 30 * time.Second
)

// lead is how long before a token's end its renewal begins, so that an app that is handed it always has a good one; a
// short-lived token is renewed in the last quarter of its life.
const lead = 30 * time.Second

// renewFrom is when the renewal of the token begins.
func (s *Session) renewFrom() time.Time {
	if s.tokenFrom.IsZero() {
		return s.TokenExpiry
	}
	return s.TokenExpiry.Add(-min(lead, max(0, s.TokenExpiry.Sub(s.tokenFrom)/4)))
}

// renewed returns the session, renewed if its upstream token is about to end, or has.
func (m *Manager) renewed(ctx context.Context, s *Session, now time.Time) (*Session, error) {
	due := m.Renew != nil && s.Renewable && !s.TokenExpiry.IsZero() && !now.Before(s.renewFrom())
	if !due || now.UnixNano() < s.retryAt.Load() {
		return s, nil
	}
	done := m.renewals.DoChan(s.Handle, func() (any, error) {
		ctx, cancel := context.WithTimeout(m.ctx, renewTimeout)
		defer cancel()
		return m.renew(ctx, s)
	})
	if now.Sub(s.TokenExpiry) < grace {
		return s, nil
	}
	wait := time.NewTimer(Patience)
	defer wait.Stop()
	select {
	case result := <-done:
		if errors.Is(result.Err, ErrNoSession) {
			return nil, ErrNoSession
		}
		if result.Err != nil {
			return s, nil
		}
		return result.Val.(*Session), nil
	case <-wait.C:
		return s, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// renew asks the identity provider once, whichever instance comes first. It returns ErrNoSession when the session
// has ended, through a refusal or otherwise.
func (m *Manager) renew(ctx context.Context, s *Session) (_ *Session, err error) {
	defer func() {
		if err != nil && !errors.Is(err, ErrNoSession) {
			s.retryAt.Store(m.Now().Add(retryDelay).UnixNano())
		}
	}()
	lock := renewalPrefix + s.Handle
	_, err = m.Store.Put(ctx, lock, nil, lockLife, store.Absent())
	if errors.Is(err, store.ErrConflict) {
		return m.awaitRenewal(ctx, s)
	}
	if err != nil {
		return nil, fmt.Errorf("lock the renewal: %w", err)
	}
	defer func() { err = errors.Join(err, m.unlock(context.WithoutCancel(ctx), lock, err)) }()

	// Another instance may have renewed before the lock was ours.
	current, err := m.load(ctx, s.Handle)
	if err != nil || m.Now().Before(current.renewFrom()) {
		return current, err
	}
	token, err := m.Token(ctx, current)
	if err != nil {
		return nil, err
	}
	if token == nil || token.RefreshToken == "" {
		return nil, fmt.Errorf("session %s has no refresh token", s.Handle)
	}
	return m.exchange(ctx, current, token)
}

// failed is what stands in the lock after a renewal that came to nothing: nobody tries again before it has expired.
const failed = "failed"

// errFailed is the error of a renewal that another look-up, or instance, has just tried in vain.
var errFailed = errors.New("the renewal failed a moment ago")

// unlock lets the next renewal begin, at once or, after a failure, later.
func (m *Manager) unlock(ctx context.Context, lock string, err error) error {
	if err == nil || errors.Is(err, ErrNoSession) {
		return m.Store.Delete(ctx, lock)
	}
	_, putErr := m.Store.Put(ctx, lock, []byte(failed), retryDelay, store.Any())
	return putErr
}

func (m *Manager) exchange(ctx context.Context, s *Session, old *sdk.Token) (*Session, error) {
	token, user, err := m.Renew(ctx, s.User, old)
	if errors.Is(err, ErrRefused) {
		if _, _, endErr := m.EndHandle(ctx, s.Handle); endErr != nil && !errors.Is(endErr, ErrNoSession) {
			return nil, errors.Join(err, endErr)
		}
		if m.Refused != nil {
			m.Refused(s, err)
		}
		return nil, ErrNoSession
	}
	if err != nil {
		return nil, err
	}
	if err := m.saveToken(ctx, s, token); err != nil {
		return nil, err
	}
	next := &Session{
		Handle: s.Handle, User: user, CreatedAt: s.CreatedAt, Expires: s.Expires, Browser: s.Browser, Address: s.Address,
		TokenExpiry: token.Expiry, tokenFrom: m.Now(), Renewable: token.RefreshToken != "", version: s.version,
	}
	return m.replace(ctx, next)
}

// replace writes the renewed session over the stored one, if that is still there: a logout in between stays one.
func (m *Manager) replace(ctx context.Context, next *Session) (*Session, error) {
	for {
		seen := m.Now()
		err := m.save(ctx, next, seen, store.AtVersion(next.version))
		if h, ok := hashOfHandle(next.Handle); ok {
			m.cache.drop(h)
		}
		if !errors.Is(err, store.ErrConflict) {
			next.savedSeen = seen
			next.lastSeen.Store(seen.UnixNano())
			return next, err
		}
		current, err := m.load(ctx, next.Handle)
		if errors.Is(err, ErrNoSession) {
			return nil, errors.Join(err, m.Store.Delete(ctx, tokenPrefix+next.Handle))
		}
		if err != nil {
			return nil, err
		}
		next.version = current.version
	}
}

// awaitRenewal waits until the instance that holds the lock has let it go.
func (m *Manager) awaitRenewal(ctx context.Context, s *Session) (*Session, error) {
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for {
		lock, err := m.Store.Get(ctx, renewalPrefix+s.Handle)
		switch {
		case errors.Is(err, store.ErrNotFound):
			return m.load(ctx, s.Handle)
		case err != nil:
			return nil, err
		case string(lock.Value) == failed:
			return nil, errFailed
		}
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-tick.C:
		}
	}
}
