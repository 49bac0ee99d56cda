package catalog

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/hashicorp/go-hclog"
	"github.com/hashicorp/go-plugin"
	"github.com/hashicorp/go-plugin/runner"
	"google.golang.org/grpc"
	"google.golang.org/grpc/health/grpc_health_v1"

	"github.com/authd/authd/sdk"
)

// missesMax is how many health checks in a row may go unanswered.
const missesMax = 3

// launcher starts plugin processes.
type launcher struct {
	spawner *spawner
	sockets *sockets
	environ []string
	timing  timing
	lock    *Lock   // :: nil, or what every plugin must pass
	kernel  *kernel // :: nil for the one that runs
	sealed  seals
	files   *digests
}

// process is one running plugin that has shaken hands.
type process struct {
	*child
	rpc     *sdk.Client
	log     *processLog
	suspect chan struct{} // a call got no answer

	timing timing
	client *plugin.Client
	health grpc_health_v1.HealthClient
	dir    string
	hung   atomic.Bool

	sandbox string // that it really is in
	detach  func() // :: nil, or how to let go of a process that authd did not start
	watch   sync.WaitGroup
}

// launch starts the plugin in that sandbox and connects to it. abort ends an attempt that waits. The error says what
// the plugin did, in words that follow "plugin PATH".
func (l *launcher) launch(abort context.Context, p Plugin, box Sandbox, extra map[string]string, log *processLog) (started *process, err error) {
	dir, err := l.sockets.make()
	if err != nil {
		return nil, err
	}
	img, place, err := l.prepare(p, box, dir)
	if err != nil {
		return nil, errors.Join(err, os.RemoveAll(dir))
	}
	defer img.close()
	r := &processRunner{spawner: place, dir: dir, log: log, abort: abort.Done()}
	client := plugin.NewClient(l.clientConfig(r, func(handshake []string) *exec.Cmd {
		cmd := img.command()
		cmd.Dir = dir
		cmd.Env = pluginEnv(l.environ, img.script, extra, append(handshake, socketDirEnv(dir)))
		return cmd
	}))
	conn, err := l.connect(abort, client, r)
	if err != nil {
		r.abandon(client)
		return nil, err
	}
	started = &process{
		child: r.process(), rpc: sdk.NewClient(conn), health: grpc_health_v1.NewHealthClient(conn),
		log: log, timing: l.timing, client: client, dir: dir, suspect: make(chan struct{}, 1),
	}
	started.watch.Go(started.watchHealth)
	if started.sandbox, err = l.inspect(abort, started, p, img, place); err != nil {
		started.stop()
		return nil, err
	}
	return started, nil
}

// clientConfig has go-plugin do as little as it can.
func (l *launcher) clientConfig(r *processRunner, command func(handshake []string) *exec.Cmd) *plugin.ClientConfig {
	return &plugin.ClientConfig{
		HandshakeConfig:  sdk.Handshake(),
		VersionedPlugins: map[int]plugin.PluginSet{sdk.ProtocolVersion: sdk.PluginSet()},
		AllowedProtocols: []plugin.Protocol{plugin.ProtocolGRPC},
		RunnerFunc: func(_ hclog.Logger, cmd *exec.Cmd, _ string) (runner.Runner, error) {
			r.cmd = command(cmd.Env)
			return r, nil
		},
		SkipHostEnv:      true,
		UnixSocketConfig: &plugin.UnixSocketConfig{TempDir: r.dir},
		StartTimeout:     l.timing.start,
		GRPCDialOptions:  dialOptions(r),
		SyncStdout:       &lineWriter{emit: r.log.stdout},
		SyncStderr:       &lineWriter{emit: r.log.stderr},
		Logger:           hclog.NewNullLogger(), // all that it has to tell is told by authd
	}
}

// connect has go-plugin start the process and open its connection. A plugin may stop answering at any moment of
// this and go-plugin would wait for ever, so its calls run beside a clock that kills the process.
func (l *launcher) connect(abort context.Context, client *plugin.Client, r *processRunner) (*grpc.ClientConn, error) {
	ctx, cancel := context.WithTimeout(abort, l.timing.start+l.timing.healthTimeout)
	defer cancel()
	type result struct {
		conn *grpc.ClientConn
		err  error
	}
	done := make(chan result, 1)
	go func() {
		conn, err := openClient(client)
		done <- result{conn, err}
	}()
	select {
	case got := <-done:
		if errors.Is(got.err, errNoConnection) {
			return nil, epitaph(r.process(), r.log, got.err)
		}
		return got.conn, got.err
	case <-ctx.Done():
		_ = r.Kill(ctx)
		<-done // soon, now that the process is gone
		err := fmt.Errorf("did not answer within %v of its handshake", l.timing.healthTimeout)
		if abort.Err() != nil {
			err = ErrStopped
		}
		if c := r.process(); c != nil {
			err = epitaph(c, r.log, err)
		}
		return nil, err
	}
}

