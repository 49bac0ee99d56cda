package sdk

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"runtime/debug"
	"syscall"
	"time"

	"github.com/hashicorp/go-hclog"
	"github.com/hashicorp/go-plugin"
	"google.golang.org/grpc"
)

// version of the plugin, set by the linker: -X github.com/authd/authd/sdk.version=v1.2.3. Without it the module's
// own version is reported.
var version string

// Serve is the main function of a plugin: it serves the types to the authd that started the process and returns
// when authd is done with it. Started by hand it knows three flags: -describe prints the manifest as JSON,
// -version the version, and -debug serves without authd and prints how to attach to it.
func Serve(types ...Type) {
	describe := flag.Bool("describe", false, "print what this plugin can be configured as, as JSON")
	showVersion := flag.Bool("version", false, "print the version")
	debugMode := flag.Bool("debug", false, "serve by hand, for a debugger, and print how to attach")
	flag.Parse()

	// Bound before go-plugin swaps os.Stderr, so that the log keeps its own way out.
	log := hclog.New(&hclog.LoggerOptions{Level: hclog.Debug, Output: os.Stderr, JSONFormat: true})
	s := &server{log: log, version: pluginVersion(), types: types}
	switch {
	case *describe:
		exit(printManifest(os.Stdout, s.manifest()))
	case *showVersion:
		fmt.Println(s.version)
	case *debugMode:
		exit(serveDebug(s))
	default:
		handshake := Handshake()
		if os.Getenv(handshake.MagicCookieKey) != handshake.MagicCookieValue {
			exit(fmt.Errorf("this is a provider plugin of authd: put it into authd's plugins directory; -describe tells what it does"))
		}
		watchHost(os.Exit)
		plugin.Serve(serveConfig(s))
	}
}

func exit(err error) {
	if err == nil {
		return
	}
	fmt.Fprintf(os.Stderr, "%s: %v\n", filepath.Base(os.Args[0]), err)
	os.Exit(2)
}

func printManifest(w io.Writer, m *Manifest) error {
	text, err := m.JSON()
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(w, "%s\n", text)
	return err
}

func serveConfig(s *server) *plugin.ServeConfig {
	return &plugin.ServeConfig{
		HandshakeConfig: Handshake(),
		Plugins:         plugin.PluginSet{PluginName: &grpcPlugin{server: s}},
		GRPCServer:      func(opts []grpc.ServerOption) *grpc.Server { return NewGRPCServer(s.log, opts...) },
		// go-plugin tells of each connection at debug level; only its warnings are of interest to an operator.
		Logger: hclog.New(&hclog.LoggerOptions{Name: "go-plugin", Level: hclog.Warn, Output: os.Stderr, JSONFormat: true}),
	}
}

// watchHost ends the process when authd is gone, however it went: authd holds the other end of standard input, and
// where that is no pipe the parent's id is watched. While authd lives it alone decides when the plugin stops, so
// the signals that a terminal or a service manager sends to the whole group are ignored.
func watchHost(exit func(int)) {
	signal.Ignore(os.Interrupt, syscall.SIGTERM)
	if info, err := os.Stdin.Stat(); err == nil && info.Mode()&os.ModeNamedPipe != 0 {
		go func() {
			_, _ = io.Copy(io.Discard, os.Stdin)
			exit(0)
		}()
	}
	parent := os.Getppid()
	go func() {
		for range time.Tick(time.Second) {
			if os.Getppid() != parent {
				exit(0)
			}
		}
	}()
}

// serveDebug serves until interrupted and prints the reattach configuration, keyed by type. The socket is in a directory
// that is closed to others, whatever the umask.
func serveDebug(s *server) (err error) {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	dir, err := os.MkdirTemp("", "authd-debug-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	if err := os.Setenv(plugin.EnvUnixSocketDir, dir); err != nil {
		return err
	}
	attach := make(chan *plugin.ReattachConfig, 1)
	closed := make(chan struct{})
	config := serveConfig(s)
	config.Test = &plugin.ServeTestConfig{Context: ctx, ReattachConfigCh: attach, CloseCh: closed}
	go plugin.Serve(config)

	select {
	case at := <-attach:
		line, err := reattachLine(s.types, at)
		if err != nil {
			return err
		}
		fmt.Println(line)
		fmt.Fprintln(os.Stderr, "Start authd with this in its environment, where public_url is on loopback. Ctrl-C ends the plugin.")
	case <-closed:
		return fmt.Errorf("the server did not start")
	}
	<-closed
	return nil
}

// reattachLine is what the operator puts before the authd command.
func reattachLine(types []Type, at *plugin.ReattachConfig) (string, error) {
	type address struct {
		Protocol int    `json:"protocol"`
		Pid      int    `json:"pid"`
		Network  string `json:"network"`
		Address  string `json:"address"`
	}
	byType := map[string]address{}
	for _, t := range types {
		byType[t.Name] = address{Protocol: at.ProtocolVersion, Pid: at.Pid, Network: at.Addr.Network(), Address: at.Addr.String()}
	}
	text, err := json.Marshal(byType)
	return fmt.Sprintf("AUTHD_REATTACH_PROVIDERS='%s'", text), err
}

func pluginVersion() string {
	if version != "" {
		return version
	}
	info, ok := debug.ReadBuildInfo()
	if !ok || info.Main.Version == "" {
		return "(devel)"
	}
	return info.Main.Version
}
