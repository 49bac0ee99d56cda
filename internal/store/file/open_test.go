package file_test

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	bolt "go.etcd.io/bbolt"

	"github.com/authd/authd/internal/store"
	"github.com/authd/authd/internal/store/file"
	"github.com/authd/authd/internal/store/storetest"
)

func mode(t *testing.T, path string) os.FileMode {
	t.Helper()
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	return info.Mode().Perm()
}

func put(t *testing.T, s *file.Store, key, value string, ttl time.Duration) uint64 {
	t.Helper()
	version, err := s.Put(t.Context(), key, []byte(value), ttl, store.Any())
	if err != nil {
		t.Fatalf("Put %q: %v", key, err)
	}
	return version
}

func want(t *testing.T, s *file.Store, key, value string) {
	t.Helper()
	item, err := s.Get(t.Context(), key)
	if err != nil || string(item.Value) != value {
		t.Fatalf("Get %q = %q, %v, want %q", key, item.Value, err, value)
	}
}

// Threat 146: nobody else may read the file, nor enter a directory made for it.
func TestModes(t *testing.T) {
	top := t.TempDir()
	if err := os.Chmod(top, 0o755); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(top, "var", "lib", "authd.db")
	s := open(t, path, file.Options{})
	put(t, s, "k", "v", 0)
	if got := mode(t, path); got != 0o600 {
		t.Errorf("new file has mode %o, want 600", got)
	}
	for _, dir := range []string{"var", "var/lib"} {
		if got := mode(t, filepath.Join(top, dir)); got != 0o700 {
			t.Errorf("new directory %s has mode %o, want 700", dir, got)
		}
	}
	if got := mode(t, top); got != 0o755 {
		t.Errorf("a directory that was there has mode %o, want the old 755", got)
	}
}

// Threat 146: a file that was copied back with careless rights is closed to others.
func TestModeOfOldFileIsMended(t *testing.T) {
	path := filepath.Join(t.TempDir(), "authd.db")
	s := open(t, path, file.Options{})
	put(t, s, "k", "v", 0)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(path, 0o664); err != nil {
		t.Fatal(err)
	}
	want(t, open(t, path, file.Options{}), "k", "v")
	if got := mode(t, path); got != 0o600 {
		t.Errorf("the file has mode %o, want 600", got)
	}
}

// Threat 148: a second instance on one file refuses, says why and what to do.
func TestSecondInstanceRefuses(t *testing.T) {
	path := filepath.Join(t.TempDir(), "authd.db")
	first := open(t, path, file.Options{})
	put(t, first, "k", "v", 0)
	_, err := file.Open(path, file.Options{LockWait: 60 * time.Millisecond})
	if !errors.Is(err, file.ErrInUse) {
		t.Fatalf("second Open: %v, want ErrInUse", err)
	}
	for _, part := range []string{"file:" + path, "in use by another authd (it holds the lock)", "stop it: a file is for one authd at a time"} {
		if !strings.Contains(err.Error(), part) {
			t.Errorf("error %q does not say %q", err, part)
		}
	}
	put(t, first, "k", "unharmed", 0)
	if err := first.Close(); err != nil {
		t.Fatal(err)
	}
	want(t, open(t, path, file.Options{LockWait: 60 * time.Millisecond}), "k", "unharmed")
}

func TestReopen(t *testing.T) {
	path := filepath.Join(t.TempDir(), "authd.db")
	clock := storetest.NewClock()
	opt := file.Options{Now: clock.Now}
	s := open(t, path, opt)
	put(t, s, "ever", "1", 0)
	put(t, s, "hour", "2", time.Hour)
	put(t, s, "minute", "3", time.Minute)
	put(t, s, "taken", "4", 0)
	last := put(t, s, "deleted", "5", 0)
	if _, err := s.Take(t.Context(), "taken"); err != nil {
		t.Fatal(err)
	}
	if err := s.Delete(t.Context(), "deleted"); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	clock.Advance(time.Minute)

	s = open(t, path, opt)
	want(t, s, "ever", "1")
	want(t, s, "hour", "2")
	for _, key := range []string{"minute", "taken", "deleted"} {
		if _, err := s.Get(t.Context(), key); !errors.Is(err, store.ErrNotFound) {
			t.Errorf("Get %q: %v, want ErrNotFound", key, err)
		}
	}
	if version := put(t, s, "deleted", "6", 0); version <= last {
		t.Errorf("version %d after reopening, had given %d", version, last)
	}
}

