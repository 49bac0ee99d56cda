package catalog

import (
	"fmt"
	"os/exec"
	"runtime"
	"sync"
)

// spawner starts processes, all from one thread of its own that lasts until stop. See jail_linux.go for why.
type spawner struct {
	jobs chan func()
	quit chan struct{} // closed by stop
	done chan struct{} // closed when the thread has ended
	once sync.Once
}

func newSpawner() (*spawner, error) {
	s := &spawner{jobs: make(chan func()), quit: make(chan struct{}), done: make(chan struct{})}
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
	err := settleThread()
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

// start starts the command in the jail. It is the caller's to wait for.
func (s *spawner) start(cmd *exec.Cmd) error {
	result := make(chan error, 1)
	job := func() {
		err := closeOnExec()
		if err == nil {
			cmd.SysProcAttr = jail()
			err = cmd.Start()
		}
		result <- err
	}
	select {
	case s.jobs <- job:
	case <-s.quit:
		return ErrStopped
	}
	if err := <-result; err != nil {
		return fmt.Errorf("can't be started: %w", err)
	}
	if err := confine(cmd.Process.Pid); err != nil {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
		return fmt.Errorf("can't be confined: %w", err)
	}
	return nil
}

// stop ends the thread, and with it whatever child is still there. Nothing is started afterwards.
func (s *spawner) stop() {
	s.once.Do(func() { close(s.quit) })
	<-s.done
}
