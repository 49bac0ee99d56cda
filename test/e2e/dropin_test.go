//go:build linux

package e2e

import (
	"net/http"
	"net/url"
	"os"
	"strings"
	"testing"
)

// dropIn is nginx as it was set up for oauth2-proxy. It does not say the method of a request.
var dropIn = proxy{name: "oauth2-proxy's nginx", start: startNginx("test/e2e/testdata/oauth2-proxy-nginx.conf"), usualPort: true}

// Whoever ran oauth2-proxy behind nginx changes an address: logins, refusals, identity and logout work.
func TestOAuth2ProxyConfiguration(t *testing.T) {
	t.Parallel()
	e := newEstateBehind(t, dropIn, strings.Replace(siteRules, preflightRule, "", 1))
	stop := e.knock()
	defer stop()
	b := e.browser()
	for _, link := range []string{"/reports/7?year=2026", "/"} {
		b = e.browser()
		got := e.signIn(b, e.site+link, "ada")
		wantWhere(t, got, e.site+link)
		r := wantPage(t, got)
		if r.URI != link || r.Header.Get("X-User") != "ada" || r.Header.Get("X-Email") != "ada@example.org" {
			t.Errorf("the application was asked for %s by %s, %s", r.URI, r.Header.Get("X-User"), r.Header.Get("X-Email"))
		}
	}
	for path, want := range map[string]int{
		"/oauth2/auth": http.StatusAccepted, "/oauth2/auth?allowed_groups=admins": http.StatusAccepted,
		"/oauth2/auth?allowed_groups=nobody": http.StatusForbidden, "/oauth2/auth?allowed_groups=": http.StatusForbidden, "/oauth2/userinfo": http.StatusOK,
	} {
		wantStatus(t, b.still().get(e.site+path), want)
	}
	// What docs/migrate/oauth2-proxy.md says is different.
	for path, want := range map[string]int{"/ping": http.StatusNotFound, "/ready": http.StatusNotFound, "/robots.txt": http.StatusNotFound} {
		wantStatus(t, b.still().get(e.auth+path), want)
	}
	wantStatus(t, b.still().do(http.MethodPost, e.auth+"/oauth2/sign_in", url.Values{"username": {"ada"}}, "Origin", e.auth), http.StatusMethodNotAllowed)
	wantStatus(t, b.still().get(e.site+"/oauth2/auth?allowed_groups=*"), http.StatusForbidden)
	wantStatus(t, b.still().get(e.site+"/oauth2/auth?allowed_emails=ADA@example.org"), http.StatusAccepted)
	r := wantPage(t, e.browser().still().get(e.site+"/public/x", forged()...))
	if r.Header.Get("X-User") != "" || r.Header.Get("X-Email") != "" {
		t.Errorf("a guest is %q, %q", r.Header.Get("X-User"), r.Header.Get("X-Email"))
	}
}

// Threat 83: where oauth2-proxy would send somebody round who may not come in, authd says 403.
func TestOAuth2ProxyConfigurationDenies(t *testing.T) {
	t.Parallel()
	e := newEstateBehind(t, dropIn, strings.Replace(siteRules, preflightRule, "", 1))
	b := e.browser()
	e.signIn(b, e.site+"/", "linus")
	wantStatus(t, b.still().get(e.site+"/admin/x"), http.StatusForbidden)
	wantPage(t, b.get(e.site+"/"))

	// A link of the application signs out, here and at the provider, and leads back.
	out := b.get(e.site+"/oauth2/sign_out?rd="+url.QueryEscape(e.site+"/goodbye"), "Sec-Fetch-Site", "same-origin")
	if strings.Contains(out.body, "Sign out?") {
		out = b.submit(out, nil)
	}
	if to, err := url.Parse(out.where()); err != nil || to.Query().Get("rd") != e.site+"/goodbye" {
		t.Errorf("the browser is at %s (%v), want the login page of %s/goodbye", out.where(), err, e.site)
	}
	wantStatus(t, b.still().get(e.site+"/"), http.StatusFound)

	e.server.stop(os.Interrupt)
	if got := b.still().get(e.site + "/"); got.StatusCode < 500 {
		t.Errorf("without authd: %s", got.Status)
	}
	e.start()
}
