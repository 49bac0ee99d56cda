package file

import (
	"context"
	"errors"
	"fmt"
	"time"

	bolt "go.etcd.io/bbolt"

	"github.com/authd/authd/internal/store"
)

// groupMax bounds how many changes share one transaction.
const groupMax = 256

// errNothingChanged rolls a transaction back that has nothing to write, which
// spares the disk.
var errNothingChanged = errors.New("nothing changed")

// change is one write on its way to the disk. The writer owns it until done is
// closed; a caller that gives up waiting must not look into it any more.
type change struct {
	key     string               // to announce
	apply   func(*records) error // may end in store.ErrNotFound or ErrConflict only before it changes anything
	changed bool
	err     error
	done    chan struct{}
}

// Put implements [store.Store].
func (s *Store) Put(ctx context.Context, key string, value []byte, ttl time.Duration, when store.Condition) (uint64, error) {
	if err := check(ctx, store.CheckPut(key, value, ttl)); err != nil {
		return 0, err
	}
	raw := encode(value, store.ExpiresAt(s.now(), ttl))
	var version uint64
	err := s.write(ctx, key, func(r *records) (err error) {
		version, err = r.put([]byte(key), raw, when)
		return err
	})
	if err != nil {
		return 0, err // version may be written to even now
	}
	return version, nil
}

// Take implements [store.Store].
func (s *Store) Take(ctx context.Context, key string) (store.Item, error) {
	if err := check(ctx, store.CheckKey(key)); err != nil {
		return store.Item{}, err
	}
	var item store.Item
	err := s.write(ctx, key, func(r *records) error {
		old, err := r.get([]byte(key))
		if err != nil {
			return err
		}
		if !old.liveAt(r.now) {
			return store.ErrNotFound
		}
		item = old.item(key)
		_, err = r.remove([]byte(key))
		return err
	})
	if err != nil {
		return store.Item{}, err // item may be written to even now
	}
	return item, nil
}

// Delete implements [store.Store].
func (s *Store) Delete(ctx context.Context, key string) error {
	if err := check(ctx, store.CheckKey(key)); err != nil {
		return err
	}
	return s.write(ctx, key, func(r *records) error {
		_, err := r.remove([]byte(key))
		return err
	})
}

// write hands a change to the writer and waits until it is on the disk.
func (s *Store) write(ctx context.Context, key string, apply func(*records) error) error {
	c := &change{key: key, apply: apply, done: make(chan struct{})}
	select {
	case s.changes <- c:
	case <-ctx.Done():
		return ctx.Err()
	case <-s.stop:
		return s.errClosed()
	}
	// From here on the writer answers for sure, Close or not.
	select {
	case <-c.done:
		return c.err
	case <-ctx.Done():
		return fmt.Errorf("store file:%s: the write may still happen: %w", s.path, ctx.Err())
	}
}

// writeUntilStopped is the only goroutine that writes to the file. What piles up
// while it waits for the disk it commits together: one wait for up to groupMax
// changes, and none that is only there to collect more.
func (s *Store) writeUntilStopped() {
	for {
		select {
		case <-s.stop:
			return
		case first := <-s.changes:
			s.commit(s.gather(first))
		case answer := <-s.shrinks:
			answer <- s.shrink()
		}
	}
}

// gather adds the changes that wait already to the first.
func (s *Store) gather(first *change) []*change {
	group := []*change{first}
	for len(group) < groupMax {
		select {
		case c := <-s.changes:
			group = append(group, c)
		default:
			return group
		}
	}
	return group
}

// commit writes a group in one transaction and answers its callers. If it fails
// nothing of it is written, and everybody is told so: even a refusal may have
// rested on a change that was undone.
func (s *Store) commit(group []*change) {
	err := s.update(group)
	for _, c := range group {
		if err != nil {
			c.err = err
		}
		// Before the answer, so that whoever got it finds the key told. After a
		// failure too: one of the last wait for the disk leaves the change in sight.
		if c.changed && c.key != "" {
			s.hub.Publish(c.key)
		}
	}
	for _, c := range group {
		close(c.done)
	}
}

// update applies the changes of a group in one transaction.
func (s *Store) update(group []*change) error {
	if s.broken.Load() {
		return fmt.Errorf("%w: store file:%s: damage was met while writing; restart authd", store.ErrUnavailable, s.path)
	}
	err := guard(func() error {
		return s.db.Update(func(tx *bolt.Tx) error {
			r := newRecords(tx, s.now())
			for _, c := range group {
				before := r.writes
				c.err = c.apply(r)
				c.changed = r.writes > before
				if c.err != nil && (c.changed || !isRefusal(c.err)) {
					return c.err
				}
			}
			if r.writes == 0 {
				return errNothingChanged
			}
			return nil
		})
	})
	if errors.Is(err, errNothingChanged) {
		return nil
	}
	if errors.Is(err, errDamaged) {
		s.broken.Store(true)
	}
	return s.explain(err)
}

// isRefusal reports whether an error is an answer of the store rather than a
// failure of it.
func isRefusal(err error) bool {
	return errors.Is(err, store.ErrNotFound) || errors.Is(err, store.ErrConflict)
}
