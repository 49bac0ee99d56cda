package session

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/authd/authd/internal/identity"
	"github.com/authd/authd/internal/store"
	"github.com/authd/authd/sdk"
)

// upstream is an identity provider that rotates refresh tokens and takes each of them once.
type upstream struct {
	clock *clock
	calls atomic.Int64
	hold  chan struct{} // renewals wait until it is closed; nil: they don't

	mu   sync.Mutex
	want string
	err  error
}

func (u *upstream) renew(_ context.Context, user *identity.User, token *sdk.Token) (*sdk.Token, *identity.User, error) {
	n := u.calls.Add(1)
	if u.hold != nil {
		<-u.hold
	}
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.err != nil {
		return nil, nil, u.err
	}
	if token.RefreshToken != u.want {
		return nil, nil, fmt.Errorf("%w: refresh token %q was used before", ErrRefused, token.RefreshToken)
	}
	u.want = fmt.Sprintf("r%d", n)
	next := *user
	next.Groups = []string{fmt.Sprintf("renewed-%d", n)}
	return &sdk.Token{AccessToken: "at", RefreshToken: u.want, Expiry: u.clock.now().Add(time.Hour)}, &next, nil
}

// renewing is a fixture whose sessions run out of their token after an hour.
func renewing(t *testing.T) (*fixture, *upstream) {
	f := newFixture(t)
	return f, &upstream{clock: f.clock, want: "r0"}
}

func (f *fixture) login(m *Manager) string {
	id, _ := f.create(m, Login{Token: &sdk.Token{AccessToken: "at", RefreshToken: "r0", Expiry: f.clock.now().Add(time.Hour)}})
	return id
}

func TestRenewal(t *testing.T) {
	f, up := renewing(t)
	m := f.manager(func(c *Config) { c.Renew = up.renew })
	id := f.login(m)
	f.clock.advance(59 * time.Minute)
	wantLive(t, m, id)
	if up.calls.Load() != 0 {
		t.Error("a token that is still good was renewed")
	}
	f.clock.advance(2 * time.Minute)
	wantLive(t, m, id)
	eventually(t, func() bool { return wantLive(t, m, id).User.Groups[0] == "renewed-1" })
	if n := up.calls.Load(); n != 1 {
		t.Errorf("the identity provider was asked %d times, want once", n)
	}
	token, err := m.Token(context.Background(), wantLive(t, m, id))
	if err != nil || token.RefreshToken != "r1" {
		t.Errorf("Token = %+v, %v; want the new refresh token", token, err)
	}
}

// Threat 39: once the token has been out for long, the look-up waits for the answer, and a no ends the session.
func TestRefusalEndsTheSession(t *testing.T) {
	f, up := renewing(t)
	var told atomic.Pointer[Session]
	m := f.manager(func(c *Config) {
		c.Renew = up.renew
		c.Refused = func(s *Session, _ error) { told.Store(s) }
	})
	id := f.login(m)
	up.err = fmt.Errorf("%w: account is disabled", ErrRefused)
	f.clock.advance(8 * time.Hour)
	wantGone(t, m, id)
	if s := told.Load(); s == nil || s.User.Identifier != "ada" {
		t.Errorf("Refused was told of %+v", s)
	}
}

// Threat 39, 41: an identity provider that is down ends nothing and is not asked at every look-up, nor by every instance.
func TestOutageKeepsTheSession(t *testing.T) {
	f, up := renewing(t)
	m, other := f.manager(func(c *Config) { c.Renew = up.renew }), f.manager(func(c *Config) { c.Renew = up.renew })
	id := f.login(m)
	up.err = errors.New("connection refused")
	f.clock.advance(8 * time.Hour)
	for range 20 {
		wantLive(t, m, id)
		f.clock.advance(time.Second)
		wantLive(t, other, id)
	}
	if n := up.calls.Load(); n != 1 {
		t.Errorf("the identity provider was asked %d times, want once", n)
	}
	up.mu.Lock()
	up.err = nil
	up.mu.Unlock()
	f.clock.advance(retryDelay)
	if got := wantLive(t, m, id).User.Groups[0]; got == "staff" {
		t.Error("the session was not renewed after the outage")
	}
}

