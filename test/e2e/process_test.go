//go:build linux

package e2e

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// process is one run of the program authd.
type process struct {
	t      testing.TB
	cmd    *exec.Cmd
	tmp    string // its temporary directory, which it must leave empty
	stdout *os.File
	stderr *os.File
	done   chan struct{}
	killed bool // by the test: its end proves nothing
}

// startProcess runs authd with the arguments, in an empty directory and an environment of its own. At the end of the
// test it must stop when it is told to, with exit code 0, and leave nothing behind.
func startProcess(t testing.TB, environ []string, args ...string) *process {
	t.Helper()
	program := programs.path(t, "authd")
	dir := shortDir(t)
	p := &process{t: t, tmp: filepath.Join(dir, "tmp"), done: make(chan struct{})}
	if err := os.Mkdir(p.tmp, 0o700); err != nil {
		t.Fatal(err)
	}
	p.stdout, p.stderr = create(t, dir, "stdout"), create(t, dir, "stderr")
	p.cmd = exec.Command(program, args...)
	p.cmd.Dir = dir
	p.cmd.Env = append([]string{"PATH=" + os.Getenv("PATH"), "HOME=" + dir, "TMPDIR=" + p.tmp}, environ...)
	p.cmd.Stdout, p.cmd.Stderr = p.stdout, p.stderr
	// A test binary that is killed takes it along.
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		_ = p.cmd.Wait() // how it ended is in ProcessState
		close(p.done)
	}()
	t.Cleanup(p.end)
	return p
}

// shortDir is t.TempDir with a path that leaves room for the names of unix sockets.
func shortDir(t testing.TB) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "e2e-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := os.RemoveAll(dir); err != nil {
			t.Error(err)
		}
	})
	return dir
}

func create(t testing.TB, dir, name string) *os.File {
	t.Helper()
	f, err := os.Create(filepath.Join(dir, name))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = f.Close() })
	return f
}

// output is what it has written on standard output, log on standard error.
func (p *process) output() string { return read(p.t, p.stdout) }

func (p *process) log() string { return read(p.t, p.stderr) }

func read(t testing.TB, f *os.File) string {
	t.Helper()
	text, err := os.ReadFile(f.Name())
	if err != nil {
		t.Error(err)
	}
	return string(text)
}

// ended reports whether the process has ended.
func (p *process) ended() bool {
	select {
	case <-p.done:
		return true
	default:
		return false
	}
}

// stop sends a signal and returns the exit code.
func (p *process) stop(sig os.Signal) int {
	p.t.Helper()
	_ = p.cmd.Process.Signal(sig) // an error means that it has ended already
	return p.wait(sig)
}

// interrupt does what Ctrl-C does: it reaches the whole process group.
func (p *process) interrupt() int {
	p.t.Helper()
	if err := syscall.Kill(-p.cmd.Process.Pid, syscall.SIGINT); err != nil {
		p.t.Fatal(err)
	}
	return p.wait(os.Interrupt)
}

// wait returns the exit code when the process has ended, as it should soon after a signal.
func (p *process) wait(sig os.Signal) int {
	p.t.Helper()
	select {
	case <-p.done:
	case <-time.After(patience):
		_ = p.cmd.Process.Signal(syscall.SIGQUIT) // its stacks go to the log
		<-p.done
		p.t.Errorf("authd did not stop within %v of %v", patience, sig)
	}
	return p.cmd.ProcessState.ExitCode()
}

// end is what every test asks of the end of an authd.
func (p *process) end() {
	if !p.killed {
		plugins := p.children()
		if code := p.stop(syscall.SIGTERM); code != 0 {
			p.t.Errorf("authd ended with %v, want exit code 0", p.cmd.ProcessState)
		}
		p.wantNothingLeft(plugins)
	}
	p.wantNoSecrets()
	if p.t.Failed() {
		p.t.Logf("log of authd:\n%s", tail(p.log()))
	}
}

// Threat 140: no plugin outlives authd, and nothing is left in its temporary directory.
func (p *process) wantNothingLeft(plugins []child) {
	p.t.Helper()
	for _, c := range plugins {
		if c.runs() {
			p.t.Errorf("%s with pid %d outlives authd", c.name, c.pid)
		}
	}
	left, err := os.ReadDir(p.tmp)
	if err != nil || len(left) > 0 {
		p.t.Errorf("authd leaves %v in its temporary directory (%v)", left, err)
	}
}

// Threat 154: no secret is logged, not at level debug either.
func (p *process) wantNoSecrets() {
	p.t.Helper()
	log := p.log()
	for _, secret := range secrets {
		if strings.Contains(log, secret) {
			p.t.Errorf("the log holds the secret %q", secret)
		}
	}
}

func tail(log string) string {
	const enough = 8 << 10
	return log[max(0, len(log)-enough):]
}

// child is a process that another one has started.
type child struct {
	pid     int
	name    string // of its executable
	started string // when, in the kernel's ticks: a pid may be given again
}

// children are the plugins that run, by name. Those that have ended and wait to be reaped are not among them.
func (p *process) children() []child { return childrenOf(p.cmd.Process.Pid) }

func childrenOf(parent int) []child {
	entries, _ := filepath.Glob("/proc/[0-9]*") // the pattern is well-formed
	var found []child
	for _, dir := range entries {
		pid, err := strconv.Atoi(filepath.Base(dir))
		if err != nil {
			continue
		}
		if state, ppid, started := stat(pid); ppid == parent && state != "Z" {
			name, _ := os.Readlink(filepath.Join(dir, "exe"))
			found = append(found, child{pid, filepath.Base(name), started})
		}
	}
	return found
}

// stat reads /proc/PID/stat; see proc_pid_stat(5). The name in it may hold anything, so it is read from its end.
func stat(pid int) (state string, ppid int, started string) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return "", 0, ""
	}
	fields := strings.Fields(string(text[bytes.LastIndexByte(text, ')')+1:]))
	if len(fields) < 20 {
		return "", 0, ""
	}
	ppid, _ = strconv.Atoi(fields[1])
	return fields[0], ppid, fields[19]
}

func (c child) runs() bool {
	state, _, started := stat(c.pid)
	return started == c.started && state != "Z" && state != ""
}

// plugin waits for the one process of a plugin that runs.
func (p *process) plugin(name string) child {
	p.t.Helper()
	var found child
	await(p.t, patience, name+" runs", func() error {
		for _, c := range p.children() {
			if c.name == "authd-provider-"+name {
				found = c
				return nil
			}
		}
		return errNotYet
	})
	return found
}

func (c child) signal(t testing.TB, sig syscall.Signal) {
	t.Helper()
	if err := syscall.Kill(c.pid, sig); err != nil {
		t.Fatalf("signal %v to %s: %v", sig, c.name, err)
	}
}

// run runs one command of authd to its end and returns what it printed and its exit code.
func run(t testing.TB, environ []string, args ...string) (output string, code int) {
	t.Helper()
	p := startProcess(t, environ, args...)
	select {
	case <-p.done:
	case <-time.After(patience):
		t.Fatalf("authd %v does not end", args)
	}
	p.killed = true // its exit code is the caller's to judge
	p.wantNothingLeft(nil)
	return p.output() + p.log(), p.cmd.ProcessState.ExitCode()
}
