//go:build linux

package e2e

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/authd/authd/internal/realtest"
	"github.com/authd/authd/sdk/devidp"
)

// estate is a company: nginx as in examples/nginx, authd behind it at auth.example.com, an application at
// app.example.com, and an identity provider.
type estate struct {
	t     testing.TB
	nginx *realtest.Nginx
	relay *tcpRelay // between nginx and authd
	app   *mirror
	idp   *devidp.Server
	roots *x509.CertPool

	auth, site string // origins as browsers see them
	server     *server
	options    options // of server
}

func newEstate(t testing.TB, tables string, environ ...string) *estate {
	t.Helper()
	e := &estate{t: t, app: newMirror(t)}
	port := realtest.FreePort(t)
	e.relay = newTCPRelay(t, "127.0.0.1:"+strconv.Itoa(port))
	certificate, key := e.makeCertificate()
	e.nginx = realtest.StartNginx(t, exampleConf(t, map[string]string{
		"listen 443 ssl;":                  "listen 127.0.0.1:${PORT} ssl;",
		"127.0.0.1:4180":                   "127.0.0.1:" + strconv.Itoa(e.relay.port),
		"http://127.0.0.1:8080":            e.app.URL,
		"/etc/ssl/certs/example.com.pem":   certificate,
		"/etc/ssl/private/example.com.key": key,
	}))
	e.auth = fmt.Sprintf("https://auth.example.com:%d", e.nginx.Port)
	e.site = fmt.Sprintf("https://app.example.com:%d", e.nginx.Port)
	e.idp = startDevIDP(t, devidp.Options{Clients: []devidp.Client{{
		ID: "demo", Secret: "demo-secret",
		RedirectURIs: []string{e.auth + "/auth/oauth/dev/callback"}, PostLogoutRedirectURIs: []string{e.auth + "/auth/logout"},
	}}})
	e.options = options{
		port: port, publicURL: e.auth, store: "file:" + filepath.Join(t.TempDir(), "authd.db"), offers: []string{"dev"},
		tables: tables + devTable(e.idp, "dev", "oidc", "label", "Company"),
		// As examples/nginx/README.md says.
		environ: append([]string{
			"AUTHD_SERVER_TRUSTED_PROXIES=127.0.0.1", "AUTHD_SESSION_COOKIE_DOMAIN=.example.com", "AUTHD_LOGIN_RETURN_TO_ALLOW=" + e.site,
		}, environ...),
	}
	e.start()
	return e
}

// start runs authd, again if it was stopped.
func (e *estate) start() {
	e.t.Helper()
	e.server = serve(e.t, e.options)
}

// exampleConf is examples/nginx/authd.conf with its addresses changed. Each of them must be there.
func exampleConf(t testing.TB, changes map[string]string) string {
	t.Helper()
	root, err := realtest.ModuleRoot()
	if err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(filepath.Join(root, "examples", "nginx", "authd.conf"))
	if err != nil {
		t.Fatal(err)
	}
	conf := string(text)
	for from, to := range changes {
		if !strings.Contains(conf, from) {
			t.Fatalf("examples/nginx/authd.conf does not say %q", from)
		}
		conf = strings.ReplaceAll(conf, from, to)
	}
	return conf
}

// makeCertificate writes a certificate for *.example.com that the browsers of the estate trust.
func (e *estate) makeCertificate() (certificate, key string) {
	e.t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		e.t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "*.example.com"}, DNSNames: []string{"*.example.com"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(24 * time.Hour),
		KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign, IsCA: true, BasicConstraintsValid: true,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, private.Public(), private)
	if err != nil {
		e.t.Fatal(err)
	}
	encoded, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		e.t.Fatal(err)
	}
	certPEM := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
	e.roots = x509.NewCertPool()
	e.roots.AppendCertsFromPEM(certPEM)
	dir := e.t.TempDir()
	certificate, key = filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
	if err := os.WriteFile(certificate, certPEM, 0o600); err != nil {
		e.t.Fatal(err)
	}
	if err := os.WriteFile(key, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: encoded}), 0o600); err != nil {
		e.t.Fatal(err)
	}
	return certificate, key
}

