package catalog

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/hashicorp/go-plugin"
	"golang.org/x/sys/unix"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/authd/authd/sdk"
	providerv1 "github.com/authd/authd/sdk/proto/provider/v1"
)

// The real streams of the process: go-plugin puts others in the place of os.Stdout and os.Stderr.
var rawStdout, rawStderr = os.Stdout, os.Stderr

// runPlugin is the main function of the test plugins; what they do hangs on their name.
func runPlugin(name string) {
	switch name {
	case "well", "other":
		sdk.Serve(testType())
	case "exits":
		fmt.Fprintln(os.Stderr, "no licence file; client_secret=hunter2")
		os.Exit(3)
	case "junk":
		fmt.Println("Hello from my plugin!")
		untilHostEnds()
	case "silent":
		fmt.Fprintln(os.Stderr, "taking my time")
		untilHostEnds()
	case "stubborn": // looks at nothing, not even at the end of authd
		fmt.Fprintln(os.Stderr, "here to stay")
		select {}
	case "endless":
		fmt.Print(strings.Repeat("x", 1<<20))
		untilHostEnds()
	case "certificate":
		shake("unix", filepath.Join(os.Getenv(plugin.EnvUnixSocketDir), "s"), strings.Repeat("A", 100))
	case "real-certificate":
		shake("unix", filepath.Join(os.Getenv(plugin.EnvUnixSocketDir), "s"), base64.RawStdEncoding.EncodeToString(certificate()))
	case "tcp":
		shake("tcp", "127.0.0.1:22", "")
	case "outside":
		shake("unix", "/var/run/docker.sock", "")
	case "deaf":
		deaf()
	case "drops":
		drops(false)
	case "accepts":
		drops(true)
	case "clings":
		serveUnbounded()
		select {}
	case "wrapper":
		wrapper()
	case "fat", "noflag":
		serveUnbounded()
	case "protocol2":
		fmt.Printf("1|2|unix|%s|grpc|\n", filepath.Join(os.Getenv(plugin.EnvUnixSocketDir), "s"))
		untilHostEnds()
	default:
		fmt.Fprintf(os.Stderr, "no test plugin is called %s\n", name)
		os.Exit(2)
	}
}

func untilHostEnds() { _, _ = io.Copy(io.Discard, os.Stdin) }

func shake(network, address, certificate string) {
	fmt.Printf("1|1|%s|%s|grpc|%s\n", network, address, certificate)
	untilHostEnds()
}

// certificate is one of an authority, in DER.
func certificate() []byte {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		panic(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour), IsCA: true, BasicConstraintsValid: true}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		panic(err)
	}
	return der
}

// deaf listens where it says and never answers.
func deaf() {
	socket := filepath.Join(os.Getenv(plugin.EnvUnixSocketDir), "s")
	l, err := net.Listen("unix", socket)
	if err != nil {
		panic(err)
	}
	defer l.Close()
	shake("unix", socket, "")
}

// drops shakes hands and ends, at once or when it is connected to.
func drops(accept bool) {
	socket := filepath.Join(os.Getenv(plugin.EnvUnixSocketDir), "s")
	l, err := net.Listen("unix", socket)
	if err != nil {
		panic(err)
	}
	fmt.Printf("1|1|unix|%s|grpc|\n", socket)
	if accept {
		_, _ = l.Accept()
	}
	os.Exit(0)
}

// wrapper runs the real plugin as a child of its own, in another process group.
func wrapper() {
	cmd := exec.Command(filepath.Join(filepath.Dir(os.Args[0]), namePrefix+"well"))
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	_ = cmd.Run()
}

// serveUnbounded serves without the SDK's Serve: it knows no flag and sends messages of any size.
func serveUnbounded() {
	server := &fatServer{ProviderServer: sdk.NewServer(nil, "v0.0.1-fat", testType())}
	plugin.Serve(&plugin.ServeConfig{
		HandshakeConfig: sdk.Handshake(),
		Plugins:         plugin.PluginSet{sdk.PluginName: &fatPlugin{server: server}},
		GRPCServer:      plugin.DefaultGRPCServer,
	})
}

