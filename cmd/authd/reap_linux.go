package main

import (
	"errors"
	"fmt"
	"os"
	"os/signal"
	"runtime"
	"slices"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// reapVariable, set to 1, has a process reap that is not the first one of its container.
const reapVariable = "AUTHD_REAP"

// reaps tells whether this process has to reap what its plugins leave behind: it is the first process of a container,
// so that the kernel makes every orphan its child, or it was asked to.
func reaps(args []string) bool {
	serves := len(args) > 0 && (args[0] == "serve" || args[0] == "demo")
	return serves && (os.Getpid() == 1 || os.Getenv(reapVariable) == "1")
}

// reap runs authd again as a child of this process, passes signals on to it, and returns its exit code. Orphans become
// children of this process, which waits for any child, and plugins are children of that one, which waits for each by
// its id: so neither can take an exit status that is the other's.
func reap() int {
	code, err := runReaped()
	if err != nil {
		fmt.Fprintf(os.Stderr, "authd: can't run as the first process of a container: %v; start it with an init (docker run --init)\n", err)
		return exitFailed
	}
	return code
}

func runReaped() (code int, err error) {
	// The child is to die with this process; the kernel looks at the thread that has started it.
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	if os.Getpid() != 1 {
		if err := unix.Prctl(unix.PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0); err != nil {
			return 0, fmt.Errorf("orphans can't be adopted: %w", err)
		}
	}
	self, err := os.Executable()
	if err != nil {
		return 0, err
	}
	signals, passed := make(chan os.Signal, 16), make(chan struct{})
	signal.Notify(signals, syscall.SIGTERM, syscall.SIGINT, syscall.SIGHUP, syscall.SIGQUIT, syscall.SIGUSR1, syscall.SIGUSR2)
	environ := slices.DeleteFunc(os.Environ(), func(v string) bool { return strings.HasPrefix(v, reapVariable+"=") })
	child, err := os.StartProcess(self, os.Args, &os.ProcAttr{
		Env: environ, Files: []*os.File{os.Stdin, os.Stdout, os.Stderr}, Sys: &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL},
	})
	if err != nil {
		return 0, err
	}
	go func() {
		defer close(passed)
		for s := range signals {
			_ = child.Signal(s) // an error means that it has ended
		}
	}()
	status, err := awaitChild(child.Pid)
	signal.Stop(signals)
	close(signals)
	<-passed
	if status.Signaled() {
		return 128 + int(status.Signal()), err // as a shell has it
	}
	return status.ExitStatus(), err
}

// awaitChild reaps every child that ends, until it is the one with the id.
func awaitChild(pid int) (unix.WaitStatus, error) {
	for {
		var status unix.WaitStatus
		ended, err := unix.Wait4(-1, &status, 0, nil)
		if errors.Is(err, unix.EINTR) {
			continue
		}
		if err != nil || ended == pid {
			return status, err
		}
	}
}
