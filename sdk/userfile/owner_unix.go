//go:build unix

package userfile

import (
	"fmt"
	"os"
	"syscall"
)

// own gives the new file the owner and group of the old one: root may edit a file that authd's own user reads.
func (s *Snapshot) own(file *os.File) error {
	if s.Info == nil {
		return nil
	}
	was, ok := s.Info.Sys().(*syscall.Stat_t)
	if !ok {
		return fmt.Errorf("its owner can't be told")
	}
	return file.Chown(int(was.Uid), int(was.Gid))
}
