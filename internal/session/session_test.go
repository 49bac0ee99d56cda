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

	"github.com/google/go-cmp/cmp"

	"github.com/authd/authd/internal/identity"
	"github.com/authd/authd/internal/keys"
	"github.com/authd/authd/internal/store"
	"github.com/authd/authd/internal/store/memory"
	"github.com/authd/authd/sdk"
)

// clock is moved by hand.
type clock struct{ at atomic.Int64 }

func newClock() *clock {
	c := &clock{}
	c.at.Store(time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC).UnixNano())
	return c
}

func (c *clock) now() time.Time          { return time.Unix(0, c.at.Load()) }
func (c *clock) advance(d time.Duration) { c.at.Add(int64(d)) }

// fixture is a store with as many managers over it as a test wants.
type fixture struct {
	t     testing.TB
	clock *clock
	store store.Store
	ring  *keys.Ring
}

func newFixture(t testing.TB) *fixture {
	t.Helper()
	ring, err := keys.NewRing([]byte(strings.Repeat("k", 32)))
	if err != nil {
		t.Fatal(err)
	}
	f := &fixture{t: t, clock: newClock(), ring: ring}
	st := memory.New(memory.Options{Now: f.clock.now})
	t.Cleanup(func() { _ = st.Close() })
	f.store = st
	return f
}

func (f *fixture) manager(change ...func(*Config)) *Manager {
	cfg := Config{Store: f.store, Ring: f.ring, Lifetime: 30 * 24 * time.Hour, IdleTimeout: 7 * 24 * time.Hour, Now: f.clock.now}
	for _, c := range change {
		c(&cfg)
	}
	m := New(cfg)
	f.t.Cleanup(m.Close)
	return m
}

func ada() *identity.User {
	return &identity.User{Subject: "subjectofada", Identifier: "ada", Groups: []string{"staff"}, Provider: "idp"}
}

func (f *fixture) create(m *Manager, login Login) (string, *Session) {
	f.t.Helper()
	if login.User == nil {
		login.User = ada()
	}
	id, s, err := m.Create(context.Background(), login)
	if err != nil {
		f.t.Fatal(err)
	}
	return id, s
}

func wantGone(t *testing.T, m *Manager, id string) {
	t.Helper()
	if s, err := m.Lookup(context.Background(), id); !errors.Is(err, ErrNoSession) {
		t.Errorf("Lookup = %+v, %v; want ErrNoSession", s, err)
	}
}

func wantLive(t *testing.T, m *Manager, id string) *Session {
	t.Helper()
	s, err := m.Lookup(context.Background(), id)
	if err != nil {
		t.Fatalf("Lookup: %v", err)
	}
	return s
}

func TestCreateAndLookup(t *testing.T) {
	f := newFixture(t)
	m := f.manager()
	id, _ := f.create(m, Login{Browser: strings.Repeat("u", 999), Address: "192.0.2.1"})
	for range 3 {
		s := wantLive(t, m, id)
		if diff := cmp.Diff(ada(), s.User); diff != "" {
			t.Errorf("user (-want +got):\n%s", diff)
		}
		if s.Address != "192.0.2.1" || len(s.Browser) != maxBrowser || !s.Expires.Equal(f.clock.now().Add(m.Lifetime)) {
			t.Errorf("session = %+v", s)
		}
	}
}

// Threat 54, 55, 62: ids are long, random, never accepted unless made here, and not in the store.
func TestIDs(t *testing.T) {
	f := newFixture(t)
	m := f.manager()
	id, s := f.create(m, Login{Token: &sdk.Token{AccessToken: "at"}})
	other, _ := f.create(m, Login{})
	if len(id) != 43 || id == other {
		t.Errorf("ids %q and %q", id, other)
	}
	for _, forged := range []string{"", "x", strings.Repeat("A", 43), s.Handle, id[:42], id + "A", strings.ToLower(id), id[:42] + "\x00"} {
		if forged != id {
			wantGone(t, m, forged)
		}
	}
	for item, err := range f.store.Scan(context.Background(), "") {
		if err != nil {
			t.Fatal(err)
		}
		if strings.Contains(item.Key, id) || strings.Contains(string(item.Value), id) {
			t.Errorf("the store holds the id under %q", item.Key)
		}
	}
}

// Threat 55: each login has a new id, and the one before it ends.
func TestLoginEndsThePreviousSession(t *testing.T) {
	f := newFixture(t)
	m := f.manager()
	first, _ := f.create(m, Login{})
	wantLive(t, m, first)
	second, _ := f.create(m, Login{Previous: first})
	wantGone(t, m, first)
	wantLive(t, m, second)
	f.create(m, Login{Previous: "never made here"})
}

