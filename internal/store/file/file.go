// Package file is the embedded store: one bbolt file, no other process needed.
// It is authd's default. One process at a time may have the file open.
//
//	file.go      what a Store is; Open, Close
//	database.go  opens a bbolt file with care: permissions, lock, damage
//	layout.go    what is written where; every change to the buckets
//	read.go      Get, Scan, Watch
//	write.go     Put, Take, Delete; the writer that commits them
//	group.go     which of them it commits together
//	tidy.go      removal of what has expired; shrinking of the file
//
// Besides the keys of its callers, which go to the bucket "records", it writes
// an index of the records that expire to the bucket "expiry", and the format of
// the file to the bucket "about". See layout.go.
//
// A write that was acknowledged is on the disk (fdatasync). The file has mode
// 0600; what must stay secret from someone who copies it is sealed before it
// gets here.
package file

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	bolt "go.etcd.io/bbolt"
	berrors "go.etcd.io/bbolt/errors"

	"github.com/authd/authd/internal/store"
	"github.com/authd/authd/internal/store/watch"
)

const (
	defaultTidyEvery = 30 * time.Second
	// defaultLockWait lets a process that is just ending let go of the file.
	defaultLockWait = time.Second
	// defaultMaxBytes is far above any sane use: some four million sessions.
	defaultMaxBytes = 4 << 30
	// defaultShrinkFrom is the size below which shrinking is not worth a thought.
	defaultShrinkFrom = 16 << 20
)

// ErrInUse says that another process, or another Store of this process, has the
// file open.
var ErrInUse = errors.New("in use by another authd (it holds the lock)")

// Options are the settings of a file store. The zero value is the default.
type Options struct {
	// Now tells the time; nil means time.Now.
	Now func() time.Time
	// TidyEvery is the pace at which expired records are removed; 0 means 30 s.
	// Expired records are never returned, however slow the pace.
	TidyEvery time.Duration
	// LockWait is how long Open waits for another process to let go of the file;
	// 0 means 1 s.
	LockWait time.Duration
	// MaxBytes bounds the file; 0 means 4 GiB. When it is full a Put returns an
	// error that wraps store.ErrUnavailable, and everything else works on.
	MaxBytes int64
	// OnError is told what goes wrong in the background, where no caller can be
	// told. It must not call the store. Nil drops it.
	OnError func(error)

	// For tests: the size from which a mostly empty file is shrunk, and what is
	// called after each round of tidying up.
	shrinkFrom int64
	tidied     func()
}

// Store is a file store. It implements [store.Store] and io.Closer.
type Store struct {
	path    string
	now     func() time.Time
	opt     Options
	hub     watch.Hub
	changes chan *change    // to the writer
	shrinks chan chan error // to the writer, which answers on the inner channel
	stop    <-chan struct{} // closed by Close, through cancel; ends the workers
	cancel  context.CancelFunc
	workers sync.WaitGroup // the writer and the tidier
	broken  atomic.Bool    // a write met damage; the state of bbolt is unknown

	mu sync.RWMutex // guards db; the writer, which alone replaces it, reads it without
	db *database    // nil after Close
}

// Open opens the store at path, which is created if there is none, with the
// directories above it. A file that another process has open is refused with an
// error that wraps [ErrInUse], and so is one that is damaged or not a store.
func Open(path string, opt Options) (*Store, error) {
	opt.TidyEvery = cmp.Or(opt.TidyEvery, defaultTidyEvery)
	opt.LockWait = cmp.Or(opt.LockWait, defaultLockWait)
	opt.MaxBytes = cmp.Or(opt.MaxBytes, defaultMaxBytes)
	opt.shrinkFrom = cmp.Or(opt.shrinkFrom, defaultShrinkFrom)
	if opt.Now == nil {
		opt.Now = time.Now
	}
	if opt.OnError == nil {
		opt.OnError = func(error) {}
	}
	if opt.tidied == nil {
		opt.tidied = func() {}
	}
	// A later change of the working directory must not move the store.
	absolute, err := filepath.Abs(path)
	if err != nil {
		return nil, fmt.Errorf("store file:%s: %w", path, err)
	}
	db, err := openStore(absolute, opt)
	if err != nil {
		return nil, fmt.Errorf("store file:%s: %w", path, err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	s := &Store{
		path:    absolute,
		now:     opt.Now,
		opt:     opt,
		changes: make(chan *change),
		shrinks: make(chan chan error),
		stop:    ctx.Done(),
		cancel:  cancel,
		db:      db,
	}
	s.workers.Go(s.writeUntilStopped)
	s.workers.Go(func() { s.tidyUntilStopped(ctx) })
	return s, nil
}

// Close ends the background work, waits for the write under way and lets go of
// the file. It may be called more than once.
func (s *Store) Close() error {
	s.cancel()
	s.workers.Wait()
	s.hub.Close()
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.db == nil {
		return nil
	}
	db := s.db
	s.db = nil
	if s.broken.Load() {
		return abandon(db.file) // bbolt may still hold the locks that its Close needs
	}
	if err := db.Close(); err != nil {
		return fmt.Errorf("store file:%s: %w", s.path, err)
	}
	return nil
}

// openStore makes the directory, opens the file and checks what is in it.
func openStore(path string, opt Options) (*database, error) {
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return nil, fmt.Errorf("cannot make its directory: %w", err)
	}
	db, err := openDatabase(path, opt)
	if err != nil {
		return nil, err
	}
	if err := prepare(db); err != nil {
		return nil, errors.Join(err, db.Close())
	}
	// What a shrinking left that was cut short. The lock on path covers it too.
	if err := os.Remove(shrunkPath(path)); err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, errors.Join(err, db.Close())
	}
	if err := syncDir(filepath.Dir(path)); err != nil {
		return nil, errors.Join(err, db.Close())
	}
	return db, nil
}

// view runs f in a read transaction.
func (s *Store) view(f func(*bolt.Tx) error) error {
	s.mu.RLock()
	defer s.mu.RUnlock()
	if s.db == nil {
		return s.errClosed()
	}
	return s.explain(guard(func() error { return s.db.View(f) }))
}

// explain makes an error of bbolt or of the disk one of the contract.
func (s *Store) explain(err error) error {
	switch {
	case err == nil,
		errors.Is(err, store.ErrNotFound),
		errors.Is(err, store.ErrConflict),
		errors.Is(err, store.ErrUnavailable):
		return err
	case errors.Is(err, berrors.ErrMaxSizeReached):
		return fmt.Errorf("%w: store file:%s has reached its limit of %d bytes", store.ErrUnavailable, s.path, s.opt.MaxBytes)
	case errors.Is(err, syscall.ENOSPC):
		return fmt.Errorf("%w: store file:%s: %w; free some space on that disk, a restart is not needed", store.ErrUnavailable, s.path, err)
	default:
		return fmt.Errorf("%w: store file:%s: %w", store.ErrUnavailable, s.path, err)
	}
}

func (s *Store) errClosed() error {
	return fmt.Errorf("%w: store file:%s is closed", store.ErrUnavailable, s.path)
}
