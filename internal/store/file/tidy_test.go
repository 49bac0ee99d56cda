package file

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	bolt "go.etcd.io/bbolt"

	"github.com/authd/authd/internal/store"
	"github.com/authd/authd/internal/store/storetest"
)

// openTidy opens a store whose tidying up at the start is over; the next is far
// away unless opt says otherwise.
func openTidy(t *testing.T, opt Options) *Store {
	t.Helper()
	if opt.TidyEvery == 0 {
		opt.TidyEvery = 1000 * time.Hour
	}
	opt.OnError = func(err error) { t.Errorf("in the background: %v", err) }
	started := make(chan struct{})
	opt.tidied = sync.OnceFunc(func() { close(started) })
	s, err := Open(filepath.Join(t.TempDir(), "authd.db"), opt)
	if err != nil {
		t.Fatal(err)
	}
	<-started
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Errorf("Close: %v", err)
		}
	})
	return s
}

func mustPut(t *testing.T, s *Store, key, value string, ttl time.Duration) {
	t.Helper()
	if _, err := s.Put(t.Context(), key, []byte(value), ttl, store.Any()); err != nil {
		t.Fatalf("Put %q: %v", key, err)
	}
}

// onDisk returns how many records are in the file, expired or not, after
// checking that the index names exactly those that expire.
func onDisk(t *testing.T, s *Store) int {
	t.Helper()
	records := 0
	err := s.view(func(tx *bolt.Tx) error {
		want := map[string]bool{}
		err := tx.Bucket(recordsBucket()).ForEach(func(k, v []byte) error {
			records++
			r, err := decode(v)
			if r.expires != 0 {
				want[string(indexKey(r.expires, k))] = true
			}
			return err
		})
		if err != nil {
			return err
		}
		err = tx.Bucket(expiryBucket()).ForEach(func(k, _ []byte) error {
			if !want[string(k)] {
				return fmt.Errorf("the index names %q, which does not expire at %d", k[stampLen:], binary.BigEndian.Uint64(k))
			}
			delete(want, string(k))
			return nil
		})
		if err == nil && len(want) > 0 {
			err = fmt.Errorf("%d records expire that the index does not name", len(want))
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return records
}

// TestIndexIsExact drives records through every way in and out: the index must
// name each record that expires once, and nothing else.
func TestIndexIsExact(t *testing.T) {
	clock := storetest.NewClock()
	s := openTidy(t, Options{Now: clock.Now})
	random := rand.New(rand.NewPCG(5, 6))
	for range 600 {
		key := fmt.Sprint("k", random.IntN(20))
		switch random.IntN(6) {
		case 0:
			if err := s.Delete(t.Context(), key); err != nil {
				t.Fatal(err)
			}
		case 1:
			if _, err := s.Take(t.Context(), key); err != nil && !errors.Is(err, store.ErrNotFound) {
				t.Fatal(err)
			}
		case 2:
			clock.Advance(time.Second)
			if _, err := s.Purge(t.Context()); err != nil {
				t.Fatal(err)
			}
		default:
			mustPut(t, s, key, "", time.Duration(random.IntN(5))*time.Second)
		}
		onDisk(t, s)
	}
}

// Threat 151: what has expired leaves the disk, all of it, in bounded batches.
func TestPurge(t *testing.T) {
	clock := storetest.NewClock()
	s := openTidy(t, Options{Now: clock.Now})
	const n = 2*purgeBatch + 50
	var wg sync.WaitGroup
	for w := range 50 {
		wg.Go(func() {
			for i := w; i < n; i += 50 {
				if _, err := s.Put(t.Context(), fmt.Sprint("k", i), nil, time.Second, store.Any()); err != nil {
					t.Errorf("Put: %v", err)
				}
			}
		})
	}
	wg.Wait()
	mustPut(t, s, "later", "", time.Hour)
	mustPut(t, s, "ever", "", 0)

	if got, err := s.Purge(t.Context()); got != 0 || err != nil {
		t.Errorf("Purge of live records = %d, %v, want 0", got, err)
	}
	clock.Advance(time.Second)
	watched, err := s.Watch(t.Context(), "")
	if err != nil {
		t.Fatal(err)
	}
	before := txID(t, s)
	if got, err := s.Purge(t.Context()); got != n || err != nil {
		t.Errorf("Purge = %d, %v, want %d", got, err, n)
	}
	if got := txID(t, s) - before; got != 3 {
		t.Errorf("the purge took %d transactions, want 3", got)
	}
	if got := onDisk(t, s); got != 2 {
		t.Errorf("%d records on disk, want 2", got)
	}
	select {
	case key := <-watched:
		t.Errorf("the purge announced %q", key)
	default:
	}
	clock.Advance(time.Hour)
	if got, err := s.Purge(t.Context()); got != 1 || err != nil {
		t.Errorf("Purge = %d, %v, want 1", got, err)
	}
}

// txID returns the number of transactions that were ever committed.
func txID(t *testing.T, s *Store) int {
	t.Helper()
	var id int
	if err := s.view(func(tx *bolt.Tx) error { id = tx.ID(); return nil }); err != nil {
		t.Fatal(err)
	}
	return id
}

// Threat 151: the purge runs by itself. Inside the bubble time is false, and
// moves on as soon as everybody waits.
func TestPurgeRunsByItself(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := openTidy(t, Options{TidyEvery: time.Minute})
		for i := range 20 {
			mustPut(t, s, fmt.Sprint("k", i), "", time.Second)
		}
		mustPut(t, s, "ever", "", 0)
		<-time.After(59 * time.Second)
		if got := onDisk(t, s); got != 21 {
			t.Errorf("%d records on disk before the purge, want 21", got)
		}
		<-time.After(time.Second)
		synctest.Wait()
		if got := onDisk(t, s); got != 1 {
			t.Errorf("%d records on disk after the purge, want 1", got)
		}
	})
}

// Threat 151: a stale entry in the index neither takes a live record along nor
// keeps the purge busy for ever.
func TestPurgeOfStaleIndexEntries(t *testing.T) {
	clock := storetest.NewClock()
	s := openTidy(t, Options{Now: clock.Now})
	mustPut(t, s, "live", "v", time.Hour)
	past := clock.Now().Add(-time.Hour).UnixNano()
	err := s.write(t.Context(), "", func(r *records) error {
		r.writes++
		return errors.Join(r.reindex([]byte("live"), 0, past), r.reindex([]byte("gone"), 0, past))
	})
	if err != nil {
		t.Fatal(err)
	}
	if got, err := s.Purge(t.Context()); got != 2 || err != nil {
		t.Errorf("Purge = %d, %v, want the 2 entries", got, err)
	}
	if item, err := s.Get(t.Context(), "live"); err != nil || string(item.Value) != "v" {
		t.Errorf("Get = %q, %v, want the live record", item.Value, err)
	}
	if got := onDisk(t, s); got != 1 {
		t.Errorf("%d records on disk, want 1", got)
	}
}

// Threat 151: the size of the file is bounded. A full store reads, deletes and
// purges, and takes writes again once there is room.
func TestFullFile(t *testing.T) {
	clock := storetest.NewClock()
	const limit = 1 << 20
	s := openTidy(t, Options{Now: clock.Now, MaxBytes: limit})
	var err error
	n := 0
	for ; err == nil && n < 10_000; n++ {
		_, err = s.Put(t.Context(), fmt.Sprintf("k%04d", n), make([]byte, 2000), time.Hour, store.Any())
	}
	if !errors.Is(err, store.ErrUnavailable) || !strings.Contains(err.Error(), "reached its limit of 1048576 bytes") {
		t.Fatalf("Put number %d: %v, want ErrUnavailable that names the limit", n, err)
	}
	if info, err := os.Stat(s.path); err != nil || info.Size() > limit {
		t.Errorf("the file has %d bytes, %v, want at most %d", info.Size(), err, limit)
	}
	if _, err := s.Get(t.Context(), "k0000"); err != nil {
		t.Errorf("Get from a full store: %v", err)
	}
	if err := s.Delete(t.Context(), "k0000"); err != nil {
		t.Errorf("Delete from a full store: %v", err)
	}
	clock.Advance(time.Hour)
	if got, err := s.Purge(t.Context()); got != n-2 || err != nil {
		t.Errorf("Purge of a full store = %d, %v, want %d", got, err, n-2)
	}
	for i := range n - 10 {
		mustPut(t, s, fmt.Sprintf("new%04d", i), strings.Repeat("v", 2000), time.Hour)
	}
}

// fatten fills the file and has nearly everything expire, so that it is large
// and mostly free.
func fatten(t *testing.T, s *Store, clock *storetest.Clock) {
	t.Helper()
	for i := range 200 {
		mustPut(t, s, fmt.Sprintf("fat%03d", i), strings.Repeat("f", 20_000), time.Second)
	}
	clock.Advance(time.Second)
	if _, err := s.Purge(t.Context()); err != nil {
		t.Fatal(err)
	}
	mustPut(t, s, "settle", "", 0) // pages of the purge are free after the next commit
}

func size(t *testing.T, path string) int64 {
	t.Helper()
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	return info.Size()
}

// Threat 151: a file that grew under a flood gives the disk back, with all that
// is live, while readers read.
func TestShrink(t *testing.T) {
	clock := storetest.NewClock()
	s := openTidy(t, Options{Now: clock.Now, shrinkFrom: 1 << 20})
	mustPut(t, s, "ever", "1", 0)
	mustPut(t, s, "later", "2", time.Hour)
	fatten(t, s, clock)
	large := size(t, s.path)

	stop := make(chan struct{})
	var readers sync.WaitGroup
	for range 4 {
		readers.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				if item, err := s.Get(t.Context(), "ever"); err != nil || string(item.Value) != "1" {
					t.Errorf("Get while shrinking = %q, %v", item.Value, err)
				}
			}
		})
	}
	if err := s.shrinkIfSparse(t.Context()); err != nil {
		t.Fatal(err)
	}
	close(stop)
	readers.Wait()

	if small := size(t, s.path); small > large/10 {
		t.Errorf("the file has %d bytes of %d", small, large)
	}
	if got := onDisk(t, s); got != 3 {
		t.Errorf("%d records on disk, want 3", got)
	}
	if info, err := os.Stat(s.path); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the shrunk file has mode %v, %v, want 0600", info.Mode(), err)
	}
	if _, err := os.Stat(shrunkPath(s.path)); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the copy is still there: %v", err)
	}
	// It is the same store: versions go on, expiry too, and it reopens.
	old, err := s.Get(t.Context(), "later")
	if err != nil {
		t.Fatal(err)
	}
	version, err := s.Put(t.Context(), "later", []byte("3"), time.Hour, store.AtVersion(old.Version))
	if err != nil || version <= old.Version {
		t.Errorf("Put after shrinking = %d, %v, want a version above %d", version, err, old.Version)
	}
	if _, err := Open(s.path, Options{LockWait: 60 * time.Millisecond}); !errors.Is(err, ErrInUse) {
		t.Errorf("a second Open after shrinking: %v, want ErrInUse", err)
	}
	clock.Advance(time.Hour)
	if n, err := s.Purge(t.Context()); n != 1 || err != nil {
		t.Errorf("Purge after shrinking = %d, %v, want 1", n, err)
	}
}

