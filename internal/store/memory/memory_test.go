package memory_test

import (
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/authd/authd/internal/store"
	"github.com/authd/authd/internal/store/memory"
	"github.com/authd/authd/internal/store/storetest"
)

func TestConformance(t *testing.T) {
	storetest.Run(t, func(_ *testing.T, now func() time.Time) store.Store {
		return memory.New(memory.Options{Now: now})
	})
}

// TestConformanceWhileSweeping runs the suite beside a sweeper that never rests.
func TestConformanceWhileSweeping(t *testing.T) {
	storetest.Run(t, func(_ *testing.T, now func() time.Time) store.Store {
		return memory.New(memory.Options{Now: now, SweepEvery: time.Microsecond})
	})
}

func TestConformanceOfPair(t *testing.T) {
	storetest.RunPair(t, func(_ *testing.T, now func() time.Time) (a, b store.Store) {
		s := memory.New(memory.Options{Now: now})
		return s, s
	})
}

func BenchmarkStore(b *testing.B) {
	s := memory.New(memory.Options{})
	defer s.Close()
	storetest.Bench(b, s)
}

// Threat 151: the number of records is bounded, and what is full serves on.
func TestFullStore(t *testing.T) {
	clock := storetest.NewClock()
	s := memory.New(memory.Options{Now: clock.Now, MaxItems: 3})
	defer s.Close()
	put := func(key string, ttl time.Duration) error {
		_, err := s.Put(t.Context(), key, []byte("v"), ttl, store.Any())
		return err
	}
	for i := range 3 {
		if err := put(fmt.Sprint("k", i), 0); err != nil {
			t.Fatal(err)
		}
	}
	if err := put("one too many", 0); !errors.Is(err, store.ErrUnavailable) {
		t.Errorf("Put into a full store: %v, want ErrUnavailable", err)
	}
	if err := put("k1", 0); err != nil {
		t.Errorf("replacing in a full store: %v", err)
	}
	if _, err := s.Get(t.Context(), "k2"); err != nil {
		t.Errorf("Get from a full store: %v", err)
	}
	if err := s.Delete(t.Context(), "k0"); err != nil {
		t.Fatal(err)
	}
	if err := put("fits again", 0); err != nil {
		t.Errorf("Put after a Delete: %v", err)
	}
}

// Threat 151: expired records leave by themselves. Inside the bubble time is
// false, and moves on as soon as everybody waits.
func TestSweeperMakesRoom(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const n = 3000 // more than two batches
		s := memory.New(memory.Options{MaxItems: n, SweepEvery: time.Minute})
		defer s.Close()
		for i := range n {
			if _, err := s.Put(t.Context(), fmt.Sprint("k", i), nil, time.Second, store.Any()); err != nil {
				t.Fatal(err)
			}
		}
		full := func() error {
			_, err := s.Put(t.Context(), "new", nil, 0, store.Any())
			return err
		}
		if err := full(); !errors.Is(err, store.ErrUnavailable) {
			t.Fatalf("Put into a full store: %v, want ErrUnavailable", err)
		}
		<-time.After(time.Minute) // of false time
		synctest.Wait()
		if err := full(); err != nil {
			t.Errorf("Put after the sweep: %v", err)
		}
		for i := range n - 1 { // all the room is back, not some of it
			if _, err := s.Put(t.Context(), fmt.Sprint("n", i), nil, 0, store.Any()); err != nil {
				t.Fatalf("Put %d after the sweep: %v", i, err)
			}
		}
	})
}
