//go:build linux

package bench

import (
	"bytes"
	"context"
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

	"golang.org/x/sys/unix"
)

// The server has one core and the load another, so that neither takes from the other what is measured.
const (
	serverCore = 0
	loadCore   = 1
)

// process is a program under measurement.
type process struct {
	tb    testing.TB
	cmd   *exec.Cmd
	pid   int
	errs  *bytes.Buffer
	ended chan struct{} // closed when it has been waited for
}

// start runs a program on the given cores, on any if there are none; its children stay there too. It is killed when tb
// ends, or this process does.
func start(tb testing.TB, cmd *exec.Cmd, cores ...int) *process {
	tb.Helper()
	p := &process{tb: tb, cmd: cmd, errs: &bytes.Buffer{}, ended: make(chan struct{})}
	cmd.Stderr = p.errs
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	started := make(chan error)
	go func() {
		// The kernel takes the end of the thread that forked for that of the parent, so it stays until the end. It is
		// not unlocked and ends with this goroutine: its affinity goes with it.
		runtime.LockOSThread()
		err := bind(cores)
		if err == nil {
			err = cmd.Start()
		}
		if started <- err; err == nil {
			<-p.ended
		}
	}()
	if err := <-started; err != nil {
		tb.Fatal(err)
	}
	p.pid = cmd.Process.Pid
	tb.Cleanup(p.kill)
	return p
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
	if p.cmd.ProcessState != nil {
		return
	}
	if err := p.cmd.Process.Signal(syscall.SIGTERM); err != nil && !errors.Is(err, os.ErrProcessDone) {
		p.tb.Fatal(err)
	}
	late := time.AfterFunc(20*time.Second, p.end)
	defer late.Stop()
	if err := p.wait(); err != nil {
		p.tb.Fatalf("%s: %v\n%s", p.cmd.Path, err, p.errs)
	}
}

func (p *process) kill() {
	if p.cmd.ProcessState == nil {
		p.end()
		_ = p.wait() // it says that the process was killed
	}
}

func (p *process) wait() error {
	defer close(p.ended)
	return p.cmd.Wait()
}

// end kills the process and those that it has started and that are in its group.
func (p *process) end() { _ = syscall.Kill(-p.pid, syscall.SIGKILL) }

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

// children are the processes that the program has started, and that still run.
func (p *process) children() []int {
	p.tb.Helper()
	stats, err := filepath.Glob("/proc/[0-9]*/stat")
	if err != nil {
		p.tb.Fatal(err)
	}
	var found []int
	for _, path := range stats {
		text, err := os.ReadFile(path)
		if err != nil {
			continue // it has just ended
		}
		// pid (name) state ppid …; the name may hold anything, so look behind it (proc_pid_stat(5)).
		fields := strings.Fields(string(text[bytes.LastIndexByte(text, ')')+1:]))
		if fields[0] == "Z" || fields[1] != strconv.Itoa(p.pid) {
			continue
		}
		pid, err := strconv.Atoi(filepath.Base(filepath.Dir(path)))
		if err != nil {
			p.tb.Fatal(err)
		}
		found = append(found, pid)
	}
	return found
}

// memoryUse is what a process holds, in bytes.
type memoryUse struct {
	rss int // resident, files that are mapped by several processes in full
	own int // anonymous: what another process of the same kind would cost besides its code
}

func memoryOf(tb testing.TB, pid int) memoryUse {
	tb.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/smaps_rollup", pid))
	if err != nil {
		tb.Fatal(err)
	}
	field := func(name string) int {
		for line := range strings.Lines(string(text)) {
			if rest, ok := strings.CutPrefix(line, name+":"); ok {
				kB, err := strconv.Atoi(strings.TrimSpace(strings.TrimSuffix(strings.TrimSpace(rest), "kB")))
				if err != nil {
					tb.Fatalf("smaps_rollup: %q: %v", line, err)
				}
				return kB << 10
			}
		}
		tb.Fatalf("smaps_rollup of process %d has no %s:\n%s", pid, name, text)
		return 0
	}
	return memoryUse{rss: field("Rss"), own: field("Anonymous")}
}

// poll asks again and again, each pause long, until ok says yes. It gives up after half a minute.
func poll(tb testing.TB, pause time.Duration, what string, ok func() bool) {
	tb.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	tick := time.NewTicker(pause)
	defer tick.Stop()
	for !ok() {
		select {
		case <-tick.C:
		case <-ctx.Done():
			tb.Fatalf("%s: not within half a minute", what)
		}
	}
}
