//go:build linux

package e2e

import (
	"encoding/json"
	"net/http"
	"net/url"
	"os"
	"strings"
	"testing"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"
	"github.com/google/go-cmp/cmp"
)

// Threat 80, 84: the way to a protected page leads through the login back to the very same URL.
func seeDeepLink(t *testing.T, e *estate) {
	for _, link := range []string{"/reports/7?year=2026&q=a%26b+c%2Fd&return_to=/elsewhere", "/caf%C3%A9%20menu?x=%0A", "/"} {
		b := e.browser()
		got := e.signIn(b, e.site+link, "ada")
		wantWhere(t, got, e.site+link)
		if r := wantPage(t, got); r.URI != link {
			t.Errorf("the application was asked for %s, want %s", r.URI, link)
		}
		wantPage(t, b.still().get(e.site+link))
	}
}

// Threat 94, 95: programs are told 401, page loads are led to the login page.
func seePrograms(t *testing.T, e *estate) {
	b := e.browser().still()
	for name, test := range map[string]struct {
		method  string
		headers []string
		want    int
	}{
		"page load":      {http.MethodGet, []string{"Sec-Fetch-Mode", "navigate"}, http.StatusFound},
		"old browser":    {http.MethodGet, nil, http.StatusFound},
		"fetch":          {http.MethodGet, []string{"Sec-Fetch-Mode", "cors"}, http.StatusUnauthorized},
		"head":           {http.MethodHead, nil, http.StatusFound},
		"image":          {http.MethodGet, []string{"Sec-Fetch-Mode", "no-cors"}, http.StatusUnauthorized},
		"XMLHttpRequest": {http.MethodGet, []string{"X-Requested-With", "XMLHttpRequest"}, http.StatusUnauthorized},
		"form":           {http.MethodPost, nil, http.StatusUnauthorized},
		"delete":         {http.MethodDelete, nil, http.StatusUnauthorized},
	} {
		if got := b.do(test.method, e.site+"/x", nil, test.headers...); got.StatusCode != test.want {
			t.Errorf("%s: status %d, want %d", name, got.StatusCode, test.want)
		}
	}
}

// Threat 83: who is denied sees 403 and is sent nowhere, however often.
func seeDenied(t *testing.T, e *estate) {
	b := e.browser()
	wantPage(t, e.signIn(b, e.site+"/", "linus"))
	before := e.app.requests()
	for range 3 {
		wantStatus(t, b.still().get(e.site+"/admin/x"), http.StatusForbidden)
	}
	wantStatus(t, b.still().get(e.site+"/admin/x", "X-Requested-With", "XMLHttpRequest"), http.StatusForbidden)
	if e.app.requests() != before {
		t.Error("the page has been asked for")
	}
	ada := e.browser()
	e.signIn(ada, e.site+"/", "ada")
	wantPage(t, ada.get(e.site+"/admin/x"))
}

// Threat 86, 87: a guest on a public page is nobody, whatever he says of himself.
func seePublic(t *testing.T, e *estate) {
	for _, headers := range [][]string{nil, forged()} {
		r := wantPage(t, e.browser().still().get(e.site+"/public/x?y", headers...))
		if diff := cmp.Diff(said(r.Header), map[string][]string{}); diff != "" {
			t.Errorf("a guest with the identity (got -, want +):\n%s", diff)
		}
	}
}

// said is identityOf without headers that say nothing.
func said(header http.Header) map[string][]string {
	found := identityOf(header)
	for name, values := range found {
		if strings.Join(values, "") == "" {
			delete(found, name)
		}
	}
	return found
}