// browser finds every host of the estate on this machine.
func (e *estate) browser() *browser {
	e.t.Helper()
	b := newBrowser(e.t)
	transport := b.client.Transport.(*http.Transport)
	transport.TLSClientConfig.RootCAs = e.roots
	transport.DialContext = func(ctx context.Context, network, address string) (net.Conn, error) {
		_, port, err := net.SplitHostPort(address)
		if err != nil {
			return nil, err
		}
		var dialer net.Dialer
		return dialer.DialContext(ctx, network, net.JoinHostPort("127.0.0.1", port))
	}
	return b
}

// signIn goes from a page of the application through the login page and the provider, and ends where that leads.
func (e *estate) signIn(b *browser, target, user string) page {
	e.t.Helper()
	login := b.get(target)
	if !strings.HasPrefix(login.where(), e.auth+"/auth/login") {
		e.t.Fatalf("%s leads to %s (%s), want the login page", target, login.where(), login.Status)
	}
	wantText(e.t, login, "Continue with Company")
	link := attributeOf(e.t, login, `id="provider-dev" href="`)
	res, err := e.idp.Login(e.t.Context(), b.client, e.auth+link, user)
	if err != nil {
		e.t.Fatal(err)
	}
	return readPage(e.t, res)
}

// wantPage returns what reached the application.
func wantPage(t testing.TB, got page) reflection {
	t.Helper()
	wantStatus(t, got, http.StatusOK)
	var r reflection
	if err := json.Unmarshal([]byte(got.body), &r); err != nil || r.Mark != mirrorMark {
		t.Fatalf("%s is not the application's page (%v):\n%s", got.where(), err, got.body)
	}
	return r
}

// Threat 80, 84: the way to a protected page leads through the login back to the very same URL.
func TestNginxDeepLink(t *testing.T) {
	t.Parallel()
	e := newEstate(t, "")
	for _, link := range []string{
		"/reports/7?year=2026&month=11&q=a%26b+c%2Fd&return_to=/elsewhere",
		"/a%2Fb/c;d?x",
		"/",
	} {
		b := e.browser()
		got := e.signIn(b, e.site+link, "ada")
		wantWhere(t, got, e.site+link)
		if r := wantPage(t, got); r.URI != link {
			t.Errorf("the application was asked for %s, want %s", r.URI, link)
		}
		// From now on nobody is in the way.
		wantPage(t, b.still().get(e.site+link))
	}
}

// Threat 56: over https the cookie that all applications share is Secure, HttpOnly and Lax.
func TestNginxCookie(t *testing.T) {
	t.Parallel()
	e := newEstate(t, "")
	b := e.browser()
	start := b.still().get(e.auth + "/auth/oauth/dev")
	for _, c := range start.Cookies() {
		if !strings.HasPrefix(c.Name, "__Host-") || !c.Secure || !c.HttpOnly || c.Path != "/" || c.Domain != "" {
			t.Errorf("flow cookie %s, want __Host-, Secure, HttpOnly", c)
		}
	}
	callback, err := e.idp.Authorize(t.Context(), start.Header.Get("Location"), "ada")
	if err != nil {
		t.Fatal(err)
	}
	var session *http.Cookie
	for _, c := range b.still().get(callback).Cookies() {
		if c.Name == "authd" {
			session = c
		}
	}
	if session == nil || !session.Secure || !session.HttpOnly || session.SameSite != http.SameSiteLaxMode || session.Domain != "example.com" {
		t.Errorf("session cookie %v, want authd for example.com, Secure, HttpOnly, Lax", session)
	}
	if hsts := b.get(e.auth + "/").Header.Get("Strict-Transport-Security"); hsts == "" {
		t.Error("no Strict-Transport-Security over https")
	}
}

// forged is what a client may send to pass for somebody else, in all spellings that some application takes for one.
func forged() []string {
	var headers []string
	for _, name := range []string{
		"User", "Subject", "Email", "Preferred-Username", "Name", "Groups", "Groups-Omitted", "Provider", "Jwt", "Access-Token",
	} {
		dashed := "X-Auth-Request-" + name
		for _, spelling := range []string{
			dashed, strings.ToLower(dashed), strings.ReplaceAll(dashed, "-", "_"), strings.ReplaceAll(dashed, "-", "."),
			"X_Auth-Request-" + name, "x_auth_request_" + strings.ToLower(strings.ReplaceAll(name, "-", "_")),
		} {
			headers = append(headers, spelling, "forged")
		}
	}
	return headers
}

