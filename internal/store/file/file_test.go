package file_test

import (
	"path/filepath"
	"testing"
	"time"

	"github.com/authd/authd/internal/store"
	"github.com/authd/authd/internal/store/file"
	"github.com/authd/authd/internal/store/storetest"
)

func open(t testing.TB, path string, opt file.Options) *file.Store {
	t.Helper()
	s, err := file.Open(path, opt)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Errorf("Close: %v", err)
		}
	})
	return s
}

func TestConformance(t *testing.T) {
	storetest.Run(t, func(t *testing.T, now func() time.Time) store.Store {
		return open(t, filepath.Join(t.TempDir(), "authd.db"), file.Options{Now: now})
	})
}

// TestConformanceWhileTidying runs the suite beside a tidier that never rests.
func TestConformanceWhileTidying(t *testing.T) {
	storetest.Run(t, func(t *testing.T, now func() time.Time) store.Store {
		opt := file.Options{Now: now, TidyEvery: time.Millisecond, OnError: func(err error) { t.Error(err) }}
		return open(t, filepath.Join(t.TempDir(), "authd.db"), file.WithShrinkFrom(opt, 1))
	})
}

func TestConformanceOfPair(t *testing.T) {
	storetest.RunPair(t, func(t *testing.T, now func() time.Time) (a, b store.Store) {
		s := open(t, filepath.Join(t.TempDir(), "authd.db"), file.Options{Now: now})
		return s, s
	})
}

func BenchmarkStore(b *testing.B) {
	storetest.Bench(b, open(b, filepath.Join(b.TempDir(), "authd.db"), file.Options{}))
}
