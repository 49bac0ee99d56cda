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
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/authd/authd/internal/realtest"
	"github.com/authd/authd/sdk/devidp"
	"github.com/authd/authd/sdk/providertest"
)

// estate is a company: a proxy as in examples/, authd behind it at auth.example.com, an application at app.example.com,
// and an identity provider.
type estate struct {
	t     testing.TB
	kind  proxy
	proxy *realtest.Proxy
	relay *tcpRelay // between the proxy and authd
	app   *mirror
	idp   *devidp.Server
	roots *x509.CertPool

	auth, site string // origins as browsers see them
	server     *server
	options    options // of server
}

func newEstate(t testing.TB, tables string, environ ...string) *estate {
	t.Helper()
	return newEstateBehind(t, nginx, tables, environ...)
}

func newEstateBehind(t testing.TB, kind proxy, tables string, environ ...string) *estate {
	t.Helper()
	e := &estate{t: t, kind: kind, app: newMirror(t)}
	port := realtest.FreePort(t)
	e.relay = newTCPRelay(t, "127.0.0.1:"+strconv.Itoa(port))
	certificate, key := e.makeCertificate()
	e.proxy = kind.start(t, places{
		authd: "127.0.0.1:" + strconv.Itoa(e.relay.port), app: e.app.Listener.Addr().String(), certificate: certificate, key: key, changes: kind.changes,
	})
	e.auth, e.site = "https://auth.example.com", "https://app.example.com"
	if !kind.usualPort {
		e.auth, e.site = fmt.Sprintf("%s:%d", e.auth, e.proxy.Port), fmt.Sprintf("%s:%d", e.site, e.proxy.Port)
	}
	e.idp = providertest.StartIDP(t, devidp.Options{Clients: []devidp.Client{{
		ID: "demo", Secret: "demo-secret",
		RedirectURIs: []string{e.auth + "/auth/oauth/dev/callback"}, PostLogoutRedirectURIs: []string{e.auth + "/auth/logout"},
	}}})
	e.options = options{
		port: port, publicURL: e.auth, store: "file:" + filepath.Join(t.TempDir(), "authd.db"), offers: []string{"dev"},
		tables: tables + devTable(e.idp, "dev", "oidc", "label", "Company"),
		// As the README of each example says.
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

// during is the same estate for a part of the test.
func (e *estate) during(t testing.TB) *estate {
	c := *e
	c.t = t
	return &c
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
		if port == "443" {
			port = strconv.Itoa(e.proxy.Port)
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
	if !strings.HasPrefix(login.where(), e.auth+"/") {
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
			"X_Auth-Request-" + name, "X.Auth_Request-" + name, "x_auth_request_" + strings.ToLower(strings.ReplaceAll(name, "-", "_")),
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
