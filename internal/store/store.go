// Package store is the contract between authd and the place where it keeps its
// records: a small key-value store with a time to live, in six methods.
//
// Drivers live in the packages below: memory, file (the default), and others.
// Package open picks one from a URL. Every driver passes the suite in storetest.
//
// This package writes no keys. Each owner of records states its own keys, with
// a prefix that ends in "/", at the top of its file.
//
// Values are opaque here. Whoever writes a secret seals it first (package keys)
// and whoever files a record under a bearer token files it under a hash of it:
// a copy of the store must not be worth stealing.
package store

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"strings"
	"time"
	"unicode/utf8"
)

// Limits that every driver enforces, through [CheckKey], [CheckPrefix] and [CheckPut].
const (
	// MaxKeyLen is the longest key, in bytes.
	MaxKeyLen = 512
	// MaxValueLen is the longest value, in bytes.
	MaxValueLen = 1 << 20
	// MaxTTL is the longest time to live; longer ones are a mistake in a unit.
	MaxTTL = 100 * 365 * 24 * time.Hour
)

// Errors that callers branch on. Drivers return them as they are or wrapped.
var (
	// ErrNotFound says that there is no live record under the key.
	ErrNotFound = errors.New("store: not found")
	// ErrConflict says that the condition of a Put did not hold; nothing was written.
	ErrConflict = errors.New("store: conflict")
	// ErrUnavailable says that the store is closed, full, damaged or cannot be
	// reached. After it, and after a context error, a write may or may not have happened.
	ErrUnavailable = errors.New("store: unavailable")
	// ErrInvalid says that a key, value or time to live is outside the limits of
	// this package. It is a mistake of the calling code.
	ErrInvalid = errors.New("store: invalid argument")
)

// Item is one record.
type Item struct {
	// Key is the name of the record.
	Key string
	// Value belongs to whoever got the Item; changing it does not change the store.
	Value []byte
	// Version is never 0 and grows with every Put of the key, also across a
	// Take or Delete in between, so an old version never becomes current again.
	Version uint64
	// Expires is the time from which the record is gone; zero means never.
	// Drivers keep it to the millisecond or finer.
	Expires time.Time
}

// Condition is what must hold for a [Store.Put]. The zero Condition is [Any].
type Condition struct {
	absent   bool
	version  uint64
	unsynced bool
}

// Any is the condition that always holds.
func Any() Condition { return Condition{} }

// Absent holds when there is no live record under the key.
func Absent() Condition { return Condition{absent: true} }

// AtVersion holds when the live record has the version v. No record has version
// 0, so AtVersion(0) is the same as [Absent]: a zero Item stands for no record.
func AtVersion(v uint64) Condition { return Condition{absent: v == 0, version: v} }

// Unsynced returns the same condition for a record whose loss in a crash of the store
// does no harm: a driver that waits for its disk may acknowledge the write before that,
// and the record may be out of sight of Get and Scan until then, but not of another Put.
func (c Condition) Unsynced() Condition {
	c.unsynced = true
	return c
}

// MayLag reports whether the write may be acknowledged before it is safe; see [Condition.Unsynced].
func (c Condition) MayLag() bool { return c.unsynced }

// Holds reports whether the condition holds for a key whose live record has the
// version current; 0 stands for no live record.
func (c Condition) Holds(current uint64) bool {
	switch {
	case c.absent:
		return current == 0
	case c.version != 0:
		return current == c.version
	default:
		return true
	}
}

// Wants takes the condition apart, for drivers that must write it in another
// language: absent is set for [Absent], version is not 0 for [AtVersion], and
// neither is set for [Any].
func (c Condition) Wants() (absent bool, version uint64) { return c.absent, c.version }

