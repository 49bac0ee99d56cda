package sdk_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/hashicorp/go-hclog"
	"github.com/hashicorp/go-plugin"

	"github.com/authd/authd/sdk"
)

// patience is how long a process may take before a test gives up on it; none needs it.
const patience = time.Minute

// command links the test binary under the plugin's name and prepares to run it.
func command(t *testing.T, args ...string) *exec.Cmd {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), pluginName)
	if err := os.Symlink(self, path); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	t.Cleanup(cancel)
	cmd := exec.CommandContext(ctx, path, args...)
	cmd.WaitDelay = time.Second
	cmd.Env = []string{"GORACE=atexit_sleep_ms=0"} // the race detector would sleep for a second before each end
	return cmd
}

// run runs a plugin by hand and returns what it printed and its exit code.
func run(t *testing.T, args ...string) (stdout, stderr string, code int) {
	t.Helper()
	cmd := command(t, args...)
	var out, diag bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &diag
	if err := cmd.Run(); err != nil {
		var exit *exec.ExitError
		if !errors.As(err, &exit) {
			t.Fatal(err)
		}
		code = exit.ExitCode()
	}
	return out.String(), diag.String(), code
}

func TestServeDescribe(t *testing.T) {
	stdout, stderr, code := run(t, "-describe")
	if code != 0 || stderr != "" {
		t.Fatalf("exit %d, stderr %q", code, stderr)
	}
	got, err := sdk.ParseManifest([]byte(stdout))
	if err != nil {
		t.Fatal(err)
	}
	typ := acmeType()
	typ.New = nil
	want := &sdk.Manifest{ProtocolMinor: sdk.ProtocolMinor, Version: got.Version, Types: []sdk.Type{typ}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("manifest (-want +got):\n%s", diff)
	}
	text, err := got.JSON()
	if err != nil || string(text)+"\n" != stdout {
		t.Errorf("-describe printed\n%s\nwant the manifest's JSON (%v)\n%s", stdout, err, text)
	}
}

func TestServeVersion(t *testing.T) {
	stdout, stderr, code := run(t, "-version")
	manifest, _, _ := run(t, "-describe")
	m, err := sdk.ParseManifest([]byte(manifest))
	if err != nil {
		t.Fatal(err)
	}
	if code != 0 || stderr != "" || stdout != m.Version+"\n" || m.Version == "" {
		t.Errorf("exit %d, stdout %q, stderr %q, want the manifest's version %q", code, stdout, stderr, m.Version)
	}
}

func TestServeByHand(t *testing.T) {
	stdout, stderr, code := run(t)
	want := pluginName + ": this is a provider plugin of authd: put it into authd's plugins directory; -describe tells what it does\n"
	if code != 2 || stdout != "" || stderr != want {
		t.Errorf("exit %d, stdout %q, stderr %q\nwant exit 2 and %q", code, stdout, stderr, want)
	}
	if _, stderr, code := run(t, "-nonsense"); code != 2 || !strings.Contains(stderr, "-describe") {
		t.Errorf("unknown flag: exit %d, stderr %q, want 2 and the flags", code, stderr)
	}
}

// client makes go-plugin's own client, with what authd uses of it.
func client(t *testing.T, config *plugin.ClientConfig) *sdk.Client {
	t.Helper()
	config.HandshakeConfig = sdk.Handshake()
	config.Plugins = sdk.PluginSet()
	config.AllowedProtocols = []plugin.Protocol{plugin.ProtocolGRPC}
	config.Logger = hclog.NewNullLogger()
	config.StartTimeout = patience
	c := plugin.NewClient(config)
	t.Cleanup(c.Kill)
	rpc, err := c.Client()
	if err != nil {
		t.Fatalf("start the plugin: %v", err)
	}
	dispensed, err := rpc.Dispense(sdk.PluginName)
	if err != nil {
		t.Fatal(err)
	}
	return dispensed.(*sdk.Client)
}

// checkAcme looks whether it is really the acme plugin that answers, and can be made a provider.
func checkAcme(t *testing.T, c *sdk.Client) {
	t.Helper()
	m, err := c.Describe(t.Context())
	if err != nil {
		t.Fatalf("Describe: %v", err)
	}
	if _, ok := m.Type("acme"); !ok {
		t.Fatalf("the manifest has no type acme: %+v", m)
	}
	configured, err := c.Configure(t.Context(), sdk.ConfigureRequest{Type: "acme", ID: "acme", Settings: acmeSettings()})
	if err != nil {
		t.Fatalf("Configure: %v", err)
	}
	if want := "https://acme.example/authorize"; configured.AuthorizationEndpoint != want {
		t.Errorf("endpoint %q, want %q", configured.AuthorizationEndpoint, want)
	}
}

// TestServeToGoPlugin: the plain go-plugin client speaks to a plugin, and what the provider logs comes out of its
// standard error as hclog's JSON.
func TestServeToGoPlugin(t *testing.T) {
	stderr, into := io.Pipe()
	t.Cleanup(func() { _ = into.Close() }) // after the client has gone; it never fails
	first := make(chan string, 1)
	go func() {
		lines := bufio.NewReader(stderr)
		line, _ := lines.ReadString('\n')
		first <- line
		_, _ = io.Copy(io.Discard, lines)
	}()
	checkAcme(t, client(t, &plugin.ClientConfig{Cmd: command(t), SkipHostEnv: true, Stderr: into}))
	var line struct {
		Level   string `json:"@level"`
		Message string `json:"@message"`
		ID      string `json:"id"`
	}
	log := <-first
	if err := json.Unmarshal([]byte(log), &line); err != nil {
		t.Fatalf("the log is no JSON (%v): %q", err, log)
	}
	if line.Level != "info" || line.Message != "acme made" || line.ID != "acme" {
		t.Errorf("log line %+v", line)
	}
}