func TestRelativePathStaysPut(t *testing.T) {
	dir, other := t.TempDir(), t.TempDir()
	t.Chdir(dir)
	s := open(t, "authd.db", file.WithShrinkFrom(file.Options{}, 1))
	t.Chdir(other)
	put(t, s, "k", "v", 0)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if entries, err := os.ReadDir(other); err != nil || len(entries) != 0 {
		t.Errorf("in the other directory: %v, %v", entries, err)
	}
	want(t, open(t, filepath.Join(dir, "authd.db"), file.Options{}), "k", "v")
}

func TestPathsThatCannotBe(t *testing.T) {
	dir := t.TempDir()
	plain := filepath.Join(dir, "plain")
	if err := os.WriteFile(plain, []byte("x"), 0o600); err != nil {
		t.Fatal(err)
	}
	tests := []struct{ name, path, says string }{
		{"a directory", dir, "cannot be opened"},
		{"below a file", filepath.Join(plain, "authd.db"), "cannot make its directory"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := file.Open(tt.path, file.Options{})
			if err == nil || !strings.Contains(err.Error(), "file:"+tt.path) || !strings.Contains(err.Error(), tt.says) {
				t.Errorf("Open: %v, want an error that names the path and says %q", err, tt.says)
			}
		})
	}
}

// sample writes a store with some hundred records and returns its bytes.
func sample(t *testing.T, path string) []byte {
	t.Helper()
	s, err := file.Open(path, file.Options{})
	if err != nil {
		t.Fatal(err)
	}
	for i := range 300 {
		put(t, s, fmt.Sprintf("k%03d", i), strings.Repeat("v", 200), time.Duration(i%2)*time.Hour)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return content
}

// spoil returns a copy of content with the bytes from..to replaced.
func spoil(content []byte, from, to int, b byte) []byte {
	bad := bytes.Clone(content)
	copy(bad[from:to], bytes.Repeat([]byte{b}, to-from))
	return bad
}

func TestDamagedFileIsRefused(t *testing.T) {
	path := filepath.Join(t.TempDir(), "authd.db")
	good := sample(t, path)
	page := os.Getpagesize()
	tests := []struct {
		name    string
		content []byte
	}{
		{"text", []byte("[server]\nlisten = \"127.0.0.1:4180\"\n")},
		{"one byte", []byte{0}},
		{"zeros", make([]byte, 64<<10)},
		{"ones", bytes.Repeat([]byte{0xff}, 64<<10)},
		{"both meta pages gone", spoil(good, 0, 2*page, 0)},
		{"cut in the middle", good[:len(good)/2]},
		{"cut after the meta pages", good[:2*page]},
		{"cut after four pages", good[:4*page]},
		{"all pages zero", spoil(good, 2*page, len(good), 0)},
		{"all pages ones", spoil(good, 2*page, len(good), 0xff)},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if err := os.WriteFile(path, tt.content, 0o600); err != nil {
				t.Fatal(err)
			}
			s, err := file.Open(path, file.Options{})
			if err == nil {
				s.Close()
				t.Fatal("Open succeeded")
			}
			for _, part := range []string{"file:" + path, "damaged", "restore it from a backup"} {
				if !strings.Contains(err.Error(), part) {
					t.Errorf("error %q does not say %q", err, part)
				}
			}
			if got, err := os.ReadFile(path); err != nil || !bytes.Equal(got, tt.content) {
				t.Errorf("the damaged file was changed (%v)", err)
			}
			// Nothing holds the file: once restored it opens.
			if err := os.WriteFile(path, good, 0o600); err != nil {
				t.Fatal(err)
			}
			s, err = file.Open(path, file.Options{LockWait: 60 * time.Millisecond})
			if err != nil {
				t.Fatalf("Open of the restored file: %v", err)
			}
			want(t, s, "k000", strings.Repeat("v", 200))
			s.Close()
		})
	}
}

