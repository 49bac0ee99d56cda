//go:build linux

package bench

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/authd/authd/internal/realtest"
)

// The server has one core and the load another, so that neither takes from the other what is measured.
const (
	serverCore = 0
	loadCore   = 1
)

// process is a program under measurement.
type process struct {
	*realtest.Process
	tb   testing.TB
	pid  int
	errs *bytes.Buffer
}

// start runs a program on the given cores, on any if there are none; its children stay there too. It ends when tb does,
// if not before.
func start(tb testing.TB, cmd *exec.Cmd, cores ...int) *process {
	tb.Helper()
	errs := &bytes.Buffer{} // what authd logs costs it the same wherever the temporary directory is
	cmd.Stderr = errs
	p, err := realtest.Launch(cmd, func() error { return bind(cores) })
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(p.End) // Start would show thousands of logins where a budget is exceeded
	return &process{Process: p, tb: tb, pid: p.PID(), errs: errs}
}

// bind lets this thread, and the children that it starts, run on these cores only.
func bind(cores []int) error {
	if len(cores) == 0 {
		return nil
	}
	var set unix.CPUSet
	for _, core := range cores {
		set.Set(core)
	}
	if err := unix.SchedSetaffinity(0, &set); err != nil {
		return fmt.Errorf("bind a thread to cores %v: %w; two cores are needed", cores, err)
	}
	return nil
}

// onCore calls f while this whole process, which then has one core too, leaves the other to the server.
func onCore(tb testing.TB, core int, f func() error) error {
	tb.Helper()
	var before unix.CPUSet
	if err := unix.SchedGetaffinity(0, &before); err != nil {
		tb.Fatal(err)
	}
	defer rebind(tb, before)
	var one unix.CPUSet
	one.Set(core)
	rebind(tb, one)
	// With more, threads that look for work would be counted as work.
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
	return f()
}

// rebind gives all threads of this process the same cores; those that come later inherit them.
func rebind(tb testing.TB, set unix.CPUSet) {
	tb.Helper()
	threads, err := os.ReadDir("/proc/self/task")
	if err != nil {
		tb.Fatal(err)
	}
	for _, thread := range threads {
		tid, err := strconv.Atoi(thread.Name())
		if err != nil {
			tb.Fatal(err)
		}
		if err := unix.SchedSetaffinity(tid, &set); err != nil && !errors.Is(err, unix.ESRCH) {
			tb.Fatalf("bind a thread to its core: %v; two cores are needed", err)
		}
	}
}

// stop asks the program to end, as a service manager does, and waits for it.
func (p *process) stop() {
	p.tb.Helper()
	if code, err := p.Stop(syscall.SIGTERM, 20*time.Second); code != 0 || err != nil {
		p.tb.Fatalf("%s: %v, %v\n%s", p.Cmd.Path, p.Cmd.ProcessState, err, p.errs)
	}
}

// cpuOf is the CPU time that all threads of a process have used, those that ended among them: its CPU-time clock
// (clock_getcpuclockid(3)), which counts nanoseconds where /proc/PID/stat counts ticks.
func cpuOf(tb testing.TB, pid int) time.Duration {
	tb.Helper()
	const processSched = 2 // CPUCLOCK_SCHED, of a process and not of a thread
	var at unix.Timespec
	if err := unix.ClockGettime(int32(^pid<<3|processSched), &at); err != nil {
		tb.Fatalf("read the CPU time of process %d: %v", pid, err)
	}
	return time.Duration(at.Nano())
}

// cpu is the CPU time of the program and of its children that are alive.
func (p *process) cpu() time.Duration {
	p.tb.Helper()
	sum := cpuOf(p.tb, p.pid)
	for _, child := range p.children() {
		sum += cpuOf(p.tb, child)
	}
	return sum
}

// children are the ids of the processes that the program has started, and that still run.
func (p *process) children() []int { return pids(p.Children()) }

func pids(all []realtest.Child) (ids []int) {
	for _, child := range all {
		ids = append(ids, child.PID)
	}
	return ids
}

// limit is how long a program may take to do what it should.
const limit = 30 * time.Second

// poll asks again and again, each pause long, until ok says yes. It gives up after half a minute.
func poll(tb testing.TB, pause time.Duration, what string, ok func() bool) {
	tb.Helper()
	realtest.Await(tb, pause, limit, what, func() error {
		if !ok() {
			return realtest.ErrNotYet
		}
		return nil
	})
}
