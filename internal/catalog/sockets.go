package catalog

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

const (
	// socketPathMax is what every system accepts as the path of a unix socket.
	socketPathMax = 103
	socketPrefix  = "authd-sock-"
	lockName      = "in-use"
	// parentMax is what that leaves for the directory in which ours is made: the rest is its own name, that of a
	// process's directory and go-plugin's name for the socket.
	parentMax = socketPathMax - len("/"+socketPrefix+"4294967295"+"/1z141z3"+"/plugin4294967295")
)

// sockets is a private directory (0700) in which each plugin process gets a directory of its own for its socket,
// which is also its working directory. A lock held in it tells the next authd that it is in use; those of an
// authd that was killed are swept.
type sockets struct {
	base string
	lock *os.File
	next atomic.Uint32
}

// newSockets makes the directory inside parent or, if that is "", inside the first of $RUNTIME_DIRECTORY,
// $XDG_RUNTIME_DIR and the system's temporary directory that will do.
func newSockets(parent string, environ []string) (*sockets, error) {
	if parent == "" {
		parent = runtimeDir(environ)
	} else if err := os.MkdirAll(parent, 0o700); err != nil {
		return nil, fmt.Errorf("the directory for plugin sockets can't be made: %w", err)
	}
	parent, err := filepath.Abs(parent)
	if err != nil {
		return nil, fmt.Errorf("the directory for plugin sockets has no absolute path: %w", err)
	}
	if len(parent) > parentMax {
		return nil, fmt.Errorf("the directory for plugin sockets has too long a path for a unix socket: %s; name one of at most %d bytes", parent, parentMax)
	}
	sweep(parent)
	base, err := os.MkdirTemp(parent, socketPrefix)
	if err != nil {
		return nil, fmt.Errorf("the directory for plugin sockets can't be made: %w", err)
	}
	lock, err := lockFile(filepath.Join(base, lockName))
	if err != nil {
		_ = os.RemoveAll(base)
		return nil, fmt.Errorf("the directory for plugin sockets can't be locked: %w", err)
	}
	return &sockets{base: base, lock: lock}, nil
}

// runtimeDir picks a directory that is there, writable and not too long.
func runtimeDir(environ []string) string {
	// systemd lists several, joined by colons.
	runtime, _, _ := strings.Cut(lookup(environ, "RUNTIME_DIRECTORY"), ":")
	for _, dir := range []string{runtime, lookup(environ, "XDG_RUNTIME_DIR"), os.TempDir()} {
		if dir != "" && len(dir) <= parentMax && unix.Access(dir, unix.W_OK|unix.X_OK) == nil {
			return dir
		}
	}
	return "/tmp"
}

func lookup(environ []string, name string) string {
	for _, entry := range environ {
		if value, ok := strings.CutPrefix(entry, name+"="); ok {
			return value
		}
	}
	return ""
}

// sweep removes what an authd of the same user that was killed has left behind.
func sweep(parent string) {
	entries, err := os.ReadDir(parent)
	if err != nil {
		return
	}
	for _, e := range entries {
		dir := filepath.Join(parent, e.Name())
		if !strings.HasPrefix(e.Name(), socketPrefix) || !abandoned(dir) {
			continue
		}
		if lock, err := lockFile(filepath.Join(dir, lockName)); err == nil {
			_ = os.RemoveAll(dir)
			_ = lock.Close()
		}
	}
}

// abandoned reports whether the directory looks like ours and is old enough that its owner has locked it, if it
// ever will.
func abandoned(dir string) bool {
	const young = time.Minute
	info, err := os.Lstat(dir)
	if err != nil || info.Mode() != fs.ModeDir|0o700 && info.Mode() != fs.ModeDir|0o711 { // 0711: see runAs
		return false
	}
	stat, ok := info.Sys().(*syscall.Stat_t)
	if !ok || int(stat.Uid) != os.Geteuid() {
		return false
	}
	lock, err := os.Lstat(filepath.Join(dir, lockName))
	return err == nil && lock.Mode().IsRegular() && time.Since(lock.ModTime()) > young
}

// lockFile opens the file and locks it for as long as it stays open, or fails when another process has it.
func lockFile(name string) (*os.File, error) {
	f, err := os.OpenFile(name, os.O_CREATE|os.O_RDWR|unix.O_NOFOLLOW, 0o600)
	if err != nil {
		return nil, err
	}
	if err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return f, nil
}

// make creates the directory of one process.
func (s *sockets) make() (string, error) {
	dir := filepath.Join(s.base, strconv.FormatUint(uint64(s.next.Add(1)), 36))
	if err := os.Mkdir(dir, 0o700); err != nil {
		return "", fmt.Errorf("the directory for its socket can't be made: %w", err)
	}
	return dir, nil
}

// remove deletes everything.
func (s *sockets) remove() error {
	return errors.Join(os.RemoveAll(s.base), s.lock.Close())
}
