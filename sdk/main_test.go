package sdk_test

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/hashicorp/go-hclog"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/test/bufconn"

	"github.com/authd/authd/sdk"
	pb "github.com/authd/authd/sdk/proto/provider/v1"
)

// pluginName is the name under which the test binary is a plugin: tests link it so and run it, so that the border
// between processes is never a mock.
const pluginName = "authd-provider-acme"

func TestMain(m *testing.M) {
	if strings.HasPrefix(filepath.Base(os.Args[0]), pluginName) {
		sdk.Serve(acmeType())
		syscall.Exit(0) // os.Exit would wait a second for late reports of the race detector
	}
	os.Exit(m.Run())
}

// acmeType is the type of the plugin that the test binary can be.
func acmeType() sdk.Type {
	return sdk.Type{
		Name: "acme", Label: "Acme <&> Söhne", DocsURL: "https://acme.example/apps",
		Icon:     `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 1 1"><path d="M0 0h1v1z"/></svg>`,
		Settings: append(sdk.ClientSettings("OAUTH_ACME"), sdk.Setting{Name: "base_url", Env: "OAUTH_ACME_BASE_URL", Default: "https://acme.example", Pattern: `https://.+`, Help: "Where Acme is."}),
		Scopes:   []string{"profile"}, Identifier: "email", Prompts: []string{"login"},
		New: func(_ context.Context, c sdk.Config) (sdk.Provider, error) {
			c.Log.Info("acme made", "id", c.ID)
			return &plain{endpoint: c.Settings["base_url"] + "/authorize"}, nil
		},
	}
}

// acmeSettings are settings that acmeType accepts.
func acmeSettings() map[string]string {
	return map[string]string{"client_id": "acme-client", "client_secret": "acme-secret"}
}

// plain implements the three required methods and nothing else.
type plain struct {
	endpoint    string
	getToken    func(context.Context, sdk.CodeExchange) (*sdk.Token, error)
	getUserInfo func(context.Context, *sdk.Token) (*sdk.User, error)
}

func (p *plain) AuthorizeParams(context.Context, sdk.AuthorizeRequest) (sdk.AuthorizeParams, error) {
	return sdk.AuthorizeParams{Endpoint: p.endpoint}, nil
}

func (p *plain) GetToken(ctx context.Context, in sdk.CodeExchange) (*sdk.Token, error) {
	if p.getToken == nil {
		return &sdk.Token{AccessToken: "access"}, nil
	}
	return p.getToken(ctx, in)
}

func (p *plain) GetUserInfo(ctx context.Context, t *sdk.Token) (*sdk.User, error) {
	if p.getUserInfo == nil {
		return &sdk.User{Sub: "7", Claims: json.RawMessage(`{"id":7}`)}, nil
	}
	return p.getUserInfo(ctx, t)
}

// everything implements every optional interface but PasswordLogin. It keeps what it is asked in got and answers
// what the test put into give, or err.
type everything struct {
	mu   sync.Mutex
	got  any
	give any
	err  error
}

func reply[T any](e *everything, got any) (T, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.got = got
	give, _ := e.give.(T)
	return give, e.err
}

// set prepares the next answer.
func (e *everything) set(give any, err error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.got, e.give, e.err = nil, give, err
}

// asked is what the last call was asked.
func (e *everything) asked() any {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.got
}

func (e *everything) AuthorizeParams(_ context.Context, in sdk.AuthorizeRequest) (sdk.AuthorizeParams, error) {
	return reply[sdk.AuthorizeParams](e, in)
}

func (e *everything) GetToken(_ context.Context, in sdk.CodeExchange) (*sdk.Token, error) {
	return reply[*sdk.Token](e, in)
}

func (e *everything) GetUserInfo(_ context.Context, in *sdk.Token) (*sdk.User, error) {
	return reply[*sdk.User](e, in)
}

func (e *everything) RefreshToken(_ context.Context, in *sdk.Token) (*sdk.Token, error) {
	return reply[*sdk.Token](e, in)
}

func (e *everything) RevokeToken(_ context.Context, in *sdk.Token) error {
	_, err := reply[any](e, in)
	return err
}

func (e *everything) EndSession(_ context.Context, in sdk.EndSessionRequest) (string, error) {
	return reply[string](e, in)
}

func (e *everything) Metadata() sdk.Metadata {
	return sdk.Metadata{Issuer: "https://acme.example", ResponseIssSupported: true, ResponseType: sdk.ResponseTypeHybrid}
}

func (e *everything) VerifyLogoutToken(_ context.Context, in string) (*sdk.LogoutToken, error) {
	return reply[*sdk.LogoutToken](e, in)
}

func (e *everything) Check(context.Context) ([]sdk.Diagnostic, error) {
	return reply[[]sdk.Diagnostic](e, nil)
}

// doorman is a provider with a password form and no authorization endpoint.
type doorman struct{ everything }

func (d *doorman) PasswordLogin(_ context.Context, in sdk.Credentials) (*sdk.Token, error) {
	return reply[*sdk.Token](&d.everything, in)
}

// typeOf is a type without settings whose provider is p.
func typeOf(p sdk.Provider) sdk.Type {
	return sdk.Type{Name: "acme", New: func(context.Context, sdk.Config) (sdk.Provider, error) { return p, nil }}
}

// connect serves the types in this process, as a plugin would, and returns authd's side of the wire.
func connect(t *testing.T, types ...sdk.Type) *sdk.Client {
	client, _ := connectLogged(t, io.Discard, types...)
	return client
}

func connectLogged(t *testing.T, logTo io.Writer, types ...sdk.Type) (*sdk.Client, pb.ProviderClient) {
	t.Helper()
	log := hclog.New(&hclog.LoggerOptions{Output: logTo, Level: hclog.Debug, JSONFormat: true})
	listener := bufconn.Listen(1 << 20)
	server := sdk.NewGRPCServer(log)
	pb.RegisterProviderServer(server, sdk.NewServer(log, "v0.0.0-test", types...))
	served := make(chan error, 1)
	go func() { served <- server.Serve(listener) }()
	conn, err := grpc.NewClient("passthrough:///bufconn",
		grpc.WithContextDialer(func(ctx context.Context, _ string) (net.Conn, error) { return listener.DialContext(ctx) }),
		grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := conn.Close(); err != nil {
			t.Errorf("close the connection: %v", err)
		}
		server.Stop()
		if err := <-served; err != nil {
			t.Errorf("serve: %v", err)
		}
	})
	return sdk.NewClient(conn), pb.NewProviderClient(conn)
}

// configure makes the served type acme a provider.
func configure(t *testing.T, client *sdk.Client) *sdk.Configured {
	t.Helper()
	configured, err := client.Configure(t.Context(), sdk.ConfigureRequest{Type: "acme", ID: "acme"})
	if err != nil {
		t.Fatalf("Configure: %v", err)
	}
	return configured
}

// syncBuffer is a log that may be read while it is written.
type syncBuffer struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (b *syncBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.Write(p)
}

func (b *syncBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.String()
}
