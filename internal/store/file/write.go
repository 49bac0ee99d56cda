package file

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"time"

	bolt "go.etcd.io/bbolt"

	"github.com/authd/authd/internal/store"
)

// groupMax bounds how many changes share one transaction.
const groupMax = 256

// lag is how long changes that may lag wait for one that may not, to be written with it.
const lag = 20 * time.Millisecond

// errNothingChanged rolls a transaction back that has nothing to write, which
// spares the disk.
var errNothingChanged = errors.New("nothing changed")

// change is one write on its way to the disk. The writer owns it until done is
// closed; a caller that gives up waiting must not look into it any more.
type change struct {
	key     string               // to announce
	lags    bool                 // it is answered before it is on the disk
	apply   func(*records) error // may end in store.ErrNotFound or ErrConflict only before it changes anything
	changed bool
	settled bool // done is closed
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
	c := &change{key: key, lags: when.MayLag(), apply: func(r *records) (err error) {
		version, err = r.put([]byte(key), raw, when)
		return err
	}}
	if err := s.hand(ctx, c); err != nil {
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
	return s.hand(ctx, &change{key: key, apply: apply})
}

func (s *Store) hand(ctx context.Context, c *change) error {
	c.done = make(chan struct{})
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
// changes. Only changes that may lag are kept back to collect more.
func (s *Store) writeUntilStopped() {
	for {
		select {
		case <-s.stop:
			return
		case first := <-s.changes:
			patience := time.NewTimer(lag)
			s.commit(first, func(group []*change) *change { return s.next(group, patience.C) })
			patience.Stop()
		case answer := <-s.shrinks:
			answer <- s.shrink()
		}
	}
}

// next returns a change that waits already or, while all others may lag, one that
// comes in time; nil when the group is complete.
func (s *Store) next(group []*change, patience <-chan time.Time) *change {
	if len(group) == groupMax {
		return nil
	}
	select {
	case c := <-s.changes:
		return c
	default:
	}
	for _, c := range group {
		if !c.lags {
			return nil
		}
	}
	select {
	case c := <-s.changes:
		return c
	case <-patience:
	case <-s.stop:
	}
	return nil
}

// commit writes a group, the first change and what next gives, in one transaction and answers its callers. If it fails
// nothing of it is written, and everybody who still waits is told so: even a refusal
// may have rested on a change that was undone.
func (s *Store) commit(first *change, next func(group []*change) *change) {
	group, err := s.update(first, next)
	for _, c := range group {
		// Before the answer, so that whoever got it finds the key told. After a
		// failure too: one of the last wait for the disk leaves the change in sight.
		if c.changed && c.key != "" {
			s.hub.Publish(c.key)
		}
	}
	for _, c := range group {
		c.settle(cmp.Or(err, c.err))
	}
}

// update applies the first change and those that come with it in one transaction,
// and returns them. Those that lag have been answered then.
func (s *Store) update(first *change, next func([]*change) *change) (group []*change, err error) {
	if s.broken.Load() {
		err = fmt.Errorf("%w: store file:%s: damage was met while writing; restart authd", store.ErrUnavailable, s.path)
		return []*change{first}, err
	}
	group = []*change{first} // whatever happens before it is its turn
	err = guard(func() error {
		return s.db.Update(func(tx *bolt.Tx) error {
			r := newRecords(tx, s.now())
			for c := first; c != nil; c = next(group) {
				if c != first {
					group = append(group, c)
				}
				before := r.writes
				c.err = c.apply(r)
				c.changed = r.writes > before
				failed := c.err != nil && (c.changed || !isRefusal(c.err))
				if c.lags {
					c.settle(s.explain(c.err))
				}
				if failed {
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
		return group, nil
	}
	if errors.Is(err, errDamaged) {
		s.broken.Store(true)
	}
	return group, s.explain(err)
}

// settle answers a change, unless it has been.
func (c *change) settle(err error) {
	if !c.settled {
		c.err, c.settled = err, true
		close(c.done)
	}
}

// isRefusal reports whether an error is an answer of the store rather than a
// failure of it.
func isRefusal(err error) bool {
	return errors.Is(err, store.ErrNotFound) || errors.Is(err, store.ErrConflict)
}
