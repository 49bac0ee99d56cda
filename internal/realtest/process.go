//go:build unix

package realtest

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

const (
	pollEvery = 50 * time.Millisecond
	stopWait  = 15 * time.Second
	logTail   = 16 << 10 // bytes of the log that an error or a failed test shows
)

// supervise runs a command and ends with its exit code. It passes SIGTERM on, and it
// kills its whole process group when its standard input ends: that is when the test
// binary is gone without a cleanup (a panic, a test timeout, kill -9).
const supervise = `
exec 3<&0
child= ended=
trap 'ended=1; [ -z "$child" ] || kill -TERM "$child" 2>/dev/null' TERM
"$@" </dev/null 3<&- &
child=$!
[ -z "$ended" ] || kill -TERM "$child"
(trap - TERM; read -r _ <&3; kill -KILL 0) &
wait "$child"; code=$?
while kill -0 "$child" 2>/dev/null; do wait "$child"; code=$?; done
exit "$code"
`

// process is one running command with everything that it started.
type process struct {
	name string
	cmd  *exec.Cmd
	hold io.Closer // standard input of the supervisor; open as long as we live
	log  string    // file with standard output and standard error
	done chan struct{}
	err  error // how it ended; read it after done
	once sync.Once
}

// launch starts argv in dir with env added to the environment. Its output goes to
// NAME.log in dir.
func launch(name, dir string, env []string, argv ...string) (*process, error) {
	p := &process{name: name, log: filepath.Join(dir, name+".log"), done: make(chan struct{})}
	out, err := os.Create(p.log)
	if err != nil {
		return nil, fmt.Errorf("start %s: %w", name, err)
	}
	defer out.Close()
	p.cmd = exec.Command("/bin/sh", append([]string{"-c", supervise, "supervise"}, argv...)...)
	p.cmd.Dir = dir
	p.cmd.Env = append(os.Environ(), env...)
	p.cmd.Stdout, p.cmd.Stderr = out, out
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if p.hold, err = p.cmd.StdinPipe(); err != nil {
		return nil, fmt.Errorf("start %s: %w", name, err)
	}
	if err := p.cmd.Start(); err != nil {
		return nil, fmt.Errorf("start %s: %w", name, err)
	}
	go func() {
		p.err = p.cmd.Wait()
		close(p.done)
	}()
	return p, nil
}

// ready polls probe until it succeeds. It gives up when the process ends or when
// limit has passed, and then tells what the log says.
func (p *process) ready(limit time.Duration, probe func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	defer cancel()
	tick := time.NewTicker(pollEvery)
	defer tick.Stop()
	for {
		err := probe(ctx)
		if err == nil {
			return nil
		}
		select {
		case <-p.done:
			return fmt.Errorf("%s ended before it answered (%v); its log:\n%s", p.name, p.err, p.tail())
		case <-ctx.Done():
			return fmt.Errorf("%s did not answer within %s: %w; its log:\n%s", p.name, limit, err, p.tail())
		case <-tick.C:
		}
	}
}

// stop asks the process to end, then kills what is left of its group. It returns when
// nothing runs any more and may be called more than once.
func (p *process) stop() {
	p.once.Do(func() {
		_ = p.cmd.Process.Signal(syscall.SIGTERM) // an error means that it has ended already
		select {
		case <-p.done:
		case <-time.After(stopWait):
		}
		_ = syscall.Kill(-p.cmd.Process.Pid, syscall.SIGKILL)
		_ = p.hold.Close()
		<-p.done
	})
}

// tail returns the end of the log.
func (p *process) tail() string {
	text, err := os.ReadFile(p.log)
	if err != nil {
		return err.Error()
	}
	if len(text) > logTail {
		text = text[len(text)-logTail:]
	}
	return strings.TrimSpace(string(text))
}

// attach stops the process at the end of the test and shows its log if the test failed.
func (p *process) attach(t testing.TB) {
	t.Cleanup(func() {
		p.stop()
		if t.Failed() {
			t.Logf("log of %s:\n%s", p.name, p.tail())
		}
	})
}

// answers returns a probe that succeeds when url answers with status 200.
func answers(url string) func(context.Context) error {
	client := &http.Client{
		Timeout:   10 * time.Second,
		Transport: &http.Transport{DisableKeepAlives: true},
	}
	return func(ctx context.Context) error {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
		if err != nil {
			return err
		}
		resp, err := client.Do(req)
		if err != nil {
			return err
		}
		_, err = io.Copy(io.Discard, resp.Body)
		if resp.StatusCode != http.StatusOK {
			err = fmt.Errorf("GET %s: %s", url, resp.Status)
		}
		return errors.Join(err, resp.Body.Close())
	}
}
