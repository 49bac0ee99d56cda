package catalog

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/status"

	"github.com/authd/authd/sdk"
)

// unwell is the health of a process that never answers.
type unwell struct{ grpc_health_v1.HealthClient }

func (unwell) Check(context.Context, *grpc_health_v1.HealthCheckRequest, ...grpc.CallOption) (*grpc_health_v1.HealthCheckResponse, error) {
	return &grpc_health_v1.HealthCheckResponse{Status: grpc_health_v1.HealthCheckResponse_NOT_SERVING}, nil
}

// wantKind checks the kind of a call's error and returns it.
func wantKind(t *testing.T, err error, want Kind) *CallError {
	t.Helper()
	var got *CallError
	if !errors.As(err, &got) {
		t.Errorf("error = %v, want a CallError of kind %v", err, want)
		return &CallError{}
	}
	if got.Kind != want {
		t.Errorf("error = %v of kind %v, want %v", err, got.Kind, want)
	}
	return got
}

func TestCalls(t *testing.T) {
	ctx := background(t)
	p := ready(t, catalogOf(t, Config{Providers: []ProviderConfig{testProvider(t, "p")}}), "p")
	params, err := p.AuthorizeParams(ctx, sdk.AuthorizeRequest{Scope: []string{"openid", "email"}})
	if err != nil || params.Endpoint != "https://idp.example/authorize" || params.Params.Get("scope") != "openid email" {
		t.Errorf("AuthorizeParams = %+v, %v", params, err)
	}
	token, _, err := p.GetToken(ctx, sdk.CodeExchange{Code: "x"})
	if err != nil || token.AccessToken != "at" || token.RefreshToken != "rt" {
		t.Errorf("GetToken = %+v, %v", token, err)
	}
	user, err := p.GetUserInfo(ctx, token)
	if err != nil || user.Sub != "1" {
		t.Errorf("GetUserInfo = %+v, %v", user, err)
	}
	if token, err = p.RefreshToken(ctx, token); err != nil || token.AccessToken != "new" {
		t.Errorf("RefreshToken = %+v, %v", token, err)
	}
	if err := p.RevokeToken(ctx, token); err != nil {
		t.Errorf("RevokeToken: %v", err)
	}
	end, err := p.EndSession(ctx, sdk.EndSessionRequest{State: "https://idp.example/logout?x=1"})
	if err != nil || end != "https://idp.example/logout?x=1" {
		t.Errorf("EndSession = %q, %v", end, err)
	}
	logout, err := p.VerifyLogoutToken(ctx, "https://idp.example")
	if err != nil || logout.Sub != "1" {
		t.Errorf("VerifyLogoutToken = %+v, %v", logout, err)
	}
	found, err := p.Check(ctx)
	if err != nil || len(found) != 1 || found[0].Summary != `clock is\a off, ` {
		t.Errorf("Check = %q, %v", found, err)
	}
	configured, ok := p.Configured()
	want := sdk.Configured{
		Metadata: sdk.Metadata{Issuer: "https://idp.example"}, AuthorizationEndpoint: "https://idp.example/authorize",
		Capabilities: []sdk.Capability{
			sdk.CapabilityBackchannelLogout, sdk.CapabilityCheck, sdk.CapabilityEndSession, sdk.CapabilityOpenID, sdk.CapabilityRefresh, sdk.CapabilityRevocation,
		},
	}
	if diff := cmp.Diff(want, configured); !ok || diff != "" {
		t.Errorf("Configured (-want +got):\n%s", diff)
	}
}