// Threat 86, 87: of identity headers only authd's own arrive, in every spelling that an application may take for one.
func seeIdentity(t *testing.T, e *estate) {
	for name, want := range map[string]map[string][]string{
		"ada": {
			"x-auth-request-user": {"ada"}, "x-auth-request-preferred-username": {"ada"}, "x-auth-request-name": {"Ada Quillfeather"},
			"x-auth-request-email": {"ada@example.org"}, "x-auth-request-groups": {"admins,staff"}, "x-auth-request-provider": {"dev"},
		},
		"linus": { // nobody vouches for his address
			"x-auth-request-user": {"linus"}, "x-auth-request-preferred-username": {"linus"}, "x-auth-request-name": {"Linus Fjordgren"},
			"x-auth-request-groups": {"guests"}, "x-auth-request-provider": {"dev"},
		},
	} {
		b := e.browser()
		e.signIn(b, e.site+"/", name)
		want["x-auth-request-subject"] = []string{e.server.subject(b, e.auth)}
		for _, headers := range [][]string{nil, forged()} {
			got := said(wantPage(t, b.get(e.site+"/", headers...)).Header)
			if len(got["x-auth-request-jwt"]) != 1 {
				t.Errorf("%s: %d signed identities, want one", name, len(got["x-auth-request-jwt"]))
			}
			delete(got, "x-auth-request-jwt")
			if diff := cmp.Diff(got, want); diff != "" {
				t.Errorf("%s, with %d headers of his own (got -, want +):\n%s", name, len(headers)/2, diff)
			}
		}
	}
}

// Threat 96: the signed identity is for this application, and authd's published keys verify it.
func seeSignedIdentity(t *testing.T, e *estate) {
	b := e.browser()
	e.signIn(b, e.site+"/", "ada")
	raw := wantPage(t, b.get(e.site+"/")).Header.Get("X-Auth-Request-Jwt")
	token, err := jwt.ParseSigned(raw, []jose.SignatureAlgorithm{jose.ES256, jose.EdDSA, jose.RS256})
	if err != nil {
		t.Fatalf("%q: %v", raw, err)
	}
	var set jose.JSONWebKeySet
	if err := json.Unmarshal([]byte(b.get(e.auth+"/.well-known/jwks.json").body), &set); err != nil {
		t.Fatal(err)
	}
	var claims struct {
		jwt.Claims
		Email string `json:"email"`
	}
	if err := token.Claims(&set, &claims); err != nil {
		t.Fatal(err)
	}
	if typ := token.Headers[0].ExtraHeaders[jose.HeaderType]; typ != "authd-identity+jwt" {
		t.Errorf("typ %v", typ)
	}
	audience := strings.TrimPrefix(e.site, "https://")
	if err := claims.Validate(jwt.Expected{Issuer: e.auth, Subject: e.server.subject(b, e.auth), AnyAudience: jwt.Audience{audience}}); err != nil {
		t.Errorf("%v: %+v", err, claims)
	}
	if claims.Email != "ada@example.org" {
		t.Errorf("email %q", claims.Email)
	}
}

// targets are what a client may say about the page that is asked for, in the name of a proxy.
func targets(e *estate) []string {
	app := strings.TrimPrefix(e.site, "https://")
	return []string{
		"X-Original-URL", e.site + "/public/x", "X-Original-Url", "https://open.example.com/", "X-Original-URI", "/public/x", "X-Original-Method", "POST",
		"X-Original-Method", "GET", "X-Forwarded-Uri", "/public/x", "X-Forwarded-Uri", "https://open.example.com/", "X-Forwarded-Host", "open.example.com",
		"X-Forwarded-Host", app, "X-Forwarded-Method", "OPTIONS", "X-Forwarded-Proto", "https", "X-Forwarded-Proto", "http", "X-Forwarded-Port", "80",
		"X_Original_URL", e.site + "/public/x", "x_forwarded_uri", "/public/x", "X.Forwarded.Host", "open.example.com", "Forwarded", "host=open.example.com",
		"X-Auth-Request-Redirect", "https://evil.example.net/", "X-Rewrite-URL", "/public/x", "X-HTTP-Method-Override", "OPTIONS", "X-Host", "open.example.com",
	}
}

// Threat 88: what a client writes about the request changes nothing: neither what may pass nor where the login leads.
func seeForgedTarget(t *testing.T, e *estate) {
	guest, linus := e.browser().still(), e.browser()
	e.signIn(linus, e.site+"/", "linus")
	forged := targets(e)
	all := [][]string{forged[:6], forged}
	for i := 0; i < len(forged); i += 2 {
		all = append(all, forged[i:i+2])
	}
	for _, headers := range all {
		got := guest.get(e.site+"/admin/wanted?x", headers...)
		to, err := url.Parse(got.Header.Get("Location"))
		if err != nil || got.StatusCode != http.StatusFound || to.Query().Get("return_to") != e.site+"/admin/wanted?x" {
			t.Errorf("a guest with %q: %s, to %s (%v)", headers, got.Status, to, err)
		}
		if got := linus.still().get(e.site+"/admin/wanted", headers...); got.StatusCode != http.StatusForbidden {
			t.Errorf("who is denied, with %q: %s", headers, got.Status)
		}
	}
}

