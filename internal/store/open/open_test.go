package open_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/authd/authd/internal/store"
	"github.com/authd/authd/internal/store/file"
	"github.com/authd/authd/internal/store/memory"
	"github.com/authd/authd/internal/store/open"
	"github.com/authd/authd/internal/store/storetest"
)

func TestOpen(t *testing.T) {
	dir := t.TempDir()
	t.Chdir(dir)
	tests := []struct {
		url, path string // path: the file that must be there then; empty: memory
	}{
		{"memory:", ""},
		{"memory://", ""},
		{"file:authd.db", "authd.db"},
		{"file:sub/authd.db", "sub/authd.db"},
		{"file:./a b%20c?d#e.db", "a b%20c?d#e.db"},
		{"file:" + dir + "/absolute.db", "absolute.db"},
		{"file://" + dir + "/slashes.db", "slashes.db"},
	}
	for _, tt := range tests {
		t.Run(tt.url, func(t *testing.T) {
			clock := storetest.NewClock()
			s, closer, err := open.Open(t.Context(), tt.url, open.Options{Now: clock.Now})
			if err != nil {
				t.Fatal(err)
			}
			if _, isMemory := s.(*memory.Store); isMemory != (tt.path == "") {
				t.Errorf("opened a %T", s)
			}
			if _, err := os.Stat(filepath.Join(dir, tt.path)); err != nil {
				t.Errorf("no file: %v", err)
			}
			if _, err := s.Put(t.Context(), "k", []byte("v"), time.Minute, store.Any()); err != nil {
				t.Error(err)
			}
			clock.Advance(time.Minute)
			if _, err := s.Get(t.Context(), "k"); !errors.Is(err, store.ErrNotFound) {
				t.Errorf("Get after the given clock moved on: %v, want ErrNotFound", err)
			}
			if err := closer.Close(); err != nil {
				t.Errorf("Close: %v", err)
			}
			if _, err := s.Get(t.Context(), "k"); !errors.Is(err, store.ErrUnavailable) {
				t.Errorf("Get after Close: %v, want ErrUnavailable", err)
			}
		})
	}
}

func TestBadURLs(t *testing.T) {
	t.Chdir(t.TempDir())
	tests := []struct{ url, says string }{
		{"", "it has no scheme; write one of file:PATH, memory:"},
		{"authd.db", "it has no scheme"},
		{"etcd://user:hunter2@host/0", `the scheme "etcd" is not supported; write one of file:PATH, memory:`},
		{"FILE:authd.db", `the scheme "FILE" is not supported`},
		{"memory:hunter2", "nothing may follow memory:"},
		{"file:", "file: lacks a path; write file:authd.db"},
		{"file:///", "file:/ is a directory"},
		{"file:sub/", "file:sub/ is a directory; write file:sub/authd.db"},
		{"file://authd.db", "file://authd.db names a host; write file:authd.db for a relative path"},
		{"file:a\x00b", "has a zero byte"},
		{"my-long-password-hunter2:x", `the scheme "my-long-pass…" is not supported`},
	}
	for _, tt := range tests {
		t.Run(tt.url, func(t *testing.T) {
			s, closer, err := open.Open(t.Context(), tt.url, open.Options{})
			if !errors.Is(err, open.ErrURL) || s != nil || closer != nil {
				t.Fatalf("Open = %v, %v, %v, want ErrURL", s, closer, err)
			}
			if !strings.Contains(err.Error(), tt.says) {
				t.Errorf("error %q does not say %q", err, tt.says)
			}
			// Threat 152: a password in the URL stays out of the error.
			if strings.Contains(err.Error(), "hunter2") {
				t.Errorf("error %q holds the password", err)
			}
		})
	}
	if entries, err := os.ReadDir("."); err != nil || len(entries) != 0 {
		t.Errorf("bad URLs left %v, %v behind", entries, err)
	}
}

func TestEndedContextOpensNothing(t *testing.T) {
	t.Chdir(t.TempDir())
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, _, err := open.Open(ctx, "file:authd.db", open.Options{}); !errors.Is(err, context.Canceled) {
		t.Errorf("Open: %v, want context.Canceled", err)
	}
	if entries, err := os.ReadDir("."); err != nil || len(entries) != 0 {
		t.Errorf("an ended context left %v, %v behind", entries, err)
	}
}

func TestErrorsOfTheDriverComeThrough(t *testing.T) {
	url := "file:" + filepath.Join(t.TempDir(), "authd.db")
	_, closer, err := open.Open(t.Context(), url, open.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer closer.Close()
	s, second, err := open.Open(t.Context(), url, open.Options{})
	if !errors.Is(err, file.ErrInUse) || errors.Is(err, open.ErrURL) || s != nil || second != nil {
		t.Errorf("second Open = %v, %v, %v, want ErrInUse", s, second, err)
	}
}

func TestSchemes(t *testing.T) {
	if diff := cmp.Diff([]string{"file", "memory"}, open.Schemes()); diff != "" {
		t.Errorf("Schemes (-want +got):\n%s", diff)
	}
}