func TestPasswordProvider(t *testing.T) {
	ctx := background(t)
	p := ready(t, catalogOf(t, Config{Providers: []ProviderConfig{testProvider(t, "p", "new", "password")}}), "p")
	token, err := p.PasswordLogin(ctx, sdk.Credentials{Username: "ann", Password: "correct"})
	if err != nil || token.AccessToken != "ann" {
		t.Errorf("PasswordLogin = %+v, %v", token, err)
	}
	_, err = p.PasswordLogin(ctx, sdk.Credentials{Username: "ann", Password: "wrong"})
	wantKind(t, err, KindDenied)
	_, err = p.AuthorizeParams(ctx, sdk.AuthorizeRequest{})
	wantKind(t, err, KindFault)
	_, err = p.RefreshToken(ctx, token)
	if wantKind(t, err, KindFault); !errors.Is(err, ErrUnsupported) {
		t.Errorf("RefreshToken: %v, want ErrUnsupported", err)
	}
}

// Errors name provider, method and cause, and tell whose fault it was.
func TestErrors(t *testing.T) {
	pc := testProvider(t, "p", "client_secret", "hunter2")
	pc.Secrets = []string{"hunter2"}
	c := catalogOf(t, Config{Providers: []ProviderConfig{pc, providerOf(t, "fat", "fat")}})
	p := ready(t, c, "p")
	for _, test := range []struct {
		command string
		kind    Kind
		retry   time.Duration
		want    string
	}{
		{"denied", KindDenied, 0, "provider p: GetToken: user: access_denied: no, thanks"},
		{"expired", KindExpired, 0, "provider p: GetToken: user: invalid_grant: code is too old"},
		{"config", KindConfig, 0, "provider p: GetToken: config: client_secret is wrong"},
		{"upstream", KindUpstream, 7 * time.Second, `provider p: GetToken: upstream: down\x1b[2J\nforged line: HTTP 503`},
		{"slow", KindUpstreamTimeout, 0, "provider p: GetToken: upstream: no answer"},
		{"leak", KindFault, 0, "provider p: GetToken: plugin: request with *** failed"},
		{"empty", KindFault, 0, "provider p: GetToken: plugin: unusable answer: the token is empty"},
		{"nobody", KindFault, 0, "provider p: GetToken: plugin: unusable answer: the user has no sub"},
		{"panic x", KindFault, 0, "provider p: GetToken: plugin: panic in /authd.provider.v1.Provider/GetToken"},
	} {
		_, _, err := p.GetToken(background(t), sdk.CodeExchange{Code: test.command})
		got := wantKind(t, err, test.kind)
		if got.Error() != test.want || got.RetryAfter != test.retry {
			t.Errorf("GetToken %s: %v (retry after %v), want %s (%v)", test.command, got, got.RetryAfter, test.want, test.retry)
		}
	}
	canceled, cancel := context.WithCancel(context.Background())
	cancel()
	_, _, err := p.GetToken(canceled, sdk.CodeExchange{})
	if wantKind(t, err, KindCanceled); !errors.Is(err, context.Canceled) {
		t.Errorf("canceled: %v", err)
	}

	// Threat 136: 64 MiB where 1 MiB is allowed.
	fat := ready(t, c, "fat")
	_, err = fat.GetUserInfo(background(t), &sdk.Token{AccessToken: "x"})
	if got := wantKind(t, err, KindFault); !strings.Contains(got.Error(), "larger than max") {
		t.Errorf("GetUserInfo of 64 MiB: %v", got)
	}
	_, _, err = fat.GetToken(background(t), sdk.CodeExchange{Code: "x"})
	if wantKind(t, err, KindFault); len(err.Error()) > 2*errorTextMax {
		t.Errorf("GetToken with an error of 8 MiB has one of %d bytes", len(err.Error()))
	}
	_, _, err = p.GetToken(background(t), sdk.CodeExchange{Code: strings.Repeat("x", 2<<20)})
	wantKind(t, err, KindFault)
	if _, err := fat.AuthorizeParams(background(t), sdk.AuthorizeRequest{}); err != nil {
		t.Errorf("after that: %v", err)
	}
}

