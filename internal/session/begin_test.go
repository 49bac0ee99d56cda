package session

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/authd/authd/internal/store"
	"github.com/authd/authd/sdk"
)

// refusing is a store that takes no records of one prefix.
type refusing struct {
	store.Store
	prefix string
}

func (r *refusing) Put(ctx context.Context, key string, value []byte, ttl time.Duration, when store.Condition) (uint64, error) {
	if strings.HasPrefix(key, r.prefix) {
		return 0, store.ErrUnavailable
	}
	return r.Store.Put(ctx, key, value, ttl, when)
}

// Threat 85: a session of which a part could not be written is none, and leaves nothing behind.
func TestHalfASessionIsNone(t *testing.T) {
	for _, prefix := range []string{sessionPrefix, tokenPrefix, userPrefix} {
		t.Run(prefix, func(t *testing.T) {
			f := newFixture(t)
			m := f.manager(func(c *Config) { c.Store = &refusing{f.store, prefix} })
			previous, _ := f.create(f.manager(), Login{})
			id, s, err := m.Create(t.Context(), Login{User: ada(), Token: &sdk.Token{AccessToken: "at"}, Previous: previous})
			if !errors.Is(err, store.ErrUnavailable) || id != "" || s != nil {
				t.Errorf("Create = %q, %+v, %v; want nothing but ErrUnavailable", id, s, err)
			}
			// Threat 14: the session before it stays.
			wantLive(t, m, previous)
			list, err := m.List(t.Context(), ada().Subject)
			if err != nil || len(list) != 1 {
				t.Errorf("List = %v, %v; want the previous session alone", list, err)
			}
			records := 0
			for _, err := range f.store.Scan(t.Context(), "") {
				if err != nil {
					t.Fatal(err)
				}
				records++
			}
			if records != 2 {
				t.Errorf("the store holds %d records, want the 2 of the previous session", records)
			}
		})
	}
}

// leaving is a store during whose writes the caller goes away: what was asked for happens, but nobody is told.
type leaving struct {
	store.Store
	leave context.CancelFunc
}

func (l *leaving) Put(ctx context.Context, key string, value []byte, ttl time.Duration, when store.Condition) (uint64, error) {
	if _, err := l.Store.Put(context.WithoutCancel(ctx), key, value, ttl, when); err != nil {
		return 0, err
	}
	l.leave()
	return 0, ctx.Err()
}

func TestNothingIsLeftWhenTheCallerGoes(t *testing.T) {
	f := newFixture(t)
	ctx, leave := context.WithCancel(t.Context())
	m := f.manager(func(c *Config) { c.Store = &leaving{f.store, leave} })
	if _, _, err := m.Create(ctx, Login{User: ada(), Token: &sdk.Token{AccessToken: "at"}}); !errors.Is(err, context.Canceled) {
		t.Errorf("Create: %v, want the context's error", err)
	}
	for item, err := range f.store.Scan(t.Context(), "") {
		if err != nil {
			t.Fatal(err)
		}
		t.Errorf("%s is left behind", item.Key)
	}
}

// gathering is a store that answers only when so many writes wait for it.
type gathering struct {
	store.Store
	mu      sync.Mutex
	missing int
	all     chan struct{}
}

func (g *gathering) Put(ctx context.Context, key string, value []byte, ttl time.Duration, when store.Condition) (uint64, error) {
	g.mu.Lock()
	if g.missing--; g.missing == 0 {
		close(g.all)
	}
	g.mu.Unlock()
	select {
	case <-g.all:
		return g.Store.Put(ctx, key, value, ttl, when)
	case <-ctx.Done():
		return 0, ctx.Err()
	}
}

// The records of a session are written together, so that a store which waits for its disk waits once.
func TestCreateWaitsForTheStoreOnce(t *testing.T) {
	f := newFixture(t)
	m := f.manager(func(c *Config) { c.Store = &gathering{Store: f.store, missing: 3, all: make(chan struct{})} })
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	id, _, err := m.Create(ctx, Login{User: ada(), Token: &sdk.Token{AccessToken: "at"}})
	if err != nil {
		t.Fatal(err)
	}
	wantLive(t, m, id)
}
