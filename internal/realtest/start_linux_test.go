package realtest

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

// observed is a test that may fail: it keeps what it is told.
type observed struct {
	testing.TB
	failed bool
	told   strings.Builder
	ends   []func()
}

func (o *observed) Helper()                 {}
func (o *observed) Failed() bool            { return o.failed }
func (o *observed) Cleanup(end func())      { o.ends = append(o.ends, end) }
func (o *observed) Logf(f string, a ...any) { fmt.Fprintf(&o.told, f, a...) }

func (o *observed) Fatal(a ...any) {
	o.failed = true
	fmt.Fprint(&o.told, a...)
	panic(o)
}

func (o *observed) Fatalf(f string, a ...any) { o.Fatal(fmt.Sprintf(f, a...)) }

// run runs the test with its cleanups and returns what it was told.
func (o *observed) run(test func()) string {
	func() {
		defer func() {
			if cause := recover(); cause != nil && cause != o {
				panic(cause)
			}
		}()
		test()
	}()
	for i := len(o.ends) - 1; i >= 0; i-- {
		o.ends[i]()
	}
	return o.told.String()
}

// shell is a command whose directory is its own.
func shell(t testing.TB, script string) *exec.Cmd {
	t.Helper()
	cmd := exec.Command("/bin/sh", "-c", script)
	cmd.Dir = t.TempDir()
	return cmd
}

// A program that dies at once, or never gets ready, fails the test with what it has written.
func TestFailuresTellTheOutput(t *testing.T) {
	for script, want := range map[string]string{
		"echo no such flag >&2; exit 3": "exit status 3",
		"echo no such flag; sleep 600":  "did not answer within",
	} {
		o := &observed{TB: t}
		told := o.run(func() {
			p := Start(o, shell(t, script))
			if _, err := p.Ready(time.Millisecond, readyLimit, logHasLine(p)); err != nil {
				o.Fatal(err)
			}
			if _, err := p.Ready(time.Millisecond, 20*time.Millisecond, func() error {
				if strings.Contains(script, "exit") && !p.Ended() {
					<-p.done
				}
				return ErrNotYet
			}); err != nil {
				o.Fatal(err)
			}
		})
		if !o.failed || !strings.Contains(told, want) || strings.Count(told, "no such flag") != 2 || !strings.Contains(told, "log of sh:") {
			t.Errorf("%s: the test is told\n%s\nwant %q, and the output with the failure and at the end", script, told, want)
		}
	}
}

func TestStartFails(t *testing.T) {
	o := &observed{TB: t}
	if told := o.run(func() { Start(o, exec.Command("/nonexistent/authd")) }); !o.failed || !strings.Contains(told, "start authd: ") {
		t.Errorf("a program that is not there: %q", told)
	}
	refused := errors.New("no such core")
	if p, err := Launch(shell(t, "exit"), func() error { return refused }); !errors.Is(err, refused) {
		t.Errorf("Launch = %v, %v, want %v", p, err, refused)
	}
}

// At the end of the test a program is asked to end. One that does what it is told says nothing in a test that passes.
func TestStartEndsWithTheTest(t *testing.T) {
	o := &observed{TB: t}
	var p *Process
	told := o.run(func() {
		p = Start(o, shell(t, `trap 'echo bye; exit 0' TERM; echo up; while :; do sleep 0.05; done`))
		if _, err := p.Ready(time.Millisecond, readyLimit, logHasLine(p)); err != nil {
			o.Fatal(err)
		}
	})
	if !p.Ended() || p.Log() != "up\nbye\n" || told != "" {
		t.Errorf("ended %v, log %q, told %q", p.Ended(), p.Log(), told)
	}
}

func TestStop(t *testing.T) {
	p := Start(t, shell(t, `trap 'exit 4' INT; echo up; while :; do sleep 0.05; done`))
	if _, err := p.Ready(time.Millisecond, readyLimit, logHasLine(p)); err != nil {
		t.Fatal(err)
	}
	if code, err := p.Stop(os.Interrupt, readyLimit); code != 4 || err != nil {
		t.Errorf("Stop = %d, %v, want 4", code, err)
	}
	if code, err := p.Stop(os.Interrupt, readyLimit); code != 4 || err != nil {
		t.Errorf("a second Stop = %d, %v, want 4", code, err)
	}
}

