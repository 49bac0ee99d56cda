//go:build unix && !linux

package realtest

import "syscall"

// dieWithParent does nothing: other systems know no such thing.
func dieWithParent(*syscall.SysProcAttr) {}
