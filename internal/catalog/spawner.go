package catalog

import (
	"fmt"
	"os/exec"
	"runtime"
	"sync"
	"syscall"
)

// spawner starts processes, all from one thread of its own that lasts until stop. See jail_linux.go for why.
type spawner struct {
	settle func() error // prepares the thread, whose attributes each child inherits
	jobs   chan func()
	quit   chan struct{} // closed by stop
	done   chan struct{} // closed when the thread has ended
	once   sync.Once
}

// newSpawner makes the thread of the processes of the basic sandbox.
func newSpawner() (*spawner, error) { return spawnerOf(settleThread) }

// spawnerOf makes a thread and has it settle.
func spawnerOf(settle func() error) (*spawner, error) {
	s := &spawner{settle: settle, jobs: make(chan func()), quit: make(chan struct{}), done: make(chan struct{})}
	ready := make(chan error)
	go s.run(ready)
	if err := <-ready; err != nil {
		return nil, err
	}
	return s, nil
}

func (s *spawner) run(ready chan<- error) {
	// Never unlocked: the thread must not be used for anything else, and ends with the goroutine.
	runtime.LockOSThread()
	if isMainThread() {
		// This one would not end. While it is held, the next goroutine gets another.
		other := make(chan error)
		go s.run(other)
		ready <- <-other
		runtime.UnlockOSThread()
		return
	}
	defer close(s.done)
	err := s.settle()
	ready <- err
	if err != nil {
		return
	}
	for {
		select {
		case job := <-s.jobs:
			job()
		case <-s.quit:
			return
		}
	}
}

// start starts the command in the basic sandbox. It is the caller's to wait for.
func (s *spawner) start(cmd *exec.Cmd) (ended func(), err error) {
	return func() {}, s.spawn(cmd, nil, func(pid int) error { return confine(pid, 0) })
}

// spawn starts the command from the thread, as that user if it is not authd's own, and limits it.
func (s *spawner) spawn(cmd *exec.Cmd, as *syscall.Credential, limit func(pid int) error) error {
	result := make(chan error, 1)
	job := func() {
		err := closeOnExec()
		if err == nil {
			cmd.SysProcAttr = jail()
			cmd.SysProcAttr.Credential = as
			err = cmd.Start()
		}
		if err != nil {
			result <- fmt.Errorf("can't be started: %w", err)
			return
		}
		if err = limit(cmd.Process.Pid); err != nil {
			_ = cmd.Process.Kill()
			_ = cmd.Wait()
			err = fmt.Errorf("can't be confined: %w", err)
		}
		result <- err
	}
	select {
	case s.jobs <- job:
	case <-s.quit:
		return ErrStopped
	}
	return <-result
}

// stop ends the thread, and with it whatever child is still there. Nothing is started afterwards.
func (s *spawner) stop() {
	s.once.Do(func() { close(s.quit) })
	<-s.done
}
