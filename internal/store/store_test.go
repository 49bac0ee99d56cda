package store_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/authd/authd/internal/store"
)

func TestConditionHolds(t *testing.T) {
	tests := []struct {
		name    string
		when    store.Condition
		current uint64
		want    bool
	}{
		{"any, no record", store.Any(), 0, true},
		{"any, record", store.Any(), 7, true},
		{"zero condition is any", store.Condition{}, 7, true},
		{"absent, no record", store.Absent(), 0, true},
		{"absent, record", store.Absent(), 1, false},
		{"at version, same", store.AtVersion(7), 7, true},
		{"at version, newer", store.AtVersion(7), 8, false},
		{"at version, older", store.AtVersion(7), 6, false},
		{"at version, no record", store.AtVersion(7), 0, false},
		{"at version 0, no record", store.AtVersion(0), 0, true},
		{"at version 0, record", store.AtVersion(0), 1, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := tt.when.Holds(tt.current); got != tt.want {
				t.Errorf("Holds(%d) = %v, want %v", tt.current, got, tt.want)
			}
		})
	}
}

func TestConditionWants(t *testing.T) {
	tests := []struct {
		name    string
		when    store.Condition
		absent  bool
		version uint64
	}{
		{"any", store.Any(), false, 0},
		{"absent", store.Absent(), true, 0},
		{"at version", store.AtVersion(9), false, 9},
		{"at version 0 is absent", store.AtVersion(0), true, 0},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			absent, version := tt.when.Wants()
			if absent != tt.absent || version != tt.version {
				t.Errorf("Wants() = %v, %d, want %v, %d", absent, version, tt.absent, tt.version)
			}
		})
	}
}

func TestIsExpired(t *testing.T) {
	now := time.Date(2026, 1, 2, 3, 4, 5, 6, time.UTC)
	tests := []struct {
		name    string
		expires time.Time
		want    bool
	}{
		{"never", time.Time{}, false},
		{"later", now.Add(1), false},
		{"this instant", now, true},
		{"earlier", now.Add(-1), true},
		{"same instant, other zone", now.In(time.FixedZone("X", 3600)), true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := store.IsExpired(tt.expires, now); got != tt.want {
				t.Errorf("IsExpired = %v, want %v", got, tt.want)
			}
		})
	}
}

func TestExpiresAt(t *testing.T) {
	now := time.Now()
	if got := store.ExpiresAt(now, 0); !got.IsZero() {
		t.Errorf("ExpiresAt(now, 0) = %v, want zero", got)
	}
	got := store.ExpiresAt(now, time.Minute)
	if want := now.Add(time.Minute); !got.Equal(want) {
		t.Errorf("ExpiresAt = %v, want %v", got, want)
	}
	if got.Location() != time.UTC || strings.Contains(got.String(), "m=") {
		t.Errorf("ExpiresAt = %v, want UTC without a monotonic reading", got)
	}
}

func TestCheckKey(t *testing.T) {
	tests := []struct {
		name, key string
		ok        bool
	}{
		{"short", "a", true},
		{"text", "session/ümlaut €", true},
		{"longest", strings.Repeat("k", store.MaxKeyLen), true},
		{"too long", strings.Repeat("k", store.MaxKeyLen+1), false},
		{"empty", "", false},
		{"zero byte", "a\x00b", false},
		{"not UTF-8", "a\xffb", false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			err := store.CheckKey(tt.key)
			if (err == nil) != tt.ok {
				t.Fatalf("CheckKey: %v, want ok = %v", err, tt.ok)
			}
			if err != nil && !errors.Is(err, store.ErrInvalid) {
				t.Errorf("CheckKey: %v, want ErrInvalid", err)
			}
			// Threat 62: keys hold hashes of session ids; an error goes to the log.
			if err != nil && len(tt.key) > 1 && strings.Contains(err.Error(), tt.key) {
				t.Errorf("CheckKey repeats the key: %v", err)
			}
		})
	}
	if err := store.CheckPrefix(""); err != nil {
		t.Errorf("CheckPrefix(\"\"): %v, want nil", err)
	}
}

func TestCheckPut(t *testing.T) {
	tests := []struct {
		name  string
		key   string
		value []byte
		ttl   time.Duration
		want  string // part of the error; empty: no error
	}{
		{"fine", "k", []byte("v"), time.Second, ""},
		{"no value, for ever", "k", nil, 0, ""},
		{"largest value", "k", make([]byte, store.MaxValueLen), 0, ""},
		{"longest ttl", "k", nil, store.MaxTTL, ""},
		{"bad key", "", nil, 0, "key is empty"},
		{"value too large", "k", make([]byte, store.MaxValueLen+1), 0, "1048577 bytes, at most 1048576"},
		{"negative ttl", "k", nil, -1, "time to live is -1ns"},
		{"ttl too long", "k", nil, store.MaxTTL + 1, "time to live"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			err := store.CheckPut(tt.key, tt.value, tt.ttl)
			if tt.want == "" {
				if err != nil {
					t.Fatalf("CheckPut: %v, want nil", err)
				}
				return
			}
			if !errors.Is(err, store.ErrInvalid) || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("CheckPut: %v, want ErrInvalid with %q", err, tt.want)
			}
		})
	}
}
