package host

import (
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/gofiber/fiber/v2"
)

// everyPath is each address that authd answers at, with something in place of what varies.
func (s *site) everyPath() []string {
	var paths []string
	for _, r := range s.server.app.GetRoutes(true) {
		path := strings.NewReplacer(":id", "idp", ":handle", strings.Repeat("A", 43), ":name", "favicon.svg", "*", "x").Replace(r.Path)
		if !slices.Contains(paths, path) {
			paths = append(paths, path)
		}
	}
	return paths
}

// Threat 66: a page of another site can read nothing of what authd says about a person, whatever it asks with. What is
// the same for everybody may be read by everybody, and then without cookies.
func TestOtherSitesReadNothing(t *testing.T) {
	t.Parallel()
	s := newSite(t, siteOptions{})
	c := s.browser()
	s.login(c, "ada", "/auth/oauth/idp")
	wantStatus(t, s.get(c, "/auth/check"), http.StatusOK)
	public := []string{"/auth/providers", "/.well-known/jwks.json"}
	paths := s.everyPath()
	if len(paths) < 20 {
		t.Fatalf("only %d paths: %q", len(paths), paths)
	}
	for _, path := range paths {
		for _, origin := range []string{"https://evil.example", "null", s.url} {
			for _, method := range []string{http.MethodGet, http.MethodOptions} {
				got := s.do(still(c), method, path, nil, "Origin", origin, "Access-Control-Request-Method", "DELETE", "Access-Control-Request-Headers", "x")
				want := ""
				if method == http.MethodGet && slices.Contains(public, path) {
					want = "*"
				}
				for name, values := range got.Header {
					if !strings.HasPrefix(name, "Access-Control-") {
						continue
					}
					if name != fiber.HeaderAccessControlAllowOrigin || len(values) != 1 || values[0] != want {
						t.Errorf("%s %s for %s: %s = %q", method, path, origin, name, values)
					}
				}
				if got.Header.Get(fiber.HeaderAccessControlAllowOrigin) != want {
					t.Errorf("%s %s for %s: any origin may read it: %q, want %q", method, path, origin, got.Header.Get(fiber.HeaderAccessControlAllowOrigin), want)
				}
			}
		}
	}
	wantStatus(t, s.get(c, "/auth/check"), http.StatusOK)
}

// Threat 65: where a person is signed in is for authd's own pages and for programs alone.
func TestSessionsAreForOwnPages(t *testing.T) {
	t.Parallel()
	s := newSite(t, siteOptions{})
	c := s.browser()
	s.login(c, "ada", "/auth/oauth/idp")
	for _, foreign := range [][]string{
		{"Sec-Fetch-Site", "cross-site"},
		{"Sec-Fetch-Site", "same-site"},
		{"Sec-Fetch-Site", "cross-site", "Origin", s.url},
		{"Origin", "https://evil.example"},
		{"Origin", "null"},
	} {
		got := s.get(c, "/auth/sessions", append(foreign, "Accept", "application/json")...)
		failsWith(t, got, http.StatusForbidden, "access_denied")
		if strings.Contains(got.body, "handle") {
			t.Errorf("with %q the answer is %s", foreign, got.body)
		}
	}
	for _, own := range [][]string{sameSite(), {"Sec-Fetch-Site", "none"}, {"Origin", s.url}, {}} {
		if got := s.get(c, "/auth/sessions", own...); got.StatusCode != http.StatusOK || !strings.Contains(got.body, `"current":true`) {
			t.Errorf("with %q: %d %s", own, got.StatusCode, got.body)
		}
	}
}

// Threat 94: a program that is not signed in gets 401, in JSON, with what it lacks; it is never led to a page.
func TestProgramsGetNoPage(t *testing.T) {
	t.Parallel()
	s := newSite(t, siteOptions{})
	for _, path := range []string{"/auth/session", "/auth/sessions", "/auth/forward", "/oauth2/userinfo"} {
		for _, accept := range []string{"", "*/*", "text/html", "application/json"} {
			if accept == "text/html" && path == "/auth/forward" {
				continue // that is a page load, which is led to the login page
			}
			got := s.get(still(&http.Client{}), path, "Accept", accept)
			failsWith(t, got, http.StatusUnauthorized, "unauthenticated")
			if got.Header.Get("Location") != "" || !strings.HasPrefix(got.Header.Get("WWW-Authenticate"), "Cookie realm=") {
				t.Errorf("%s for %q: headers %v", path, accept, got.Header)
			}
		}
	}
}

// Threat 162: authd answers at these addresses and at no other. Whoever adds one says so here, and to the reader of
// the documentation.
func TestRoutesAreThese(t *testing.T) {
	t.Parallel()
	s := newSite(t, siteOptions{})
	want := []string{
		"* /auth/check", "* /auth/forward", "* /auth/forward/*", "* /oauth2/auth",
		"* /api/authz/auth-request", "* /api/authz/forward-auth", "* /api/authz/ext-authz/*",
		"GET /", "GET /auth/login", "GET /auth/assets/:name", "GET /auth/providers", "GET /auth/session", "GET /auth/sessions",
		"GET /auth/oauth/:id", "GET /auth/oauth/:id/callback", "POST /auth/oauth/:id/callback", "POST /auth/password/:id",
		"GET /auth/logout", "POST /auth/logout", "DELETE /auth/sessions/:handle", "POST /auth/sessions/:handle",
		"GET /.well-known/jwks.json", "GET /healthz", "GET /readyz",
		"GET /auth/providers/:id", "GET /auth/providers/:id/callback", "POST /auth/providers/:id/callback",
		"GET /auth/oidc", "GET /auth/oidc/callback", "POST /auth/oidc/callback", "GET /oauth2callback", "POST /oauth2callback",
		"GET /oauth2/callback", "POST /oauth2/callback", "GET /oauth2/sign_in", "GET /oauth2/start", "GET /oauth2/sign_out", "POST /oauth2/sign_out", "GET /oauth2/userinfo",
	}
	methods := map[string][]string{} // :: path → methods
	for _, r := range s.server.app.GetRoutes(true) {
		if !slices.Contains(methods[r.Path], r.Method) {
			methods[r.Path] = append(methods[r.Path], r.Method)
		}
	}
	var got []string
	for path, all := range methods {
		if len(all) == len(s.server.app.Config().RequestMethods) {
			all = []string{"*"}
		}
		for _, method := range all {
			if method != http.MethodHead { // it comes with GET
				got = append(got, method+" "+path)
			}
		}
	}
	slices.Sort(want)
	if slices.Sort(got); !slices.Equal(got, want) {
		t.Errorf("routes\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	for _, path := range []string{"/debug/pprof/", "/debug/vars", "/metrics", "/admin/sessions", "/test/panic", "/auth/login/", "/AUTH/login", "//auth/login"} {
		wantStatus(t, s.get(&http.Client{}, s.url+path), http.StatusNotFound)
	}
}
