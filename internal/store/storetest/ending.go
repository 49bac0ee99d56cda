package storetest

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/authd/authd/internal/store"
)

// everyMethod calls each method once and returns its error by name.
func everyMethod(ctx context.Context, s store.Store) map[string]error {
	errs := map[string]error{"Scan": nil, "ScanNothing": nil}
	_, errs["Get"] = s.Get(ctx, "t/a")
	_, errs["Put"] = s.Put(ctx, "t/a", []byte("changed"), time.Hour, store.Any())
	_, errs["Take"] = s.Take(ctx, "t/a")
	errs["Delete"] = s.Delete(ctx, "t/a")
	_, errs["Watch"] = s.Watch(ctx, "t/")
	for _, err := range s.Scan(ctx, "t/") {
		errs["Scan"] = err
	}
	for _, err := range s.Scan(ctx, "nothing/") {
		errs["ScanNothing"] = err
	}
	return errs
}

func testEndedContext(t *testing.T, h *Harness) {
	h.Put(t, "t/a", "kept", 0, store.Any())
	canceled, cancel := context.WithCancel(t.Context())
	cancel()
	for method, err := range everyMethod(canceled, h.Store) {
		if !errors.Is(err, context.Canceled) {
			t.Errorf("%s with a cancelled context: %v, want context.Canceled", method, err)
		}
	}
	late, cancel := context.WithDeadline(t.Context(), time.Now().Add(-time.Second))
	defer cancel()
	for method, err := range everyMethod(late, h.Store) {
		if !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("%s after the deadline: %v, want context.DeadlineExceeded", method, err)
		}
	}
	h.Want(t, "t/a", "kept")

	// A context that ends during a scan ends the scan.
	fill(t, h, "t/scan/", 1000)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var last error
	n := 0
	for _, err := range h.Store.Scan(ctx, "t/scan/") {
		if last = err; err == nil {
			n++
			cancel()
		}
	}
	if !errors.Is(last, context.Canceled) || n == 1000 {
		t.Errorf("scan went on to %d records and ended with %v, want fewer than 1000 and context.Canceled", n, last)
	}
}

func testClosed(t *testing.T, h *Harness) {
	h.Put(t, "t/a", "", 0, store.Any())
	w := h.Watch(t, t.Context(), "t/")
	h.Close(t)
	h.Close(t) // closing twice is fine
	if key, ok := next(t, w); ok {
		t.Errorf("watched key %q after Close, want the end", key)
	}
	for method, err := range everyMethod(t.Context(), h.Store) {
		if !errors.Is(err, store.ErrUnavailable) {
			t.Errorf("%s after Close: %v, want ErrUnavailable", method, err)
		}
	}
}

// testCloseWhileBusy: Close waits for nobody for ever, and whoever it overtakes
// gets ErrUnavailable rather than a crash.
func testCloseWhileBusy(t *testing.T, h *Harness) {
	fill(t, h, "t/busy/", 200)
	var started, done sync.WaitGroup
	for i := range 8 {
		started.Add(1)
		done.Go(func() {
			started.Done()
			key := fmt.Sprint("t/busy/w", i)
			for {
				_, err := h.Store.Put(t.Context(), key, nil, time.Hour, store.Any())
				for _, scanErr := range h.Store.Scan(t.Context(), "t/busy/") {
					err = errors.Join(err, scanErr)
				}
				if errors.Is(err, store.ErrUnavailable) {
					return
				}
				if err != nil {
					t.Errorf("while closing: %v, want ErrUnavailable", err)
					return
				}
			}
		})
	}
	started.Wait()
	h.Close(t)
	done.Wait()
}