// Threat 59: both ends hold, whatever the cookie says.
func TestEnds(t *testing.T) {
	t.Run("absolute", func(t *testing.T) {
		f := newFixture(t)
		m := f.manager()
		id, _ := f.create(m, Login{})
		for range 29 {
			f.clock.advance(24 * time.Hour)
			wantLive(t, m, id)
		}
		f.clock.advance(24 * time.Hour)
		wantGone(t, m, id)
	})
	t.Run("idle", func(t *testing.T) {
		f := newFixture(t)
		m := f.manager()
		id, _ := f.create(m, Login{})
		f.clock.advance(6 * 24 * time.Hour)
		wantLive(t, m, id)
		f.clock.advance(6 * 24 * time.Hour)
		wantLive(t, m, id)
		f.clock.advance(7*24*time.Hour + time.Minute)
		wantGone(t, m, id)
		wantGone(t, f.manager(), id)
	})
	t.Run("clock goes back", func(t *testing.T) {
		f := newFixture(t)
		m := f.manager()
		id, _ := f.create(m, Login{})
		f.clock.advance(-time.Hour)
		wantLive(t, m, id)
		f.clock.advance(31 * 24 * time.Hour)
		wantGone(t, m, id)
	})
}

// The check writes nothing but a coarse last-seen.
func TestLookupRarelyWrites(t *testing.T) {
	f := newFixture(t)
	m := f.manager()
	id, s := f.create(m, Login{})
	version := func() uint64 {
		item, err := f.store.Get(context.Background(), sessionPrefix+s.Handle)
		if err != nil {
			t.Fatal(err)
		}
		return item.Version
	}
	before := version()
	for range 100 {
		f.clock.advance(time.Second)
		wantLive(t, m, id)
	}
	if version() != before {
		t.Error("looking up wrote within the grain")
	}
	f.clock.advance(m.grain)
	wantLive(t, m, id)
	if version() == before {
		t.Error("last seen was never written")
	}
	if got := wantLive(t, m, id).LastSeen(); !got.Equal(f.clock.now()) {
		t.Errorf("LastSeen = %v, want %v", got, f.clock.now())
	}
}

// Threat 60: an end counts at once on every instance.
func TestEndCountsEverywhere(t *testing.T) {
	f := newFixture(t)
	here, there := f.manager(), f.manager()
	id, _ := f.create(here, Login{Token: &sdk.Token{AccessToken: "at", IDToken: "it"}})
	wantLive(t, here, id)
	wantLive(t, there, id)
	s, token, err := here.End(context.Background(), id)
	if err != nil || s.User.Identifier != "ada" || token.IDToken != "it" {
		t.Fatalf("End = %+v, %+v, %v", s, token, err)
	}
	wantGone(t, here, id)
	eventually(t, func() bool {
		_, err := there.Lookup(context.Background(), id)
		return errors.Is(err, ErrNoSession)
	})
	if _, _, err := here.End(context.Background(), id); !errors.Is(err, ErrNoSession) {
		t.Errorf("ending twice: %v, want ErrNoSession", err)
	}
	for item, err := range f.store.Scan(context.Background(), "") {
		if err != nil {
			t.Fatal(err)
		}
		t.Errorf("%s is left behind", item.Key)
	}
}

// eventually waits for something that other goroutines bring about.
func eventually(t *testing.T, ok func() bool) {
	t.Helper()
	deadline := time.After(10 * time.Second)
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for !ok() {
		select {
		case <-deadline:
			t.Fatal("it never happened")
		case <-tick.C:
		}
	}
}

// A session that is ended while it is being read must not come back through the cache.
func TestEndWinsOverConcurrentLookups(t *testing.T) {
	f := newFixture(t)
	m := f.manager()
	for range 200 {
		id, _ := f.create(m, Login{})
		var wg sync.WaitGroup
		for range 4 {
			wg.Go(func() { _, _ = m.Lookup(context.Background(), id) })
		}
		if _, _, err := m.End(context.Background(), id); err != nil {
			t.Fatal(err)
		}
		wg.Wait()
		wantGone(t, m, id)
	}
}

func TestList(t *testing.T) {
	f := newFixture(t)
	m := f.manager()
	other := ada()
	other.Subject = "subjectofadamant"
	f.create(m, Login{User: other})
	gone, _ := f.create(m, Login{})
	_, kept := f.create(m, Login{})
	if _, _, err := m.End(context.Background(), gone); err != nil {
		t.Fatal(err)
	}
	list, err := m.List(context.Background(), "subjectofada")
	if err != nil || len(list) != 1 || list[0].Handle != kept.Handle {
		t.Errorf("List = %v, %v; want the one session that is left", list, err)
	}
}

