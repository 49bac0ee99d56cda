package providertest

import (
	"context"
	"fmt"
	"net"

	"github.com/hashicorp/go-hclog"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/test/bufconn"

	"github.com/authd/authd/sdk"
	pb "github.com/authd/authd/sdk/proto/provider/v1"
)

// target is something that can be started as a plugin, again and again.
type target interface {
	start(ctx context.Context) (*process, error)
}

// process is a plugin that serves. It is not a provider yet: that takes Configure.
type process struct {
	conn   *grpc.ClientConn
	client *sdk.Client
	raw    pb.ProviderClient // where the status itself is of interest
	log    *transcript       // what it wrote
	gone   <-chan struct{}   // closed when it has ended by itself; nil = it can't
	end    func()
}

func newProcess(conn *grpc.ClientConn, log *transcript, end func()) *process {
	return &process{conn: conn, client: sdk.NewClient(conn), raw: pb.NewProviderClient(conn), log: log, end: end}
}

// stop ends the process; it may be called again.
func (p *process) stop() { p.end() }

// dial connects as authd does: no message larger than a mebibyte. The name is there for the header :authority, in
// which some languages accept no path of a socket.
func dial(dialer func(context.Context, string) (net.Conn, error)) (*grpc.ClientConn, error) {
	return grpc.NewClient("passthrough:///localhost",
		grpc.WithContextDialer(dialer),
		grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithDefaultCallOptions(grpc.MaxCallRecvMsgSize(1<<20), grpc.MaxCallSendMsgSize(1<<20)))
}

// inProcess serves types in this process, behind all the interceptors.
type inProcess struct{ types []sdk.Type }

func (t inProcess) start(context.Context) (*process, error) {
	written := &transcript{}
	log := hclog.New(&hclog.LoggerOptions{Level: hclog.Trace, Output: written, JSONFormat: true})
	return serveHere(log, written, sdk.NewServer(log, "v0.0.0-providertest", t.types...))
}

// serveHere serves a plugin's side of the wire in memory.
func serveHere(log hclog.Logger, written *transcript, provider pb.ProviderServer) (*process, error) {
	listener := bufconn.Listen(1 << 20)
	server := sdk.NewGRPCServer(log)
	pb.RegisterProviderServer(server, provider)
	served := make(chan struct{})
	go func() {
		defer close(served)
		_ = server.Serve(listener) // it ends with Stop
	}()
	conn, err := dial(func(ctx context.Context, _ string) (net.Conn, error) { return listener.DialContext(ctx) })
	if err != nil {
		server.Stop()
		return nil, fmt.Errorf("connect: %w", err)
	}
	return newProcess(conn, written, func() {
		_ = conn.Close() // nothing is left to be said
		server.Stop()
		<-served
	}), nil
}
