package file

import (
	"encoding/binary"
	"fmt"
	"slices"
	"time"

	bolt "go.etcd.io/bbolt"

	"github.com/authd/authd/internal/store"
)

// The buckets of a store file. All numbers are 8 bytes, big endian; times are
// nanoseconds since 1970, UTC.
//
//	records  key           → version, expiry (0: never), value
//	         the sequence of the bucket is the last version that was given
//	expiry   expiry, key   → one byte that means nothing
//	about    "format"      → "1"
func recordsBucket() []byte { return []byte("records") }
func expiryBucket() []byte  { return []byte("expiry") }
func aboutBucket() []byte   { return []byte("about") }
func formatKey() []byte     { return []byte("format") }
func format() []byte        { return []byte("1") }

const (
	stampLen  = 8            // of a version or an expiry
	headerLen = 2 * stampLen // of a record
)

// layOut makes the buckets of a new file.
func layOut(tx *bolt.Tx) error {
	for _, name := range [][]byte{recordsBucket(), expiryBucket()} {
		if _, err := tx.CreateBucket(name); err != nil {
			return err
		}
	}
	about, err := tx.CreateBucket(aboutBucket())
	if err != nil {
		return err
	}
	return about.Put(formatKey(), format())
}

// record is a record as it is in the file. Its value is valid during the
// transaction only.
type record struct {
	version uint64
	expires int64 // nanoseconds since 1970; 0: never
	value   []byte
}

// decode takes apart what is under a key. No data means no record, which has
// version 0.
func decode(raw []byte) (record, error) {
	if raw == nil {
		return record{}, nil
	}
	if len(raw) < headerLen {
		return record{}, fmt.Errorf("%w: a record of %d bytes", errDamaged, len(raw))
	}
	r := record{
		version: binary.BigEndian.Uint64(raw),
		expires: int64(binary.BigEndian.Uint64(raw[stampLen:])),
		value:   raw[headerLen:],
	}
	if r.version == 0 || r.expires < 0 {
		return record{}, fmt.Errorf("%w: a record with version %d and expiry %d", errDamaged, r.version, r.expires)
	}
	return r, nil
}

// liveAt reports whether there is a record and it is not expired.
func (r record) liveAt(now int64) bool {
	return r.version != 0 && (r.expires == 0 || now < r.expires)
}

// item returns a copy that outlives the transaction.
func (r record) item(key string) store.Item {
	item := store.Item{Key: key, Value: slices.Clone(r.value), Version: r.version}
	if r.expires != 0 {
		item.Expires = time.Unix(0, r.expires).UTC()
	}
	return item
}

// encode returns the bytes of a record, with room for a version that is given
// only when it is written.
func encode(value []byte, expires time.Time) []byte {
	raw := make([]byte, headerLen+len(value))
	if !expires.IsZero() {
		binary.BigEndian.PutUint64(raw[stampLen:], uint64(expires.UnixNano()))
	}
	copy(raw[headerLen:], value)
	return raw
}

// records are the buckets inside a write transaction.
type records struct {
	data, index *bolt.Bucket
	now         int64 // nanoseconds since 1970
	writes      int   // how often something was changed
}

func newRecords(tx *bolt.Tx) *records {
	return &records{data: tx.Bucket(recordsBucket()), index: tx.Bucket(expiryBucket())}
}

// get returns the record under key, expired or not.
func (r *records) get(key []byte) (record, error) { return decode(r.data.Get(key)) }

// put writes an encoded record under key when the condition holds, and returns
// its version.
func (r *records) put(key, raw []byte, when store.Condition) (uint64, error) {
	old, err := r.get(key)
	if err != nil {
		return 0, err
	}
	var current uint64
	if old.liveAt(r.now) {
		current = old.version
	}
	if !when.Holds(current) {
		return 0, store.ErrConflict
	}
	version, err := r.data.NextSequence()
	if err != nil {
		return 0, err
	}
	r.writes++
	binary.BigEndian.PutUint64(raw, version)
	added, err := decode(raw)
	if err != nil {
		return 0, err
	}
	if old.expires != added.expires {
		if err := r.reindex(key, old.expires, added.expires); err != nil {
			return 0, err
		}
	}
	return version, r.data.Put(key, raw)
}

// remove removes the record under key, expired or not, and returns it with a
// value that is valid during the transaction.
func (r *records) remove(key []byte) (record, error) {
	old, err := r.get(key)
	if err != nil || old.version == 0 {
		return record{}, err
	}
	r.writes++
	if err := r.reindex(key, old.expires, 0); err != nil {
		return record{}, err
	}
	return old, r.data.Delete(key)
}

// reindex moves the entry of key in the index; 0 stands for no entry.
func (r *records) reindex(key []byte, from, to int64) error {
	if from != 0 {
		if err := r.index.Delete(indexKey(from, key)); err != nil {
			return err
		}
	}
	if to == 0 {
		return nil
	}
	return r.index.Put(indexKey(to, key), []byte{1})
}

// purge removes up to limit expired records, the oldest first, and returns how
// many it removed.
func (r *records) purge(limit int) (int, error) {
	var due [][]byte
	cursor := r.index.Cursor()
	for k, _ := cursor.First(); k != nil && len(due) < limit; k, _ = cursor.Next() {
		if len(k) <= stampLen {
			return 0, fmt.Errorf("%w: a bad entry in the index", errDamaged)
		}
		if int64(binary.BigEndian.Uint64(k)) > r.now {
			break
		}
		due = append(due, slices.Clone(k)) // the cursor does not survive a change
	}
	for _, k := range due {
		if err := r.expire(k); err != nil {
			return 0, err
		}
	}
	return len(due), nil
}

// expire removes an entry of the index and the record that it stands for. The
// entry goes in any case, so that a purge comes to an end whatever it finds.
func (r *records) expire(indexKey []byte) error {
	r.writes++
	if err := r.index.Delete(indexKey); err != nil {
		return err
	}
	key := indexKey[stampLen:]
	old, err := r.get(key)
	if err != nil || old.liveAt(r.now) {
		return err
	}
	return r.data.Delete(key)
}

// indexKey orders keys by the time at which they expire.
func indexKey(expires int64, key []byte) []byte {
	k := make([]byte, stampLen, stampLen+len(key))
	binary.BigEndian.PutUint64(k, uint64(expires))
	return append(k, key...)
}
