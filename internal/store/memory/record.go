package memory

import (
	"math"
	"strings"
	"time"

	"github.com/authd/authd/internal/store"
)

const (
	// maxRecords is as many as have a place in the expiry heap.
	maxRecords = math.MaxInt32
	// never is the expiry of a record that does not expire.
	never = math.MaxInt64
	// nowhere is the place of a record that is not in the expiry heap.
	nowhere = -1
)

// record is one entry. There are two for each session, so it is packed: key and value are one piece of memory, which
// the map's key shares. Everything but place is fixed once the record is in the map: a Put replaces the record. So a
// reader may use it after the lock.
type record struct {
	data    string // the key, then the value
	version uint64
	expires int64 // nanoseconds since 1970
	keyLen  uint32
	place   int32 // in the expiry heap
}

// newRecord copies key and value. The zero time means never.
func newRecord(key string, value []byte, version uint64, expires time.Time) *record {
	var data strings.Builder // key + string(value) would be the caller's key itself when there is no value
	data.Grow(len(key) + len(value))
	data.WriteString(key)
	data.Write(value)
	r := &record{data: data.String(), version: version, expires: never, keyLen: uint32(len(key)), place: nowhere}
	if !expires.IsZero() {
		r.expires = expires.UnixNano()
	}
	return r
}

func (r *record) key() string { return r.data[:r.keyLen] }

func (r *record) expiredAt(now time.Time) bool {
	return r.expires != never && now.UnixNano() >= r.expires
}

// item returns a copy of the record that the caller may keep and change.
func (r *record) item() store.Item {
	out := store.Item{Key: r.key(), Value: []byte(r.data[r.keyLen:]), Version: r.version}
	if r.expires != never {
		out.Expires = time.Unix(0, r.expires).UTC()
	}
	return out
}