// TestServeDebug: a plugin under a debugger is attached to, and outlives the authd that attached.
func TestServeDebug(t *testing.T) {
	cmd := command(t, "-debug")
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	line, err := bufio.NewReader(stdout).ReadString('\n')
	if err != nil {
		t.Fatalf("read the line to attach with: %v", err)
	}
	match := regexp.MustCompile(`^AUTHD_REATTACH_PROVIDERS='(.*)'\n$`).FindStringSubmatch(line)
	if match == nil {
		t.Fatalf("got %q, want AUTHD_REATTACH_PROVIDERS='{…}'", line)
	}
	var byType map[string]struct {
		Protocol, Pid    int
		Network, Address string
	}
	if err := json.Unmarshal([]byte(match[1]), &byType); err != nil {
		t.Fatal(err)
	}
	at, ok := byType["acme"]
	if !ok || at.Protocol != sdk.ProtocolVersion || at.Pid != cmd.Process.Pid || at.Network != "unix" {
		t.Fatalf("got %+v, want type acme, protocol %d, pid %d over unix", byType, sdk.ProtocolVersion, cmd.Process.Pid)
	}
	if info, err := os.Stat(filepath.Dir(at.Address)); err != nil {
		t.Error(err)
	} else if info.Mode().Perm() != 0o700 {
		t.Errorf("the directory of the socket is %v, want it closed to others", info.Mode())
	}
	address, err := net.ResolveUnixAddr(at.Network, at.Address)
	if err != nil {
		t.Fatal(err)
	}
	checkAcme(t, client(t, &plugin.ClientConfig{Reattach: &plugin.ReattachConfig{
		Protocol: plugin.ProtocolGRPC, ProtocolVersion: at.Protocol, Addr: address, Pid: at.Pid, Test: true,
	}}))
	if err := cmd.Process.Signal(os.Interrupt); err != nil {
		t.Fatal(err)
	}
	if err := cmd.Wait(); err != nil {
		t.Errorf("after an interrupt: %v, want exit 0", err)
	}
	if _, err := os.Stat(filepath.Dir(at.Address)); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("after an interrupt the directory of the socket is still there: %v", err)
	}
}

// started is a plugin that serves, started as authd does: a pipe as standard input.
type started struct {
	cmd    *exec.Cmd
	stdin  io.Closer
	stdout *bufio.Reader
	line   string
}

func start(t *testing.T, cmd *exec.Cmd) started {
	t.Helper()
	handshake := sdk.Handshake()
	cmd.Env = append(cmd.Env, handshake.MagicCookieKey+"="+handshake.MagicCookieValue, "PLUGIN_UNIX_SOCKET_DIR="+t.TempDir())
	stdin, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	p := started{cmd: cmd, stdin: stdin, stdout: bufio.NewReader(stdout)}
	if p.line, err = p.stdout.ReadString('\n'); err != nil {
		t.Fatalf("read the handshake: %v", err)
	}
	return p
}

// rest is what the process still prints until it is gone.
func (p started) rest(t *testing.T) string {
	t.Helper()
	rest, err := io.ReadAll(p.stdout)
	if err != nil {
		t.Fatal(err)
	}
	return string(rest)
}

// Threat 140: a plugin ends when authd is gone, however it went, since then the other end of its standard input is
// closed. While authd is there, a signal to the whole group does not stop it.
func TestLifeline(t *testing.T) {
	p := start(t, command(t))
	if !regexp.MustCompile(`^1\|1\|unix\|/.+\|grpc\|\n$`).MatchString(p.line) {
		t.Errorf("handshake %q", p.line)
	}
	for _, signal := range []os.Signal{os.Interrupt, syscall.SIGTERM} {
		if err := p.cmd.Process.Signal(signal); err != nil {
			t.Fatal(err)
		}
	}
	conn, err := net.Dial("unix", strings.Split(p.line, "|")[3])
	if err != nil {
		t.Fatalf("after the signals: %v", err)
	}
	if err := conn.Close(); err != nil {
		t.Fatal(err)
	}
	if err := p.stdin.Close(); err != nil {
		t.Fatal(err)
	}
	if rest := p.rest(t); rest != "" {
		t.Errorf("on standard output after the handshake: %q", rest)
	}
	if err := p.cmd.Wait(); err != nil {
		t.Errorf("after its standard input closed: %v, want exit 0", err)
	}
}

// Threat 140: where standard input is no pipe, a plugin notices that its parent is gone.
func TestOrphanEnds(t *testing.T) {
	binary := command(t)
	// The shell starts the plugin, waits until its own input closes, and leaves it alone in the world.
	cmd := exec.CommandContext(t.Context(), "/bin/sh", "-c", `"$0" </dev/null & read _`, binary.Path)
	p := start(t, cmd)
	if err := p.stdin.Close(); err != nil {
		t.Fatal(err)
	}
	// Its end of the pipe closes only when the plugin itself has ended.
	if rest := p.rest(t); rest != "" {
		t.Errorf("on standard output after the handshake: %q", rest)
	}
	var exit *exec.ExitError
	if err := cmd.Wait(); err != nil && !errors.As(err, &exit) {
		t.Error(err)
	}
}
