package file

import (
	"bytes"
	"errors"
	"slices"
	"testing"
	"time"
)

func TestEncodeDecode(t *testing.T) {
	expires := time.Date(2031, 5, 6, 7, 8, 9, 123456789, time.UTC)
	for _, tt := range []struct {
		name    string
		value   []byte
		expires time.Time
	}{
		{"value and expiry", []byte("v"), expires},
		{"never", []byte("v"), time.Time{}},
		{"no value", nil, expires},
	} {
		t.Run(tt.name, func(t *testing.T) {
			raw := encode(tt.value, tt.expires)
			raw[stampLen-1] = 42 // the version, as put gives it
			r, err := decode(raw)
			if err != nil {
				t.Fatal(err)
			}
			item := r.item("k")
			if item.Version != 42 || !item.Expires.Equal(tt.expires) || !bytes.Equal(item.Value, tt.value) {
				t.Errorf("got %+v, want version 42, expiry %v, value %q", item, tt.expires, tt.value)
			}
		})
	}
}

func TestDecodeRefusesJunk(t *testing.T) {
	if r, err := decode(nil); err != nil || r.version != 0 {
		t.Errorf("no record: %+v, %v, want version 0", r, err)
	}
	version := []byte{0, 0, 0, 0, 0, 0, 0, 1}
	for name, raw := range map[string][]byte{
		"empty":           {},
		"short":           version,
		"version 0":       make([]byte, headerLen),
		"negative expiry": slices.Concat(version, bytes.Repeat([]byte{0xff}, stampLen)),
	} {
		if _, err := decode(raw); !errors.Is(err, errDamaged) {
			t.Errorf("%s: %v, want errDamaged", name, err)
		}
	}
}

func TestLiveAt(t *testing.T) {
	for _, tt := range []struct {
		name string
		r    record
		want bool
	}{
		{"no record", record{}, false},
		{"for ever", record{version: 1}, true},
		{"later", record{version: 1, expires: 101}, true},
		{"now", record{version: 1, expires: 100}, false},
		{"earlier", record{version: 1, expires: 99}, false},
	} {
		if got := tt.r.liveAt(100); got != tt.want {
			t.Errorf("%s: live = %v, want %v", tt.name, got, tt.want)
		}
	}
}

func TestIndexKeysSortByTime(t *testing.T) {
	keys := [][]byte{
		indexKey(1, []byte("z")),
		indexKey(255, []byte("y")),
		indexKey(256, []byte("x")),
		indexKey(256, []byte("xx")),
		indexKey(time.Now().UnixNano(), []byte("a")),
	}
	if !slices.IsSortedFunc(keys, bytes.Compare) {
		t.Errorf("not in order: %q", keys)
	}
}
