//go:build !linux

package catalog

import (
	"errors"
	"fmt"
	"syscall"

	"golang.org/x/sys/unix"
)

// jail puts the process in a group of its own. Without Pdeathsig it is the plugin that notices the end of authd,
// by the end of its standard input.
func jail() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true}
}

// isMainThread is of no interest where threads have no attributes.
func isMainThread() bool { return false }

// settleThread has nothing to prepare.
func settleThread() error { return nil }

// approach has nothing to do: no limits are set.
func approach(*syscall.Credential) error { return nil }

// forsake has nothing to give up.
func forsake() error { return nil }

// closeOnExec trusts that Go opens files close-on-exec.
func closeOnExec() error { return nil }

// confine has no way to limit another process.
func confine(int, uint64) error { return nil }

// confinement knows nothing of a process.
func confinement(int) (noNewPrivs, filtered bool, err error) { return false, false, nil }

// fdPath is a path that leads to an open file, whatever it was opened by.
func fdPath(fd uintptr) string { return fmt.Sprintf("/dev/fd/%d", fd) }

// awaitExit returns when the process has ended and leaves it to be reaped.
func awaitExit(pid int) {
	queue, err := unix.Kqueue()
	if err != nil {
		return
	}
	defer func() { _ = unix.Close(queue) }()
	exit := unix.Kevent_t{Fflags: unix.NOTE_EXIT}
	unix.SetKevent(&exit, pid, unix.EVFILT_PROC, unix.EV_ADD|unix.EV_ONESHOT)
	for {
		// Fails with ESRCH when the process has ended already.
		_, err := unix.Kevent(queue, []unix.Kevent_t{exit}, make([]unix.Kevent_t, 1), nil)
		if !errors.Is(err, unix.EINTR) {
			return
		}
	}
}

// peer tells which process and user listen at the other end of a connected unix socket.
func peer(fd int) (pid, uid int, err error) {
	cred, err := unix.GetsockoptXucred(fd, unix.SOL_LOCAL, unix.LOCAL_PEERCRED)
	if err != nil {
		return 0, 0, err
	}
	pid, err = unix.GetsockoptInt(fd, unix.SOL_LOCAL, unix.LOCAL_PEERPID)
	return pid, int(cred.Uid), err
}

// hasCapabilities is always false: files have none.
func hasCapabilities(string) bool { return false }
