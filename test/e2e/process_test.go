//go:build linux

package e2e

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/authd/authd/internal/realtest"
)

// process is one run of the program authd.
type process struct {
	*realtest.Process
	t      testing.TB
	tmp    string // its temporary directory, which it must leave empty
	killed bool   // by the test: its end proves nothing
}

// startProcess runs authd with the arguments, in an empty directory and an environment of its own. At the end of the
// test it must stop when it is told to, with exit code 0, and leave nothing behind.
func startProcess(t testing.TB, environ []string, args ...string) *process {
	t.Helper()
	return startCommand(t, environ, exec.Command(programs.Path(t, "authd"), args...))
}

// startCommand is startProcess for a command that becomes authd.
func startCommand(t testing.TB, environ []string, cmd *exec.Cmd) *process {
	t.Helper()
	dir := realtest.ShortDir(t)
	p := &process{t: t, tmp: filepath.Join(dir, "tmp")}
	if err := os.Mkdir(p.tmp, 0o700); err != nil {
		t.Fatal(err)
	}
	stdout, err := os.Create(filepath.Join(dir, "stdout"))
	if err != nil {
		t.Fatal(err)
	}
	defer stdout.Close()
	cmd.Stdout, cmd.Dir = stdout, dir
	cmd.Env = append([]string{"PATH=" + os.Getenv("PATH"), "HOME=" + dir, "TMPDIR=" + p.tmp}, environ...)
	p.Process = realtest.Start(t, cmd)
	t.Cleanup(p.end)
	return p
}

// output is what it has written on standard output.
func (p *process) output() string { return fileText(p.t, filepath.Join(p.Cmd.Dir, "stdout")) }

// stop sends a signal and returns the exit code.
func (p *process) stop(sig os.Signal) int {
	p.t.Helper()
	code, err := p.Stop(sig, patience)
	if err != nil {
		p.t.Error(err)
	}
	return code
}

// interrupt does what Ctrl-C does: it reaches the whole process group.
func (p *process) interrupt() int {
	p.t.Helper()
	if err := syscall.Kill(-p.PID(), syscall.SIGINT); err != nil {
		p.t.Fatal(err)
	}
	code, err := p.Wait(patience)
	if err != nil {
		p.t.Error(err)
	}
	return code
}

// end is what every test asks of the end of an authd.
func (p *process) end() {
	if !p.killed {
		plugins := p.Children()
		if code := p.stop(syscall.SIGTERM); code != 0 {
			p.t.Errorf("authd ended with %v, want exit code 0", p.Cmd.ProcessState)
		}
		p.wantNothingLeft(plugins)
	}
	p.wantNoSecrets()
}

// Threat 140: no plugin outlives authd, and nothing is left in its temporary directory.
func (p *process) wantNothingLeft(plugins []realtest.Child) {
	p.t.Helper()
	for _, c := range plugins {
		if c.Runs() {
			p.t.Errorf("%s with pid %d outlives authd", c.Name, c.PID)
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
	log := p.Log()
	for _, secret := range secrets {
		if strings.Contains(log, secret) {
			p.t.Errorf("the log holds the secret %q", secret)
		}
	}
}

// plugin waits for the one process of a plugin that runs.
func (p *process) plugin(name string) realtest.Child {
	p.t.Helper()
	var found realtest.Child
	await(p.t, patience, name+" runs", func() error {
		for _, c := range p.Children() {
			if c.Name == "authd-provider-"+name {
				found = c
				return nil
			}
		}
		return realtest.ErrNotYet
	})
	return found
}

// run runs one command of authd to its end and returns what it printed and its exit code.
func run(t testing.TB, environ []string, args ...string) (output string, code int) {
	t.Helper()
	p := startProcess(t, environ, args...)
	code, err := p.Wait(patience)
	if err != nil {
		t.Fatalf("authd %v: %v", args, err)
	}
	p.killed = true // its exit code is the caller's to judge
	p.wantNothingLeft(nil)
	return p.output() + p.Log(), code
}
