package file

import (
	"bytes"
	"context"
	"iter"

	bolt "go.etcd.io/bbolt"

	"github.com/authd/authd/internal/store"
)

// A page of a scan ends after so many records, or after the record that makes it
// this large. No transaction is open while the caller looks at a page: a write
// of the caller could then wait for the transaction, and that for the caller.
const (
	pageRecords = 256
	pageBytes   = 256 << 10
)

// Get implements [store.Store].
func (s *Store) Get(ctx context.Context, key string) (store.Item, error) {
	if err := check(ctx, store.CheckKey(key)); err != nil {
		return store.Item{}, err
	}
	now := s.now().UnixNano()
	var item store.Item
	err := s.view(func(tx *bolt.Tx) error {
		r, err := decode(tx.Bucket(recordsBucket()).Get([]byte(key)))
		if err != nil {
			return err
		}
		if !r.liveAt(now) {
			return store.ErrNotFound
		}
		item = r.item(key)
		return nil
	})
	if err != nil {
		return store.Item{}, err
	}
	return item, nil
}

// Scan implements [store.Store].
func (s *Store) Scan(ctx context.Context, prefix string) iter.Seq2[store.Item, error] {
	return func(yield func(store.Item, error) bool) {
		from := prefix
		for more := true; more; {
			var page []store.Item
			err := check(ctx, store.CheckPrefix(prefix))
			if err == nil {
				page, more, err = s.page(prefix, from)
			}
			if err != nil {
				yield(store.Item{}, err)
				return
			}
			for _, item := range page {
				if !yield(item, nil) {
					return
				}
			}
			if len(page) > 0 {
				from = page[len(page)-1].Key + "\x00" // the next possible key
			}
		}
	}
}

// Watch implements [store.Store]. Only this process changes the file, so that
// its own writes are all there is to tell.
func (s *Store) Watch(ctx context.Context, prefix string) (<-chan string, error) {
	return s.hub.Subscribe(ctx, prefix)
}

// page returns the live records under prefix from the key from on, as many as
// fit a page, and whether there may be more.
func (s *Store) page(prefix, from string) (page []store.Item, more bool, err error) {
	now := s.now().UnixNano()
	size := 0
	err = s.view(func(tx *bolt.Tx) error {
		cursor := tx.Bucket(recordsBucket()).Cursor()
		for k, v := cursor.Seek([]byte(from)); k != nil && bytes.HasPrefix(k, []byte(prefix)); k, v = cursor.Next() {
			if len(page) == pageRecords || size >= pageBytes {
				more = true
				return nil
			}
			r, err := decode(v)
			if err != nil {
				return err
			}
			if r.liveAt(now) {
				page = append(page, r.item(string(k)))
				size += len(r.value)
			}
		}
		return nil
	})
	return page, more, err
}

// check returns the error of an ended context, else invalid.
func check(ctx context.Context, invalid error) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	return invalid
}
