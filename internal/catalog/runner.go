package catalog

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/hashicorp/go-plugin"
	"github.com/hashicorp/go-plugin/runner"
	"google.golang.org/grpc"
)

// processRunner is go-plugin's view of a process of ours. go-plugin keeps its handshake, its service for standard
// streams and its shutdown call; starting, watching and ending the process are authd's, since go-plugin's own ways
// hang with a plugin that hangs, wait for grandchildren and leave orphans.
//
// Start does all that may fail, the handshake among it, and go-plugin is only shown a line that has been judged.
type processRunner struct {
	spawner starter
	cmd     *exec.Cmd
	dir     string // for its socket
	log     *processLog
	abort   <-chan struct{} // closed when nobody wants the process any more

	mu     sync.Mutex // go-plugin calls from several goroutines
	child  *child     // :: nil before Start
	socket string
	line   string
	first  net.Conn // :: nil once gRPC has taken it
	conns  []*grpc.ClientConn
}

var _ runner.Runner = (*processRunner)(nil)

// Start starts the process and waits for its handshake. When it fails the process is gone.
func (r *processRunner) Start(ctx context.Context) error {
	first := make(chan error, 1)
	var line string
	stdout := func(out io.Reader) {
		buffered := bufio.NewReader(out)
		var err error
		line, err = readHandshake(buffered)
		first <- err
		drain(buffered, &lineWriter{emit: r.log.stdout})
	}
	stderr := func(out io.Reader) { drain(out, &lineWriter{emit: r.log.stderr}) }
	c, err := startChild(r.spawner, r.cmd, stdout, stderr)
	if err != nil {
		return err
	}
	r.mu.Lock()
	r.child = c
	r.mu.Unlock()
	r.log.started(c.pid)

	select {
	case err = <-first:
	case <-ctx.Done():
		err = errors.New("did not print its handshake in time")
	case <-r.abort:
		err = ErrStopped
	}
	if err == nil {
		err = r.accept(ctx, line)
	}
	if err != nil {
		return epitaph(c, r.log, err)
	}
	return nil
}

// accept judges the handshake and who made it, and keeps what is in it.
func (r *processRunner) accept(ctx context.Context, line string) error {
	socket, accepted, err := checkHandshake(line, r.dir)
	if err != nil {
		return err
	}
	conn, err := connect(ctx, socket, r.child)
	r.mu.Lock()
	defer r.mu.Unlock()
	r.socket, r.line, r.first = socket, accepted, conn
	return err
}

// epitaph ends the process, if it has not ended by itself, and returns err with all that is known of its end.
func epitaph(c *child, log *processLog, err error) error {
	if errors.Is(err, errNoHandshake) || errors.Is(err, errNoConnection) {
		select {
		case <-c.exited:
			err = fmt.Errorf("%s right after start", c.status())
		case <-time.After(drainTime):
		}
	}
	c.kill()
	<-c.drained
	return log.lastWords(err)
}

// process returns the child, nil before it was started.
func (r *processRunner) process() *child {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.child
}

// Stdout gives the judged handshake, and nothing of what follows it.
func (r *processRunner) Stdout() io.ReadCloser {
	r.mu.Lock()
	defer r.mu.Unlock()
	return io.NopCloser(strings.NewReader(r.line))
}

// Stderr is empty: authd reads the real one.
func (r *processRunner) Stderr() io.ReadCloser { return io.NopCloser(strings.NewReader("")) }

// Name is the path of the executable.
func (r *processRunner) Name() string { return r.cmd.Path }

// ID is the process's id, "" before the start.
func (r *processRunner) ID() string {
	if c := r.process(); c != nil {
		return strconv.Itoa(c.pid)
	}
	return ""
}

// Wait returns when the process has ended.
func (r *processRunner) Wait(context.Context) error {
	if c := r.process(); c != nil {
		<-c.exited
	}
	return nil
}

// Kill ends the process and its group at once.
func (r *processRunner) Kill(context.Context) error {
	if c := r.process(); c != nil {
		c.kill()
	}
	return nil
}

// Diagnose has nothing to add: Start's error tells all.
func (r *processRunner) Diagnose(context.Context) string { return "" }

// PluginToHost and HostToPlugin leave addresses alone: both live in one file system.
func (r *processRunner) PluginToHost(network, address string) (string, string, error) {
	return network, address, nil
}

// HostToPlugin is the other direction.
func (r *processRunner) HostToPlugin(network, address string) (string, string, error) {
	return network, address, nil
}

// socketDirEnv tells go-plugin's server where to make its socket.
func socketDirEnv(dir string) string { return plugin.EnvUnixSocketDir + "=" + dir }
