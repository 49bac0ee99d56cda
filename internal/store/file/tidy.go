package file

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	bolt "go.etcd.io/bbolt"
)

const (
	// purgeBatch bounds how long one transaction of the purge keeps writers waiting.
	purgeBatch = 1000
	// shrinkLiveMax bounds how much a shrinking copies while writers wait.
	shrinkLiveMax = 256 << 20
)

// tidyUntilStopped removes what has expired and shrinks the file, at the start
// and then at a pace. Close ends it.
func (s *Store) tidyUntilStopped(ctx context.Context) {
	ticker := time.NewTicker(s.opt.TidyEvery)
	defer ticker.Stop()
	for {
		_, err := s.Purge(ctx)
		if err == nil {
			err = s.shrinkIfSparse(ctx)
		}
		if err != nil && ctx.Err() == nil {
			s.opt.OnError(fmt.Errorf("removing expired records: %w", err))
		}
		s.opt.tidied()
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
	}
}

// Purge removes all records that have expired, in transactions of bounded size,
// and returns how many. The store calls it by itself; call it to have it done now.
func (s *Store) Purge(ctx context.Context) (int, error) {
	total, batch := 0, purgeBatch
	for {
		n := 0
		err := s.write(ctx, "", func(r *records) (err error) {
			n, err = r.purge(batch)
			return err
		})
		switch {
		case err == nil && n < batch:
			return total + n, nil
		case err == nil:
			total += n
			batch = min(2*batch, purgeBatch)
		case ctx.Err() == nil && batch > 1 && !s.broken.Load() && !s.stopped():
			// A removal needs free pages too. On a full disk or in a full file
			// there are few; a small one fits, and frees more.
			batch /= 10
		default:
			return total, err
		}
	}
}

// stopped reports whether Close was called.
func (s *Store) stopped() bool {
	select {
	case <-s.stop:
		return true
	default:
		return false
	}
}

// shrinkIfSparse has the file shrunk when most of it is free: bbolt uses free
// pages again but never gives them back, and writes the list of them with every
// commit. A file of which too much is in use is left alone; see shrinkLiveMax.
func (s *Store) shrinkIfSparse(ctx context.Context) error {
	sparse := false
	err := s.view(func(tx *bolt.Tx) error {
		stats := tx.DB().Stats()
		free := int64(stats.FreePageN+stats.PendingPageN) * int64(tx.DB().Info().PageSize)
		sparse = tx.Size() >= s.opt.shrinkFrom && free > tx.Size()/4*3 && tx.Size()-free <= shrinkLiveMax
		return nil
	})
	if err != nil || !sparse {
		return err
	}
	answer := make(chan error, 1)
	select {
	case s.shrinks <- answer:
		return <-answer // the writer always answers
	case <-ctx.Done():
		return ctx.Err()
	}
}

// shrunkPath is where the smaller copy of a file grows.
func shrunkPath(path string) string { return path + ".shrunk" }

// shrink copies what is live to a new file and puts that in the place of the old
// one. Only the writer calls it, so that nothing is written meanwhile; readers go
// on. Whenever the process dies, one whole file is at the path.
func (s *Store) shrink() error {
	temp := shrunkPath(s.path)
	old := s.db
	fresh, err := s.copyTo(temp)
	if err == nil {
		if err = os.Rename(temp, s.path); err != nil {
			err = errors.Join(err, fresh.Close())
		}
	}
	if err != nil {
		if gone := os.Remove(temp); gone != nil && !errors.Is(gone, os.ErrNotExist) {
			err = errors.Join(err, gone)
		}
		return fmt.Errorf("shrinking store file:%s: %w", s.path, err)
	}
	s.mu.Lock()
	s.db = fresh
	s.mu.Unlock()
	return errors.Join(syncDir(filepath.Dir(s.path)), old.Close())
}

// copyTo copies what is in the file to a new one, which is on the disk then.
func (s *Store) copyTo(path string) (*database, error) {
	if err := os.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, err
	}
	fresh, err := openDatabase(path, s.opt)
	if err != nil {
		return nil, err
	}
	fresh.NoSync = true // one wait at the end
	err = guard(func() error { return bolt.Compact(fresh.DB, s.db.DB, 1<<20) })
	fresh.NoSync = false
	if err == nil {
		err = fresh.Sync()
	}
	if err == nil {
		err = prepare(fresh)
	}
	if err != nil {
		return nil, errors.Join(err, fresh.Close())
	}
	return fresh, nil
}
