package storetest

import (
	"errors"
	"testing"
	"time"

	"github.com/authd/authd/internal/store"
)

// OpenPairFunc opens two instances of one fresh, empty store, as two authd
// processes would.
type OpenPairFunc func(t *testing.T, now func() time.Time) (a, b store.Store)

// RunPair tests that two instances act as one. Drivers that several instances of
// authd can share pass it besides [Run].
func RunPair(t *testing.T, open OpenPairFunc) {
	tests := []struct {
		name string
		run  func(t *testing.T, a, b *Harness)
	}{
		{"SeeOneAnother", seeOneAnother},
		{"TakeHasOneWinner", takeHasOneWinner},
		{"PutAbsentHasOneWinner", putAbsentHasOneWinner},
		{"CompareAndSwapLosesNothing", compareAndSwapLosesNothing},
		{"WatchSeesChanges", watchSeesChanges},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			a := &Harness{Clock: NewClock()}
			b := &Harness{Clock: a.Clock}
			a.Store, b.Store = open(t, a.Clock.Now)
			t.Cleanup(func() {
				a.Close(t)
				b.Close(t)
			})
			tt.run(t, a, b)
		})
	}
}

// seeOneAnother: what one instance did holds for the other at once. Threat 60: a
// session that is deleted on one instance is gone on the other.
func seeOneAnother(t *testing.T, a, b *Harness) {
	version := a.Put(t, "t/s", "signed in", time.Hour, store.Absent())
	b.Want(t, "t/s", "signed in")
	b.WantConflict(t, "t/s", store.Absent())
	newer := b.Put(t, "t/s", "refreshed", time.Hour, store.AtVersion(version))
	a.Want(t, "t/s", "refreshed")
	a.WantConflict(t, "t/s", store.AtVersion(version))
	if newer <= version {
		t.Errorf("version %d of the other instance after %d", newer, version)
	}
	if err := a.Store.Delete(t.Context(), "t/s"); err != nil {
		t.Fatal(err)
	}
	b.WantNone(t, "t/s")
	if _, err := b.Store.Take(t.Context(), "t/s"); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("Take of what the other instance deleted: %v, want ErrNotFound", err)
	}
	b.WantKeys(t, "t/")
}
