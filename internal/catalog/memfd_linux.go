package catalog

import (
	"errors"
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// sealable makes a file in memory that can be executed. errors.ErrUnsupported: not on this system.
func sealable(name string) (*os.File, error) {
	const flags = unix.MFD_CLOEXEC | unix.MFD_ALLOW_SEALING
	fd, err := unix.MemfdCreate(name, flags|unix.MFD_EXEC)
	if errors.Is(err, unix.EINVAL) {
		fd, err = unix.MemfdCreate(name, flags) // before Linux 6.3 there was no need to say so
	}
	if err != nil {
		// The administrator may have forbidden it (vm.memfd_noexec).
		return nil, fmt.Errorf("%w: a file in memory can't be made: %w", errors.ErrUnsupported, err)
	}
	return os.NewFile(uintptr(fd), name), nil
}

// seal makes sure that nobody changes the file any more, not even authd.
func seal(f *os.File) error {
	const seals = unix.F_SEAL_WRITE | unix.F_SEAL_GROW | unix.F_SEAL_SHRINK | unix.F_SEAL_SEAL
	if _, err := unix.FcntlInt(f.Fd(), unix.F_ADD_SEALS, seals); err != nil {
		return fmt.Errorf("the copy can't be sealed: %w", err)
	}
	return nil
}

// duplicate returns another descriptor of the file.
func duplicate(f *os.File) (*os.File, error) {
	fd, err := unix.FcntlInt(f.Fd(), unix.F_DUPFD_CLOEXEC, 0)
	if err != nil {
		return nil, err
	}
	return os.NewFile(uintptr(fd), f.Name()), nil
}
