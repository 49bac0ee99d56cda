package providertest

import (
	"context"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"testing"

	"github.com/hashicorp/go-hclog"
	"google.golang.org/grpc"
	"google.golang.org/grpc/health"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/protobuf/types/known/emptypb"

	"github.com/authd/authd/sdk"
	pb "github.com/authd/authd/sdk/proto/provider/v1"
)

// bare is a plugin made by hand, without go-plugin and without sdk.Serve, as one in another language is; what it does
// is what docs/plugins/protocol.md says. Each field takes something away from it.
type bare struct {
	handshake  string // other than the real one; %s is the socket
	silentExit bool   // without the cookie
	noHealth   bool
	sick       bool
	noShutdown bool
	noLifeline bool
	chatty     bool
	version    string // of -describe alone
}

func (b bare) run() {
	if len(os.Args) > 1 && os.Args[1] == "-describe" {
		m := sdk.Manifest{ProtocolMinor: sdk.ProtocolMinor, Version: "bare" + b.version, Types: []sdk.Type{plainType()}}
		text, err := m.JSON()
		orExit(err)
		fmt.Println(string(text))
		return
	}
	if os.Getenv("AUTHD_PROVIDER_PLUGIN") == "" {
		if b.silentExit {
			return
		}
		fmt.Fprintln(os.Stderr, "I am a plugin of authd.")
		os.Exit(1)
	}
	socket := filepath.Join(os.Getenv("PLUGIN_UNIX_SOCKET_DIR"), "bare")
	listener, err := net.Listen("unix", socket)
	orExit(err)
	server := b.server()
	if !b.noLifeline {
		go func() {
			_, _ = io.Copy(io.Discard, os.Stdin)
			os.Exit(0)
		}()
	}
	if b.handshake == "" {
		b.handshake = "1|1|unix|%s|grpc|"
	}
	fmt.Printf(b.handshake+"\n", socket)
	if b.chatty {
		fmt.Println("listening on", socket)
	}
	orExit(server.Serve(listener))
}

func orExit(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func (b bare) server() *grpc.Server {
	log := hclog.NewNullLogger()
	server := sdk.NewGRPCServer(log)
	pb.RegisterProviderServer(server, sdk.NewServer(log, "bare", plainType()))
	if !b.noHealth {
		alive := health.NewServer()
		if b.sick {
			alive.SetServingStatus("plugin", healthpb.HealthCheckResponse_NOT_SERVING)
		} else {
			alive.SetServingStatus("plugin", healthpb.HealthCheckResponse_SERVING)
		}
		healthpb.RegisterHealthServer(server, alive)
	}
	if !b.noShutdown {
		server.RegisterService(&grpc.ServiceDesc{
			ServiceName: "plugin.GRPCController", HandlerType: (*any)(nil),
			Methods: []grpc.MethodDesc{{MethodName: "Shutdown", Handler: func(any, context.Context, func(any) error, grpc.UnaryServerInterceptor) (any, error) {
				go server.Stop()
				return &emptypb.Empty{}, nil
			}}},
		}, struct{}{})
	}
	return server
}

// brokenMains are what the test binary can be as a plugin, by the end of its name.
func brokenMains() map[string]func() {
	return map[string]func(){
		"bare":        bare{}.run,
		"crash":       func() { fmt.Fprintln(os.Stderr, "no config"); os.Exit(3) },
		"early-exit":  func() {},
		"garbage":     bare{handshake: "Starting…\n1|1|unix|%s|grpc|"}.run,
		"core":        bare{handshake: "2|1|unix|%s|grpc|"}.run,
		"protocol":    bare{handshake: "1|2|unix|%s|grpc|"}.run,
		"tcp":         bare{handshake: "1|1|tcp|127.0.0.1:1%.0s|grpc|"}.run,
		"netrpc":      bare{handshake: "1|1|unix|%s|netrpc|"}.run,
		"certificate": bare{handshake: "1|1|unix|%s|grpc|MIIB"}.run,
		"elsewhere":   bare{handshake: "1|1|unix|/tmp/authd-kit-elsewhere%.0s|grpc|"}.run,
		"version":     bare{version: "2"}.run,
		"silent":      bare{silentExit: true}.run,
		"no-health":   bare{noHealth: true}.run,
		"sick":        bare{sick: true}.run,
		"no-shutdown": bare{noShutdown: true}.run,
		"no-lifeline": bare{noLifeline: true}.run,
		"chatty":      bare{chatty: true}.run,

		"base-standard": func() { sdk.Serve(baseType("standard")) },
		"base-foreign":  func() { sdk.Serve(baseType("foreign")) },
		"base-closed":   func() { sdk.Serve(baseType("closed")) },
		"mortal":        func() { sdk.Serve(mortalType()) },
	}
}

// TestBare: a plugin made by hand passes, so the page about the protocol says all there is to it.
func TestBare(t *testing.T) {
	RunBinary(t, link(t, "bare"), plainHarness(sdk.Type{}))
}

// TestProcessFaults: what is wrong with an executable is found, each by its check.
func TestProcessFaults(t *testing.T) {
	for _, test := range []struct{ fault, check, says string }{
		{"crash", "process-handshake", "exit status 3); its standard error ends: no config"},
		{"early-exit", "process-handshake", "exit status 0"},
		{"garbage", "process-handshake", "nothing before it"},
		{"core", "process-handshake", "go-plugin's own protocol"},
		{"protocol", "process-handshake", "speaks protocol \"2\", authd speaks 1"},
		{"tcp", "process-handshake", "unix sockets alone"},
		{"netrpc", "process-handshake", "grpc"},
		{"certificate", "process-handshake", "certificate"},
		{"elsewhere", "process-handshake", "PLUGIN_UNIX_SOCKET_DIR"},
		{"version", "process-describe", `bare2`},
		{"silent", "process-by-hand", "exit status 0"},
		{"no-health", "process-health", "Health/Check"},
		{"sick", "process-health", "NOT_SERVING"},
		{"no-shutdown", "process-shutdown", "still there"},
		{"no-lifeline", "process-host-gone", "still there"},
		{"chatty", "process-stdout", "listening on"},
	} {
		t.Run(test.fault, func(t *testing.T) {
			t.Parallel() // some wait for seconds
			r := &picky{want: test.check, failed: map[string]error{}}
			checkProcess(t.Context(), r, &binary{path: link(t, test.fault)})
			expectFault(t, r, test.says)
		})
	}
}

// TestNoBinary: what is no executable is said to be none.
func TestNoBinary(t *testing.T) {
	plain := filepath.Join(t.TempDir(), "plain")
	if err := os.WriteFile(plain, []byte("hello"), 0o600); err != nil {
		t.Fatal(err)
	}
	for path, says := range map[string]string{
		filepath.Join(t.TempDir(), "missing"): "no such file", t.TempDir(): "is no file", plain: "permission denied",
	} {
		r := &picky{want: "process-handshake", failed: map[string]error{}}
		checkProcess(t.Context(), r, &binary{path: path})
		expectFault(t, r, says)
	}
}

// TestScript: a script finds its interpreter, and becomes the plugin; this one is what a wrapper looks like.
func TestScript(t *testing.T) {
	script := filepath.Join(t.TempDir(), "authd-provider-script")
	text := "#!/usr/bin/env sh\nexec '" + link(t, "bare") + "' \"$@\"\n"
	if err := os.WriteFile(script, []byte(text), 0o700); err != nil {
		t.Fatal(err)
	}
	RunBinary(t, script, Harness{})
}