// Threat 86, 88: naming a field in Connection removes neither the identity nor the question's own words.
func seeDroppedFields(t *testing.T, e *estate) {
	linus := e.browser()
	e.signIn(linus, e.site+"/", "linus")
	want := said(wantPage(t, linus.get(e.site+"/")).Header)
	delete(want, "x-auth-request-jwt")
	for _, fields := range []string{
		"X-Auth-Request-User", "x-auth-request-groups, X-Auth-Request-Jwt", "X-Original-URL", "X-Original-Method, X-Forwarded-Uri", "close, X-Forwarded-Host",
		"Host", "keep-alive, X-Forwarded-Method, X-Forwarded-Proto",
	} {
		if got := linus.still().get(e.site+"/admin/x", "Connection", fields, "X-Original-URL", e.site+"/public/x"); got.StatusCode < 400 {
			t.Errorf("Connection: %s opens the page: %s", fields, got.Status)
		}
		got := linus.still().get(e.site+"/", "Connection", fields)
		if got.StatusCode == http.StatusBadRequest {
			continue
		}
		said := said(wantPage(t, got).Header)
		delete(said, "x-auth-request-jwt")
		if diff := cmp.Diff(said, want); diff != "" {
			t.Errorf("Connection: %s changes who it is (got -, want +):\n%s", fields, diff)
		}
	}
}

// A POST with a body goes through the check unharmed.
func seeForm(t *testing.T, e *estate) {
	b := e.browser()
	e.signIn(b, e.site+"/", "grace")
	for range 3 { // connections are used again
		r := wantPage(t, b.do(http.MethodPost, e.site+"/form", url.Values{"text": {strings.Repeat("x", 50_000)}}))
		if r.Method != http.MethodPost || r.Body != len("text=")+50_000 {
			t.Errorf("the application got %s with %d bytes", r.Method, r.Body)
		}
	}
}

// The questions that a proxy asks can't be asked from outside.
func seeQuestions(t *testing.T, e *estate) {
	b := e.browser()
	e.signIn(b, e.site+"/", "ada")
	for _, path := range []string{"/auth/check", "/auth/forward", "/auth/forward/x", "/api/authz/auth-request"} {
		wantStatus(t, b.still().get(e.auth+path), http.StatusNotFound)
	}
}

// Threat 60, 72: after signing out the application is closed at once, and the way out leads back to it.
func seeLogout(t *testing.T, e *estate) {
	b := e.browser()
	e.signIn(b, e.site+"/", "ada")
	confirm := b.get(e.auth + "/auth/logout?return_to=" + url.QueryEscape(e.site+"/goodbye"))
	wantText(t, confirm, "Sign out?")
	out := b.submit(confirm, nil)
	if to, err := url.Parse(out.where()); err != nil || to.Query().Get("return_to") != e.site+"/goodbye" {
		t.Errorf("the browser is at %s (%v), want the login page of %s/goodbye", out.where(), err, e.site)
	}
	wantStatus(t, b.still().get(e.site+"/"), http.StatusFound)
}

// Threat 85: without authd nobody gets a page, signed in or not, a public one or not; when it is back, everything is.
func seeWithoutAuthd(t *testing.T, e *estate) {
	b := e.browser()
	e.signIn(b, e.site+"/", "ada")
	e.server.stop(os.Interrupt)
	before := e.app.requests()
	for name, who := range map[string]*browser{"signed in": b, "nobody": e.browser()} {
		for _, path := range []string{"/", "/public/x"} {
			got := who.still().get(e.site + path)
			if got.StatusCode != e.kind.down || strings.Contains(got.body, mirrorMark) {
				t.Errorf("%s at %s without authd: %s, want %d and no page\n%s", name, path, got.Status, e.kind.down, got.body)
			}
		}
	}
	if e.app.requests() != before {
		t.Error("without authd a request has reached the application")
	}
	e.start()
	wantPage(t, b.get(e.site+"/"))
}
