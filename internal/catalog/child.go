package catalog

import (
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"sync"
	"syscall"
	"time"
)

// drainTime is how long output is read after the process has ended: a grandchild may hold the pipe for ever.
const drainTime = 200 * time.Millisecond

// endTime is how long a process whose connection has broken may take to end before it counts as one that lives on.
const endTime = time.Second

// child is one running process. It is reaped as soon as it ends, and its group with it.
type child struct {
	pid     int
	uid     int           // the user that it runs as
	exited  chan struct{} // closed when it has been reaped
	drained chan struct{} // closed when all that it printed has been read, or drainTime is over

	cmd      *exec.Cmd
	ended    func()   // releases what it was started with
	lifeline *os.File // the other end of its standard input: end of file tells it that authd is gone
	mu       sync.Mutex
	reaped   bool // from then on the pid may be another's
	killed   bool // by authd
}

// starter starts a command in a sandbox. ended is called when the process is gone.
type starter interface {
	start(*exec.Cmd) (ended func(), err error)
}

// startChild starts the command and hands its output to the two readers, which must read until an error.
func startChild(s starter, cmd *exec.Cmd, stdout, stderr func(io.Reader)) (c *child, err error) {
	var pipes []*os.File
	defer func() {
		for _, f := range pipes {
			err = errors.Join(err, f.Close())
		}
	}()
	for range 3 {
		r, w, err := os.Pipe()
		if err != nil {
			return nil, fmt.Errorf("no pipe for its output: %w", err)
		}
		pipes = append(pipes, r, w)
	}
	cmd.Stdin, cmd.Stdout, cmd.Stderr = pipes[0], pipes[3], pipes[5]
	ended, err := s.start(cmd)
	if err != nil {
		return nil, err
	}
	c = &child{
		pid: cmd.Process.Pid, uid: userOf(cmd), cmd: cmd, ended: ended, lifeline: pipes[1],
		exited: make(chan struct{}), drained: make(chan struct{}),
	}
	outputs := []*os.File{pipes[2], pipes[4]}
	pipes = []*os.File{pipes[0], pipes[3], pipes[5]} // the child has its own copies
	var readers sync.WaitGroup
	readers.Go(func() { stdout(outputs[0]) })
	readers.Go(func() { stderr(outputs[1]) })
	go c.reap(outputs, &readers)
	return c, nil
}

// userOf is the user that a command was started as.
func userOf(cmd *exec.Cmd) int {
	if attr := cmd.SysProcAttr; attr != nil && attr.Credential != nil {
		return int(attr.Credential.Uid)
	}
	return os.Geteuid()
}

// reap waits for the end. The group is killed while the dead leader still holds its id, so that no other can be hit.
func (c *child) reap(outputs []*os.File, readers *sync.WaitGroup) {
	awaitExit(c.pid)
	c.mu.Lock()
	_ = syscall.Kill(-c.pid, syscall.SIGKILL)
	_ = c.cmd.Wait() // its result is in ProcessState
	c.reaped = true
	c.mu.Unlock()
	c.ended()
	close(c.exited)

	_ = c.lifeline.Close()
	end := time.Now().Add(drainTime)
	for _, f := range outputs {
		_ = f.SetReadDeadline(end)
	}
	readers.Wait()
	for _, f := range outputs {
		_ = f.Close()
	}
	close(c.drained)
}

// kill ends the process and its group at once. It does nothing when the process has ended.
func (c *child) kill() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.reaped {
		c.killed = true
		_ = syscall.Kill(-c.pid, syscall.SIGKILL)
	}
}

// signal sends a signal to the process alone.
func (c *child) signal(sig syscall.Signal) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.reaped {
		_ = syscall.Kill(c.pid, sig)
	}
}

// alive reports whether the process has not ended.
func (c *child) alive() bool {
	select {
	case <-c.exited:
		return false
	default:
		return true
	}
}

// killedFromOutside reports whether somebody else than authd killed the process: an operator, or the kernel for want
// of memory. Only after exited is closed.
func (c *child) killedFromOutside() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.killed || c.cmd.ProcessState == nil {
		return false
	}
	state, ok := c.cmd.ProcessState.Sys().(syscall.WaitStatus)
	return ok && state.Signaled() && state.Signal() == syscall.SIGKILL
}

// status says how the process ended: "exited with status 1". Only after exited is closed.
func (c *child) status() string {
	ended := c.cmd.ProcessState
	if ended == nil {
		return "ended"
	}
	if state, ok := ended.Sys().(syscall.WaitStatus); ok && state.Signaled() {
		return fmt.Sprintf("was ended by signal %d (%v)", int(state.Signal()), state.Signal())
	}
	return fmt.Sprintf("exited with status %d", ended.ExitCode())
}
