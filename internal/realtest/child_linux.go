package realtest

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// Child is a process that another one has started.
type Child struct {
	PID     int
	Name    string // of its executable
	started string // when, in the kernel's ticks: a pid may be given again
}

// Children are the processes that it has started, and that still run.
func (p *Process) Children() []Child { return ChildrenOf(p.PID()) }

// ChildrenOf are the processes that another one has started. Those that have ended and wait to be reaped are not among
// them.
func ChildrenOf(parent int) []Child {
	entries, _ := filepath.Glob("/proc/[0-9]*") // the pattern is well-formed
	var found []Child
	for _, dir := range entries {
		pid, err := strconv.Atoi(filepath.Base(dir))
		if err != nil {
			continue
		}
		if st, ok := StatusOf(pid); ok && st.Parent == parent && st.State != "Z" {
			name, _ := os.Readlink(filepath.Join(dir, "exe"))
			found = append(found, Child{pid, filepath.Base(name), st.started})
		}
	}
	return found
}

// Runs reports whether it is the process that it was, and has not ended.
func (c Child) Runs() bool {
	st, ok := StatusOf(c.PID)
	return ok && st.started == c.started && st.State != "Z"
}

// Signal sends it a signal, which must arrive.
func (c Child) Signal(t testing.TB, sig syscall.Signal) {
	t.Helper()
	if err := syscall.Kill(c.PID, sig); err != nil {
		t.Fatalf("signal %v to %s: %v", sig, c.Name, err)
	}
}

// AwaitGone waits until it runs no more, and returns how long that took.
func (c Child) AwaitGone(t testing.TB, limit time.Duration) time.Duration {
	t.Helper()
	return Await(t, 2*time.Millisecond, limit, fmt.Sprintf("the end of %s with pid %d", c.Name, c.PID), func() error {
		if c.Runs() {
			return ErrNotYet
		}
		return nil
	})
}

// Status is what /proc/PID/stat says of a process; see proc_pid_stat(5).
type Status struct {
	State   string // one letter: R, S, T for one that was stopped, Z for one that has ended
	Parent  int
	CPU     time.Duration // its own, and that of children which it has waited for, in steps of 10 ms
	started string
}

// userTick is the unit of CPU time in /proc on every Linux: USER_HZ is 100.
const userTick = 10 * time.Millisecond

// StatusOf reads the status of a process, and reports whether there is one.
func StatusOf(pid int) (Status, bool) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return Status{}, false
	}
	// The name in it may hold anything, so it is read from its end.
	fields := strings.Fields(string(text[bytes.LastIndexByte(text, ')')+1:]))
	if len(fields) < 20 {
		return Status{}, false
	}
	st := Status{State: fields[0], started: fields[19]}
	st.Parent, _ = strconv.Atoi(fields[1])
	for _, field := range fields[11:15] { // utime, stime, cutime, cstime
		ticks, _ := strconv.Atoi(field)
		st.CPU += time.Duration(ticks) * userTick
	}
	return st, true
}

// Memory is what a process holds, in bytes.
type Memory struct {
	Resident int // files that are mapped by several processes in full
	Own      int // anonymous: what another process of the same kind would cost besides its code
}

// MemoryOf reads what a process holds; see smaps_rollup in proc_pid_smaps(5).
func MemoryOf(t testing.TB, pid int) Memory {
	t.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/smaps_rollup", pid))
	if err != nil {
		t.Fatal(err)
	}
	field := func(name string) int {
		_, rest, _ := strings.Cut(string(text), "\n"+name+":")
		line, _, _ := strings.Cut(rest, "\n")
		kB, err := strconv.Atoi(strings.TrimSpace(strings.TrimSuffix(line, "kB")))
		if err != nil {
			t.Fatalf("smaps_rollup of process %d has no %s (%v):\n%s", pid, name, err, text)
		}
		return kB << 10
	}
	return Memory{Resident: field("Rss"), Own: field("Anonymous")}
}