// TestDamageAnywhereNeverCrashes spoils pages one after the other. Some harm
// nothing, as free pages do; some are found at the start, some when they are
// read. None may end the process.
func TestDamageAnywhereNeverCrashes(t *testing.T) {
	path := filepath.Join(t.TempDir(), "authd.db")
	good := sample(t, path)
	page := os.Getpagesize()
	random := rand.New(rand.NewPCG(3, 4))
	refused := 0
	for n := range len(good) / page {
		for _, b := range []byte{0, 0xff, byte(random.IntN(256))} {
			if err := os.WriteFile(path, spoil(good, n*page, (n+1)*page, b), 0o600); err != nil {
				t.Fatal(err)
			}
			s, err := file.Open(path, file.Options{})
			if err != nil {
				refused++
				continue
			}
			for _, err := range s.Scan(t.Context(), "") {
				if err != nil && !errors.Is(err, store.ErrUnavailable) {
					t.Errorf("page %d: Scan: %v, want ErrUnavailable", n, err)
				}
			}
			if err := s.Close(); err != nil {
				t.Errorf("page %d: Close: %v", n, err)
			}
		}
	}
	if refused == 0 {
		t.Error("not one damaged file was refused")
	}
}

// TestDamageWhileOpen: the pages go bad under a running store, which must answer
// with errors, not end, and close.
func TestDamageWhileOpen(t *testing.T) {
	path := filepath.Join(t.TempDir(), "authd.db")
	good := sample(t, path)
	s := open(t, path, file.Options{TidyEvery: time.Hour})
	f, err := os.OpenFile(path, os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	page := int64(os.Getpagesize())
	if _, err := f.WriteAt(bytes.Repeat([]byte{0xff}, len(good)-2*int(page)), 2*page); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Get(t.Context(), "k000"); !errors.Is(err, store.ErrUnavailable) {
		t.Errorf("Get: %v, want ErrUnavailable", err)
	}
	for range 2 {
		if _, err := s.Put(t.Context(), "k000", nil, 0, store.Any()); !errors.Is(err, store.ErrUnavailable) {
			t.Errorf("Put: %v, want ErrUnavailable", err)
		}
	}
	if err := s.Close(); err != nil {
		t.Errorf("Close: %v", err)
	}
	if err := os.WriteFile(path, good, 0o600); err != nil {
		t.Fatal(err)
	}
	want(t, open(t, path, file.Options{LockWait: 60 * time.Millisecond}), "k000", strings.Repeat("v", 200))
}

// bbolt writes a bbolt file with one bucket and one record.
func bboltFile(t *testing.T, path, bucket, key, value string) {
	t.Helper()
	db, err := bolt.Open(path, 0o600, nil)
	if err != nil {
		t.Fatal(err)
	}
	err = db.Update(func(tx *bolt.Tx) error {
		b, err := tx.CreateBucketIfNotExists([]byte(bucket))
		if err != nil {
			return err
		}
		return b.Put([]byte(key), []byte(value))
	})
	if err := errors.Join(err, db.Close()); err != nil {
		t.Fatal(err)
	}
}

func TestForeignAndNewerFilesAreRefused(t *testing.T) {
	foreign := filepath.Join(t.TempDir(), "foreign.db")
	bboltFile(t, foreign, "somebody", "else", "x")
	newer := filepath.Join(t.TempDir(), "newer.db")
	sample(t, newer)
	bboltFile(t, newer, "about", "format", "2")
	short := filepath.Join(t.TempDir(), "short.db")
	sample(t, short)
	bboltFile(t, short, "records", "k", "too short")
	unindexed := filepath.Join(t.TempDir(), "unindexed.db")
	sample(t, unindexed)
	bboltFile(t, unindexed, "expiry", "12345678key", "\x01")

	for path, says := range map[string]string{
		foreign:   "a bbolt file with other content",
		newer:     `has the format "2", this authd reads "1"; use the version of authd that wrote it`,
		short:     "a record of 9 bytes",
		unindexed: "150 records expire, 151 are in the index",
	} {
		_, err := file.Open(path, file.Options{})
		if err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("Open: %v, want an error that says %q", err, says)
		}
	}
}

func TestEmptyFileIsANewStore(t *testing.T) {
	path := filepath.Join(t.TempDir(), "authd.db") // as mktemp leaves it
	if err := os.WriteFile(path, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	s := open(t, path, file.Options{})
	put(t, s, "k", "v", 0)
	want(t, s, "k", "v")
}