func TestNoShrinkWithoutNeed(t *testing.T) {
	clock := storetest.NewClock()
	small := openTidy(t, Options{Now: clock.Now})
	fatten(t, small, clock) // below the default size
	full := openTidy(t, Options{Now: clock.Now, shrinkFrom: 1})
	for i := range 50 {
		mustPut(t, full, fmt.Sprint("k", i), strings.Repeat("v", 20_000), 0)
	}
	for _, s := range []*Store{small, full} {
		before, err := os.Stat(s.path)
		if err != nil {
			t.Fatal(err)
		}
		if err := s.shrinkIfSparse(t.Context()); err != nil {
			t.Fatal(err)
		}
		after, err := os.Stat(s.path)
		if err != nil {
			t.Fatal(err)
		}
		if !os.SameFile(before, after) {
			t.Errorf("the file was replaced at %d bytes", before.Size())
		}
	}
}

// TestShrinkThatFailsHarmsNothing: there is no room for the copy.
func TestShrinkThatFailsHarmsNothing(t *testing.T) {
	clock := storetest.NewClock()
	s := openTidy(t, Options{Now: clock.Now, shrinkFrom: 1 << 20})
	fatten(t, s, clock)
	if err := os.MkdirAll(filepath.Join(shrunkPath(s.path), "in the way"), 0o700); err != nil {
		t.Fatal(err)
	}
	err := s.shrinkIfSparse(t.Context())
	if err == nil || !strings.Contains(err.Error(), "shrinking store file:"+s.path) {
		t.Errorf("shrinking: %v, want an error that names the file", err)
	}
	mustPut(t, s, "k", "works on", 0)
	if err := os.RemoveAll(shrunkPath(s.path)); err != nil {
		t.Fatal(err)
	}
	if err := s.shrinkIfSparse(t.Context()); err != nil {
		t.Errorf("shrinking with the way free: %v", err)
	}
	if item, err := s.Get(t.Context(), "k"); err != nil || string(item.Value) != "works on" {
		t.Errorf("Get = %q, %v", item.Value, err)
	}
}

