// Package memory is a store in the memory of one process: for tests, for the
// demo, and for a trial run. Everything is lost when the process ends, so nobody
// stays signed in over a restart.
//
// It keeps the keys of its callers and writes none of its own.
//
// Size is bounded by the number of records (Options.MaxItems), not by bytes:
// with the limit on one value a record takes at most about 1 MiB.
package memory

import (
	"cmp"
	"container/heap"
	"context"
	"fmt"
	"iter"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/authd/authd/internal/store"
	"github.com/authd/authd/internal/store/watch"
)

const (
	// defaultMaxItems holds a million sessions in well under a gigabyte.
	defaultMaxItems = 1_000_000
	// defaultSweepEvery is short against any session and long against a sweep.
	defaultSweepEvery = 30 * time.Second
	// sweepBatch bounds how long a sweep keeps others waiting.
	sweepBatch = 1024
)

// Options are the settings of a memory store. The zero value is the default.
type Options struct {
	// Now tells the time; nil means time.Now.
	Now func() time.Time
	// SweepEvery is the pace at which expired records are removed; 0 means 30 s.
	// Expired records are never returned, however slow the sweep.
	SweepEvery time.Duration
	// MaxItems is how many records fit, expired ones that are not swept yet
	// among them; 0 means 1,000,000. A Put of one more record returns an error
	// that wraps store.ErrUnavailable; replacing a record always works.
	MaxItems int
}

// Store is a memory store. It implements [store.Store] and io.Closer.
type Store struct {
	now      func() time.Time
	maxItems int
	hub      watch.Hub

	stop     chan struct{} // closed by Close; ends the sweeper
	stopOnce sync.Once
	sweeper  sync.WaitGroup

	mu      sync.RWMutex
	closed  bool
	version uint64             // the last one given
	records map[string]*record // key → record, expired ones too until they are swept
	expiry  expiryHeap         // the records that expire, soonest first
}

// New returns an empty store, whose sweeper runs until Close.
func New(opt Options) *Store {
	s := &Store{
		now:      opt.Now,
		maxItems: min(cmp.Or(opt.MaxItems, defaultMaxItems), maxRecords),
		stop:     make(chan struct{}),
		records:  make(map[string]*record),
	}
	if s.now == nil {
		s.now = time.Now
	}
	every := cmp.Or(opt.SweepEvery, defaultSweepEvery)
	s.sweeper.Go(func() { s.sweepUntilStopped(every) })
	return s
}

// Close stops the sweeper, drops all records and closes the channels of all
// watchers. It may be called more than once and always returns nil.
func (s *Store) Close() error {
	s.stopOnce.Do(func() { close(s.stop) })
	s.sweeper.Wait()
	s.mu.Lock()
	s.closed = true
	s.records, s.expiry = nil, nil
	s.mu.Unlock()
	s.hub.Close()
	return nil
}

// Get implements [store.Store].
func (s *Store) Get(ctx context.Context, key string) (store.Item, error) {
	if err := check(ctx, store.CheckKey(key)); err != nil {
		return store.Item{}, err
	}
	s.mu.RLock()
	defer s.mu.RUnlock()
	if s.closed {
		return store.Item{}, errClosed()
	}
	r := s.live(key)
	if r == nil {
		return store.Item{}, store.ErrNotFound
	}
	return r.item(), nil
}

// Put implements [store.Store].
func (s *Store) Put(ctx context.Context, key string, value []byte, ttl time.Duration, when store.Condition) (uint64, error) {
	if err := check(ctx, store.CheckPut(key, value, ttl)); err != nil {
		return 0, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return 0, errClosed()
	}
	var current uint64
	if r := s.live(key); r != nil {
		current = r.version
	}
	if !when.Holds(current) {
		return 0, store.ErrConflict
	}
	if _, replaces := s.records[key]; !replaces && len(s.records) >= s.maxItems {
		return 0, fmt.Errorf("%w: the memory store is full (%d records); use the file store, or shorter lifetimes", store.ErrUnavailable, s.maxItems)
	}
	s.remove(key)
	s.version++
	s.insert(newRecord(key, value, s.version, store.ExpiresAt(s.now(), ttl)))
	s.hub.Publish(key)
	return s.version, nil
}

// Take implements [store.Store].
func (s *Store) Take(ctx context.Context, key string) (store.Item, error) {
	if err := check(ctx, store.CheckKey(key)); err != nil {
		return store.Item{}, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return store.Item{}, errClosed()
	}
	r := s.live(key)
	if r == nil {
		return store.Item{}, store.ErrNotFound
	}
	s.remove(key)
	s.hub.Publish(key)
	return r.item(), nil
}

// Delete implements [store.Store].
func (s *Store) Delete(ctx context.Context, key string) error {
	if err := check(ctx, store.CheckKey(key)); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return errClosed()
	}
	if s.remove(key) {
		s.hub.Publish(key)
	}
	return nil
}

// Scan implements [store.Store]. It fixes the list of keys at its start, and
// reads each record when its turn comes.
func (s *Store) Scan(ctx context.Context, prefix string) iter.Seq2[store.Item, error] {
	return func(yield func(store.Item, error) bool) {
		if err := store.CheckPrefix(prefix); err != nil {
			yield(store.Item{}, err)
			return
		}
		for _, key := range s.keys(prefix) {
			item, err := s.Get(ctx, key)
			if err == store.ErrNotFound { // it went away meanwhile
				continue
			}
			if !yield(item, err) || err != nil {
				return
			}
		}
		// With nothing to read, the end of ctx and of the store still show.
		if err := s.usable(ctx); err != nil {
			yield(store.Item{}, err)
		}
	}
}

// Watch implements [store.Store].
func (s *Store) Watch(ctx context.Context, prefix string) (<-chan string, error) {
	return s.hub.Subscribe(ctx, prefix)
}

// keys returns the keys under prefix in order.
func (s *Store) keys(prefix string) []string {
	s.mu.RLock()
	defer s.mu.RUnlock()
	var keys []string
	for key := range maps.Keys(s.records) {
		if strings.HasPrefix(key, prefix) {
			keys = append(keys, key)
		}
	}
	slices.Sort(keys)
	return keys
}

// live returns the record under key unless it is expired. The caller holds s.mu.
func (s *Store) live(key string) *record {
	r := s.records[key]
	if r == nil || r.expiredAt(s.now()) {
		return nil
	}
	return r
}

// insert files a record under a key that is free. The caller holds s.mu.
func (s *Store) insert(r *record) {
	s.records[r.key()] = r
	if r.expires != never {
		heap.Push(&s.expiry, r)
	}
}

// remove drops the record under key and reports whether it was live. The caller
// holds s.mu.
func (s *Store) remove(key string) (wasLive bool) {
	r := s.records[key]
	if r == nil {
		return false
	}
	delete(s.records, key)
	if r.place >= 0 {
		heap.Remove(&s.expiry, int(r.place))
	}
	return !r.expiredAt(s.now())
}

// usable returns the error of an ended context or of a closed store.
func (s *Store) usable(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	s.mu.RLock()
	defer s.mu.RUnlock()
	if s.closed {
		return errClosed()
	}
	return nil
}

// check returns the error of an ended context, else invalid.
func check(ctx context.Context, invalid error) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	return invalid
}

func errClosed() error {
	return fmt.Errorf("%w: the memory store is closed", store.ErrUnavailable)
}
