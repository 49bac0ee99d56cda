package storetest

import (
	"errors"
	"fmt"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/authd/authd/internal/store"
)

// racers is how many goroutines fight for one record.
const racers = 50

// race runs f in racers goroutines that start together, and waits for them.
func race(f func(i int)) {
	var start, done sync.WaitGroup
	start.Add(1)
	for i := range racers {
		done.Go(func() {
			start.Wait()
			f(i)
		})
	}
	start.Done()
	done.Wait()
}

// Threat 149: a one-time record is used once, however many try at the same time.
func testTakeHasOneWinner(t *testing.T, h *Harness) {
	takeHasOneWinner(t, h, h)
}

func takeHasOneWinner(t *testing.T, a, b *Harness) {
	for round := range 5 {
		key := fmt.Sprint("t/once", round)
		a.Put(t, key, "prize", time.Hour, store.Any())
		var winners atomic.Int32
		race(func(i int) {
			item, err := pick(i, a, b).Store.Take(t.Context(), key)
			switch {
			case err == nil && string(item.Value) == "prize":
				winners.Add(1)
			case !errors.Is(err, store.ErrNotFound):
				t.Errorf("Take = %q, %v", item.Value, err)
			}
		})
		if n := winners.Load(); n != 1 {
			t.Errorf("%d of %d got the record, want exactly 1", n, racers)
		}
		b.WantNone(t, key)
	}
}

// Threat 149: the burning of a login flow succeeds once, however many replay it.
func testPutAbsentHasOneWinner(t *testing.T, h *Harness) {
	putAbsentHasOneWinner(t, h, h)
}

func putAbsentHasOneWinner(t *testing.T, a, b *Harness) {
	for round := range 5 {
		key := fmt.Sprint("t/first", round)
		var winners atomic.Int32
		winner := make([]string, racers)
		race(func(i int) {
			_, err := pick(i, a, b).Store.Put(t.Context(), key, []byte(strconv.Itoa(i)), time.Hour, store.Absent())
			switch {
			case err == nil:
				winners.Add(1)
				winner[i] = strconv.Itoa(i)
			case !errors.Is(err, store.ErrConflict):
				t.Errorf("Put: %v", err)
			}
		})
		if n := winners.Load(); n != 1 {
			t.Fatalf("%d of %d were first, want exactly 1", n, racers)
		}
		for _, value := range winner {
			if value != "" {
				a.Want(t, key, value)
			}
		}
	}
}

// Threat 149: a refresh that read an old record cannot undo a newer one.
func testCompareAndSwapLosesNothing(t *testing.T, h *Harness) {
	compareAndSwapLosesNothing(t, h, h)
}

func compareAndSwapLosesNothing(t *testing.T, a, b *Harness) {
	const counters, adds = 10, 20
	a.Put(t, "t/counter", "0", 0, store.Any())
	var wg sync.WaitGroup
	for i := range counters {
		wg.Go(func() {
			for range adds {
				if err := increment(t, pick(i, a, b).Store); err != nil {
					t.Errorf("increment: %v", err)
					return
				}
			}
		})
	}
	wg.Wait()
	a.Want(t, "t/counter", strconv.Itoa(counters*adds))
}

// increment adds one to the counter, as often as it takes to win.
func increment(t *testing.T, s store.Store) error {
	for {
		item, err := s.Get(t.Context(), "t/counter")
		if err != nil {
			return err
		}
		n, err := strconv.Atoi(string(item.Value))
		if err != nil {
			return err
		}
		_, err = s.Put(t.Context(), "t/counter", []byte(strconv.Itoa(n+1)), 0, store.AtVersion(item.Version))
		if !errors.Is(err, store.ErrConflict) {
			return err
		}
	}
}

// testEverythingAtOnce is for the race detector; it also checks that a reader
// never sees half of a record.
func testEverythingAtOnce(t *testing.T, h *Harness) {
	ctx := t.Context()
	allowed := func(err error) bool {
		return err == nil || errors.Is(err, store.ErrNotFound) || errors.Is(err, store.ErrConflict)
	}
	whole := func(item store.Item, err error) {
		if !allowed(err) {
			t.Errorf("read: %v", err)
		}
		for _, c := range item.Value {
			if c != item.Value[0] {
				t.Errorf("mixed value %q", item.Value)
				return
			}
		}
	}
	race(func(i int) {
		for n := range 6 {
			key := fmt.Sprint("t/", (i+n)%7)
			value := []byte(fmt.Sprintf("%c%[1]c%[1]c%[1]c", 'a'+i%26))
			_, err := h.Store.Put(ctx, key, value, time.Duration(i%3)*time.Minute, store.Any())
			if !allowed(err) {
				t.Errorf("Put: %v", err)
			}
			whole(h.Store.Get(ctx, key))
			switch i % 4 {
			case 0:
				whole(h.Store.Take(ctx, key))
			case 1:
				if err := h.Store.Delete(ctx, key); err != nil {
					t.Errorf("Delete: %v", err)
				}
			case 2:
				for item, err := range h.Store.Scan(ctx, "t/") {
					whole(item, err)
				}
			case 3:
				h.Clock.Advance(time.Second)
			}
		}
	})
}

// pick spreads racers over two instances.
func pick(i int, a, b *Harness) *Harness {
	if i%2 == 0 {
		return a
	}
	return b
}
