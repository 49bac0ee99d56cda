package sdk_test

import (
	"context"
	"crypto/tls"
	"encoding/pem"
	"errors"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/authd/authd/sdk"
	pb "github.com/authd/authd/sdk/proto/provider/v1"
)

func TestConfigureTellsWhatTheProviderIs(t *testing.T) {
	endpoint := "https://acme.example/authorize"
	for _, test := range []struct {
		name     string
		provider sdk.Provider
		want     *sdk.Configured
	}{
		{"plain", &plain{endpoint: endpoint}, &sdk.Configured{AuthorizationEndpoint: endpoint}},
		{
			"everything", &everything{give: sdk.AuthorizeParams{Endpoint: endpoint}}, &sdk.Configured{
				Metadata:              sdk.Metadata{Issuer: "https://acme.example", ResponseIssSupported: true, ResponseType: "code id_token"},
				AuthorizationEndpoint: endpoint,
				Capabilities: []sdk.Capability{
					sdk.CapabilityBackchannelLogout, sdk.CapabilityCheck, sdk.CapabilityEndSession, sdk.CapabilityOpenID,
					sdk.CapabilityRefresh, sdk.CapabilityRevocation,
				},
			},
		},
		{"password", &doorman{everything{err: errors.New("must not be asked")}}, &sdk.Configured{
			Metadata: sdk.Metadata{Issuer: "https://acme.example", ResponseIssSupported: true, ResponseType: "code id_token"},
			Capabilities: []sdk.Capability{
				sdk.CapabilityBackchannelLogout, sdk.CapabilityCheck, sdk.CapabilityEndSession, sdk.CapabilityOpenID,
				sdk.CapabilityPassword, sdk.CapabilityRefresh, sdk.CapabilityRevocation,
			},
		}},
	} {
		t.Run(test.name, func(t *testing.T) {
			got := configure(t, connect(t, typeOf(test.provider)))
			if diff := cmp.Diff(test.want, got, cmpopts.EquateEmpty()); diff != "" {
				t.Errorf("configured (-want +got):\n%s", diff)
			}
		})
	}
}

// TestConfigHandedToNew: settings with defaults, the operator's scopes before the type's, a client and a log.
func TestConfigHandedToNew(t *testing.T) {
	var got sdk.Config
	typ := acmeType()
	typ.New = func(_ context.Context, c sdk.Config) (sdk.Provider, error) {
		got = c
		return &plain{endpoint: "https://acme.example/authorize"}, nil
	}
	for _, test := range []struct {
		name  string
		asked []string
		want  []string
	}{
		{"the type's scopes", nil, []string{"profile"}},
		{"the operator's scopes", []string{"email", "orders"}, []string{"email", "orders"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			_, err := connect(t, typ).Configure(t.Context(), sdk.ConfigureRequest{
				Type: "acme", ID: "acme-eu", Settings: acmeSettings(), Scopes: test.asked, InsecureHTTP: true,
			})
			if err != nil {
				t.Fatal(err)
			}
			want := sdk.Config{
				Type: "acme", ID: "acme-eu", Scopes: test.want, InsecureHTTP: true,
				Settings: map[string]string{"client_id": "acme-client", "client_secret": "acme-secret", "base_url": "https://acme.example"},
			}
			if diff := cmp.Diff(want, got, cmpopts.IgnoreFields(sdk.Config{}, "HTTP", "Log")); diff != "" {
				t.Errorf("config (-want +got):\n%s", diff)
			}
			if got.HTTP == nil || got.Log == nil {
				t.Errorf("HTTP %v and Log %v, want both", got.HTTP, got.Log)
			}
		})
	}
}

// TestConfigureOnce: a process is one provider for its whole life.
func TestConfigureOnce(t *testing.T) {
	c := connect(t, typeOf(&plain{endpoint: "https://acme.example/authorize"}))
	configure(t, c)
	_, err := c.Configure(t.Context(), sdk.ConfigureRequest{Type: "acme", ID: "acme"})
	if got := status.Code(err); got != codes.FailedPrecondition {
		t.Errorf("second Configure: %v, want FailedPrecondition", err)
	}
	if _, err := c.GetToken(t.Context(), sdk.CodeExchange{}); err != nil {
		t.Errorf("the first provider is gone: %v", err)
	}
}

