package providertest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/types/known/emptypb"

	"github.com/authd/authd/sdk"
)

// What a plugin is given before it counts as hung.
const (
	startTimeout = 10 * time.Second
	stopTimeout  = 2 * time.Second
)

// maxHandshake bounds the first line of standard output.
const maxHandshake = 4 << 10

// binary is an executable that is started as authd starts it.
type binary struct{ path string }

// child is a running binary.
type child struct {
	*process
	cmd    *exec.Cmd
	stdin  io.Closer
	stdout *helloWriter
	dir    string        // holds the socket
	exited chan struct{} // closed when the process is gone
	status error         // of Wait; read it after exited
	once   sync.Once
}

func (b *binary) start(ctx context.Context) (*process, error) {
	c, err := b.spawn(ctx)
	if err != nil {
		return nil, err
	}
	return c.process, nil
}

// command prepares to run the binary with what authd lets a plugin see of the environment, and with env. Only a script
// is told a PATH, to find its interpreter.
func (b *binary) command(ctx context.Context, env []string, args ...string) (*exec.Cmd, error) {
	path, err := filepath.Abs(b.path)
	if err != nil {
		return nil, err
	}
	inherited := []string{"SSL_CERT_FILE", "SSL_CERT_DIR", "TZ"}
	if isScript(path) {
		inherited = append(inherited, "PATH")
	}
	for _, name := range inherited {
		if value, ok := os.LookupEnv(name); ok {
			env = append(env, name+"="+value)
		}
	}
	cmd := exec.CommandContext(ctx, path, args...)
	cmd.Env, cmd.WaitDelay = append(env,
		"GOMAXPROCS=2", "GOMEMLIMIT=128MiB", "GOTRACEBACK=all",
		// A plugin built with the race detector sleeps for a second before it ends, unless told otherwise.
		"GORACE=atexit_sleep_ms=0",
	), time.Second
	return cmd, nil
}

func isScript(path string) bool {
	f, err := os.Open(path)
	if err != nil {
		return false
	}
	defer func() { _ = f.Close() }()
	start := make([]byte, 2)
	_, err = io.ReadFull(f, start)
	return err == nil && string(start) == "#!"
}

// spawn starts the binary, reads its handshake and connects.
func (b *binary) spawn(ctx context.Context) (*child, error) {
	dir, err := os.MkdirTemp("", "authd-check-") // short: a socket's path has room for 107 bytes
	if err != nil {
		return nil, err
	}
	handshake := sdk.Handshake()
	cmd, err := b.command(context.WithoutCancel(ctx), []string{
		handshake.MagicCookieKey + "=" + handshake.MagicCookieValue,
		fmt.Sprintf("PLUGIN_PROTOCOL_VERSIONS=%d", sdk.ProtocolVersion),
		"PLUGIN_UNIX_SOCKET_DIR=" + dir,
		"TMPDIR=" + dir,
	})
	if err != nil {
		return nil, errors.Join(err, os.RemoveAll(dir))
	}
	cmd.Dir = dir
	c := &child{cmd: cmd, dir: dir, stdout: &helloWriter{hello: make(chan string, 1)}, exited: make(chan struct{})}
	stderr := &transcript{}
	cmd.Stdout, cmd.Stderr = c.stdout, stderr
	if c.stdin, err = cmd.StdinPipe(); err == nil {
		err = cmd.Start()
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("start %s: %w", b.path, err), os.RemoveAll(dir))
	}
	go func() {
		c.status = cmd.Wait()
		close(c.exited)
	}()
	c.process = &process{log: stderr, end: c.kill}
	if err := c.connect(ctx); err != nil {
		c.kill()
		return nil, fmt.Errorf("%w; %s", err, stderr.tail())
	}
	return c, nil
}

// connect waits for the handshake and dials what it says.
func (c *child) connect(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	var line string
	select {
	case line = <-c.stdout.hello:
	case <-c.exited:
		return fmt.Errorf("the plugin ended before its handshake (%w)", cause(c.status))
	case <-ctx.Done():
		return fmt.Errorf("no handshake within %v: print one line CORE|PROTOCOL|unix|PATH|grpc| on standard output as soon as the socket listens, and flush it", startTimeout)
	}
	path, err := readHandshake(line, c.dir)
	if err != nil {
		return err
	}
	conn, err := dial(func(ctx context.Context, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "unix", path)
	})
	if err != nil {
		return fmt.Errorf("connect to %s: %w", path, err)
	}
	c.process = newProcess(conn, c.log, c.stop)
	c.gone = c.exited
	go c.mirror(conn)
	return nil
}

func cause(status error) error {
	if status == nil {
		return errors.New("exit status 0")
	}
	return status
}

