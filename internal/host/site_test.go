package host

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/hashicorp/go-hclog"

	"github.com/authd/authd/internal/config"
	"github.com/authd/authd/sdk"
	"github.com/authd/authd/sdk/devidp"
	"github.com/authd/authd/sdk/oidc"
)

// The test binary, linked as authd-provider-test, is the plugin: a real process behind real gRPC.
func TestMain(m *testing.M) {
	if strings.HasPrefix(filepath.Base(os.Args[0]), "authd-provider-") {
		sdk.Serve(testType(), formType(), hybridType(), passwordType(), liarType(), crookType())
		syscall.Exit(0) // os.Exit would wait a second for late reports of the race detector
	}
	os.Exit(m.Run())
}

func testType() sdk.Type {
	return sdk.Type{
		Name: "test", Label: "Test Identity", Scopes: []string{"openid", "profile", "email", "groups", "offline_access"},
		Settings: append(oidc.Settings("OAUTH_TEST"), sdk.Setting{Name: "issuer", Env: "OAUTH_TEST_ISSUER", Required: true}),
		New: func(ctx context.Context, cfg sdk.Config) (sdk.Provider, error) {
			c := oidc.FromSettings(cfg)
			c.Issuer = cfg.Settings["issuer"]
			return oidc.New(ctx, cfg, c)
		},
	}
}

// formType asks for the answer as a posted form.
func formType() sdk.Type {
	t := testType()
	t.Name = "form"
	t.New = func(ctx context.Context, cfg sdk.Config) (sdk.Provider, error) {
		c := oidc.FromSettings(cfg)
		c.Issuer, c.Params = cfg.Settings["issuer"], url.Values{"response_mode": {"form_post"}}
		return oidc.New(ctx, cfg, c)
	}
	return t
}

// hybridType announces the hybrid flow.
func hybridType() sdk.Type {
	t := testType()
	t.Name = "hybrid"
	t.New = func(ctx context.Context, cfg sdk.Config) (sdk.Provider, error) {
		c := oidc.FromSettings(cfg)
		c.Issuer, c.Hybrid = cfg.Settings["issuer"], true
		return oidc.New(ctx, cfg, c)
	}
	return t
}

// passwordType knows one user.
func passwordType() sdk.Type {
	return sdk.Type{Name: "pw", Label: "Staff", New: func(context.Context, sdk.Config) (sdk.Provider, error) { return passwords{}, nil }}
}

type passwords struct{}

func (passwords) AuthorizeParams(context.Context, sdk.AuthorizeRequest) (sdk.AuthorizeParams, error) {
	return sdk.AuthorizeParams{}, fmt.Errorf("never called")
}

func (passwords) GetToken(context.Context, sdk.CodeExchange) (*sdk.Token, error) {
	return nil, fmt.Errorf("never called")
}

func (passwords) PasswordLogin(_ context.Context, in sdk.Credentials) (*sdk.Token, error) {
	if in.Username != "ada" || in.Password != "correct horse" {
		return nil, sdk.UserErrorf("access_denied", "wrong user name or password")
	}
	return &sdk.Token{AccessToken: in.Username}, nil
}

func (passwords) GetUserInfo(_ context.Context, t *sdk.Token) (*sdk.User, error) {
	return &sdk.User{Sub: t.AccessToken, PreferredUsername: t.AccessToken}, nil
}

// logs collects what the server logs, for tests to read.
type logs struct {
	mu      sync.Mutex
	buf     bytes.Buffer
	changed chan struct{} // closed and replaced at each line
}

func (l *logs) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	close(l.changed)
	l.changed = make(chan struct{})
	return l.buf.Write(p)
}

// await returns when the log holds text from the given offset on.
func (l *logs) await(t testing.TB, text string, from int) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	for {
		l.mu.Lock()
		found, changed := bytes.Contains(l.buf.Bytes()[from:], []byte(text)), l.changed
		l.mu.Unlock()
		if found {
			return
		}
		select {
		case <-changed:
		case <-ctx.Done():
			t.Fatalf("the log never said %q:\n%s", text, l)
		}
	}
}

func (l *logs) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.String()
}

// site is a running authd in front of a running identity provider.
type site struct {
	t      testing.TB
	idp    *devidp.Server
	server *Server
	url    string
	logs   *logs
}

type siteOptions struct {
	toml    string // appended to the configuration
	session string // keys of [session]
	admin   string // server.admin_listen
	head    string // tables before the provider
	idp     devidp.Options
	environ []string
	id      string // of the provider; "" is "idp"
	noWait  bool
	mute    bool           // appSite has no canary
	keys    string         // keys of [server]
	listen  string         // "" is a free port
	public  string         // public_url; "" is the address of the listener
	store   string         // its URL; "" is "memory:"
	level   hclog.Level    // of the log; zero is info
	before  func(*Server)  // runs between New and Start
	with    *devidp.Server // instead of a new identity provider
	watch   bool           // reload by itself
	own     bool           // the plugin is a copy: a link that another test makes changes its file's times
}

// pluginsDir holds the test binary under a plugin's name.
func pluginsDir(t testing.TB) string {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	to := filepath.Join(dir, "authd-provider-test")
	if err := os.Link(self, to); err != nil {
		copyFile(t, self, to)
	}
	return dir
}

func copyFile(t testing.TB, from, to string) {
	t.Helper()
	body, err := os.ReadFile(from)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(to, body, 0o755); err != nil {
		t.Fatal(err)
	}
}

func newSite(t testing.TB, opt siteOptions) *site {
	t.Helper()
	s := prepare(t, opt)
	s.start(s.load(opt), opt)
	return s
}

