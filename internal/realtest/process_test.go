//go:build unix

package realtest

import (
	"errors"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

const readyLimit = 30 * time.Second

// logHasLine is content when the process has written a line.
func logHasLine(p *Process) func() error {
	return func() error {
		if !strings.Contains(p.Log(), "\n") {
			return ErrNotYet
		}
		return nil
	}
}

func never() error { return ErrNotYet }

// childOf reads the process id that a test command has printed.
func childOf(t *testing.T, printed string) int {
	t.Helper()
	pid, err := strconv.Atoi(strings.TrimSpace(printed))
	if err != nil {
		t.Fatalf("the command printed %q, want a process id", printed)
	}
	return pid
}

// waitGone waits until a process does not run any more. A zombie has ended; where
// nobody reaps orphans it stays in the table.
func waitGone(t *testing.T, pid int) {
	t.Helper()
	Await(t, 10*time.Millisecond, readyLimit, "the end of process "+strconv.Itoa(pid), func() error {
		if running(pid) {
			return ErrNotYet
		}
		return nil
	})
}

func running(pid int) bool {
	if errors.Is(syscall.Kill(pid, 0), syscall.ESRCH) {
		return false
	}
	stat, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
	if err != nil {
		return true // no /proc here: the signal has told all there is to know
	}
	_, state, _ := strings.Cut(string(stat), ") ")
	return !strings.HasPrefix(state, "Z")
}

func TestStopEndsTheWholeGroup(t *testing.T) {
	// The grandchild ignores SIGTERM: it ends only when the group is killed.
	script := `sh -c 'trap "" TERM; echo $$; while :; do sleep 600; done' & wait`
	p, err := launch("stubborn", t.TempDir(), nil, "/bin/sh", "-c", script)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.End)
	if _, err := p.Ready(time.Millisecond, readyLimit, logHasLine(p)); err != nil {
		t.Fatal(err)
	}
	pid := childOf(t, p.Log())
	if !running(pid) {
		t.Fatalf("process %d does not run before stop", pid)
	}
	p.End()
	waitGone(t, pid)
	p.End() // a second time is harmless
}

func TestStopLetsTheProcessCleanUp(t *testing.T) {
	p, err := launch("polite", t.TempDir(), nil, "/bin/sh", "-c",
		`trap 'echo bye; exit 0' TERM; echo up; while :; do sleep 0.05; done`)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.End)
	if _, err := p.Ready(time.Millisecond, readyLimit, logHasLine(p)); err != nil {
		t.Fatal(err)
	}
	p.End()
	if got, want := Tail(p.Log()), "up\nbye"; got != want {
		t.Errorf("log = %q, want %q", got, want)
	}
	if !p.Cmd.ProcessState.Success() {
		t.Errorf("it ended with %v, want success", p.Cmd.ProcessState)
	}
}

func TestReadyTellsWhyAProcessEnded(t *testing.T) {
	p, err := launch("broken", t.TempDir(), []string{"WHY=no such port"}, "/bin/sh", "-c", `echo "fatal: $WHY"; exit 7`)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.End)
	_, err = p.Ready(time.Millisecond, readyLimit, never)
	if err == nil {
		t.Fatal("a process that ended counts as ready")
	}
	for _, want := range []string{"broken", "exit status 7", "fatal: no such port"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("error %q does not tell %q", err, want)
		}
	}
}

func TestReadyGivesUp(t *testing.T) {
	p := Start(t, exec.Command("/bin/sh", "-c", "echo waiting for a key; exec sleep 600"))
	if _, err := p.Ready(time.Millisecond, readyLimit, logHasLine(p)); err != nil {
		t.Fatal(err)
	}
	_, err := p.Ready(time.Millisecond, 100*time.Millisecond, never)
	if !errors.Is(err, ErrNotYet) {
		t.Fatalf("error = %v, want one with the last answer", err)
	}
	for _, want := range []string{"sh did not answer within 100ms", "waiting for a key"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("error %q does not tell %q", err, want)
		}
	}
}

// A test binary that dies without its cleanups leaves nothing behind.
func TestNothingOutlivesTheTestBinary(t *testing.T) {
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(self)
	cmd.Env = append(os.Environ(), orphanMaker+"="+t.TempDir())
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("the orphan maker failed: %v", err)
	}
	waitGone(t, childOf(t, string(out)))
}

func TestFreePort(t *testing.T) {
	seen := map[int]bool{}
	for range 100 {
		port := FreePort(t)
		if port < firstPort || port >= endPort {
			t.Fatalf("port %d is outside %d-%d", port, firstPort, endPort-1)
		}
		if seen[port] {
			t.Fatalf("port %d was given twice", port)
		}
		seen[port] = true
	}
}

func TestFindNamesTheInstallCommand(t *testing.T) {
	missing := part{names: []string{"authd-no-such-program"}, install: "apt-get install authd-no-such-program"}
	_, err := missing.find("thing")
	if err == nil {
		t.Fatal("a program that does not exist was found")
	}
	for _, want := range []string{"thing is not installed", "make deps", missing.install} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("error %q does not tell %q", err, want)
		}
	}
	if _, err := find("nonsense"); err == nil {
		t.Error("find accepts a part that is not in the table")
	}
}

func TestFindFindsEveryPart(t *testing.T) {
	for name := range parts {
		if info, err := os.Stat(Find(t, name)); err != nil || info.IsDir() {
			t.Errorf("%s: %v, want a file", name, err)
		}
	}
}