// What does not obey is asked for its stacks, which is how a program in Go ends.
func TestStopGivesUp(t *testing.T) {
	p := Start(t, shell(t, `trap '' TERM; trap 'echo stacks; exit 2' QUIT; echo up; while :; do sleep 0.05; done`))
	if _, err := p.Ready(time.Millisecond, readyLimit, logHasLine(p)); err != nil {
		t.Fatal(err)
	}
	code, err := p.Stop(syscall.SIGTERM, 50*time.Millisecond)
	if code != 2 || err == nil || !strings.Contains(err.Error(), "after signal terminated: sh did not end within 50ms") {
		t.Errorf("Stop = %d, %v, want 2 and an error", code, err)
	}
	if p.Log() != "up\nstacks\n" {
		t.Errorf("log = %q", p.Log())
	}
}

// What is set before on the thread holds for the program, and for no other.
func TestLaunchInherits(t *testing.T) {
	const lowest = 19
	last := func() error { return syscall.Setpriority(syscall.PRIO_PROCESS, 0, lowest) }
	for _, before := range [][]func() error{{last}, nil} {
		var log bytes.Buffer
		cmd := shell(t, "cut -d' ' -f19 /proc/$$/stat >&2; kill -KILL $$") // see proc_pid_stat(5)
		cmd.Stderr = &log
		p, err := Launch(cmd, before...)
		if err != nil {
			t.Fatal(err)
		}
		if code, err := p.Wait(readyLimit); code != -1 || err != nil {
			t.Errorf("Wait = %d, %v, want -1 for a signal", code, err)
		}
		if low := Tail(p.Log()) == fmt.Sprint(lowest); low != (before != nil) || p.Log() != log.String() || p.Log() == "" {
			t.Errorf("with %d set before it runs at priority %q", len(before), p.Log())
		}
	}
}

func TestLaunchMakesAGroup(t *testing.T) {
	p, err := Launch(shell(t, "exec sleep 600"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.End)
	if group, err := syscall.Getpgid(p.PID()); err != nil || group != p.PID() {
		t.Errorf("process %d is in group %d (%v)", p.PID(), group, err)
	}
	if p.Log() != "" {
		t.Errorf("without a place for it the log is %q", p.Log())
	}
}

// Kill ends one process alone; its children are found, and are seen to end.
func TestChildren(t *testing.T) {
	p := Start(t, shell(t, "sleep 600 & echo up; wait"))
	var all []Child
	Await(t, time.Millisecond, readyLimit, "one child", func() error {
		if all = p.Children(); len(all) != 1 || all[0].Name == "" {
			return fmt.Errorf("%v", all)
		}
		return nil
	})
	child := all[0]
	child.Signal(t, syscall.SIGSTOP)
	Await(t, time.Millisecond, readyLimit, "it stands still", func() error {
		if st, ok := StatusOf(child.PID); !ok || st.State != "T" || st.Parent != p.PID() {
			return fmt.Errorf("%+v", st)
		}
		return nil
	})
	child.Signal(t, syscall.SIGCONT) // the kernel hangs up on orphans that stand still
	Await(t, time.Millisecond, readyLimit, "it goes on", func() error {
		if st, ok := StatusOf(child.PID); !ok || st.State == "T" {
			return fmt.Errorf("%+v", st)
		}
		return nil
	})
	p.Kill()
	if !p.Ended() || !child.Runs() {
		t.Errorf("after Kill: ended %v, its child runs %v", p.Ended(), child.Runs())
	}
	child.Signal(t, syscall.SIGKILL)
	child.AwaitGone(t, readyLimit)
	if other := (Child{PID: os.Getpid(), started: child.started}); other.Runs() {
		t.Error("another process with its id counts as the child")
	}
	if _, ok := StatusOf(child.PID); ok && child.Runs() {
		t.Error("it runs and does not")
	}
}

func TestStatusCountsTime(t *testing.T) {
	before, ok := StatusOf(os.Getpid())
	Await(t, time.Nanosecond, readyLimit, "this process has used more time", func() error {
		if now, _ := StatusOf(os.Getpid()); now.CPU <= before.CPU {
			return ErrNotYet
		}
		return nil
	})
	if !ok || before.Parent != os.Getppid() {
		t.Errorf("status of this process: %+v, %v", before, ok)
	}
}

func TestMemory(t *testing.T) {
	before := MemoryOf(t, os.Getpid())
	held, err := syscall.Mmap(-1, 0, 64<<20, syscall.PROT_READ|syscall.PROT_WRITE, syscall.MAP_ANON|syscall.MAP_PRIVATE)
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i < len(held); i += 1 << 10 {
		held[i] = 1
	}
	after := MemoryOf(t, os.Getpid())
	if err := syscall.Munmap(held); err != nil {
		t.Fatal(err)
	}
	if before.Own <= 0 || before.Resident <= before.Own || after.Own-before.Own < 32<<20 {
		t.Errorf("this process held %+v, then %+v with 64 MiB more", before, after)
	}
	o := &observed{TB: t}
	if told := o.run(func() { MemoryOf(o, -1) }); !o.failed {
		t.Errorf("of no process: %q", told)
	}
}

func TestAwait(t *testing.T) {
	o, asked := &observed{TB: t}, 0
	told := o.run(func() {
		Await(o, time.Millisecond, 20*time.Millisecond, "rain", func() error {
			asked++
			return fmt.Errorf("answer %d", asked)
		})
	})
	if want := fmt.Sprintf("rain: not within 20ms: answer %d", asked); told != want || !o.failed {
		t.Errorf("the test is told %q, want %q", told, want)
	}
	left := 3
	if took, err := Poll(time.Millisecond, readyLimit, func() error {
		if left--; left > 0 {
			return ErrNotYet
		}
		return nil
	}); err != nil || took <= 0 || left != 0 {
		t.Errorf("Poll = %v, %v with %d left", took, err, left)
	}
}

func TestAnswers(t *testing.T) {
	var status atomic.Int32
	status.Store(http.StatusServiceUnavailable)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(int(status.Load()))
		_, _ = io.WriteString(w, "waiting for company")
	}))
	ask := Answers(server.URL)
	if err := ask(); err == nil || !strings.Contains(err.Error(), "503") || !strings.Contains(err.Error(), "waiting for company") {
		t.Errorf("with status 503: %v", err)
	}
	status.Store(http.StatusOK)
	if err := ask(); err != nil {
		t.Error(err)
	}
	server.Close()
	if err := ask(); err == nil {
		t.Error("without a server: no error")
	}
}