// errNoConnection means that the handshake was fine and then nobody answered.
var errNoConnection = errors.New("can't be connected to")

// openClient is go-plugin's part of a start. Whatever a plugin may bring it to do, it does not take authd with it.
func openClient(client *plugin.Client) (conn *grpc.ClientConn, err error) {
	defer func() {
		if cause := recover(); cause != nil {
			err = fmt.Errorf("made go-plugin panic: %v", cause)
		}
	}()
	if _, err := client.Start(); err != nil {
		return nil, err
	}
	protocol, err := client.Client()
	if err != nil {
		return nil, fmt.Errorf("%w: %w", errNoConnection, err)
	}
	g, ok := protocol.(*plugin.GRPCClient)
	if !ok {
		return nil, fmt.Errorf("speaks %T, not gRPC", protocol)
	}
	return g.Conn, nil
}

// abandon cleans up after a launch that failed.
func (r *processRunner) abandon(client *plugin.Client) {
	if c := r.process(); c != nil {
		c.kill()
		client.Kill()
		r.closeConns()
		<-c.drained
	}
	r.log.ended()
	_ = os.RemoveAll(r.dir)
}

// stop ends the process: by asking it to shut down, by closing its standard input after half of timing.stop, and
// by force after the whole of it. It returns when it is gone and its directory removed. It must be called for a
// process that has ended by itself too.
func (p *process) stop() {
	if p.detach != nil {
		p.detach()
		return
	}
	cleaned := make(chan struct{})
	go func() {
		defer close(cleaned)
		p.client.Kill() // waits for as long as the process does not answer
	}()
	lifeline := time.AfterFunc(p.timing.stop/2, func() { _ = p.lifeline.Close() })
	defer lifeline.Stop()
	if sleep(context.Background(), p.timing.stop, p.exited) {
		p.kill()
	}
	<-p.drained
	<-cleaned
	p.watch.Wait()
	p.log.ended()
	_ = os.RemoveAll(p.dir)
}

// doubt has the health of the process looked at now, because a call got no answer.
func (p *process) doubt() {
	select {
	case p.suspect <- struct{}{}:
	default:
	}
}

// watchHealth asks the process at intervals whether it is well, and at once when there is doubt; it ends a
// process that does not answer. It returns when the process has ended.
func (p *process) watchHealth() {
	tick := time.NewTicker(p.timing.healthInterval)
	defer tick.Stop()
	for misses := 0; misses < missesMax; {
		select {
		case <-p.exited:
			return
		case <-tick.C:
			misses = p.check(0)
		case <-p.suspect:
			misses = 1 // the call was the first miss
		}
		// The rest follow without a pause, so that it is soon replaced.
		for misses > 0 && misses < missesMax && p.alive() {
			misses = p.check(misses)
		}
	}
	p.hung.Store(true)
	p.signal(syscall.SIGQUIT) // a Go program prints where it hangs
	select {
	case <-p.exited:
	case <-time.After(p.timing.quit):
		p.kill()
	}
}

// check asks once and returns the number of misses in a row. A refusal takes as long as silence does: a process that
// is about to end must not be taken for one that hangs.
func (p *process) check(misses int) int {
	ctx, cancel := context.WithTimeout(context.Background(), p.timing.healthTimeout)
	defer cancel()
	answer, err := p.health.Check(ctx, &grpc_health_v1.HealthCheckRequest{Service: plugin.GRPCServiceName})
	if err == nil && answer.GetStatus() == grpc_health_v1.HealthCheckResponse_SERVING {
		return 0
	}
	select {
	case <-p.exited:
	case <-ctx.Done():
	}
	return misses + 1
}

// end says how the process ended, with its last words. It waits for those.
func (p *process) end() error {
	<-p.drained
	if p.detach != nil {
		return fmt.Errorf("is gone: %w", errDetached)
	}
	how := p.status()
	if p.hung.Load() {
		how = fmt.Sprintf("did not answer %d health checks and %s", missesMax, how)
	}
	if tail := p.log.tail(); tail != "" {
		return fmt.Errorf("%s; last lines: %s", how, tail)
	}
	return errors.New(how)
}
