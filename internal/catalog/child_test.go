package catalog

import (
	"errors"
	"io"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// run starts a command of the shell and returns it with what it has printed once it has ended.
func run(t *testing.T, s *spawner, script string) (*child, string) {
	t.Helper()
	var printed strings.Builder
	c, err := startChild(s, exec.Command("/bin/sh", "-c", script),
		func(r io.Reader) { _, _ = io.Copy(&printed, r) }, func(r io.Reader) { _, _ = io.Copy(io.Discard, r) })
	if err != nil {
		t.Fatal(err)
	}
	<-c.drained
	return c, printed.String()
}

func TestChild(t *testing.T) {
	s, err := newSpawner()
	if err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct{ script, printed, status string }{
		{"echo hello", "hello\n", "exited with status 0"},
		{"exit 4", "", "exited with status 4"},
		{"kill -9 $$", "", "was ended by signal 9 (killed)"},
		// A grandchild in the group ends with its parent: it would print for ever.
		{"(while :; do :; done) & echo hello", "hello\n", "exited with status 0"},
	} {
		c, printed := run(t, s, test.script)
		if printed != test.printed || c.status() != test.status || c.alive() {
			t.Errorf("%s printed %q and %s (alive %v); want %q and %s", test.script, printed, c.status(), c.alive(), test.printed, test.status)
		}
		c.kill() // a process that is gone can be killed
	}
	if _, err := startChild(s, exec.Command(filepath.Join(t.TempDir(), "none")), nil, nil); err == nil || !strings.Contains(err.Error(), "can't be started") {
		t.Errorf("starting nothing: %v", err)
	}
	s.stop()
	s.stop()
	if _, err := startChild(s, exec.Command("/bin/sh"), nil, nil); !errors.Is(err, ErrStopped) {
		t.Errorf("starting after stop: %v, want ErrStopped", err)
	}
}

// The end of the lifeline is the end of standard input.
func TestChildLifeline(t *testing.T) {
	s, err := newSpawner()
	if err != nil {
		t.Fatal(err)
	}
	defer s.stop()
	c, err := startChild(s, exec.Command("/bin/sh", "-c", "cat; exit 5"), func(r io.Reader) { _, _ = io.Copy(io.Discard, r) }, func(r io.Reader) { _, _ = io.Copy(io.Discard, r) })
	if err != nil {
		t.Fatal(err)
	}
	if !c.alive() {
		t.Error("the child ended with its input open")
	}
	if err := c.lifeline.Close(); err != nil {
		t.Fatal(err)
	}
	<-c.drained
	if got := c.status(); got != "exited with status 5" {
		t.Errorf("the child %s", got)
	}
}
