package storetest

import (
	"bytes"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/authd/authd/internal/store"
)

func testPutGet(t *testing.T, h *Harness) {
	h.WantNone(t, "t/a")
	version := h.Put(t, "t/a", "one", 0, store.Any())
	item := h.Want(t, "t/a", "one")
	if item.Version != version || !item.Expires.IsZero() {
		t.Errorf("version %d, expires %v; want %d, never", item.Version, item.Expires, version)
	}
	h.Put(t, "t/a", "two", 0, store.Any())
	h.Want(t, "t/a", "two")
	h.WantNone(t, "t/")
	h.WantNone(t, "t/a/")
	h.WantNone(t, "T/A")

	h.Put(t, "t/empty", "", 0, store.Any())
	h.Want(t, "t/empty", "")
	binary := "\x00\xff\r\n\x00'\"\\"
	h.Put(t, "t/binary", binary, 0, store.Any())
	h.Want(t, "t/binary", binary)
	h.Put(t, "t/ü €\t'\"\\%_*?[]{}:", "odd key", 0, store.Any())
	h.Want(t, "t/ü €\t'\"\\%_*?[]{}:", "odd key")
}

func testLimits(t *testing.T, h *Harness) {
	longest := strings.Repeat("k", store.MaxKeyLen)
	largest := strings.Repeat("v", store.MaxValueLen)
	h.Put(t, longest, largest, 0, store.Any())
	h.Want(t, longest, largest)
	h.Put(t, "t/long", "v", store.MaxTTL, store.Any())
	if got, want := h.Want(t, "t/long", "v").Expires, h.Clock.Now().Add(store.MaxTTL); !got.Equal(want) {
		t.Errorf("longest time to live: expires %v, want %v", got, want)
	}

	ctx := t.Context()
	for name, key := range map[string]string{"empty": "", "too long": longest + "k", "zero byte": "t/\x00", "not UTF-8": "t/\xff"} {
		_, getErr := h.Store.Get(ctx, key)
		_, putErr := h.Store.Put(ctx, key, nil, 0, store.Any())
		_, takeErr := h.Store.Take(ctx, key)
		delErr := h.Store.Delete(ctx, key)
		for _, err := range []error{getErr, putErr, takeErr, delErr} {
			if !errors.Is(err, store.ErrInvalid) {
				t.Errorf("key %s: %v, want ErrInvalid", name, err)
			}
		}
	}
	if _, err := h.Store.Put(ctx, "t/a", []byte(largest+"v"), 0, store.Any()); !errors.Is(err, store.ErrInvalid) {
		t.Errorf("value too large: %v, want ErrInvalid", err)
	}
	if _, err := h.Store.Put(ctx, "t/a", nil, -time.Nanosecond, store.Any()); !errors.Is(err, store.ErrInvalid) {
		t.Errorf("negative time to live: %v, want ErrInvalid", err)
	}
	for _, err := range h.Store.Scan(ctx, "t/\xff") {
		if !errors.Is(err, store.ErrInvalid) {
			t.Errorf("Scan of an impossible prefix: %v, want ErrInvalid", err)
		}
	}
	if _, err := h.Store.Watch(ctx, "t/\xff"); !errors.Is(err, store.ErrInvalid) {
		t.Errorf("Watch of an impossible prefix: %v, want ErrInvalid", err)
	}
	h.WantNone(t, "t/a")
}

func testValuesAreCopies(t *testing.T, h *Harness) {
	mine := []byte("original")
	if _, err := h.Store.Put(t.Context(), "t/a", mine, 0, store.Any()); err != nil {
		t.Fatal(err)
	}
	scribble := func(b []byte) { copy(b, bytes.Repeat([]byte("X"), len(b))) }
	scribble(mine)
	got := h.Want(t, "t/a", "original")
	scribble(got.Value)
	h.Want(t, "t/a", "original")
	for item, err := range h.Store.Scan(t.Context(), "t/") {
		if err != nil {
			t.Fatal(err)
		}
		scribble(item.Value)
	}
	kept := h.Want(t, "t/a", "original")
	h.Put(t, "t/a", "replaced", 0, store.Any())
	if string(kept.Value) != "original" {
		t.Errorf("a value that was handed out became %q", kept.Value)
	}
	taken, err := h.Store.Take(t.Context(), "t/a")
	if err != nil {
		t.Fatal(err)
	}
	h.Put(t, "t/a", "REPLACED", 0, store.Any())
	if string(taken.Value) != "replaced" {
		t.Errorf("a value that was taken became %q", taken.Value)
	}
}