// readHandshake reads the line of go-plugin: 1|1|unix|PATH|grpc| with the socket inside dir.
func readHandshake(line, dir string) (path string, err error) {
	parts := strings.Split(strings.TrimSuffix(line, "\n"), "|")
	want := fmt.Sprintf("1|%d|unix|PATH|grpc|", sdk.ProtocolVersion)
	switch {
	case len(parts) < 5:
		return "", fmt.Errorf("the first line of standard output is %.200q; print %s there and nothing before it", line, want)
	case parts[0] != "1":
		return "", fmt.Errorf("the handshake begins with %.20q; the version of go-plugin's own protocol is 1, so print %s", parts[0], want)
	case parts[1] != fmt.Sprint(sdk.ProtocolVersion):
		return "", fmt.Errorf("the plugin speaks protocol %.20q, authd speaks %d; print %s", parts[1], sdk.ProtocolVersion, want)
	case parts[2] != "unix":
		return "", fmt.Errorf("the plugin listens on %.20q; authd connects to unix sockets alone, so print %s", parts[2], want)
	case parts[4] != "grpc":
		return "", fmt.Errorf("the plugin serves %.20q; print %s", parts[4], want)
	case len(parts) > 5 && parts[5] != "":
		return "", fmt.Errorf("the handshake offers a certificate, for which nobody asked; print %s", want)
	}
	real, err := filepath.EvalSymlinks(filepath.Dir(parts[3]))
	if err == nil {
		dir, err = filepath.EvalSymlinks(dir)
	}
	if err != nil || real != dir {
		return "", fmt.Errorf("the socket is %.200q; authd connects only to sockets in the directory that PLUGIN_UNIX_SOCKET_DIR names", parts[3])
	}
	return parts[3], nil
}

// mirror reads what a plugin in Go prints after the handshake: there os.Stdout and os.Stderr are swapped for a stream,
// which blocks the plugin when nobody reads it. Plugins of other languages have no such stream.
func (c *child) mirror(conn *grpc.ClientConn) {
	stream, err := conn.NewStream(context.Background(), &grpc.StreamDesc{ServerStreams: true}, "/plugin.GRPCStdio/StreamStdio")
	if err != nil || stream.SendMsg(&emptypb.Empty{}) != nil || stream.CloseSend() != nil {
		return
	}
	for {
		// StdioData is go-plugin's own message; to one without fields all of it is unknown, and so kept.
		chunk := &emptypb.Empty{}
		if stream.RecvMsg(chunk) != nil {
			return // the connection is closed
		}
		_, _ = c.log.Write(stdioData(chunk.ProtoReflect().GetUnknown())) // never fails
	}
}

// stdioData finds field 2 of go-plugin's StdioData, the bytes.
func stdioData(raw []byte) []byte {
	for len(raw) > 0 {
		number, kind, n := protowire.ConsumeTag(raw)
		if n < 0 {
			return nil
		}
		raw = raw[n:]
		if number == 2 && kind == protowire.BytesType {
			data, _ := protowire.ConsumeBytes(raw)
			return data
		}
		if n = protowire.ConsumeFieldValue(number, kind, raw); n < 0 {
			return nil
		}
		raw = raw[n:]
	}
	return nil
}

// shutdown asks the plugin to end, as authd does. What it answers is of no interest, since the answer may be lost with
// the connection; that it ends is.
func (c *child) shutdown(ctx context.Context) error {
	err := c.conn.Invoke(ctx, "/plugin.GRPCController/Shutdown", &emptypb.Empty{}, &emptypb.Empty{})
	select {
	case <-c.exited:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("the plugin is still there after the call plugin.GRPCController/Shutdown (which answered %v)", err)
	}
}

// stop ends the plugin: kindly, and otherwise by force.
func (c *child) stop() {
	ctx, cancel := context.WithTimeout(context.Background(), stopTimeout)
	defer cancel()
	_ = c.shutdown(ctx) // the check process-shutdown judges it
	c.kill()
}

// kill ends the plugin by force and takes away what it left behind.
func (c *child) kill() {
	c.once.Do(func() {
		_ = c.cmd.Process.Kill() // it may be gone already
		<-c.exited
		if c.conn != nil {
			_ = c.conn.Close() // nothing is left to be said
		}
		_ = os.RemoveAll(c.dir) // a socket in the temporary directory harms nobody
	})
}

// helloWriter is a plugin's standard output: one line, and then silence.
type helloWriter struct {
	mu    sync.Mutex
	hello chan string
	line  bytes.Buffer
	done  bool
	after transcript
}

// Write implements io.Writer; it never fails, so that the plugin never blocks.
func (w *helloWriter) Write(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.done {
		return w.after.Write(p)
	}
	line, rest, found := bytes.Cut(p, []byte("\n"))
	w.line.Write(line)
	if found || w.line.Len() > maxHandshake {
		w.done = true
		w.hello <- w.line.String()[:min(w.line.Len(), maxHandshake)]
		_, _ = w.after.Write(rest) // never fails
	}
	return len(p), nil
}
