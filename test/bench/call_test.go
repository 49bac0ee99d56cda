//go:build linux

package bench

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/hashicorp/go-hclog"
	"github.com/hashicorp/go-plugin"

	"github.com/authd/authd/internal/catalog"
	"github.com/authd/authd/sdk"
	providerv1 "github.com/authd/authd/sdk/proto/provider/v1"
)

// call is one question to a plugin, asked in some way.
type call func(context.Context) error

// githubSettings need no identity provider: AuthorizeParams answers from what is configured.
func githubSettings() map[string]string {
	return map[string]string{"client_id": "demo", "client_secret": "demo-secret"}
}

const (
	redirectURI = "http://127.0.0.1:4180/auth/oauth/github/callback"
	random      = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"
)

// request is what a login asks a plugin.
func request() sdk.AuthorizeRequest {
	return sdk.AuthorizeRequest{RedirectURI: redirectURI, State: random, Nonce: random, CodeChallenge: random, CodeChallengeMethod: "S256"}
}

// goPlugin starts a plugin with go-plugin's own means, with nothing of authd's catalog in between.
func goPlugin(tb testing.TB) (*sdk.Client, providerv1.ProviderClient) {
	tb.Helper()
	client := plugin.NewClient(&plugin.ClientConfig{
		HandshakeConfig: sdk.Handshake(), Plugins: sdk.PluginSet(), AllowedProtocols: []plugin.Protocol{plugin.ProtocolGRPC},
		Cmd: exec.Command(built(tb, filepath.Join("plugins", "authd-provider-github"))), Logger: hclog.NewNullLogger(),
	})
	tb.Cleanup(client.Kill)
	rpc, err := client.Client()
	if err != nil {
		tb.Fatal(err)
	}
	dispensed, err := rpc.Dispense(sdk.PluginName)
	if err != nil {
		tb.Fatal(err)
	}
	c := dispensed.(*sdk.Client)
	if _, err := c.Configure(tb.Context(), sdk.ConfigureRequest{Type: "github", ID: "github", Settings: githubSettings()}); err != nil {
		tb.Fatal(err)
	}
	return c, providerv1.NewProviderClient(rpc.(*plugin.GRPCClient).Conn)
}

// rawCall is gRPC and nothing else.
func rawCall(tb testing.TB) call {
	tb.Helper()
	_, provider := goPlugin(tb)
	return func(ctx context.Context) error {
		ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
		defer cancel()
		in := request()
		_, err := provider.AuthorizeParams(ctx, &providerv1.AuthorizeParamsRequest{
			RedirectUri: in.RedirectURI, State: in.State, Nonce: in.Nonce, CodeChallenge: in.CodeChallenge, CodeChallengeMethod: in.CodeChallengeMethod,
		})
		return err
	}
}

// pluginCall is a call of what go-plugin dispenses: the SDK's client, which turns messages into Go's own types.
func pluginCall(tb testing.TB) call {
	tb.Helper()
	c, _ := goPlugin(tb)
	return func(ctx context.Context) error {
		ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
		defer cancel()
		_, err := c.AuthorizeParams(ctx, request())
		return err
	}
}

// facadeCall calls the same plugin as authd does, which waits for a restart, bounds, judges and explains.
func facadeCall(tb testing.TB) call {
	tb.Helper()
	c, err := catalog.New(catalog.Config{Environ: os.Environ(), Providers: []catalog.ProviderConfig{{
		ID: "github", Type: "github", Settings: githubSettings(),
		Plugin: catalog.At(built(tb, filepath.Join("plugins", "authd-provider-github")), false),
	}}})
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		if err := c.Stop(context.Background()); err != nil {
			tb.Errorf("Stop: %v", err)
		}
	})
	c.Start(context.Background())
	p, err := c.Provider("github")
	if err != nil {
		tb.Fatal(err)
	}
	if err := p.WaitReady(tb.Context()); err != nil {
		tb.Fatal(err)
	}
	return func(ctx context.Context) error {
		_, err := p.AuthorizeParams(ctx, request())
		return err
	}
}

// BenchmarkPluginCall is one call over raw gRPC, one through go-plugin, and one through the facade.
func BenchmarkPluginCall(b *testing.B) {
	for _, way := range []struct {
		name string
		make func(testing.TB) call
	}{{"grpc", rawCall}, {"go-plugin", pluginCall}, {"facade", facadeCall}} {
		b.Run(way.name, func(b *testing.B) {
			ask := way.make(b)
			b.ReportAllocs()
			for b.Loop() {
				if err := ask(b.Context()); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// measureCall compares the CPU that the host's side of a call takes without the facade and with it, in turn.
func measureCall(b *testing.B, t *table) {
	const rounds, calls = 61, 500
	without, with := pluginCall(b), facadeCall(b)
	self := os.Getpid()
	spent := func(ask call) float64 {
		before := cpuOf(b, self)
		for range calls {
			if err := ask(b.Context()); err != nil {
				b.Fatal(err)
			}
		}
		return microseconds(cpuOf(b, self)-before) / calls
	}
	var base, all []float64
	err := onCore(b, loadCore, func() error {
		for range rounds {
			base = append(base, spent(without))
			all = append(all, spent(with))
		}
		return nil
	})
	if err != nil {
		b.Fatal(err)
	}
	t.add(b, row{
		what: "plugin call, more than go-plugin's own", unit: "µs", budget: 2, measured: quiet(all) - quiet(base),
		note: fmt.Sprintf("CPU of the host's side in the quietest quarter, %.1f µs without; %s with", quiet(base), spread(all)),
	})
}

func microseconds(d time.Duration) float64 { return float64(d.Nanoseconds()) / 1e3 }
