package file

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"math"
	"os"
	"runtime"
	"runtime/debug"
	"syscall"

	bolt "go.etcd.io/bbolt"
	berrors "go.etcd.io/bbolt/errors"
)

// verifyUpTo is the size up to which every record is looked at when the store is
// opened. It keeps the start of a large store quick; damage further in shows as
// an error when it is met.
const verifyUpTo = 64 << 20

// errDamaged marks what no healthy store file causes.
var errDamaged = errors.New("damaged, or not a store of authd; restore it from a backup, or move it away to start empty (everybody is signed out then)")

// database is a bbolt file together with its descriptor.
type database struct {
	*bolt.DB
	file *os.File
}

// openDatabase opens the bbolt file at path, which it creates if there is none,
// and takes the lock on it. It makes sure that nobody else may read the file.
func openDatabase(path string, opt Options) (*database, error) {
	db := &database{}
	err := guard(func() (err error) {
		db.DB, err = bolt.Open(path, 0o600, &bolt.Options{
			Timeout:      opt.LockWait,
			FreelistType: bolt.FreelistMapType,
			MaxSize:      int(min(opt.MaxBytes, math.MaxInt)),
			OpenFile: func(name string, flag int, mode fs.FileMode) (*os.File, error) {
				db.file, err = openPrivate(name, flag, mode)
				return db.file, err
			},
		})
		return err
	})
	if err != nil {
		if db.file != nil && errors.Is(err, errDamaged) { // bbolt crashed, and left it open
			err = errors.Join(err, abandon(db.file))
		}
		return nil, explainOpen(err)
	}
	if err := db.stillAt(path); err != nil {
		return nil, errors.Join(err, db.Close())
	}
	return db, nil
}

// explainOpen says what an error of opening means and how to mend it.
func explainOpen(err error) error {
	var errno syscall.Errno
	switch {
	case errors.Is(err, berrors.ErrTimeout):
		return fmt.Errorf("%w; stop it: a file is for one authd at a time", ErrInUse)
	case errors.Is(err, syscall.ENOSPC):
		return fmt.Errorf("no room for it: %w; free some space on that disk", err)
	case errors.As(err, &errno):
		return fmt.Errorf("cannot be opened: %w; the file and its directory must belong to the user that runs authd", err)
	case errors.Is(err, errDamaged):
		return err
	default:
		return fmt.Errorf("%w: %w", errDamaged, err)
	}
}

// openPrivate opens a file and takes the rights of group and others away, should
// it have been made with them.
func openPrivate(name string, flag int, mode fs.FileMode) (*os.File, error) {
	f, err := os.OpenFile(name, flag, mode)
	if err != nil {
		return nil, err
	}
	info, err := f.Stat()
	if err == nil && info.Mode().Perm()&0o077 != 0 && runtime.GOOS != "windows" {
		err = f.Chmod(0o600)
	}
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return f, nil
}

// stillAt makes sure that the file that is open is the one at path. It is not
// when its owner shrank it, that is to say replaced it, while we waited for the lock.
func (db *database) stillAt(path string) error {
	mine, err := db.file.Stat()
	if err != nil {
		return err
	}
	current, err := os.Stat(path)
	if err != nil {
		return err
	}
	if !os.SameFile(mine, current) {
		return fmt.Errorf("%w; the file was replaced while it was opened; stop the other: a file is for one authd at a time", ErrInUse)
	}
	return nil
}

// prepare checks what is in the file and lays out a new one.
func prepare(db *database) error {
	return guard(func() error {
		isNew := false
		err := db.View(func(tx *bolt.Tx) error {
			info, err := db.file.Stat()
			if err != nil {
				return err
			}
			if info.Size() < tx.Size() {
				return fmt.Errorf("%w: it has %d bytes of %d", errDamaged, info.Size(), tx.Size())
			}
			if first, _ := tx.Cursor().First(); first == nil {
				isNew = true
				return nil
			}
			return verify(tx)
		})
		if err != nil || !isNew {
			return err
		}
		return db.Update(layOut)
	})
}

// verify checks the format, and each record unless there is too much to read.
func verify(tx *bolt.Tx) error {
	about, data, index := tx.Bucket(aboutBucket()), tx.Bucket(recordsBucket()), tx.Bucket(expiryBucket())
	if about == nil || data == nil || index == nil {
		return fmt.Errorf("%w: it is a bbolt file with other content", errDamaged)
	}
	if got := about.Get(formatKey()); !bytes.Equal(got, format()) {
		return fmt.Errorf("it has the format %q, this authd reads %q; use the version of authd that wrote it", got, format())
	}
	if tx.Size() > verifyUpTo {
		return nil
	}
	expiring, err := verifyBucket(data, func(_, v []byte) (bool, error) {
		r, err := decode(v)
		return r.expires != 0, err
	})
	if err != nil {
		return err
	}
	indexed, err := verifyBucket(index, func(k, _ []byte) (bool, error) {
		if len(k) <= stampLen {
			return false, fmt.Errorf("%w: a bad entry in the index", errDamaged)
		}
		return true, nil
	})
	if err != nil {
		return err
	}
	if expiring != indexed {
		return fmt.Errorf("%w: %d records expire, %d are in the index", errDamaged, expiring, indexed)
	}
	return nil
}

// verifyBucket checks that keys are in order, and counts the entries that count.
func verifyBucket(b *bolt.Bucket, counts func(k, v []byte) (bool, error)) (n int, err error) {
	var last []byte
	err = b.ForEach(func(k, v []byte) error {
		if last != nil && bytes.Compare(last, k) >= 0 {
			return fmt.Errorf("%w: keys out of order", errDamaged)
		}
		last = k
		if v == nil {
			return fmt.Errorf("%w: a bucket in the place of a record", errDamaged)
		}
		yes, err := counts(k, v)
		if yes {
			n++
		}
		return err
	})
	return n, err
}

// guard runs f and makes an error of a crash in it: bbolt trusts its file, so
// that a damaged page makes it panic, and a missing one fault.
func guard(f func() error) (err error) {
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	defer func() {
		if crash := recover(); crash != nil {
			err = fmt.Errorf("%w: %v", errDamaged, crash)
		}
	}()
	return f()
}

// syncDir makes the names in a directory durable.
func syncDir(path string) error {
	if runtime.GOOS == "windows" { // where directories cannot be synced
		return nil
	}
	dir, err := os.Open(path)
	if err != nil {
		return err
	}
	return errors.Join(dir.Sync(), dir.Close())
}