// Threat 135: each call has a deadline of its own, and the caller's counts when it is sooner.
func TestDeadlines(t *testing.T) {
	span := quick()
	span.call = 100 * time.Millisecond
	c := catalogOf(t, Config{Providers: []ProviderConfig{testProvider(t, "p")}, timing: span})
	p := ready(t, c, "p")
	pid := p.Status().PID
	_, _, err := p.GetToken(background(t), sdk.CodeExchange{Code: "hold"})
	wantKind(t, err, KindUpstreamTimeout)
	sooner, cancel := context.WithTimeout(context.Background(), time.Millisecond)
	defer cancel()
	_, err = p.AuthorizeParams(sooner, sdk.AuthorizeRequest{Prompt: "hold"})
	wantKind(t, err, KindUpstreamTimeout)
	tellSlowly(t, p)
	if got := p.Status().PID; got != pid {
		t.Errorf("a slow identity provider cost the plugin its life: %d, then %d", pid, got)
	}
}

// tellSlowly makes a call that has no short deadline.
func tellSlowly(t *testing.T, p *Provider) {
	t.Helper()
	if _, err := p.AuthorizeParams(background(t), sdk.AuthorizeRequest{}); err != nil {
		t.Errorf("AuthorizeParams: %v", err)
	}
}

// Threat 137: people are sent nowhere but where the provider declared.
func TestRedirectsArePinned(t *testing.T) {
	ctx := background(t)
	p := ready(t, catalogOf(t, Config{Providers: []ProviderConfig{testProvider(t, "p", "issuer", "https://issuer.example/realm")}}), "p")
	for endpoint, want := range map[string]string{
		"https://idp.example/authorize/v2":                   "",
		"https://IDP.example:443/authorize?x=y":              "",
		"https://evil.example/authorize":                     "declared https://idp.example:443",
		"https://idp.example.evil.example/":                  "declared https://idp.example:443",
		"https://issuer.example/authorize":                   "declared https://idp.example:443",
		"https://idp.example:8443/authorize":                 "declared https://idp.example:443",
		"http://idp.example/authorize":                       "plain http",
		"https://idp.example@evil.example/":                  "holds a user name",
		"https://idp.example/authorize#fragment":             "holds a fragment",
		"https://idp.example/authorize#":                     "holds a fragment",
		"https://idp.example\\@evil.example/":                "not a URL",
		"//idp.example/authorize":                            "not an absolute http or https URL",
		"/authorize":                                         "not an absolute http or https URL",
		"javascript:alert(1)":                                "not an absolute http or https URL",
		"https:///authorize":                                 "not an absolute http or https URL",
		"https://idp.example/\r\nSet-Cookie: x":              "holds a control character",
		"https://idp.example/a b":                            "holds a space or a backslash",
		"https://idp.example/" + strings.Repeat("x", urlMax): "more than 2048",
		"": "not an absolute http or https URL",
	} {
		_, err := p.AuthorizeParams(ctx, sdk.AuthorizeRequest{Prompt: "endpoint " + endpoint})
		if want != "" {
			wantKind(t, err, KindFault)
		}
		fails(t, "AuthorizeParams with "+endpoint, err, want)
	}
	for end, want := range map[string]string{
		"": "",
		"https://idp.example/logout?id_token_hint=" + strings.Repeat("x", 4<<10): "",
		"https://issuer.example/logout":                                          "",
		"https://evil.example/logout":                                            "declared https://issuer.example:443 and https://idp.example:443",
		"https://idp.example/logout?x#y":                                         "holds a fragment",
		"https://idp.example/logout?x\ny":                                        "holds a control character",
		"https://x@idp.example/logout":                                           "holds a user name",
		"https://idp.example/" + strings.Repeat("x", 100<<10):                    "more than",
	} {
		_, err := p.EndSession(ctx, sdk.EndSessionRequest{State: end})
		fails(t, "EndSession with "+end[:min(len(end), 60)], err, want)
	}
	_, err := p.VerifyLogoutToken(ctx, "https://other.example")
	fails(t, "VerifyLogoutToken", err, "the logout token is of another issuer")
	_, err = p.GetUserInfo(ctx, &sdk.Token{AccessToken: "nobody"})
	fails(t, "GetUserInfo", err, "the user has no sub")
}

