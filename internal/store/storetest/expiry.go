package storetest

import (
	"errors"
	"testing"
	"time"

	"github.com/authd/authd/internal/store"
)

func testExpiry(t *testing.T, h *Harness) {
	const ttl = 90 * time.Second
	start := h.Clock.Now()
	h.Put(t, "t/a", "short", ttl, store.Any())
	h.Put(t, "t/b", "for ever", 0, store.Any())
	if got, want := h.Want(t, "t/a", "short").Expires, start.Add(ttl); !got.Equal(want) {
		t.Errorf("Expires = %v, want %v", got, want)
	}
	h.Clock.Advance(ttl - time.Millisecond)
	h.Want(t, "t/a", "short")
	h.Clock.Advance(time.Millisecond)
	h.WantNone(t, "t/a")
	h.Clock.Advance(1000 * time.Hour)
	h.WantNone(t, "t/a")
	h.Want(t, "t/b", "for ever")
}

func testExpiryOfReplacedRecord(t *testing.T, h *Harness) {
	const short, long = time.Minute, time.Hour
	h.Put(t, "t/longer", "1", short, store.Any())
	h.Put(t, "t/longer", "2", long, store.Any())
	h.Put(t, "t/ever", "1", short, store.Any())
	h.Put(t, "t/ever", "2", 0, store.Any())
	h.Put(t, "t/shorter", "1", 0, store.Any())
	h.Put(t, "t/shorter", "2", short, store.Any())
	h.Put(t, "t/deleted", "1", short, store.Any())
	if err := h.Store.Delete(t.Context(), "t/deleted"); err != nil {
		t.Fatal(err)
	}
	h.Put(t, "t/deleted", "2", 0, store.Any())
	h.Put(t, "t/taken", "1", short, store.Any())
	if _, err := h.Store.Take(t.Context(), "t/taken"); err != nil {
		t.Fatal(err)
	}
	h.Put(t, "t/taken", "2", 0, store.Any())

	h.Clock.Advance(short)
	h.WantKeys(t, "t/", "t/deleted", "t/ever", "t/longer", "t/taken")
	h.Clock.Advance(long - short)
	h.WantKeys(t, "t/", "t/deleted", "t/ever", "t/taken")
}

func testExpiredIsAbsent(t *testing.T, h *Harness) {
	versions := map[string]uint64{}
	for _, key := range []string{"t/absent", "t/version", "t/any", "t/take", "t/delete"} {
		versions[key] = h.Put(t, key, "old", time.Second, store.Any())
	}
	h.Clock.Advance(time.Second)
	if _, err := h.Store.Take(t.Context(), "t/take"); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("Take of an expired record: %v, want ErrNotFound", err)
	}
	if err := h.Store.Delete(t.Context(), "t/delete"); err != nil {
		t.Errorf("Delete of an expired record: %v", err)
	}
	h.WantConflict(t, "t/version", store.AtVersion(versions["t/version"]))
	h.WantKeys(t, "t/")
	h.Put(t, "t/absent", "new", 0, store.Absent())
	h.Put(t, "t/any", "new", 0, store.Any())
	h.WantKeys(t, "t/", "t/absent", "t/any")
}