// Programs are built once, by the names that authd looks for, and removed.
func TestPrograms(t *testing.T) {
	p := &Programs{Sources: []string{"plugins/descope"}, Version: "realtest-1"}
	plugin := p.Path(t, "plugins", "authd-provider-descope")
	out, err := exec.Command(plugin, "-describe").Output()
	if err != nil || !strings.Contains(string(out), "realtest-1") {
		t.Errorf("%s -describe: %v\n%s", plugin, err, out)
	}
	if again := p.Path(t); filepath.Join(again, "plugins", "authd-provider-descope") != plugin {
		t.Errorf("the second path is in %s", again)
	}
	if err := p.Remove(); err != nil {
		t.Error(err)
	}
	if _, err := os.Stat(filepath.Dir(plugin)); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("after Remove: %v", err)
	}
}

func TestProgramsThatAreNot(t *testing.T) {
	for source, want := range map[string]string{"plugins/nobody": "no program in ", "internal/*": "no program in "} {
		o, p := &observed{TB: t}, &Programs{Sources: []string{source}}
		if told := o.run(func() { p.Path(o, "authd") }); !o.failed || !strings.Contains(told, want) {
			t.Errorf("%s: %q, want %q", source, told, want)
		}
		if err := p.Remove(); err != nil {
			t.Error(err)
		}
	}
}

type tests int

func (m tests) Run() int { return int(m) }

func TestRun(t *testing.T) {
	done := 0
	fine, broken := func() error { done++; return nil }, func() error { return errors.New("left behind") }
	for _, c := range []struct {
		code int
		ends []func() error
		want int
	}{{0, nil, 0}, {2, []func() error{fine}, 2}, {0, []func() error{broken, fine}, 1}} {
		if got := Run(tests(c.code), c.ends...); got != c.want {
			t.Errorf("Run of tests that end with %d = %d, want %d", c.code, got, c.want)
		}
	}
	if done != 2 {
		t.Errorf("%d ends were done, want 2", done)
	}
}

func TestFreeAddr(t *testing.T) {
	if a, b := FreeAddr(t), FreeAddr(t); a == b || !strings.HasPrefix(a, "127.0.0.1:2") && !strings.HasPrefix(a, "127.0.0.1:3") {
		t.Errorf("FreeAddr gives %s and %s", a, b)
	}
}
