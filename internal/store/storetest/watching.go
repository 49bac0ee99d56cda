package storetest

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/authd/authd/internal/store"
)

func testWatchSeesChanges(t *testing.T, h *Harness) {
	watchSeesChanges(t, h, h)
}

// watchSeesChanges watches on a what happens on b.
func watchSeesChanges(t *testing.T, a, b *Harness) {
	b.Put(t, "t/w/before", "", 0, store.Any())
	w := a.Watch(t, t.Context(), "t/w/")
	all := a.Watch(t, t.Context(), "")
	b.Put(t, "t/w/1", "", 0, store.Any())
	b.Put(t, "t/other", "", 0, store.Any())
	b.Put(t, "t/w/2", "", time.Hour, store.Absent())
	version := b.Put(t, "t/w/1", "again", 0, store.Any())
	b.Put(t, "t/w/1", "and again", 0, store.AtVersion(version))
	if _, err := b.Store.Take(t.Context(), "t/w/1"); err != nil {
		t.Fatal(err)
	}
	if err := b.Store.Delete(t.Context(), "t/w/2"); err != nil {
		t.Fatal(err)
	}
	wantNext(t, w, "t/w/1", "t/w/2", "t/w/1", "t/w/1", "t/w/1", "t/w/2")
	wantNext(t, all, "t/w/1", "t/other", "t/w/2", "t/w/1", "t/w/1", "t/w/1", "t/w/2")
}

// testWatchIgnoresWhatChangesNothing: a failed Put or a Take of nothing is no
// reason to forget anything.
func testWatchIgnoresWhatChangesNothing(t *testing.T, h *Harness) {
	h.Put(t, "t/a", "", 0, store.Any())
	w := h.Watch(t, t.Context(), "t/")
	h.WantConflict(t, "t/a", store.Absent())
	h.WantConflict(t, "t/b", store.AtVersion(1))
	if _, err := h.Store.Take(t.Context(), "t/b"); err == nil {
		t.Fatal("Take of nothing succeeded")
	}
	h.Want(t, "t/a", "")
	h.WantKeys(t, "t/", "t/a")
	h.Put(t, "t/end", "", 0, store.Any())
	wantNext(t, w, "t/end")
}

func testWatchEndsWithContext(t *testing.T, h *Harness) {
	ctx, cancel := context.WithCancel(t.Context())
	ending := h.Watch(t, ctx, "t/")
	lasting := h.Watch(t, t.Context(), "t/")
	h.Put(t, "t/1", "", 0, store.Any())
	wantNext(t, ending, "t/1")
	cancel()
	if key, ok := next(t, ending); ok {
		t.Fatalf("watched key %q after the end of the context", key)
	}
	h.Put(t, "t/2", "", 0, store.Any())
	wantNext(t, lasting, "t/1", "t/2")
}

// testWatchLag: a watcher that does not read blocks nobody, and learns of every
// change in the end, either by its key or because it is told to forget everything.
func testWatchLag(t *testing.T, h *Harness) {
	w := h.Watch(t, t.Context(), "t/lag/")
	keys := fill(t, h, "t/lag/", 1500)
	unknown := make(map[string]bool, len(keys)) // changes that the watcher has not learnt of
	for _, key := range keys {
		unknown[key] = true
	}
	hear := func(key string, ok bool) {
		switch {
		case !ok:
			t.Fatal("the watch ended")
		case key == "":
			clear(unknown)
		default:
			delete(unknown, key)
		}
	}
	hear(next(t, w)) // makes room, so that the last key is not lost in the crowd
	h.Put(t, "t/lag/end", "", 0, store.Any())
	for {
		key, ok := next(t, w)
		if key == "t/lag/end" {
			break
		}
		hear(key, ok)
	}
	if len(unknown) > 0 {
		t.Errorf("the watcher never learnt of %d of %d changes", len(unknown), len(keys))
	}
	for i := range 3 { // having caught up it hears single keys again
		key := fmt.Sprint("t/lag/again", i)
		h.Put(t, key, "", 0, store.Any())
		wantNext(t, w, key)
	}
}