// identityOf are the headers that an application may take for identity headers, however they are spelt.
func identityOf(header http.Header) map[string][]string {
	found := map[string][]string{}
	for name, values := range header {
		plain := strings.ToLower(strings.NewReplacer("_", "-", ".", "-").Replace(name))
		if strings.HasPrefix(plain, "x-auth-request-") {
			found[plain] = append(found[plain], values...)
		}
	}
	return found
}

// Threat 86, 87: of identity headers only authd's own arrive; one that is empty for this person does not arrive at all.
func TestNginxIdentityHeaders(t *testing.T) {
	t.Parallel()
	e := newEstate(t, "")
	ada := map[string][]string{
		"x-auth-request-user": {"ada"}, "x-auth-request-preferred-username": {"ada"}, "x-auth-request-name": {"Ada Quillfeather"},
		"x-auth-request-email": {"ada@example.org"}, "x-auth-request-groups": {"admins,staff"}, "x-auth-request-provider": {"dev"},
	}
	linus := map[string][]string{ // nobody vouches for his address
		"x-auth-request-user": {"linus"}, "x-auth-request-preferred-username": {"linus"}, "x-auth-request-name": {"Linus Fjordgren"},
		"x-auth-request-groups": {"guests"}, "x-auth-request-provider": {"dev"},
	}
	for name, want := range map[string]map[string][]string{"ada": ada, "linus": linus} {
		b := e.browser()
		e.signIn(b, e.site+"/", name)
		want["x-auth-request-subject"] = []string{e.server.subject(b, e.auth)}
		honest := identityOf(wantPage(t, b.get(e.site+"/")).Header)
		if diff := cmp.Diff(honest, want); diff != "" {
			t.Errorf("%s: headers (got -, want +):\n%s", name, diff)
		}
		liar := identityOf(wantPage(t, b.get(e.site+"/", forged()...)).Header)
		if diff := cmp.Diff(liar, want); diff != "" {
			t.Errorf("%s with forged headers (got -, want +):\n%s", name, diff)
		}
	}
	before := e.app.requests()
	nobody := e.browser().still().get(e.site+"/", forged()...)
	wantStatus(t, nobody, http.StatusFound)
	if e.app.requests() != before {
		t.Error("headers alone have opened the application")
	}
}

// subject is who authd says is signed in.
func (s *server) subject(b *browser, origin string) string {
	s.t.Helper()
	var out struct{ User struct{ Sub string } }
	got := b.get(origin + "/auth/session")
	if err := json.Unmarshal([]byte(got.body), &out); err != nil || len(out.User.Sub) != 26 {
		s.t.Fatalf("/auth/session: %s %s", got.Status, got.body)
	}
	return out.User.Sub
}

// Threat 88: what a client writes about the request is not what nginx says about it.
func TestNginxOriginalURL(t *testing.T) {
	t.Parallel()
	e := newEstate(t, "")
	got := e.browser().still().get(e.site+"/wanted", "X-Original-URL", "https://auth.example.com/forged", "X-Original-Method", "POST")
	wantStatus(t, got, http.StatusFound)
	to, err := url.Parse(got.Header.Get("Location"))
	if err != nil {
		t.Fatal(err)
	}
	if back := to.Query().Get("return_to"); back != e.site+"/wanted" {
		t.Errorf("the login leads back to %q, want %s/wanted", back, e.site)
	}
}

// Threat 94: programs are told 401, page loads are sent to the login page.
func TestNginxTellsProgramsFromPeople(t *testing.T) {
	t.Parallel()
	e := newEstate(t, "")
	b := e.browser().still()
	for name, test := range map[string]struct {
		method  string
		headers []string
		want    int
	}{
		"page load":      {http.MethodGet, []string{"Sec-Fetch-Mode", "navigate"}, http.StatusFound},
		"old browser":    {http.MethodGet, nil, http.StatusFound},
		"head":           {http.MethodHead, nil, http.StatusFound},
		"fetch":          {http.MethodGet, []string{"Sec-Fetch-Mode", "cors"}, http.StatusUnauthorized},
		"image":          {http.MethodGet, []string{"Sec-Fetch-Mode", "no-cors"}, http.StatusUnauthorized},
		"XMLHttpRequest": {http.MethodGet, []string{"X-Requested-With", "XMLHttpRequest"}, http.StatusUnauthorized},
		"form":           {http.MethodPost, nil, http.StatusUnauthorized},
		"delete":         {http.MethodDelete, nil, http.StatusUnauthorized},
	} {
		got := b.do(test.method, e.site+"/x", nil, test.headers...)
		if got.StatusCode != test.want {
			t.Errorf("%s: status %d, want %d", name, got.StatusCode, test.want)
		}
	}
	if n := e.app.requests(); n != 0 {
		t.Errorf("%d requests have reached the application", n)
	}
}