// Store keeps records. All methods may be called from many goroutines at once,
// and each is atomic for all instances of authd that share the store. A method
// whose ctx has ended returns the error of ctx, and never blocks past that end.
// After the driver is closed every method returns [ErrUnavailable].
type Store interface {
	// Get returns the live record under key, or ErrNotFound.
	Get(ctx context.Context, key string) (Item, error)

	// Put writes value under key when the condition holds, else it returns
	// ErrConflict. The record is gone after ttl; 0 means that it stays. A Put
	// replaces the earlier ttl too. It returns the version of the new record.
	// When Put returns without error the record survives a crash, as far as
	// the driver can keep records at all; [Condition.Unsynced] waives that.
	Put(ctx context.Context, key string, value []byte, ttl time.Duration, when Condition) (version uint64, err error)

	// Take removes the live record under key and returns it, or ErrNotFound.
	// Of many callers exactly one gets the record.
	Take(ctx context.Context, key string) (Item, error)

	// Delete removes the record under key. It is no error when there is none.
	Delete(ctx context.Context, key string) error

	// Scan yields the live records whose keys start with prefix, in byte order
	// of the keys; "" means all. It reads page by page: a record that is there
	// the whole time is yielded once, one that comes or goes meanwhile may or may
	// not be. Every method may be called during a scan. An error is yielded once, last.
	Scan(ctx context.Context, prefix string) iter.Seq2[Item, error]

	// Watch returns a channel of the keys under prefix that are put, taken or
	// deleted from now on, by any instance; expiry is not announced, as it can
	// be foreseen. The key "" means "forget everything you know": changes were
	// missed, because the consumer lagged or the driver lost its connection.
	// A slow consumer never slows a writer down. The channel is closed when ctx
	// ends or when the store is closed; a consumer must forget everything then too.
	Watch(ctx context.Context, prefix string) (<-chan string, error)
}

// IsExpired reports whether a record that expires at the given time is gone at
// now. A zero expires never is.
func IsExpired(expires, now time.Time) bool {
	return !expires.IsZero() && !now.Before(expires)
}

// ExpiresAt returns when a record that is put at now with ttl expires: zero for
// ttl 0. It has no monotonic clock reading and is in UTC, as it goes to disk.
func ExpiresAt(now time.Time, ttl time.Duration) time.Time {
	if ttl == 0 {
		return time.Time{}
	}
	return now.Add(ttl).Round(0).UTC()
}

// CheckKey returns an error that wraps ErrInvalid unless key is 1 to [MaxKeyLen]
// bytes of UTF-8 without a zero byte, which every backend can hold. The error
// does not repeat the key: keys hold hashes of session ids.
func CheckKey(key string) error {
	if key == "" {
		return fmt.Errorf("%w: the key is empty", ErrInvalid)
	}
	return CheckPrefix(key)
}

// CheckPrefix is [CheckKey] for the prefix of a scan or watch, which may be empty.
func CheckPrefix(prefix string) error {
	if len(prefix) > MaxKeyLen {
		return fmt.Errorf("%w: the key has %d bytes, at most %d are allowed; file the record under a hash", ErrInvalid, len(prefix), MaxKeyLen)
	}
	if !utf8.ValidString(prefix) || strings.IndexByte(prefix, 0) >= 0 {
		return fmt.Errorf("%w: the key is not UTF-8 text without zero bytes; file the record under a hash", ErrInvalid)
	}
	return nil
}

// CheckPut returns an error that wraps ErrInvalid when the arguments of a Put
// are outside the limits. A negative ttl is refused: its record would be gone
// already, so a caller that computed it must not go on as if it had been kept.
func CheckPut(key string, value []byte, ttl time.Duration) error {
	if err := CheckKey(key); err != nil {
		return err
	}
	if len(value) > MaxValueLen {
		return fmt.Errorf("%w: the value has %d bytes, at most %d are allowed", ErrInvalid, len(value), MaxValueLen)
	}
	if ttl < 0 || ttl > MaxTTL {
		return fmt.Errorf("%w: the time to live is %s; it must be 0 (for ever) to %s", ErrInvalid, ttl, MaxTTL)
	}
	return nil
}
