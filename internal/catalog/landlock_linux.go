package catalog

import (
	"errors"
	"fmt"
	"io/fs"
	"slices"

	"golang.org/x/sys/unix"
)

// The strict sandbox on Linux. Landlock and the filter of system calls are attributes of a thread that its children
// inherit and nobody can take off again, so that the thread that starts the process takes them on and ends with it.
// Nothing of authd is executed anew for that, and the process is what it would be without: a child with that id.
//
// Landlock rules hang on files, not on paths: of a file that is replaced (resolv.conf, say) a running process sees
// neither the old nor the new one.

const (
	landlockKnown = 7 // the latest version whose rights are used here

	landlockRead  = unix.LANDLOCK_ACCESS_FS_READ_FILE | unix.LANDLOCK_ACCESS_FS_READ_DIR
	landlockFile  = unix.LANDLOCK_ACCESS_FS_EXECUTE | unix.LANDLOCK_ACCESS_FS_WRITE_FILE | unix.LANDLOCK_ACCESS_FS_READ_FILE | unix.LANDLOCK_ACCESS_FS_TRUNCATE
	landlockWrite = landlockRead | unix.LANDLOCK_ACCESS_FS_WRITE_FILE | unix.LANDLOCK_ACCESS_FS_TRUNCATE | unix.LANDLOCK_ACCESS_FS_REMOVE_DIR |
		unix.LANDLOCK_ACCESS_FS_REMOVE_FILE | unix.LANDLOCK_ACCESS_FS_MAKE_DIR | unix.LANDLOCK_ACCESS_FS_MAKE_REG |
		unix.LANDLOCK_ACCESS_FS_MAKE_SOCK | unix.LANDLOCK_ACCESS_FS_MAKE_FIFO | unix.LANDLOCK_ACCESS_FS_MAKE_SYM
)

// verifiable: the kernel says how a process is confined.
const verifiable = true

// thisKernel asks what there is.
func thisKernel() kernel {
	k := kernel{filter: len(filter()) > 0}
	if version, _, errno := unix.Syscall(unix.SYS_LANDLOCK_CREATE_RULESET, 0, 0, unix.LANDLOCK_CREATE_RULESET_VERSION); errno == 0 {
		k.landlock = min(int(version), landlockKnown)
	}
	return k
}

// raise puts the walls around the calling thread.
func (k kernel) raise(o openings) error {
	if err := settleThread(); err != nil {
		return err
	}
	if k.landlock > 0 {
		if err := k.restrict(o); err != nil {
			return err
		}
	}
	if k.filter {
		return filterCalls(filter())
	}
	return nil
}

// handled is all that Landlock of that version can forbid.
func (k kernel) handled() unix.LandlockRulesetAttr {
	attr := unix.LandlockRulesetAttr{Handled_access_fs: unix.LANDLOCK_ACCESS_FS_REFER - 1}
	if k.landlock >= 2 {
		attr.Handled_access_fs |= unix.LANDLOCK_ACCESS_FS_REFER
	}
	if k.landlock >= 3 {
		attr.Handled_access_fs |= unix.LANDLOCK_ACCESS_FS_TRUNCATE
	}
	if k.landlock >= landlockTCP {
		attr.Handled_access_net = unix.LANDLOCK_ACCESS_NET_BIND_TCP | unix.LANDLOCK_ACCESS_NET_CONNECT_TCP
	}
	if k.landlock >= 5 {
		attr.Handled_access_fs |= unix.LANDLOCK_ACCESS_FS_IOCTL_DEV
	}
	if k.landlock >= landlockScopes {
		attr.Scoped = unix.LANDLOCK_SCOPE_ABSTRACT_UNIX_SOCKET | unix.LANDLOCK_SCOPE_SIGNAL
	}
	return attr
}

// restrict forbids the thread all but the openings.
func (k kernel) restrict(o openings) error {
	attr := k.handled()
	fd, err := newRuleset(attr)
	if err != nil {
		return err
	}
	defer func() { _ = unix.Close(fd) }()
	for _, opening := range []struct {
		paths  []string
		access uint64
		must   bool
	}{
		{o.read, landlockRead, false},
		{o.execute, landlockRead | unix.LANDLOCK_ACCESS_FS_EXECUTE, false},
		{o.write, unix.LANDLOCK_ACCESS_FS_READ_FILE | unix.LANDLOCK_ACCESS_FS_WRITE_FILE, false},
		{o.scratch, landlockWrite, true},
	} {
		for _, path := range opening.paths {
			err := allowPath(fd, path, opening.access&attr.Handled_access_fs)
			if err != nil && (opening.must || !errors.Is(err, fs.ErrNotExist)) {
				return fmt.Errorf("%s can't be kept open for it: %w", path, err)
			}
		}
	}
	if attr.Handled_access_net != 0 {
		slices.Sort(o.ports)
		for _, port := range slices.Compact(o.ports) {
			if err := allowPort(fd, port); err != nil {
				return fmt.Errorf("port %d can't be kept open for it: %w", port, err)
			}
		}
	}
	if _, _, errno := unix.Syscall(unix.SYS_LANDLOCK_RESTRICT_SELF, uintptr(fd), 0, 0); errno != 0 {
		return fmt.Errorf("the kernel enforces no Landlock rules: %w", errno)
	}
	return nil
}

// allowPath allows access to a file, or to a directory and all in it.
func allowPath(ruleset int, path string, access uint64) error {
	fd, err := unix.Open(path, unix.O_PATH|unix.O_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer func() { _ = unix.Close(fd) }()
	var stat unix.Stat_t
	if err := unix.Fstat(fd, &stat); err != nil {
		return err
	}
	if stat.Mode&unix.S_IFMT != unix.S_IFDIR {
		access &= landlockFile
	}
	return addPathRule(ruleset, unix.LandlockPathBeneathAttr{Allowed_access: access, Parent_fd: int32(fd)})
}

// allowPort allows to connect to a TCP port.
func allowPort(ruleset int, port uint16) error {
	return addPortRule(ruleset, portRule{unix.LANDLOCK_ACCESS_NET_CONNECT_TCP, uint64(port)})
}
