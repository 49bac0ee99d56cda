package storetest

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/authd/authd/internal/store"
)

func testScanOrder(t *testing.T, h *Harness) {
	h.WantKeys(t, "t/")
	h.WantKeys(t, "")
	keys := []string{"t/a", "t/Z", "t/ab", "t/a b", "t/é", "t/9", "t/10", "t/a/", "u/a", "s/z", "t", "t/~"}
	for _, key := range keys {
		h.Put(t, key, "value of "+key, 0, store.Any())
	}
	slices.Sort(keys) // byte order, whatever the locale of the backend
	h.WantKeys(t, "", keys...)
	h.WantKeys(t, "t/a", "t/a", "t/a b", "t/a/", "t/ab")
	h.WantKeys(t, "t/ab", "t/ab")
	h.WantKeys(t, "t/abc")
	h.WantKeys(t, "zzz")
	for item, err := range h.Store.Scan(t.Context(), "t/") {
		if err != nil {
			t.Fatal(err)
		}
		if got, err := h.Store.Get(t.Context(), item.Key); err != nil || cmp.Diff(got, item) != "" {
			t.Errorf("Scan yields %+v, Get returns %+v, %v", item, got, err)
		}
	}
}

// testScanPrefixIsLiteral: signs that backends give a meaning to have none here.
func testScanPrefixIsLiteral(t *testing.T, h *Harness) {
	for _, sign := range []string{"%", "_", "*", "?", "[a]", "\\", "^", "'", "{}", "."} {
		h.Put(t, "t/"+sign+"x", "mine", 0, store.Any())
		h.Put(t, "t/ax", "other", 0, store.Any())
		h.WantKeys(t, "t/"+sign, "t/"+sign+"x")
		if err := h.Store.Delete(t.Context(), "t/"+sign+"x"); err != nil {
			t.Fatal(err)
		}
	}
}

func testScanLeavesOutExpired(t *testing.T, h *Harness) {
	h.Put(t, "t/1", "", time.Minute, store.Any())
	h.Put(t, "t/2", "", 0, store.Any())
	h.Put(t, "t/3", "", time.Hour, store.Any())
	h.WantKeys(t, "t/", "t/1", "t/2", "t/3")
	h.Clock.Advance(time.Minute)
	h.WantKeys(t, "t/", "t/2", "t/3")
	h.Clock.Advance(time.Hour)
	h.WantKeys(t, "t/", "t/2")
}

// fill puts n records under prefix, from several goroutines, and returns their
// keys in order.
func fill(t *testing.T, h *Harness, prefix string, n int) []string {
	t.Helper()
	keys := make([]string, n)
	for i := range keys {
		keys[i] = fmt.Sprintf("%s%06d", prefix, i)
	}
	race(func(racer int) {
		for i := racer; i < n; i += racers {
			if _, err := h.Store.Put(t.Context(), keys[i], []byte(keys[i]), 0, store.Any()); err != nil {
				t.Errorf("Put: %v", err)
				return
			}
		}
	})
	return keys
}

func testScanManyPages(t *testing.T, h *Harness) {
	keys := fill(t, h, "t/many/", 2500)
	h.Put(t, "t/man", "before", 0, store.Any())
	h.Put(t, "t/manz", "after", 0, store.Any())
	h.WantKeys(t, "t/many/", keys...)
	h.WantKeys(t, "t/many/0012", keys[1200:1300]...)
}

// testScanLargeValues: pages must be bounded by bytes too, or be read piecemeal;
// either way nothing may be lost at their edges.
func testScanLargeValues(t *testing.T, h *Harness) {
	var keys []string
	for i, size := range []int{store.MaxValueLen, 10, store.MaxValueLen, store.MaxValueLen, 0, store.MaxValueLen - 1} {
		key := fmt.Sprint("t/large", i)
		h.Put(t, key, strings.Repeat("x", size), 0, store.Any())
		keys = append(keys, key)
	}
	h.WantKeys(t, "t/large", keys...)
}

func testScanAllowsWrites(t *testing.T, h *Harness) {
	keys := fill(t, h, "t/x/", 700)
	var seen []string
	for item, err := range h.Store.Scan(t.Context(), "t/x/") {
		if err != nil {
			t.Fatal(err)
		}
		seen = append(seen, item.Key)
		// What an admin does who ends all sessions: delete while reading, and
		// meanwhile others go on to write.
		if err := h.Store.Delete(t.Context(), item.Key); err != nil {
			t.Fatal(err)
		}
		h.Put(t, "t/meanwhile", item.Key, 0, store.Any())
		h.Want(t, "t/meanwhile", item.Key)
	}
	if diff := cmp.Diff(keys, seen); diff != "" {
		t.Errorf("keys seen (-want +got):\n%s", diff)
	}
	h.WantKeys(t, "t/x/")
}

func testScanStops(t *testing.T, h *Harness) {
	fill(t, h, "t/s/", 300)
	scan := h.Store.Scan(t.Context(), "t/s/")
	for range 2 { // the same sequence can be walked twice
		n := 0
		for _, err := range scan {
			if err != nil {
				t.Fatal(err)
			}
			if n++; n == 3 {
				break
			}
		}
		if n != 3 {
			t.Fatalf("got %d records before the break, want 3", n)
		}
	}
	h.Put(t, "t/after", "not blocked", 0, store.Any())
}
