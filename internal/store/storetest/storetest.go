// Package storetest is the suite that every store driver passes. A driver's own
// test opens the driver and calls Run; what is peculiar to the driver, such as
// files and locks, it tests itself.
//
// The keys that the suite writes start with "t/", but for a few that test the
// limits. It needs a store of its own, empty at the start.
package storetest

import (
	"context"
	"errors"
	"io"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/authd/authd/internal/store"
)

// OpenFunc opens a fresh, empty store that takes the time from now. The store
// must implement io.Closer; the suite closes it.
type OpenFunc func(t *testing.T, now func() time.Time) store.Store

// patience is how long the suite waits for what must come, such as a watched key
// from another instance. It ends a test that would hang, and decides nothing else.
const patience = 20 * time.Second

// Run runs the whole suite, each test on a store of its own.
func Run(t *testing.T, open OpenFunc) {
	tests := []struct {
		name string
		run  func(*testing.T, *Harness)
	}{
		{"PutGet", testPutGet},
		{"Limits", testLimits},
		{"ValuesAreCopies", testValuesAreCopies},
		{"Conditions", testConditions},
		{"VersionsGrow", testVersionsGrow},
		{"Take", testTake},
		{"Delete", testDelete},
		{"Expiry", testExpiry},
		{"ExpiryOfReplacedRecord", testExpiryOfReplacedRecord},
		{"ExpiredIsAbsent", testExpiredIsAbsent},
		{"TakeHasOneWinner", testTakeHasOneWinner},
		{"PutAbsentHasOneWinner", testPutAbsentHasOneWinner},
		{"CompareAndSwapLosesNothing", testCompareAndSwapLosesNothing},
		{"EverythingAtOnce", testEverythingAtOnce},
		{"ScanOrder", testScanOrder},
		{"ScanPrefixIsLiteral", testScanPrefixIsLiteral},
		{"ScanLeavesOutExpired", testScanLeavesOutExpired},
		{"ScanManyPages", testScanManyPages},
		{"ScanLargeValues", testScanLargeValues},
		{"ScanAllowsWrites", testScanAllowsWrites},
		{"ScanStops", testScanStops},
		{"WatchSeesChanges", testWatchSeesChanges},
		{"WatchIgnoresWhatChangesNothing", testWatchIgnoresWhatChangesNothing},
		{"WatchEndsWithContext", testWatchEndsWithContext},
		{"WatchLag", testWatchLag},
		{"EndedContext", testEndedContext},
		{"Closed", testClosed},
		{"CloseWhileBusy", testCloseWhileBusy},
		{"Model", testModel},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) { tt.run(t, NewHarness(t, open)) })
	}
}

// Clock is a clock that moves only when told to. It starts at the present, as a
// backend may look at its own clock too.
type Clock struct {
	mu  sync.Mutex
	now time.Time
}

// NewClock returns a clock that shows the present, to the millisecond, which is
// as fine as every driver keeps time.
func NewClock() *Clock { return &Clock{now: time.Now().Truncate(time.Millisecond)} }

// Now returns the time that the clock shows.
func (c *Clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

// Advance moves the clock forward by d, or backward when d is negative.
func (c *Clock) Advance(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

// Harness is a store under test with its clock, and short forms of the calls
// that are expected to work.
type Harness struct {
	Store store.Store
	Clock *Clock
}

// NewHarness opens a store and has it closed at the end of the test.
func NewHarness(t *testing.T, open OpenFunc) *Harness {
	t.Helper()
	h := &Harness{Clock: NewClock()}
	h.Store = open(t, h.Clock.Now)
	t.Cleanup(func() { h.Close(t) })
	return h
}

// Close closes the store.
func (h *Harness) Close(t *testing.T) {
	t.Helper()
	closer, ok := h.Store.(io.Closer)
	if !ok {
		t.Fatalf("%T does not implement io.Closer", h.Store)
	}
	if err := closer.Close(); err != nil {
		t.Errorf("Close: %v", err)
	}
}

// Put puts a record and returns its version.
func (h *Harness) Put(t *testing.T, key, value string, ttl time.Duration, when store.Condition) uint64 {
	t.Helper()
	version, err := h.Store.Put(t.Context(), key, []byte(value), ttl, when)
	if err != nil {
		t.Fatalf("Put %q: %v", key, err)
	}
	if version == 0 {
		t.Fatalf("Put %q returned version 0", key)
	}
	return version
}

// Want fails the test unless the record under key has this value.
func (h *Harness) Want(t *testing.T, key, value string) store.Item {
	t.Helper()
	item, err := h.Store.Get(t.Context(), key)
	if err != nil {
		t.Fatalf("Get %q: %v", key, err)
	}
	if item.Key != key || string(item.Value) != value {
		t.Fatalf("Get %q = %q under %q, want %q", key, item.Value, item.Key, value)
	}
	return item
}

// WantNone fails the test unless there is no live record under key.
func (h *Harness) WantNone(t *testing.T, key string) {
	t.Helper()
	if item, err := h.Store.Get(t.Context(), key); !errors.Is(err, store.ErrNotFound) {
		t.Fatalf("Get %q = %q, %v, want ErrNotFound", key, item.Value, err)
	}
}

// WantConflict fails the test unless a Put with this condition is refused.
func (h *Harness) WantConflict(t *testing.T, key string, when store.Condition) {
	t.Helper()
	version, err := h.Store.Put(t.Context(), key, []byte("conflict"), 0, when)
	if !errors.Is(err, store.ErrConflict) || version != 0 {
		t.Fatalf("Put %q = version %d, %v, want 0 and ErrConflict", key, version, err)
	}
}

// Keys returns the keys of a scan.
func (h *Harness) Keys(t *testing.T, prefix string) []string {
	t.Helper()
	var keys []string
	for item, err := range h.Store.Scan(t.Context(), prefix) {
		if err != nil {
			t.Fatalf("Scan %q: %v", prefix, err)
		}
		keys = append(keys, item.Key)
	}
	return keys
}

// WantKeys fails the test unless a scan yields exactly these keys in this order.
func (h *Harness) WantKeys(t *testing.T, prefix string, want ...string) {
	t.Helper()
	if diff := cmp.Diff(want, h.Keys(t, prefix)); diff != "" {
		t.Fatalf("Scan %q (-want +got):\n%s", prefix, diff)
	}
}

// Watch starts a watch that ends with the test.
func (h *Harness) Watch(t *testing.T, ctx context.Context, prefix string) <-chan string {
	t.Helper()
	keys, err := h.Store.Watch(ctx, prefix)
	if err != nil {
		t.Fatalf("Watch %q: %v", prefix, err)
	}
	return keys
}

// next returns the next key of a watch; ok is false when the watch has ended.
func next(t *testing.T, keys <-chan string) (key string, ok bool) {
	t.Helper()
	patient, cancel := context.WithTimeout(context.WithoutCancel(t.Context()), patience)
	defer cancel()
	select {
	case key, ok = <-keys:
		return key, ok
	case <-patient.Done():
		t.Fatal("waited in vain for a watched key")
		return "", false
	}
}

// wantNext fails the test unless the watch tells these keys next, in this order.
func wantNext(t *testing.T, keys <-chan string, want ...string) {
	t.Helper()
	for _, w := range want {
		if got, ok := next(t, keys); !ok || got != w {
			t.Fatalf("watched key %q (open %v), want %q", got, ok, w)
		}
	}
}
