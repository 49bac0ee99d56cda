package catalog

import (
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// Threat 138: a socket on which another user, or a process that is none of the plugin's, listens is refused. Each is
// tried with all the rest as it should be, once for a listener that leads its group and once for one that does not.
func TestListenerMustBeThePlugin(t *testing.T) {
	listener, err := net.Listen("unix", filepath.Join(shortDir(t), "s"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = listener.Close() })
	conn, err := net.Dial("unix", listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })

	pid, user := os.Getpid(), os.Getuid()
	group, err := unix.Getpgid(pid)
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		group, user int
		refused     bool
	}{
		"the plugin itself":        {pid, user, false},
		"one of its group":         {group, user, false},
		"another user's process":   {pid, user + 1, true},
		"another user in a group":  {group, user + 1, true},
		"another process":          {os.Getppid(), user, true},
		"another process and user": {os.Getppid(), user + 1, true},
	} {
		t.Run(name, func(t *testing.T) {
			if c.refused && c.user == user && c.group == group {
				c.group = 1 // the test was started by the leader of its group
			}
			err := checkPeer(conn, c.group, c.user)
			if !c.refused && err != nil {
				t.Errorf("checkPeer: %v", err)
			}
			if c.refused && (err == nil || !strings.Contains(err.Error(), "which is not its own")) {
				t.Errorf("checkPeer = %v, want it refused", err)
			}
		})
	}
	ours, theirs := net.Pipe()
	t.Cleanup(func() { _, _ = ours.Close(), theirs.Close() })
	if err := checkPeer(ours, pid, user); err == nil {
		t.Error("what is no unix socket was let through")
	}
}
