//go:build linux || darwin || freebsd || netbsd || openbsd || dragonfly

package file

import (
	"errors"
	"os"
	"syscall"
)

// abandon closes a file that bbolt can no longer close itself, and frees the lock
// on it by hand: the memory map that stays behind would keep the lock alive.
func abandon(f *os.File) error {
	err := syscall.Flock(int(f.Fd()), syscall.LOCK_UN)
	return errors.Join(err, f.Close())
}