// Threat 51: a provider has 64 places; who comes after that is told so at once, and no other provider suffers.
func TestBulkhead(t *testing.T) {
	c := catalogOf(t, Config{Providers: []ProviderConfig{testProvider(t, "p"), testProvider(t, "q")}})
	p, q := ready(t, c, "p"), ready(t, c, "q")
	held, release := context.WithCancel(background(t))
	var calls sync.WaitGroup
	for range callsMax {
		calls.Go(func() {
			_, err := p.GetUserInfo(held, &sdk.Token{AccessToken: "hold"})
			wantKind(t, err, KindCanceled)
		})
	}
	inFlight(t, p, callsMax)
	_, err := p.GetUserInfo(background(t), &sdk.Token{AccessToken: "x"})
	if got := wantKind(t, err, KindUnavailable); !errors.Is(err, ErrOverloaded) || got.RetryAfter == 0 {
		t.Errorf("one too many: %v, retry after %v", err, got.RetryAfter)
	}
	tell(t, q, "")
	release()
	calls.Wait()
	tell(t, p, "")
	inFlight(t, p, 0)
}

func TestParallelCallers(t *testing.T) {
	p := ready(t, catalogOf(t, Config{Providers: []ProviderConfig{testProvider(t, "p")}}), "p")
	var callers sync.WaitGroup
	for range callsMax {
		callers.Go(func() {
			for range 20 {
				if _, err := p.AuthorizeParams(background(t), sdk.AuthorizeRequest{}); err != nil {
					t.Error(err)
				}
			}
		})
	}
	callers.Wait()
}

// Threat 134: callers wait while the process is replaced, and none fails, though it is killed again and again.
func TestCallersOutliveTheProcess(t *testing.T) {
	span := quick()
	span.reset = time.Nanosecond // each restart counts as the first
	p := ready(t, catalogOf(t, Config{Providers: []ProviderConfig{testProvider(t, "p")}, timing: span}), "p")
	const many = 16
	made, done := make(chan int), make(chan struct{})
	var callers sync.WaitGroup
	for i := range many {
		callers.Go(func() {
			for {
				var err error
				if i%2 == 0 {
					_, err = p.AuthorizeParams(background(t), sdk.AuthorizeRequest{})
				} else {
					_, err = p.GetUserInfo(background(t), &sdk.Token{AccessToken: "x"})
				}
				if err != nil {
					t.Error(err)
				}
				select {
				case made <- i:
				case <-done:
					return
				}
			}
		})
	}
	for range 5 {
		old := p.Status().PID
		if err := syscall.Kill(old, syscall.SIGKILL); err != nil {
			t.Fatal(err)
		}
		replaced(t, p, old)
		// Every caller ends the call that met this death before the next one comes.
		for calls := map[int]int{}; len(calls) < many || slices.Min(slices.Collect(maps.Values(calls))) < 2; {
			calls[<-made]++
		}
	}
	close(done)
	callers.Wait()
}

// A call that was in the process when it died is made again only if that does no harm.
func TestRetries(t *testing.T) {
	for _, test := range []struct {
		name  string
		call  func(context.Context, *Provider, string) error
		calls int
	}{
		{"AuthorizeParams", func(ctx context.Context, p *Provider, command string) error {
			_, err := p.AuthorizeParams(ctx, sdk.AuthorizeRequest{Prompt: command})
			return err
		}, 2},
		{"GetUserInfo", func(ctx context.Context, p *Provider, command string) error {
			_, err := p.GetUserInfo(ctx, &sdk.Token{AccessToken: command})
			return err
		}, 2},
		{"GetToken", func(ctx context.Context, p *Provider, command string) error {
			_, _, err := p.GetToken(ctx, sdk.CodeExchange{Code: command})
			return err
		}, 1},
		{"RefreshToken", func(ctx context.Context, p *Provider, command string) error {
			_, err := p.RefreshToken(ctx, &sdk.Token{RefreshToken: command})
			return err
		}, 1},
		{"RevokeToken", func(ctx context.Context, p *Provider, command string) error {
			return p.RevokeToken(ctx, &sdk.Token{AccessToken: command})
		}, 1},
	} {
		for _, command := range []string{"crash-once", "crash"} {
			t.Run(test.name+" "+command, func(t *testing.T) {
				count := filepath.Join(t.TempDir(), "count")
				c := catalogOf(t, Config{Providers: []ProviderConfig{testProvider(t, "p", "count", count)}})
				p := ready(t, c, "p")
				err := test.call(background(t), p, command)
				if test.calls == 1 || command == "crash" {
					wantKind(t, err, KindUnavailable)
				} else if err != nil {
					t.Error(err)
				}
				ready(t, c, "p")
				info, err := os.Stat(count)
				if err != nil || int(info.Size()) != test.calls {
					t.Errorf("the call was made %v times (%v), want %d", info.Size(), err, test.calls)
				}
			})
		}
	}
}