// Threat 146: tokens are sealed, each to its session.
func TestTokensAreSealed(t *testing.T) {
	f := newFixture(t)
	m := f.manager()
	_, a := f.create(m, Login{Token: &sdk.Token{AccessToken: "secret-access", RefreshToken: "secret-refresh"}})
	_, b := f.create(m, Login{Token: &sdk.Token{AccessToken: "other"}})
	for item, err := range f.store.Scan(context.Background(), "") {
		if err != nil || strings.Contains(string(item.Value), "secret-") {
			t.Errorf("%s holds a token in the clear (%v)", item.Key, err)
		}
	}
	token, err := m.Token(context.Background(), a)
	if err != nil || token.AccessToken != "secret-access" {
		t.Errorf("Token = %+v, %v", token, err)
	}
	item, err := f.store.Get(context.Background(), tokenPrefix+a.Handle)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.store.Put(context.Background(), tokenPrefix+b.Handle, item.Value, 0, store.Any()); err != nil {
		t.Fatal(err)
	}
	if token, err := m.Token(context.Background(), b); err == nil {
		t.Errorf("the token of another session was opened: %+v", token)
	}
}

// failing is a store that can be switched off.
type failing struct {
	store.Store
	off atomic.Bool
}

func (f *failing) Get(ctx context.Context, key string) (store.Item, error) {
	if f.off.Load() {
		return store.Item{}, fmt.Errorf("%w: switched off", store.ErrUnavailable)
	}
	return f.Store.Get(ctx, key)
}

func (f *failing) Put(ctx context.Context, key string, value []byte, ttl time.Duration, when store.Condition) (uint64, error) {
	if f.off.Load() {
		return 0, fmt.Errorf("%w: switched off", store.ErrUnavailable)
	}
	return f.Store.Put(ctx, key, value, ttl, when)
}

// Threat 85, 144: a store that can't tell is an error, never a session and never "not signed in".
func TestStoreUnavailable(t *testing.T) {
	f := newFixture(t)
	st := &failing{Store: f.store}
	m := f.manager(func(c *Config) { c.Store = st })
	id, _ := f.create(m, Login{})
	st.off.Store(true)
	if s, err := m.Lookup(context.Background(), id); !errors.Is(err, store.ErrUnavailable) {
		t.Errorf("Lookup = %+v, %v; want ErrUnavailable", s, err)
	}
	if _, _, err := m.Create(context.Background(), Login{User: ada()}); !errors.Is(err, store.ErrUnavailable) {
		t.Errorf("Create: %v, want ErrUnavailable", err)
	}
	st.off.Store(false)
	wantLive(t, m, id)
}

// Threat 58, 85: a record that can't be read lets nobody in.
func TestGarbageRecords(t *testing.T) {
	f := newFixture(t)
	m := f.manager()
	id, s := f.create(m, Login{})
	for _, garbage := range []string{"", "x", "null", "{}", `{"user":{}}`, `{"user":{"sub":"a"}}`, `[]`} {
		if _, err := f.store.Put(context.Background(), sessionPrefix+s.Handle, []byte(garbage), 0, store.Any()); err != nil {
			t.Fatal(err)
		}
		if got, err := f.manager().Lookup(context.Background(), id); err == nil {
			t.Errorf("record %q gave the session %+v", garbage, got)
		}
	}
}

func TestCacheIsBounded(t *testing.T) {
	f := newFixture(t)
	m := f.manager(func(c *Config) { c.CacheSize = 10 })
	eventually(t, func() bool { m.cache.mu.RLock(); defer m.cache.mu.RUnlock(); return m.cache.watching })
	for range 50 {
		id, _ := f.create(m, Login{})
		wantLive(t, m, id)
	}
	m.cache.mu.RLock()
	defer m.cache.mu.RUnlock()
	if n := len(m.cache.sessions); n > 10 {
		t.Errorf("%d sessions are in memory, want at most 10", n)
	}
}

func BenchmarkLookup(b *testing.B) {
	f := newFixture(b)
	m := f.manager(func(c *Config) { c.Now = time.Now })
	f.clock.at.Store(time.Now().UnixNano())
	id, _ := f.create(m, Login{})
	b.ReportAllocs()
	for b.Loop() {
		if _, err := m.Lookup(context.Background(), id); err != nil {
			b.Fatal(err)
		}
	}
}
