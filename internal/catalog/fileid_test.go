package catalog

import (
	"crypto/sha256"
	"encoding/hex"
	"os"
	"path/filepath"
	"testing"
	"time"
)

func TestIdentity(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "a")
	save(t, path, "one")
	first, err := identify(path)
	if err != nil || first == (identity{}) {
		t.Fatalf("identify = %+v, %v", first, err)
	}
	if !first.young(longEnough) || first.young(time.Nanosecond) || (identity{}).young(longEnough) {
		t.Errorf("young: %+v", first)
	}
	for what, change := range map[string]func(){
		"another length": func() { save(t, path, "three") },
		"another time": func() {
			if err := os.Chtimes(path, time.Now(), time.Now().Add(-time.Hour)); err != nil {
				t.Fatal(err)
			}
		},
		"another file": func() { save(t, path+".new", "one"); move(t, path+".new", path) },
	} {
		before, _ := identify(path)
		change()
		if after, err := identify(path); err != nil || after == before {
			t.Errorf("%s: identify = %+v, %v", what, after, err)
		}
	}
	relink(t, "a", filepath.Join(dir, "b"))
	a, _ := identify(path)
	if b, err := identify(filepath.Join(dir, "b")); err != nil || a != b {
		t.Errorf("through a link: %+v, %v, want %+v", b, err, a)
	}
	_, err = identify(filepath.Join(dir, "none"))
	fails(t, "identify", err, "stat "+filepath.Join(dir, "none")+": no such file")
}

func TestDigests(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a")
	save(t, path, "one")
	var files digests
	want := sha256.Sum256([]byte("one"))
	sum, id, err := files.of(path)
	if err != nil || sum != hex.EncodeToString(want[:]) {
		t.Fatalf("of = %s, %v", sum, err)
	}
	if got, ok := files.known(id); !ok || got != sum {
		t.Errorf("known = %s, %v", got, ok)
	}
	files.learn(id, "learned") // so it was not read again
	if got, _, err := files.of(path); err != nil || got != "learned" {
		t.Errorf("of, again = %s, %v", got, err)
	}
	save(t, path, "three")
	if got, now, err := files.of(path); err != nil || got == sum || got == "learned" || now == id {
		t.Errorf("of another content = %s, %v", got, err)
	}
	_, _, err = files.of(path + ".none")
	fails(t, "of", err, "no such file")
	for i := range int64(2 * digestsMax) {
		files.learn(identity{size: i}, "x")
	}
	if len(files.sums) > digestsMax {
		t.Errorf("%d digests are kept, want at most %d", len(files.sums), digestsMax)
	}
}