// A call that finds the process gone has not been made: even GetToken then waits for the next process.
func TestCallsWaitForTheNextProcess(t *testing.T) {
	count := filepath.Join(t.TempDir(), "count")
	c := catalogOf(t, Config{Providers: []ProviderConfig{testProvider(t, "p", "count", count)}})
	p := ready(t, c, "p")
	for range 5 {
		proc := p.process.Load()
		proc.kill()
		<-proc.exited
		if _, _, err := p.GetToken(background(t), sdk.CodeExchange{Code: "x"}); err != nil {
			t.Error(err)
		}
	}
}

// A connection that breaks while the process lives on is made anew, and judged as the first was.
func TestConnectionBreaks(t *testing.T) {
	p := ready(t, catalogOf(t, Config{Providers: []ProviderConfig{testProvider(t, "p")}}), "p")
	pid := p.Status().PID
	_, err := p.GetUserInfo(background(t), &sdk.Token{AccessToken: "hang-up"})
	wantKind(t, err, KindUnavailable)
	for range 3 {
		if _, _, err := p.GetToken(background(t), sdk.CodeExchange{Code: "x"}); err != nil {
			t.Error(err)
		}
	}
	if got := p.Status(); got.PID != pid || got.Restarts != 0 {
		t.Errorf("status = %+v, want the same process (%d)", got, pid)
	}
}

// A call that can't have reached the plugin is made again, whichever it is: here the connection is broken and the
// socket gone, so that nothing can be sent, and then the process dies.
func TestUnsentCallIsMadeAgain(t *testing.T) {
	p := ready(t, catalogOf(t, Config{Providers: []ProviderConfig{testProvider(t, "p")}}), "p")
	proc := p.process.Load()
	sockets, err := filepath.Glob(filepath.Join(proc.dir, "plugin*"))
	if err != nil {
		t.Fatal(err)
	}
	for _, socket := range sockets {
		if err := os.RemoveAll(socket); err != nil {
			t.Fatal(err)
		}
	}
	_, err = p.GetUserInfo(background(t), &sdk.Token{AccessToken: "hang-up"})
	wantKind(t, err, KindUnavailable)
	call := make(chan error, 1)
	go func() {
		_, _, err := p.GetToken(background(t), sdk.CodeExchange{Code: "x"})
		call <- err
	}()
	inFlight(t, p, 1)
	proc.kill()
	if err := <-call; err != nil {
		t.Error(err)
	}
}

func TestBroken(t *testing.T) {
	ctx := context.Background()
	canceled, cancel := context.WithCancel(ctx)
	cancel()
	for _, test := range []struct {
		ctx  context.Context
		err  error
		want bool
	}{
		{ctx, status.Error(codes.Unavailable, "EOF"), true},
		{ctx, status.Error(codes.Canceled, "grpc: the client connection is closing"), true},
		{canceled, status.Error(codes.Canceled, "context canceled"), false},
		{ctx, status.Error(codes.Internal, "x"), false},
		{ctx, &sdk.Error{Source: sdk.SourceUpstream}, false},
		{ctx, errors.New("x"), false},
	} {
		if got := broken(test.ctx, test.err); got != test.want {
			t.Errorf("broken(%v) = %v, want %v", test.err, got, test.want)
		}
	}
}