// Threat 40: of 100 look-ups on two instances, one asks the identity provider.
func TestStampede(t *testing.T) {
	f, up := renewing(t)
	here, there := f.manager(func(c *Config) { c.Renew = up.renew }), f.manager(func(c *Config) { c.Renew = up.renew })
	id := f.login(here)
	f.clock.advance(8 * time.Hour)
	var wg sync.WaitGroup
	for i := range 100 {
		m := here
		if i%2 == 1 {
			m = there
		}
		wg.Go(func() {
			if _, err := m.Lookup(context.Background(), id); err != nil {
				t.Errorf("Lookup: %v", err)
			}
		})
	}
	wg.Wait()
	eventually(t, func() bool { return wantLive(t, there, id).User.Groups[0] == "renewed-1" })
	if n := up.calls.Load(); n != 1 {
		t.Errorf("the identity provider was asked %d times, want once", n)
	}
}

// lockStore tells how the instance fares that wants to renew.
type lockStore struct {
	store.Store
	won, lost atomic.Int64
}

func (l *lockStore) Put(ctx context.Context, key string, value []byte, ttl time.Duration, when store.Condition) (uint64, error) {
	version, err := l.Store.Put(ctx, key, value, ttl, when)
	if strings.HasPrefix(key, renewalPrefix) {
		if err == nil {
			l.won.Add(1)
		} else if errors.Is(err, store.ErrConflict) {
			l.lost.Add(1)
		}
	}
	return version, err
}

// Threat 40: while one instance asks the identity provider, another one leaves it alone and takes the same answer.
func TestOneInstanceRenews(t *testing.T) {
	f, up := renewing(t)
	up.hold = make(chan struct{})
	second := &lockStore{Store: f.store}
	here := f.manager(func(c *Config) { c.Renew = up.renew })
	there := f.manager(func(c *Config) { c.Renew, c.Store = up.renew, second })
	id := f.login(here)
	f.clock.advance(8 * time.Hour)
	var both sync.WaitGroup
	look := func(m *Manager) {
		both.Go(func() {
			if _, err := m.Lookup(context.Background(), id); err != nil {
				t.Errorf("Lookup: %v", err)
			}
		})
	}
	look(here)
	eventually(t, func() bool { return up.calls.Load() == 1 })
	look(there)
	eventually(t, func() bool { return second.won.Load()+second.lost.Load() > 0 })
	if second.won.Load() > 0 {
		t.Error("the second instance renews while the first one does")
	}
	close(up.hold)
	both.Wait()
	for _, m := range []*Manager{here, there} {
		eventually(t, func() bool { return wantLive(t, m, id).User.Groups[0] == "renewed-1" })
	}
	if n := up.calls.Load(); n != 1 {
		t.Errorf("the identity provider was asked %d times, want once", n)
	}
}

// Threat 145: a logout while the renewal is under way stays a logout.
func TestLogoutDuringRenewal(t *testing.T) {
	f, up := renewing(t)
	up.hold = make(chan struct{})
	m := f.manager(func(c *Config) { c.Renew = up.renew })
	id := f.login(m)
	f.clock.advance(time.Hour + time.Minute)
	wantLive(t, m, id)
	eventually(t, func() bool { return up.calls.Load() == 1 })
	if _, _, err := m.End(context.Background(), id); err != nil {
		t.Fatal(err)
	}
	close(up.hold)
	eventually(t, func() bool {
		for item, err := range f.store.Scan(context.Background(), "") {
			if err != nil || item.Key != "" {
				return false
			}
		}
		return true
	})
	wantGone(t, m, id)
}