// TestConfigureOnceAtATime: of many at once one wins, and New runs for that one alone.
func TestConfigureOnceAtATime(t *testing.T) {
	var made sync.Map
	typ := sdk.Type{Name: "acme", New: func(_ context.Context, c sdk.Config) (sdk.Provider, error) {
		made.Store(c.ID, true)
		return &plain{endpoint: "https://acme.example/authorize"}, nil
	}}
	c := connect(t, typ)
	const callers = 8
	answers := make(chan error, callers)
	for i := range callers {
		go func() {
			_, err := c.Configure(t.Context(), sdk.ConfigureRequest{Type: "acme", ID: string(rune('a' + i))})
			answers <- err
		}()
	}
	won := 0
	for range callers {
		switch err := <-answers; status.Code(err) {
		case codes.OK:
			won++
		case codes.FailedPrecondition:
		default:
			t.Errorf("Configure: %v", err)
		}
	}
	providers := 0
	made.Range(func(any, any) bool { providers++; return true })
	if won != 1 || providers != 1 {
		t.Errorf("%d calls won and %d providers were made, want 1 and 1", won, providers)
	}
}

// TestConfigureAgainAfterFailure: an identity provider that was down for a moment must not cost a new process.
func TestConfigureAgainAfterFailure(t *testing.T) {
	failures := []func() (sdk.Provider, error){
		func() (sdk.Provider, error) { return nil, sdk.UpstreamErrorf("discovery: connection refused") },
		func() (sdk.Provider, error) { return nil, nil },
		func() (sdk.Provider, error) { panic("nil map") },
		func() (sdk.Provider, error) { return &everything{err: errors.New("no endpoint")}, nil },
	}
	typ := sdk.Type{Name: "acme", New: func(context.Context, sdk.Config) (sdk.Provider, error) {
		if len(failures) == 0 {
			return &plain{endpoint: "https://acme.example/authorize"}, nil
		}
		next := failures[0]
		failures = failures[1:]
		return next()
	}}
	c := connect(t, typ)
	for _, want := range []string{
		"upstream: discovery: connection refused",
		"plugin: type acme: New returned neither a provider nor an error",
		"plugin: panic in /authd.provider.v1.Provider/Configure",
		"plugin: no endpoint",
	} {
		_, err := c.Configure(t.Context(), sdk.ConfigureRequest{Type: "acme", ID: "acme"})
		if err == nil || err.Error() != want {
			t.Errorf("Configure: %v, want %q", err, want)
		}
		if _, err := c.GetToken(t.Context(), sdk.CodeExchange{}); status.Code(err) != codes.FailedPrecondition {
			t.Errorf("GetToken after a failed Configure: %v, want FailedPrecondition", err)
		}
	}
	configure(t, c)
}

func TestConfigureRefuses(t *testing.T) {
	for _, test := range []struct {
		name string
		in   sdk.ConfigureRequest
		want []string
	}{
		{
			"missing settings", sdk.ConfigureRequest{Type: "acme", ID: "acme"}, []string{
				"client_id is not set; set it, or OAUTH_ACME_CLIENT_ID in the environment",
				"client_secret is not set; set it, or OAUTH_ACME_CLIENT_SECRET in the environment, or client_secret_file",
			},
		},
		{"unknown type", sdk.ConfigureRequest{Type: "apex", ID: "acme"}, []string{`type "apex" is not served by this plugin`}},
	} {
		t.Run(test.name, func(t *testing.T) {
			_, err := connect(t, acmeType()).Configure(t.Context(), test.in)
			var e *sdk.Error
			if !errors.As(err, &e) || e.Source != sdk.SourceConfig {
				t.Fatalf("got %T %v, want an *sdk.Error of source config", err, err)
			}
			if diff := cmp.Diff(test.want, lines(e.Diagnostics)); diff != "" {
				t.Errorf("diagnostics (-want +got):\n%s", diff)
			}
		})
	}
}