// TestBackgroundErrorsAreTold: without anybody to answer to, a failure still shows.
func TestBackgroundErrorsAreTold(t *testing.T) {
	path := filepath.Join(t.TempDir(), "authd.db")
	told := make(chan error, 100)
	clock := storetest.NewClock()
	s, err := Open(path, Options{
		Now: clock.Now, TidyEvery: time.Millisecond, shrinkFrom: 1 << 20,
		OnError: func(err error) {
			select {
			case told <- err:
			default:
			}
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if err := os.MkdirAll(filepath.Join(shrunkPath(path), "in the way"), 0o700); err != nil {
		t.Fatal(err)
	}
	fatten(t, s, clock)
	if err := <-told; !strings.Contains(err.Error(), "removing expired records: shrinking store file:"+path) {
		t.Errorf("told %v", err)
	}
}

// TestLeftoverOfCutShortShrinkIsRemoved, as after a kill in its midst.
func TestLeftoverOfCutShortShrinkIsRemoved(t *testing.T) {
	path := filepath.Join(t.TempDir(), "authd.db")
	if err := os.WriteFile(shrunkPath(path), []byte("half a copy"), 0o600); err != nil {
		t.Fatal(err)
	}
	s, err := Open(path, Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if _, err := os.Stat(shrunkPath(path)); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the leftover is still there: %v", err)
	}
}

// TestReplacedFileIsNotUsed: who waited for the lock on a file that its owner
// shrank meanwhile holds a file that is nowhere any more. What it wrote there
// would be lost.
func TestReplacedFileIsNotUsed(t *testing.T) {
	dir := t.TempDir()
	path, other := filepath.Join(dir, "authd.db"), filepath.Join(dir, "other.db")
	for _, p := range []string{path, other} {
		s, err := Open(p, Options{})
		if err != nil {
			t.Fatal(err)
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	}
	db, err := openDatabase(path, Options{LockWait: time.Second})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if err := db.stillAt(path); err != nil {
		t.Errorf("before: %v", err)
	}
	if err := os.Rename(other, path); err != nil {
		t.Fatal(err)
	}
	if err := db.stillAt(path); !errors.Is(err, ErrInUse) {
		t.Errorf("after: %v, want ErrInUse", err)
	}
}
