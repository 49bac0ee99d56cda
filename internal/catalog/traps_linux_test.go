package catalog

import (
	"context"
	"encoding/json"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/hashicorp/go-hclog"
	"github.com/hashicorp/go-plugin"
	"google.golang.org/grpc"

	"github.com/authd/authd/sdk"
)

// traps are the ways in which a plugin hurts a host that leaves its processes to go-plugin, with the tests that show
// that authd is not hurt. plain is what go-plugin by itself does with the same plugin; where there is none it would
// take a second host, or end this one.
var traps = []struct {
	what  string
	plain func(*testing.T)
	tests []string
}{
	{
		"its Kill and Ping wait for ever for a process that hangs", plainHangs,
		[]string{"TestHungProcessIsReplaced", "TestHungProcessShowsItsStacks", "TestStopHungProcess", "TestUselessProcessIsEnded"},
	},
	{"a grandchild that holds standard error keeps a dead plugin alive", plainGrandchild, []string{"TestGrandchildHoldsNothingUp"}},
	{"a long sixth field of the handshake panics the host", plainCertificate, []string{"TestStartFails", "TestCheckHandshake"}},
	{"the plugin chooses the address", plainAddress, []string{"TestStartFails", "TestStartRefusesAnotherListener"}},
	{"plugins outlive a host that is killed", nil, []string{"TestNoOrphans"}},
	{"what is printed goes nowhere, and why a start failed is lost", plainEarlyEnd, []string{"TestPrintedLinesArrive", "TestStartFails", "TestFloods"}},
	{
		"sockets lie in the temporary directory, stay there, and have too long a path", plainSocket,
		[]string{"TestStartWithoutTemporaryDirectory", "TestStartLeavesNothing", "TestSocketsRefuseALongPath", "TestSocketsSweep"},
	},
	{"the host's environment and standard input are handed on", plainEnvironment, []string{"TestJail", "TestChildLifeline", "TestPluginEnv"}},
	{"messages are not bounded", plainSize, []string{"TestErrors"}},
	{"its lock is held while it dials, and a client starts once", nil, []string{"TestConnectionBreaks", "TestCrashIsRestarted"}},
	{"its shutdown cuts calls", plainShutdown, []string{"TestStopDrains", "TestSwapDrains"}},
	{"it executes another file than it has hashed", nil, []string{"TestLockRefuses", "TestLockAtRestart"}},
	{"its broker opens connections for the plugin", nil, []string{"TestDialOptions"}},
}

// Each trap has a test here, and go-plugin by itself falls into it.
func TestTraps(t *testing.T) {
	there := testNames(t)
	for i, trap := range traps {
		t.Run(fmt.Sprintf("%d", i+1), func(t *testing.T) {
			for _, name := range trap.tests {
				if !there[name] {
					t.Errorf("%s: there is no test %s", trap.what, name)
				}
			}
			if trap.plain != nil {
				trap.plain(t)
			}
		})
	}
}

