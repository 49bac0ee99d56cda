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

// counting is a store that notes which writes had to be safe.
type counting struct {
	store.Store
	mu   sync.Mutex
	puts []string // prefix of each key, "!" after it if the write had to be safe
}

func (c *counting) Put(ctx context.Context, key string, value []byte, ttl time.Duration, when store.Condition) (uint64, error) {
	prefix, _, _ := strings.Cut(key, "/")
	if !when.MayLag() {
		prefix += "!"
	}
	c.mu.Lock()
	c.puts = append(c.puts, prefix)
	c.mu.Unlock()
	return c.Store.Put(ctx, key, value, ttl, when)
}

// A store that waits for its disk waits once for a session: with its own record, which comes last.
func TestCreateWaitsForTheStoreOnce(t *testing.T) {
	f := newFixture(t)
	counted := &counting{Store: f.store}
	m := f.manager(func(c *Config) { c.Store = counted })
	id, _, err := m.Create(t.Context(), Login{User: ada(), Token: &sdk.Token{AccessToken: "at"}})
	if err != nil {
		t.Fatal(err)
	}
	wantLive(t, m, id)
	last := len(counted.puts) - 1
	if last != 2 || counted.puts[last] != "session!" || strings.Contains(strings.Join(counted.puts[:last], " "), "!") {
		t.Errorf("the writes were %q; want the session's own alone to be waited for, last", counted.puts)
	}
}
