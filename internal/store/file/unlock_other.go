//go:build !(linux || darwin || freebsd || netbsd || openbsd || dragonfly)

package file

import "os"

// abandon closes a file that bbolt can no longer close itself. On these systems
// the lock may last until the process ends.
func abandon(f *os.File) error { return f.Close() }