type fatPlugin struct {
	plugin.NetRPCUnsupportedPlugin
	server providerv1.ProviderServer
}

func (p *fatPlugin) GRPCServer(_ *plugin.GRPCBroker, s *grpc.Server) error {
	providerv1.RegisterProviderServer(s, p.server)
	return nil
}

func (p *fatPlugin) GRPCClient(context.Context, *plugin.GRPCBroker, *grpc.ClientConn) (any, error) {
	return nil, nil
}

type fatServer struct {
	providerv1.ProviderServer
}

func (s *fatServer) GetUserInfo(context.Context, *providerv1.GetUserInfoRequest) (*providerv1.GetUserInfoResponse, error) {
	return &providerv1.GetUserInfoResponse{User: &providerv1.User{Sub: "1", ClaimsJson: bytes.Repeat([]byte("x"), 64<<20)}}, nil
}

func (s *fatServer) GetToken(context.Context, *providerv1.GetTokenRequest) (*providerv1.GetTokenResponse, error) {
	return nil, status.Error(codes.Internal, strings.Repeat("x", 8<<20))
}

// testType is what the well-behaved plugin serves. It does as it is told: each call holds a command.
func testType() sdk.Type {
	return sdk.Type{
		Name: "test", Label: "Test", Scopes: []string{"openid"},
		Settings: append(sdk.ClientSettings("OAUTH_TEST")[:1],
			sdk.Setting{Name: "client_secret", Env: "OAUTH_TEST_CLIENT_SECRET", Secret: true},
			sdk.Setting{Name: "endpoint", Default: "https://idp.example/authorize"},
			sdk.Setting{Name: "issuer", Default: "https://idp.example"},
			sdk.Setting{Name: "gate", Help: "file without which the identity provider is down"},
			sdk.Setting{Name: "count", Help: "file that gets a byte per call"},
			sdk.Setting{Name: "new", Help: "command for New"},
			sdk.Setting{Name: "check", Help: "command for Check"},
		),
		New: newTestProvider,
	}
}

func newTestProvider(ctx context.Context, c sdk.Config) (sdk.Provider, error) {
	p := &testAuthProvider{c}
	if gate := c.Settings["gate"]; gate != "" {
		if _, err := os.Stat(gate); err != nil {
			if c.Settings["new"] == "slow" {
				<-ctx.Done()
			}
			return nil, sdk.UpstreamErrorf("discovery: connection refused")
		}
	}
	switch c.Settings["new"] {
	case "config":
		return nil, sdk.ConfigErrorf("issuer", "serves no discovery document")
	case "broken":
		return nil, fmt.Errorf("nil map")
	case "password":
		return &passwordProvider{p}, nil
	}
	return p, nil
}

type testAuthProvider struct{ sdk.Config }

// do obeys the commands that any call may hold. It returns what the command asks for.
func (p *testAuthProvider) do(ctx context.Context, command string) ([]byte, error) {
	name, argument, _ := strings.Cut(command, " ")
	switch name {
	case "crash":
		p.counted()
		fmt.Fprintln(rawStderr, "crashing as told")
		os.Exit(7)
	case "crash-once":
		if p.counted() == 1 {
			os.Exit(7)
		}
	case "hang-up":
		hangUp()
	case "panic":
		panic("as told, with " + argument)
	case "panic-outside":
		go func() { panic("as told, with client_secret=hunter2") }()
		<-ctx.Done()
	case "hold":
		<-ctx.Done()
		return nil, ctx.Err()
	case "wait":
		return nil, await(ctx, argument)
	case "stderr":
		return nil, repeat(rawStderr, argument)
	case "stdout":
		return nil, repeat(rawStdout, argument)
	case "print":
		fmt.Println(argument)
	case "say":
		fmt.Fprintln(rawStderr, argument)
	case "log":
		p.Log.Warn("as told", "client_secret", argument, "note", "secret is "+argument, "provider", "forged")
	case "grandchild":
		return p.grandchild(argument)
	case "jail":
		return jailReport()
	case "try":
		return json.Marshal(map[string]string{"error": tryOut(argument)})
	default:
		return nil, p.fail(command)
	}
	return nil, nil
}