// TestCertificateAuthorities: the operator's CA file makes a provider trust exactly that identity provider.
func TestCertificateAuthorities(t *testing.T) {
	upstream := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNoContent) }))
	upstream.TLS = &tls.Config{MinVersion: tls.VersionTLS13}
	upstream.Config.ErrorLog = log.New(io.Discard, "", 0) // it would tell of the handshake that is refused below
	upstream.StartTLS()
	defer upstream.Close()
	typ := sdk.Type{Name: "acme", New: func(ctx context.Context, c sdk.Config) (sdk.Provider, error) {
		request, err := http.NewRequestWithContext(ctx, http.MethodGet, upstream.URL, nil)
		if err != nil {
			return nil, err
		}
		answer, err := c.HTTP.Do(request)
		if err != nil {
			return nil, sdk.UpstreamErrorf("discovery: %w", err)
		}
		return &plain{endpoint: upstream.URL}, answer.Body.Close()
	}}
	authority := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: upstream.Certificate().Raw})
	for _, test := range []struct {
		name string
		pem  []byte
		want string
	}{
		{"without it", nil, "certificate"},
		{"no PEM", []byte("hello"), "ca_file"},
		{"with it", authority, ""},
	} {
		_, err := connect(t, typ).Configure(t.Context(), sdk.ConfigureRequest{Type: "acme", ID: "acme", CAPEM: test.pem})
		switch {
		case test.want == "" && err != nil:
			t.Errorf("%s: %v", test.name, err)
		case test.want != "" && (err == nil || !strings.Contains(err.Error(), test.want)):
			t.Errorf("%s: %v, want an error about %s", test.name, err, test.want)
		}
	}
}

// TestNothingBeforeConfigure and nothing undeclared.
func TestNothingBeforeConfigure(t *testing.T) {
	c := connect(t, typeOf(&plain{endpoint: "https://acme.example/authorize"}))
	for name, call := range calls(c) {
		if err := call(t.Context()); status.Code(err) != codes.FailedPrecondition {
			t.Errorf("%s before Configure: %v, want FailedPrecondition", name, err)
		}
	}
	configure(t, c)
	required := map[string]bool{"AuthorizeParams": true, "GetToken": true, "GetUserInfo": true}
	for name, call := range calls(c) {
		want := codes.Unimplemented
		if required[name] {
			want = codes.OK
		}
		if err := call(t.Context()); status.Code(err) != want {
			t.Errorf("%s of a plain provider: %v, want %v", name, err, want)
		}
	}
}

// calls are the methods of a configured provider.
func calls(c *sdk.Client) map[string]func(context.Context) error {
	return map[string]func(context.Context) error{
		"AuthorizeParams":   func(ctx context.Context) error { _, err := c.AuthorizeParams(ctx, sdk.AuthorizeRequest{}); return err },
		"GetToken":          func(ctx context.Context) error { _, err := c.GetToken(ctx, sdk.CodeExchange{}); return err },
		"GetUserInfo":       func(ctx context.Context) error { _, err := c.GetUserInfo(ctx, nil); return err },
		"RefreshToken":      func(ctx context.Context) error { _, err := c.RefreshToken(ctx, nil); return err },
		"RevokeToken":       func(ctx context.Context) error { return c.RevokeToken(ctx, nil) },
		"EndSession":        func(ctx context.Context) error { _, err := c.EndSession(ctx, sdk.EndSessionRequest{}); return err },
		"PasswordLogin":     func(ctx context.Context) error { _, err := c.PasswordLogin(ctx, sdk.Credentials{}); return err },
		"VerifyLogoutToken": func(ctx context.Context) error { _, err := c.VerifyLogoutToken(ctx, ""); return err },
		"Check":             func(ctx context.Context) error { _, err := c.Check(ctx); return err },
	}
}

// TestNeitherAnswerNorError: the usual slip of an author is said in words, not as a nil pointer later.
func TestNeitherAnswerNorError(t *testing.T) {
	p := &doorman{}
	c := connect(t, typeOf(p))
	configure(t, c)
	for _, name := range []string{"GetToken", "GetUserInfo", "RefreshToken", "PasswordLogin", "VerifyLogoutToken"} {
		err := calls(c)[name](t.Context())
		want := "plugin: " + name + " returned neither an answer nor an error"
		if err == nil || err.Error() != want {
			t.Errorf("%s: %v, want %q", name, err, want)
		}
	}
}

// TestUserComesAlongWithTheToken: in one call, and only when it is asked for.
func TestUserComesAlongWithTheToken(t *testing.T) {
	p := &plain{endpoint: "https://acme.example/authorize", getUserInfo: func(_ context.Context, in *sdk.Token) (*sdk.User, error) {
		return &sdk.User{Sub: "of " + in.AccessToken}, nil
	}}
	c, raw := connectLogged(t, io.Discard, typeOf(p))
	configure(t, c)
	token, user, err := c.GetTokenAndUser(t.Context(), sdk.CodeExchange{})
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(&sdk.User{Sub: "of " + token.AccessToken}, user); diff != "" {
		t.Errorf("user (-want +got):\n%s", diff)
	}
	out, err := raw.GetToken(t.Context(), &pb.GetTokenRequest{})
	if err != nil || out.GetUser() != nil {
		t.Errorf("GetToken without with_user: %v, %v; want no user", out, err)
	}
}

