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

// errNothingChanged rolls a transaction back that has nothing to write, which
// spares the disk.
var errNothingChanged = errors.New("nothing changed")

// change is one write on its way to the disk. The writer owns it until done is
// closed; a caller that gives up waiting must not look into it any more.
type change struct {
	key     string               // to announce; empty: of no caller, but of the purge
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

// writeUntilStopped is the only goroutine that writes to the file. It commits in groups: see group.
func (s *Store) writeUntilStopped() {
	quick := 0 // so many groups are committed without a wait, since waiting has brought nobody
	for {
		select {
		case <-s.stop:
			return
		case first := <-s.changes:
			g := newGroup(first, s.changes, quick > 0)
			s.commit(g)
			quick = g.quickAfter(quick)
		case answer := <-s.shrinks:
			answer <- s.shrink()
		}
	}
}

// commit writes a group in one transaction and answers its callers. If it fails nothing of it is written, and
// everybody who still waits is told so: even a refusal may have rested on a change that was undone.
func (s *Store) commit(g *group) {
	err := s.update(g)
	for _, c := range g.changes {
		// Before the answer, so that whoever got it finds the key told. After a
		// failure too: one of the last wait for the disk leaves the change in sight.
		if c.changed && c.key != "" {
			s.hub.Publish(c.key)
		}
	}
	for _, c := range g.changes {
		c.settle(cmp.Or(err, c.err))
	}
}

// update applies the changes of a group as they come, in one transaction. Those that lag are answered then.
func (s *Store) update(g *group) error {
	defer g.close()
	if s.broken.Load() {
		return fmt.Errorf("%w: store file:%s: damage was met while writing; restart authd", store.ErrUnavailable, s.path)
	}
	err := guard(func() error {
		return s.db.Update(func(tx *bolt.Tx) error {
			r := newRecords(tx)
			for c := g.changes[0]; c != nil; c = g.next(s.stop) {
				before := r.writes
				r.now = s.now().UnixNano() // time has gone by since the last one
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
		return nil
	}
	if errors.Is(err, errDamaged) {
		s.broken.Store(true)
	}
	return s.explain(err)
}

// pressing says whether somebody waits until the change is on the disk: nobody does for one that lags, or for a purge.
func (c *change) pressing() bool { return !c.lags && c.key != "" }

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
