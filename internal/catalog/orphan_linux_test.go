package catalog

import (
	"bufio"
	"errors"
	"os"
	"os/exec"
	"regexp"
	"strconv"
	"testing"

	"golang.org/x/sys/unix"
)

// Threat 140: no plugin outlives authd, however it ends: not one that sees the end of its input, and not one that
// looks at nothing.
func TestNoOrphans(t *testing.T) {
	well, stubborn := testPlugin(t, "well"), testPlugin(t, "stubborn")
	host := exec.Command(install(t, pluginDir(t), hostName), well.Path, stubborn.Path)
	host.Env = append(os.Environ(), "RUNTIME_DIRECTORY="+shortDir(t))
	out, err := host.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := host.Start(); err != nil {
		t.Fatal(err)
	}
	pid := regexp.MustCompile(`"(?:@message":"(?:provider ready|here to stay)".*)"pid":(\d+)`)
	var plugins []int
	for lines := bufio.NewScanner(out); len(plugins) < 2 && lines.Scan(); {
		if m := pid.FindStringSubmatch(lines.Text()); m != nil {
			n, _ := strconv.Atoi(m[1])
			plugins = append(plugins, watch(t, n))
		}
	}
	if err := host.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = host.Wait()
	if len(plugins) != 2 {
		t.Fatalf("%d plugins were started, want 2", len(plugins))
	}
	for _, fd := range plugins {
		awaitGone(t, fd)
	}
}

// watch returns a file descriptor that is readable once the process, of any parent, has ended.
func watch(t *testing.T, pid int) int {
	t.Helper()
	fd, err := unix.PidfdOpen(pid, 0)
	if err != nil {
		t.Fatalf("process %d is gone too soon: %v", pid, err)
	}
	t.Cleanup(func() { _ = unix.Close(fd) })
	return fd
}

// awaitGone waits for the end of a watched process, and ends it if it does not come.
func awaitGone(t *testing.T, fd int) {
	t.Helper()
	poll := []unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}
	for {
		n, err := unix.Poll(poll, int(longEnough.Milliseconds()))
		switch {
		case errors.Is(err, unix.EINTR):
		case err != nil:
			t.Fatal(err)
		case n == 0:
			t.Error("the process outlives its host")
			_ = unix.PidfdSendSignal(fd, unix.SIGKILL, nil, 0)
			return
		default:
			return
		}
	}
}
