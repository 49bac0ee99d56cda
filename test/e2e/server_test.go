//go:build linux

package e2e

import (
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/authd/authd/internal/realtest"
	"github.com/authd/authd/sdk/devidp"
)

// options say how an authd is to be run. The zero value is one without providers.
type options struct {
	port      int    // of 127.0.0.1; 0: a free one
	publicURL string // "": http://127.0.0.1:port
	plugins   string // directory; "": all that were built
	store     string // "": memory:
	tables    string // appended to the configuration
	environ   []string
	noFile    bool     // the environment alone
	offers    []string // providers that must be usable before the test goes on
}

// sessionSecret keys all tests' sessions; like every secret it may not turn up in a log.
const sessionSecret = "e2e-session-secret-0123456789-abcdefghij"

// secrets are what no log of authd may hold.
var secrets = []string{sessionSecret, "demo-secret", "authd-secret", realtest.Alice.Password, realtest.Bob.Password}

// server is one running authd serve.
type server struct {
	*process
	direct string // where it listens
	url    string // where browsers reach it
	config string // path of its file
}

// serve runs authd serve until the end of the test, and waits until it is ready.
func serve(t testing.TB, opt options) *server {
	t.Helper()
	opt = opt.withDefaults(t)
	s := &server{direct: "http://127.0.0.1:" + strconv.Itoa(opt.port), url: opt.publicURL}
	if opt.noFile {
		s.process = startProcess(t, append(opt.environ, opt.variables()...), "serve")
	} else {
		s.config = writeConfig(t, opt)
		s.process = startProcess(t, opt.environ, "serve", "--config", s.config)
	}
	s.awaitReady(opt.offers...)
	return s
}

func (o options) withDefaults(t testing.TB) options {
	t.Helper()
	if o.port == 0 {
		o.port = realtest.FreePort(t)
	}
	if o.publicURL == "" {
		o.publicURL = "http://127.0.0.1:" + strconv.Itoa(o.port)
	}
	if o.plugins == "" {
		o.plugins = programs.Path(t, "plugins")
	}
	if o.store == "" {
		o.store = "memory:"
	}
	return o
}

// variables are what writeConfig writes, in the environment.
func (o options) variables() []string {
	return []string{
		fmt.Sprintf("AUTHD_SERVER_LISTEN=127.0.0.1:%d", o.port), "AUTHD_SERVER_PUBLIC_URL=" + o.publicURL, "AUTHD_SERVER_ADMIN_LISTEN=",
		"AUTHD_SERVER_PLUGINS_DIR=" + o.plugins, "AUTHD_STORE_URL=" + o.store, "AUTHD_SESSION_SECRET=" + sessionSecret,
		"AUTHD_LOG_FORMAT=json", "AUTHD_LOG_LEVEL=debug",
	}
}

func writeConfig(t testing.TB, o options) string {
	t.Helper()
	text := fmt.Sprintf(`[server]
listen = "127.0.0.1:%d"
public_url = %q
admin_listen = ""
plugins_dir = %q
[store]
url = %q
[session]
secret = %q
[log]
format = "json"
level = "debug"
%s`, o.port, o.publicURL, o.plugins, o.store, sessionSecret, o.tables)
	path := filepath.Join(t.TempDir(), "authd.toml")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// awaitReady waits until /readyz says so and the providers are offered.
func (s *server) awaitReady(offers ...string) {
	s.t.Helper()
	b := newBrowser(s.t)
	_, err := s.Ready(pause, patience, func() error {
		ready, err := b.try(http.MethodGet, s.direct+"/readyz", nil)
		if err != nil || ready.StatusCode != http.StatusOK {
			return fmt.Errorf("/readyz: %v %s", err, ready.body)
		}
		list := s.providers(b)
		for _, id := range offers {
			if !slices.Contains(list, id) {
				return fmt.Errorf("%s is not among %v", id, list)
			}
		}
		return nil
	})
	if err != nil {
		s.t.Fatal(err)
	}
}

// providers are those that can be used now.
func (s *server) providers(b *browser) []string {
	s.t.Helper()
	var list []struct{ ID string }
	if err := json.Unmarshal([]byte(b.get(s.direct+"/auth/providers").body), &list); err != nil {
		s.t.Fatal(err)
	}
	ids := make([]string, len(list))
	for i, p := range list {
		ids[i] = p.ID
	}
	return ids
}

// check asks as nginx does, with the cookies of b.
func (s *server) check(b *browser, headers ...string) page {
	s.t.Helper()
	return b.still().get(s.url+"/auth/check", headers...)
}

// groups are those of whoever is signed in with b, sorted.
func (s *server) groups(b *browser) []string {
	s.t.Helper()
	got := s.check(b)
	wantStatus(s.t, got, http.StatusOK)
	groups := strings.Split(got.Header.Get("X-Auth-Request-Groups"), ",")
	slices.Sort(groups)
	return groups
}

// table is a [[providers]] table; values go in pairs.
func table(id, kind string, values ...string) string {
	var b strings.Builder
	fmt.Fprintf(&b, "[[providers]]\nid = %q\ntype = %q\n", id, kind)
	for i := 0; i+1 < len(values); i += 2 {
		fmt.Fprintf(&b, "%s = %q\n", values[i], values[i+1])
	}
	return b.String()
}

// devTable is the table of a provider of type oidc, keycloak or github that asks the developer identity provider.
func devTable(idp *devidp.Server, id, kind string, values ...string) string {
	values = append([]string{"client_id", "demo", "client_secret", "demo-secret"}, values...)
	switch kind {
	case "oidc":
		return table(id, kind, append(values, "issuer", idp.Issuer())...) + `scopes = ["openid", "profile", "email", "groups"]` + "\n"
	case "keycloak":
		values = append(values, "base_url", idp.URL(), "realm", "staff")
	case "github":
		values = append(values, "auth_url", idp.URL()+"/login/oauth/authorize", "token_url", idp.URL()+"/login/oauth/access_token", "user_info_url", idp.URL()+"/user")
	}
	return table(id, kind, values...)
}
