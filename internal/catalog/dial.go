package catalog

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"sync/atomic"

	"golang.org/x/sys/unix"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

const (
	// messageMax bounds a message in either direction.
	messageMax = 1 << 20
	// headersMax bounds what else an answer holds, such as the details of an error.
	headersMax = 128 << 10
)

// dialOptions make a connection that reaches one process and no other, bound its messages and refuse go-plugin's
// broker, by which a plugin could have authd open as many goroutines as it likes. They come after go-plugin's own
// and win over them.
func dialOptions(r *processRunner) []grpc.DialOption {
	return []grpc.DialOption{
		grpc.WithContextDialer(func(ctx context.Context, _ string) (net.Conn, error) { return r.dial(ctx) }),
		grpc.WithDefaultCallOptions(grpc.MaxCallRecvMsgSize(messageMax), grpc.MaxCallSendMsgSize(messageMax)),
		grpc.WithMaxHeaderListSize(headersMax),
		grpc.WithPerRPCCredentials(sentMark{}),
		grpc.WithChainStreamInterceptor(func(ctx context.Context, desc *grpc.StreamDesc, cc *grpc.ClientConn, method string, next grpc.Streamer, opts ...grpc.CallOption) (grpc.ClientStream, error) {
			r.keepConn(cc)
			if strings.HasPrefix(method, "/plugin.GRPCBroker/") {
				return nil, status.Error(codes.Unimplemented, "authd offers plugins no connections of its own")
			}
			return next(ctx, desc, cc, method, opts...)
		}),
	}
}

// keepConn remembers a connection that go-plugin made: it forgets to close one that fails at once.
func (r *processRunner) keepConn(cc *grpc.ClientConn) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.conns = append(r.conns, cc)
}

// closeConns closes every connection to the process.
func (r *processRunner) closeConns() {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, cc := range r.conns {
		_ = cc.Close()
	}
	if r.first != nil {
		_ = r.first.Close()
	}
}

// dial connects to the process: by the connection that Start has made and judged or, should that have broken, by
// a new one. It asks go-plugin's client for nothing, since that holds its lock while it dials.
func (r *processRunner) dial(ctx context.Context) (net.Conn, error) {
	r.mu.Lock()
	c, socket, conn := r.child, r.socket, r.first
	r.first = nil
	r.mu.Unlock()
	switch {
	case conn != nil:
		return conn, nil
	case c == nil || !c.alive():
		return nil, errors.New("the process has ended")
	}
	return connect(ctx, socket, c)
}

// connect makes sure that it is the process that was started, or one of its group, that listens on the socket.
func connect(ctx context.Context, socket string, c *child) (net.Conn, error) {
	var d net.Dialer
	conn, err := d.DialContext(ctx, "unix", socket)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", errNoConnection, err)
	}
	if err := checkPeer(conn, c.pid, c.uid); err != nil {
		return nil, errors.Join(err, conn.Close())
	}
	return conn, nil
}

// checkPeer refuses a listener of another user or process group.
func checkPeer(conn net.Conn, group, user int) error {
	unixConn, ok := conn.(*net.UnixConn)
	if !ok {
		return fmt.Errorf("not a unix socket: %T", conn)
	}
	raw, err := unixConn.SyscallConn()
	if err != nil {
		return err
	}
	var pid, uid int
	var peerErr error
	if err := raw.Control(func(fd uintptr) { pid, uid, peerErr = peer(int(fd)) }); err != nil {
		return err
	}
	if peerErr != nil {
		return fmt.Errorf("has a socket of which it can't be told who listens: %w", peerErr)
	}
	// The kernel noted who listens when listening began, so the child is known even if it has ended meanwhile.
	if pid == group && uid == user {
		return nil
	}
	if pgid, err := unix.Getpgid(pid); err != nil || pgid != group || uid != user {
		return fmt.Errorf("has process %d of uid %d listen on its socket, which is not its own (%d); a wrapper script must exec the plugin", pid, uid, group)
	}
	return nil
}

// sentKey finds, in a call's context, the *atomic.Bool that is set once the call may have reached the plugin.
type sentKey struct{}

// sentMark sets it. gRPC asks for credentials just before it writes a call to the connection: a call for which it
// never did so has surely not left, and can be made again whatever it does. A stats.Handler would say the same, but is
// called for every part of every call.
type sentMark struct{}

// GetRequestMetadata implements credentials.PerRPCCredentials; there are none.
func (sentMark) GetRequestMetadata(ctx context.Context, _ ...string) (map[string]string, error) {
	if sent, ok := ctx.Value(sentKey{}).(*atomic.Bool); ok {
		sent.Store(true)
	}
	return nil, nil
}

// RequireTransportSecurity implements credentials.PerRPCCredentials.
func (sentMark) RequireTransportSecurity() bool { return false }
