package catalog

import (
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// The jail of a plugin's process on Linux, and why each bar is put up where it is:
//
//   - no_new_privs is an attribute of a thread that its children inherit, so the spawner's own thread has it set
//     and the rest of authd does not.
//   - Pdeathsig fires when the thread that forked ends, not the process: another reason for that one thread,
//     which lives as long as any child.
//   - Resource limits belong to a process, so they are set from outside right after the start. In the moments
//     before, the child runs with authd's own limits, but it knows no secret yet: settings are handed over after
//     the handshake, which is not read before the limits are in place.
//   - Go opens files close-on-exec, but what authd itself was started with may lack the flag; it is set for all.

// jail is how the kernel is to start the process: in a group of its own, and not to outlive authd.
func jail() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
}

// isMainThread reports whether the caller runs on the process's first thread, which lasts as long as the process.
func isMainThread() bool { return unix.Gettid() == os.Getpid() }

// settleThread prepares the spawner's thread.
func settleThread() error {
	if err := unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); err != nil {
		return fmt.Errorf("no_new_privs can't be set: %w", err)
	}
	return nil
}

// approach makes the real user of the calling thread that of the child it is to start, since only he may set the
// limits of a process of his. It goes on with root's rights.
func approach(as *syscall.Credential) error {
	const same = ^uintptr(0)
	// The calls of package syscall are made by all threads; these are not.
	if _, _, errno := unix.RawSyscall(unix.SYS_SETRESGID, uintptr(as.Gid), same, same); errno != 0 {
		return fmt.Errorf("its thread can't be given the group %d: %w", as.Gid, errno)
	}
	if _, _, errno := unix.RawSyscall(unix.SYS_SETRESUID, uintptr(as.Uid), same, same); errno != 0 {
		return fmt.Errorf("its thread can't be given the user %d: %w", as.Uid, errno)
	}
	return nil
}

// forsake has the calling thread give up every right of root's, which no_new_privs then keeps from its children too.
func forsake() error {
	header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	if err := unix.Capset(&header, &make([]unix.CapUserData, 2)[0]); err != nil {
		return fmt.Errorf("capabilities can't be given up: %w", err)
	}
	return nil
}

// closeOnExec keeps every file that authd has open out of the next child.
func closeOnExec() error {
	if unix.CloseRange(3, ^uint(0)>>1, unix.CLOSE_RANGE_CLOEXEC) == nil {
		return nil
	}
	// Before Linux 5.11 there is no such flag.
	open, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		return fmt.Errorf("open files can't be kept from the plugin: %w", err)
	}
	for _, e := range open {
		if fd, err := strconv.Atoi(e.Name()); err == nil && fd > 2 {
			syscall.CloseOnExec(fd)
		}
	}
	return nil
}

// limit is one resource limit.
type limit struct {
	name     string
	resource int
	value    uint64
}

// confine sets the limits of a child that has just been started. memory is what it may have of its own, in bytes; 0:
// as much as authd.
func confine(pid int, memory uint64) error {
	limits := []limit{{"RLIMIT_CORE", unix.RLIMIT_CORE, 0}, {"RLIMIT_NOFILE", unix.RLIMIT_NOFILE, 1024}}
	if memory > 0 {
		// Not RLIMIT_AS: a Go program reserves more addresses than it ever uses.
		limits = append(limits, limit{"RLIMIT_DATA", unix.RLIMIT_DATA, memory})
	}
	for _, limit := range limits {
		err := unix.Prlimit(pid, limit.resource, &unix.Rlimit{Cur: limit.value, Max: limit.value}, nil)
		if err != nil && !errors.Is(err, unix.ESRCH) {
			return fmt.Errorf("%s can't be set: %w", limit.name, err)
		}
	}
	// When memory runs out the kernel is to take a plugin, not authd. A courtesy: not every /proc allows it.
	_ = os.WriteFile(fmt.Sprintf("/proc/%d/oom_score_adj", pid), []byte("500"), 0)
	return nil
}

// confinement is what the kernel says of a process.
func confinement(pid int) (noNewPrivs, filtered bool, err error) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	return strings.Contains(string(text), "\nNoNewPrivs:\t1\n"), strings.Contains(string(text), "\nSeccomp:\t2\n"), err
}

// fdPath is a path that leads to an open file, whatever it was opened by.
func fdPath(fd uintptr) string { return fmt.Sprintf("/proc/self/fd/%d", fd) }

// awaitExit returns when the process has ended and leaves it to be reaped, so that until then nothing else can
// get its id.
func awaitExit(pid int) {
	for errors.Is(unix.Waitid(unix.P_PID, pid, nil, unix.WEXITED|unix.WNOWAIT, nil), unix.EINTR) {
	}
}

// peer tells which process and user listen at the other end of a connected unix socket.
func peer(fd int) (pid, uid int, err error) {
	cred, err := unix.GetsockoptUcred(fd, unix.SOL_SOCKET, unix.SO_PEERCRED)
	if err != nil {
		return 0, 0, err
	}
	return int(cred.Pid), int(cred.Uid), nil
}

// hasCapabilities reports whether the file gives whoever runs it more than he has.
func hasCapabilities(path string) bool {
	size, err := unix.Getxattr(path, "security.capability", nil)
	return err == nil && size > 0
}
