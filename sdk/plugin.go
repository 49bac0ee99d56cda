package sdk

import (
	"context"
	"runtime"

	"github.com/hashicorp/go-hclog"
	"github.com/hashicorp/go-plugin"
	"google.golang.org/grpc"

	pb "github.com/authd/authd/sdk/proto/provider/v1"
)

// The version of the wire. The major is negotiated in go-plugin's handshake, the minor is told by Describe.
const (
	ProtocolVersion = 1
	ProtocolMinor   = 0
)

// PluginName is the one name in the plugin set. (The health service of every go-plugin is called "plugin".)
const PluginName = "provider"

// Handshake is what keeps a plugin from being run by hand, or by another program.
func Handshake() plugin.HandshakeConfig {
	return plugin.HandshakeConfig{
		ProtocolVersion:  ProtocolVersion,
		MagicCookieKey:   "AUTHD_PROVIDER_PLUGIN",
		MagicCookieValue: "9f0c5b2e6d7b4a1f8c3e",
	}
}

// PluginSet is authd's side: Dispense(PluginName) gives a *Client.
func PluginSet() plugin.PluginSet {
	return plugin.PluginSet{PluginName: &grpcPlugin{}}
}

// grpcPlugin joins the wire to go-plugin.
type grpcPlugin struct {
	plugin.NetRPCUnsupportedPlugin
	server pb.ProviderServer // :: nil on authd's side
}

// GRPCServer registers the provider in the plugin's process.
func (p *grpcPlugin) GRPCServer(_ *plugin.GRPCBroker, s *grpc.Server) error {
	pb.RegisterProviderServer(s, p.server)
	return nil
}

// GRPCClient makes the Client in authd's process.
func (p *grpcPlugin) GRPCClient(_ context.Context, _ *plugin.GRPCBroker, conn *grpc.ClientConn) (any, error) {
	return NewClient(conn), nil
}

// maxMessage bounds a message in either direction.
const maxMessage = 1 << 20

// NewGRPCServer makes a gRPC server that recovers from panics in a provider and bounds messages to 1 MiB. Calls run on
// goroutines that stay, whose stacks have grown already; while those are busy, on others.
func NewGRPCServer(log hclog.Logger, opts ...grpc.ServerOption) *grpc.Server {
	opts = append(opts,
		grpc.MaxRecvMsgSize(maxMessage),
		grpc.MaxSendMsgSize(maxMessage),
		grpc.ChainUnaryInterceptor(func(ctx context.Context, req any, info *grpc.UnaryServerInfo, next grpc.UnaryHandler) (resp any, err error) {
			defer recovered(log, info.FullMethod, &err)
			return next(ctx, req)
		}))
	return grpc.NewServer(append(opts, grpc.NumStreamWorkers(uint32(runtime.GOMAXPROCS(0))))...)
}
