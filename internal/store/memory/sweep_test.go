package memory

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/authd/authd/internal/store"
)

// TestHeapHoldsExactlyTheExpiringRecords drives records through every way in and
// out and compares the heap with the map: a record that is replaced a million
// times must not leave a million traces.
func TestHeapHoldsExactlyTheExpiringRecords(t *testing.T) {
	now := time.Now()
	s := New(Options{Now: func() time.Time { return now }})
	defer s.Close()
	random := rand.New(rand.NewPCG(1, 2))
	for range 5000 {
		key := fmt.Sprint("k", random.IntN(50))
		switch random.IntN(4) {
		case 0:
			if err := s.Delete(t.Context(), key); err != nil {
				t.Fatal(err)
			}
		case 1:
			s.sweep()
			now = now.Add(time.Millisecond)
		default:
			ttl := time.Duration(random.IntN(3)) * 10 * time.Millisecond
			if _, err := s.Put(t.Context(), key, nil, ttl, store.Any()); err != nil {
				t.Fatal(err)
			}
		}
		checkHeap(t, s)
	}
	now = now.Add(time.Second)
	s.sweep()
	checkHeap(t, s)
	if len(s.expiry) != 0 {
		t.Errorf("%d records wait to expire after all have", len(s.expiry))
	}
}

func checkHeap(t *testing.T, s *Store) {
	t.Helper()
	expiring := 0
	for key, r := range s.records {
		if r.key() != key {
			t.Fatalf("record %q under %q", r.key(), key)
		}
		if r.expires == never {
			continue
		}
		expiring++
		if r.place < 0 || int(r.place) >= len(s.expiry) || s.expiry[r.place] != r {
			t.Fatalf("record %q is not at its place %d", key, r.place)
		}
		if r.expires < s.expiry[0].expires {
			t.Fatalf("record %q expires before the first of the heap", key)
		}
	}
	if len(s.expiry) != expiring {
		t.Fatalf("%d records in the heap, %d expire", len(s.expiry), expiring)
	}
}

func TestSweepIsBounded(t *testing.T) {
	now := time.Now()
	s := New(Options{Now: func() time.Time { return now }})
	defer s.Close()
	for i := range sweepBatch + 10 {
		if _, err := s.Put(t.Context(), fmt.Sprint("k", i), nil, time.Second, store.Any()); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := s.Put(t.Context(), "stays", nil, time.Hour, store.Any()); err != nil {
		t.Fatal(err)
	}
	if n := s.sweep(); n != 0 {
		t.Errorf("swept %d live records", n)
	}
	now = now.Add(time.Second)
	for i, want := range []int{sweepBatch, 10, 0} {
		if n := s.sweep(); n != want {
			t.Errorf("sweep %d removed %d records, want %d", i, n, want)
		}
	}
	if len(s.records) != 1 {
		t.Errorf("%d records left, want 1", len(s.records))
	}
}