// A POST with a body goes through the check unharmed.
func TestNginxPassesForms(t *testing.T) {
	t.Parallel()
	e := newEstate(t, "")
	b := e.browser()
	e.signIn(b, e.site+"/", "grace")
	for range 3 { // the connection to authd is used again
		r := wantPage(t, b.do(http.MethodPost, e.site+"/form", url.Values{"text": {strings.Repeat("x", 50_000)}}))
		if r.Method != http.MethodPost || r.Header.Get("Content-Length") == "0" {
			t.Errorf("the application got %s with %s bytes", r.Method, r.Header.Get("Content-Length"))
		}
	}
}

// A rule that changes while people are signed in holds from the restart on, and the session outlives it.
func TestNginxDenied(t *testing.T) {
	t.Parallel()
	e := newEstate(t, "")
	ada, linus := e.browser(), e.browser()
	e.signIn(ada, e.site+"/", "ada")
	e.signIn(linus, e.site+"/", "linus")

	e.server.stop(os.Interrupt)
	e.options.tables = "[access]\nallow = '\"staff\" in user.groups'\n" + e.options.tables
	e.start()
	wantPage(t, ada.get(e.site+"/"))
	before := e.app.requests()
	wantStatus(t, linus.get(e.site+"/"), http.StatusForbidden)
	// And a new login says no by itself.
	again := e.browser()
	denied := e.signIn(again, e.site+"/", "linus")
	wantStatus(t, denied, http.StatusForbidden)
	wantText(t, denied, "Access denied")
	if e.app.requests() != before {
		t.Error("somebody who is denied has reached the application")
	}
}

// Threat 60, 72: after signing out the application is closed at once, and the way out leads back to it.
func TestNginxLogout(t *testing.T) {
	t.Parallel()
	e := newEstate(t, "")
	b := e.browser()
	e.signIn(b, e.site+"/", "ada")
	confirm := b.get(e.auth + "/auth/logout?return_to=" + url.QueryEscape(e.site+"/goodbye"))
	wantText(t, confirm, "Sign out?")
	// It goes to the identity provider, back to authd and on to the application, which asks to sign in again.
	out := b.submit(confirm, nil)
	if to, err := url.Parse(out.where()); err != nil || to.Query().Get("return_to") != e.site+"/goodbye" {
		t.Errorf("the browser is at %s (%v), want the login page of %s/goodbye", out.where(), err, e.site)
	}
	wantStatus(t, b.still().get(e.site+"/"), http.StatusFound)
	if sids := e.idp.SessionIDs("dev-7f3a91c0-ada"); len(sids) != 0 {
		t.Errorf("the identity provider still has the sessions %v", sids)
	}
}

// Checks use connections again: a hundred of them need no more than a few.
func TestNginxKeepsConnections(t *testing.T) {
	t.Parallel()
	e := newEstate(t, "")
	b := e.browser()
	e.signIn(b, e.site+"/", "ada")
	before := e.relay.connections()
	for range 100 {
		wantPage(t, b.get(e.site+"/"))
	}
	if made := e.relay.connections() - before; made > 5 {
		t.Errorf("a hundred checks have opened %d connections to authd", made)
	}
}

// Threat 85: without authd nobody gets the page, signed in or not; when it is back, everything is.
func TestNginxWithoutAuthd(t *testing.T) {
	t.Parallel()
	e := newEstate(t, "")
	b := e.browser()
	e.signIn(b, e.site+"/", "ada")
	e.server.stop(os.Interrupt)
	before := e.app.requests()
	for name, who := range map[string]*browser{"signed in": b, "nobody": e.browser()} {
		got := who.still().get(e.site + "/")
		if got.StatusCode < 500 || strings.Contains(got.body, mirrorMark) {
			t.Errorf("%s without authd: %s, want 5xx and no page\n%s", name, got.Status, got.body)
		}
	}
	if e.app.requests() != before {
		t.Error("without authd a request has reached the application")
	}
	e.start()
	wantPage(t, b.get(e.site+"/"))
}
