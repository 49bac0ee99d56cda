package storetest

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/authd/authd/internal/store"
)

// testModel drives the store and a plain map through the same random steps. What
// earlier rounds left behind, expired records above all, stays in the store.
func testModel(t *testing.T, h *Harness) {
	rapid.Check(t, func(r *rapid.T) {
		for _, key := range h.Keys(t, "") {
			if err := h.Store.Delete(t.Context(), key); err != nil {
				r.Fatalf("Delete: %v", err)
			}
		}
		m := &model{t: t, Harness: h, live: map[string]store.Item{}}
		r.Repeat(map[string]func(*rapid.T){
			"put":     m.put,
			"get":     m.get,
			"take":    m.take,
			"delete":  m.delete,
			"scan":    m.scan,
			"advance": m.advance,
			"":        m.same,
		})
	})
}

// model is what the store must hold.
type model struct {
	*Harness
	t    *testing.T
	live map[string]store.Item // key → record; may be expired
}

// modelKeys are few, so that steps meet, and share prefixes.
func modelKeys() []string { return []string{"a", "a/", "a/1", "a/2", "b", "é", "%"} }

func drawKey(r *rapid.T) string { return rapid.SampledFrom(modelKeys()).Draw(r, "key") }

// record returns what must be under key; the zero Item stands for nothing.
func (m *model) record(key string) store.Item {
	item := m.live[key]
	if store.IsExpired(item.Expires, m.Clock.Now()) {
		return store.Item{}
	}
	return item
}

func (m *model) put(r *rapid.T) {
	key := drawKey(r)
	value := rapid.SliceOfN(rapid.Byte(), 0, 40).Draw(r, "value")
	ttl := time.Duration(rapid.IntRange(0, 5).Draw(r, "ttl")) * time.Second
	current := m.record(key).Version
	when := map[string]store.Condition{
		"any":     store.Any(),
		"absent":  store.Absent(),
		"current": store.AtVersion(current),
		"other":   store.AtVersion(current + 1),
		"dead":    store.AtVersion(m.live[key].Version),
	}[rapid.SampledFrom([]string{"any", "absent", "current", "other", "dead"}).Draw(r, "when")]

	version, err := m.Store.Put(m.t.Context(), key, value, ttl, when)
	if !when.Holds(current) {
		if !errors.Is(err, store.ErrConflict) {
			r.Fatalf("Put %q: %v, want ErrConflict", key, err)
		}
		return
	}
	if err != nil {
		r.Fatalf("Put %q: %v", key, err)
	}
	if version <= m.live[key].Version {
		r.Fatalf("Put %q: version %d after %d", key, version, m.live[key].Version)
	}
	m.live[key] = store.Item{Key: key, Value: value, Version: version, Expires: store.ExpiresAt(m.Clock.Now(), ttl)}
}

func (m *model) get(r *rapid.T) {
	key := drawKey(r)
	got, err := m.Store.Get(m.t.Context(), key)
	m.compare(r, "Get", m.record(key), got, err)
}

func (m *model) take(r *rapid.T) {
	key := drawKey(r)
	got, err := m.Store.Take(m.t.Context(), key)
	m.compare(r, "Take", m.record(key), got, err)
	m.forget(key)
}

func (m *model) delete(r *rapid.T) {
	key := drawKey(r)
	if err := m.Store.Delete(m.t.Context(), key); err != nil {
		r.Fatalf("Delete %q: %v", key, err)
	}
	m.forget(key)
}

// forget drops a record but for its version, which must not come again.
func (m *model) forget(key string) {
	m.live[key] = store.Item{Version: m.live[key].Version, Expires: time.Unix(0, 0)}
}

func (m *model) scan(r *rapid.T) {
	m.compareScan(r, rapid.SampledFrom([]string{"", "a", "a/", "a/1", "b", "é", "%", "x"}).Draw(r, "prefix"))
}

func (m *model) advance(r *rapid.T) {
	m.Clock.Advance(time.Duration(rapid.IntRange(1, 3000).Draw(r, "ms")) * time.Millisecond)
}

// same is the invariant: a scan of everything yields the model.
func (m *model) same(r *rapid.T) { m.compareScan(r, "") }

func (m *model) compareScan(r *rapid.T, prefix string) {
	keys := modelKeys()
	slices.Sort(keys)
	var want []store.Item
	for _, key := range keys {
		if item := m.record(key); item.Key != "" && strings.HasPrefix(key, prefix) {
			want = append(want, item)
		}
	}
	var got []store.Item
	for item, err := range m.Store.Scan(m.t.Context(), prefix) {
		if err != nil {
			r.Fatalf("Scan %q: %v", prefix, err)
		}
		got = append(got, normal(item))
	}
	for i := range want {
		want[i] = normal(want[i])
	}
	if diff := cmp.Diff(want, got); diff != "" {
		r.Fatalf("Scan %q (-want +got):\n%s", prefix, diff)
	}
}

// compare checks the answer of Get or Take; a zero want stands for ErrNotFound.
func (m *model) compare(r *rapid.T, method string, want, got store.Item, err error) {
	if want.Key == "" {
		if !errors.Is(err, store.ErrNotFound) {
			r.Fatalf("%s = %+v, %v, want ErrNotFound", method, got, err)
		}
		return
	}
	if err != nil {
		r.Fatalf("%s %q: %v", method, want.Key, err)
	}
	if diff := cmp.Diff(normal(want), normal(got)); diff != "" {
		r.Fatalf("%s %q (-want +got):\n%s", method, want.Key, diff)
	}
}

// normal levels what drivers are free in: nil or empty values.
func normal(item store.Item) store.Item {
	if len(item.Value) == 0 {
		item.Value = nil
	}
	return item
}