// TestTokenSurvivesTheUser: whatever becomes of the user, a token that was had is not lost, and GetUserInfo tells why.
func TestTokenSurvivesTheUser(t *testing.T) {
	for name, getUserInfo := range map[string]func(context.Context, *sdk.Token) (*sdk.User, error){
		"too much of it": func(context.Context, *sdk.Token) (*sdk.User, error) {
			return &sdk.User{Sub: "7", Claims: []byte(`{"x":"` + strings.Repeat("x", 1<<20) + `"}`)}, nil
		},
		"an error":  func(context.Context, *sdk.Token) (*sdk.User, error) { return nil, sdk.UpstreamErrorf("down") },
		"nothing":   func(context.Context, *sdk.Token) (*sdk.User, error) { return nil, nil },
		"a panic":   func(context.Context, *sdk.Token) (*sdk.User, error) { panic("nil map") },
		"no answer": func(ctx context.Context, _ *sdk.Token) (*sdk.User, error) { <-ctx.Done(); return nil, ctx.Err() },
	} {
		t.Run(name, func(t *testing.T) {
			c := connect(t, typeOf(&plain{endpoint: "https://acme.example/authorize", getUserInfo: getUserInfo}))
			configure(t, c)
			ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
			defer cancel()
			token, user, err := c.GetTokenAndUser(ctx, sdk.CodeExchange{})
			if err != nil || token.AccessToken != "access" || user != nil {
				t.Fatalf("GetTokenAndUser: %v, %v, %v; want the token alone", token, user, err)
			}
			if _, err := c.GetUserInfo(ctx, token); err == nil {
				t.Error("GetUserInfo tells no error")
			}
		})
	}
}

// TestNoTokenIsAnEmptyToken: a provider need not expect a nil pointer.
func TestNoTokenIsAnEmptyToken(t *testing.T) {
	p := &everything{give: sdk.AuthorizeParams{Endpoint: "https://acme.example/authorize"}}
	c := connect(t, typeOf(p))
	configure(t, c)
	p.set(&sdk.User{Sub: "7"}, nil)
	if _, err := c.GetUserInfo(t.Context(), nil); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(any(&sdk.Token{}), p.asked()); diff != "" {
		t.Errorf("token (-want +got):\n%s", diff)
	}
}

// Threat 134: a provider that panics fails one call; the next one works, and the log says where it was.
func TestPanicFailsOneCall(t *testing.T) {
	panics := true
	p := &plain{endpoint: "https://acme.example/authorize", getToken: func(context.Context, sdk.CodeExchange) (*sdk.Token, error) {
		if panics {
			panic("assignment to entry in nil map")
		}
		return &sdk.Token{AccessToken: "access"}, nil
	}}
	var log syncBuffer
	c, _ := connectLogged(t, &log, typeOf(p))
	configure(t, c)
	_, err := c.GetToken(t.Context(), sdk.CodeExchange{})
	var e *sdk.Error
	if !errors.As(err, &e) || e.Source != sdk.SourcePlugin {
		t.Fatalf("got %T %v, want an *sdk.Error of source plugin", err, err)
	}
	if strings.Contains(err.Error(), "nil map") {
		t.Errorf("the panic's text crossed the wire, and may hold a secret: %v", err)
	}
	for _, want := range []string{"assignment to entry in nil map", "server_test.go", "GetToken"} {
		if !strings.Contains(log.String(), want) {
			t.Errorf("the log does not say %q:\n%s", want, log.String())
		}
	}
	panics = false
	if _, err := c.GetToken(t.Context(), sdk.CodeExchange{}); err != nil {
		t.Errorf("the next call: %v", err)
	}
}

// Threat 136: a message is 1 MiB at most, in both directions.
func TestMessagesAreBounded(t *testing.T) {
	p := &plain{endpoint: "https://acme.example/authorize", getUserInfo: func(_ context.Context, in *sdk.Token) (*sdk.User, error) {
		return &sdk.User{Sub: strings.Repeat("u", len(in.Scope)<<20)}, nil
	}}
	c := connect(t, typeOf(p))
	configure(t, c)
	for name, token := range map[string]*sdk.Token{
		"request": {AccessToken: strings.Repeat("a", 1<<20)},
		"answer":  {Scope: []string{"one"}},
	} {
		if _, err := c.GetUserInfo(t.Context(), token); status.Code(err) != codes.ResourceExhausted {
			t.Errorf("%s of more than 1 MiB: %v, want ResourceExhausted", name, err)
		}
	}
	if _, err := c.GetUserInfo(t.Context(), &sdk.Token{AccessToken: strings.Repeat("a", 1<<20-100)}); err != nil {
		t.Errorf("request just below 1 MiB: %v", err)
	}
}

