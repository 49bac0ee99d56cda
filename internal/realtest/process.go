//go:build unix

package realtest

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"
)

const (
	stopWait   = 15 * time.Second
	stacksWait = 5 * time.Second
	logTail    = 16 << 10 // bytes of the log that an error or a failed test shows
)

// Process is a program that runs.
type Process struct {
	// Cmd is how it was started. Its ProcessState may be read when the process has ended.
	Cmd *exec.Cmd

	name string
	done chan struct{} // closed when it has been waited for
}

// Start runs a program until the end of the test, when it is asked to end, and killed if it does not. What it writes
// goes to a file unless cmd says otherwise, and the end of that is shown if the test fails. See Launch for before.
func Start(t testing.TB, cmd *exec.Cmd, before ...func() error) *Process {
	t.Helper()
	if cmd.Stderr == nil {
		log, err := os.Create(filepath.Join(t.TempDir(), "log"))
		if err != nil {
			t.Fatal(err)
		}
		defer log.Close()
		cmd.Stderr = log
		if cmd.Stdout == nil {
			cmd.Stdout = log
		}
	}
	p, err := Launch(cmd, before...)
	if err != nil {
		t.Fatal(err)
	}
	p.attach(t)
	return p
}

// Launch starts a program in a process group of its own, for a caller who ends it. On Linux it is killed when this
// process is gone, in whatever way that has ended. The functions are called before, on the thread that starts the
// program: what they set there, such as the cores to run on, the program inherits.
func Launch(cmd *exec.Cmd, before ...func() error) (*Process, error) {
	if cmd.SysProcAttr == nil {
		cmd.SysProcAttr = &syscall.SysProcAttr{}
	}
	cmd.SysProcAttr.Setpgid = true
	dieWithParent(cmd.SysProcAttr)
	p := &Process{Cmd: cmd, name: filepath.Base(cmd.Path), done: make(chan struct{})}
	started := make(chan error)
	go func() {
		// The kernel takes the end of the thread that forked for that of the parent, so it stays until the end. It is
		// not unlocked and ends with this goroutine: what was set on it goes with it.
		runtime.LockOSThread()
		err := start(cmd, before)
		started <- err
		if err == nil {
			_ = cmd.Wait() // how it ended is in ProcessState
			close(p.done)
		}
	}()
	if err := <-started; err != nil {
		return nil, fmt.Errorf("start %s: %w", p.name, err)
	}
	return p, nil
}

func start(cmd *exec.Cmd, before []func() error) error {
	for _, set := range before {
		if err := set(); err != nil {
			return err
		}
	}
	return cmd.Start()
}

// attach ends the process at the end of the test and shows its log if the test failed.
func (p *Process) attach(t testing.TB) {
	t.Cleanup(func() {
		p.End()
		if t.Failed() {
			t.Logf("log of %s:\n%s", p.name, Tail(p.Log()))
		}
	})
}

// PID is its process id, and that of its group.
func (p *Process) PID() int { return p.Cmd.Process.Pid }

// Ended reports whether it has ended.
func (p *Process) Ended() bool {
	select {
	case <-p.done:
		return true
	default:
		return false
	}
}

// Log is what it has written to its standard error: a file, or a writer with a method String.
func (p *Process) Log() string {
	switch log := p.Cmd.Stderr.(type) {
	case *os.File:
		text, err := os.ReadFile(log.Name())
		if err != nil {
			return err.Error()
		}
		return string(text)
	case fmt.Stringer:
		return log.String()
	}
	return ""
}

// Tail is the end of a log, as much as people read.
func Tail(log string) string { return strings.TrimSpace(log[max(0, len(log)-logTail):]) }

// Ready asks again and again, with a pause between, until the answer is nil, and returns how long that took. It gives
// up when the process ends or limit has passed; then the error holds the last answer and the end of the log.
func (p *Process) Ready(pause, limit time.Duration, ask func() error) (time.Duration, error) {
	took, err := poll(p.done, pause, limit, ask)
	switch {
	case err == nil:
		return took, nil
	case p.Ended():
		return took, fmt.Errorf("%s ended before it answered (%v): %w; its log:\n%s", p.name, p.Cmd.ProcessState, err, Tail(p.Log()))
	}
	return took, fmt.Errorf("%s did not answer within %s: %w; its log:\n%s", p.name, limit, err, Tail(p.Log()))
}

// Stop sends a signal, waits for the end and returns the exit code; see Wait.
func (p *Process) Stop(sig os.Signal, limit time.Duration) (code int, err error) {
	_ = p.Cmd.Process.Signal(sig) // an error means that it has ended already
	if code, err = p.Wait(limit); err != nil {
		err = fmt.Errorf("after signal %v: %w", sig, err)
	}
	return code, err
}

// Wait waits for the end and returns the exit code, -1 if that was a signal. What does not end within limit is an
// error: it is made to write its stacks to the log, as programs in Go do, and then killed with its group.
func (p *Process) Wait(limit time.Duration) (code int, err error) {
	if !p.endsWithin(limit) {
		err = fmt.Errorf("%s did not end within %v", p.name, limit)
		_ = p.Cmd.Process.Signal(syscall.SIGQUIT) // an error means that it has ended by now
		if !p.endsWithin(stacksWait) {
			p.killGroup()
		}
	}
	return p.Cmd.ProcessState.ExitCode(), err
}

// Kill is kill -9 of this process alone. It returns when it is gone.
func (p *Process) Kill() {
	_ = p.Cmd.Process.Kill() // an error means that it has ended already
	<-p.done
}

// End asks the process to end, then kills what is left of its group. It may be called more than once.
func (p *Process) End() {
	if p.Ended() {
		return
	}
	_ = p.Cmd.Process.Signal(syscall.SIGTERM) // an error means that it has ended by now
	p.endsWithin(stopWait)
	p.killGroup()
}

func (p *Process) endsWithin(limit time.Duration) bool {
	select {
	case <-p.done:
		return true
	case <-time.After(limit):
		return false
	}
}

func (p *Process) killGroup() {
	_ = syscall.Kill(-p.PID(), syscall.SIGKILL) // an error means that nothing is left
	<-p.done
}