func TestKindString(t *testing.T) {
	var got []string
	for k := KindFault; k <= KindCanceled; k++ {
		got = append(got, k.String())
	}
	want := []string{"fault", "denied", "expired", "config", "upstream", "upstream_timeout", "unavailable", "canceled"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("kinds (-want +got):\n%s", diff)
	}
}

// Before Start, and while the first start takes its time, a call says or waits.
func TestCallsBeforeReady(t *testing.T) {
	c, err := New(Config{Providers: []ProviderConfig{testProvider(t, "p")}, timing: quick()})
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := c.Stop(context.Background()); err != nil {
			t.Error(err)
		}
	}()
	p := provider(t, c, "p")
	_, _, err = p.GetToken(background(t), sdk.CodeExchange{Code: "x"})
	if wantKind(t, err, KindUnavailable); !errors.Is(err, ErrStopped) {
		t.Errorf("before Start: %v", err)
	}
	if _, ok := p.Configured(); ok {
		t.Error("Configured before Start")
	}
	c.Start(context.Background())
	if _, _, err := p.GetToken(background(t), sdk.CodeExchange{Code: "x"}); err != nil {
		t.Errorf("right after Start: %v", err)
	}
}

// A caller waits for a process only so long, and not when it has no time itself.
func TestWaitIsBounded(t *testing.T) {
	span := quick()
	span.wait = 20 * time.Millisecond
	c := catalogOf(t, Config{Providers: []ProviderConfig{providerOf(t, "silent", "p")}, timing: span})
	p := provider(t, c, "p")
	_, _, err := p.GetToken(background(t), sdk.CodeExchange{Code: "x"})
	if got := wantKind(t, err, KindUnavailable); !errors.Is(err, ErrNotReady) || got.RetryAfter == 0 {
		t.Errorf("GetToken: %v, retry after %v", err, got.RetryAfter)
	}
	short, cancel := context.WithTimeout(context.Background(), time.Millisecond)
	defer cancel()
	fails(t, "WaitReady", p.WaitReady(short), context.DeadlineExceeded.Error())
}

// Threat 139, 154: a secret in what the provider logs, prints or panics with does not reach the log.
func TestSecretsStayOutOfTheLog(t *testing.T) {
	const secret = "zq7-K2_secretvalue"
	buffer, log := newLog()
	pc := testProvider(t, "p", "client_secret", secret)
	pc.Secrets = []string{secret}
	c := catalogOf(t, Config{Providers: []ProviderConfig{pc}, Log: log})
	p := ready(t, c, "p")
	tell(t, p, "log "+secret)
	tell(t, p, "say the secret is "+secret+" and said")
	tell(t, p, "print "+secret+" printed")
	_, err := p.GetUserInfo(background(t), &sdk.Token{AccessToken: "panic " + secret})
	wantKind(t, err, KindFault)
	_, _, err = p.GetToken(background(t), sdk.CodeExchange{Code: "leak"})
	wantKind(t, err, KindFault)
	if strings.Contains(fmt.Sprint(err), secret) {
		t.Errorf("the error shows the secret: %v", err)
	}
	line := buffer.await(t, `"@message":"as told"`)
	for _, want := range []string{`"client_secret":"***"`, `"note":"secret is ***"`, `"plugin_provider":"forged"`, `"provider":"p"`} {
		if !strings.Contains(line, want) {
			t.Errorf("line %q lacks %s", line, want)
		}
	}
	buffer.await(t, "the secret is *** and said")
	buffer.await(t, "*** printed")
	buffer.await(t, "provider panicked")
	if err := c.Stop(context.Background()); err != nil {
		t.Error(err)
	}
	if text := buffer.String(); strings.Contains(text, secret) {
		t.Errorf("the log shows the secret:\n%s", text)
	}
}