// TestCallersAreServedAtOnce: a slow call does not hold up another one.
func TestCallersAreServedAtOnce(t *testing.T) {
	const callers = 64
	arrived := make(chan struct{}, callers)
	release := make(chan struct{})
	p := &plain{endpoint: "https://acme.example/authorize", getToken: func(_ context.Context, in sdk.CodeExchange) (*sdk.Token, error) {
		arrived <- struct{}{}
		<-release
		return &sdk.Token{AccessToken: in.Code}, nil
	}}
	c := connect(t, typeOf(p))
	configure(t, c)
	answers := make(chan error, callers)
	for i := range callers {
		go func() {
			code := strings.Repeat("c", i)
			token, err := c.GetToken(t.Context(), sdk.CodeExchange{Code: code})
			if err == nil && token.AccessToken != code {
				err = errors.New("got the answer of another call")
			}
			answers <- err
		}()
	}
	for range callers {
		<-arrived
	}
	close(release)
	for range callers {
		if err := <-answers; err != nil {
			t.Error(err)
		}
	}
}

// TestCancellationReachesTheProvider: a caller that leaves ends the provider's work.
func TestCancellationReachesTheProvider(t *testing.T) {
	began, ended := make(chan struct{}), make(chan error, 1)
	p := &plain{endpoint: "https://acme.example/authorize", getToken: func(ctx context.Context, _ sdk.CodeExchange) (*sdk.Token, error) {
		close(began)
		<-ctx.Done()
		ended <- ctx.Err()
		return nil, ctx.Err()
	}}
	c := connect(t, typeOf(p))
	configure(t, c)
	ctx, cancel := context.WithCancel(t.Context())
	answer := make(chan error, 1)
	go func() { _, err := c.GetToken(ctx, sdk.CodeExchange{}); answer <- err }()
	<-began
	cancel()
	if err := <-ended; !errors.Is(err, context.Canceled) {
		t.Errorf("the provider saw %v, want cancelled", err)
	}
	if err := <-answer; status.Code(err) != codes.Canceled {
		t.Errorf("the caller got %v, want Canceled", err)
	}
}

// TestDescribeIsStatic: it needs no configuration and does not change with one.
func TestDescribeIsStatic(t *testing.T) {
	c := connect(t, acmeType(), typeOf(nil))
	before, err := c.Describe(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.Configure(t.Context(), sdk.ConfigureRequest{Type: "acme", ID: "a", Settings: acmeSettings()}); err != nil {
		t.Fatal(err)
	}
	after, err := c.Describe(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(before, after); diff != "" {
		t.Errorf("Describe changed with Configure:\n%s", diff)
	}
	want := acmeType()
	want.New = nil
	got, ok := before.Type("acme")
	if diff := cmp.Diff(want, got); !ok || diff != "" {
		t.Errorf("type acme, found %v (-served +described):\n%s", ok, diff)
	}
	if before.Version != "v0.0.0-test" || before.ProtocolMinor != sdk.ProtocolMinor || len(before.Types) != 2 {
		t.Errorf("manifest %q, minor %d, %d types", before.Version, before.ProtocolMinor, len(before.Types))
	}
}

// TestNewerPeer: what a later version of the wire adds does not hurt this one.
func TestNewerPeer(t *testing.T) {
	future := func(m interface{ ProtoReflect() protoMessage }) { unknownField(m.ProtoReflect()) }
	_, raw := connectLogged(t, io.Discard, acmeType())
	in := &pb.ConfigureRequest{Type: "acme", ProviderId: "acme", Settings: acmeSettings()}
	future(in)
	if _, err := raw.Configure(t.Context(), in); err != nil {
		t.Errorf("Configure with a field of the future: %v", err)
	}
	ask := &pb.GetTokenRequest{Code: "c"}
	future(ask)
	if _, err := raw.GetToken(t.Context(), ask); err != nil {
		t.Errorf("GetToken with a field of the future: %v", err)
	}
}