// newIdP starts an identity provider. Its keys are quick to make unless the test chooses others.
func newIdP(t testing.TB, opt devidp.Options) *devidp.Server {
	t.Helper()
	if opt.SigningAlg == "" {
		opt.SigningAlg = "ES256"
	}
	idp, err := devidp.Start(opt)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = idp.Close() })
	return idp
}

func newLogs() *logs { return &logs{changed: make(chan struct{})} }

// prepare makes all of a site but the server.
func prepare(t testing.TB, opt siteOptions) *site {
	t.Helper()
	idp := opt.with
	if idp == nil {
		idp = newIdP(t, opt.idp)
	}
	return &site{t: t, idp: idp, logs: newLogs()}
}

// load writes the configuration and reads it as authd does.
func (s *site) load(opt siteOptions) *config.Config {
	t, idp := s.t, s.idp
	t.Helper()
	plugins := pluginsDir(t)
	if opt.own {
		linked := filepath.Join(plugins, "authd-provider-test")
		copyFile(t, linked, linked+".own")
		if err := os.Rename(linked+".own", linked); err != nil {
			t.Fatal(err)
		}
	}
	text := fmt.Sprintf(`
[server]
listen = %q
public_url = %q
admin_listen = %q
plugins_dir = %q
%s
[store]
url = %q
[session]
secret = "0123456789abcdef0123456789abcdef"
%s
%s
[[providers]]
id = %q
type = "test"
issuer = %q
client_id = "demo"
client_secret = "demo-secret"
%s`, firstOf(opt.listen, "127.0.0.1:0"), firstOf(opt.public, "http://127.0.0.1:4180"), opt.admin, plugins, opt.keys, firstOf(opt.store, "memory:"), opt.session, opt.head, firstOf(opt.id, "idp"), idp.Issuer(), strings.ReplaceAll(opt.toml, "ISSUER", idp.Issuer()))
	path := filepath.Join(t.TempDir(), "authd.toml")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	cfg, err := config.Load(path, opt.environ)
	if err != nil {
		t.Fatal(err)
	}
	return cfg
}

func (s *site) start(cfg *config.Config, opt siteOptions) {
	s.t.Helper()
	ctx := context.Background()
	level := opt.level
	if level == hclog.NoLevel {
		level = hclog.Info
	}
	log := hclog.New(&hclog.LoggerOptions{Output: s.logs, JSONFormat: true, Level: level})
	server, err := New(ctx, Options{
		Config: cfg, Environ: opt.environ, Log: log, Watch: opt.watch,
		Load: func() (*config.Config, error) { return config.Load(cfg.Path, opt.environ) },
	})
	if err != nil {
		s.t.Fatal(err)
	}
	if opt.before != nil {
		opt.before(server)
	}
	if err := server.Start(ctx); err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() {
		if err := server.Stop(context.Background()); err != nil {
			s.t.Errorf("Stop: %v", err)
		}
	})
	s.server, s.url = server, "http://"+server.Addr()
	// The public URL names a port; here it is the one that the system gave.
	if opt.public == "" {
		server.publicURL.Host = server.Addr()
	}
	if server.live().returnTo, err = newReturnTo(server, cfg); err != nil {
		s.t.Fatal(err)
	}
	if !opt.noWait {
		if err := server.WaitReady(ctx); err != nil {
			s.t.Fatalf("%v\n%s", err, s.logs)
		}
	}
}

// browser is a browser with its own cookies that follows redirects.
func (s *site) browser() *http.Client {
	jar, err := cookiejar.New(nil)
	if err != nil {
		s.t.Fatal(err)
	}
	return &http.Client{Jar: jar}
}

// still is the same browser, but it shows a redirect instead of following it.
func still(c *http.Client) *http.Client {
	return &http.Client{Jar: c.Jar, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
}

// reply is an answer, read to its end.
type reply struct {
	*http.Response
	body string
}

func (s *site) do(c *http.Client, method, path string, form url.Values, headers ...string) reply {
	s.t.Helper()
	target := path
	if strings.HasPrefix(path, "/") {
		target = s.url + path
	}
	var body io.Reader
	if form != nil {
		body = strings.NewReader(form.Encode())
	}
	req, err := http.NewRequest(method, target, body)
	if err != nil {
		s.t.Fatal(err)
	}
	if form != nil {
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	for i := 0; i+1 < len(headers); i += 2 {
		req.Header.Set(headers[i], headers[i+1])
	}
	res, err := c.Do(req)
	if err != nil {
		s.t.Fatal(err)
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err != nil {
		s.t.Fatal(err)
	}
	return reply{res, string(text)}
}

func (s *site) get(c *http.Client, path string, headers ...string) reply {
	s.t.Helper()
	return s.do(c, http.MethodGet, path, nil, headers...)
}

// login signs a user in and returns the last answer.
func (s *site) login(c *http.Client, user, path string) reply {
	s.t.Helper()
	res, err := s.idp.Login(context.Background(), c, s.url+path, user)
	if err != nil {
		s.t.Fatalf("%v\n%s", err, s.logs)
	}
	body, err := io.ReadAll(res.Body)
	if err != nil {
		s.t.Fatal(err)
	}
	return reply{res, string(body)}
}

func wantStatus(t testing.TB, got reply, want int) {
	t.Helper()
	if got.StatusCode != want {
		t.Errorf("%s %s: status %d, want %d\n%s", got.Request.Method, got.Request.URL.Path, got.StatusCode, want, got.body)
	}
}
