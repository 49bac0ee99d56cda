//go:build linux

package bench

import (
	"fmt"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/authd/authd/internal/realtest"
	"github.com/authd/authd/sdk/devidp"
	"github.com/authd/authd/sdk/providertest"
)

// The peer is what many sites have in front of their applications today: Apache's mod_auth_openidc, which keeps the
// sessions itself and asks nobody.
const (
	apacheModules = "/usr/lib/apache2/modules"
	openidcModule = apacheModules + "/mod_auth_openidc.so"
)

const apacheConf = `ServerRoot "%[1]s"
ServerName localhost
Listen %[2]s
PidFile "%[1]s/apache.pid"
DefaultRuntimeDir "%[1]s"
Mutex file:%[1]s default
ErrorLog "/dev/stderr"
LogLevel error
StartServers 1
ServerLimit 1
ThreadsPerChild 25
MaxRequestWorkers 25
KeepAlive On
MaxKeepAliveRequests 0
KeepAliveTimeout 60
DocumentRoot "%[1]s/www"
<Directory "%[1]s/www">
	Require all granted
</Directory>
OIDCProviderMetadataURL %[3]s/.well-known/openid-configuration
OIDCClientID demo
OIDCClientSecret demo-secret
OIDCScope "openid profile email"
OIDCRedirectURI http://%[2]s/redirect
OIDCCryptoPassphrase 0123456789abcdef0123456789abcdef
OIDCSessionInactivityTimeout 3600
<Location "/private">
	AuthType openid-connect
	Require valid-user
</Location>
<Location "/redirect">
	AuthType openid-connect
	Require valid-user
</Location>
`

// startApache runs Apache on the server's core.
func startApache(b *testing.B, addr, issuer string) *process {
	b.Helper()
	bin := realtest.Find(b, "apache2")
	if _, err := os.Stat(openidcModule); err != nil {
		b.Fatalf("%v; install it: apt-get install libapache2-mod-auth-openidc", err)
	}
	dir := realtest.ShortDir(b) // b.TempDir lies in one that is for its owner alone
	var text strings.Builder
	for _, module := range []string{"mpm_event", "authn_core", "authz_core", "authz_user", "auth_openidc"} {
		fmt.Fprintf(&text, "LoadModule %s_module %s/mod_%s.so\n", module, apacheModules, module)
	}
	fmt.Fprintf(&text, apacheConf, dir, addr, issuer)
	if os.Getuid() == 0 {
		text.WriteString("User www-data\nGroup www-data\n")
	}
	for _, made := range []string{"", "www", "www/private"} {
		if err := os.MkdirAll(filepath.Join(dir, made), 0o755); err != nil {
			b.Fatal(err)
		}
		if err := os.Chmod(filepath.Join(dir, made), 0o755); err != nil {
			b.Fatal(err)
		}
	}
	for name, content := range map[string]string{"apache.conf": text.String(), "www/empty": "", "www/private/empty": ""} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o644); err != nil {
			b.Fatal(err)
		}
	}
	p := start(b, exec.Command(bin, "-DFOREGROUND", "-f", filepath.Join(dir, "apache.conf")), serverCore)
	awaitAddr(b, p, addr)
	return p
}

// peerLogin signs in at Apache and returns the Cookie field of such a browser.
func peerLogin(b *testing.B, p *process, page string) string {
	b.Helper()
	jar, err := cookiejar.New(nil)
	if err != nil {
		b.Fatal(err)
	}
	req, err := http.NewRequestWithContext(b.Context(), http.MethodGet, page, nil)
	if err != nil {
		b.Fatal(err)
	}
	req.Header.Set("Accept", "text/html") // or Apache answers 401, as to a program
	res, err := (&http.Client{Jar: jar}).Do(req)
	if err != nil {
		b.Fatalf("%v\n%s", err, p.errs)
	}
	if err := res.Body.Close(); err != nil || res.StatusCode != http.StatusOK || res.Request.URL.String() != page {
		b.Fatalf("the login at Apache ends at %s with %s, %v\n%s", res.Request.URL, res.Status, err, p.errs)
	}
	at, err := url.Parse(page)
	if err != nil {
		b.Fatal(err)
	}
	var cookies []string
	for _, cookie := range jar.Cookies(at) {
		cookies = append(cookies, cookie.Name+"="+cookie.Value)
	}
	return strings.Join(cookies, "; ")
}

// measurePeer compares what Apache spends for a page that only signed-in people reach with what it spends for another,
// and puts authd's check beside the difference: that is the part which knows who is there.
func measurePeer(b *testing.B, t *table) {
	const rounds, requests = 7, 3000
	idp := providertest.StartIDP(b, devidp.Options{AutoLogin: "ada"})
	addr := realtest.FreeAddr(b)
	apache := startApache(b, addr, idp.Issuer())
	cookie := peerLogin(b, apache, "http://"+addr+"/private/empty")
	pids := apache.children() // who answers; it has by now
	s := newSite(b, withApps)
	id := s.signIn(nil)
	authd := s.serve(serverCore)
	to := func(path string) *target {
		request := strings.Replace(proxyRequest(path, addr, id, ""), "authd="+id, cookie, 1)
		return &target{name: path, pids: pids, client: newClient(b, addr, connections, request)}
	}
	open, private := to("/empty"), to("/private/empty")
	check := &target{name: "authd", pids: []int{authd.pid}, client: newClient(b, s.addr, connections, checkRequest(s.addr, id))}
	interleave(b, []*target{open, private, check}, rounds, requests)
	more := make([]float64, rounds)
	for i := range more {
		more[i] = (private.spent[i] - open.spent[i]) / check.spent[i]
	}
	t.add(b, row{
		what: "mod_auth_openidc, CPU / that of authd's check", unit: "×", measured: median(more),
		note: fmt.Sprintf("Apache %.1f µs with it, %.1f µs without; authd %.1f µs; %s", median(private.spent), median(open.spent), median(check.spent), spread(more)),
	})
	apache.stop()
	authd.stop()
}
