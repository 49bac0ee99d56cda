//go:build linux

package e2e

import (
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/authd/authd/internal/realtest"
)

// proxy is one of examples/: how it is started with the files there.
type proxy struct {
	name      string
	start     func(testing.TB, places) *realtest.Proxy
	down      int      // what it answers when authd is not there
	usualPort bool     // browsers reach it at 443, so URLs name no port
	changes   []string // of the example, besides places; in pairs
}

// places are what an example says otherwise: addresses, as host:port, and files.
type places struct {
	authd, app, certificate, key string
	changes                      []string // what else, in pairs
}

var (
	nginx   = proxy{name: "nginx", start: startNginx("examples/nginx/authd.conf"), down: http.StatusInternalServerError}
	caddy   = proxy{name: "Caddy", start: startCaddy, down: http.StatusBadGateway}
	haproxy = proxy{name: "HAProxy", start: startHAProxy, down: http.StatusServiceUnavailable}
	apache  = proxy{name: "Apache", start: startApache, down: http.StatusServiceUnavailable}
)

func startNginx(file string) func(testing.TB, places) *realtest.Proxy {
	return func(t testing.TB, at places) *realtest.Proxy {
		t.Helper()
		n := realtest.StartNginx(t, example(t, file, append(at.changes,
			"listen 443 ssl;", "listen 127.0.0.1:${PORT} ssl;", "127.0.0.1:4180", at.authd, "127.0.0.1:8080", at.app,
			"/etc/ssl/certs/example.com.pem", at.certificate, "/etc/ssl/private/example.com.key", at.key)...))
		return &realtest.Proxy{Port: n.Port, Dir: n.Dir}
	}
}

func startCaddy(t testing.TB, at places) *realtest.Proxy {
	t.Helper()
	return realtest.StartCaddy(t, example(t, "examples/caddy/Caddyfile", append(at.changes,
		"127.0.0.1:4180", at.authd, "127.0.0.1:8080", at.app,
		"/etc/ssl/certs/example.com.pem", at.certificate, "/etc/ssl/private/example.com.key", at.key)...))
}

func startHAProxy(t testing.TB, at places) *realtest.Proxy {
	t.Helper()
	both := filepath.Join(t.TempDir(), "example.com.pem")
	if err := os.WriteFile(both, []byte(fileText(t, at.certificate)+fileText(t, at.key)), 0o600); err != nil {
		t.Fatal(err)
	}
	conf := example(t, "examples/haproxy/haproxy.cfg", append(at.changes,
		"bind :443 ", "bind 127.0.0.1:${PORT} ", "127.0.0.1:4180", at.authd, "127.0.0.1:8080", at.app,
		"/etc/haproxy/example.com.pem", both, "/etc/haproxy/authd.lua", "${DIR}/authd.lua", "/run/haproxy/admin.sock", "${DIR}/admin.sock")...)
	return realtest.StartHAProxy(t, conf, map[string]string{"authd.lua": example(t, "examples/haproxy/authd.lua")})
}

func startApache(t testing.TB, at places) *realtest.Proxy {
	t.Helper()
	conf := example(t, "examples/apache/authd.conf", append(at.changes,
		"<VirtualHost *:443>", "<VirtualHost 127.0.0.1:${PORT}>", "127.0.0.1:4180", at.authd, "127.0.0.1:8080", at.app,
		"/etc/ssl/certs/example.com.pem", at.certificate, "/etc/ssl/private/example.com.key", at.key, "/etc/apache2/authd.lua", "${DIR}/authd.lua")...)
	_, port, _ := strings.Cut(at.authd, ":")
	lua := example(t, "examples/apache/authd.lua", "4180", port)
	return realtest.StartApache(t, conf, map[string]string{"authd.lua": lua})
}

// example is a file of the repository with places changed, which go in pairs. Each of them must be there.
func example(t testing.TB, file string, changes ...string) string {
	t.Helper()
	text := fileText(t, realtest.Checkout(t, file))
	for i := 0; i < len(changes); i += 2 {
		if !strings.Contains(text, changes[i]) {
			t.Fatalf("%s does not say %q", file, changes[i])
		}
	}
	return strings.NewReplacer(changes...).Replace(text)
}

func fileText(t testing.TB, path string) string {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// siteRules are the apps of the estate, and one more that no proxy here serves and everybody may see.
const siteRules = `[[apps]]
host = "app.example.com"
` + preflightRule + `[[apps.rules]]
path = "/public/*"
public = true
[[apps.rules]]
path = "/admin/*"
allow = '"admins" in user.groups'
[[apps]]
host = "open.example.com"
[[apps.rules]]
path = "/*"
public = true
`

// preflightRule needs a proxy that says the method.
const preflightRule = `[[apps.rules]]
path = "/*"
methods = ["OPTIONS"]
public = true
`

// behaviours are what every proxy has to show with the files of its example. The last one stops authd.
var behaviours = []struct {
	name string
	see  func(*testing.T, *estate)
}{
	{"deep link", seeDeepLink},
	{"programs", seePrograms},
	{"denied", seeDenied},
	{"public", seePublic},
	{"identity", seeIdentity},
	{"signed identity", seeSignedIdentity},
	{"forged target", seeForgedTarget},
	{"dropped fields", seeDroppedFields},
	{"methods", seeMethods},
	{"other host", seeOtherHost},
	{"spellings", seeSpellings},
	{"form", seeForm},
	{"websocket", seeWebSocket},
	{"other upgrades", seeOtherUpgrades},
	{"questions", seeQuestions},
	{"logout", seeLogout},
	{"without authd", seeWithoutAuthd},
}

// Every proxy of examples/ shows the same behaviour. All the while somebody without a cookie knocks at the door.
func TestProxies(t *testing.T) {
	for _, kind := range []proxy{nginx, caddy, haproxy, apache} {
		t.Run(kind.name, func(t *testing.T) {
			t.Parallel()
			e := newEstateBehind(t, kind, siteRules)
			stop := e.knock()
			for _, behaviour := range behaviours {
				t.Run(behaviour.name, func(t *testing.T) { behaviour.see(t, e.during(t)) })
			}
			stop()
		})
	}
}

// knock asks for protected pages without a cookie, again and again, until stop is called. None may ever be given out.
func (e *estate) knock() (stop func()) {
	e.t.Helper()
	b := e.browser().still()
	quit, done := make(chan struct{}), make(chan struct{})
	var asked atomic.Int64
	go func() {
		defer close(done)
		tick := time.NewTicker(20 * time.Millisecond)
		defer tick.Stop()
		for paths := []string{"/", "/admin/x", "/public", "/a?b=/public/x"}; ; {
			got, err := b.try(http.MethodGet, e.site+paths[asked.Add(1)%int64(len(paths))], nil)
			if err == nil && (got.StatusCode < 300 || strings.Contains(got.body, mirrorMark)) {
				e.t.Errorf("%s without a cookie: %s\n%s", got.where(), got.Status, got.body)
			}
			select {
			case <-quit:
				return
			case <-tick.C:
			}
		}
	}()
	return func() {
		close(quit)
		<-done
		if asked.Load() < 2 {
			e.t.Error("nobody has knocked")
		}
	}
}
