//go:build apps && linux

package apps

import (
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/authd/authd/internal/realtest"
	"github.com/authd/authd/sdk/devidp"
	"github.com/authd/authd/sdk/providertest"
)

// estate is a company: a proxy as in examples/, authd behind it at auth.example.com, an application at
// app.example.com, and an identity provider.
type estate struct {
	front      *front
	auth, site string // origins as browsers see them
}

// newEstate runs an application of examples/ behind a proxy until the end of the test.
func newEstate(t testing.TB, a app, p proxy) *estate {
	t.Helper()
	authd, port := realtest.FreePort(t), realtest.FreePort(t)
	certificate, key := certificateFiles(t)
	e := &estate{front: newFront(t, p.start(t, addresses{authd, port, certificate, key}))}
	at, err := url.Parse(e.front.URL)
	if err != nil {
		t.Fatal(err)
	}
	e.auth = "https://auth.example.com:" + at.Port()
	e.site = "https://app.example.com:" + at.Port()
	e.serveAuthd(t, authd)
	e.serveApp(t, a, port)
	return e
}

// serveAuthd runs authd with the settings that the READMEs of the proxies name.
func (e *estate) serveAuthd(t testing.TB, port int) {
	t.Helper()
	idp := providertest.StartIDP(t, devidp.Options{Clients: []devidp.Client{{
		ID: "demo", Secret: "demo-secret",
		RedirectURIs: []string{e.auth + "/auth/oauth/dev/callback"}, PostLogoutRedirectURIs: []string{e.auth + "/auth/logout"},
	}}})
	dir := realtest.ShortDir(t)
	config := filepath.Join(dir, "authd.toml")
	text := fmt.Sprintf(`[server]
listen = "127.0.0.1:%d"
public_url = %q
admin_listen = ""
plugins_dir = %q
trusted_proxies = ["127.0.0.1"]
[store]
url = "memory:"
[session]
secret = "apps-session-secret-0123456789-abcdefghij"
cookie_domain = ".example.com"
[login]
return_to_allow = [%q]
[[providers]]
id = "dev"
type = "oidc"
label = "Company"
required = true
issuer = %q
client_id = "demo"
client_secret = "demo-secret"
scopes = ["openid", "profile", "email", "groups"]
`, port, e.auth, programs.Path(t, "plugins"), e.site, idp.Issuer())
	if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	realtest.StartService(t, "authd", dir, loopback(port)+"/readyz", []string{"TMPDIR=" + dir},
		programs.Path(t, "authd"), "serve", "--config", config)
}

// serveApp runs a copy of an example, since Python and Chainlit write beside the sources, with the command of its
// README.
func (e *estate) serveApp(t testing.TB, a app, port int) {
	t.Helper()
	bin := realtest.Venv(t, "examples/"+a.name+"/requirements.txt")
	dir := t.TempDir()
	for _, name := range append([]string{"app.py"}, a.files...) {
		copyFile(t, filepath.Join(dir, name), realtest.Checkout(t, "examples", a.name, name))
	}
	argv := strings.Fields(strings.NewReplacer("PORT", strconv.Itoa(port), "HOST", strings.TrimPrefix(e.site, "https://")).Replace(a.command))
	argv[0] = filepath.Join(bin, argv[0])
	env := []string{"HOME=" + dir, "AUTHD_URL=" + e.auth}
	if a.secret != "" {
		env = append(env, a.secret+"="+newSecret(t))
	}
	realtest.StartService(t, a.name, dir, loopback(port)+a.health, env, argv...)
}

func copyFile(t testing.TB, to, from string) {
	t.Helper()
	text, err := os.ReadFile(from)
	if err == nil {
		err = os.MkdirAll(filepath.Dir(to), 0o700)
	}
	if err == nil {
		err = os.WriteFile(to, text, 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
}

func newSecret(t testing.TB) string {
	t.Helper()
	raw := make([]byte, 32)
	if _, err := rand.Read(raw); err != nil {
		t.Fatal(err)
	}
	return hex.EncodeToString(raw)
}

func loopback(port int) string { return "http://127.0.0.1:" + strconv.Itoa(port) }

// addresses are what an example of a proxy must be told.
type addresses struct {
	authd, app       int // ports
	certificate, key string
}

// proxy runs one kind of proxy before authd and an application.
type proxy struct {
	name  string
	start func(testing.TB, addresses) (origin string)
}

var proxies = []proxy{{"nginx", startNginx}, {"caddy", startCaddy}}

// example is a file of examples/ with its addresses changed. Each of them must be there.
func example(t testing.TB, path string, changes ...string) string {
	t.Helper()
	text, err := os.ReadFile(realtest.Checkout(t, "examples", path))
	if err != nil {
		t.Fatal(err)
	}
	conf := string(text)
	for i := 0; i < len(changes); i += 2 {
		if !strings.Contains(conf, changes[i]) {
			t.Fatalf("examples/%s does not say %q", path, changes[i])
		}
		conf = strings.ReplaceAll(conf, changes[i], changes[i+1])
	}
	return conf
}

func startNginx(t testing.TB, at addresses) string {
	t.Helper()
	nginx := realtest.StartNginx(t, example(t, "nginx/authd.conf", append(at.changes(), "listen 443 ssl;", "listen 127.0.0.1:${PORT} ssl;")...))
	return fmt.Sprintf("https://127.0.0.1:%d", nginx.Port)
}

func startCaddy(t testing.TB, at addresses) string {
	t.Helper()
	return fmt.Sprintf("https://127.0.0.1:%d", realtest.StartCaddy(t, example(t, "caddy/Caddyfile", at.changes()...)).Port)
}

// changes are those that all examples need.
func (at addresses) changes() []string {
	return []string{
		"127.0.0.1:4180", "127.0.0.1:" + strconv.Itoa(at.authd),
		"127.0.0.1:8080", "127.0.0.1:" + strconv.Itoa(at.app),
		"/etc/ssl/certs/example.com.pem", at.certificate,
		"/etc/ssl/private/example.com.key", at.key,
	}
}
