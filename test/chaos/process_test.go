//go:build linux

package chaos

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// process is one run of a program.
type process struct {
	t    testing.TB
	cmd  *exec.Cmd
	done chan struct{} // closed when it has been waited for
}

// startProcess runs a program. It ends with this process, if not before.
func startProcess(t testing.TB, cmd *exec.Cmd) *process {
	t.Helper()
	p := &process{t: t, cmd: cmd, done: make(chan struct{})}
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	started := make(chan error)
	go func() {
		// The kernel takes the end of the thread that forked for that of the parent, so it stays until the end.
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		err := cmd.Start()
		started <- err
		if err == nil {
			_ = cmd.Wait() // how it ended is in ProcessState
			close(p.done)
		}
	}()
	if err := <-started; err != nil {
		t.Fatal(err)
	}
	return p
}

func (p *process) pid() int { return p.cmd.Process.Pid }

// ended reports whether the process has ended.
func (p *process) ended() bool {
	select {
	case <-p.done:
		return true
	default:
		return false
	}
}

// kill is kill -9 of this process alone, and returns when it is gone.
func (p *process) kill() {
	p.t.Helper()
	if err := p.cmd.Process.Kill(); err != nil && !errors.Is(err, os.ErrProcessDone) {
		p.t.Fatal(err)
	}
	<-p.done
}

// stop asks the process to end, as a service manager does, and returns its exit code.
func (p *process) stop() int {
	p.t.Helper()
	_ = p.cmd.Process.Signal(syscall.SIGTERM) // an error means that it has ended already
	select {
	case <-p.done:
	case <-time.After(patience):
		_ = p.cmd.Process.Signal(syscall.SIGQUIT) // its stacks go to the log
		<-p.done
		p.t.Errorf("%s did not stop within %v of SIGTERM", p.cmd.Path, patience)
	}
	return p.cmd.ProcessState.ExitCode()
}

// child is a process that another one has started.
type child struct {
	pid     int
	name    string // of its executable
	started string // when, in the kernel's ticks: a pid may be given again
}

// children are those that run. Those that have ended and wait to be reaped are not among them.
func (p *process) children() []child { return childrenOf(p.pid()) }

// descendants are the children, and theirs.
func descendants(pid int) []child {
	found := childrenOf(pid)
	for _, c := range found {
		found = append(found, descendants(c.pid)...)
	}
	return found
}

func childrenOf(parent int) []child {
	entries, _ := filepath.Glob("/proc/[0-9]*") // the pattern is well-formed
	var found []child
	for _, dir := range entries {
		pid, err := strconv.Atoi(filepath.Base(dir))
		if err != nil {
			continue
		}
		if st, ok := stat(pid); ok && st.parent == parent && st.state != "Z" {
			name, _ := os.Readlink(filepath.Join(dir, "exe"))
			found = append(found, child{pid, filepath.Base(name), st.started})
		}
	}
	return found
}

// status is what /proc/PID/stat says of a process; see proc_pid_stat(5).
type status struct {
	state   string
	parent  int
	started string
	cpu     time.Duration // its own, and that of children which it has waited for
}

// tick is the unit of CPU time in /proc on every Linux: USER_HZ is 100.
const tick = 10 * time.Millisecond

func stat(pid int) (status, bool) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return status{}, false
	}
	// The name in it may hold anything, so it is read from its end.
	fields := strings.Fields(string(text[bytes.LastIndexByte(text, ')')+1:]))
	if len(fields) < 20 {
		return status{}, false
	}
	st := status{state: fields[0], started: fields[19]}
	st.parent, _ = strconv.Atoi(fields[1])
	for _, field := range fields[11:15] { // utime, stime, cutime, cstime
		ticks, _ := strconv.Atoi(field)
		st.cpu += time.Duration(ticks) * tick
	}
	return st, true
}

// runs reports whether it is the process that it was, and has not ended.
func (c child) runs() bool {
	st, ok := stat(c.pid)
	return ok && st.started == c.started && st.state != "Z"
}

func (c child) signal(t testing.TB, sig syscall.Signal) {
	t.Helper()
	if err := syscall.Kill(c.pid, sig); err != nil {
		t.Fatalf("signal %v to %s: %v", sig, c.name, err)
	}
}

// cpu is the CPU time of the process and of its children, those that have ended among them.
func (p *process) cpu() time.Duration {
	st, _ := stat(p.pid())
	sum := st.cpu
	for _, c := range p.children() {
		if st, ok := stat(c.pid); ok {
			sum += st.cpu
		}
	}
	return sum
}

var errNotYet = errors.New("not yet")
