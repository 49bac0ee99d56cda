package catalog

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// identity is what tells one file from another without reading it. A file that was written to, or put in another's
// place, has another one.
type identity struct {
	dev, ino     uint64
	size         int64
	mtime, ctime unix.Timespec
}

// identify returns the identity of the file at path; symbolic links are followed.
func identify(path string) (identity, error) {
	var stat unix.Stat_t
	if err := unix.Stat(path, &stat); err != nil {
		return identity{}, &fs.PathError{Op: "stat", Path: path, Err: err}
	}
	return identityOf(stat), nil
}

func identifyOpen(f *os.File) (identity, error) {
	var stat unix.Stat_t
	if err := unix.Fstat(int(f.Fd()), &stat); err != nil {
		return identity{}, &fs.PathError{Op: "stat", Path: f.Name(), Err: err}
	}
	return identityOf(stat), nil
}

func identityOf(stat unix.Stat_t) identity {
	return identity{dev: uint64(stat.Dev), ino: stat.Ino, size: stat.Size, mtime: stat.Mtim, ctime: stat.Ctim}
}

// sameBytes reports whether nothing was written between two looks at a file; its links and permissions may have changed.
func (id identity) sameBytes(as identity) bool {
	id.ctime, as.ctime = unix.Timespec{}, unix.Timespec{}
	return id == as
}

// young reports whether the file may still be being written: it was changed less than age ago.
func (id identity) young(age time.Duration) bool {
	since := time.Since(time.Unix(id.ctime.Unix()))
	return id != identity{} && since < age && since > -age
}

// digestsMax bounds the cache; a plugins directory holds far fewer files.
const digestsMax = 256

// digests caches the SHA-256 of files by their identity, so that a file is read once. The zero value is usable.
type digests struct {
	mu   sync.Mutex
	sums map[identity]string
}

// of returns the SHA-256 of the file at path in hex, and which file that was.
func (d *digests) of(path string) (sum string, id identity, err error) {
	if id, err = identify(path); err != nil {
		return "", identity{}, err
	}
	if sum, ok := d.known(id); ok {
		return sum, id, nil
	}
	f, err := os.Open(path)
	if err != nil {
		return "", identity{}, err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	if id, err = identifyOpen(f); err != nil {
		return "", identity{}, err
	}
	hash := sha256.New()
	if _, err := io.Copy(hash, f); err != nil {
		return "", identity{}, err
	}
	// What was written to meanwhile has a digest that belongs to no file. A new link or name is no matter.
	now, err := identifyOpen(f)
	if err != nil || !now.sameBytes(id) {
		return "", identity{}, errors.Join(err, fmt.Errorf("%s is being written", path))
	}
	id = now
	sum = hex.EncodeToString(hash.Sum(nil))
	d.learn(id, sum)
	return sum, id, nil
}

// known returns the digest of a file that was read before.
func (d *digests) known(id identity) (sum string, ok bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	sum, ok = d.sums[id]
	return sum, ok
}

// learn notes the digest of a file.
func (d *digests) learn(id identity, sum string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.sums == nil || len(d.sums) >= digestsMax {
		d.sums = map[identity]string{}
	}
	d.sums[id] = sum
}
