package session

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/authd/authd/internal/store"
)

// frozen is a store that stops answering reads.
type frozen struct{ store.Store }

func (frozen) Get(ctx context.Context, _ string) (store.Item, error) {
	<-ctx.Done()
	return store.Item{}, ctx.Err()
}

// Threat 144: a store that hangs keeps nobody waiting for more than a second, and lets nobody in.
func TestLookupOfAStoreThatHangs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(t)
		id, _ := f.create(f.manager(), Login{})
		m := f.manager(func(c *Config) { c.Store = frozen{f.store} })
		begun := time.Now()
		if _, err := m.Lookup(t.Context(), id); err == nil || errors.Is(err, ErrNoSession) {
			t.Errorf("got %v; want an error that is not a no", err)
		}
		if took := time.Since(begun); took > time.Second {
			t.Errorf("the answer took %v", took)
		}
	})
}

// Threat 85: a record that stands under the key of another session makes nobody somebody else.
func TestRecordUnderAnotherKey(t *testing.T) {
	f := newFixture(t)
	m := f.manager()
	mine, _ := f.create(m, Login{})
	other := *ada()
	other.Subject, other.Identifier = "subjectofgrace", "grace"
	_, hers := f.create(m, Login{User: &other})
	item, err := f.store.Get(t.Context(), sessionPrefix+hers.Handle)
	if err != nil {
		t.Fatal(err)
	}
	h, _ := hashOf(mine)
	if _, err := f.store.Put(t.Context(), sessionPrefix+h.handle(), item.Value, time.Hour, store.Any()); err != nil {
		t.Fatal(err)
	}
	if found, err := f.manager().Lookup(t.Context(), mine); err == nil {
		t.Errorf("the cookie of ada is %s now", found.User.Identifier)
	}
}

// Threat 38: a token is renewed before it ends, half a minute if it is good for long, in its last quarter if not.
func TestRenewalBegins(t *testing.T) {
	now := time.Now()
	for _, c := range []struct{ life, lead time.Duration }{
		{time.Hour, 30 * time.Second}, {2 * time.Minute, 30 * time.Second}, {time.Minute, 15 * time.Second}, {0, 0}, {-time.Minute, 0},
	} {
		s := &Session{TokenExpiry: now.Add(c.life), tokenFrom: now}
		if got := s.TokenExpiry.Sub(s.renewFrom()); got != c.lead {
			t.Errorf("a life of %v: renewed %v before its end, want %v", c.life, got, c.lead)
		}
	}
	if s := (&Session{TokenExpiry: now}); !s.renewFrom().Equal(now) {
		t.Error("a token of unknown age is not renewed at its end")
	}

	f, up := renewing(t)
	m := f.manager(func(c *Config) { c.Renew = up.renew })
	id := f.login(m)
	f.clock.advance(time.Hour - lead)
	wantLive(t, m, id)
	eventually(t, func() bool { return wantLive(t, m, id).User.Groups[0] == "renewed-1" })
	if left := wantLive(t, m, id).TokenExpiry.Sub(f.clock.now()); left < time.Minute {
		t.Errorf("the renewed token is good for %v", left)
	}
}