func testConditions(t *testing.T, h *Harness) {
	h.WantConflict(t, "t/a", store.AtVersion(1))
	h.WantNone(t, "t/a")
	v1 := h.Put(t, "t/a", "one", 0, store.Absent())
	h.WantConflict(t, "t/a", store.Absent())
	h.WantConflict(t, "t/a", store.AtVersion(0))
	h.WantConflict(t, "t/a", store.AtVersion(v1+1))
	h.Want(t, "t/a", "one")
	v2 := h.Put(t, "t/a", "two", 0, store.AtVersion(v1))
	h.WantConflict(t, "t/a", store.AtVersion(v1))
	h.Put(t, "t/a", "three", 0, store.Any())
	h.WantConflict(t, "t/a", store.AtVersion(v2))
	h.Want(t, "t/a", "three")
	h.Put(t, "t/b", "new", 0, store.AtVersion(0))
	h.Want(t, "t/b", "new")

	// A refused Put leaves the time to live alone as well.
	h.Put(t, "t/c", "short", time.Minute, store.Any())
	h.WantConflict(t, "t/c", store.Absent())
	h.Clock.Advance(time.Minute)
	h.WantNone(t, "t/c")
}

func testVersionsGrow(t *testing.T, h *Harness) {
	var last uint64
	grow := func(version uint64) {
		t.Helper()
		if version <= last {
			t.Fatalf("version %d after %d", version, last)
		}
		last = version
	}
	grow(h.Put(t, "t/a", "1", 0, store.Any()))
	grow(h.Put(t, "t/a", "1", 0, store.Any()))
	old := last

	if err := h.Store.Delete(t.Context(), "t/a"); err != nil {
		t.Fatal(err)
	}
	grow(h.Put(t, "t/a", "2", 0, store.Absent()))
	// Whoever read the record before it was deleted must not overwrite its successor.
	h.WantConflict(t, "t/a", store.AtVersion(old))

	if _, err := h.Store.Take(t.Context(), "t/a"); err != nil {
		t.Fatal(err)
	}
	grow(h.Put(t, "t/a", "3", time.Minute, store.Absent()))
	h.Clock.Advance(time.Hour)
	grow(h.Put(t, "t/a", "4", 0, store.Absent()))
	if got := h.Want(t, "t/a", "4").Version; got != last {
		t.Errorf("Get has version %d, Put returned %d", got, last)
	}
}

func testTake(t *testing.T, h *Harness) {
	if _, err := h.Store.Take(t.Context(), "t/a"); !errors.Is(err, store.ErrNotFound) {
		t.Fatalf("Take of nothing: %v, want ErrNotFound", err)
	}
	version := h.Put(t, "t/a", "once", time.Minute, store.Any())
	item, err := h.Store.Take(t.Context(), "t/a")
	if err != nil {
		t.Fatal(err)
	}
	want := h.Clock.Now().Add(time.Minute)
	if item.Key != "t/a" || string(item.Value) != "once" || item.Version != version || !item.Expires.Equal(want) {
		t.Errorf("Take = %+v, want key t/a, value once, version %d, expires %v", item, version, want)
	}
	h.WantNone(t, "t/a")
	if _, err := h.Store.Take(t.Context(), "t/a"); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("second Take: %v, want ErrNotFound", err)
	}
}

func testDelete(t *testing.T, h *Harness) {
	h.Put(t, "t/a", "1", 0, store.Any())
	h.Put(t, "t/ab", "2", time.Hour, store.Any())
	for range 2 {
		if err := h.Store.Delete(t.Context(), "t/a"); err != nil {
			t.Fatalf("Delete: %v", err)
		}
	}
	h.WantNone(t, "t/a")
	h.WantKeys(t, "t/", "t/ab")
	h.Put(t, "t/a", "3", 0, store.Absent())
	h.Want(t, "t/a", "3")
}