// testNames are the tests of this package.
func testNames(t *testing.T) map[string]bool {
	t.Helper()
	names := map[string]bool{}
	files, err := filepath.Glob("*_test.go")
	if err != nil || len(files) == 0 {
		t.Fatalf("no test files: %v", err)
	}
	for _, name := range files {
		file, err := parser.ParseFile(token.NewFileSet(), name, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		for _, decl := range file.Decls {
			if f, ok := decl.(*ast.FuncDecl); ok {
				names[f.Name.Name] = true
			}
		}
	}
	return names
}

// plain is go-plugin's client of a test plugin, as its documentation has it.
func plain(t *testing.T, name string) (*plugin.Client, *exec.Cmd) {
	t.Helper()
	cmd := exec.Command(testPlugin(t, name).Path)
	r := &processRunner{} // it closes what go-plugin forgets to
	keep := func(ctx context.Context, desc *grpc.StreamDesc, cc *grpc.ClientConn, method string, next grpc.Streamer, opts ...grpc.CallOption) (grpc.ClientStream, error) {
		r.keepConn(cc)
		return next(ctx, desc, cc, method, opts...)
	}
	client := plugin.NewClient(&plugin.ClientConfig{
		HandshakeConfig: sdk.Handshake(), Cmd: cmd, Logger: hclog.NewNullLogger(), StartTimeout: longEnough,
		VersionedPlugins: map[int]plugin.PluginSet{sdk.ProtocolVersion: sdk.PluginSet()},
		AllowedProtocols: []plugin.Protocol{plugin.ProtocolGRPC},
		GRPCDialOptions:  []grpc.DialOption{grpc.WithChainStreamInterceptor(keep)},
	})
	t.Cleanup(func() {
		if cmd.Process != nil {
			_ = cmd.Process.Kill()
		}
		client.Kill()
		r.closeConns()
	})
	return client, cmd
}

// serving is such a client with a provider that is configured.
func serving(t *testing.T, name string) (*plugin.Client, *exec.Cmd, *sdk.Client) {
	t.Helper()
	client, cmd := plain(t, name)
	conn, err := openClient(client)
	if err != nil {
		t.Fatal(err)
	}
	rpc := sdk.NewClient(conn)
	count := filepath.Join(t.TempDir(), "count")
	if _, err := rpc.Configure(background(t), sdk.ConfigureRequest{Type: "test", ID: "p", Settings: map[string]string{"client_id": "app", "count": count}}); err != nil {
		t.Fatal(err)
	}
	return client, cmd, rpc
}

// aWhile is long against what is being waited for, when that is to be shown not to happen.
const aWhile = 300 * time.Millisecond

func plainHangs(t *testing.T) {
	client, cmd, _ := serving(t, "well")
	protocol, err := client.Client()
	if err != nil {
		t.Fatal(err)
	}
	stopProcess(t, cmd.Process.Pid)
	done := make(chan error, 1)
	go func() { done <- protocol.Ping() }()
	select {
	case err := <-done:
		t.Errorf("go-plugin's Ping of a process that hangs returned: %v", err)
	case <-time.After(aWhile):
	}
	_ = cmd.Process.Kill()
	if err := <-done; err == nil {
		t.Error("Ping of a dead process succeeded")
	}
}

func plainGrandchild(t *testing.T) {
	client, cmd, rpc := serving(t, "well")
	install(t, filepath.Dir(cmd.Path), namePrefix+"stubborn")
	u, err := rpc.GetUserInfo(background(t), &sdk.Token{AccessToken: "grandchild group"})
	if err != nil {
		t.Fatal(err)
	}
	var child struct{ PID int }
	if err := json.Unmarshal(u.Claims, &child); err != nil {
		t.Fatal(err)
	}
	defer gone(t, child.PID)
	defer func() { _ = syscall.Kill(child.PID, syscall.SIGKILL) }()
	_ = cmd.Process.Kill()
	gone(t, cmd.Process.Pid) // it is dead, and stays unreaped
	deadline := time.After(aWhile)
	for {
		select {
		case <-deadline:
			return
		default:
			if client.Exited() {
				t.Error("go-plugin has noticed the end of a process in spite of its grandchild")
				return
			}
		}
	}
}

func plainCertificate(t *testing.T) {
	client, _ := plain(t, "real-certificate")
	_, err := openClient(client) // which recovers
	fails(t, "go-plugin's start", err, "made go-plugin panic")
}

func plainAddress(t *testing.T) {
	client, _ := plain(t, "tcp")
	address, err := client.Start()
	if err != nil || address.String() != "127.0.0.1:22" {
		t.Errorf("go-plugin's start = %v, %v, want the address of another's service", address, err)
	}
}

func plainEarlyEnd(t *testing.T) {
	client, _ := plain(t, "exits")
	_, err := client.Start()
	if err == nil || strings.Contains(err.Error(), "no licence file") {
		t.Errorf("go-plugin's start = %v, want an error without the reason", err)
	}
}

func plainSocket(t *testing.T) {
	dir := shortDir(t)
	t.Setenv("TMPDIR", dir)
	client, cmd := plain(t, "well")
	if _, err := client.Start(); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Process.Kill()
	for !client.Exited() {
		continue
	}
	sockets := 0
	_ = filepath.WalkDir(dir, func(_ string, d fs.DirEntry, err error) error {
		if err == nil && d.Type()&fs.ModeSocket != 0 {
			sockets++
		}
		return nil
	})
	if sockets == 0 {
		t.Error("go-plugin has left no socket in the temporary directory")
	}
}

func plainEnvironment(t *testing.T) {
	t.Setenv("AUTHD_SESSION_SECRET", "shown")
	_, _, rpc := serving(t, "well")
	u, err := rpc.GetUserInfo(background(t), &sdk.Token{AccessToken: "jail"})
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(u.Claims), "AUTHD_SESSION_SECRET=shown") {
		t.Error("go-plugin keeps the host's environment from a plugin")
	}
}

func plainSize(t *testing.T) {
	_, _, rpc := serving(t, "fat")
	u, err := rpc.GetUserInfo(background(t), &sdk.Token{AccessToken: "x"})
	if err != nil || len(u.Claims) < 64<<20 {
		t.Errorf("go-plugin bounds messages: %v", err)
	}
}

func plainShutdown(t *testing.T) {
	client, _, rpc := serving(t, "well")
	gate := filepath.Join(t.TempDir(), "gate")
	call := make(chan error, 1)
	go func() {
		_, err := rpc.GetToken(context.Background(), sdk.CodeExchange{Code: "wait " + gate})
		call <- err
	}()
	// The call is in the process once another one that was made later is answered.
	if _, err := rpc.GetUserInfo(background(t), &sdk.Token{AccessToken: ""}); err != nil {
		t.Fatal(err)
	}
	client.Kill()
	if err := <-call; err == nil {
		t.Error("go-plugin's Kill let a call in flight end")
	}
}
