package catalog

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// Threat 138: nobody else can reach the sockets.
func TestSocketsArePrivate(t *testing.T) {
	parent := filepath.Join(shortDir(t), "run")
	s, err := newSockets(parent, nil)
	if err != nil {
		t.Fatal(err)
	}
	dir, err := s.make()
	if err != nil {
		t.Fatal(err)
	}
	for _, d := range []string{parent, s.base, dir} {
		info, err := os.Stat(d)
		if err != nil {
			t.Fatal(err)
		}
		if got := info.Mode().Perm(); got != 0o700 {
			t.Errorf("mode of %s = %v, want 0700", d, got)
		}
	}
	other, err := s.make()
	if err != nil || other == dir {
		t.Errorf("make = %q, %v; want another directory than %q", other, err, dir)
	}
	if err := s.remove(); err != nil {
		t.Errorf("remove: %v", err)
	}
	if _, err := os.Stat(s.base); !os.IsNotExist(err) {
		t.Errorf("the directory is still there: %v", err)
	}
}

// The path of a unix socket must be short: the seventh of go-plugin's traps.
func TestSocketsRefuseALongPath(t *testing.T) {
	long := filepath.Join(t.TempDir(), strings.Repeat("x", 90))
	if _, err := newSockets(long, nil); err == nil || !strings.Contains(err.Error(), "too long a path") {
		t.Errorf("newSockets in a long path: %v", err)
	}
	environ := []string{"RUNTIME_DIRECTORY=" + long, "XDG_RUNTIME_DIR=/does/not/exist"}
	t.Setenv("TMPDIR", shortDir(t))
	if got := runtimeDir(environ); got != os.TempDir() {
		t.Errorf("runtimeDir = %q, want the next that is usable, %q", got, os.TempDir())
	}
	t.Setenv("TMPDIR", long)
	if got := runtimeDir(environ); got != "/tmp" {
		t.Errorf("runtimeDir = %q, want /tmp when all others are too long", got)
	}
}

// shortDir is a directory whose path fits, wherever the tests have theirs.
func shortDir(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("/tmp", "")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	return dir
}

func TestRuntimeDir(t *testing.T) {
	first, second := shortDir(t), shortDir(t)
	environ := []string{"XDG_RUNTIME_DIR=" + second, "RUNTIME_DIRECTORY=" + first + ":/run/other"}
	if got := runtimeDir(environ); got != first {
		t.Errorf("runtimeDir = %q, want systemd's first, %q", got, first)
	}
	if got := runtimeDir(environ[:1]); got != second {
		t.Errorf("runtimeDir = %q, want %q", got, second)
	}
}

// What a killed authd leaves behind is swept by the next; what is in use is not.
func TestSocketsSweep(t *testing.T) {
	parent := shortDir(t)
	long := time.Now().Add(-time.Hour)
	live, err := newSockets(parent, nil)
	if err != nil {
		t.Fatal(err)
	}
	dead := filepath.Join(parent, socketPrefix+"1")
	young := filepath.Join(parent, socketPrefix+"2")
	foreign := filepath.Join(parent, socketPrefix+"3")
	for _, dir := range []string{dead, young, foreign} {
		if err := os.Mkdir(dir, 0o700); err != nil {
			t.Fatal(err)
		}
	}
	for _, dir := range []string{dead, young} {
		if err := os.WriteFile(filepath.Join(dir, lockName), nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for _, dir := range []string{dead, live.base} {
		if err := os.Chtimes(filepath.Join(dir, lockName), long, long); err != nil {
			t.Fatal(err)
		}
	}
	next, err := newSockets(parent, nil)
	if err != nil {
		t.Fatal(err)
	}
	for dir, want := range map[string]bool{dead: false, young: true, foreign: true, live.base: true} {
		if _, err := os.Stat(dir); (err == nil) != want {
			t.Errorf("%s is there: %v, want %v", dir, err == nil, want)
		}
	}
	for _, s := range []*sockets{live, next} {
		if err := s.remove(); err != nil {
			t.Error(err)
		}
	}
}