// await returns once there is such a file.
func await(ctx context.Context, file string) error {
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for {
		if _, err := os.Stat(file); err == nil {
			return nil
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

func (p *testAuthProvider) fail(command string) error {
	switch command {
	case "denied":
		return sdk.UserErrorf("access_denied", "no, thanks")
	case "expired":
		return sdk.UserErrorf("invalid_grant", "code is too old")
	case "config":
		return sdk.ConfigErrorf("client_secret", "is wrong")
	case "upstream":
		return &sdk.Error{Source: sdk.SourceUpstream, HTTPStatus: 503, RetryAfter: 7e9, Description: "down\x1b[2J\nforged line"}
	case "slow":
		return &sdk.Error{Source: sdk.SourceUpstream, Timeout: true, Description: "no answer"}
	case "leak":
		return fmt.Errorf("request with %s failed", p.Settings["client_secret"])
	}
	return nil
}

// counted adds a byte to the count file and returns how many there are.
func (p *testAuthProvider) counted() int {
	f, err := os.OpenFile(p.Settings["count"], os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		panic(err)
	}
	_, _ = f.WriteString(".")
	info, _ := f.Stat()
	_ = f.Close()
	return int(info.Size())
}

// repeat writes so many bytes without a single line end, or lines if the number ends with "l".
func repeat(f *os.File, amount string) error {
	chunk := bytes.Repeat([]byte("0123456789abcdef"), 4096)
	if strings.HasSuffix(amount, "l") {
		chunk = bytes.Repeat([]byte("this is a line of a flood of many lines, all alike, client_secret=x\n"), 1000)
	}
	size, err := strconv.Atoi(strings.TrimSuffix(amount, "l"))
	if err != nil {
		return err
	}
	for written := 0; written < size; written += len(chunk) {
		if _, err := f.Write(chunk); err != nil {
			return err
		}
	}
	return nil
}

// grandchild starts a process that holds standard error for ever and returns its id.
func (p *testAuthProvider) grandchild(how string) ([]byte, error) {
	cmd := exec.Command(filepath.Join(filepath.Dir(os.Args[0]), namePrefix+"stubborn"))
	cmd.Stderr = rawStderr
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: how == "session"}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	return json.Marshal(map[string]int{"pid": cmd.Process.Pid})
}

// hangUp breaks every connection of the process, which goes on listening.
func hangUp() {
	for fd := 3; fd < 64; fd++ {
		if _, err := unix.Getpeername(fd); err == nil {
			_ = unix.Shutdown(fd, unix.SHUT_RDWR)
		}
	}
}

// jailed is what a process sees of itself.
type jailed struct {
	Env, Files  []string
	Dir, Status string
	Parent      int
	Core, Open  unix.Rlimit
}

func jailReport() ([]byte, error) {
	report := jailed{Env: os.Environ(), Parent: os.Getppid()}
	report.Dir, _ = os.Getwd()
	status, _ := os.ReadFile("/proc/self/status")
	report.Status = string(status)
	entries, _ := os.ReadDir("/proc/self/fd")
	for _, e := range entries {
		target, _ := os.Readlink("/proc/self/fd/" + e.Name())
		report.Files = append(report.Files, target)
	}
	_ = unix.Getrlimit(unix.RLIMIT_CORE, &report.Core)
	_ = unix.Getrlimit(unix.RLIMIT_NOFILE, &report.Open)
	return json.Marshal(report)
}

// AuthorizeParams finds its command in the prompt.
func (p *testAuthProvider) AuthorizeParams(ctx context.Context, in sdk.AuthorizeRequest) (sdk.AuthorizeParams, error) {
	out := sdk.AuthorizeParams{Endpoint: p.Settings["endpoint"], Params: url.Values{"scope": {strings.Join(in.Scope, " ")}}}
	if endpoint, ok := strings.CutPrefix(in.Prompt, "endpoint "); ok {
		out.Endpoint = endpoint
		return out, nil
	}
	_, err := p.do(ctx, in.Prompt)
	return out, err
}

// GetToken finds its command in the code.
func (p *testAuthProvider) GetToken(ctx context.Context, in sdk.CodeExchange) (*sdk.Token, error) {
	if in.Code == "empty" {
		return &sdk.Token{}, nil
	}
	_, err := p.do(ctx, in.Code)
	if in.Code == "nobody" {
		return &sdk.Token{AccessToken: "nobody"}, err
	}
	return &sdk.Token{AccessToken: "at", RefreshToken: "rt", TokenType: "Bearer"}, err
}

// GetUserInfo finds its command in the access token.
func (p *testAuthProvider) GetUserInfo(ctx context.Context, in *sdk.Token) (*sdk.User, error) {
	if in.AccessToken == "nobody" {
		return &sdk.User{Name: "Nobody"}, nil
	}
	claims, err := p.do(ctx, in.AccessToken)
	return &sdk.User{Sub: "1", Claims: claims}, err
}

func (p *testAuthProvider) Metadata() sdk.Metadata { return sdk.Metadata{Issuer: p.Settings["issuer"]} }

func (p *testAuthProvider) RefreshToken(ctx context.Context, in *sdk.Token) (*sdk.Token, error) {
	_, err := p.do(ctx, in.RefreshToken)
	return &sdk.Token{AccessToken: "new"}, err
}

func (p *testAuthProvider) RevokeToken(ctx context.Context, in *sdk.Token) error {
	_, err := p.do(ctx, in.AccessToken)
	return err
}

// EndSession answers with the URL that it is given.
func (p *testAuthProvider) EndSession(_ context.Context, in sdk.EndSessionRequest) (string, error) {
	return in.State, nil
}

// VerifyLogoutToken believes that the token is the issuer.
func (p *testAuthProvider) VerifyLogoutToken(_ context.Context, token string) (*sdk.LogoutToken, error) {
	return &sdk.LogoutToken{Issuer: token, Sub: "1", ID: "j"}, nil
}

func (p *testAuthProvider) Check(context.Context) ([]sdk.Diagnostic, error) {
	switch p.Settings["check"] {
	case "setting":
		return []sdk.Diagnostic{{Severity: sdk.SeverityError, Setting: "client_secret", Summary: "is wrong"}}, nil
	case "refused":
		return nil, sdk.ConfigErrorf("client_id", "is not known there")
	case "down":
		return []sdk.Diagnostic{{Severity: sdk.SeverityError, Summary: "token endpoint can't be used"}}, nil
	case "unreachable":
		return nil, sdk.UpstreamErrorf("connection refused")
	case "crash":
		os.Exit(7)
	}
	return []sdk.Diagnostic{{Severity: sdk.SeverityWarning, Summary: "clock is\x07 off, " + p.Settings["client_secret"]}}, nil
}

// passwordProvider has a form, and nothing else.
type passwordProvider struct{ inner *testAuthProvider }

func (p *passwordProvider) AuthorizeParams(ctx context.Context, in sdk.AuthorizeRequest) (sdk.AuthorizeParams, error) {
	return sdk.AuthorizeParams{}, nil
}

func (p *passwordProvider) GetToken(context.Context, sdk.CodeExchange) (*sdk.Token, error) {
	return nil, fmt.Errorf("never called")
}

func (p *passwordProvider) GetUserInfo(ctx context.Context, in *sdk.Token) (*sdk.User, error) {
	return &sdk.User{Sub: in.AccessToken}, nil
}

func (p *passwordProvider) PasswordLogin(_ context.Context, in sdk.Credentials) (*sdk.Token, error) {
	if in.Password != "correct" {
		return nil, sdk.UserErrorf("access_denied", "wrong name or password")
	}
	return &sdk.Token{AccessToken: in.Username}, nil
}
